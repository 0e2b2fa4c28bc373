//! Gates judged: what was measured is held against what a suite or a file of gates asks for.
//!
//! A verdict is a pure function of gates, results, observed latencies and the results of baselines. Nothing here reads a file.

mod baseline;
mod evaluate;
mod formats;
mod reading;
#[cfg(test)]
mod sample;
mod section;
#[cfg(test)]
mod tests;
mod words;

pub use baseline::check_baselines;
pub use evaluate::{Subject, evaluate};
pub use formats::{SUMMARY_LIMIT, VERDICT_FORMATS, VerdictFormat, annotations, verdict_format, verdict_summary};
pub(crate) use section::section;
