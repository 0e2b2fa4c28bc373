//! Batch normalisation with the statistics of the batch, and with the clipping that follows.

#![allow(unsafe_code)]

use super::pool::{Pieces, Pool};
use super::simd::{Lanes, Level, Routine};
use super::sum::Sum;
use std::ops::Range;

/// Sizes of what is normalised, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    pub(super) images: usize,
    pub(super) channels: usize,
    /// Elements of a plane.
    pub(super) plane: usize,
    pub(super) epsilon: f32,
    /// Bounds of the result.
    pub(super) clip: Option<(f32, f32)>,
}

impl Batch {
    pub(super) fn count(&self) -> f64 {
        (self.images * self.plane) as f64
    }

    /// Where a plane starts.
    pub(super) fn at(&self, image: usize, channel: usize) -> usize {
        (image * self.channels + channel) * self.plane
    }

    /// Some images from `start` on, which are swept together.
    pub(super) fn near(&self, start: usize) -> Range<usize> {
        start..(start + NEAR).min(self.images)
    }

    /// What `x - mean` is multiplied with: of the variance as it is handed on, so that the gradient finds the same bits.
    pub(super) fn factor(&self, scale: f32, var: f32) -> f32 {
        (f64::from(scale) / (f64::from(var) + f64::from(self.epsilon)).sqrt()) as f32
    }

    /// Channels of a task: enough for some consecutive memory, few enough to meet them in the cache again.
    fn channels_of_task(&self) -> usize {
        (RUN / self.plane.max(1)).clamp(1, MOST)
    }

    pub(super) fn each(&self, pool: &dyn Pool, task: &(dyn Fn(Range<usize>) + Sync)) {
        let of_task = self.channels_of_task();
        let range = |index: usize| index * of_task..((index + 1) * of_task).min(self.channels);
        pool.each(self.channels.div_ceil(of_task), &|index| task(range(index)));
    }
}

/// Elements that follow one another.
const RUN: usize = 512;
/// Images whose planes of one channel are met before those of the next.
pub(super) const NEAR: usize = 8;
/// Channels that a task may have.
pub(super) const MOST: usize = 16;

/// `y = (x - mean) / sqrt(var + epsilon) * scale + bias`, clipped, with the mean and the biased variance of each channel.
pub(super) fn forward(
    level: Level,
    pool: &dyn Pool,
    batch: &Batch,
    [x, scale, bias]: [&[f32]; 3],
    [y, mean, var]: [&mut [f32]; 3],
) {
    let (y, mean, var) = (Pieces::new(y), Pieces::new(mean), Pieces::new(var));
    batch.each(pool, &|channels| {
        // SAFETY: Every channel belongs to one task.
        let (mean, var) =
            unsafe { (mean.get(channels.start, channels.len()), var.get(channels.start, channels.len())) };
        let (scale, bias) = (&scale[channels.clone()], &bias[channels.clone()]);
        level.run(Forward { batch, channels, x, scale, bias, y: &y, mean, var });
    });
}

struct Forward<'a> {
    batch: &'a Batch,
    channels: Range<usize>,
    x: &'a [f32],
    scale: &'a [f32],
    bias: &'a [f32],
    y: &'a Pieces<'a>,
    mean: &'a mut [f32],
    var: &'a mut [f32],
}

impl Routine for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Self { batch, ref channels, x, .. } = self;
        let (first, count) = (channels.start, channels.len());
        let mut sums = [Sum::new(l); MOST];
        for start in (0..batch.images).step_by(NEAR) {
            for index in 0..count {
                let mut sum = sums[index];
                for image in batch.near(start) {
                    sum.add(&x[batch.at(image, first + index)..][..batch.plane]);
                }
                sums[index] = sum;
            }
        }
        for index in 0..count {
            self.mean[index] = (sums[index].total() / batch.count()) as f32;
        }
        let mut sums = [Sum::new(l); MOST];
        for start in (0..batch.images).step_by(NEAR) {
            for index in 0..count {
                let mut sum = sums[index];
                for image in batch.near(start) {
                    sum.add_squares(&x[batch.at(image, first + index)..][..batch.plane], self.mean[index]);
                }
                sums[index] = sum;
            }
        }
        let mut affines = [Affine::default(); MOST];
        for index in 0..count {
            self.var[index] = (sums[index].total() / batch.count()) as f32;
            let factor = batch.factor(self.scale[index], self.var[index]);
            affines[index] = Affine { mean: self.mean[index], factor, bias: self.bias[index] };
        }
        for start in (0..batch.images).step_by(NEAR) {
            for (index, affine) in affines.iter().enumerate().take(count) {
                for image in batch.near(start) {
                    let at = batch.at(image, first + index);
                    // SAFETY: The planes of a channel belong to one task.
                    let y = unsafe { self.y.get(at, batch.plane) };
                    affine.run(l, &x[at..][..batch.plane], batch.clip, y);
                }
            }
        }
    }
}

#[derive(Clone, Copy, Default)]
pub(super) struct Affine {
    pub(super) mean: f32,
    pub(super) factor: f32,
    pub(super) bias: f32,
}

impl Affine {
    pub(super) fn of(&self, x: f32) -> f32 {
        (x - self.mean) * self.factor + self.bias
    }

    /// `y = (x - mean) * factor + bias`, clipped
    #[inline(always)]
    fn run<L: Lanes>(&self, l: L, x: &[f32], clip: Option<(f32, f32)>, y: &mut [f32]) {
        let (means, factors, biases) = (l.splat(self.mean), l.splat(self.factor), l.splat(self.bias));
        let bounds = clip.map(|(low, high)| (l.splat(low), l.splat(high)));
        let (mut xs, mut ys) = (x.chunks_exact(L::N), y.chunks_exact_mut(L::N));
        for (x, y) in xs.by_ref().zip(ys.by_ref()) {
            // SAFETY: Both chunks hold N elements.
            unsafe {
                let mut value = l.mul_add(l.sub(l.load(x.as_ptr()), means), factors, biases);
                if let Some((low, high)) = bounds {
                    value = l.clip(value, low, high);
                }
                l.store(y.as_mut_ptr(), value);
            }
        }
        for (x, y) in xs.remainder().iter().zip(ys.into_remainder()) {
            let value = self.of(*x);
            *y = clip.map_or(value, |(low, high)| value.clamp(low, high));
        }
    }
}
