use serde::{Deserialize, Serialize};

/// Doubt about a latency, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LatencyFlag {
    /// The windows are not MLPerf Tiny's.
    NotMlperf,
    /// Other processes were busy.
    Busy,
    /// Whether other processes were busy is not known.
    IdleUnknown,
    /// The windows differ.
    Unsteady,
    /// There are too few inferences for an early-stopping estimate.
    FewQueries,
}

/// What a reader should know about a [`LatencyFlag`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatencyFlagDoc {
    /// The flag.
    pub flag: LatencyFlag,
    /// As it is written in JSON.
    pub name: &'static str,
    /// When it is raised, and what that means.
    pub about: &'static str,
}

impl LatencyFlag {
    /// All flags, in the order of the enum.
    pub const DOCS: &'static [LatencyFlagDoc] = &[
        LatencyFlagDoc {
            flag: LatencyFlag::NotMlperf,
            name: "not-mlperf",
            about: "the windows are not those of MLPerf Tiny's protocol: five of at least 10 s, each after warm-ups",
        },
        LatencyFlagDoc {
            flag: LatencyFlag::Busy,
            name: "busy",
            about: "other processes took more than a tenth of a processor, just before or meanwhile: latencies are too long, \
                    and ratios less sure",
        },
        LatencyFlagDoc {
            flag: LatencyFlag::IdleUnknown,
            name: "idle-unknown",
            about: "whether other processes were busy is not known: the system does not say it, or it was too short to tell",
        },
        LatencyFlagDoc {
            flag: LatencyFlag::Unsteady,
            name: "unsteady",
            about: "the fastest and the slowest window differ by more than 5 % of the median: a frequency that changes, heat, or \
                    other work",
        },
        LatencyFlagDoc {
            flag: LatencyFlag::FewQueries,
            name: "few-queries",
            about: "there are too few inferences for LoadGen's early-stopping estimates: 64 are needed for the 90th percentile, \
                    662 for the 99th",
        },
    ];

    /// What there is to know about it.
    pub fn doc(self) -> &'static LatencyFlagDoc {
        // The table is in the order of the enum, which a test holds.
        &Self::DOCS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::queries_needed;

    #[test]
    fn the_table_has_every_flag_under_its_own_name() {
        for (at, doc) in LatencyFlag::DOCS.iter().enumerate() {
            assert_eq!((doc.flag as usize, doc.flag.doc()), (at, doc));
            assert_eq!(serde_json::to_value(doc.flag).unwrap(), doc.name);
            assert!(!doc.about.is_empty() && !doc.about.contains("  "), "{}", doc.name);
        }
        assert_eq!(LatencyFlag::DOCS.len(), LatencyFlag::FewQueries as usize + 1);
    }

    #[test]
    fn the_text_has_the_numbers_of_the_code() {
        let about = LatencyFlag::FewQueries.doc().about;
        for percentile in [0.9, 0.99] {
            assert!(about.contains(&queries_needed(percentile).to_string()), "{about}");
        }
    }
}
