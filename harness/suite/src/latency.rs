//! Latency in a suite: how it is measured, and of which models the others are a multiple.

use crate::models::PlannedModel;
use registry::yaml::{Located, Problem, list, nearest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A measurement of latency with every number: windows of inferences one after the other, one window of each model in turn.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Latency")]
pub struct LatencyForm {
    /// Windows of each model, whose median counts.
    #[schemars(range(min = 1, max = 1000))]
    pub windows: Located<u64>,
    /// A window takes at least so many seconds; 0 for as long as its inferences take.
    #[schemars(range(min = 0, max = 600))]
    pub seconds: Located<u64>,
    /// A window has at least so many inferences.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub iterations: Located<u64>,
    /// Inferences before each window that are not counted.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub warm_ups: Located<u64>,
    /// Threads that share the work of one operator.
    #[schemars(range(min = 1, max = 1024))]
    pub threads: Located<u64>,
    /// Rows of one inference. It is 1.
    #[schemars(extend("const" = 1))]
    pub batch: Located<u64>,
    /// A model of the suite, to which the latencies of the others are given as ratios. Without it: no ratios.
    #[serde(default)]
    pub reference: Option<Located<String>>,
}

/// A measurement of latency in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedLatency {
    /// The entry's name, which no other entry of `cost` has.
    pub name: String,
    /// Windows of each model.
    pub windows: u32,
    /// A window takes at least so many seconds.
    pub seconds: u32,
    /// A window has at least so many inferences.
    pub iterations: u64,
    /// Inferences before each window that are not counted.
    pub warm_ups: u32,
    /// Threads that share the work of one operator.
    pub threads: u32,
    /// Rows of one inference: 1.
    pub batch: u32,
    /// The model that ratios are to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// Name and seconds of a window of each preset; all else is as in MLPerf Tiny.
pub(crate) const PRESETS: [(&str, u32); 2] = [("latency", 10), ("latency-quick", 1)];

/// The least and the most that a key may be.
fn limits(key: &str) -> (u64, u64) {
    match key {
        "windows" => (1, 1000),
        "seconds" => (0, 600),
        "iterations" => (1, 10_000_000),
        "warm_ups" => (0, 1_000_000),
        "threads" => (1, 1024),
        _ => (1, 1),
    }
}

impl LatencyForm {
    fn numbers(&self) -> [(&'static str, &Located<u64>); 6] {
        let Self { windows, seconds, iterations, warm_ups, threads, batch, .. } = self;
        [
            ("windows", windows),
            ("seconds", seconds),
            ("iterations", iterations),
            ("warm_ups", warm_ups),
            ("threads", threads),
            ("batch", batch),
        ]
    }

    /// Checks every number.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        for (key, number) in self.numbers() {
            let (least, most) = limits(key);
            if (least..=most).contains(&number.value) {
                continue;
            }
            let allowed =
                if least == most { format!("it must be {least}") } else { format!("allowed are {least} to {most}") };
            let problem = Problem::new(format!("`{key}` is {}, {allowed}", number.value)).at(number.place);
            return Err(if key == "batch" {
                problem.hint("latency is that of one row; write `batch: 1`")
            } else {
                problem
            });
        }
        Ok(())
    }

    /// The measurement. Errors: the reference is no model of the suite, or a number is not allowed.
    pub(crate) fn planned(&self, name: &str, models: &[PlannedModel]) -> Result<PlannedLatency, Problem> {
        self.check()?;
        if let Some(reference) = &self.reference {
            let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
            if !names.contains(&reference.as_str()) {
                let hint = match nearest(reference, names.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("its models are {}", list(&names)),
                };
                let message =
                    format!("this suite has no model `{}`, which latencies are compared with", reference.value);
                return Err(Problem::new(message).hint(hint).at(reference.place));
            }
        }
        // All are in their limits.
        let narrow = |number: &Located<u64>| u32::try_from(number.value).unwrap_or(u32::MAX);
        Ok(PlannedLatency {
            name: name.to_owned(),
            windows: narrow(&self.windows),
            seconds: narrow(&self.seconds),
            iterations: self.iterations.value,
            warm_ups: narrow(&self.warm_ups),
            threads: narrow(&self.threads),
            batch: narrow(&self.batch),
            reference: self.reference.as_ref().map(|reference| reference.value.clone()),
        })
    }
}

impl PlannedLatency {
    /// The measurement of this short name: `latency`, five windows of 10 seconds, or `latency-quick`, of one second.
    pub fn preset(name: &str) -> Option<PlannedLatency> {
        let (_, seconds) = PRESETS.into_iter().find(|(preset, _)| *preset == name)?;
        Some(PlannedLatency {
            name: name.to_owned(),
            windows: 5,
            seconds,
            iterations: 10,
            warm_ups: 10,
            threads: 1,
            batch: 1,
            reference: None,
        })
    }

    /// The least that it takes with so many models, in seconds.
    pub fn least_seconds(&self, models: usize) -> u64 {
        u64::from(self.windows) * u64::from(self.seconds) * models as u64
    }
}
