//! The measures of a model, as catalogues know them: a name, a number, limits, and what it was measured on.

use evidence::{Bound, Flag, ModelResult, Results};

use crate::text::bound_name;

/// One measure.
pub(super) struct Metric {
    /// What kind it is, as an identifier.
    pub(super) id: &'static str,
    /// The same in words, with what tells it from others of its kind: no two of a model have the same.
    pub(super) name: String,
    /// The number.
    pub(super) value: f64,
    /// Its 95 % confidence limits.
    pub(super) limits: Option<[f64; 2]>,
    /// What it says about the truth on these rows.
    pub(super) bound: Bound,
    /// What was done to the rows; `None` for the rows themselves.
    pub(super) under: Option<String>,
    /// Why the number is not to be relied on; empty if nothing is known.
    pub(super) inconclusive: Vec<Flag>,
}

/// All measures of a model, the same as in the report: its own rows first, then each attack, all attacks, corruptions.
pub(super) fn metrics(results: &Results, model: &ModelResult) -> Vec<Metric> {
    let mut metrics = vec![Metric {
        id: "clean_accuracy",
        name: "clean accuracy".to_owned(),
        value: model.clean_accuracy,
        limits: Some([model.ci_low, model.ci_high]),
        bound: Bound::Exact,
        under: None,
        inconclusive: model.inconclusive.clone(),
    }];
    let threat = &results.threat;
    let ball = |epsilon: &str| format!("{} of at most {epsilon} ({})", threat.norm, threat.units);
    let area = |auc: Option<f64>, attack: Option<&str>| {
        auc.map(|value| Metric {
            id: "roc_auc",
            name: format!("area under the ROC curve{}", attack.map(|name| format!(", {name}")).unwrap_or_default()),
            value,
            limits: None,
            bound: if attack.is_some() { Bound::Upper } else { Bound::Exact },
            under: attack.map(|name| format!("{name}, {}", ball(&threat.epsilon))),
            inconclusive: Vec::new(),
        })
    };
    metrics.extend(area(model.clean_auc, None));
    let robust = |id, name: &str, value, limits, bound, epsilon: &str, inconclusive: &[Flag]| Metric {
        id,
        name: match epsilon == threat.epsilon {
            true => format!("empirical robust accuracy, {name}"),
            false => format!("empirical robust accuracy, {name}, epsilon {epsilon}"),
        },
        value,
        limits: Some(limits),
        bound,
        under: Some(format!("{name}, {}", ball(epsilon))),
        inconclusive: inconclusive.to_vec(),
    };
    for attack in &model.attacks {
        let source = attack.source.as_ref().map(|source| format!(" guided by {source}")).unwrap_or_default();
        let name = format!("{}{source}", attack.name);
        let flags = &deduplicated([&model.inconclusive[..], &attack.inconclusive].concat());
        let limits = [attack.ci_low, attack.ci_high];
        metrics.push(robust(
            "robust_accuracy",
            &name,
            attack.robust_accuracy,
            limits,
            attack.bound,
            &threat.epsilon,
            flags,
        ));
        metrics.extend(area(attack.auc, Some(&name)));
        for point in attack.curve.iter().filter(|point| point.epsilon != threat.epsilon) {
            let (id, limits) = ("robust_accuracy", [point.ci_low, point.ci_high]);
            metrics.push(robust(id, &name, point.robust_accuracy, limits, attack.bound, &point.epsilon, flags));
        }
    }
    if let Some(worst) = &model.worst_case {
        let (id, name) = ("worst_case_robust_accuracy", "all attacks together");
        let of_attacks = model.attacks.iter().flat_map(|attack| &attack.inconclusive);
        let flags: Vec<Flag> = model.inconclusive.iter().chain(of_attacks).copied().collect();
        let limits = [worst.ci_low, worst.ci_high];
        metrics.push(robust(
            id,
            name,
            worst.robust_accuracy,
            limits,
            worst.bound,
            &threat.epsilon,
            &deduplicated(flags),
        ));
        metrics.extend(area(worst.auc, Some(name)));
    }
    if let Some(corruptions) = &model.corruptions {
        let names: Vec<&str> = corruptions.corruptions.iter().map(|one| one.name.as_str()).collect();
        metrics.push(Metric {
            id: "corruption_accuracy",
            name: "mean accuracy under corruptions".to_owned(),
            value: corruptions.mean_accuracy,
            limits: None,
            bound: Bound::Exact,
            under: Some(format!("common corruptions: {}", names.join(", "))),
            inconclusive: Vec::new(),
        });
    }
    metrics
}

fn deduplicated(mut flags: Vec<Flag>) -> Vec<Flag> {
    flags.sort();
    flags.dedup();
    flags
}

/// The rows in words.
pub(super) fn rows(results: &Results) -> String {
    let data = &results.dataset;
    format!("{}, split {}, {} rows ({})", data.name, data.split, data.samples, data.selection)
}

impl Metric {
    /// What a reader must know of the number: its bound, and flags.
    pub(super) fn caution(&self) -> Option<String> {
        let bound = (self.bound != Bound::Exact).then(|| bound_name(self.bound).to_owned());
        let flags: Vec<&str> = self.inconclusive.iter().map(|flag| flag.name()).collect();
        let flags = (!flags.is_empty()).then(|| format!("inconclusive: {}", flags.join(", ")));
        let parts: Vec<String> = bound.into_iter().chain(flags).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}
