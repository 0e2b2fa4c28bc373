//! Two models on the same rows: how many only one of them gets, and what that says of the difference.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::RowSet;
use crate::statistics::{Interval, outward};

/// Rows by which of two models, `a` and `b`, have a property there, such as being robust.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paired {
    /// Rows that both have.
    pub both: u64,
    /// Rows that only `a` has.
    pub only_a: u64,
    /// Rows that only `b` has.
    pub only_b: u64,
    /// Rows that neither has.
    pub neither: u64,
}

impl Paired {
    /// Counts the rows of two sets over the same rows; `None` if they have different numbers of rows, or none.
    pub fn of(a: &RowSet, b: &RowSet) -> Option<Self> {
        if a.rows() != b.rows() || a.is_empty() {
            return None;
        }
        let mut counts = [0; 4];
        a.iter().zip(b.iter()).for_each(|(a, b)| counts[2 * usize::from(a) + usize::from(b)] += 1);
        let [neither, only_b, only_a, both] = counts;
        Some(Self { both, only_a, only_b, neither })
    }

    /// Rows.
    pub fn rows(&self) -> u64 {
        self.both + self.only_a + self.only_b + self.neither
    }

    /// The share of rows of `a` less that of `b`.
    pub fn difference(&self) -> f64 {
        (self.only_a as f64 - self.only_b as f64) / self.rows().max(1) as f64
    }

    /// The two-sided p-value of McNemar's exact test: how likely so uneven a split of the rows that only one has is, or a more
    /// uneven one, if each of them were as likely `a`'s as `b`'s. 1 where there is no such row.
    ///
    /// Source: McNemar 1947, Psychometrika 12(2), with the binomial distribution itself.
    pub fn mcnemar(&self) -> f64 {
        let (few, all) = (self.only_a.min(self.only_b), self.only_a + self.only_b);
        let middle = all / 2;
        if few == middle {
            return 1.0;
        }
        // Binomial coefficients over the largest one, so that none overflows or vanishes where it counts.
        let (mut below, mut tail, mut term) = (0.0, 0.0, 1.0);
        for k in (0..middle).rev() {
            term *= (k + 1) as f64 / (all - k) as f64;
            below += term;
            tail += if k <= few { term } else { 0.0 };
        }
        // The middle one, and for an odd number of rows its twin.
        let middles = if all.is_multiple_of(2) { 1.0 } else { 2.0 };
        2.0 * tail / (2.0 * below + middles)
    }

    /// The score interval of the difference of two paired proportions, in `[-1, 1]`, rounded outward to 1e-8. Right on average, not
    /// always, as all score intervals; close to its confidence for few rows and for proportions near 0 or 1 too.
    ///
    /// Source: Tango 1998, Statistics in Medicine 17(8), eq. 5 and 9.
    pub fn tango(&self, confidence: f64) -> Interval {
        if self.rows() == 0 {
            return Interval { low: -1.0, high: 1.0 };
        }
        let z = Normal::standard().inverse_cdf(0.5 + confidence / 2.0);
        let estimate = self.difference();
        outward(self.limit(z, -1.0, estimate), self.limit(-z, estimate, 1.0), -1.0)
    }

    /// Where the score statistic, which falls, is `z`.
    fn limit(&self, z: f64, mut low: f64, mut high: f64) -> f64 {
        // The statistic is beyond every z at an end that the counts exclude, and has no value at one that they give.
        for _ in 0..80 {
            let middle = 0.5 * (low + high);
            if self.score(middle) > z {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }

    /// Tango's statistic of the hypothesis that the difference is `delta`.
    fn score(&self, delta: f64) -> f64 {
        let (n, a, b) = (self.rows() as f64, self.only_a as f64, self.only_b as f64);
        // The likeliest share of rows that only `b` has, given the difference: the larger root of a quadratic equation.
        let (two, one, zero) = (2.0 * n, -a - b + (2.0 * n - a + b) * delta, -b * delta * (1.0 - delta));
        let share = ((one * one - 4.0 * two * zero).max(0.0).sqrt() - one) / (2.0 * two);
        let variance = n * (2.0 * share + delta * (1.0 - delta));
        let distance = a - b - n * delta;
        match variance > 0.0 {
            true => distance / variance.sqrt(),
            // At an end of the scale: no distance is likely but none.
            false if distance == 0.0 => 0.0,
            false => distance.signum() * f64::INFINITY,
        }
    }
}

/// P-values as they are after Holm's correction, in the same order: calling those below a level significant errs on any of them
/// with at most this probability.
///
/// Source: Holm 1979, Scandinavian Journal of Statistics 6(2).
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    let (mut corrected, mut largest) = (vec![1.0; p.len()], 0.0_f64);
    for (tests, index) in (1..=p.len()).rev().zip(order) {
        largest = largest.max((tests as f64 * p[index]).min(1.0));
        corrected[index] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only `a`, only `b`, rows, confidence; the interval by a numerical search for the likeliest share and for the roots of the
    /// statistic (SciPy 1.17.1, `brentq`); the p-value of `binomtest`.
    type Golden = (u64, u64, u64, f64, [f64; 2], f64);

    #[rustfmt::skip]
    const GOLDEN: &[Golden] = &[
        (0, 0, 10, 0.95, [-0.2775327998628892, 0.2775327998628892], 1.0),
        (1, 0, 10, 0.95, [-0.20528607984917777, 0.4041500267952383], 1.0),
        (0, 3, 30, 0.95, [-0.25621082579184085, 0.024864732491363353], 0.25),
        (10, 5, 100, 0.95, [-0.028619556266334535, 0.13347131101430984], 0.30175781249999994),
        (40, 20, 500, 0.95, [0.009933630975124922, 0.07159525188459649], 0.01348929373119186),
        (20, 20, 1000, 0.95, [-0.012927824902463622, 0.012927824902463624], 1.0),
        (12, 2, 54, 0.95, [0.056708775602512064, 0.3217294994655072], 0.012939453125),
        (100, 3, 1000, 0.9, [0.0820358739742015, 0.11393883729079224], 3.593419195462753e-26),
        (30, 70, 10_000, 0.99, [-0.006769137007124806, -0.0014743416729630933], 7.85013964559367e-05),
        (9, 1, 10, 0.95, [0.19169994640952334, 0.9642475738098522], 0.021484375),
        (10, 0, 10, 0.95, [0.4449344002742215, 1.0], 0.001953125),
        (3, 9, 12, 0.95, [f64::NAN, f64::NAN], 0.14599609375),
        (700, 600, 1300, 0.95, [f64::NAN, f64::NAN], 0.0060157938610449395),
        (4000, 4200, 8200, 0.95, [f64::NAN, f64::NAN], 0.027972423571324654),
        (0, 40, 40, 0.95, [f64::NAN, f64::NAN], 1.8189894035458565e-12),
    ];

    fn paired(only_a: u64, only_b: u64, rows: u64) -> Paired {
        let rest = rows - only_a - only_b;
        Paired { both: rest / 2, only_a, only_b, neither: rest - rest / 2 }
    }

    #[test]
    fn intervals_and_p_values_are_those_of_scipy() {
        for &(a, b, n, confidence, [low, high], p) in GOLDEN {
            let (pair, name) = (paired(a, b, n), format!("{a} {b} of {n}"));
            assert!((pair.mcnemar() / p - 1.0).abs() < 1e-11, "{name}: p {} is not {p}", pair.mcnemar());
            let interval = pair.tango(confidence);
            // Rounded outward, by at most the widening and one step.
            let outward = -1e-12..=1.5e-8;
            let fits = outward.contains(&(low - interval.low)) && outward.contains(&(interval.high - high));
            assert!(low.is_nan() || fits, "{name}: {interval:?} is not {low} to {high}");
        }
    }

    #[test]
    fn laws_of_all_small_tables() {
        for n in 1..16 {
            for a in 0..=n {
                for b in 0..=n - a {
                    let (pair, twin) = (paired(a, b, n), paired(b, a, n));
                    let (interval, mirrored) = (pair.tango(0.95), twin.tango(0.95));
                    assert!(interval.low <= pair.difference() && pair.difference() <= interval.high, "{pair:?}");
                    assert!((-1.0..=1.0).contains(&interval.low) && interval.high <= 1.0, "{pair:?}");
                    assert!((interval.low + mirrored.high).abs() < 2.1e-8, "{pair:?}");
                    let wider = pair.tango(0.99);
                    assert!(wider.low <= interval.low && interval.high <= wider.high, "{pair:?}");
                    let p = pair.mcnemar();
                    assert!((0.0..=1.0).contains(&p) && p == twin.mcnemar() && (a != b || p == 1.0), "{pair:?}");
                }
            }
        }
        assert_eq!(Paired::default().tango(0.95), Interval { low: -1.0, high: 1.0 });
    }

    #[test]
    fn rows_are_counted_by_who_has_them() {
        let set = |bits: &[u8]| bits.iter().map(|bit| *bit == 1).collect::<RowSet>();
        let pair = Paired::of(&set(&[1, 1, 0, 0, 1, 0]), &set(&[1, 0, 1, 0, 0, 0])).unwrap();
        assert_eq!(pair, Paired { both: 1, only_a: 2, only_b: 1, neither: 2 });
        assert!((pair.difference() - 1.0 / 6.0).abs() < 1e-15);
        assert_eq!(Paired::of(&set(&[1]), &set(&[1, 0])), None);
        assert_eq!(Paired::of(&set(&[]), &set(&[])), None);
    }

    /// The example of R's `p.adjust(c(0.01, 0.02, 0.03, 0.04), "holm")`, and its laws.
    #[test]
    fn holm_corrects_from_the_smallest_on() {
        let near = |found: Vec<f64>, wanted: &[f64]| {
            assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-15), "{found:?} is not {wanted:?}");
        };
        near(holm(&[0.01, 0.02, 0.03, 0.04]), &[0.04, 0.06, 0.06, 0.06]);
        near(holm(&[0.04, 0.5, 0.01]), &[0.08, 0.5, 0.03]);
        near(holm(&[0.9, 0.8]), &[1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
