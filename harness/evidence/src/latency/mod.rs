//! How long one inference takes on one machine: MLPerf Tiny's windows, LoadGen's percentiles, ratios between models that
//! take turns, and whether the machine was idle.
//!
//! Everything but the clock and the inference itself is here, so that all of it is tested with exact numbers. What comes
//! out is an observation: it is written to `observations.json` and never to results.

mod clock;
mod distribution;
mod early_stopping;
mod flags;
mod idle;
mod machine;
mod observed;
mod protocol;
mod ratio;
#[cfg(test)]
mod testing;
mod turns;
mod window;

pub use clock::Clock;
pub use distribution::Distribution;
pub use early_stopping::{EARLY_STOPPING_CONFIDENCE, EarlyStopping, early_stopping, queries_needed};
pub use flags::{LatencyFlag, LatencyFlagDoc};
pub use idle::{BUSY_PROCESSORS, Busy, Idleness, Snapshot, load_average};
pub use machine::{Machine, cpu_model};
pub use observed::{Latency, ModelLatency, WindowLatency, observe};
pub use protocol::Protocol;
pub use ratio::Ratio;
pub use turns::{Subject, Timed, take_turns};
pub use window::{Window, window};

/// The median; of an even number of values the mean of the two in the middle, and 0 of none.
fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn half_of_the_values_are_on_each_side_of_the_median() {
        for n in 1..9_usize {
            let values: Vec<f64> =
                (0..n).map(|at| (at * 5 % n.max(2)) as f64 + if at % 2 == 0 { 0.0 } else { 0.5 }).collect();
            let middle = median(values.clone());
            let [below, above] =
                [values.iter().filter(|v| **v < middle).count(), values.iter().filter(|v| **v > middle).count()];
            assert!(2 * below <= n && 2 * above <= n, "{values:?}: {middle}");
        }
        assert_eq!((median([4.0, 1.0]), median([3.0, 9.0, 1.0]), median([])), (2.5, 3.0, 0.0));
    }
}
