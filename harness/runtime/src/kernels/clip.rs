//! The gradient of clipping.

#![allow(unsafe_code)]

use super::pool::{Pool, chunks};
use super::simd::{Lanes, Level, Routine};

/// `dx = dy` where `y` lies between the bounds, else zero. Without a `dy`, it is what `dx` holds.
pub(super) fn gradient(
    level: Level,
    pool: &dyn Pool,
    (low, high): (f32, f32),
    dy: Option<&[f32]>,
    y: &[f32],
    dx: &mut [f32],
) {
    chunks(pool, dx, MASKED, &|task, dx| {
        let at = task * MASKED..task * MASKED + dx.len();
        let (dy, y) = (dy.map(|dy| &dy[at.clone()]), &y[at]);
        level.run(Clipped { low, high, dy, y, dx });
    });
}

/// Elements of a task of [`gradient`].
const MASKED: usize = 1 << 16;

struct Clipped<'a> {
    low: f32,
    high: f32,
    dy: Option<&'a [f32]>,
    y: &'a [f32],
    dx: &'a mut [f32],
}

impl Routine for Clipped<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Self { low, high, dy, y, dx } = self;
        let (lows, highs) = (l.splat(low), l.splat(high));
        let (count, to) = (dx.len(), dx.as_mut_ptr());
        let from = dy.map_or(to.cast_const(), <[f32]>::as_ptr);
        assert!(y.len() == count && dy.is_none_or(|dy| dy.len() == count));
        let whole = count - count % L::N;
        for at in (0..whole).step_by(L::N) {
            // SAFETY: All three hold a vector here; what is overwritten has been read.
            unsafe { l.store(to.add(at), l.between(l.load(y.as_ptr().add(at)), lows, highs, l.load(from.add(at)))) }
        }
        for at in whole..count {
            // SAFETY: As above.
            unsafe { *to.add(at) = if low < y[at] && y[at] < high { *from.add(at) } else { 0.0 } }
        }
    }
}
