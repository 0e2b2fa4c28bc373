use serde::{Deserialize, Serialize};

/// How long is measured: windows of inferences one after the other, each after some that don't count.
///
/// A window ends once both its seconds are over and its inferences are made. MLPerf Tiny's documentation asks for at least 10
/// seconds *or* 10 iterations; its runner refuses windows below 10 seconds, and takes the median of exactly 5.
///
/// Source: MLPerf Tiny, `benchmark/runner/main.py` and README (v1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    /// Windows of each model, whose median counts.
    pub windows: u32,
    /// A window takes at least so many seconds.
    pub seconds: u32,
    /// A window has at least so many inferences.
    pub iterations: u64,
    /// Inferences before each window that don't count.
    pub warm_ups: u32,
}

impl Protocol {
    /// MLPerf Tiny's.
    pub const MLPERF_TINY: Protocol = Protocol { windows: 5, seconds: 10, iterations: 10, warm_ups: 10 };
    /// A tenth of it.
    pub const QUICK: Protocol = Protocol { seconds: 1, ..Protocol::MLPERF_TINY };

    /// Whether windows are as MLPerf Tiny wants them: five of at least 10 seconds, after the 5 warm-ups or more that its
    /// scripts make.
    pub fn is_mlperf_tiny(self) -> bool {
        self.windows == 5 && self.seconds >= 10 && self.warm_ups >= 5
    }
}

#[cfg(test)]
mod tests {
    use super::Protocol;

    #[test]
    fn shorter_or_fewer_windows_are_not_mlperfs() {
        let full = Protocol::MLPERF_TINY;
        assert!(full.is_mlperf_tiny() && Protocol { seconds: 60, ..full }.is_mlperf_tiny());
        let others = [
            Protocol::QUICK,
            Protocol { windows: 4, ..full },
            Protocol { windows: 6, ..full },
            Protocol { seconds: 9, ..full },
            Protocol { warm_ups: 0, ..full },
        ];
        assert!(others.iter().all(|other| !other.is_mlperf_tiny()));
    }
}
