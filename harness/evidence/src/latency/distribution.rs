use std::collections::BTreeMap;

/// Latencies of many inferences, in nanoseconds: how often each occurred.
///
/// Millions of inferences have a few thousand different latencies, so that order statistics stay exact in little memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distribution {
    counts: BTreeMap<u64, u64>,
    total: u64,
}

impl Distribution {
    /// How many there are.
    pub fn len(&self) -> u64 {
        self.total
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The `index`-th smallest, from 0. `None` if there are not so many.
    pub fn nth(&self, index: u64) -> Option<u64> {
        let mut seen = 0;
        self.counts.iter().find_map(|(latency, count)| {
            seen += count;
            (index < seen).then_some(*latency)
        })
    }

    /// LoadGen's percentile: the sorted latency at `floor(n p)`. `None` without latencies.
    ///
    /// `p` in `[0, 1)`; the product is rounded as LoadGen rounds it, in f64.
    /// Source: MLPerf Inference, `loadgen/results.cc`.
    pub fn percentile(&self, p: f64) -> Option<u64> {
        self.nth((self.total as f64 * p) as u64)
    }
}

impl Extend<u64> for Distribution {
    fn extend<T: IntoIterator<Item = u64>>(&mut self, latencies: T) {
        for latency in latencies {
            *self.counts.entry(latency).or_default() += 1;
            self.total += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Distribution;

    fn scrambled(n: u64) -> Vec<u64> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            1000 + (state >> 33) % 50
        };
        (0..n).map(|_| next()).collect()
    }

    #[test]
    fn order_statistics_are_those_of_the_sorted_list() {
        for n in [1, 2, 10, 99, 100, 101, 1000] {
            let mut sorted = scrambled(n);
            let mut found = Distribution::default();
            found.extend(sorted.clone());
            sorted.sort_unstable();
            let all: Vec<u64> = (0..n).map(|at| found.nth(at).unwrap()).collect();
            assert_eq!(all, sorted);
            assert_eq!((found.nth(n), found.len()), (None, n));
            for p in [0.0, 0.5, 0.9, 0.99] {
                assert_eq!(found.percentile(p), Some(sorted[(n as f64 * p) as usize]), "{n} {p}");
            }
        }
        assert_eq!(Distribution::default().percentile(0.5), None);
    }

    /// Of 1, 2, ..., 100 these are the numbers after the first 50, 90 and 99.
    #[test]
    fn percentiles_are_at_the_floor() {
        let mut found = Distribution::default();
        found.extend((1..=100).rev());
        assert_eq!([0.5, 0.9, 0.99].map(|p| found.percentile(p)), [Some(51), Some(91), Some(100)]);
    }
}
