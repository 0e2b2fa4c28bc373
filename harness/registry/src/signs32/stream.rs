/// Pseudo-random integers of one picture.
///
/// Source: SplitMix64, Steele, Lea and Flood 2014, "Fast Splittable Pseudorandom Number Generators".
pub(crate) struct Stream(u64);

impl Stream {
    /// The stream of picture `index` of split `split`.
    pub(crate) fn new(split: u64, index: u64) -> Self {
        let mut seeder = Self(split << 40 | index);
        let state = seeder.next();
        Self(state)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// An integer in `low..=high`, uniform but for a bias below 2^-32.
    pub(crate) fn between(&mut self, low: i32, high: i32) -> i32 {
        let count = u64::from(high.abs_diff(low)) + 1;
        low + (((self.next() >> 32) * count) >> 32) as i32
    }

    /// True `percent` times in a hundred.
    pub(crate) fn chance(&mut self, percent: i32) -> bool {
        self.between(1, 100) <= percent
    }

    /// A bell-shaped integer in `-4 * 255 ..= 4 * 255` with standard deviation 209: eight bytes, half of them negative.
    pub(crate) fn bell(&mut self) -> i32 {
        let bytes = self.next().to_le_bytes();
        let sum = |bytes: &[u8]| bytes.iter().map(|byte| i32::from(*byte)).sum::<i32>();
        sum(&bytes[..4]) - sum(&bytes[4..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        let mut stream = Stream(1234567);
        assert_eq!([stream.next(), stream.next()], [6457827717110365317, 3203168211198807973]);
    }

    #[test]
    fn integers_stay_in_their_range_and_reach_its_ends() {
        let mut stream = Stream::new(0, 0);
        let drawn: Vec<i32> = (0..1000).map(|_| stream.between(-2, 3)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&-2), Some(&3)));
    }
}
