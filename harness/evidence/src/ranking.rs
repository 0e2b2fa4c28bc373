//! Who is better than whom on the same rows, and the ranks that follow.

use serde::{Deserialize, Serialize};

use crate::{CONFIDENCE, ModelResult, Paired, RowSet, holm};

/// A model is better than another where the corrected p-value is below this.
pub const SIGNIFICANCE: f64 = 0.05;

/// Models compared two by two by the rows that they get right under every listed attack, or without any.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranking {
    /// [`SIGNIFICANCE`].
    pub significance: f64,
    /// One per model, in the order of the results.
    pub places: Vec<Place>,
    /// Every pair, each in the order of the results.
    pub pairs: Vec<PairedTest>,
}

/// A model's rank.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The model's name.
    pub model: String,
    /// 1 and the number of models that are significantly better. Models that cannot be told apart may share it.
    pub rank: u64,
}

/// Two models on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairedTest {
    /// One model.
    pub a: String,
    /// The other.
    pub b: String,
    /// Rows by which of them gets them.
    pub rows: Paired,
    /// The share of rows that `a` gets less that of `b`.
    pub difference: f64,
    /// Lower 95 % confidence limit of `difference` (Tango's score interval), of this pair alone.
    pub ci_low: f64,
    /// Upper 95 % confidence limit of `difference` (Tango's score interval), of this pair alone.
    pub ci_high: f64,
    /// Two-sided p-value of McNemar's exact test.
    pub p: f64,
    /// The same after Holm's correction for all pairs.
    pub p_holm: f64,
}

/// Compares the models; `None` for fewer than two, and where results do not say which rows they are about.
pub fn rank(models: &[ModelResult]) -> Option<Ranking> {
    if models.len() < 2 {
        return None;
    }
    let mut pairs = Vec::new();
    for (index, a) in models.iter().enumerate() {
        for b in &models[index + 1..] {
            pairs.push(compare(a, b)?);
        }
    }
    let corrected = holm(&pairs.iter().map(|pair| pair.p).collect::<Vec<_>>());
    pairs.iter_mut().zip(corrected).for_each(|(pair, p)| pair.p_holm = p);
    let beats = |winner: &str, loser: &str| {
        pairs.iter().any(|pair| {
            let (a, b) = if pair.difference > 0.0 { (&pair.a, &pair.b) } else { (&pair.b, &pair.a) };
            pair.is_significant() && a == winner && b == loser
        })
    };
    let places = models.iter().map(|model| {
        let better = models.iter().filter(|other| beats(&other.name, &model.name)).count();
        Place { model: model.name.clone(), rank: 1 + better as u64 }
    });
    Some(Ranking { significance: SIGNIFICANCE, places: places.collect(), pairs })
}

fn compare(a: &ModelResult, b: &ModelResult) -> Option<PairedTest> {
    let rows = Paired::of(withstood(a), withstood(b))?;
    let interval = rows.tango(CONFIDENCE);
    Some(PairedTest {
        a: a.name.clone(),
        b: b.name.clone(),
        rows,
        difference: rows.difference(),
        ci_low: interval.low,
        ci_high: interval.high,
        p: rows.mcnemar(),
        p_holm: 1.0,
    })
}

/// The rows that a model gets right under every attack.
fn withstood(model: &ModelResult) -> &RowSet {
    model.worst_case.as_ref().map_or(&model.correct_rows, |worst| &worst.robust_rows)
}

impl PairedTest {
    /// Whether one of the two is better, after the correction.
    pub fn is_significant(&self) -> bool {
        self.p_holm < SIGNIFICANCE
    }
}

impl Ranking {
    /// The rank of a model.
    pub fn of(&self, model: &str) -> Option<u64> {
        self.places.iter().find(|place| place.model == model).map(|place| place.rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests::model;
    use crate::{Bound, WorstCase};

    /// A model that withstands on these of a hundred rows.
    fn withstanding(name: &str, rows: std::ops::Range<usize>) -> ModelResult {
        let robust_rows: RowSet = (0..100).map(|row| rows.contains(&row)).collect();
        let (robust, robust_accuracy) = (robust_rows.count(), robust_rows.count() as f64 / 100.0);
        let worst = WorstCase {
            robust_accuracy,
            bound: Bound::Upper,
            ci_low: 0.0,
            ci_high: 1.0,
            auc: None,
            robust,
            robust_rows,
            total: 100,
        };
        ModelResult { worst_case: Some(worst), ..model(name, 1, 0.5, 0.5, None) }
    }

    fn ranks(models: &[ModelResult]) -> Vec<u64> {
        rank(models).unwrap().places.iter().map(|place| place.rank).collect()
    }

    #[test]
    fn a_rank_counts_the_models_that_are_significantly_better() {
        // 60, 58 and 30 rows: 2 rows apart are chance, 28 are not.
        let models = [withstanding("low", 0..30), withstanding("high", 0..60), withstanding("near", 0..58)];
        assert_eq!(ranks(&models), [3, 1, 1]);
        let ranking = rank(&models).unwrap();
        assert_eq!((ranking.of("low"), ranking.of("absent")), (Some(3), None));
        let pair = &ranking.pairs[0];
        assert_eq!((pair.a.as_str(), pair.b.as_str(), pair.rows.only_b), ("low", "high", 30));
        assert!(
            (pair.difference + 0.3).abs() < 1e-15 && pair.ci_high < 0.0 && pair.p < 1e-8 && pair.p_holm == 3.0 * pair.p
        );
    }

    #[test]
    fn rows_decide_and_not_shares() {
        // 20 rows each, none in common, and 20 of the 26 rows of another.
        assert_eq!(ranks(&[withstanding("a", 0..20), withstanding("b", 50..70)]), [1, 1]);
        // Six rows that only one has: p = 1/32, which two further tests take away.
        let two = [withstanding("a", 0..26), withstanding("b", 0..20)];
        assert_eq!(ranks(&two), [1, 2]);
        let three = [two[0].clone(), two[1].clone(), withstanding("c", 0..21)];
        assert_eq!(ranks(&three), [1, 1, 1]);
    }

    #[test]
    fn without_rows_there_is_no_ranking() {
        assert_eq!(rank(&[withstanding("a", 0..20)]), None);
        assert_eq!(rank(&[withstanding("a", 0..20), model("older", 1, 0.5, 0.5, None)]), None);
        let clean = |name: &str, rows: usize| ModelResult {
            correct_rows: (0..100).map(|row| row < rows).collect(),
            worst_case: None,
            ..model(name, 1, 0.5, 0.5, None)
        };
        assert_eq!(ranks(&[clean("a", 50), clean("b", 90)]), [2, 1]);
    }
}
