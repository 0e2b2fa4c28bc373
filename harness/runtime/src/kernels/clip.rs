//! The gradient of clipping.

#![allow(unsafe_code)]

use super::pool::{Pool, chunks};
use super::simd::{Lanes, Level, Routine};

/// `dx = dy` where `y` lies between the bounds, else zero.
pub(super) fn gradient(level: Level, pool: &dyn Pool, (low, high): (f32, f32), [dy, y]: [&[f32]; 2], dx: &mut [f32]) {
    chunks(pool, dx, MASKED, &|task, dx| {
        let (dy, y) = (&dy[task * MASKED..][..dx.len()], &y[task * MASKED..][..dx.len()]);
        level.run(Clipped { low, high, dy, y, dx });
    });
}

/// Elements of a task of [`gradient`].
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
