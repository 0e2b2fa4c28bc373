use crate::Domain;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// A stream of random numbers, the same on every platform.
pub type Stream = ChaCha8Rng;

/// The random stream of one restart of one attack on one sample.
///
/// It depends on nothing else: not on the other rows, their order or grouping, nor on being a stage of an ensemble.
pub fn stream(seed: u64, attack: &str, sample: &[u8; 32], restart: u64) -> Stream {
    let mut hash = Sha256::new();
    hash.update(b"tinyassay attack stream 1\0");
    hash.update(seed.to_le_bytes());
    hash.update((attack.len() as u64).to_le_bytes());
    hash.update(attack.as_bytes());
    hash.update(sample);
    hash.update(restart.to_le_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// Random points within `radius` of a sample in every element, and in the domain.
///
/// Shapes: `x` `[D]`; returns `count` times `[D]`.
pub fn neighbours(x: &[f32], radius: f64, domain: &Domain, sample: &[u8; 32], count: usize) -> Vec<Vec<f32>> {
    let mut rng = stream(0, "neighbours", sample, 0);
    let mut near = |x: &f32| (f64::from(*x) + radius * symmetric(&mut rng)) as f32;
    let mut all: Vec<Vec<f32>> = (0..count).map(|_| x.iter().map(&mut near).collect()).collect();
    all.iter_mut().for_each(|point| domain.project(point, false));
    all
}

/// Uniform on the 2^32 midpoints of `(-1, 1)`; exact in f64.
pub fn symmetric(rng: &mut ChaCha8Rng) -> f64 {
    (f64::from(rng.next_u32()) + 0.5) / f64::from(1u32 << 31) - 1.0
}

/// Uniform on the 2^32 midpoints of `(0, 1)`; exact in f64.
pub fn unit(rng: &mut ChaCha8Rng) -> f64 {
    (f64::from(rng.next_u32()) + 0.5) / 4_294_967_296.0
}

/// A whole number from 0 to `end - 1`; each as likely but for 2^-32. `end` is at least 1.
pub(crate) fn below(rng: &mut ChaCha8Rng, end: usize) -> usize {
    ((u128::from(rng.next_u32()) * end as u128) >> 32) as usize
}

/// 1 or -1.
pub(crate) fn sign(rng: &mut ChaCha8Rng) -> f64 {
    if rng.next_u32() >> 31 == 0 { 1.0 } else { -1.0 }
}

/// Nearly normal (the sum of twelve 16-bit uniforms, centred): whole-number arithmetic instead of a logarithm.
pub fn bell(rng: &mut ChaCha8Rng) -> f64 {
    let sum: i64 = (0..3)
        .map(|_| rng.next_u64())
        .flat_map(|bits| [bits & 0xffff, bits >> 16 & 0xffff, bits >> 32 & 0xffff, bits >> 48])
        .map(|uniform| uniform as i64)
        .sum();
    (sum - 6 * 65_535) as f64 / 65_536.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_pinned_and_differ_in_every_part_of_the_key() {
        let first = |seed, attack, sample: u8, restart| stream(seed, attack, &[sample; 32], restart).next_u64();
        assert_eq!(first(0, "pgd", 7, 0), 8_956_841_457_725_247_177);
        let all = [
            first(0, "pgd", 7, 0),
            first(1, "pgd", 7, 0),
            first(0, "square", 7, 0),
            first(0, "pgd", 8, 0),
            first(0, "pgd", 7, 1),
        ];
        let distinct: std::collections::BTreeSet<u64> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn draws_have_the_moments_they_should() {
        // 40,000 draws put the means within 0.02 and the variances within 0.03, four standard errors and more.
        let mut rng = stream(3, "pgd", &[0; 32], 0);
        let mut moments = |draw: fn(&mut ChaCha8Rng) -> f64| {
            let draws: Vec<f64> = (0..40_000).map(|_| draw(&mut rng)).collect();
            let mean = draws.iter().sum::<f64>() / 4e4;
            (mean, draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / 4e4)
        };
        for (draw, mean, variance) in
            [(symmetric as fn(&mut ChaCha8Rng) -> f64, 0.0, 1.0 / 3.0), (unit, 0.5, 1.0 / 12.0), (bell, 0.0, 1.0)]
        {
            let (m, v) = moments(draw);
            assert!((m - mean).abs() < 0.02 && (v - variance).abs() < 0.03, "{m} {v}");
        }
    }
}
