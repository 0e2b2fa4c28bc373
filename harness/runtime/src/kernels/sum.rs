//! Accurate sums over many elements: some terms in f32 in every lane, those in f64.

#![allow(unsafe_code)]

use super::simd::Lanes;

/// A sum in the making.
#[derive(Clone, Copy)]
pub(super) struct Sum<L: Lanes> {
    l: L,
    lanes: [L::V; WAYS],
    terms: usize,
    total: f64,
}

/// Registers, so that additions need not wait for one another.
pub(super) const WAYS: usize = 4;
/// Terms of a lane before they go to f64.
const TERMS: usize = 16;

impl<L: Lanes> Sum<L> {
    #[inline(always)]
    pub(super) fn new(l: L) -> Self {
        Self { l, lanes: [l.zero(); WAYS], terms: 0, total: 0.0 }
    }

    #[inline(always)]
    pub(super) fn total(mut self) -> f64 {
        self.flush();
        self.total
    }

    #[inline(always)]
    fn flush(&mut self) {
        let [a, b, c, d] = self.lanes;
        self.total += f64::from(self.l.sum(self.l.add(self.l.add(a, b), self.l.add(c, d))));
        (self.lanes, self.terms) = ([self.l.zero(); WAYS], 0);
    }

    /// Adds a product to each lane of one register. After one for every register comes [`step`](Self::step).
    #[inline(always)]
    pub(super) fn add_product(&mut self, way: usize, a: L::V, b: L::V) {
        self.lanes[way] = self.l.mul_add(a, b, self.lanes[way]);
    }

    /// Adds to each lane of one register.
    #[inline(always)]
    pub(super) fn add_vector(&mut self, way: usize, a: L::V) {
        self.lanes[way] = self.l.add(a, self.lanes[way]);
    }

    /// Adds what no vector holds.
    #[inline(always)]
    pub(super) fn add_single(&mut self, term: f32) {
        self.total += f64::from(term);
    }

    /// Another term has been added to lanes.
    #[inline(always)]
    pub(super) fn step(&mut self) {
        self.terms += 1;
        if self.terms == TERMS {
            self.flush();
        }
    }

    /// Adds all elements.
    #[inline(always)]
    pub(super) fn add(&mut self, x: &[f32]) {
        let (l, mut sum) = (self.l, *self);
        let mut blocks = x.chunks_exact(WAYS * L::N);
        for x in blocks.by_ref() {
            for way in 0..WAYS {
                // SAFETY: The block holds so many vectors.
                sum.add_vector(way, unsafe { l.load(x.as_ptr().add(way * L::N)) });
            }
            sum.step();
        }
        let mut rest = blocks.remainder().chunks_exact(L::N);
        for x in rest.by_ref() {
            // SAFETY: The chunk holds a vector.
            sum.add_vector(0, unsafe { l.load(x.as_ptr()) });
            sum.step();
        }
        for &x in rest.remainder() {
            sum.add_single(x);
        }
        *self = sum;
    }

    /// Adds the squares of the distances from `mean`.
    #[inline(always)]
    pub(super) fn add_squares(&mut self, x: &[f32], mean: f32) {
        let (l, mut sum) = (self.l, *self);
        let means = l.splat(mean);
        let mut blocks = x.chunks_exact(WAYS * L::N);
        for x in blocks.by_ref() {
            for way in 0..WAYS {
                // SAFETY: The block holds so many vectors.
                let centred = l.sub(unsafe { l.load(x.as_ptr().add(way * L::N)) }, means);
                sum.add_product(way, centred, centred);
            }
            sum.step();
        }
        let mut rest = blocks.remainder().chunks_exact(L::N);
        for x in rest.by_ref() {
            // SAFETY: The chunk holds a vector.
            let centred = l.sub(unsafe { l.load(x.as_ptr()) }, means);
            sum.add_product(0, centred, centred);
            sum.step();
        }
        for &x in rest.remainder() {
            sum.add_single((x - mean) * (x - mean));
        }
        *self = sum;
    }
}
