//! Batch normalisation with the statistics of the batch, its gradient, and both with the clipping that follows.

#![allow(unsafe_code)]

use super::pool::{Pieces, Pool, chunks};
use super::simd::{Lanes, Level, Routine};
use super::sum::{Sum, WAYS};
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
    fn count(&self) -> f64 {
        (self.images * self.plane) as f64
    }

    /// Where a plane starts.
    fn at(&self, image: usize, channel: usize) -> usize {
        (image * self.channels + channel) * self.plane
    }

    /// What `x - mean` is multiplied with: of the variance as it is handed on, so that the gradient finds the same bits.
    fn factor(&self, scale: f32, var: f32) -> f32 {
        (f64::from(scale) / (f64::from(var) + f64::from(self.epsilon)).sqrt()) as f32
    }

    /// Channels of a task: enough for some consecutive memory, few enough to meet them in the cache again.
    fn channels_of_task(&self) -> usize {
        (RUN / self.plane.max(1)).clamp(1, MOST)
    }

    fn each(&self, pool: &dyn Pool, task: &(dyn Fn(Range<usize>) + Sync)) {
        let of_task = self.channels_of_task();
        let range = |index: usize| index * of_task..((index + 1) * of_task).min(self.channels);
        pool.each(self.channels.div_ceil(of_task), &|index| task(range(index)));
    }
}

/// Elements that follow one another.
const RUN: usize = 512;
/// Channels that a task may have.
const MOST: usize = 16;

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
        for image in 0..batch.images {
            for index in 0..count {
                sums[index].add(&x[batch.at(image, first + index)..][..batch.plane]);
            }
        }
        for index in 0..count {
            self.mean[index] = (sums[index].total() / batch.count()) as f32;
        }
        let mut sums = [Sum::new(l); MOST];
        for image in 0..batch.images {
            for index in 0..count {
                sums[index].add_squares(&x[batch.at(image, first + index)..][..batch.plane], self.mean[index]);
            }
        }
        for index in 0..count {
            self.var[index] = (sums[index].total() / batch.count()) as f32;
        }
        for image in 0..batch.images {
            for index in 0..count {
                let at = batch.at(image, first + index);
                let factor = batch.factor(self.scale[index], self.var[index]);
                let affine = Affine { mean: self.mean[index], factor, bias: self.bias[index] };
                // SAFETY: The planes of a channel belong to one task.
                let y = unsafe { self.y.get(at, batch.plane) };
                affine.run(l, &x[at..][..batch.plane], batch.clip, y);
            }
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Affine {
    mean: f32,
    factor: f32,
    bias: f32,
}

impl Affine {
    fn of(&self, x: f32) -> f32 {
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

/// What the gradient is taken of: `dy`, `x`, then per channel scale, bias, mean, var. Without clipping, the bias does not
/// matter and may be empty.
pub(super) type Gradients<'a> = [&'a [f32]; 6];

/// The full derivative of [`forward`] for the gradient `dy`, through the statistics too: `dx`, `dscale`, `dbias`.
pub(super) fn gradient(
    level: Level,
    pool: &dyn Pool,
    batch: &Batch,
    inputs: Gradients<'_>,
    [dx, dscale, dbias]: [&mut [f32]; 3],
) {
    let (dx, dscale, dbias) = (Pieces::new(dx), Pieces::new(dscale), Pieces::new(dbias));
    batch.each(pool, &|channels| {
        // SAFETY: Every channel belongs to one task.
        let (dscale, dbias) =
            unsafe { (dscale.get(channels.start, channels.len()), dbias.get(channels.start, channels.len())) };
        level.run(Gradient { batch, channels, inputs, dx: &dx, dscale, dbias });
    });
}

struct Gradient<'a> {
    batch: &'a Batch,
    channels: Range<usize>,
    inputs: Gradients<'a>,
    dx: &'a Pieces<'a>,
    dscale: &'a mut [f32],
    dbias: &'a mut [f32],
}

impl Routine for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Self { batch, ref channels, inputs: [dy, x, scale, bias, mean, var], .. } = self;
        let (first, count) = (channels.start, channels.len());
        let mut slopes = [Slope::default(); MOST];
        let (mut sums, mut products) = ([Sum::new(l); MOST], [Sum::new(l); MOST]);
        for index in 0..count {
            let channel = first + index;
            let affine = Affine {
                mean: mean[channel],
                factor: batch.factor(scale[channel], var[channel]),
                bias: if batch.clip.is_some() { bias[channel] } else { 0.0 },
            };
            slopes[index] = Slope { affine, level: 0.0, slope: 0.0 };
        }
        for image in 0..batch.images {
            for index in 0..count {
                let at = batch.at(image, first + index);
                let (dy, x) = (&dy[at..][..batch.plane], &x[at..][..batch.plane]);
                slopes[index].sums(l, dy, x, batch.clip, [&mut sums[index], &mut products[index]]);
            }
        }
        for index in 0..count {
            let (sum, product) = (sums[index].total(), products[index].total());
            let inverse = 1.0 / (f64::from(var[first + index]) + f64::from(batch.epsilon)).sqrt();
            slopes[index].level = (sum / batch.count()) as f32;
            slopes[index].slope = (product * inverse * inverse / batch.count()) as f32;
            self.dscale[index] = (product * inverse) as f32;
            self.dbias[index] = sum as f32;
        }
        for image in 0..batch.images {
            for index in 0..count {
                let at = batch.at(image, first + index);
                let (dy, x) = (&dy[at..][..batch.plane], &x[at..][..batch.plane]);
                // SAFETY: The planes of a channel belong to one task.
                let dx = unsafe { self.dx.get(at, batch.plane) };
                slopes[index].run(l, dy, x, batch.clip, dx);
            }
        }
    }
}

/// The gradient of one channel.
#[derive(Clone, Copy, Default)]
struct Slope {
    affine: Affine,
    level: f32,
    slope: f32,
}

impl Slope {
    /// `dy`, and zero where the result was clipped.
    #[inline(always)]
    fn kept<L: Lanes>(&self, l: L, dy: L::V, centred: L::V, clip: Option<(f32, f32)>) -> L::V {
        match clip {
            Some((low, high)) => {
                let y = l.mul_add(centred, l.splat(self.affine.factor), l.splat(self.affine.bias));
                l.between(y, l.splat(low), l.splat(high), dy)
            }
            None => dy,
        }
    }

    fn kept_of(&self, dy: f32, x: f32, clip: Option<(f32, f32)>) -> f32 {
        let y = self.affine.of(x);
        if clip.is_none_or(|(low, high)| low < y && y < high) { dy } else { 0.0 }
    }

    /// Adds `dy` to one sum, `dy * (x - mean)` to the other.
    #[inline(always)]
    fn sums<L: Lanes>(&self, l: L, dy: &[f32], x: &[f32], clip: Option<(f32, f32)>, to: [&mut Sum<L>; 2]) {
        let [to_sum, to_products] = to;
        let (mut sum, mut products) = (*to_sum, *to_products);
        let means = l.splat(self.affine.mean);
        let (mut dys, mut xs) = (dy.chunks_exact(WAYS * L::N), x.chunks_exact(WAYS * L::N));
        for (dy, x) in dys.by_ref().zip(xs.by_ref()) {
            for way in 0..WAYS {
                // SAFETY: Both blocks hold so many vectors.
                let (dy, x) = unsafe { (l.load(dy.as_ptr().add(way * L::N)), l.load(x.as_ptr().add(way * L::N))) };
                let centred = l.sub(x, means);
                let dy = self.kept(l, dy, centred, clip);
                sum.add_vector(way, dy);
                products.add_product(way, dy, centred);
            }
            sum.step();
            products.step();
        }
        let (mut dys, mut xs) = (dys.remainder().chunks_exact(L::N), xs.remainder().chunks_exact(L::N));
        for (dy, x) in dys.by_ref().zip(xs.by_ref()) {
            // SAFETY: Both chunks hold a vector.
            let (dy, x) = unsafe { (l.load(dy.as_ptr()), l.load(x.as_ptr())) };
            let centred = l.sub(x, means);
            let dy = self.kept(l, dy, centred, clip);
            sum.add_vector(0, dy);
            products.add_product(0, dy, centred);
            sum.step();
            products.step();
        }
        for (&dy, &x) in dys.remainder().iter().zip(xs.remainder()) {
            let dy = self.kept_of(dy, x, clip);
            sum.add_single(dy);
            products.add_single(dy * (x - self.affine.mean));
        }
        (*to_sum, *to_products) = (sum, products);
    }

    /// `dx = (dy - level - (x - mean) * slope) * factor`
    #[inline(always)]
    fn run<L: Lanes>(&self, l: L, dy: &[f32], x: &[f32], clip: Option<(f32, f32)>, dx: &mut [f32]) {
        let (means, factors) = (l.splat(self.affine.mean), l.splat(self.affine.factor));
        let (levels, slopes) = (l.splat(self.level), l.splat(-self.slope));
        let (mut dys, mut xs) = (dy.chunks_exact(L::N), x.chunks_exact(L::N));
        let mut dxs = dx.chunks_exact_mut(L::N);
        for ((dy, x), dx) in dys.by_ref().zip(xs.by_ref()).zip(dxs.by_ref()) {
            // SAFETY: All chunks hold N elements.
            unsafe {
                let centred = l.sub(l.load(x.as_ptr()), means);
                let dy = self.kept(l, l.load(dy.as_ptr()), centred, clip);
                let rest = l.mul_add(centred, slopes, l.sub(dy, levels));
                l.store(dx.as_mut_ptr(), l.mul(rest, factors));
            }
        }
        for ((&dy, &x), dx) in dys.remainder().iter().zip(xs.remainder()).zip(dxs.into_remainder()) {
            let (dy, centred) = (self.kept_of(dy, x, clip), x - self.affine.mean);
            *dx = (dy - self.level - centred * self.slope) * self.affine.factor;
        }
    }
}

/// `dx = dy` where `y` lies between the bounds, else zero.
pub(super) fn clip_gradient(
    level: Level,
    pool: &dyn Pool,
    (low, high): (f32, f32),
    [dy, y]: [&[f32]; 2],
    dx: &mut [f32],
) {
    chunks(pool, dx, MASKED, &|task, dx| {
        let (dy, y) = (&dy[task * MASKED..][..dx.len()], &y[task * MASKED..][..dx.len()]);
        level.run(Clipped { low, high, dy, y, dx });
    });
}

/// Elements of a task of [`clip_gradient`].
const MASKED: usize = 1 << 16;

struct Clipped<'a> {
    low: f32,
    high: f32,
    dy: &'a [f32],
    y: &'a [f32],
    dx: &'a mut [f32],
}

impl Routine for Clipped<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Self { low, high, dy, y, dx } = self;
        let (lows, highs) = (l.splat(low), l.splat(high));
        let (mut dys, mut ys) = (dy.chunks_exact(L::N), y.chunks_exact(L::N));
        let mut dxs = dx.chunks_exact_mut(L::N);
        for ((dy, y), dx) in dys.by_ref().zip(ys.by_ref()).zip(dxs.by_ref()) {
            // SAFETY: All chunks hold N elements.
            unsafe { l.store(dx.as_mut_ptr(), l.between(l.load(y.as_ptr()), lows, highs, l.load(dy.as_ptr()))) }
        }
        for ((&dy, &y), dx) in dys.remainder().iter().zip(ys.remainder()).zip(dxs.into_remainder()) {
            *dx = if low < y && y < high { dy } else { 0.0 };
        }
    }
}
