use super::Distribution;
use serde::{Deserialize, Serialize};

/// The confidence of LoadGen's estimates.
pub const EARLY_STOPPING_CONFIDENCE: f64 = 0.99;

/// LoadGen's estimate of a percentile from few queries.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// The percentile, in `[0, 1)`.
    pub percentile: f64,
    /// The fewest queries that there is an estimate from.
    pub queries_needed: u64,
    /// The slowest queries that were set aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discarded: Option<u64>,
    /// An upper confidence limit (99 %) of the percentile, in nanoseconds. Absent with too few queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_ns: Option<u64>,
}

/// LoadGen's early-stopping estimate of a percentile, at 99 % confidence and with no tolerance.
///
/// With `t` the most of `n` queries that may be slower, so that a system with this percentile above the estimate would show so few
/// with a probability below 1 %, `t - 1` queries are discarded and the slowest one that is left is the estimate. It takes queries
/// for independent.
/// Source: MLPerf Inference rules, appendix "Early Stopping Criterion"; `loadgen/early_stopping.cc`.
pub fn early_stopping(latencies: &Distribution, percentile: f64) -> EarlyStopping {
    let slower = most_slower(latencies.len(), percentile).filter(|slower| *slower > 0);
    EarlyStopping {
        percentile,
        queries_needed: queries_needed(percentile),
        discarded: slower.map(|slower| slower - 1),
        estimate_ns: slower.and_then(|slower| latencies.nth(latencies.len() - slower)),
    }
}

/// The fewest queries from which there is an early-stopping estimate: those among which at most one is slower with a
/// probability below 1 %.
///
/// `percentile` in `(0, 1)`.
pub fn queries_needed(percentile: f64) -> u64 {
    let mut all_but_one = 1.0;
    let mut n = 1_u64;
    // The probability of none or one, p^n + n p^(n-1) (1 - p), falls with n.
    while all_but_one * (percentile + n as f64 * (1.0 - percentile)) >= 1.0 - EARLY_STOPPING_CONFIDENCE {
        all_but_one *= percentile;
        n += 1;
    }
    n
}

/// The largest `t` for which at most `t` of `n` queries are slower than the percentile with a probability below 1 %.
/// `None` where even `t = 0` has a larger one.
///
/// Weights of the binomial distribution relative to its mode, from neighbour to neighbour: nothing underflows and no
/// logarithm is needed.
fn most_slower(n: u64, percentile: f64) -> Option<u64> {
    // Less than this part of the mode does not show in f64 sums.
    const NEGLIGIBLE: f64 = 1e-20;
    let odds = (1.0 - percentile) / percentile;
    let mode = (((n + 1) as f64 * (1.0 - percentile)) as u64).min(n);
    let up = |k: u64| (n - k) as f64 / (k + 1) as f64 * odds;
    let mut below = vec![1.0];
    let (mut k, mut weight) = (mode, 1.0);
    while k > 0 && weight > NEGLIGIBLE {
        weight /= up(k - 1);
        k -= 1;
        below.push(weight);
    }
    let first = k;
    let (mut k, mut weight, mut above) = (mode, 1.0, 0.0);
    while k < n && weight > NEGLIGIBLE {
        weight *= up(k);
        k += 1;
        above += weight;
    }
    // The smallest first, so that small weights are not lost.
    let limit = (1.0 - EARLY_STOPPING_CONFIDENCE) * (below.iter().rev().sum::<f64>() + above);
    let mut sum = 0.0;
    let fits = below.iter().rev().take_while(|weight| {
        sum += **weight;
        sum < limit
    });
    (fits.count() as u64).checked_sub(1).map(|last| first + last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{Binomial, DiscreteCDF};

    /// MLPerf's own `min_query_count`s: 64 for single-stream's 90th percentile, 662 for multi-stream's 99th.
    #[test]
    fn the_fewest_queries_are_mlperfs() {
        for (percentile, needed) in [(0.9, 64), (0.99, 662)] {
            assert_eq!(queries_needed(percentile), needed);
            assert_eq!(most_slower(needed, percentile), Some(1), "{percentile}");
            assert!(most_slower(needed - 1, percentile).is_none_or(|slower| slower < 1), "{percentile}");
        }
    }

    /// Queries, and "would discard" of the 90th percentile, in published LoadGen summaries.
    #[test]
    fn discarded_queries_are_those_of_loadgen() {
        for (queries, discarded) in [(64, 0), (100, 2), (201, 9), (659, 47), (708, 51), (79_944, 7796)] {
            assert_eq!(most_slower(queries, 0.9), Some(discarded + 1), "{queries}");
        }
    }

    #[test]
    fn the_limit_is_the_quantile_of_the_binomial_distribution() {
        for percentile in [0.5, 0.9, 0.97, 0.99] {
            for n in [1, 2, 7, 20, 64, 100, 661, 662, 1000, 4097] {
                let binomial = Binomial::new(1.0 - percentile, n).unwrap();
                let below = (0..=n).take_while(|t| binomial.cdf(*t) < 0.01).count() as u64;
                assert_eq!(most_slower(n, percentile), below.checked_sub(1), "{percentile} {n}");
            }
        }
    }

    /// The slowest that is left, of latencies that are their ranks.
    #[test]
    fn the_estimate_stands_where_the_discarded_end() {
        let mut latencies = Distribution::default();
        latencies.extend(1..=708);
        let [p90, p99] = [0.9, 0.99].map(|percentile| early_stopping(&latencies, percentile));
        assert_eq!((p90.discarded, p90.estimate_ns), (Some(51), Some(708 - 51)));
        // In the published summary of 708 queries this estimate is the largest latency.
        assert_eq!((p99.discarded, p99.estimate_ns), (Some(0), Some(708)));
        let mut few = Distribution::default();
        few.extend(1..=63);
        let none = early_stopping(&few, 0.9);
        assert_eq!((none.estimate_ns, none.discarded, none.queries_needed), (None, None, 64));
    }

    #[test]
    fn estimates_are_no_faster_than_the_percentile_and_come_closer() {
        let mut gap = f64::INFINITY;
        for n in [100_u64, 1000, 10_000, 100_000, 1_000_000] {
            let mut latencies = Distribution::default();
            latencies.extend(1..=n);
            let estimate = early_stopping(&latencies, 0.9).estimate_ns.unwrap();
            let percentile = latencies.percentile(0.9).unwrap();
            let relative = (estimate as f64 - percentile as f64) / n as f64;
            assert!((0.0..gap).contains(&relative), "{n}: {relative}");
            gap = relative;
        }
    }
}
