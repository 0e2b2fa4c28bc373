//! Which samples a run uses, cut where blocks of evidence begin and end.

use crate::document::Choice;
use registry::Digest;
use serde::{Serialize, Serializer};
use std::ops::Range;

/// A block of evidence covers this many samples of a split: sample `i` belongs to slice `i / BLOCK_ROWS`, whatever else is used.
pub const BLOCK_ROWS: usize = 250;

/// Samples of a split, by index: ascending ranges that neither touch nor overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows(Vec<Range<usize>>);

/// The samples of one block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// The absolute number of the block: the samples' indices divided by [`BLOCK_ROWS`].
    pub index: usize,
    /// The samples that are used out of it.
    pub rows: Rows,
}

impl Rows {
    /// The samples that `choose` picks out of a split of `split_len`; `samples` of them, which there must be.
    pub(crate) fn choose(choice: Choice, samples: usize, split_len: usize, seed: u64) -> Rows {
        match choice {
            Choice::First => Rows::from_sorted(0..samples),
            Choice::Random => Rows::random(samples, split_len, seed),
        }
    }

    /// The samples whose indices hash to the smallest values, so that fewer samples are a part of more samples.
    fn random(samples: usize, split_len: usize, seed: u64) -> Rows {
        let hash = |i: usize| Digest::of(format!("tinyassay choose {seed} {i}").as_bytes());
        let mut order: Vec<usize> = (0..split_len).collect();
        order.sort_by_cached_key(|&i| (hash(i), i));
        order.truncate(samples);
        order.sort_unstable();
        Rows::from_sorted(order)
    }

    fn from_sorted(indices: impl IntoIterator<Item = usize>) -> Rows {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for i in indices {
            match ranges.last_mut() {
                Some(last) if last.end == i => last.end += 1,
                _ => ranges.push(i..i + 1),
            }
        }
        Rows(ranges)
    }

    /// How many samples these are.
    #[allow(clippy::len_without_is_empty, reason = "a plan always has rows")]
    pub fn len(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }

    /// The ranges.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }

    /// The indices, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().cloned().flatten()
    }

    /// The same samples, block by block.
    pub(crate) fn slices(&self) -> Vec<Slice> {
        let mut slices: Vec<Slice> = Vec::new();
        for range in &self.0 {
            for index in range.start / BLOCK_ROWS..=(range.end - 1) / BLOCK_ROWS {
                let part = range.start.max(index * BLOCK_ROWS)..range.end.min((index + 1) * BLOCK_ROWS);
                match slices.last_mut() {
                    Some(last) if last.index == index => last.rows.0.push(part),
                    _ => slices.push(Slice { index, rows: Rows(vec![part]) }),
                }
            }
        }
        slices
    }
}

/// Rows are written as pairs: `[[0, 250]]` are samples 0 to 249.
impl Serialize for Rows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|r| [r.start, r.end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(samples: usize) -> Vec<Slice> {
        Rows::choose(Choice::First, samples, 10_000, 0).slices()
    }

    #[test]
    fn fewer_samples_share_the_blocks_of_more() {
        let (few, many) = (first(500), first(1_000));
        assert_eq!(few, many[..2]);
        assert_eq!(first(600)[2], Slice { index: 2, rows: Rows::from_sorted(500..600) });
        assert_eq!(many.iter().map(|s| s.rows.len()).sum::<usize>(), 1_000);
    }

    #[test]
    fn a_random_choice_is_the_seeds_alone_and_fewer_samples_are_a_part_of_more() {
        let random = |samples, seed| Rows::choose(Choice::Random, samples, 10_000, seed);
        let (few, many) = (random(500, 7), random(1_000, 7));
        assert_eq!((few.len(), many.len()), (500, 1_000));
        let many_rows: Vec<usize> = many.iter().collect();
        assert!(few.iter().all(|i| many_rows.binary_search(&i).is_ok()));
        assert_ne!(few, random(500, 8));
        assert_eq!(random(10_000, 3), Rows::from_sorted(0..10_000));
        assert_eq!(few.iter().take(6).collect::<Vec<_>>(), [3, 25, 41, 44, 51, 54]);
    }

    #[test]
    fn slices_cut_every_range_at_the_blocks() {
        let rows = Rows(vec![10..20, 240..760, 999..1000]);
        let slices = rows.slices();
        assert_eq!(slices.iter().map(|s| s.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(slices[0].rows, Rows(vec![10..20, 240..250]));
        assert_eq!(slices[3].rows, Rows(vec![750..760, 999..1000]));
        assert_eq!(slices.iter().flat_map(|s| s.rows.iter()).collect::<Vec<_>>(), rows.iter().collect::<Vec<_>>());
        assert_eq!(serde_json::to_string(&slices[0]).unwrap(), r#"{"index":0,"rows":[[10,20],[240,250]]}"#);
    }
}
