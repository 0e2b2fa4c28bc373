//! What results take from their plan, from the plan as they record it: neither the models nor the data are needed. What does
//! not follow from it is taken as the results state it.

use super::stored::Stored;
use crate::facts::{attack_facts, corruption_facts, probe_facts, selection};
use crate::needed::list;
use anyhow::{Context, Result};
use attack::{Budget, Epsilon, Grid, ThreatModel};
use evidence::{
    AttackFacts, CorruptionFacts, DatasetFacts, Digest, Facts, ModelFacts, ModelResult, ProbeFacts, ThreatFacts,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;

/// What stays as the results state it, in words.
pub(super) const STATED: &str = "what results.json states of each model's MACs, parameters, memory, notes and proven \
                                 Lipschitz constants, and of the data's licence, class names and units";

/// The facts of recorded results.
///
/// Errors: the plan lacks something, or has an attack or a probe that this version does not know.
pub(super) fn facts(stored: &Stored) -> Result<Facts> {
    let Stored { results, plan, .. } = stored;
    let threat = ThreatModel { norm: get(plan, "/threat/norm")?, epsilon: epsilon(plan, "/threat/epsilon")? };
    let models = list(plan, "models")?.iter().enumerate().map(|(index, recorded)| {
        let name: String = get(recorded, "/name")?;
        model(plan, recorded, results.models.get(index).filter(|stated| stated.name == name), &threat)
    });
    let rows: Vec<[usize; 2]> = get(plan, "/dataset/rows")?;
    let rows: Vec<Range<usize>> = rows.into_iter().map(|[start, end]| start..end).collect();
    let seed: String = get(plan, "/seed")?;
    let budget: Option<Budget> = optional(plan, "/threat/budget")?;
    let levels: Option<u32> = optional(plan, "/threat/grid")?;
    Ok(Facts {
        suite: get(plan, "/suite/name")?,
        tinyassay: results.tinyassay.clone(),
        plan_digest: Digest::of(evidence::canonical(&results.plan)?.as_bytes()),
        dataset: DatasetFacts {
            name: get(plan, "/dataset/name")?,
            split: get(plan, "/dataset/split")?,
            digest: get(plan, "/dataset/digest")?,
            samples: rows.iter().map(|range| range.len() as u64).sum(),
            selection: selection(&rows, &seed),
            licence: results.dataset.licence.clone(),
            classes: results.dataset.classes.clone(),
        },
        threat: ThreatFacts {
            norm: get(plan, "/threat/norm")?,
            epsilon: get(plan, "/threat/epsilon")?,
            units: results.threat.units.clone(),
            grid: levels.map(|levels| Grid::Levels(levels).to_string()),
            budget: budget.map(|budget| budget.to_string()),
        },
        runtime: results.runtime.clone(),
        plan: results.plan.clone(),
        models: models.collect::<Result<_>>()?,
        published: optional(plan, "/published")?,
    })
}

fn model(plan: &Value, recorded: &Value, stated: Option<&ModelResult>, threat: &ThreatModel) -> Result<ModelFacts> {
    let name: String = get(recorded, "/name")?;
    let classes = get(recorded, "/output/classes")?;
    let on_it = list(plan, "attacks")?.iter().filter(|attack| attack["source"].as_str() != Some(&name));
    let attacks = on_it.enumerate().map(|(index, attack)| {
        let stated = stated.and_then(|stated| stated.attacks.get(index));
        let stated = stated.map_or(&[][..], |stated| &stated.curve).iter().map(|point| point.epsilon.as_str());
        attack_of(attack, stated, threat, classes)
    });
    let stated_probes = stated.map_or(&[][..], |stated| &stated.probes);
    let probes = section(plan, "probes").iter().enumerate().map(|(index, probe)| -> Result<ProbeFacts> {
        let upper = stated_probes.get(index).and_then(|stated| stated.upper);
        probe_facts(&get::<String>(probe, "/name")?, &get(probe, "/spec")?, get(probe, "/revision")?, upper)
    });
    let corruptions = section(plan, "corruptions").iter().map(corruption);
    Ok(ModelFacts {
        digest: get(recorded, "/digest")?,
        macs: stated.and_then(|stated| stated.macs),
        macs_torchprofile: stated.and_then(|stated| stated.macs_torchprofile),
        parameters: stated.and_then(|stated| stated.parameters),
        params_without_bn: stated.and_then(|stated| stated.params_without_bn),
        cost: stated.and_then(|stated| stated.cost.clone()),
        notes: stated.map_or_else(Vec::new, |stated| stated.notes.clone()),
        labels: get(recorded, "/labels")?,
        scores_rows: recorded["output"]["kind"] == "score",
        attacks: attacks.collect::<Result<_>>()?,
        probes: probes.collect::<Result<_>>()?,
        corruptions: corruptions.collect::<Result<_>>()?,
        name,
    })
}

/// `stated` are the radii of a curve as the results write them: the plan has only their fractions, which they must equal.
fn attack_of<'a>(
    attack: &Value,
    mut stated: impl Iterator<Item = &'a str>,
    threat: &ThreatModel,
    classes: usize,
) -> Result<AttackFacts> {
    let curve = section(&attack["curve"], "levels").iter().map(|level| {
        let fraction: String = get(level, "/epsilon")?;
        let is_same = |text: &&str| text.parse::<Epsilon>().is_ok_and(|epsilon| epsilon.fraction() == fraction);
        Ok(stated.next().filter(is_same).map_or_else(|| fraction.clone(), str::to_owned))
    });
    let curve = curve.collect::<Result<_>>()?;
    let facts = attack_facts(&get::<String>(attack, "/name")?, &get(attack, "/spec")?, threat, classes)?;
    Ok(AttackFacts { revision: get(attack, "/revision")?, source: optional(attack, "/source")?, curve, ..facts })
}

fn corruption(recorded: &Value) -> Result<CorruptionFacts> {
    let severities = section(recorded, "severities").iter();
    let severities = severities.map(|at| Ok((get(at, "/severity")?, get::<BTreeMap<String, f64>>(at, "/parameters")?)));
    Ok(corruption_facts(
        &get::<String>(recorded, "/name")?,
        get(recorded, "/revision")?,
        severities.collect::<Result<_>>()?,
    ))
}

fn section<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of[name].as_array().map_or(&[], Vec::as_slice)
}

fn get<T: DeserializeOwned>(value: &Value, path: &str) -> Result<T> {
    let found = value.pointer(path).cloned().unwrap_or(Value::Null);
    serde_json::from_value(found)
        .with_context(|| format!("the plan in results.json has no `{path}` that this version reads"))
}

fn optional<T: DeserializeOwned>(value: &Value, path: &str) -> Result<Option<T>> {
    value.pointer(path).map(|_| get(value, path)).transpose()
}

fn epsilon(value: &Value, path: &str) -> Result<Epsilon> {
    let text: String = get(value, path)?;
    text.parse().with_context(|| format!("the plan in results.json has no `{path}` that this version reads"))
}
