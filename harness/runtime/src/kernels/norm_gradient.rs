//! The gradient of batch normalisation with the statistics of the batch, and of the clipping that follows.

#![allow(unsafe_code)]

use super::norm::{Affine, Batch, MOST, NEAR};
use super::pool::{Pieces, Pool};
use super::simd::{Lanes, Level, Routine};
use super::sum::{Sum, WAYS};
use std::ops::Range;

/// What the gradient is taken of.
#[derive(Clone, Copy)]
pub(super) struct Gradients<'a> {
    /// The gradient of the result; `None` if it is what `dx` holds.
    pub(super) dy: Option<&'a [f32]>,
    pub(super) x: &'a [f32],
    pub(super) scale: &'a [f32],
    /// It matters with clipping alone and may else be empty.
    pub(super) bias: &'a [f32],
    pub(super) mean: &'a [f32],
    pub(super) var: &'a [f32],
}

/// The full derivative of [`forward`](super::norm::forward) for the gradient `dy`, through the statistics too: `dx`, `dscale`, `dbias`.
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
        let Self { batch, ref channels, inputs: Gradients { dy, x, scale, bias, mean, var }, .. } = self;
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
        for start in (0..batch.images).step_by(NEAR) {
            for index in 0..count {
                let (mut sum, mut product) = (sums[index], products[index]);
                for image in batch.near(start) {
                    let at = batch.at(image, first + index);
                    let x = &x[at..][..batch.plane];
                    // SAFETY: The planes of a channel belong to one task.
                    let dx = unsafe { self.dx.get(at, batch.plane) };
                    let dy = dy.map_or(&*dx, |dy| &dy[at..][..batch.plane]);
                    slopes[index].sums(l, dy, x, batch.clip, [&mut sum, &mut product]);
                }
                (sums[index], products[index]) = (sum, product);
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
        for start in (0..batch.images).step_by(NEAR) {
            for (index, slope) in slopes.iter().enumerate().take(count) {
                for image in batch.near(start) {
                    let at = batch.at(image, first + index);
                    let (dy, x) = (dy.map(|dy| &dy[at..][..batch.plane]), &x[at..][..batch.plane]);
                    // SAFETY: The planes of a channel belong to one task.
                    let dx = unsafe { self.dx.get(at, batch.plane) };
                    slope.run(l, dy, x, batch.clip, dx);
                }
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
    fn run<L: Lanes>(&self, l: L, dy: Option<&[f32]>, x: &[f32], clip: Option<(f32, f32)>, dx: &mut [f32]) {
        let (means, factors) = (l.splat(self.affine.mean), l.splat(self.affine.factor));
        let (levels, slopes) = (l.splat(self.level), l.splat(-self.slope));
        let (count, to) = (dx.len(), dx.as_mut_ptr());
        let from = dy.map_or(to.cast_const(), <[f32]>::as_ptr);
        assert!(x.len() == count && dy.is_none_or(|dy| dy.len() == count));
        let whole = count - count % L::N;
        for at in (0..whole).step_by(L::N) {
            // SAFETY: All three hold a vector here; what is overwritten has been read.
            unsafe {
                let centred = l.sub(l.load(x.as_ptr().add(at)), means);
                let dy = self.kept(l, l.load(from.add(at)), centred, clip);
                let rest = l.mul_add(centred, slopes, l.sub(dy, levels));
                l.store(to.add(at), l.mul(rest, factors));
            }
        }
        for at in whole..count {
            let centred = x[at] - self.affine.mean;
            // SAFETY: As above.
            unsafe {
                let dy = self.kept_of(*from.add(at), x[at], clip);
                *to.add(at) = (dy - self.level - centred * self.slope) * self.affine.factor;
            }
        }
    }
}
