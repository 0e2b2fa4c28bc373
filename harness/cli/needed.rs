//! The blocks that results stand on, found by what the recorded plan says of them: neither the suite nor the models are needed.

use anyhow::{Context, Result, bail};
use evidence::{BLOCK_ROWS, Block, ModelBlocks, RuntimeFacts, canonical};
use serde_json::Value;
use std::collections::BTreeMap;

/// More blocks than this are in no plan that this program wrote; a forged one may ask for any number.
const MOST_BLOCKS: usize = 1_000_000;

/// A check of a recorded plan. Numbers are indices in its sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Check {
    Clean,
    Attack(usize),
    Probe(usize),
    /// A corruption, and one of its severities.
    Corruption(usize, usize),
}

/// One block that results stand on.
#[derive(Debug, Clone)]
pub(crate) struct Needed {
    /// The model's index in the plan.
    pub(crate) model: usize,
    pub(crate) check: Check,
    /// The slice's index in the plan.
    pub(crate) slice: usize,
    /// The rows, by their absolute indices.
    pub(crate) rows: Vec<u64>,
    /// The canonical JSON of what the plan says of it.
    pub(crate) key: String,
    /// Such as `fgsm on linear, rows 0 to 249`.
    pub(crate) name: String,
}

/// Every block that the results of a recorded plan stand on: model by model, check by check, slice by slice.
///
/// Errors: the plan lacks what a plan has.
pub(crate) fn needed(plan: &Value) -> Result<Vec<Needed>> {
    let slices: Vec<(&Value, Vec<u64>)> =
        list(plan, "slices")?.iter().map(|slice| Ok((slice, rows(slice)?))).collect::<Result<_>>()?;
    let models = list(plan, "models")?;
    let checks = checks(plan)?;
    if slices.len().saturating_mul(models.len()).saturating_mul(checks.len()) > MOST_BLOCKS {
        bail!("the plan in results.json wants more than {MOST_BLOCKS} blocks");
    }
    let mut needed = Vec::new();
    for (model, recorded) in models.iter().enumerate() {
        let model_name = name(recorded);
        for (check, check_name) in &checks {
            let attack = if let Check::Attack(index) = check { &plan["attacks"][*index] } else { &Value::Null };
            // A transfer is not tried on its own source.
            if attack["source"].is_string() && attack["source"] == recorded["name"] {
                continue;
            }
            for (slice, (recorded_slice, rows)) in slices.iter().enumerate() {
                let key = match *check {
                    Check::Clean => suite::recorded_prediction_key(plan, recorded, recorded_slice),
                    Check::Attack(_) => suite::recorded_check_key(plan, recorded, attack, recorded_slice),
                    Check::Probe(index) => {
                        suite::recorded_probe_key(plan, recorded, &plan["probes"][index], recorded_slice)
                    }
                    Check::Corruption(index, at) => {
                        let corruption = &plan["corruptions"][index];
                        let severity = &corruption["severities"][at];
                        suite::recorded_corruption_key(plan, recorded, corruption, severity, recorded_slice)
                    }
                };
                let name = format!("{check_name} on {model_name}, {}", span(rows));
                let (key, rows) = (canonical(&key)?, rows.clone());
                needed.push(Needed { model, check: *check, slice, rows, key, name });
            }
        }
    }
    Ok(needed)
}

/// Every check of a plan with its name: on each model the same, but for transfers.
fn checks(plan: &Value) -> Result<Vec<(Check, String)>> {
    let mut checks = vec![(Check::Clean, "clean predictions".to_owned())];
    let section = |section: &str| plan[section].as_array().map_or(&[][..], Vec::as_slice).iter().enumerate();
    checks.extend(list(plan, "attacks")?.iter().enumerate().map(|(at, attack)| (Check::Attack(at), name(attack))));
    checks.extend(section("probes").map(|(at, probe)| (Check::Probe(at), name(probe))));
    for (index, corruption) in section("corruptions") {
        for (at, severity) in list(corruption, "severities")?.iter().enumerate() {
            let name = format!("{} at severity {}", name(corruption), severity["severity"]);
            checks.push((Check::Corruption(index, at), name));
        }
    }
    Ok(checks)
}

fn rows(slice: &Value) -> Result<Vec<u64>> {
    let ranges: Vec<[u64; 2]> =
        serde_json::from_value(slice["rows"].clone()).context("the plan in results.json has a slice without rows")?;
    let mut rows = Vec::new();
    for [start, end] in ranges {
        if end.saturating_sub(start) > BLOCK_ROWS as u64 || rows.len() > BLOCK_ROWS {
            bail!("the plan in results.json has a slice of more than {BLOCK_ROWS} rows");
        }
        rows.extend(start..end);
    }
    Ok(rows)
}

/// `rows 0 to 249`; of rows with gaps the first and the last.
fn span(rows: &[u64]) -> String {
    match (rows.first(), rows.last()) {
        (Some(first), Some(last)) if first == last => format!("row {first}"),
        (Some(first), Some(last)) => format!("rows {first} to {last}"),
        _ => "no rows".to_owned(),
    }
}

fn name(of: &Value) -> String {
    of["name"].as_str().unwrap_or_default().to_owned()
}

/// A list of a recorded plan.
///
/// Errors: there is none of that name.
pub(crate) fn list<'a>(plan: &'a Value, section: &str) -> Result<&'a Vec<Value>> {
    plan[section].as_array().with_context(|| format!("the plan in results.json has no list `{section}`"))
}

/// The blocks that a runtime computed, by the canonical JSON of their check. Where an earlier version of the program left one
/// of the same check, the later one counts, as in a run.
///
/// Errors: none for blocks that were read.
pub(crate) fn newest(
    blocks: impl IntoIterator<Item = Block>,
    runtime: &RuntimeFacts,
) -> Result<BTreeMap<String, Block>> {
    let runtime = canonical(runtime)?;
    let version = |block: &Block| ["graph_revision", "observed"].map(|name| block.key_material[name].as_u64());
    let mut found: BTreeMap<String, Block> = BTreeMap::new();
    for block in blocks {
        if canonical(&block.key_material["runtime"])? != runtime {
            continue;
        }
        let check = canonical(&block.key_material["check"])?;
        if found.get(&check).is_none_or(|other| version(other) < version(&block)) {
            found.insert(check, block);
        }
    }
    Ok(found)
}

/// The blocks of each model, as results are worked out from them; blocks that are not there are left out.
pub(crate) fn by_model(models: usize, needed: &[Needed], found: &BTreeMap<String, Block>) -> Vec<ModelBlocks> {
    let mut all = vec![ModelBlocks::default(); models];
    let mut last: Option<(usize, Check)> = None;
    for one in needed {
        let Some(blocks) = all.get_mut(one.model) else { continue };
        let group = match one.check {
            Check::Clean => None,
            Check::Attack(_) => Some(&mut blocks.attacks),
            Check::Probe(_) => Some(&mut blocks.probes),
            Check::Corruption(..) => Some(&mut blocks.corruptions),
        };
        let check = match group {
            None => &mut blocks.clean,
            Some(group) => {
                if last != Some((one.model, one.check)) {
                    group.push(Vec::new());
                }
                let index = group.len() - 1;
                &mut group[index]
            }
        };
        last = Some((one.model, one.check));
        check.extend(found.get(&one.key).cloned());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan() -> Value {
        json!({
            "models": [{ "name": "a" }, { "name": "b" }],
            "attacks": [{ "name": "fgsm" }, { "name": "from a", "source": "a" }],
            "probes": [{ "name": "lip" }],
            "corruptions": [{ "name": "fog", "severities": [{ "severity": 1 }, { "severity": 3 }] }],
            "slices": [{ "rows": [[0, 250]] }, { "rows": [[250, 251], [260, 262]] }],
        })
    }

    #[test]
    fn every_check_of_every_model_is_needed_once_but_transfers_on_their_source() {
        let needed = needed(&plan()).unwrap();
        assert_eq!(needed.len(), (5 + 6) * 2);
        let keys: std::collections::BTreeSet<_> = needed.iter().map(|one| (one.model, one.check, one.slice)).collect();
        assert_eq!(keys.len(), needed.len());
        let names: Vec<&str> = needed.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names[0], "clean predictions on a, rows 0 to 249");
        assert!(
            names.contains(&"from a on b, rows 250 to 261") && names.contains(&"fog at severity 3 on b, rows 0 to 249")
        );
        assert!(!names.iter().any(|name| name.starts_with("from a on a")));
        assert_eq!(needed[1].rows, [250, 260, 261]);
        let shape: Vec<_> = by_model(2, &needed, &BTreeMap::new())
            .iter()
            .map(|model| (model.attacks.len(), model.probes.len(), model.corruptions.len()))
            .collect();
        assert_eq!(shape, [(1, 1, 2), (2, 1, 2)]);
    }

    #[test]
    fn forged_plans_are_refused() {
        for (section, value) in [
            ("slices", json!([{ "rows": [[0, 1_000_000_000]] }])),
            ("slices", json!([{ "rows": [[0, 250], [250, 500], [500, 750]] }])),
            ("slices", json!([{}])),
            ("slices", json!(null)),
            ("models", json!("a")),
            ("attacks", json!({})),
            ("models", json!(vec![json!({ "name": "a" }); 200_000])),
        ] {
            let mut plan = plan();
            plan[section] = value;
            assert!(super::needed(&plan).is_err(), "{section}");
        }
    }
}
