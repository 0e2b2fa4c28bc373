//! What the rows of one attack come to.

use std::collections::BTreeMap;

use crate::masking;
use crate::probe_summary::nearest_rank;
use crate::summary::proportion;
use crate::{
    AttackColumns, AttackFacts, AttackResult, Block, Bound, CurvePoint, Distances, Flag, RowSet, StageResult, Verdict,
};

/// The result of one attack, from its blocks in any order and the verdict of each row.
///
/// Errors: a row was broken by a stage that the plan does not have.
pub(crate) fn attack_result(
    facts: AttackFacts,
    blocks: &[Block],
    verdicts: &BTreeMap<u64, Verdict>,
) -> Result<AttackResult, String> {
    let columns: Vec<_> = blocks.iter().filter_map(Block::attack_columns).collect();
    let rows = |verdict| verdicts.values().filter(|&&v| v == verdict).count() as u64;
    let [wrong, attacked, unknown] = [Verdict::Wrong, Verdict::Attacked, Verdict::Unknown].map(rows);
    let small = |column: fn(&AttackColumns) -> &[u32]| -> u64 {
        columns.iter().flat_map(|c| column(c)).map(|&n| u64::from(n)).sum()
    };
    let large = |column: fn(&AttackColumns) -> &[u64]| -> u64 { columns.iter().flat_map(|c| column(c)).sum() };
    let mut flags: BTreeMap<Flag, u64> = BTreeMap::new();
    // That what fools another model does not fool this one is what a transfer measures.
    let of_one_model = [Flag::Unconfirmed, Flag::SilentSuccess];
    let expected = |flag: &Flag| facts.source.is_some() && of_one_model.contains(flag);
    for flag in columns.iter().flat_map(|c| c.flags.iter().flatten()).filter(|flag| !expected(flag)) {
        *flags.entry(*flag).or_default() += 1;
    }
    let (certified, total) = (0, verdicts.len() as u64);
    let stages = stages(&facts.stages, &columns, total - wrong, total)?;
    let curve = curve(&facts.curve, &columns, total - wrong, total)?;
    if facts.substituted {
        flags.insert(Flag::DlrSubstituted, total - wrong);
    }
    if let Some(rows) = masking::black_box_stages(&facts, &stages, total) {
        flags.insert(Flag::BlackBoxBeatsWhiteBox, rows);
    }
    let robust = certified + unknown;
    let (robust_accuracy, ci_low, ci_high) = proportion(robust, total);
    Ok(AttackResult {
        name: facts.name,
        source: facts.source,
        robust_accuracy,
        bound: Bound::Upper,
        ci_low,
        ci_high,
        auc: None,
        robust,
        robust_rows: verdicts.values().map(|verdict| *verdict == Verdict::Unknown).collect::<RowSet>(),
        total,
        wrong,
        attacked,
        certified,
        unknown,
        found: small(|c| &c.found),
        confirmed: small(|c| &c.confirmed),
        rejected: small(|c| &c.rejected),
        ties: flags.get(&Flag::Tie).copied().unwrap_or(0),
        stages,
        curve,
        distances: facts.minimises.then(|| distances(&columns, total - wrong)),
        inconclusive: Flag::inconclusive(&flags, total - wrong),
        flags,
        forwards: large(|c| &c.forwards),
        backwards: large(|c| &c.backwards),
        judge_forwards: large(|c| &c.judge_forwards),
        revision: facts.revision,
        parameters: facts.parameters,
    })
}

/// What each stage added, of so many rows that are right.
fn stages(names: &[String], columns: &[&AttackColumns], right: u64, total: u64) -> Result<Vec<StageResult>, String> {
    let mut attacked = vec![0_u64; names.len()];
    for stage in columns.iter().flat_map(|c| c.stage.iter().flatten()) {
        let count = attacked.get_mut(*stage as usize);
        *count.ok_or_else(|| format!("a row was broken by stage {stage} of {}", names.len()))? += 1;
    }
    let mut robust = right;
    let results = names.iter().zip(attacked).map(|(name, attacked)| {
        robust = robust.saturating_sub(attacked);
        let robust_accuracy = proportion(robust, total).0;
        StageResult { name: name.clone(), attacked, robust, robust_accuracy }
    });
    Ok(results.collect())
}

/// What is left at each radius, of so many rows that are right.
fn curve(radii: &[String], columns: &[&AttackColumns], right: u64, total: u64) -> Result<Vec<CurvePoint>, String> {
    let mut broke = vec![0_u64; radii.len()];
    for level in columns.iter().flat_map(|c| c.level.iter().flatten()) {
        let count = broke.get_mut(*level as usize);
        *count.ok_or_else(|| format!("a row broke at radius {level} of {}", radii.len()))? += 1;
    }
    let mut robust = right;
    let points = radii.iter().zip(broke).map(|(epsilon, broke)| {
        robust = robust.saturating_sub(broke);
        let (robust_accuracy, ci_low, ci_high) = proportion(robust, total);
        CurvePoint { epsilon: epsilon.clone(), robust_accuracy, ci_low, ci_high, robust }
    });
    Ok(points.collect())
}

/// Of so many rows that are right.
fn distances(columns: &[&AttackColumns], right: u64) -> Distances {
    let mut all: Vec<f64> = columns.iter().flat_map(|c| c.nearest.iter().flatten().copied()).collect();
    let found = all.len() as u64;
    all.resize(right.max(found) as usize, f64::INFINITY);
    all.sort_by(f64::total_cmp);
    let [p25, median, p75] = [25, 50, 75].map(|percent| nearest_rank(&all, percent).filter(|value| value.is_finite()));
    Distances { rows: right, found, p25, median, p75 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::attack_row;
    use crate::{AttackRow, keyed};
    use serde_json::json;

    fn facts(stages: &[&str], minimises: bool) -> AttackFacts {
        let stages = stages.iter().map(|name| (*name).to_owned()).collect();
        AttackFacts {
            name: "e".into(),
            revision: 1,
            parameters: BTreeMap::new(),
            stages,
            source: None,
            minimises,
            gradients: Vec::new(),
            substituted: false,
            curve: Vec::new(),
        }
    }

    /// Ten rows, two of them wrong; what `change` makes of the others.
    fn result(facts: AttackFacts, change: impl Fn(&mut AttackRow)) -> Result<AttackResult, String> {
        let rows: Vec<AttackRow> = (0..10)
            .map(|row| {
                let mut row = attack_row(row, 2);
                if row.verdict != Verdict::Wrong {
                    change(&mut row);
                }
                row
            })
            .collect();
        let verdicts = rows.iter().map(|row| (row.row, row.verdict)).collect();
        let block = Block::attack(keyed(&json!("e")).unwrap(), &rows).unwrap();
        attack_result(facts, &[block], &verdicts)
    }

    #[test]
    fn stages_take_from_what_is_left() {
        // Rows 0 and 7 are wrong; of the eight others 2, 4, 6 and 8 fall.
        let staged =
            |row: &mut AttackRow| row.stage = (row.verdict == Verdict::Attacked).then_some(u32::from(row.row > 5));
        let found = result(facts(&["a", "b", "c"], false), staged).unwrap();
        let counts: Vec<(&str, u64, u64, f64)> =
            found.stages.iter().map(|s| (s.name.as_str(), s.attacked, s.robust, s.robust_accuracy)).collect();
        assert_eq!(counts, [("a", 2, 6, 0.6), ("b", 2, 4, 0.4), ("c", 0, 4, 0.4)]);
        assert_eq!(found.stages.last().map(|s| s.robust), Some(found.robust));
        assert!(result(facts(&["a"], false), staged).unwrap_err().contains("stage 1 of 1"));
        assert_eq!(result(facts(&[], false), |_| ()).unwrap().stages, []);
    }

    /// What is normal for a transfer is left out; what a flag says of the search or the file stays.
    #[test]
    fn a_transfer_is_not_flagged_for_what_does_not_transfer() {
        let doubtful = |row: &mut AttackRow| {
            row.silent_success = row.verdict == Verdict::Unknown;
            row.zero_gradients = 1;
        };
        let plain = result(facts(&[], false), doubtful).unwrap();
        let transfer = result(AttackFacts { source: Some("twin".into()), ..facts(&[], false) }, doubtful).unwrap();
        let only_plain = [Flag::SilentSuccess];
        assert!(only_plain.iter().all(|flag| plain.flags.contains_key(flag)), "{:?}", plain.flags);
        let kept: BTreeMap<Flag, u64> =
            plain.flags.iter().filter(|(flag, _)| !only_plain.contains(flag)).map(|(f, n)| (*f, *n)).collect();
        assert_eq!((transfer.flags.clone(), transfer.source.as_deref()), (kept, Some("twin")));
        assert!(transfer.flags.contains_key(&Flag::ZeroGradient) && transfer.inconclusive.is_empty());
        assert_eq!((transfer.robust, transfer.rejected), (plain.robust, plain.rejected));
        let rejected = |row: &mut AttackRow| {
            if row.verdict == Verdict::Unknown {
                (row.found, row.rejected) = (1, 1);
            }
        };
        let plain = result(facts(&[], false), rejected).unwrap();
        let transfer = result(AttackFacts { source: Some("twin".into()), ..facts(&[], false) }, rejected).unwrap();
        assert!(plain.inconclusive.contains(&Flag::Unconfirmed), "{:?}", plain.flags);
        assert_eq!(
            (transfer.flags, transfer.inconclusive, transfer.rejected),
            (BTreeMap::new(), vec![], plain.rejected)
        );
    }

    #[test]
    fn what_broke_at_a_radius_is_broken_at_larger_ones() {
        let with = |radii: &[&str], level: fn(u64) -> Option<u32>| {
            let radii = radii.iter().map(|radius| (*radius).to_owned()).collect();
            result(AttackFacts { curve: radii, ..facts(&[], false) }, move |row| {
                row.level = level(row.row);
                if row.level.is_some() && row.verdict == Verdict::Unknown {
                    (row.confirmed, row.adversarial_class) = (1, Some(1));
                    row.witness = Some(crate::witness_digest(&[0.0]));
                }
            })
        };
        // Of the eight rows that are right 2, 4, 6 and 8 break at the threat model's radius, which is the second; 9 beyond.
        let found = with(&["1/255", "2/255", "3/255"], |row| match row {
            2 => Some(0),
            9 => Some(2),
            row => row.is_multiple_of(2).then_some(1),
        });
        let found = found.unwrap();
        let points: Vec<(&str, u64)> = found.curve.iter().map(|point| (&*point.epsilon, point.robust)).collect();
        assert_eq!((points, found.robust), (vec![("1/255", 7), ("2/255", 4), ("3/255", 3)], 4));
        assert!(with(&["1/255"], |row| row.is_multiple_of(2).then_some(1)).unwrap_err().contains("radius 1 of 1"));
    }

    #[test]
    fn rows_without_a_distance_are_infinitely_far() {
        let near = |row: &mut AttackRow| row.nearest = (row.row < 6).then_some(row.row as f64);
        let found = result(facts(&[], true), near).unwrap().distances.unwrap();
        assert_eq!(found, Distances { rows: 8, found: 5, p25: Some(2.0), median: Some(4.0), p75: None });
        let none = result(facts(&[], true), |_| ()).unwrap().distances.unwrap();
        assert_eq!((none.found, none.median), (0, None));
    }
}
