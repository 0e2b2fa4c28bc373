use std::fmt;

use serde::{Deserialize, Serialize};

use super::Metric;
use crate::Flag;

/// One gate, every number and name resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// What is asked about.
    pub metric: Metric,
    /// The attack, probe, corruption or measurement of latency that it is about, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Of classes: under every listed attack, not clean.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub robust: bool,
    /// The models, in the order of the plan.
    pub models: Vec<String>,
    /// What must hold.
    pub rule: Rule,
    /// The line that it begins on, from 1. Of the file, not of what is asked: plans leave it out.
    #[serde(skip)]
    pub line: u64,
}

/// What must hold of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// It is at least this.
    AtLeast(Limit),
    /// It is at most this.
    AtMost(Limit),
    /// It is not much below that of a baseline.
    MaxDrop(MaxDrop),
    /// None of these flags is raised.
    Absent(Vec<Flag>),
}

/// A threshold, and what is held against it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// In the metric's unit.
    pub threshold: f64,
    /// What is held against it.
    pub on: On,
    /// The confidence of the interval, from 0 to 1; `None` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
}

/// What is held against a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// What was measured.
    Point,
    /// The lower confidence limit.
    CiLow,
    /// The upper confidence limit.
    CiHigh,
}

/// How much worse than a baseline a model may be on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxDrop {
    /// The largest allowed drop of the share of rows, from 0 to 1.
    pub allowed: f64,
    /// The confidence of the interval of the drop.
    pub confidence: f64,
    /// What it is compared with.
    pub baseline: Baseline,
}

/// What a model is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The report folder, as the gate names it; `None` for the report that is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// The model in it; `None` for the one of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Baseline {
    /// Whether it is for whoever evaluates the gate to say which report that is.
    pub fn is_open(&self) -> bool {
        self.report.is_none() && self.model.is_none()
    }
}

impl On {
    /// As gates write it.
    pub fn name(self) -> &'static str {
        match self {
            On::Point => "point",
            On::CiLow => "ci_low",
            On::CiHigh => "ci_high",
        }
    }
}

/// `95 %`.
fn percent(confidence: f64) -> String {
    // Ten decimals hide what binary fractions add to 99.9.
    format!("{} %", (confidence * 1e12).round() / 1e10)
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.threshold, self.on.name())?;
        match self.confidence {
            Some(confidence) if self.on != On::Point => write!(f, ", {})", percent(confidence)),
            _ => f.write_str(")"),
        }
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.model, &self.report) {
            (None, None) => f.write_str("the baseline"),
            (None, Some(report)) => f.write_str(report),
            (Some(model), None) => f.write_str(model),
            (Some(model), Some(report)) => write!(f, "{model} in {report}"),
        }
    }
}

/// What the gate asks for, in one line, such as `robust_accuracy of pgd-20 at least 0.4 (ci_low, 95 %)`.
impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric.id())?;
        if let Some(of) = &self.of {
            write!(f, " of {of}")?;
        }
        if self.robust {
            f.write_str(" under every attack")?;
        }
        match &self.rule {
            Rule::AtLeast(limit) => write!(f, " at least {limit}"),
            Rule::AtMost(limit) => write!(f, " at most {limit}"),
            Rule::MaxDrop(MaxDrop { allowed, confidence, baseline }) => {
                write!(f, " at most {allowed} below {baseline} ({})", percent(*confidence))
            }
            Rule::Absent(flags) if flags.len() == Flag::DOCS.len() => f.write_str(" absent"),
            Rule::Absent(flags) => {
                let names: Vec<&str> = flags.iter().map(|flag| flag.name()).collect();
                write!(f, " absent: {}", names.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(metric: Metric, rule: Rule) -> Gate {
        Gate { metric, of: None, robust: false, models: vec!["net".into()], rule, line: 7 }
    }

    #[test]
    fn a_gate_is_told_in_one_line_and_comes_back_from_json() {
        let limit = |threshold, on, confidence| Limit { threshold, on, confidence };
        let drop = |report: Option<&str>, model: Option<&str>| {
            let baseline = Baseline { report: report.map(str::to_owned), model: model.map(str::to_owned) };
            Rule::MaxDrop(MaxDrop { allowed: 0.02, confidence: 0.999, baseline })
        };
        let table = [
            (
                Gate {
                    of: Some("pgd-20".into()),
                    ..gate(Metric::RobustAccuracy, Rule::AtLeast(limit(0.4, On::CiLow, Some(0.95))))
                },
                "robust_accuracy of pgd-20 at least 0.4 (ci_low, 95 %)",
            ),
            (gate(Metric::Macs, Rule::AtMost(limit(13e6, On::Point, None))), "macs at most 13000000 (point)"),
            (
                Gate {
                    robust: true,
                    ..gate(Metric::WorstClassAccuracy, Rule::AtLeast(limit(0.1, On::Point, Some(0.9))))
                },
                "worst_class_accuracy under every attack at least 0.1 (point)",
            ),
            (
                gate(Metric::WorstCase, drop(Some("reports/a"), None)),
                "worst_case at most 0.02 below reports/a (99.9 %)",
            ),
            (gate(Metric::WorstCase, drop(Some("b"), Some("m"))), "worst_case at most 0.02 below m in b (99.9 %)"),
            (gate(Metric::WorstCase, drop(None, None)), "worst_case at most 0.02 below the baseline (99.9 %)"),
            (gate(Metric::Flags, Rule::Absent(vec![Flag::Tie, Flag::Unconfirmed])), "flags absent: tie, unconfirmed"),
            (gate(Metric::Flags, Rule::Absent(Flag::DOCS.iter().map(|doc| doc.flag).collect())), "flags absent"),
        ];
        for (gate, text) in table {
            assert_eq!(gate.to_string(), text);
            let json = serde_json::to_string(&gate).unwrap();
            assert_eq!(serde_json::from_str::<Gate>(&json).unwrap(), Gate { line: 0, ..gate }, "{json}");
        }
    }
}
