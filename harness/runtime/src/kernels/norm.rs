//! Batch normalisation with the statistics of the batch, and its gradient.

#![allow(unsafe_code)]

use super::pool::{Pieces, Pool};
use super::simd::{Lanes, Level, Routine};

/// Sizes of what is normalised: images, channels, elements of a plane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    pub(super) images: usize,
    pub(super) channels: usize,
    pub(super) plane: usize,
}

impl Batch {
    fn count(&self) -> f64 {
        (self.images * self.plane) as f64
    }

    fn planes(&self, channel: usize) -> impl Iterator<Item = usize> {
        let (channels, plane) = (self.channels, self.plane);
        (0..self.images).map(move |image| (image * channels + channel) * plane)
    }
}

/// Channels of a task: enough for some consecutive memory.
fn channels_of_task(plane: usize) -> usize {
    (256 / plane.max(1)).clamp(1, 16)
}

/// `y = (x - mean) / sqrt(var + epsilon) * scale + bias`, with the mean and the biased variance of each channel.
#[expect(clippy::too_many_arguments, reason = "the operator's inputs and outputs")]
pub(super) fn forward(
    level: Level,
    pool: &dyn Pool,
    batch: &Batch,
    epsilon: f32,
    [x, scale, bias]: [&[f32]; 3],
    y: &mut [f32],
    mean: &mut [f32],
    var: &mut [f32],
) {
    let of_task = channels_of_task(batch.plane);
    let (y, mean, var) = (Pieces::new(y), Pieces::new(mean), Pieces::new(var));
    pool.each(batch.channels.div_ceil(of_task), &|task| {
        for channel in task * of_task..((task + 1) * of_task).min(batch.channels) {
            // SAFETY: Every channel belongs to one task.
            let (mean, var) = unsafe { (&mut mean.get(channel, 1)[0], &mut var.get(channel, 1)[0]) };
            let (scale, bias) = (scale[channel], bias[channel]);
            level.run(Forward { batch, channel, epsilon, x, scale, bias, y: &y, mean, var });
        }
    });
}

struct Forward<'a> {
    batch: &'a Batch,
    channel: usize,
    epsilon: f32,
    x: &'a [f32],
    scale: f32,
    bias: f32,
    y: &'a Pieces<'a>,
    mean: &'a mut f32,
    var: &'a mut f32,
}

impl Routine for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Self { batch, channel, x, .. } = self;
        let mut sum = Sum::new(l);
        for at in batch.planes(channel) {
            sum.add_all(&x[at..at + batch.plane]);
        }
        let mean = (sum.total() / batch.count()) as f32;
        let mut sum = Sum::new(l);
        for at in batch.planes(channel) {
            sum.add_squares(&x[at..at + batch.plane], mean);
        }
        let var = sum.total() / batch.count();
        let factor = (f64::from(self.scale) / (var + f64::from(self.epsilon)).sqrt()) as f32;
        for at in batch.planes(channel) {
            // SAFETY: The planes of a channel belong to one task.
            let y = unsafe { self.y.get(at, batch.plane) };
            affine(l, &x[at..at + batch.plane], mean, factor, self.bias, y);
        }
        (*self.mean, *self.var) = (mean, var as f32);
    }
}

/// `y = (x - mean) * factor + bias`
#[inline(always)]
fn affine<L: Lanes>(l: L, x: &[f32], mean: f32, factor: f32, bias: f32, y: &mut [f32]) {
    let (means, factors, biases) = (l.splat(mean), l.splat(factor), l.splat(bias));
    let (mut xs, mut ys) = (x.chunks_exact(L::N), y.chunks_exact_mut(L::N));
    for (x, y) in xs.by_ref().zip(ys.by_ref()) {
        // SAFETY: Both chunks hold N elements.
        unsafe { l.store(y.as_mut_ptr(), l.mul_add(l.sub(l.load(x.as_ptr()), means), factors, biases)) }
    }
    for (x, y) in xs.remainder().iter().zip(ys.into_remainder()) {
        *y = (x - mean) * factor + bias;
    }
}

/// The full derivative of [`forward`] for the gradient `dy`, through the statistics too.
#[expect(clippy::too_many_arguments, reason = "the operator's inputs and outputs")]
pub(super) fn gradient(
    level: Level,
    pool: &dyn Pool,
    batch: &Batch,
    epsilon: f32,
    [dy, x, scale, mean, var]: [&[f32]; 5],
    dx: &mut [f32],
    dscale: &mut [f32],
    dbias: &mut [f32],
) {
    let of_task = channels_of_task(batch.plane);
    let (dx, dscale, dbias) = (Pieces::new(dx), Pieces::new(dscale), Pieces::new(dbias));
    pool.each(batch.channels.div_ceil(of_task), &|task| {
        for channel in task * of_task..((task + 1) * of_task).min(batch.channels) {
            // SAFETY: Every channel belongs to one task.
            let (dscale, dbias) = unsafe { (&mut dscale.get(channel, 1)[0], &mut dbias.get(channel, 1)[0]) };
            let inverse = 1.0 / (f64::from(var[channel]) + f64::from(epsilon)).sqrt();
            let (scale, mean) = (scale[channel], mean[channel]);
            level.run(Gradient { batch, channel, inverse, dy, x, scale, mean, dx: &dx, dscale, dbias });
        }
    });
}

struct Gradient<'a> {
    batch: &'a Batch,
    channel: usize,
    inverse: f64,
    dy: &'a [f32],
    x: &'a [f32],
    scale: f32,
    mean: f32,
    dx: &'a Pieces<'a>,
    dscale: &'a mut f32,
    dbias: &'a mut f32,
}

impl Routine for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Self { batch, channel, inverse, dy, x, mean, .. } = self;
        let (mut sum, mut products) = (Sum::new(l), Sum::new(l));
        for at in batch.planes(channel) {
            let (dy, x) = (&dy[at..at + batch.plane], &x[at..at + batch.plane]);
            sum.add_all(dy);
            products.add_products(dy, x, mean);
        }
        let (sum, products) = (sum.total(), products.total());
        let factor = (f64::from(self.scale) * inverse) as f32;
        let (level, slope) = ((sum / batch.count()) as f32, (products * inverse * inverse / batch.count()) as f32);
        for at in batch.planes(channel) {
            let (dy, x) = (&dy[at..at + batch.plane], &x[at..at + batch.plane]);
            // SAFETY: The planes of a channel belong to one task.
            let dx = unsafe { self.dx.get(at, batch.plane) };
            combine(l, dy, x, [mean, level, slope, factor], dx);
        }
        (*self.dscale, *self.dbias) = ((products * inverse) as f32, sum as f32);
    }
}

/// `dx = (dy - level - (x - mean) * slope) * factor`
#[inline(always)]
fn combine<L: Lanes>(l: L, dy: &[f32], x: &[f32], [mean, level, slope, factor]: [f32; 4], dx: &mut [f32]) {
    let (means, levels, slopes, factors) = (l.splat(mean), l.splat(level), l.splat(-slope), l.splat(factor));
    let (mut dys, mut xs) = (dy.chunks_exact(L::N), x.chunks_exact(L::N));
    let mut dxs = dx.chunks_exact_mut(L::N);
    for ((dy, x), dx) in dys.by_ref().zip(xs.by_ref()).zip(dxs.by_ref()) {
        // SAFETY: All chunks hold N elements.
        unsafe {
            let centred = l.sub(l.load(x.as_ptr()), means);
            let rest = l.mul_add(centred, slopes, l.sub(l.load(dy.as_ptr()), levels));
            l.store(dx.as_mut_ptr(), l.mul(rest, factors));
        }
    }
    for ((dy, x), dx) in dys.remainder().iter().zip(xs.remainder()).zip(dxs.into_remainder()) {
        *dx = (dy - level - (x - mean) * slope) * factor;
    }
}

/// A sum of many terms: some in f32 in every lane, those in f64.
struct Sum<L: Lanes> {
    l: L,
    lanes: [L::V; 4],
    steps: usize,
    total: f64,
}

/// Terms of a lane before they go to f64.
const STEPS: usize = 16;

impl<L: Lanes> Sum<L> {
    #[inline(always)]
    fn new(l: L) -> Self {
        Self { l, lanes: [l.zero(); 4], steps: 0, total: 0.0 }
    }

    #[inline(always)]
    fn flush(&mut self) {
        let [a, b, c, d] = self.lanes;
        self.total += f64::from(self.l.sum(self.l.add(self.l.add(a, b), self.l.add(c, d))));
        (self.lanes, self.steps) = ([self.l.zero(); 4], 0);
    }

    #[inline(always)]
    fn total(mut self) -> f64 {
        self.flush();
        self.total
    }

    #[inline(always)]
    fn step(&mut self) {
        self.steps += 1;
        if self.steps == STEPS {
            self.flush();
        }
    }

    #[inline(always)]
    fn add_all(&mut self, x: &[f32]) {
        let l = self.l;
        let mut blocks = x.chunks_exact(4 * L::N);
        for x in blocks.by_ref() {
            for i in 0..4 {
                // SAFETY: The block holds 4 N elements.
                self.lanes[i] = l.add(self.lanes[i], unsafe { l.load(x.as_ptr().add(i * L::N)) });
            }
            self.step();
        }
        let mut rest = blocks.remainder().chunks_exact(L::N);
        for x in rest.by_ref() {
            // SAFETY: The chunk holds N elements.
            self.lanes[0] = l.add(self.lanes[0], unsafe { l.load(x.as_ptr()) });
        }
        self.step();
        self.total += rest.remainder().iter().map(|&x| f64::from(x)).sum::<f64>();
    }

    #[inline(always)]
    fn add_squares(&mut self, x: &[f32], mean: f32) {
        let (l, means) = (self.l, self.l.splat(mean));
        let mut blocks = x.chunks_exact(4 * L::N);
        for x in blocks.by_ref() {
            for i in 0..4 {
                // SAFETY: The block holds 4 N elements.
                let centred = l.sub(unsafe { l.load(x.as_ptr().add(i * L::N)) }, means);
                self.lanes[i] = l.mul_add(centred, centred, self.lanes[i]);
            }
            self.step();
        }
        let mut rest = blocks.remainder().chunks_exact(L::N);
        for x in rest.by_ref() {
            // SAFETY: The chunk holds N elements.
            let centred = l.sub(unsafe { l.load(x.as_ptr()) }, means);
            self.lanes[0] = l.mul_add(centred, centred, self.lanes[0]);
        }
        self.step();
        self.total += rest.remainder().iter().map(|&x| f64::from(x - mean).powi(2)).sum::<f64>();
    }

    #[inline(always)]
    fn add_products(&mut self, dy: &[f32], x: &[f32], mean: f32) {
        let (l, means) = (self.l, self.l.splat(mean));
        let (mut dys, mut xs) = (dy.chunks_exact(4 * L::N), x.chunks_exact(4 * L::N));
        for (dy, x) in dys.by_ref().zip(xs.by_ref()) {
            for i in 0..4 {
                // SAFETY: Both blocks hold 4 N elements.
                let (dy, x) = unsafe { (l.load(dy.as_ptr().add(i * L::N)), l.load(x.as_ptr().add(i * L::N))) };
                self.lanes[i] = l.mul_add(dy, l.sub(x, means), self.lanes[i]);
            }
            self.step();
        }
        let (mut dys, mut xs) = (dys.remainder().chunks_exact(L::N), xs.remainder().chunks_exact(L::N));
        for (dy, x) in dys.by_ref().zip(xs.by_ref()) {
            // SAFETY: Both chunks hold N elements.
            let (dy, x) = unsafe { (l.load(dy.as_ptr()), l.load(x.as_ptr())) };
            self.lanes[0] = l.mul_add(dy, l.sub(x, means), self.lanes[0]);
        }
        self.step();
        let rest = dys.remainder().iter().zip(xs.remainder());
        self.total += rest.map(|(&dy, &x)| f64::from(dy) * f64::from(x - mean)).sum::<f64>();
    }
}
