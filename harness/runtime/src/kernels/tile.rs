//! The two inner loops of convolutions. Both read planes at the distances and with the masks of [`super::window`].

#![allow(unsafe_code)]

use super::simd::{Lanes, Level, Routine};
use super::window::Pass;

/// Rows of a tile of products.
pub(super) fn block_rows(level: Level) -> usize {
    if level.many() { 8 } else { 4 }
}

/// Weights in the order in which the tiles read them: blocks of rows, in a block one tap after the other. Rows that fill
/// the last block are zero.
pub(super) fn pack(block: usize, rows: usize, taps: usize, weight: impl Fn(usize, usize) -> f32, to: &mut [f32]) {
    for (index, to) in to.chunks_exact_mut(block * taps).take(rows.div_ceil(block)).enumerate() {
        for (tap, to) in to.chunks_exact_mut(block).enumerate() {
            for (row, to) in to.iter_mut().enumerate() {
                let row = index * block + row;
                *to = if row < rows { weight(row, tap) } else { 0.0 };
            }
        }
    }
}

/// Where a product of weights and planes comes from and goes to.
pub(super) struct Product<'a> {
    pub(super) pass: &'a Pass,
    /// As [`pack`] wrote them, taps of a channel together.
    pub(super) weights: &'a [f32],
    /// What the sums of a row start with, or empty.
    pub(super) bias: &'a [f32],
    pub(super) planes: &'a [f32],
    /// Elements from the planes of one channel to those of the next.
    pub(super) channel: usize,
    pub(super) channels: usize,
    /// Rows of the result.
    pub(super) rows: usize,
    /// Elements from one row of the result to the next.
    pub(super) pitch: usize,
}

impl Product<'_> {
    /// How many of the weights this product reads.
    pub(super) fn packed(&self, level: Level) -> usize {
        self.rows.next_multiple_of(block_rows(level)) * self.channels * self.pass.taps.len()
    }

    /// `result[row, place] = sum over channels and taps of weights[row, channel, tap] * planes[channel, tap, place]`
    ///
    /// Each sum starts with the bias and takes one channel and tap after the other.
    #[inline(always)]
    pub(super) fn run<L: Lanes>(&self, l: L, result: &mut [f32]) {
        assert!(self.channels * self.channel <= self.planes.len());
        if L::MANY { self.blocks::<L, 8>(l, result) } else { self.blocks::<L, 4>(l, result) }
    }

    #[inline(always)]
    fn blocks<L: Lanes, const R: usize>(&self, l: L, result: &mut [f32]) {
        let blocks = self.rows.div_ceil(R);
        assert!(blocks * R * self.channels * self.pass.taps.len() <= self.weights.len());
        let mut vector = 0;
        while vector < self.pass.vectors {
            let vectors = (self.pass.vectors - vector).min(3);
            for block in 0..blocks {
                match (vectors, self.pass.full) {
                    (3, true) => self.tile::<L, R, 3, false>(l, block, vector, result),
                    (2, true) => self.tile::<L, R, 2, false>(l, block, vector, result),
                    (_, true) => self.tile::<L, R, 1, false>(l, block, vector, result),
                    (3, _) => self.tile::<L, R, 3, true>(l, block, vector, result),
                    (2, _) => self.tile::<L, R, 2, true>(l, block, vector, result),
                    (_, _) => self.tile::<L, R, 1, true>(l, block, vector, result),
                }
            }
            vector += vectors;
        }
    }

    #[inline(always)]
    fn tile<L: Lanes, const R: usize, const C: usize, const MASKED: bool>(
        &self,
        l: L,
        block: usize,
        vector: usize,
        result: &mut [f32],
    ) {
        let taps = self.pass.taps.len();
        let mut sums = [[l.zero(); C]; R];
        if !self.bias.is_empty() {
            for r in 0..R {
                sums[r] = [l.splat(self.bias[(block * R + r).min(self.rows - 1)]); C];
            }
        }
        let mut weights = self.weights[block * R * self.channels * taps..].as_ptr();
        for channel in 0..self.channels {
            let plane = self.planes[channel * self.channel..].as_ptr().wrapping_add(vector * L::N);
            let mut masks = self.pass.masks[vector..].as_ptr();
            for &distance in &self.pass.distances {
                let at = plane.wrapping_offset(distance);
                // SAFETY: A mask has those lanes that are in the planes, and is there for every vector of every tap;
                // `blocks` has checked the number of weights.
                unsafe {
                    let mut values = [l.zero(); C];
                    for c in 0..C {
                        let at = at.wrapping_add(c * L::N);
                        values[c] = if MASKED { l.load_some(at, *masks.add(c)) } else { l.load(at) };
                    }
                    for r in 0..R {
                        let weight = l.splat(*weights.add(r));
                        for c in 0..C {
                            sums[r][c] = l.mul_add(weight, values[c], sums[r][c]);
                        }
                    }
                    weights = weights.add(R);
                    masks = masks.add(self.pass.vectors);
                }
            }
        }
        let place = vector * L::N;
        let (rows, left) = (R.min(self.rows - block * R), self.pass.places - place);
        let result = &mut result[block * R * self.pitch + place..];
        // Loops of fixed length alone leave the sums in registers.
        if rows == R && left >= C * L::N {
            assert!((R - 1) * self.pitch + C * L::N <= result.len());
            for r in 0..R {
                for c in 0..C {
                    // SAFETY: The last element has just been checked.
                    unsafe { l.store(result.as_mut_ptr().add(r * self.pitch + c * L::N), sums[r][c]) }
                }
            }
        } else {
            let mut tile = [0.0; TILE];
            for r in 0..R {
                for c in 0..C {
                    // SAFETY: No tile is larger.
                    unsafe { l.store(tile.as_mut_ptr().add((r * C + c) * L::N), sums[r][c]) }
                }
            }
            let count = left.min(C * L::N);
            for (r, row) in tile.chunks_exact(C * L::N).take(rows).enumerate() {
                result[r * self.pitch..][..count].copy_from_slice(&row[..count]);
            }
        }
    }
}

/// Elements of the largest tile: 8 rows of 3 registers of 16.
const TILE: usize = 8 * 3 * 16;

/// What sums of products over places are taken of.
pub(super) struct Sums<'a> {
    pub(super) pass: &'a Pass,
    /// Rows of the left side, numbered as the pass's results are.
    pub(super) left: &'a [f32],
    pub(super) rows: usize,
    /// Elements from one row to the next, and from one image to the next.
    pub(super) left_row: usize,
    pub(super) left_image: usize,
    /// Planes that the taps read.
    pub(super) right: &'a [f32],
    pub(super) channels: usize,
    pub(super) right_channel: usize,
    pub(super) right_image: usize,
    pub(super) images: usize,
    /// `[rows, channels, taps]`: what the sums are added to.
    pub(super) result: &'a mut [f32],
}

impl Routine for Sums<'_> {
    type Output = ();

    /// `result[row, channel, tap] += sum over images and places of left[row] * right[channel, tap]`, in one fixed order.
    #[inline(always)]
    fn run<L: Lanes>(mut self, l: L) {
        let end =
            |rows: usize, row: usize, image: usize, len: usize| (rows - 1) * row + (self.images - 1) * image + len;
        assert!(end(self.rows, self.left_row, self.left_image, self.pass.places) <= self.left.len());
        assert!(end(self.channels, self.right_channel, self.right_image, self.right_channel) <= self.right.len());
        assert!(self.result.len() >= self.rows * self.channels * self.pass.taps.len());
        match (self.pass.full, L::MANY) {
            (true, true) => self.blocks::<L, 4, 6, false>(l),
            (true, false) => self.blocks::<L, 3, 3, false>(l),
            (false, true) => self.blocks::<L, 4, 6, true>(l),
            (false, false) => self.blocks::<L, 3, 3, true>(l),
        }
    }
}

impl Sums<'_> {
    #[inline(always)]
    fn blocks<L: Lanes, const R: usize, const C: usize, const MASKED: bool>(&mut self, l: L) {
        let (taps, vectors) = (self.pass.taps.len(), self.pass.vectors);
        let cols = self.channels * taps;
        let mut masks = vec![0; if MASKED { vectors * (C + 1) } else { 0 }];
        for col in (0..cols).step_by(C) {
            // Columns and rows beyond the last repeat it, and are dropped.
            let mut right = [self.right.as_ptr(); C];
            for c in 0..C {
                let (channel, tap) = ((col + c).min(cols - 1) / taps, (col + c).min(cols - 1) % taps);
                let start = channel * self.right_channel;
                right[c] = right[c].wrapping_add(start).wrapping_offset(self.pass.distances[tap]);
                if MASKED {
                    for vector in 0..vectors {
                        masks[vector * (C + 1) + c] = self.pass.masks[tap * vectors + vector];
                        masks[vector * (C + 1) + C] = self.pass.masks[taps * vectors + vector];
                    }
                }
            }
            for row in (0..self.rows).step_by(R) {
                let mut left = [self.left.as_ptr(); R];
                for r in 0..R {
                    left[r] = left[r].wrapping_add((row + r).min(self.rows - 1) * self.left_row);
                }
                let mut sums = [[l.zero(); C]; R];
                for image in 0..self.images {
                    // SAFETY: `run` has checked where the last rows and channels of the last image end.
                    unsafe { self.image::<L, R, C, MASKED>(l, &left, &right, &masks, image, &mut sums) };
                }
                let mut tile = [[0.0; C]; R];
                for r in 0..R {
                    for c in 0..C {
                        tile[r][c] = l.sum(sums[r][c]);
                    }
                }
                for (r, tile) in tile.iter().enumerate().take(self.rows - row) {
                    let result = self.result[(row + r) * cols + col..].iter_mut();
                    result.zip(&tile[..C.min(cols - col)]).for_each(|(result, sum)| *result += sum);
                }
            }
        }
    }

    /// # Safety
    /// All rows and channels hold this image, and there are masks for all vectors.
    #[inline(always)]
    unsafe fn image<L: Lanes, const R: usize, const C: usize, const MASKED: bool>(
        &self,
        l: L,
        left: &[*const f32; R],
        right: &[*const f32; C],
        masks: &[u16],
        image: usize,
        sums: &mut [[L::V; C]; R],
    ) {
        let (left_at, right_at) = (image * self.left_image, image * self.right_image);
        let mut masks = masks.as_ptr();
        for vector in 0..self.pass.vectors {
            let at = vector * L::N;
            // SAFETY: The caller's promise; a mask has those lanes that are there.
            unsafe {
                let mut lefts = [l.zero(); R];
                for r in 0..R {
                    let at = left[r].wrapping_add(left_at + at);
                    lefts[r] = if MASKED { l.load_some(at, *masks.add(C)) } else { l.load(at) };
                }
                for c in 0..C {
                    let at = right[c].wrapping_add(right_at + at);
                    let value = if MASKED { l.load_some(at, *masks.add(c)) } else { l.load(at) };
                    for r in 0..R {
                        sums[r][c] = l.mul_add(lefts[r], value, sums[r][c]);
                    }
                }
                if MASKED {
                    masks = masks.add(C + 1);
                }
            }
        }
    }
}
