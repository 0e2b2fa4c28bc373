//! Convolutions where every channel has its own window, and their gradients.

#![allow(unsafe_code)]

use super::pool::{Pool, chunks, scratch};
use super::simd::{Lanes, Level, Routine};
use super::window::{Pass, Scheme, Way, Window};
use std::ops::Range;

/// `y = conv(x, w) + bias`, which may be empty, with a group for every channel.
pub(super) fn forward(
    level: Level,
    pool: &dyn Pool,
    window: &Window,
    channels: usize,
    [x, w, bias]: [&[f32]; 3],
    y: &mut [f32],
) {
    let scheme = Scheme::of(window, level.lanes(), Way::Gather);
    planes(level, pool, &scheme, channels, (window.input(), window.output()), [x, w, bias], y);
}

/// The gradient of [`forward`] with respect to `x`, for the gradient `dy`.
pub(super) fn input_gradient(
    level: Level,
    pool: &dyn Pool,
    window: &Window,
    channels: usize,
    [dy, w]: [&[f32]; 2],
    dx: &mut [f32],
) {
    let scheme = Scheme::of(window, level.lanes(), Way::Scatter);
    planes(level, pool, &scheme, channels, (window.output(), window.input()), [dy, w, &[]], dx);
}

/// Elements that a task writes.
const TASK: usize = 1 << 15;

fn planes(
    level: Level,
    pool: &dyn Pool,
    scheme: &Scheme,
    channels: usize,
    (source, result): (usize, usize),
    [x, w, bias]: [&[f32]; 3],
    y: &mut [f32],
) {
    let count = (TASK / result.max(1)).max(1);
    let taps = w.len() / channels.max(1);
    let held = if scheme.is_direct() { 0 } else { scheme.channel() };
    let long = scheme.passes.iter().map(|pass| pass.vectors * level.lanes()).max().unwrap_or(0);
    chunks(pool, y, count * result, &|task, y| {
        scratch([held, scheme.passes.len() * long], |[planes, results]| {
            let first = task * count;
            level.run(Planes { scheme, source, result, taps, channels, first, long, x, w, bias, y, planes, results });
        });
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
    long: usize,
    x: &'a [f32],
    w: &'a [f32],
    bias: &'a [f32],
    y: &'a mut [f32],
    planes: &'a mut [f32],
    results: &'a mut [f32],
}

impl Routine for Planes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Self { scheme, planes, results, long, .. } = self;
        let (direct, dense) = (scheme.is_direct(), scheme.is_dense());
        for (index, y) in self.y.chunks_exact_mut(self.result).enumerate() {
            let plane = self.first + index;
            let channel = plane % self.channels;
            let w = &self.w[channel * self.taps..][..self.taps];
            let bias = self.bias.get(channel).copied().unwrap_or(0.0);
            let mut from = &self.x[plane * self.source..][..self.source];
            if !direct {
                scheme.fill(l, from, planes);
                from = planes;
            }
            if dense {
                stencil(l, &scheme.passes[0], w, bias, from, y);
                continue;
            }
            for (pass, results) in scheme.passes.iter().zip(results.chunks_exact_mut(long)) {
                stencil(l, pass, w, bias, from, results);
            }
            scheme.join(l, results, long, y);
        }
    }
}

/// Taps of a 3x3 window, whose weights stay in registers.
const USUAL: usize = 9;

/// `results[place] = bias + sum over taps of w[tap] * plane[tap, place]`
#[inline(always)]
fn stencil<L: Lanes>(l: L, pass: &Pass, w: &[f32], bias: f32, plane: &[f32], results: &mut [f32]) {
    let vectors = pass.vectors;
    assert!(pass.places <= results.len());
    let own = &pass.masks[pass.taps.len() * vectors..];
    if let Ok(distances) = <&[isize; USUAL]>::try_from(pass.distances.as_slice()) {
        let mut weights = [l.zero(); USUAL];
        for tap in 0..USUAL {
            weights[tap] = l.splat(w[pass.taps[tap]]);
        }
        for vector in 0..vectors {
            let mut sum = l.splat(bias);
            for tap in 0..USUAL {
                let at = plane.as_ptr().wrapping_add(vector * L::N).wrapping_offset(distances[tap]);
                // SAFETY: The mask has those lanes that are in the plane.
                let value = unsafe { l.load_some(at, *pass.masks.get_unchecked(tap * vectors + vector)) };
                sum = l.mul_add(weights[tap], value, sum);
            }
            // SAFETY: The mask has those lanes that are results, and all results have room.
            unsafe { l.store_some(results.as_mut_ptr().add(vector * L::N), sum, own[vector]) }
        }
        return;
    }
    for vector in 0..vectors {
        let mut sum = l.splat(bias);
        for (tap, &distance) in pass.distances.iter().enumerate() {
            let at = plane.as_ptr().wrapping_add(vector * L::N).wrapping_offset(distance);
            // SAFETY: As above.
            let value = unsafe { l.load_some(at, pass.masks[tap * vectors + vector]) };
            sum = l.mul_add(l.splat(w[pass.taps[tap]]), value, sum);
        }
        // SAFETY: As above.
        unsafe { l.store_some(results.as_mut_ptr().add(vector * L::N), sum, own[vector]) }
    }
}

/// The gradient of [`forward`] with respect to `w`, for the gradient `dy`. Tasks have some channels each.
pub(super) fn weight_gradient(
    level: Level,
    pool: &dyn Pool,
    window: &Window,
    channels: usize,
    [x, dy]: [&[f32]; 2],
    dw: &mut [f32],
) {
    let scheme = Scheme::of(window, level.lanes(), Way::Gather);
    let scheme = &*scheme;
    let held = if scheme.is_direct() { 0 } else { scheme.channel() };
    let long = if scheme.is_dense() { 0 } else { scheme.passes[0].vectors * level.lanes() };
    let count = (RUN / window.output().max(1)).clamp(1, MOST);
    chunks(pool, dw, count * window.kernel(), &|task, dw| {
        scratch([held, long], |[planes, results]| {
            level.run(Channels { scheme, window, channels, first: task * count, x, dy, dw, planes, results });
        });
    });
}

/// Some consecutive channels of all images.
struct Channels<'a> {
    scheme: &'a Scheme,
    window: &'a Window,
    channels: usize,
    first: usize,
    x: &'a [f32],
    dy: &'a [f32],
    dw: &'a mut [f32],
    planes: &'a mut [f32],
    results: &'a mut [f32],
}

/// Elements that follow one another, for a task of the gradient.
const RUN: usize = 512;
/// Channels that such a task may have.
const MOST: usize = 16;
/// Images whose planes of one channel are met before those of the next.
const NEAR: usize = 8;
/// Terms of a lane before lanes are added up.
const TERMS: usize = 512;

impl Routine for Channels<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self, l: L) {
        let pass = &self.scheme.passes[0];
        let (images, taps) = (self.x.len() / (self.channels * self.window.input()).max(1), pass.taps.len());
        let step = (TERMS / pass.vectors.max(1)).next_multiple_of(NEAR);
        self.dw.fill(0.0);
        for (tap, start) in (0..taps).step_by(USUAL).flat_map(|tap| (0..images).step_by(step).map(move |at| (tap, at)))
        {
            let mut sums = [[l.zero(); USUAL]; MOST];
            self.images(l, tap, start..(start + step).min(images), &mut sums);
            for (dw, sums) in self.dw.chunks_exact_mut(taps).zip(&sums) {
                let mut totals = [0.0; USUAL];
                for index in 0..USUAL {
                    totals[index] = l.sum(sums[index]);
                }
                dw[tap..].iter_mut().zip(totals).for_each(|(dw, total)| *dw += total);
            }
        }
    }
}

impl Channels<'_> {
    /// Adds the products of some images to the sums of the taps from `tap` on.
    #[inline(always)]
    fn images<L: Lanes>(&mut self, l: L, tap: usize, images: Range<usize>, sums: &mut [[L::V; USUAL]; MOST]) {
        let scheme = self.scheme;
        let pass = &scheme.passes[0];
        let (source, result) = (self.window.input(), self.window.output());
        let (direct, dense) = (scheme.is_direct(), scheme.is_dense());
        let taps = Taps::new(pass, tap);
        for start in images.clone().step_by(NEAR) {
            for (index, sums) in sums.iter_mut().enumerate().take(self.dw.len() / pass.taps.len()) {
                let mut kept = *sums;
                for image in start..(start + NEAR).min(images.end) {
                    let plane = image * self.channels + self.first + index;
                    let mut x = &self.x[plane * source..][..source];
                    let mut dy = &self.dy[plane * result..][..result];
                    if !direct {
                        scheme.fill(l, x, self.planes);
                        x = self.planes;
                    }
                    if !dense {
                        scheme.spread(pass, dy, self.results);
                        dy = self.results;
                    }
                    taps.products(l, x, dy, &mut kept);
                }
                *sums = kept;
            }
        }
    }
}

/// Some taps of a pass; those beyond the last repeat it, and are dropped.
struct Taps<'a> {
    distances: [isize; USUAL],
    /// Where the masks of each begin, as many as there are vectors.
    masks: [*const u16; USUAL],
    /// Those of the results.
    own: &'a [u16],
    places: usize,
}

impl<'a> Taps<'a> {
    fn new(pass: &'a Pass, first: usize) -> Self {
        let of = |tap: usize| (first + tap).min(pass.taps.len() - 1);
        Self {
            distances: std::array::from_fn(|tap| pass.distances[of(tap)]),
            masks: std::array::from_fn(|tap| pass.masks[of(tap) * pass.vectors..][..pass.vectors].as_ptr()),
            own: &pass.masks[pass.taps.len() * pass.vectors..],
            places: pass.places,
        }
    }

    /// `sums[tap] += dy[place] * plane[tap, place]` over all places.
    #[inline(always)]
    fn products<L: Lanes>(&self, l: L, plane: &[f32], dy: &[f32], sums: &mut [L::V; USUAL]) {
        assert!(self.places <= dy.len());
        for (vector, &own) in self.own.iter().enumerate() {
            let at = plane.as_ptr().wrapping_add(vector * L::N);
            // SAFETY: The masks have those lanes that are in the plane, or are results.
            unsafe {
                let gradient = l.load_some(dy.as_ptr().add(vector * L::N), own);
                for tap in 0..USUAL {
                    let value = l.load_some(at.wrapping_offset(self.distances[tap]), *self.masks[tap].add(vector));
                    sums[tap] = l.mul_add(gradient, value, sums[tap]);
                }
            }
        }
    }
}
