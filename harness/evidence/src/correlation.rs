//! Whether two measures put the same things into the same order.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::CONFIDENCE;

/// The most things of which every order is counted: 9! orders are 362,880.
pub const MOST_EXACT: usize = 9;

/// The fewest things whose order says anything.
const FEWEST: usize = 3;

/// Spearman's rank correlation of two measures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spearman {
    /// Over so many things, which have both measures.
    pub n: u64,
    /// From -1, opposite orders, to 1, the same order. `None` for fewer than three things, or where one of the measures
    /// is the same for all.
    pub rho: Option<f64>,
    /// The part of all n! orders in which the correlation is at least as far from 0: the exact two-sided p-value. `None`
    /// without `rho` and for more than [`MOST_EXACT`] things.
    pub p: Option<f64>,
    /// The approximate lower 95 % confidence limit of the correlation, if the things were a sample of many (Bonett and Wright
    /// 2000); `None` for fewer than five and where the order is the same or the opposite one, which has no such interval. Left out
    /// in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci_low: Option<f64>,
    /// The upper limit, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci_high: Option<f64>,
}

/// The rank of each value, counted from 1 for the smallest; equal values share the mean of their ranks.
///
/// Shape: as long as `values`, which are finite.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    doubled_ranks(values).into_iter().map(|rank| rank as f64 / 2.0).collect()
}

/// Spearman's rank correlation of pairs of finite values; equal values share the mean of their ranks.
///
/// Source: Spearman 1904, American Journal of Psychology 15(1); with ties it is Pearson's correlation of the ranks.
pub fn spearman(pairs: &[(f64, f64)]) -> Spearman {
    let n = pairs.len();
    let nothing = Spearman { n: n as u64, ..Spearman::default() };
    let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (a, b) = (centred(&doubled_ranks(&a)), centred(&doubled_ranks(&b)));
    let product = |a: &[i64], b: &[i64]| -> i64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let size = (product(&a, &a) as f64 * product(&b, &b) as f64).sqrt();
    if n < FEWEST || size == 0.0 {
        return nothing;
    }
    let observed = product(&a, &b);
    // Whole numbers: an order that is just as far from 0 is never missed for a last bit.
    let p = (n <= MOST_EXACT).then(|| {
        let count = |far: i64| orders(&a, &b, &mut vec![false; n], 0, far);
        count(observed.abs()) as f64 / (1..=n as u64).product::<u64>() as f64
    });
    let rho = (observed as f64 / size).clamp(-1.0, 1.0);
    let (ci_low, ci_high) = limits(rho, n).unzip();
    Spearman { rho: Some(rho), p, ci_low, ci_high, ..nothing }
}

/// The fewest things whose correlation has an interval.
const FEWEST_FOR_LIMITS: usize = 5;
/// How finely limits are rounded outward, which hides the last bits, in which platforms may differ.
const RESOLUTION: f64 = 1e6;

/// `tanh(artanh rho -+ z sqrt((1 + rho^2 / 2) / (n - 3)))`.
///
/// Source: Bonett and Wright 2000, Psychometrika 65(1), p. 23-28.
fn limits(rho: f64, n: usize) -> Option<(f64, f64)> {
    if n < FEWEST_FOR_LIMITS || rho.abs() == 1.0 {
        return None;
    }
    let z = Normal::standard().inverse_cdf(0.5 + CONFIDENCE / 2.0);
    let reach = z * ((1.0 + rho * rho / 2.0) / (n as f64 - 3.0)).sqrt();
    let [low, high] = [-reach, reach].map(|side| (rho.atanh() + side).tanh());
    Some(((low * RESOLUTION).floor() / RESOLUTION, (high * RESOLUTION).ceil() / RESOLUTION))
}

/// Twice the rank of each value, which is a whole number even where values are equal. None is a NaN.
pub(crate) fn doubled_ranks(values: &[f64]) -> Vec<i64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0; values.len()];
    let mut start = 0;
    for equals in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let end = start + equals.len();
        equals.iter().for_each(|&at| ranks[at] = (start + 1 + end) as i64);
        start = end;
    }
    ranks
}

/// Ranks less their mean, times their number.
fn centred(ranks: &[i64]) -> Vec<i64> {
    let sum: i64 = ranks.iter().sum();
    ranks.iter().map(|rank| rank * ranks.len() as i64 - sum).collect()
}

/// How many ways there are to pair the rest of `a` with what is left of `b` so that all products together are at least
/// `far` from 0; `sum` is that of the pairs so far.
fn orders(a: &[i64], b: &[i64], used: &mut Vec<bool>, sum: i64, far: i64) -> u64 {
    let Some((first, rest)) = a.split_first() else { return u64::from(sum.abs() >= far) };
    let mut count = 0;
    for at in 0..b.len() {
        if !used[at] {
            used[at] = true;
            count += orders(rest, b, used, sum + first * b[at], far);
            used[at] = false;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(a: &[f64], b: &[f64]) -> Vec<(f64, f64)> {
        a.iter().copied().zip(b.iter().copied()).collect()
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn equal_values_share_their_ranks() {
        assert_eq!(ranks(&[30.0, 10.0, 20.0]), [3.0, 1.0, 2.0]);
        assert_eq!(ranks(&[1.0, 2.0, 2.0, 3.0]), [1.0, 2.5, 2.5, 4.0]);
        assert_eq!(ranks(&[5.0, 5.0, 5.0]), [2.0, 2.0, 2.0]);
        assert_eq!(ranks(&[0.0, -0.0, -1.0]), [2.5, 2.5, 1.0]);
        assert_eq!(ranks(&[]), [] as [f64; 0]);
    }

    /// Without ties rho is 1 - 6 sum d^2 / (n (n^2 - 1)).
    #[test]
    fn without_ties_it_is_the_closed_form() {
        let orders: [&[f64]; 4] = [
            &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            &[2.0, 1.0, 4.0, 3.0, 6.0, 5.0],
            &[6.0, 1.0, 5.0, 2.0, 4.0, 3.0],
            &[6.0, 5.0, 4.0, 3.0, 2.0, 1.0],
        ];
        for order in orders {
            let n = order.len() as f64;
            let squares: f64 = order.iter().enumerate().map(|(i, rank)| (rank - (i + 1) as f64).powi(2)).sum();
            let expected = 1.0 - 6.0 * squares / (n * (n * n - 1.0));
            let values: Vec<f64> = order.iter().map(|rank| rank.exp()).collect();
            let found = spearman(&pairs(&[1.0, 20.0, 21.0, 22.0, 1e9, 1e10], &values)).rho.unwrap();
            assert!(close(found, expected), "{order:?}: {found} against {expected}");
        }
    }

    #[test]
    fn ties_and_p_values_by_hand() {
        // Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5).
        let found = spearman(&pairs(&[1.0, 2.0, 2.0, 3.0], &[1.0, 2.0, 3.0, 4.0]));
        assert!(close(found.rho.unwrap(), 4.5 / 22.5_f64.sqrt()), "{found:?}");
        // The two orders of each, and the same backwards: 4 of 24.
        assert_eq!(found.p, Some(4.0 / 24.0));
        // Six in one order: that order and its reverse, of 720.
        let six = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(
            spearman(&pairs(&six, &six)),
            Spearman { n: 6, rho: Some(1.0), p: Some(2.0 / 720.0), ..Spearman::default() }
        );
        // n = 4, d^2 = 2: rho 0.8. Sums of squares of at most 2 (the order itself and three swaps) or at least 18: 8 of 24.
        let swapped = spearman(&pairs(&[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 2.0, 4.0]));
        assert!(close(swapped.rho.unwrap(), 0.8));
        assert_eq!(swapped.p, Some(8.0 / 24.0));
        // n = 3: no order of three is rarer than one in three.
        assert_eq!(spearman(&pairs(&[1.0, 2.0, 3.0], &[9.0, 5.0, 1.0])).p, Some(2.0 / 6.0));
    }

    /// SciPy 1.17.1: `spearmanr`, and where there are at most six pairs `permutation_test` over all pairings. The first two
    /// rows are columns of Mousavi et al. 2023.
    #[test]
    fn values_are_those_of_scipy() {
        let clean = [69.23, 78.24, 79.15, 75.98, 75.54, 78.72];
        let table: [(&[f64], &[f64], f64, f64); 4] = [
            (&clean, &[39.91, 48.0, 47.11, 46.81, 46.3, 47.83], 0.7714285714285715, 0.10277777777777777),
            (&clean, &[0.404, 1.088, 2.278, 0.523, 0.8218, 1.086], 0.8857142857142858, 0.03333333333333333),
            (&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 7.0, 1.0, 8.0, 3.0], 0.3, 0.6833333333333333),
            (
                &[3.0, 1.0, 2.0, 2.0, 9.0, -4.0, 2.0],
                &[0.1, 0.7, 0.2, 0.3, 0.2, 0.2, 0.7],
                -0.4272046005593395,
                1824.0 / 5040.0,
            ),
        ];
        for (a, b, rho, p) in table {
            let found = spearman(&pairs(a, b));
            assert!(close(found.rho.unwrap(), rho) && close(found.p.unwrap(), p), "{a:?}: {found:?}");
        }
    }

    /// The formula in Python's `math`, with z = 1.959963984540054.
    #[test]
    fn limits_are_those_of_the_formula_rounded_outward() {
        let table = [
            (0.7714285714285715, 6, -0.2591005486414676, 0.9805959961655235),
            (-0.3, 10, -0.7882529000902374, 0.4200573568120938),
            (0.0, 5, -0.8822664257168621, 0.8822664257168621),
            (0.9, 30, 0.7719436523252698, 0.9578611737429189),
        ];
        for (rho, n, low, high) in table {
            let found = limits(rho, n).unwrap();
            assert!(
                (0.0..=1e-6).contains(&(low - found.0)) && (0.0..=1e-6).contains(&(found.1 - high)),
                "{rho} {n}: {found:?}"
            );
        }
        assert_eq!((limits(0.5, 4), limits(1.0, 9), limits(-1.0, 9)), (None, None, None));
    }

    /// Heap's algorithm.
    fn heap(k: usize, items: &mut [usize], all: &mut Vec<Vec<usize>>) {
        if k == 1 {
            all.push(items.to_vec());
            return;
        }
        for i in 0..k {
            heap(k - 1, items, all);
            items.swap(if k.is_multiple_of(2) { i } else { 0 }, k - 1);
        }
    }

    /// A p-value is at most x in at most a part x of all orders, whichever is true.
    #[test]
    fn p_values_are_those_of_a_test() {
        let a = [1.0, 2.0, 2.0, 3.0, 7.0];
        let mut all = Vec::new();
        let mut permute = vec![0usize, 1, 2, 3, 4];
        heap(5, &mut permute, &mut all);
        let p: Vec<f64> = all
            .iter()
            .map(|order| spearman(&pairs(&a, &order.iter().map(|&at| at as f64).collect::<Vec<_>>())).p.unwrap())
            .collect();
        assert_eq!(p.len(), 120);
        for &x in &p {
            let below = p.iter().filter(|&&p| p <= x).count() as f64 / 120.0;
            assert!(close(below, x), "{below} of all orders have p <= {x}");
        }
    }

    #[test]
    fn both_measures_count_alike_and_their_scale_does_not() {
        let (a, b) = ([3.0, 1.0, 2.0, 2.0, 9.0, -4.0], [0.1, 0.7, 0.2, 0.3, 0.2, 0.2]);
        let forth = spearman(&pairs(&a, &b));
        let back = spearman(&pairs(&b, &a));
        let scaled: Vec<f64> = b.iter().map(|value| value * 1e6 - 7.0).collect();
        let turned: Vec<f64> = b.iter().map(|value| -value).collect();
        assert_eq!(forth, back);
        assert_eq!(forth, spearman(&pairs(&a, &scaled)));
        let minus = |value: Option<f64>| value.map(|value| -value);
        let (ci_low, ci_high) = (minus(forth.ci_high), minus(forth.ci_low));
        assert!(ci_low < minus(forth.rho) && minus(forth.rho) < ci_high);
        assert_eq!(spearman(&pairs(&a, &turned)), Spearman { rho: minus(forth.rho), ci_low, ci_high, ..forth });
    }

    #[test]
    fn what_says_nothing_has_no_number() {
        assert_eq!(spearman(&pairs(&[1.0, 2.0], &[1.0, 2.0])), Spearman { n: 2, ..Spearman::default() });
        assert_eq!(spearman(&pairs(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0])), Spearman { n: 3, ..Spearman::default() });
        let ten: Vec<f64> = (0..10).map(f64::from).collect();
        assert_eq!(spearman(&pairs(&ten, &ten)), Spearman { n: 10, rho: Some(1.0), ..Spearman::default() });
    }
}
