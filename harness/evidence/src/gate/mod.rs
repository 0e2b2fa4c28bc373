//! Gates: what a suite, or a file of gates, asks of the results of its models. Plain numbers and names, no judgement.

mod metric;
mod rule;

pub use metric::{Better, Metric, MetricDoc, Names};
pub use rule::{Baseline, Gate, Limit, MaxDrop, On, Rule};
