use crate::attacks::PlannedAttack;
use crate::corruptions::PlannedCorruption;
use crate::cost::PlannedCost;
use crate::models::PlannedModel;
use crate::probes::PlannedProbe;
use evidence::{Bound, Results};

/// What a plan, or a report that is there, has that gates can ask about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurable {
    /// The models.
    pub models: Vec<String>,
    /// The attacks, each with the model that guides it where that is another than the attacked one.
    pub attacks: Vec<(String, Option<String>)>,
    /// The probes, each with what it says about the truth.
    pub probes: Vec<(String, Bound)>,
    /// The corruptions.
    pub corruptions: Vec<String>,
    /// The measurements of latency, each with the model that ratios are to.
    pub latencies: Vec<(String, Option<String>)>,
}

impl Measurable {
    /// What a plan of these has.
    pub(crate) fn planned(
        models: &[PlannedModel],
        attacks: &[PlannedAttack],
        probes: &[PlannedProbe],
        corruptions: &[PlannedCorruption],
        cost: Option<&PlannedCost>,
    ) -> Self {
        let bound = |probe: &PlannedProbe| match probe.spec.registered().bound {
            probe::Bound::Upper => Bound::Upper,
            probe::Bound::Lower => Bound::Lower,
            probe::Bound::Estimate => Bound::Estimate,
            probe::Bound::Exact => Bound::Exact,
        };
        let latencies = cost.into_iter().flat_map(|cost| &cost.latency);
        Self {
            models: models.iter().map(|model| model.name.clone()).collect(),
            attacks: attacks.iter().map(|attack| (attack.name.clone(), attack.source.clone())).collect(),
            probes: probes.iter().map(|probe| (probe.name.clone(), bound(probe))).collect(),
            corruptions: corruptions.iter().map(|corruption| corruption.name.clone()).collect(),
            latencies: latencies.map(|latency| (latency.name.clone(), latency.reference.clone())).collect(),
        }
    }

    /// What a report has.
    pub fn of(results: &Results) -> Self {
        let mut found =
            Self { models: results.models.iter().map(|model| model.name.clone()).collect(), ..Self::default() };
        for model in &results.models {
            for attack in &model.attacks {
                if !found.attacks.iter().any(|(name, _)| *name == attack.name) {
                    found.attacks.push((attack.name.clone(), attack.source.clone()));
                }
            }
            for probe in &model.probes {
                if !found.probes.iter().any(|(name, _)| *name == probe.name) {
                    found.probes.push((probe.name.clone(), probe.bound));
                }
            }
            for corruption in model.corruptions.iter().flat_map(|all| &all.corruptions) {
                if !found.corruptions.contains(&corruption.name) {
                    found.corruptions.push(corruption.name.clone());
                }
            }
        }
        let latencies = results.plan.get("cost").and_then(|cost| cost["latency"].as_array());
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let each =
            latencies.into_iter().flatten().filter_map(|one| Some((text(&one["name"])?, text(&one["reference"]))));
        found.latencies = each.collect();
        found
    }
}
