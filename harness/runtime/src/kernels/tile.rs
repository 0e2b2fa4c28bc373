//! The two inner loops of convolutions. Both read planes at the distances that [`super::window`] lays out.

#![allow(unsafe_code)]

use super::simd::{Lanes, Level};

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
    /// As [`pack`] wrote them.
    pub(super) weights: &'a [f32],
    /// The planes, with zeros or planes for a vector behind the last element that is needed.
    pub(super) planes: &'a [f32],
    /// Distances of the taps in the planes.
    pub(super) offsets: &'a [usize],
    /// Rows of the result, fewer than whole blocks.
    pub(super) rows: usize,
    /// Elements from one row of the result to the next.
    pub(super) pitch: usize,
    /// Elements of a row.
    pub(super) places: usize,
}

impl Product<'_> {
    /// How many of the weights this product reads.
    pub(super) fn packed<L: Lanes>(&self) -> usize {
        self.rows.next_multiple_of(if L::MANY { 8 } else { 4 }) * self.offsets.len()
    }

    /// `result[row, place] = sum over taps of weights[row, tap] * planes[offset of tap + place]`
    ///
    /// Each sum starts with the first tap and takes one after the other. Up to a vector more than `places` is written
    /// where the result has room.
    #[inline(always)]
    pub(super) fn run<L: Lanes>(&self, l: L, result: &mut [f32]) {
        if L::MANY { self.blocks::<L, 8>(l, result) } else { self.blocks::<L, 4>(l, result) }
    }

    #[inline(always)]
    fn blocks<L: Lanes, const R: usize>(&self, l: L, result: &mut [f32]) {
        let farthest = self.offsets.iter().max().unwrap_or(&0);
        let blocks = self.rows.div_ceil(R);
        assert!(farthest + self.places.next_multiple_of(L::N) <= self.planes.len());
        assert!(blocks * R * self.offsets.len() <= self.weights.len());
        assert!(self.rows == 0 || (self.rows - 1) * self.pitch + self.places <= result.len());
        let mut place = 0;
        while place < self.places {
            let vectors = (self.places - place).div_ceil(L::N).min(3);
            for block in 0..blocks {
                match vectors {
                    3 => self.tile::<L, R, 3>(l, block, place, result),
                    2 => self.tile::<L, R, 2>(l, block, place, result),
                    _ => self.tile::<L, R, 1>(l, block, place, result),
                }
            }
            place += vectors * L::N;
        }
    }

    #[inline(always)]
    fn tile<L: Lanes, const R: usize, const C: usize>(&self, l: L, block: usize, place: usize, result: &mut [f32]) {
        let mut sums = [[l.zero(); C]; R];
        let mut weights = self.weights[block * R * self.offsets.len()..].as_ptr();
        let planes = self.planes.as_ptr();
        for &offset in self.offsets {
            // SAFETY: `blocks` has checked the farthest vector of the planes and the number of weights.
            unsafe {
                let at = planes.add(offset + place);
                let mut values = [l.zero(); C];
                for c in 0..C {
                    values[c] = l.load(at.add(c * L::N));
                }
                for r in 0..R {
                    let weight = l.splat(*weights.add(r));
                    for c in 0..C {
                        sums[r][c] = l.mul_add(weight, values[c], sums[r][c]);
                    }
                }
                weights = weights.add(R);
            }
        }
        let left = self.places - place;
        for r in 0..R.min(self.rows - block * R) {
            let row = &mut result[(block * R + r) * self.pitch + place..];
            for c in 0..C {
                put(l, sums[r][c], &mut row[c * L::N..], left - c * L::N);
            }
        }
    }
}

/// Stores the first `count` lanes, or all if there are fewer.
#[inline(always)]
fn put<L: Lanes>(l: L, value: L::V, to: &mut [f32], count: usize) {
    if count >= L::N {
        assert!(to.len() >= L::N);
        // SAFETY: There are N elements.
        unsafe { l.store(to.as_mut_ptr(), value) }
    } else {
        let mut lanes = [0.0; 16];
        // SAFETY: No register has more than 16 lanes.
        unsafe { l.store(lanes.as_mut_ptr(), value) }
        to[..count].copy_from_slice(&lanes[..count]);
    }
}

/// What sums of products over places are taken of.
pub(super) struct Sums<'a> {
    /// Rows of the left side, with zeros in gaps and up to a whole vector.
    pub(super) left: &'a [f32],
    /// Starts of the rows.
    pub(super) left_rows: &'a [usize],
    /// Elements from one image to the next.
    pub(super) left_image: usize,
    /// As on the left, finite where the left is zero.
    pub(super) right: &'a [f32],
    pub(super) right_rows: &'a [usize],
    pub(super) right_image: usize,
    pub(super) images: usize,
    /// Elements of a row of one image, whole vectors.
    pub(super) places: usize,
}

impl Sums<'_> {
    /// `result[i, j] += sum over images and places of left[i] * right[j]`, in one fixed order.
    #[inline(always)]
    pub(super) fn run<L: Lanes>(&self, l: L, result: &mut [f32]) {
        let reach = |rows: &[usize], image| rows.iter().max().unwrap_or(&0) + (self.images - 1) * image + self.places;
        assert!(self.places.is_multiple_of(L::N) && self.images > 0);
        assert!(reach(self.left_rows, self.left_image) <= self.left.len());
        assert!(reach(self.right_rows, self.right_image) <= self.right.len());
        assert!(result.len() >= self.left_rows.len() * self.right_rows.len());
        if self.left_rows.len() == 1 {
            if L::MANY { self.blocks::<L, 1, 9>(l, result) } else { self.blocks::<L, 1, 9>(l, result) }
        } else if L::MANY {
            self.blocks::<L, 4, 6>(l, result);
        } else {
            self.blocks::<L, 3, 3>(l, result);
        }
    }

    #[inline(always)]
    fn blocks<L: Lanes, const R: usize, const C: usize>(&self, l: L, result: &mut [f32]) {
        let (rows, cols) = (self.left_rows.len(), self.right_rows.len());
        for row in (0..rows).step_by(R) {
            for col in (0..cols).step_by(C) {
                // Rows beyond the last repeat it, and are dropped.
                let mut left = [self.left.as_ptr(); R];
                let mut right = [self.right.as_ptr(); C];
                for r in 0..R {
                    // SAFETY: `run` has checked where the rows end.
                    left[r] = unsafe { left[r].add(self.left_rows[(row + r).min(rows - 1)]) };
                }
                for c in 0..C {
                    // SAFETY: As above.
                    right[c] = unsafe { right[c].add(self.right_rows[(col + c).min(cols - 1)]) };
                }
                let mut sums = [[l.zero(); C]; R];
                for image in 0..self.images {
                    // SAFETY: `run` has checked the last place of the last image.
                    unsafe { self.image(l, &left, &right, image, &mut sums) };
                }
                for r in 0..R.min(rows - row) {
                    for c in 0..C.min(cols - col) {
                        result[(row + r) * cols + col + c] += l.sum(sums[r][c]);
                    }
                }
            }
        }
    }

    /// # Safety
    /// All rows hold this image.
    #[inline(always)]
    unsafe fn image<L: Lanes, const R: usize, const C: usize>(
        &self,
        l: L,
        left: &[*const f32; R],
        right: &[*const f32; C],
        image: usize,
        sums: &mut [[L::V; C]; R],
    ) {
        let mut at = 0;
        while at < self.places {
            // SAFETY: The caller's promise.
            unsafe {
                let mut lefts = [l.zero(); R];
                for r in 0..R {
                    lefts[r] = l.load(left[r].add(image * self.left_image + at));
                }
                for c in 0..C {
                    let value = l.load(right[c].add(image * self.right_image + at));
                    for r in 0..R {
                        sums[r][c] = l.mul_add(lefts[r], value, sums[r][c]);
                    }
                }
            }
            at += L::N;
        }
    }
}
