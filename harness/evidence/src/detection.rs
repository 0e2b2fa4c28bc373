//! How well a detector's scores tell anomalous rows from normal ones, wherever the threshold is.

use std::collections::BTreeMap;

use crate::correlation::doubled_ranks;
use crate::{Block, Verdict};

/// The class of anomalous rows.
const ANOMALOUS: u32 = 1;

/// The scores of a detector's rows: of the samples, and in the worst that attacks did to them.
#[derive(Debug, Clone)]
pub(crate) struct Detection {
    clean: BTreeMap<u64, Scored>,
    worst: BTreeMap<u64, Scored>,
}

/// One row: whether it is anomalous, and its score less the threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scored {
    anomalous: bool,
    excess: f64,
}

impl Scored {
    /// The row with the margin of its label's class. A margin that is not there is that of an infinite score: no other has
    /// none, since the scores of a judged row are no NaN.
    fn with_margin(anomalous: bool, margin: Option<f64>) -> Self {
        let excess = match (margin, anomalous) {
            (None, _) => f64::INFINITY,
            (Some(margin), true) => margin,
            (Some(margin), false) => -margin,
        };
        Self { anomalous, excess }
    }

    /// Of one row: the score that is worse for the detector.
    fn worse(self, other: Self) -> Self {
        let excess = if self.anomalous { self.excess.min(other.excess) } else { self.excess.max(other.excess) };
        Self { excess, ..self }
    }
}

impl Detection {
    /// The rows of clean predictions.
    pub(crate) fn new(clean: &[Block]) -> Self {
        let columns = clean.iter().filter_map(|block| Some((&block.rows, block.clean_columns()?)));
        let clean: BTreeMap<u64, Scored> = columns
            .flat_map(|(rows, columns)| rows.iter().zip(columns.label.iter().zip(&columns.margin)))
            .map(|(&row, (&label, &margin))| (row, Scored::with_margin(label == ANOMALOUS, margin)))
            .collect();
        Self { worst: clean.clone(), clean }
    }

    /// Of the samples.
    pub(crate) fn clean_auc(&self) -> Option<f64> {
        auc(self.clean.values())
    }

    /// Of the samples, but that those which this attack broke have the score of its confirmed witness. What it did counts for
    /// [`Detection::worst_auc`] too.
    pub(crate) fn attacked_auc(&mut self, blocks: &[Block]) -> Option<f64> {
        let mut attacked = self.clean.clone();
        for block in blocks {
            let Some(columns) = block.attack_columns() else { continue };
            for (at, row) in block.rows.iter().enumerate().filter(|(at, _)| columns.verdict[*at] == Verdict::Attacked) {
                let margin = columns.margin.get(at).copied().flatten();
                let place = |scored: &mut Scored| *scored = scored.worse(Scored::with_margin(scored.anomalous, margin));
                attacked.entry(*row).and_modify(place);
                self.worst.entry(*row).and_modify(place);
            }
        }
        auc(attacked.values())
    }

    /// Each row with the worst of its sample and the confirmed witnesses of all attacks.
    pub(crate) fn worst_auc(&self) -> Option<f64> {
        auc(self.worst.values())
    }
}

/// The area under the ROC curve: the share of pairs of an anomalous and a normal row in which the anomalous one has the
/// higher score, equal ones counted half. `None` without rows of both kinds.
///
/// Source: Hanley and McNeil 1982, Radiology 143(1): it is the Mann-Whitney statistic over the number of pairs.
fn auc<'a>(rows: impl Iterator<Item = &'a Scored>) -> Option<f64> {
    let (anomalous, excess): (Vec<bool>, Vec<f64>) = rows.map(|row| (row.anomalous, row.excess)).unzip();
    let doubled = doubled_ranks(&excess);
    let positives = anomalous.iter().filter(|anomalous| **anomalous).count() as i64;
    let negatives = anomalous.len() as i64 - positives;
    // Twice the ranks of the anomalous rows, less what they would be if all of them came first: twice the pairs.
    let sum: i64 = doubled.iter().zip(&anomalous).filter(|(_, anomalous)| **anomalous).map(|(rank, _)| rank).sum();
    let won = sum - positives * (positives + 1);
    (positives > 0 && negatives > 0).then(|| won as f64 / (2 * positives * negatives) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AttackRow, CleanRow, keyed, witness_digest};
    use serde_json::json;

    /// The threshold of the rows here.
    const THRESHOLD: f64 = 2.0;

    fn rows(anomalous: &[f64], normal: &[f64]) -> Vec<Scored> {
        let kind = |anomalous| move |&excess: &f64| Scored { anomalous, excess };
        anomalous.iter().map(kind(true)).chain(normal.iter().map(kind(false))).collect()
    }

    fn area(anomalous: &[f64], normal: &[f64]) -> Option<f64> {
        auc(rows(anomalous, normal).iter())
    }

    #[test]
    fn pairs_are_counted_and_equal_ones_half() {
        let table: &[(&[f64], &[f64], Option<f64>)] = &[
            (&[3.0, 4.0], &[1.0, 2.0], Some(1.0)),
            (&[1.0], &[2.0, 3.0], Some(0.0)),
            (&[1.0, 1.0], &[1.0], Some(0.5)),
            // 5 beats four; 3 beats two and equals one; 2 beats one and equals one.
            (&[5.0, 3.0, 2.0], &[1.0, 2.0, 3.0, 4.0], Some((4.0 + 2.5 + 1.5) / 12.0)),
            (&[0.0, -0.0], &[0.0, 7.0], Some(0.25)),
            (&[f64::INFINITY, 1.0], &[f64::INFINITY, 0.0], Some((1.5 + 1.0) / 4.0)),
            (&[], &[1.0], None),
            (&[1.0], &[], None),
        ];
        for (anomalous, normal, expected) in table {
            assert_eq!(area(anomalous, normal), *expected, "{anomalous:?} {normal:?}");
        }
    }

    /// Scores with many ties, of both kinds of rows.
    fn scores(seed: u64) -> (Vec<f64>, Vec<f64>) {
        let mut state = seed;
        let mut next = move |many: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % many
        };
        let (a, b) = (1 + next(40), 1 + next(40));
        ((0..a).map(|_| next(20) as f64).collect(), (0..b).map(|_| next(20) as f64).collect())
    }

    #[test]
    fn it_is_the_count_of_pairs_and_turns_with_the_labels() {
        for seed in 0..200 {
            let (a, b) = scores(seed);
            let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a, b)));
            let won: f64 = pairs
                .map(|(a, b)| {
                    if a > b {
                        1.0
                    } else if a == b {
                        0.5
                    } else {
                        0.0
                    }
                })
                .sum();
            let found = area(&a, &b).unwrap();
            assert_eq!(found, won / (a.len() * b.len()) as f64, "{a:?} {b:?}");
            // The sum is off by the last bit of one of the two.
            assert!((area(&b, &a).unwrap() - (1.0 - found)).abs() <= f64::EPSILON, "{a:?} {b:?}");
            let negative = |scores: &[f64]| scores.iter().map(|score| -score).collect::<Vec<_>>();
            assert_eq!(area(&negative(&b), &negative(&a)).unwrap(), found);
        }
    }

    fn clean_row(row: u64, label: u32, score: f64) -> CleanRow {
        let margin = Some(if label == 1 { score - THRESHOLD } else { THRESHOLD - score }).filter(|m| m.is_finite());
        CleanRow {
            label,
            prediction: u32::from(score > THRESHOLD),
            margin,
            tie: score == THRESHOLD,
            ..CleanRow::right(row)
        }
    }

    /// A row that an attack broke, with the score of its witness.
    fn broken(clean: &CleanRow, score: f64) -> AttackRow {
        AttackRow {
            verdict: Verdict::Attacked,
            adversarial_class: Some(1 - clean.label),
            confirmed: 1,
            margin: clean_row(clean.row, clean.label, score).margin,
            witness: Some(witness_digest(&[score as f32])),
            ..AttackRow::wrong(clean.row)
        }
    }

    fn attack_block(rows: &[AttackRow]) -> Block {
        Block::attack(keyed(&json!("attack")).unwrap(), rows).unwrap()
    }

    #[test]
    fn confirmed_witnesses_take_the_place_of_their_samples() {
        // Row 3 is a normal row above the threshold: no attack runs on it.
        let clean: Vec<CleanRow> = [(1, 5.0), (1, 4.0), (0, 1.0), (0, 4.5), (0, 0.5)]
            .into_iter()
            .enumerate()
            .map(|(row, (label, score))| clean_row(row as u64, label, score))
            .collect();
        let block = Block::clean(keyed(&json!("clean")).unwrap(), &clean).unwrap();
        let mut detection = Detection::new(&[block]);
        assert_eq!(detection.clean_auc(), Some(5.0 / 6.0));
        let unknown = |row: u64| AttackRow { verdict: Verdict::Unknown, ..AttackRow::wrong(row) };
        let first = [broken(&clean[0], 0.75), unknown(1), unknown(2), AttackRow::wrong(3), unknown(4)];
        // 0.75 beats 0.5 alone; 4 beats 1 and 0.5.
        assert_eq!(detection.attacked_auc(&[attack_block(&first)]), Some(3.0 / 6.0));
        let second = [unknown(0), unknown(1), broken(&clean[2], f64::INFINITY), AttackRow::wrong(3), unknown(4)];
        // 5 beats 4.5 and 0.5, 4 beats 0.5.
        assert_eq!(detection.attacked_auc(&[attack_block(&second)]), Some(3.0 / 6.0));
        // 0.75 beats 0.5, 4 beats 0.5.
        assert_eq!(detection.worst_auc(), Some(2.0 / 6.0));
        assert_eq!(detection.clean_auc(), Some(5.0 / 6.0));
        let none: Vec<AttackRow> = [unknown(0), unknown(1), unknown(2), AttackRow::wrong(3), unknown(4)].into();
        assert_eq!(detection.attacked_auc(&[attack_block(&none)]), detection.clean_auc());
    }

    #[test]
    fn a_margin_that_contradicts_its_verdict_is_refused() {
        let clean = clean_row(0, 1, 5.0);
        let wrong = [
            AttackRow { margin: Some(0.5), ..broken(&clean, 1.0) },
            AttackRow { margin: Some(-0.5), ..AttackRow::wrong(0) },
        ];
        for row in wrong {
            let text = Block::attack(keyed(&json!("attack")).unwrap(), &[row]).unwrap_err().to_string();
            assert!(text.contains("its margin says otherwise"), "{text}");
        }
    }
}
