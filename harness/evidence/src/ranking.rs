//! Who is better than whom on the same rows, and the ranks that follow.

use serde::{Deserialize, Serialize};

use crate::{AttackResult, CONFIDENCE, ModelResult, Paired, RowSet, holm};

/// A model is better than another where the corrected p-value is below this.
pub const SIGNIFICANCE: f64 = 0.05;

/// Models compared two by two by the rows that they get right under every attack that both were tried with, or without any.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranking {
    /// [`SIGNIFICANCE`].
    pub significance: f64,
    /// One per model, in the order of the results.
    pub places: Vec<Place>,
    /// Every pair that was tried with a common attack, each in the order of the results.
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
            if let Some(shared) = shared(a, b) {
                pairs.push(compare(a, b, &shared)?);
            }
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

fn compare(a: &ModelResult, b: &ModelResult, attacks: &[&str]) -> Option<PairedTest> {
    let rows = Paired::of(&withstood(a, attacks), &withstood(b, attacks))?;
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

/// The attacks that both models faced: one that is guided by a model is not tried on that model. `None` where they share none, and
/// some was tried on one of them.
fn shared<'a>(a: &'a ModelResult, b: &ModelResult) -> Option<Vec<&'a str>> {
    let faced = |name: &str| b.attacks.iter().any(|attack| attack.name == name);
    let shared: Vec<&str> = a.attacks.iter().map(|attack| attack.name.as_str()).filter(|name| faced(name)).collect();
    let is_clean = a.attacks.is_empty() && b.attacks.is_empty();
    (is_clean || !shared.is_empty()).then_some(shared)
}

/// The rows that a model gets right under all of these attacks.
fn withstood(model: &ModelResult, attacks: &[&str]) -> RowSet {
    let each = model.attacks.iter().filter(|attack| attacks.contains(&attack.name.as_str()));
    let both = |rows: RowSet, attack: &AttackResult| match rows.rows() == attack.robust_rows.rows() {
        true => rows.iter().zip(attack.robust_rows.iter()).map(|(a, b)| a && b).collect(),
        false => RowSet::default(),
    };
    each.fold(model.correct_rows.clone(), both)
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

    /// A model that withstands on these of a hundred rows.
    fn withstanding(name: &str, rows: std::ops::Range<usize>) -> ModelResult {
        let mut model = model(name, 1, 0.5, 0.5, None);
        model.correct_rows = (0..100).map(|_| true).collect();
        model.attacks[0].robust_rows = (0..100).map(|row| rows.contains(&row)).collect();
        model
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
            attacks: Vec::new(),
            ..model(name, 1, 0.5, 0.5, None)
        };
        assert_eq!(ranks(&[clean("a", 50), clean("b", 90)]), [2, 1]);
    }

    /// A transfer is not tried on its own source, so what it breaks elsewhere says nothing of the two.
    #[test]
    fn only_attacks_that_both_faced_count() {
        let (source, mut target) = (withstanding("source", 0..50), withstanding("target", 0..50));
        let transfer = AttackResult {
            name: "transfer".into(),
            robust_rows: (0..100).map(|_| false).collect(),
            ..target.attacks[0].clone()
        };
        target.attacks.push(transfer.clone());
        assert_eq!(ranks(&[source.clone(), target.clone()]), [1, 1]);
        target.attacks = vec![transfer];
        let alone = rank(&[source, target]).unwrap();
        assert!(alone.pairs.is_empty() && alone.places.iter().all(|place| place.rank == 1));
    }
}
