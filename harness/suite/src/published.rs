//! From the section `published` to numbers that stand beside ours. None of them decides anything that runs.

use crate::attacks::PlannedAttack;
use crate::document::{PublishedForm, PublishedSection};
use crate::models::PlannedModel;
use crate::named::Named;
use crate::probes::PlannedProbe;
use registry::yaml::{Located, Problem, list, nearest};
use registry::{glob_matches, is_glob};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a publication states about some models of a plan, and about some that a glob of the suite would find.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedPublished {
    /// Where the numbers stand.
    pub source: String,
    /// The models, in the order of the suite.
    pub models: Vec<PublishedModel>,
}

/// What a publication states about one model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PublishedModel {
    /// Its name.
    pub name: String,
    /// Clean accuracy, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clean_accuracy: Option<f64>,
    /// Robust accuracy by attack, from 0 to 1.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub robust_accuracy: BTreeMap<String, f64>,
    /// The mean by probe.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub probes: BTreeMap<String, f64>,
    /// Multiply-accumulates of convolutions and dense layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macs: Option<f64>,
    /// Multiply-accumulates, as torchprofile counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macs_torchprofile: Option<f64>,
    /// All parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<f64>,
    /// Parameters without those of batch normalisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params_without_bn: Option<f64>,
}

/// What the names in the section may be.
pub(crate) struct Known<'a> {
    /// The entries of `models`.
    pub(crate) entries: &'a [Located<String>],
    /// The models that these found.
    pub(crate) models: &'a [PlannedModel],
    pub(crate) attacks: &'a [PlannedAttack],
    pub(crate) probes: &'a [PlannedProbe],
}

/// Holds every name against the rest of the suite.
pub(crate) fn published(section: &PublishedSection, known: &Known) -> Result<PlannedPublished, Problem> {
    let models = section.models.0.iter().map(|(name, form)| known.model(name, form)).collect::<Result<_, _>>()?;
    Ok(PlannedPublished { source: section.source.value.clone(), models })
}

/// Checks every value that can be judged alone.
pub(crate) fn check(section: &PublishedSection) -> Result<(), Problem> {
    let PublishedSection { source, models } = section;
    if source.trim().is_empty() {
        return Err(Problem::new("`source` is empty; it says where the numbers stand").at(source.place));
    }
    if models.0.is_empty() {
        return Err(Problem::new("`models` is empty; leave `published` out to state nothing").at(models.place));
    }
    models.0.iter().try_for_each(|(name, form)| check_model(name, form))
}

fn check_model(name: &Located<String>, form: &PublishedForm) -> Result<(), Problem> {
    let PublishedForm { clean_accuracy, robust_accuracy, probes, .. } = form;
    let accuracies: Vec<_> = clean_accuracy.iter().chain(values(robust_accuracy)).collect();
    let counts: Vec<_> = [&form.macs, &form.macs_torchprofile, &form.parameters, &form.params_without_bn]
        .into_iter()
        .flatten()
        .collect();
    let means: Vec<_> = values(probes).collect();
    if accuracies.is_empty() && counts.is_empty() && means.is_empty() {
        return Err(Problem::new(format!("`{name}` has no numbers", name = name.value)).at(name.place));
    }
    for accuracy in accuracies {
        if !(0.0..=1.0).contains(&accuracy.value) {
            let problem = Problem::new(format!("accuracy {} is not from 0 to 1", accuracy.value)).at(accuracy.place);
            return Err(match (1.0..=100.0).contains(&accuracy.value) {
                true => problem.hint(format!("{} % is written {}", accuracy.value, percent(accuracy.value))),
                false => problem,
            });
        }
    }
    let bad = counts.iter().find(|count| !count.is_finite() || count.value < 0.0);
    match bad.or_else(|| means.iter().find(|mean| !mean.is_finite())) {
        Some(number) => {
            Err(Problem::new(format!("{} is not what is counted or measured", number.value)).at(number.place))
        }
        None => Ok(()),
    }
}

/// A percentage as a part of 1, without the digits that binary fractions add.
fn percent(value: f64) -> f64 {
    (value * 1e6).round() / 1e8
}

fn values(named: &Option<Named<Located<f64>>>) -> impl Iterator<Item = &Located<f64>> {
    named.iter().flat_map(|named| named.0.iter().map(|(_, value)| value))
}

impl Known<'_> {
    fn model(&self, name: &Located<String>, form: &PublishedForm) -> Result<PublishedModel, Problem> {
        let expected = |entry: &Located<String>| is_glob(entry) && glob_matches(entry, name);
        let planned: Vec<&str> = self.models.iter().map(|model| model.name.as_str()).collect();
        if !planned.contains(&name.as_str()) && !self.entries.iter().any(expected) {
            return Err(unknown(name, "model", &planned));
        }
        let attacks: Vec<&str> = self.attacks.iter().map(|attack| attack.name.as_str()).collect();
        let probes: Vec<&str> = self.probes.iter().map(|probe| probe.name.as_str()).collect();
        let number = |value: &Option<Located<f64>>| value.as_ref().map(|value| value.value);
        Ok(PublishedModel {
            name: name.value.clone(),
            clean_accuracy: number(&form.clean_accuracy),
            robust_accuracy: by_name(&form.robust_accuracy, "attack", &attacks)?,
            probes: by_name(&form.probes, "probe", &probes)?,
            macs: number(&form.macs),
            macs_torchprofile: number(&form.macs_torchprofile),
            parameters: number(&form.parameters),
            params_without_bn: number(&form.params_without_bn),
        })
    }
}

fn by_name(named: &Option<Named<Located<f64>>>, kind: &str, known: &[&str]) -> Result<BTreeMap<String, f64>, Problem> {
    let pairs = named.iter().flat_map(|named| &named.0);
    pairs
        .map(|(name, value)| match known.contains(&name.as_str()) {
            true => Ok((name.value.clone(), value.value)),
            false => Err(unknown(name, kind, known)),
        })
        .collect()
}

fn unknown(name: &Located<String>, kind: &str, known: &[&str]) -> Problem {
    let hint = match nearest(name, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => format!("this suite has no {kind}s"),
        None => format!("its {kind}s are {}", list(known)),
    };
    Problem::new(format!("this suite has no {kind} `{}`", name.value)).hint(hint).at(name.place)
}

#[cfg(test)]
mod tests {
    use crate::planning::{World, changed};
    use crate::{Plan, Suite};
    use serde_json::json;

    const MODELS: &str = "{ two: { clean_accuracy: 0.7, robust_accuracy: { pgd-20: 0.4 }, macs: 15.98e6 }, ten: { probes: { lip: 67.24 } } }";

    fn with(models: &str) -> String {
        let probe = "lipschitz: { name: lip, outputs: logits, numerator: l1, denominator: linf, inner: ratio, steps: 3, step_size: 1/255, start: none, restarts: 1 }";
        changed(
            "seed:",
            &format!("probes:\n  - {probe}\npublished: {{ source: \"a paper\", models: {models} }}\nseed:"),
        )
    }

    #[test]
    fn the_numbers_are_in_the_plan_in_their_order() {
        let plan = serde_json::to_value(World::new().plan(&with(MODELS))).expect("a plan is JSON");
        let expected = json!({ "source": "a paper", "models": [
            { "name": "two", "clean_accuracy": 0.7, "robust_accuracy": { "pgd-20": 0.4 }, "macs": 15_980_000.0 },
            { "name": "ten", "probes": { "lip": 67.24 } },
        ] });
        assert_eq!(plan["published"], expected);
    }

    /// So that reports and blocks of suites without the section stay what they are.
    #[test]
    fn they_decide_nothing() {
        let world = World::new();
        let with = world.plan(&with(MODELS));
        let without = world.plan(&changed("seed:", "seed:"));
        assert!(serde_json::to_value(&without).expect("a plan is JSON").get("published").is_none());
        let keys = |plan: &Plan| {
            let (model, slice) = (&plan.models[0], &plan.slices[0]);
            let attack = serde_json::to_string(&plan.check_key_material(model, &plan.attacks[1], slice));
            (attack.expect("a key"), serde_json::to_string(&plan.prediction_key_material(model, slice)).expect("a key"))
        };
        assert_eq!(keys(&with), keys(&without));
        let key = with.probe_key_material(&with.models[0], &with.probes[0], &with.slices[0]);
        let key = serde_json::to_string(&key).expect("a key is JSON");
        assert!(!key.contains("published") && !key.contains("67.24"), "{key}");
    }

    #[test]
    fn models_that_a_glob_would_find_need_not_be_there() {
        let text = with("{ twelve: { clean_accuracy: 1 }, ten: { clean_accuracy: 0 } }");
        let world = World::new();
        let complaint = world.try_plan(&text).expect_err("nothing else finds `twelve`");
        assert!(complaint.contains("this suite has no model `twelve`"), "{complaint}");
        let plan = world.plan(&text.replace("[ten, two]", "[\"t*\"]"));
        let names: Vec<&str> = plan.published.iter().flat_map(|p| &p.models).map(|model| model.name.as_str()).collect();
        assert_eq!((names, plan.models.len()), (vec!["twelve", "ten"], 2));
    }

    #[test]
    fn names_that_the_suite_does_not_have_are_refused_where_they_stand() {
        let world = World::new();
        let table = [
            ("{ tan: { macs: 1 } }", "no model `tan`", "hint: did you mean `ten`?"),
            ("{ eleven: { macs: 1 } }", "no model `eleven`", "hint: its models are `ten`, `two`"),
            ("{ ten: { robust_accuracy: { pdg-20: 0.5 } } }", "no attack `pdg-20`", "hint: did you mean `pgd-20`?"),
            ("{ ten: { robust_accuracy: { lip: 0.5 } } }", "no attack `lip`", "hint: its attacks are `fgsm`, `pgd-20`"),
            ("{ ten: { probes: { kl-instability: 1 } } }", "no probe `kl-instability`", "hint: its probes are `lip`"),
        ];
        for (models, message, hint) in table {
            let complaint = world.try_plan(&with(models)).expect_err("the name is wrong");
            let name = message.split('`').nth(1).expect("a name");
            let marked = format!("^{}", "^".repeat(name.len() - 1));
            let parts = ["plan ./suites/my.yaml:13:", &format!("this suite has {message}"), hint, &marked];
            assert!(parts.iter().all(|part| complaint.contains(part)), "{models}: {complaint}");
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_refused_where_they_stand() {
        let table = [
            (
                "{ ten: { clean_accuracy: 69.23 } }",
                "accuracy 69.23 is not from 0 to 1",
                "hint: 69.23 % is written 0.6923",
            ),
            ("{ ten: { robust_accuracy: { pgd-20: -0.1 } } }", "accuracy -0.1 is not from 0 to 1", ""),
            ("{ ten: { macs: -5 } }", "-5 is not what is counted or measured", ""),
            ("{ ten: { probes: { lip: .nan } } }", "NaN is not what is counted or measured", ""),
            ("{ ten: { clean_accuracy: high } }", "expected a number", ""),
            ("{ ten: { params: 5 } }", "unknown key `params`", "hint: known here: `clean_accuracy`"),
            ("{ ten: { parameter: 5 } }", "unknown key `parameter`", "hint: did you mean `parameters`?"),
            ("{ ten: {} }", "`ten` has no numbers", ""),
            ("{}", "`models` is empty", ""),
            ("{ ten: { macs: 1 }, ten: { macs: 2 } }", "key `ten` is given twice", ""),
        ];
        for (models, message, hint) in table {
            let error = Suite::parse("my.yaml", with(models).as_bytes()).expect_err("the number is wrong").to_string();
            assert!(
                error.contains("my.yaml:13:") && error.contains(message) && error.contains(hint),
                "{models}: {error}"
            );
        }
        let nameless = with(MODELS).replace("\"a paper\"", "\" \"");
        let error = Suite::parse("my.yaml", nameless.as_bytes()).expect_err("no source").to_string();
        assert!(error.contains("`source` is empty"), "{error}");
    }
}
