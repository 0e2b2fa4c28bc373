//! Random draws of training. Each stream is a function of the seed, its purpose, the epoch and the row, and of nothing
//! else, so that no draw depends on threads, on the batch size, or on where a run was interrupted.

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

/// The stream of one row in one epoch, for one purpose.
pub(crate) fn stream(seed: u64, purpose: &str, epoch: u64, row: u64) -> ChaCha8Rng {
    attack::stream(seed, purpose, &key(epoch, row), 0)
}

/// What stands in for the digest of a sample: rows of a data set are told apart by their number.
pub(crate) fn key(epoch: u64, row: u64) -> [u8; 32] {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&epoch.to_le_bytes());
    key[8..16].copy_from_slice(&row.to_le_bytes());
    key
}

/// A whole number below `bound`, each as likely as any other.
///
/// Source: Lemire 2019, arXiv:1805.10941, algorithm 5.
pub(crate) fn below(rng: &mut ChaCha8Rng, bound: u32) -> u32 {
    let threshold = bound.wrapping_neg() % bound;
    loop {
        let product = u64::from(rng.next_u32()) * u64::from(bound);
        if product as u32 >= threshold {
            return (product >> 32) as u32;
        }
    }
}

/// The numbers below `len` in an order that the stream chooses.
///
/// Source: Fisher and Yates, in the form of Durstenfeld 1964.
pub(crate) fn shuffle(rng: &mut ChaCha8Rng, order: &mut Vec<u32>, len: u32) {
    order.clear();
    order.extend(0..len);
    for last in (1..order.len()).rev() {
        order.swap(last, below(rng, last as u32 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_uniform() {
        let mut rng = stream(1, "test", 0, 0);
        for bound in [2_u32, 9, 10] {
            let mut counts = vec![0_u32; bound as usize];
            let draws = 10_000 * bound;
            (0..draws).for_each(|_| counts[below(&mut rng, bound) as usize] += 1);
            // Five standard deviations of a count with mean 10,000.
            assert!(counts.iter().all(|count| count.abs_diff(10_000) < 500), "{counts:?}");
        }
        assert_eq!(below(&mut rng, 1), 0);
    }

    #[test]
    fn a_shuffle_is_an_order_and_every_order_is_as_likely() {
        let mut seen = std::collections::BTreeMap::new();
        let mut order = Vec::new();
        for epoch in 0..6_000 {
            shuffle(&mut stream(3, "order", epoch, 0), &mut order, 3);
            *seen.entry(order.clone()).or_insert(0_u32) += 1;
        }
        // Six orders of mean 1,000; five standard deviations.
        assert!(seen.len() == 6 && seen.values().all(|count| count.abs_diff(1_000) < 150), "{seen:?}");
        shuffle(&mut stream(0, "order", 0, 0), &mut order, 500);
        let mut sorted = order.clone();
        sorted.sort();
        assert!(sorted.into_iter().eq(0..500) && order[..10] != (0..10).collect::<Vec<u32>>());
    }

    #[test]
    fn streams_differ_in_every_part_of_their_name() {
        let first = |seed, purpose, epoch, row| stream(seed, purpose, epoch, row).next_u64();
        let all = [
            first(0, "order", 0, 0),
            first(1, "order", 0, 0),
            first(0, "crop", 0, 0),
            first(0, "order", 1, 0),
            first(0, "order", 0, 1),
        ];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
    }
}
