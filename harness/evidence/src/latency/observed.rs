use super::{
    Distribution, EarlyStopping, Idleness, LatencyFlag, Machine, Protocol, Ratio, Timed, early_stopping, median,
};
use serde::{Deserialize, Serialize};

/// Windows of a model that differ by more than this part of the median are unsteady.
const STEADY: f64 = 0.05;
/// Percentiles with an early-stopping estimate: LoadGen's for one stream, and for several.
const ESTIMATED: [f64; 2] = [0.9, 0.99];

/// One measurement of latency: models that took turns on one machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// The entry's name in the suite's `cost`.
    pub name: String,
    /// The windows.
    pub protocol: Protocol,
    /// The machine.
    pub machine: Machine,
    /// How idle it was.
    pub idleness: Idleness,
    /// The model that ratios are to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What every model was given, in words.
    pub input: String,
    /// The models, in the order in which they were named.
    pub models: Vec<ModelLatency>,
    /// Doubts about the whole measurement.
    pub flags: Vec<LatencyFlag>,
}

/// How long an inference of one model takes: the file as it is registered, at batch 1. Making the input and reading the
/// output are not in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelLatency {
    /// The model's name.
    pub model: String,
    /// Inferences a second: the median over the windows.
    pub inferences_per_second: f64,
    /// Nanoseconds of an inference at that rate.
    pub latency_ns: f64,
    /// The median of all inferences in nanoseconds, by LoadGen's definition: of `n` sorted latencies that at `floor(n / 2)`.
    pub p50_ns: u64,
    /// The 90th percentile in nanoseconds, LoadGen's number for one stream.
    pub p90_ns: u64,
    /// The 99th percentile in nanoseconds.
    pub p99_ns: u64,
    /// Inferences in all windows, whose percentiles these are.
    pub inferences: u64,
    /// LoadGen's early-stopping estimates of the 90th and the 99th percentile.
    pub early_stopping: Vec<EarlyStopping>,
    /// The fastest window's rate less the slowest's, relative to the median.
    pub spread: f64,
    /// How much longer it takes than the reference; absent without one, and for the reference itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Ratio>,
    /// The windows in the order of time.
    pub windows: Vec<WindowLatency>,
    /// Doubts about this model's numbers.
    pub flags: Vec<LatencyFlag>,
}

/// One window of one model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowLatency {
    /// Inferences.
    pub iterations: u64,
    /// Seconds that they took, the warm-ups not counted.
    pub seconds: f64,
}

impl WindowLatency {
    /// Inferences a second.
    pub fn rate(&self) -> f64 {
        self.iterations as f64 / self.seconds_that_passed()
    }

    /// Nanoseconds of an inference, on average.
    pub fn latency_ns(&self) -> f64 {
        1e9 * self.seconds_that_passed() / self.iterations.max(1) as f64
    }

    /// A clock may be too coarse for what it measures, and JSON knows no infinite rates.
    fn seconds_that_passed(&self) -> f64 {
        self.seconds.max(1e-9)
    }
}

/// What is observed of subjects with these names, measured by [`super::take_turns`]. `reference` is the one that ratios are to,
/// by its place.
pub fn observe(protocol: Protocol, names: &[String], timed: &[Timed], reference: Option<usize>) -> Vec<ModelLatency> {
    let of = |(at, (name, model)): (usize, (&String, &Timed))| {
        let reference = reference.filter(|reference| *reference != at).and_then(|reference| timed.get(reference));
        let ratio = reference.and_then(|reference| Ratio::of(model, reference));
        of_model(protocol, name, model, ratio)
    };
    names.iter().zip(timed).enumerate().map(of).collect()
}

fn of_model(protocol: Protocol, name: &str, timed: &Timed, ratio: Option<Ratio>) -> ModelLatency {
    let rates = || timed.windows.iter().map(WindowLatency::rate);
    let rate = median(rates());
    let [fastest, slowest] = [rates().fold(0.0, f64::max), rates().fold(f64::INFINITY, f64::min).min(f64::MAX)];
    let spread = if rate > 0.0 { (fastest - slowest).max(0.0) / rate } else { 0.0 };
    let percentile = |p: f64| timed.latencies.percentile(p).unwrap_or(0);
    let estimates = estimates(&timed.latencies);
    let raised = [
        (LatencyFlag::NotMlperf, !protocol.is_mlperf_tiny()),
        (LatencyFlag::Unsteady, spread > STEADY),
        (LatencyFlag::FewQueries, estimates.iter().any(|estimate| estimate.estimate_ns.is_none())),
    ];
    ModelLatency {
        model: name.to_owned(),
        inferences_per_second: rate,
        latency_ns: if rate > 0.0 { 1e9 / rate } else { 0.0 },
        p50_ns: percentile(0.5),
        p90_ns: percentile(0.9),
        p99_ns: percentile(0.99),
        inferences: timed.latencies.len(),
        early_stopping: estimates,
        spread,
        ratio,
        windows: timed.windows.clone(),
        flags: raised.into_iter().filter(|(_, raised)| *raised).map(|(flag, _)| flag).collect(),
    }
}

fn estimates(latencies: &Distribution) -> Vec<EarlyStopping> {
    ESTIMATED.iter().map(|percentile| early_stopping(latencies, *percentile)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Mock;
    use super::super::{Subject, take_turns};
    use super::*;
    use std::convert::Infallible;

    const MILLISECOND: u64 = 1_000_000;

    fn measured(protocol: Protocol, subjects: &[&[u64]], reference: Option<usize>) -> Vec<ModelLatency> {
        let mock = Mock::default();
        let names: Vec<String> = (0..subjects.len()).map(|at| format!("m{at}")).collect();
        let mut subjects: Vec<Subject<'_, Infallible>> = (names.iter().zip(subjects))
            .map(|(name, takes)| Subject { name: name.clone(), run: Box::new(mock.takes(takes)) })
            .collect();
        let timed = take_turns(protocol, &mut mock.clock(), &mut subjects, reference, &mut |_| {}).unwrap();
        observe(protocol, &names, &timed, reference)
    }

    /// An inference takes 2 ms, every tenth of them 4 ms more: 24 ms for ten.
    #[test]
    fn the_full_protocol_gives_the_known_numbers() {
        let mut takes = [2 * MILLISECOND; 10];
        takes[9] = 6 * MILLISECOND;
        let found = measured(Protocol::MLPERF_TINY, &[&takes], None).remove(0);
        // The fewest inferences that last 10 s: 416 tens are 9.984 s, and eight more reach it.
        assert_eq!(found.windows[0].iterations, 4168);
        assert!((found.windows[0].seconds - 10.0).abs() < 1e-12);
        assert_eq!((found.windows.len(), found.inferences), (5, found.windows.iter().map(|w| w.iterations).sum()));
        // One in ten is slow, so exactly at 90 % the slow ones begin, give or take the windows' ends.
        assert_eq!((found.p50_ns, found.p99_ns), (2 * MILLISECOND, 6 * MILLISECOND));
        assert!((found.latency_ns / 2.4e6 - 1.0).abs() < 1e-3, "{}", found.latency_ns);
        assert!((found.inferences_per_second * found.latency_ns / 1e9 - 1.0).abs() < 1e-12);
        assert_eq!(found.early_stopping.iter().map(|e| e.estimate_ns).collect::<Vec<_>>(), [Some(6 * MILLISECOND); 2]);
        assert_eq!((found.flags, found.ratio), (vec![], None));
    }

    #[test]
    fn the_median_window_counts_and_a_spread_is_flagged() {
        let protocol = Protocol { windows: 5, seconds: 0, iterations: 1, warm_ups: 0 };
        let found = measured(protocol, &[&[100, 300, 200, 500, 400]], None).remove(0);
        assert_eq!((found.latency_ns.round(), found.inferences), (300.0, 5));
        // Rates of 10, 3.33, 5, 2 and 2.5 a microsecond: (10 - 2) / 3.33.
        assert!((found.spread - 2.4).abs() < 1e-9, "{}", found.spread);
        assert_eq!(found.flags, [LatencyFlag::NotMlperf, LatencyFlag::Unsteady, LatencyFlag::FewQueries]);
        let steady = measured(Protocol { iterations: 700, ..protocol }, &[&[100]], None).remove(0);
        assert_eq!((steady.flags, steady.spread), (vec![LatencyFlag::NotMlperf], 0.0));
    }

    #[test]
    fn ratios_are_to_the_reference_of_the_same_round() {
        let protocol = Protocol { windows: 3, seconds: 0, iterations: 1, warm_ups: 0 };
        let found = measured(protocol, &[&[30, 60, 90], &[10, 20, 30], &[5, 20, 60]], Some(1));
        let ratio =
            |at: usize| found[at].ratio.map(|ratio| [ratio.min, ratio.median, ratio.max].map(|r| (r * 100.0).round()));
        assert_eq!((ratio(0), ratio(1), ratio(2)), (Some([300.0; 3]), None, Some([50.0, 100.0, 200.0])));
    }

    /// A clock that does not move gives finite numbers, which JSON can hold.
    #[test]
    fn a_coarse_clock_gives_numbers() {
        let protocol = Protocol { windows: 2, seconds: 0, iterations: 3, warm_ups: 0 };
        let found = measured(protocol, &[&[0], &[0]], Some(0));
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<Vec<ModelLatency>>(&text).unwrap(), found);
    }
}
