//! Shares of rows, on the same rows.

use evidence::{AttackResult, CONFIDENCE, Flag, ModelResult, Paired, Results, RowSet, WorstCase, holm};

use super::agreement::{is_same_threat, other_rows};
use super::{CheckPair, ModelPair, Share, Test};
use crate::{Error, sources};

/// The checks that both of a pair have, tested and sorted. What only one has is added to `only`.
pub(super) fn compare(
    reports: [&Results; 2],
    pairs: &[ModelPair],
    only: &mut [Vec<String>; 2],
) -> Result<Vec<CheckPair>, Error> {
    let other_rows = other_rows(reports);
    let mut checks = Vec::new();
    for (place, pair) in pairs.iter().enumerate() {
        let Some(models) = pair.of(reports) else { continue };
        for check in shared(models, reports, &pair.name(), only) {
            checks.push(made(place, check, other_rows.as_deref())?);
        }
    }
    let p: Vec<f64> = checks.iter().filter_map(|check| Some(check.test.as_ref().ok()?.p)).collect();
    let corrected = holm(&p);
    let tests = checks.iter_mut().filter_map(|check| check.test.as_mut().ok());
    tests.zip(corrected).for_each(|(test, p)| test.p_holm = p);
    let size = |check: &CheckPair| check.test.as_ref().map_or(0.0, |test| test.difference.abs());
    checks.sort_by(|x, y| x.word().cmp(&y.word()).then(size(y).total_cmp(&size(x))));
    Ok(checks)
}

/// A check that both have: the share of rows, which rows they are, and flags that make it inconclusive.
struct Shared<'a> {
    name: String,
    sides: [Side<'a>; 2],
}

struct Side<'a> {
    share: Share,
    rows: &'a RowSet,
    doubts: Vec<Flag>,
}

fn shared<'a>(
    models: [&'a ModelResult; 2],
    reports: [&Results; 2],
    pair: &str,
    only: &mut [Vec<String>; 2],
) -> Vec<Shared<'a>> {
    let mut found = vec![Shared { name: "clean".to_owned(), sides: models.map(clean) }];
    let [a, b] = models;
    let is_same_threat = is_same_threat(reports);
    let is_same_source = |attack: &AttackResult| {
        let [one, other] =
            reports.map(|results| attack.source.as_deref().and_then(|name| sources::digest(&results.plan, name)));
        one == other
    };
    let beside = |one: &AttackResult, other: &'a ModelResult| {
        let is_shared = |attack: &&AttackResult| attack.name == one.name && does_the_same(attack, one);
        other.attacks.iter().find(|attack| is_same_threat && is_shared(attack) && is_same_source(attack))
    };
    for attack in &a.attacks {
        if let Some(other) = beside(attack, b) {
            found.push(Shared {
                name: attack.name.clone(),
                sides: [(a, attack), (b, other)].map(|(m, at)| attacked(m, at)),
            });
        }
    }
    let mut is_all = true;
    for (at, [one, other]) in [[a, b], [b, a]].into_iter().enumerate() {
        for attack in one.attacks.iter().filter(|attack| beside(attack, other).is_none()) {
            is_all = false;
            let why = match other.attacks.iter().any(|found| found.name == attack.name) {
                false => "",
                true if is_same_threat => {
                    ", which has other parameters, or is guided by another model, in the other report"
                }
                true => ", under another threat model",
            };
            only[at].push(format!("attack {} on {pair}{why}", attack.name));
        }
    }
    if let (Some(x), Some(y), true) = (&a.worst_case, &b.worst_case, is_all) {
        found.push(Shared {
            name: "worst case".to_owned(),
            sides: [(a, x), (b, y)].map(|(m, worst)| worst_case(m, worst)),
        });
    }
    found
}

/// A revision may differ: that is a fix of the attack, and said.
fn does_the_same(a: &AttackResult, b: &AttackResult) -> bool {
    let stages = |attack: &AttackResult| attack.stages.iter().map(|stage| stage.name.clone()).collect::<Vec<_>>();
    a.parameters == b.parameters && a.source == b.source && stages(a) == stages(b)
}

fn clean(model: &ModelResult) -> Side<'_> {
    let ModelResult { clean_accuracy: share, ci_low, ci_high, correct: count, total, .. } = *model;
    let doubts = model.inconclusive.clone();
    Side { share: Share { share, ci_low, ci_high, count, total }, rows: &model.correct_rows, doubts }
}

fn attacked<'a>(model: &ModelResult, attack: &'a AttackResult) -> Side<'a> {
    let AttackResult { robust_accuracy: share, ci_low, ci_high, robust: count, total, .. } = *attack;
    let doubts = [&model.inconclusive[..], &attack.inconclusive].concat();
    Side { share: Share { share, ci_low, ci_high, count, total }, rows: &attack.robust_rows, doubts }
}

fn worst_case<'a>(model: &ModelResult, worst: &'a WorstCase) -> Side<'a> {
    let WorstCase { robust_accuracy: share, ci_low, ci_high, robust: count, total, .. } = *worst;
    // It is no surer than the least sure attack.
    let attacks = model.attacks.iter().flat_map(|attack| attack.inconclusive.clone());
    let doubts = model.inconclusive.iter().copied().chain(attacks).collect();
    Side { share: Share { share, ci_low, ci_high, count, total }, rows: &worst.robust_rows, doubts }
}

fn made(pair: usize, Shared { name, sides }: Shared<'_>, other_rows: Option<&str>) -> Result<CheckPair, Error> {
    for side in &sides {
        let Share { count, total, .. } = side.share;
        if !side.rows.is_empty() && (side.rows.count(), side.rows.rows()) != (count, total) {
            let (rows, all) = (side.rows.count(), side.rows.rows());
            let reason = format!(
                "the rows of `{name}` are {rows} of {all}, and {count} of {total} are stated: results.json is damaged"
            );
            return Err(Error::Compare { reason });
        }
    }
    let mut doubts: Vec<String> =
        sides.iter().flat_map(|side| &side.doubts).map(|flag| flag.name().to_owned()).collect();
    doubts.sort();
    doubts.dedup();
    let [baseline, candidate] = sides;
    let test = match other_rows {
        Some(reason) => Err(reason.to_owned()),
        None => Paired::of(candidate.rows, baseline.rows).map(test).ok_or_else(|| {
            "a report of an older version does not say which rows they are: run its suite again".to_owned()
        }),
    };
    Ok(CheckPair { pair, check: name, baseline: baseline.share, candidate: candidate.share, test, doubts })
}

fn test(rows: Paired) -> Test {
    Test { rows, difference: rows.difference(), interval: rows.tango(CONFIDENCE), p: rows.mcnemar(), p_holm: 1.0 }
}
