//! What results take from a plan and its models beside the evidence. A plan that is there only as results record it gives the
//! same through the functions for one attack, probe or corruption.

use crate::static_cost;
use anyhow::Result;
use attack::{AttackSpec, ThreatModel};
use evidence::{
    AttackFacts, Bound, CorruptionFacts, DatasetFacts, Digest, Facts, ModelFacts, ProbeFacts, Published,
    PublishedModel, RuntimeFacts, ThreatFacts,
};
use probe::ProbeSpec;
use runtime::{Identity, Prepared};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use suite::{Plan, PlannedProbe, PlannedPublished};

/// The facts of a plan, of whose data this is the licence.
///
/// Errors: a model cannot be read.
pub(crate) fn of_plan(
    plan: &Plan,
    models: &[Prepared],
    runtime: RuntimeFacts,
    licence: Option<String>,
) -> Result<Facts> {
    let attacks = |model: &str, classes: usize| -> Result<Vec<AttackFacts>> {
        let facts = plan.attacks_on(model).map(|attack| {
            let curve = attack.curve.levels.iter().map(|level| level.threat.epsilon.to_string()).collect();
            let facts = attack_facts(&attack.name, &attack.spec, &plan.threat_model, classes)?;
            Ok(AttackFacts { revision: attack.revision, source: attack.source.clone(), curve, ..facts })
        });
        facts.collect()
    };
    let models = plan.models.iter().zip(models).map(|(model, prepared)| {
        let mut notes = prepared.notes().to_vec();
        let probes = probes(&plan.probes, prepared, &mut notes)?;
        let corruptions = plan.corruptions.iter().map(|one| {
            let severities = one.severities.iter().map(|at| (at.severity, at.parameters.clone())).collect();
            corruption_facts(&one.name, one.revision, severities)
        });
        Ok(ModelFacts {
            name: model.name.clone(),
            digest: (*model.digest.as_bytes()).into(),
            macs: Some(prepared.macs()),
            macs_torchprofile: Some(prepared.cost().macs_torchprofile),
            parameters: Some(prepared.parameters()),
            params_without_bn: Some(prepared.cost().params_without_bn),
            cost: Some(static_cost::of(&model.registered)?),
            notes,
            labels: model.labels.clone(),
            scores_rows: prepared.spec().scores_rows(),
            attacks: attacks(&model.name, prepared.spec().classes)?,
            probes,
            corruptions: corruptions.collect(),
        })
    });
    Ok(Facts {
        suite: plan.suite.name.clone(),
        tinyassay: env!("CARGO_PKG_VERSION").to_owned(),
        plan_digest: Digest::from(*plan.digest().as_bytes()),
        dataset: DatasetFacts {
            name: plan.dataset.name.clone(),
            split: plan.dataset.split.clone(),
            digest: (*plan.dataset.digest.as_bytes()).into(),
            samples: plan.dataset.rows.len() as u64,
            selection: selection(plan.dataset.rows.ranges(), &plan.seed.to_string()),
            licence,
            classes: plan.data.classes.clone(),
        },
        threat: ThreatFacts {
            norm: plan.threat.norm.to_string(),
            epsilon: plan.threat.epsilon.clone(),
            units: units(plan).to_owned(),
            grid: plan.threat.grid.map(|levels| attack::Grid::Levels(levels).to_string()),
            budget: plan.threat.budget.map(|budget| budget.to_string()),
        },
        runtime,
        plan: whole(plan)?,
        models: models.collect::<Result<_>>()?,
        published: plan.published.as_ref().map(published),
    })
}

/// The plan as results have it.
///
/// Errors: it is no JSON, which is a defect.
pub(crate) fn whole(plan: &Plan) -> Result<BTreeMap<String, Value>> {
    let Value::Object(whole) = serde_json::to_value(plan)? else { anyhow::bail!("a plan is not a JSON object") };
    Ok(whole.into_iter().collect())
}

/// What computes numbers in this process, in the words of results.
pub(crate) fn runtime(identity: &Identity) -> RuntimeFacts {
    let identity = identity.clone();
    let device = identity.device.map(|device| format!("; {device}")).unwrap_or_default();
    RuntimeFacts {
        provider: identity.provider,
        onnxruntime: identity.onnxruntime,
        library_sha256: identity.library_sha256,
        instruction_set: identity.instruction_set,
        optimisation: identity.optimisation + &device,
    }
}

/// The facts of one attack on a model of so many classes, without source and curve, at the revision of this program.
///
/// Errors: its numbers are no JSON.
pub(crate) fn attack_facts(name: &str, spec: &AttackSpec, threat: &ThreatModel, classes: usize) -> Result<AttackFacts> {
    Ok(AttackFacts {
        name: name.to_owned(),
        revision: spec.revision(),
        parameters: parameters(spec)?,
        stages: spec.stage_names(threat),
        source: None,
        minimises: spec.minimises(),
        gradients: spec.gradients(classes),
        substituted: spec.is_substituted(classes),
        curve: Vec::new(),
    })
}

/// The facts of one probe. `upper` is what no value exceeds.
///
/// Errors: its numbers are no JSON.
pub(crate) fn probe_facts(name: &str, spec: &ProbeSpec, revision: u32, upper: Option<f64>) -> Result<ProbeFacts> {
    let registered = spec.registered();
    Ok(ProbeFacts {
        name: name.to_owned(),
        probe: registered.name.to_owned(),
        about: spec.about(),
        units: spec.units().to_owned(),
        bound: match registered.bound {
            probe::Bound::Upper => Bound::Upper,
            probe::Bound::Lower => Bound::Lower,
            probe::Bound::Estimate => Bound::Estimate,
            probe::Bound::Exact => Bound::Exact,
        },
        upper,
        falls: registered.falls,
        bins: spec.bins(),
        revision,
        parameters: parameters(spec)?,
    })
}

/// The facts of one corruption at these severities.
pub(crate) fn corruption_facts(
    name: &str,
    revision: u32,
    severities: Vec<(u32, BTreeMap<String, f64>)>,
) -> CorruptionFacts {
    let about = probe::corruption(name).map_or(String::new(), |known| known.about.to_owned());
    CorruptionFacts { name: name.to_owned(), about, revision, severities }
}

/// How the rows were chosen, in words.
pub(crate) fn selection(ranges: &[Range<usize>], seed: &str) -> String {
    let len: usize = ranges.iter().map(Range::len).sum();
    match ranges {
        [range] if range.start == 0 => format!("the first {len} by index"),
        _ => format!("{len} chosen by the seed {seed}"),
    }
}

/// Every number of an attack or a probe.
fn parameters(spec: &impl Serialize) -> Result<BTreeMap<String, Value>> {
    let tagged = serde_json::to_value(spec)?;
    let numbers = tagged.as_object().and_then(|tagged| tagged.values().next()?.as_object().cloned());
    Ok(numbers.unwrap_or_default().into_iter().collect())
}

/// The probes of one model, with the proven Lipschitz constant beside those that it bounds, or a note on why there is none.
fn probes(planned: &[PlannedProbe], prepared: &Prepared, notes: &mut Vec<String>) -> Result<Vec<ProbeFacts>> {
    let bounded = planned.iter().any(|probe| probe.spec.bounded_by().is_some());
    let lipschitz = bounded.then(|| prepared.lipschitz());
    let mut facts = Vec::new();
    for probe in planned {
        let bound = probe.spec.bounded_by().zip(lipschitz.as_ref());
        let upper = bound.map(|((input, output), lipschitz)| lipschitz.bound(norm(input), norm(output))).transpose();
        let upper = upper.unwrap_or_else(|reason| {
            let note = format!("no Lipschitz constant is proven: failed to {reason}");
            if !notes.contains(&note) {
                notes.push(note);
            }
            None
        });
        facts.push(probe_facts(&probe.name, &probe.spec, probe.revision, upper)?);
    }
    Ok(facts)
}

fn norm(norm: attack::Norm) -> graph::Norm {
    match norm {
        attack::Norm::L1 => graph::Norm::L1,
        attack::Norm::L2 => graph::Norm::L2,
        attack::Norm::Linf => graph::Norm::Linf,
    }
}

/// What the plan states of a publication, in the words of the results.
fn published(planned: &PlannedPublished) -> Published {
    let models = planned.models.iter().cloned().map(|model| PublishedModel {
        name: model.name,
        clean_accuracy: model.clean_accuracy,
        robust_accuracy: model.robust_accuracy,
        probes: model.probes,
        macs: model.macs,
        macs_torchprofile: model.macs_torchprofile,
        parameters: model.parameters,
        params_without_bn: model.params_without_bn,
    });
    Published { source: planned.source.clone(), models: models.collect() }
}

/// What epsilon is measured in.
fn units(plan: &Plan) -> &'static str {
    match plan.data.domain.units {
        registry::DataUnits::Unit => "pixels in [0, 1]",
        registry::DataUnits::Raw => "the data set's own units",
    }
}
