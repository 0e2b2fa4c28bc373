use super::{Timed, median};
use serde::{Deserialize, Serialize};

/// How much longer an inference takes than one of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ratio {
    /// The median over the pairs of windows.
    pub median: f64,
    /// The smallest of any pair.
    pub min: f64,
    /// The largest of any pair.
    pub max: f64,
    /// Of the medians of all inferences. Other processes that interrupt a few of them do not show in it, so that it is the steadier
    /// number on a busy machine; nor do slow inferences of the model itself.
    pub p50: f64,
}

impl Ratio {
    /// Of windows that took turns with those of the reference: each is compared with the one of its own round, so that what
    /// slows both down cancels. `None` without windows.
    pub fn of(model: &Timed, reference: &Timed) -> Option<Ratio> {
        let pairs = model.windows.iter().zip(&reference.windows);
        let ratios: Vec<f64> = pairs.map(|(model, reference)| model.latency_ns() / reference.latency_ns()).collect();
        let smallest = ratios.iter().copied().min_by(f64::total_cmp)?;
        let largest = ratios.iter().copied().max_by(f64::total_cmp)?;
        let [own, other] = [model, reference].map(|timed| timed.latencies.percentile(0.5).unwrap_or(0).max(1) as f64);
        Some(Ratio { median: median(ratios), min: smallest, max: largest, p50: own / other })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Distribution, WindowLatency};
    use super::*;

    /// Windows with these mean latencies in seconds, and inferences that took as long.
    fn windows(latencies: &[f64]) -> Timed {
        let windows = latencies.iter().map(|seconds| WindowLatency { iterations: 4, seconds: 4.0 * seconds }).collect();
        let mut all = Distribution::default();
        all.extend(latencies.iter().map(|seconds| (1e9 * seconds) as u64));
        Timed { windows, latencies: all }
    }

    /// The machine slows down threefold; the model takes twice as long as the reference all the time.
    #[test]
    fn a_drift_of_the_machine_cancels() {
        let (model, reference) = (windows(&[2.0, 4.0, 6.0]), windows(&[1.0, 2.0, 3.0]));
        assert_eq!(Ratio::of(&model, &reference), Some(Ratio { median: 2.0, min: 2.0, max: 2.0, p50: 2.0 }));
        assert_eq!(Ratio::of(&reference, &reference), Some(Ratio { median: 1.0, min: 1.0, max: 1.0, p50: 1.0 }));
    }

    #[test]
    fn it_is_the_median_of_pairs_and_not_the_ratio_of_medians() {
        let found = Ratio::of(&windows(&[1.0, 8.0, 3.0]), &windows(&[4.0, 2.0, 1.0]));
        assert_eq!(found, Some(Ratio { median: 3.0, min: 0.25, max: 4.0, p50: 1.5 }));
        assert_eq!(Ratio::of(&windows(&[]), &windows(&[])), None);
    }
}
