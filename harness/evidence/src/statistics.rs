use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF, Normal};

/// The confidence of every interval in a report.
pub const CONFIDENCE: f64 = 0.95;

/// How finely interval ends are rounded outward.
///
/// The inverse beta distribution is good to 3e-9; rounding outward to 1e-8 after widening by [`BETA_ERROR`] keeps the
/// coverage, and hides the last bits, in which platforms may differ.
const RESOLUTION: f64 = 1e8;
const BETA_ERROR: f64 = 4e-9;

/// A two-sided confidence interval of a proportion, in `[0, 1]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// The lower confidence limit.
    pub low: f64,
    /// The upper confidence limit.
    pub high: f64,
}

/// The exact (Clopper-Pearson) interval of `successes` out of `total`: it covers the truth at least as often as it says.
/// All accuracies in results use this one. Rounded outward to 1e-8; `[0, 1]` when there are no trials.
///
/// Source: Clopper and Pearson 1934, Biometrika 26(4).
pub fn clopper_pearson(successes: u64, total: u64, confidence: f64) -> Interval {
    assert!(successes <= total, "{successes} successes of {total}");
    let tail = (1.0 - confidence) / 2.0;
    let (k, n) = (successes as f64, total as f64);
    let low = if successes == 0 { 0.0 } else { beta_quantile(k, n - k + 1.0, tail) };
    let high = if successes == total { 1.0 } else { beta_quantile(k + 1.0, n - k, 1.0 - tail) };
    outward(low, high, 0.0)
}

/// The Wilson score interval: shorter than Clopper-Pearson and right on average, not always.
///
/// Source: Wilson 1927, JASA 22(158).
pub fn wilson(successes: u64, total: u64, confidence: f64) -> Interval {
    assert!(successes <= total, "{successes} successes of {total}");
    if total == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let z = Normal::standard().inverse_cdf(0.5 + confidence / 2.0);
    let (p, n) = (successes as f64 / total as f64, total as f64);
    let denominator = 1.0 + z * z / n;
    let centre = (p + z * z / (2.0 * n)) / denominator;
    let half = z / denominator * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let low = if successes == 0 { 0.0 } else { centre - half };
    let high = if successes == total { 1.0 } else { centre + half };
    outward(low, high, 0.0)
}

fn beta_quantile(a: f64, b: f64, p: f64) -> f64 {
    Beta::new(a, b).expect("both shapes are at least 1").inverse_cdf(p)
}

/// `least` is where the scale begins, below which no low end goes; it ends at 1.
pub(crate) fn outward(low: f64, high: f64, least: f64) -> Interval {
    let low = if low == least { least } else { ((low - BETA_ERROR) * RESOLUTION).floor() / RESOLUTION };
    let high = if high == 1.0 { 1.0 } else { ((high + BETA_ERROR) * RESOLUTION).ceil() / RESOLUTION };
    Interval { low: low.max(least), high: high.min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Golden = (u64, u64, [f64; 2], [f64; 2]);

    /// SciPy 1.17.1, `binomtest(k, n).proportion_ci(0.95, method)`: exact, then wilson.
    #[rustfmt::skip]
    const GOLDEN: &[Golden] = &[
        (0, 1, [0.0, 0.975], [0.0, 0.7934506856227626]),
        (1, 1, [0.025000000000000022, 1.0], [0.20654931437723745, 1.0]),
        (0, 10, [0.0, 0.30849710781876294], [0.0, 0.27753279986288926]),
        (1, 10, [0.0025285785444625728, 0.44501611702819543], [0.017876213095072896, 0.4041500267952385]),
        (5, 10, [0.1870860284474045, 0.8129139715525955], [0.236593090512564, 0.7634069094874361]),
        (10, 10, [0.6915028921812371, 1.0], [0.7224672001371109, 1.0]),
        (250, 500, [0.4552855693242274, 0.5447144306757725], [0.4563412653024843, 0.5436587346975157]),
        (0, 1000, [0.0, 0.003682083896639526], [0.0, 0.0038267584855551234]),
        (470, 1000, [0.43869341194103906, 0.5014836820756582], [0.43923991460215, 0.5009896909069833]),
        (1000, 1000, [0.9963179161033608, 1.0], [0.9961732415144449, 1.0]),
        (8719, 10000, [0.8651913497949381, 0.878391231206034], [0.8652066702488592, 0.8783077117630316]),
        (1, 1_000_000, [2.5317805139113815e-08, 5.571630655512304e-06], [1.765245767453709e-07, 5.664911804311442e-06]),
        (999_999, 1_000_000, [0.9999944283693444, 0.9999999746821948], [0.9999943350881957, 0.9999998234754233]),
    ];

    fn check(name: &str, interval: Interval, [low, high]: [f64; 2]) {
        // Outward by at most the widening and one step of the resolution.
        let most = BETA_ERROR + 1.0 / RESOLUTION + 1e-12;
        assert!((0.0..=most).contains(&(low - interval.low)), "{name}: low {} against {low}", interval.low);
        assert!((0.0..=most).contains(&(interval.high - high)), "{name}: high {} against {high}", interval.high);
    }

    #[test]
    fn intervals_are_those_of_scipy_rounded_outward() {
        for &(k, n, exact, score) in GOLDEN {
            check(&format!("clopper_pearson {k}/{n}"), clopper_pearson(k, n, CONFIDENCE), exact);
            check(&format!("wilson {k}/{n}"), wilson(k, n, CONFIDENCE), score);
        }
    }

    /// Reference: five decimals of the intervals that robustness papers quote.
    #[test]
    fn intervals_of_common_sample_sizes() {
        for (k, n, low, high) in
            [(530, 1000, 0.49852, 0.56131), (5308, 10_000, 0.52096, 0.54062), (26, 100, 0.17739, 0.35731)]
        {
            let interval = clopper_pearson(k, n, CONFIDENCE);
            // Half of the last printed digit, and the outward rounding.
            assert!((interval.low - low).abs() < 5.1e-6 && (interval.high - high).abs() < 5.1e-6, "{k}/{n}");
        }
    }

    #[test]
    fn intervals_contain_the_estimate_and_grow_with_confidence() {
        for n in [1, 7, 100, 1000] {
            for k in 0..=n {
                let p = k as f64 / n as f64;
                for interval in [clopper_pearson, wilson] {
                    let (narrow, wide) = (interval(k, n, 0.9), interval(k, n, 0.99));
                    assert!(narrow.low <= p && p <= narrow.high, "{k}/{n}");
                    assert!(wide.low <= narrow.low && narrow.high <= wide.high, "{k}/{n}");
                }
            }
        }
    }

    #[test]
    fn the_two_ends_mirror_each_other() {
        for (k, n) in [(3, 10), (87, 1000)] {
            let (a, b) = (clopper_pearson(k, n, CONFIDENCE), clopper_pearson(n - k, n, CONFIDENCE));
            assert!((a.low - (1.0 - b.high)).abs() < 2.1e-8 && (a.high - (1.0 - b.low)).abs() < 2.1e-8, "{k}/{n}");
        }
    }

    #[test]
    fn no_trials_say_nothing() {
        let nothing = Interval { low: 0.0, high: 1.0 };
        assert_eq!(clopper_pearson(0, 0, CONFIDENCE), nothing);
        assert_eq!(wilson(0, 0, CONFIDENCE), nothing);
    }
}
