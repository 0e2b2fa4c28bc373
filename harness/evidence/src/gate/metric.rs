use serde::{Deserialize, Serialize};

/// What a gate can ask about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Accuracy of the registered file.
    CleanAccuracy,
    /// Empirical robust accuracy under one attack.
    RobustAccuracy,
    /// Empirical robust accuracy under all attacks together.
    WorstCase,
    /// The accuracy of the class that has the lowest.
    WorstClassAccuracy,
    /// Mean accuracy under common corruptions.
    CorruptedAccuracy,
    /// The mean of a probe.
    Probe,
    /// Multiply-accumulates.
    Macs,
    /// Parameters.
    Params,
    /// Bytes of the weights as the file has them.
    WeightBytes,
    /// Bytes of the weights at int8.
    Int8Bytes,
    /// The most bytes of activations that are alive at once.
    PeakMemoryBytes,
    /// How much longer an inference takes than one of the reference.
    LatencyRatio,
    /// Flags that must be absent.
    Flags,
}

/// Which direction of a metric a user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// It depends on what is measured.
    Depends,
}

/// Which entry of a suite a gate on the metric names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// None.
    Nothing,
    /// `attack`, which is needed.
    Attack,
    /// `attack`, which may be left out.
    MaybeAttack,
    /// `probe`, which is needed.
    Probe,
    /// `corruption`, which may be left out.
    MaybeCorruption,
    /// `latency`, which may be left out where only one has a reference.
    MaybeLatency,
}

/// What a reader should know about a [`Metric`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricDoc {
    /// The metric.
    pub metric: Metric,
    /// As gates name it.
    pub id: &'static str,
    /// What it reads, in one line.
    pub reads: &'static str,
    /// What it is measured in.
    pub unit: &'static str,
    /// Which direction is better.
    pub better: Better,
    /// Whether there is a confidence interval, so that a limit of it can be held against the threshold.
    pub interval: bool,
    /// Whether models can be compared on it row by row, so that a drop from a baseline can be limited.
    pub paired: bool,
    /// What a gate names beside it.
    pub names: Names,
}

const PLAIN: MetricDoc = MetricDoc {
    metric: Metric::CleanAccuracy,
    id: "",
    reads: "",
    unit: "share of rows, 0 to 1",
    better: Better::Higher,
    interval: true,
    paired: false,
    names: Names::Nothing,
};

const COST: MetricDoc = MetricDoc { unit: "bytes", better: Better::Lower, interval: false, ..PLAIN };

impl Metric {
    /// All metrics, explained, in the order of the enum.
    pub const DOCS: &[MetricDoc] = &[
        MetricDoc {
            metric: Metric::CleanAccuracy,
            id: "clean_accuracy",
            reads: "the accuracy of the registered file, counted by the judge",
            paired: true,
            ..PLAIN
        },
        MetricDoc {
            metric: Metric::RobustAccuracy,
            id: "robust_accuracy",
            reads: "the empirical robust accuracy under the attack that `attack` names, an upper bound found by search",
            paired: true,
            names: Names::Attack,
            ..PLAIN
        },
        MetricDoc {
            metric: Metric::WorstCase,
            id: "worst_case",
            reads: "the share of rows that are right and withstand every listed attack, an upper bound found by search",
            paired: true,
            ..PLAIN
        },
        MetricDoc {
            metric: Metric::WorstClassAccuracy,
            id: "worst_class_accuracy",
            reads: "the accuracy of the class that has the lowest, clean or with `robust: true` under every listed attack; its limits hold \
                    for all classes at once (Bonferroni)",
            ..PLAIN
        },
        MetricDoc {
            metric: Metric::CorruptedAccuracy,
            id: "corrupted_accuracy",
            reads: "the mean accuracy over all common corruptions and severities, or over the severities of the one that `corruption` names",
            interval: false,
            names: Names::MaybeCorruption,
            ..PLAIN
        },
        MetricDoc {
            metric: Metric::Probe,
            id: "probe",
            reads: "the mean over the rows of the probe that `probe` names; refused for probes that estimate",
            unit: "the probe's",
            better: Better::Depends,
            interval: false,
            names: Names::Probe,
            ..PLAIN
        },
        MetricDoc {
            metric: Metric::Macs,
            id: "macs",
            reads: "multiply-accumulates of convolutions and dense layers",
            unit: "multiply-accumulates",
            ..COST
        },
        MetricDoc {
            metric: Metric::Params,
            id: "params",
            reads: "elements of all initializers",
            unit: "parameters",
            ..COST
        },
        MetricDoc {
            metric: Metric::WeightBytes,
            id: "weight_bytes",
            reads: "all parameters in the types that the file has them in",
            ..COST
        },
        MetricDoc {
            metric: Metric::Int8Bytes,
            id: "int8_bytes",
            reads: "all parameters at int8, batch normalisation folded, or as a quantized file has them, without what scales the integers",
            ..COST
        },
        MetricDoc {
            metric: Metric::PeakMemoryBytes,
            id: "peak_memory_bytes",
            reads: "the most bytes of activations that are alive at once in the file's order, a byte an element; no allocator needs less",
            ..COST
        },
        MetricDoc {
            metric: Metric::LatencyRatio,
            id: "latency_ratio",
            reads: "how much longer an inference takes than one of the reference of `cost`'s latency: the median over the windows, observed \
                    on one machine",
            unit: "times the reference",
            names: Names::MaybeLatency,
            ..COST
        },
        MetricDoc {
            metric: Metric::Flags,
            id: "flags",
            reads: "flags of the model, its attacks and its probes, or of the attack that `attack` names; those that `flags` names, or with \
                    `none` all, must be absent",
            unit: "rows",
            names: Names::MaybeAttack,
            ..COST
        },
    ];

    /// What it is.
    pub fn doc(self) -> &'static MetricDoc {
        // The table is in the order of the enum, which a test holds.
        &Self::DOCS[self as usize]
    }

    /// As gates name it.
    pub fn id(self) -> &'static str {
        self.doc().id
    }

    /// The metric of this name.
    pub fn named(id: &str) -> Option<Self> {
        Self::DOCS.iter().find(|doc| doc.id == id).map(|doc| doc.metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum_and_explains_each() {
        for (at, doc) in Metric::DOCS.iter().enumerate() {
            assert_eq!((doc.metric as usize, doc.metric.doc(), Metric::named(doc.id)), (at, doc, Some(doc.metric)));
            assert_eq!(serde_json::to_value(doc.metric).unwrap(), doc.id);
            assert!(!doc.reads.is_empty() && !doc.unit.is_empty(), "{}", doc.id);
            assert!(doc.interval || !doc.paired, "{}: rows that can be paired have an interval", doc.id);
        }
        assert_eq!(Metric::named("accuracy"), None);
    }
}
