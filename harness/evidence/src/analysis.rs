//! How the measures of several models go together: their orders, and rank correlations between them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ModelResult, Published, PublishedModel, Spearman, ranks, spearman};

/// The fewest models whose orders are compared.
const FEWEST_MODELS: usize = 3;

/// One number that every model may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Elements of all initializers.
    Parameters,
    /// Parameters without those of batch normalisation.
    ParamsWithoutBn,
    /// Multiply-accumulates of convolutions and dense layers.
    Macs,
    /// Multiply-accumulates, as torchprofile counts them.
    MacsTorchprofile,
    /// The most bytes of activations alive at once, with the layers in the file's order.
    PeakMemory,
    /// Clean accuracy.
    CleanAccuracy,
    /// Mean accuracy under common corruptions.
    CorruptedAccuracy,
    /// Robust accuracy under the attack of this name.
    RobustAccuracy(String),
    /// The mean of the probe of this name.
    Probe(String),
}

/// The orders into which measures put the models, and how alike these are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// One per measure.
    pub orders: Vec<Order>,
    /// One per pair of measures; each cost in one convention only.
    pub correlations: Vec<Correlation>,
}

/// The models under one measure, the smallest value first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// What orders them.
    pub measure: Measure,
    /// The models that have a value; equal ones in the order of the results.
    pub models: Vec<Ranked>,
    /// The same of the numbers that a publication states about these models, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedOrder>,
}

/// A model's place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranked {
    /// The model's name.
    pub model: String,
    /// Counted from 1 for the smallest value; equal values share the mean of their ranks.
    pub rank: f64,
}

/// The order that published numbers give, and whether ours is the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedOrder {
    /// The models of the results that have a published value.
    pub models: Vec<Ranked>,
    /// Our values against the published ones.
    pub agreement: Spearman,
}

/// Whether two measures put the models into the same order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correlation {
    /// One measure.
    pub a: Measure,
    /// The other.
    pub b: Measure,
    /// Over the models that have both.
    pub spearman: Spearman,
}

/// A pure function of the models' results and the published numbers; `None` for fewer than three models.
pub fn analyse(models: &[ModelResult], published: Option<&Published>) -> Option<Analysis> {
    if models.len() < FEWEST_MODELS {
        return None;
    }
    let measures = Measure::of_all(models);
    let orders = measures.iter().map(|measure| order(measure, models, published)).collect();
    let compared: Vec<&Measure> = measures.iter().filter(|measure| !measure.is_other_convention()).collect();
    let mut correlations = Vec::new();
    for (index, a) in compared.iter().enumerate() {
        for b in &compared[index + 1..] {
            let pairs: Vec<_> = models.iter().filter_map(|model| Some((a.of(model)?, b.of(model)?))).collect();
            let (a, b) = ((*a).clone(), (*b).clone());
            correlations.push(Correlation { a, b, spearman: spearman(&pairs) });
        }
    }
    Some(Analysis { orders, correlations })
}

fn order(measure: &Measure, models: &[ModelResult], published: Option<&Published>) -> Order {
    let ours: Vec<(&str, f64)> =
        models.iter().filter_map(|model| Some((model.name.as_str(), measure.of(model)?))).collect();
    let stated = |name: &str| {
        let model = published?.models.iter().find(|model| model.name == name)?;
        measure.published(model)
    };
    let theirs: Vec<(&str, f64)> =
        models.iter().filter_map(|model| Some((model.name.as_str(), stated(&model.name)?))).collect();
    let pairs: Vec<_> = ours.iter().filter_map(|&(name, value)| Some((value, stated(name)?))).collect();
    let published =
        (!theirs.is_empty()).then(|| PublishedOrder { models: ranked(&theirs), agreement: spearman(&pairs) });
    Order { measure: measure.clone(), models: ranked(&ours), published }
}

fn ranked(values: &[(&str, f64)]) -> Vec<Ranked> {
    let ranks = ranks(&values.iter().map(|(_, value)| *value).collect::<Vec<_>>());
    let mut ranked: Vec<Ranked> =
        values.iter().zip(ranks).map(|((name, _), rank)| Ranked { model: (*name).to_owned(), rank }).collect();
    ranked.sort_by(|a, b| a.rank.total_cmp(&b.rank));
    ranked
}

impl Published {
    /// Every measure that a publication states of some model: costs, accuracies and probes, in this order.
    pub fn measures(&self) -> Vec<Measure> {
        let names =
            |of: fn(&PublishedModel) -> &BTreeMap<String, f64>| self.models.iter().flat_map(of).map(|(name, _)| name);
        let attacks = names(|model| &model.robust_accuracy).map(|name| Measure::RobustAccuracy(name.clone()));
        let probes = names(|model| &model.probes).map(|name| Measure::Probe(name.clone()));
        let mut measures = Measure::once_each(attacks.chain(probes));
        measures.retain(|measure| self.models.iter().any(|model| measure.published(model).is_some()));
        measures
    }
}

impl Measure {
    /// Costs, accuracies and these, each once.
    fn once_each(others: impl Iterator<Item = Measure>) -> Vec<Measure> {
        use Measure::{
            CleanAccuracy, CorruptedAccuracy, Macs, MacsTorchprofile, Parameters, ParamsWithoutBn, PeakMemory,
        };
        let costs = [Parameters, ParamsWithoutBn, Macs, MacsTorchprofile, PeakMemory];
        let mut measures: Vec<Measure> = costs.into_iter().chain([CleanAccuracy, CorruptedAccuracy]).collect();
        for measure in others {
            if !measures.contains(&measure) {
                measures.push(measure);
            }
        }
        measures
    }

    /// Every measure that some model has: costs, accuracies and probes, in this order.
    pub fn of_all(models: &[ModelResult]) -> Vec<Measure> {
        // How a model withstands attacks that another guides is no measure of its own.
        let attacks = models.iter().flat_map(|model| &model.attacks).filter(|one| one.source.is_none());
        let attacks = attacks.map(|one| Measure::RobustAccuracy(one.name.clone()));
        let probes = models.iter().flat_map(|model| &model.probes).map(|one| Measure::Probe(one.name.clone()));
        let mut measures = Measure::once_each(attacks.chain(probes));
        measures.retain(|measure| models.iter().any(|model| measure.of(model).is_some()));
        measures
    }

    /// The number of a model.
    pub fn of(&self, model: &ModelResult) -> Option<f64> {
        let count = |count: Option<u64>| count.map(|count| count as f64);
        match self {
            Measure::Parameters => count(model.parameters),
            Measure::ParamsWithoutBn => count(model.params_without_bn),
            Measure::Macs => count(model.macs),
            Measure::MacsTorchprofile => count(model.macs_torchprofile),
            Measure::PeakMemory => count(model.cost.as_ref().map(|cost| cost.activations.file_order_bytes)),
            Measure::CleanAccuracy => Some(model.clean_accuracy),
            Measure::CorruptedAccuracy => model.corruptions.as_ref().map(|all| all.mean_accuracy),
            Measure::RobustAccuracy(name) => {
                model.attacks.iter().find(|attack| attack.name == *name).map(|attack| attack.robust_accuracy)
            }
            Measure::Probe(name) => model.probes.iter().find(|probe| probe.name == *name)?.mean,
        }
    }

    /// The number that a publication states.
    pub fn published(&self, model: &PublishedModel) -> Option<f64> {
        match self {
            Measure::Parameters => model.parameters,
            Measure::ParamsWithoutBn => model.params_without_bn,
            Measure::Macs => model.macs,
            Measure::MacsTorchprofile => model.macs_torchprofile,
            Measure::PeakMemory | Measure::CorruptedAccuracy => None,
            Measure::CleanAccuracy => model.clean_accuracy,
            Measure::RobustAccuracy(name) => model.robust_accuracy.get(name).copied(),
            Measure::Probe(name) => model.probes.get(name).copied(),
        }
    }

    /// Whether it is a cost that another measure counts as well, in the convention of the leaderboard.
    pub fn is_other_convention(&self) -> bool {
        matches!(self, Measure::ParamsWithoutBn | Measure::MacsTorchprofile)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{AttackResult, Bound, Digest, ProbeResult, RowSet};

    fn attack(name: &str, robust_accuracy: f64) -> AttackResult {
        AttackResult {
            name: name.into(),
            source: None,
            robust_accuracy,
            bound: Bound::Upper,
            ci_low: 0.0,
            ci_high: 1.0,
            auc: None,
            robust: 0,
            robust_rows: RowSet::default(),
            total: 0,
            wrong: 0,
            attacked: 0,
            certified: 0,
            unknown: 0,
            found: 0,
            confirmed: 0,
            rejected: 0,
            ties: 0,
            stages: Vec::new(),
            curve: Vec::new(),
            distances: None,
            flags: BTreeMap::new(),
            inconclusive: Vec::new(),
            forwards: 0,
            backwards: 0,
            judge_forwards: 0,
            revision: 1,
            parameters: BTreeMap::new(),
        }
    }

    fn probe(name: &str, mean: Option<f64>) -> ProbeResult {
        ProbeResult {
            name: name.into(),
            probe: name.into(),
            about: String::new(),
            units: String::new(),
            bound: Bound::Lower,
            upper: None,
            mean,
            p95: None,
            max: None,
            max_row: None,
            smallest: None,
            ece: None,
            measured: 0,
            total: 0,
            flags: BTreeMap::new(),
            forwards: 0,
            backwards: 0,
            revision: 1,
            parameters: BTreeMap::new(),
        }
    }

    pub(crate) fn model(
        name: &str,
        parameters: u64,
        clean_accuracy: f64,
        robust: f64,
        mean: Option<f64>,
    ) -> ModelResult {
        ModelResult {
            name: name.into(),
            digest: Digest::of(name.as_bytes()),
            clean_accuracy,
            ci_low: 0.0,
            ci_high: 1.0,
            clean_auc: None,
            correct: 0,
            total: 0,
            correct_rows: RowSet::default(),
            classes: Vec::new(),
            ties: 0,
            macs: Some(7),
            macs_torchprofile: None,
            parameters: Some(parameters),
            params_without_bn: Some(parameters - 1),
            cost: None,
            notes: Vec::new(),
            flags: BTreeMap::new(),
            inconclusive: Vec::new(),
            attacks: vec![attack("pgd", robust)],
            worst_case: None,
            probes: vec![probe("kl", mean)],
            corruptions: None,
        }
    }

    /// Table 1.3 of the publication that this analysis was made for, as if it were ours: five rows, one without a probe.
    fn models() -> Vec<ModelResult> {
        vec![
            model("w35", 404, 0.6923, 0.3991, Some(3.75)),
            model("w65", 1088, 0.7824, 0.48, Some(5.63)),
            model("w100", 2278, 0.7915, 0.4711, Some(7.27)),
            model("e10", 523, 0.7598, 0.4681, Some(4.76)),
            model("e20", 822, 0.7554, 0.463, None),
        ]
    }

    fn names(models: &[Ranked]) -> Vec<&str> {
        models.iter().map(|ranked| ranked.model.as_str()).collect()
    }

    fn between<'a>(analysis: &'a Analysis, a: &Measure, b: &Measure) -> &'a Spearman {
        let found = analysis.correlations.iter().find(|one| (&one.a, &one.b) == (a, b));
        &found.unwrap_or_else(|| panic!("no pair {a:?}, {b:?}")).spearman
    }

    #[test]
    fn orders_and_correlations_are_those_of_the_numbers() {
        let analysis = analyse(&models(), None).unwrap();
        let pgd = Measure::RobustAccuracy("pgd".into());
        let kl = Measure::Probe("kl".into());
        let measures: Vec<&Measure> = analysis.orders.iter().map(|order| &order.measure).collect();
        let costs = [&Measure::Parameters, &Measure::ParamsWithoutBn, &Measure::Macs];
        assert_eq!(measures, [&costs[..], &[&Measure::CleanAccuracy, &pgd, &kl]].concat());
        assert_eq!(names(&analysis.orders[0].models), ["w35", "e10", "e20", "w65", "w100"]);
        assert_eq!(names(&analysis.orders[4].models), ["w35", "e20", "e10", "w100", "w65"]);
        assert_eq!(names(&analysis.orders[5].models), ["w35", "e10", "w65", "w100"]);
        assert!(analysis.orders.iter().all(|order| order.published.is_none()));
        // Clean ranks 1, 4, 5, 3, 2 against robust ranks 1, 5, 4, 3, 2: d^2 = 2, so 1 - 12 / 120.
        let clean = between(&analysis, &Measure::CleanAccuracy, &pgd);
        assert!(clean.n == 5 && (clean.rho.unwrap() - 0.9).abs() < 1e-12, "{clean:?}");
        // The rank correlation is 0.9 or more in the order itself and with two neighbours swapped, and as often reversed.
        assert_eq!(clean.p, Some(10.0 / 120.0));
        let probe = between(&analysis, &Measure::CleanAccuracy, &kl);
        assert_eq!((probe.n, probe.rho, probe.p), (4, Some(1.0), Some(2.0 / 24.0)));
        assert_eq!(between(&analysis, &Measure::Parameters, &Measure::Macs).rho, None, "all have the same MACs");
        let other = |one: &Correlation| one.a.is_other_convention() || one.b.is_other_convention();
        assert_eq!((analysis.correlations.len(), analysis.correlations.iter().any(other)), (10, false));
    }

    #[test]
    fn published_numbers_order_the_models_that_are_here() {
        let stated = |name: &str, clean: f64, kl: Option<f64>| PublishedModel {
            name: name.into(),
            clean_accuracy: Some(clean),
            probes: kl.into_iter().map(|value| ("kl".to_owned(), value)).collect(),
            ..PublishedModel::default()
        };
        let published = Published {
            source: "a paper".into(),
            models: vec![
                stated("e10", 0.5, Some(1.0)),
                stated("absent", 0.9, None),
                stated("w35", 0.7, Some(2.0)),
                stated("e20", 0.6, Some(3.0)),
            ],
        };
        let analysis = analyse(&models(), Some(&published)).unwrap();
        let of = |measure: &Measure| {
            let order = analysis.orders.iter().find(|order| order.measure == *measure).unwrap();
            order.published.clone()
        };
        let clean = of(&Measure::CleanAccuracy).unwrap();
        assert_eq!(names(&clean.models), ["e10", "e20", "w35"]);
        // Ours: w35, e20, e10.
        assert_eq!(clean.agreement, Spearman { n: 3, rho: Some(-1.0), p: Some(2.0 / 6.0), ..Spearman::default() });
        let kl = of(&Measure::Probe("kl".into())).unwrap();
        assert_eq!((names(&kl.models), kl.agreement.n), (vec!["e10", "w35", "e20"], 2));
        assert_eq!(of(&Measure::Parameters), None);
        let without = analyse(&models(), None).unwrap();
        assert_eq!(analysis.correlations, without.correlations, "nothing of ours depends on them");
    }

    #[test]
    fn two_models_are_not_analysed() {
        assert_eq!(analyse(&models()[..2], None), None);
        assert!(analyse(&models()[..3], None).is_some());
    }

    #[test]
    fn measures_come_back_from_json() {
        let analysis = analyse(&models(), None).unwrap();
        let text = serde_json::to_string(&analysis).unwrap();
        assert!(
            text.contains(r#"{"measure":{"robust_accuracy":"pgd"},"models":[{"model":"w35","rank":1.0}"#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Analysis>(&text).unwrap(), analysis);
    }
}
