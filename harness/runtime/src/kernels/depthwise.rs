//! Convolutions where every channel has its own window, and their gradients.

#![allow(unsafe_code)]

use super::pool::{Pool, chunks, scratch};
use super::simd::{Lanes, Level, Routine};
use super::tile::Sums;
use super::window::{Pass, Scheme, Window};

/// `y = conv(x, w)` with a group for every channel.
pub(super) fn forward(
    level: Level,
    pool: &dyn Pool,
    window: &Window,
    channels: usize,
    x: &[f32],
    w: &[f32],
    y: &mut [f32],
) {
    planes(level, pool, &Scheme::gather(window), channels, (window.input(), window.output()), x, w, y);
}

/// The gradient of [`forward`] with respect to `x`, for the gradient `dy`.
pub(super) fn input_gradient(
    level: Level,
    pool: &dyn Pool,
    window: &Window,
    channels: usize,
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
) {
    planes(level, pool, &Scheme::scatter(window), channels, (window.output(), window.input()), dy, w, dx);
}

/// Elements that a task writes.
const TASK: usize = 1 << 15;

#[expect(clippy::too_many_arguments, reason = "two tensors in, one out, and how")]
fn planes(
    level: Level,
    pool: &dyn Pool,
    scheme: &Scheme,
    channels: usize,
    (source, result): (usize, usize),
    x: &[f32],
    w: &[f32],
    y: &mut [f32],
) {
    let count = (TASK / result.max(1)).max(1);
    let taps = w.len() / channels.max(1);
    chunks(pool, y, count * result, &|task, y| {
        level.run(Planes { scheme, source, result, taps, channels, first: task * count, x, w, y });
    });
}

/// Some consecutive planes of a batch.
struct Planes<'a> {
    scheme: &'a Scheme,
    source: usize,
    result: usize,
    taps: usize,
    channels: usize,
    first: usize,
    x: &'a [f32],
    w: &'a [f32],
    y: &'a mut [f32],
}

impl Routine for Planes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let scheme = self.scheme;
        let longest = scheme.passes.iter().map(|pass| pass.places(scheme)).max().unwrap_or(0);
        let covered: usize = scheme.passes.iter().map(|pass| pass.rows * pass.cols).sum();
        scratch([scheme.plane + scheme.slack, longest + 4 * L::N], |[planes, results]| {
            planes[scheme.plane..].fill(0.0);
            for (index, y) in self.y.chunks_exact_mut(self.result).enumerate() {
                let plane = self.first + index;
                let w = &self.w[plane % self.channels * self.taps..][..self.taps];
                scheme.fill(&self.x[plane * self.source..][..self.source], planes);
                if covered < self.result {
                    y.fill(0.0);
                }
                for pass in &scheme.passes {
                    stencil(l, scheme, pass, w, planes, results);
                    pass.write(scheme, results, y);
                }
            }
        });
    }
}

/// `results[place] = sum over taps of w[tap] * planes[offset + place]`
#[inline(always)]
fn stencil<L: Lanes>(l: L, scheme: &Scheme, pass: &Pass, w: &[f32], planes: &[f32], results: &mut [f32]) {
    const C: usize = 4;
    let places = pass.places(scheme);
    let mut place = 0;
    while place < places {
        let mut sums = [l.zero(); C];
        // What lies behind the last place is in the slack: every plane ends before it.
        for &(tap, offset) in &pass.taps {
            let values = &planes[offset + place..][..C * L::N];
            let weight = l.splat(w[tap]);
            for c in 0..C {
                // SAFETY: The slice has the length.
                sums[c] = l.mul_add(weight, unsafe { l.load(values.as_ptr().add(c * L::N)) }, sums[c]);
            }
        }
        let to = &mut results[place..][..C * L::N];
        for c in 0..C {
            // SAFETY: As above.
            unsafe { l.store(to.as_mut_ptr().add(c * L::N), sums[c]) }
        }
        place += C * L::N;
    }
}

/// The gradient of [`forward`] with respect to `w`, for the gradient `dy`. One task per channel.
pub(super) fn weight_gradient(
    level: Level,
    pool: &dyn Pool,
    window: &Window,
    channels: usize,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
) {
    let scheme = Scheme::gather(window);
    chunks(pool, dw, window.kernel(), &|channel, dw| {
        level.run(Channel { scheme: &scheme, window, channels, channel, x, dy, dw });
    });
}

struct Channel<'a> {
    scheme: &'a Scheme,
    window: &'a Window,
    channels: usize,
    channel: usize,
    x: &'a [f32],
    dy: &'a [f32],
    dw: &'a mut [f32],
}

/// Elements of the planes that are held at once: what fits in the nearest cache.
const HELD: usize = 1 << 12;

impl Routine for Channel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let (scheme, pass) = (self.scheme, &self.scheme.passes[0]);
        let (source, result) = (self.window.input(), self.window.output());
        let places = pass.places(scheme).next_multiple_of(L::N);
        let step = (HELD / (scheme.plane + places)).max(1);
        let images = self.x.len() / (self.channels * source).max(1);
        let rows: Vec<usize> = pass.taps.iter().map(|&(_, offset)| offset).collect();
        self.dw.fill(0.0);
        scratch([step * scheme.plane + scheme.slack, step * places], |[planes, results]| {
            for start in (0..images).step_by(step) {
                let count = step.min(images - start);
                for index in 0..count {
                    let plane = (start + index) * self.channels + self.channel;
                    scheme.fill(&self.x[plane * source..][..source], &mut planes[index * scheme.plane..]);
                    pass.read(scheme, &self.dy[plane * result..][..result], &mut results[index * places..][..places]);
                }
                planes[count * scheme.plane..][..scheme.slack].fill(0.0);
                let sums = Sums {
                    left: results,
                    left_rows: &[0],
                    left_image: places,
                    right: planes,
                    right_rows: &rows,
                    right_image: scheme.plane,
                    images: count,
                    places,
                };
                sums.run(l, self.dw);
            }
        });
    }
}
