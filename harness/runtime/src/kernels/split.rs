//! Planes into phases and back.

#![allow(unsafe_code)]

use super::simd::Lanes;
use super::window::{Pass, Scheme};

impl Scheme {
    /// Writes the phases of one plane of the source.
    #[inline(always)]
    pub(super) fn fill<L: Lanes>(&self, l: L, source: &[f32], planes: &mut [f32]) {
        let (_, width) = self.source;
        assert!(planes.len() >= self.channel());
        for (number, phase) in self.phases.iter().enumerate() {
            let twin = self.phases.iter().position(|other| (other.row, other.col) == (phase.row, phase.col ^ 1));
            if self.split.1 == 2 && phase.col == 1 && twin.is_some() {
                continue;
            }
            for row in 0..phase.rows {
                let from = &source[(phase.row + row * self.split.0) * width..][..width];
                let at = number * self.plane + row * self.pitch;
                match (self.split.1, twin) {
                    (1, _) => planes[at..][..width].copy_from_slice(from),
                    (2, Some(twin)) => halve(l, from, planes, at, twin * self.plane + row * self.pitch),
                    (step, _) => {
                        let to = planes[at..][..phase.cols].iter_mut();
                        to.zip(from[phase.col..].iter().step_by(step)).for_each(|(to, from)| *to = *from);
                    }
                }
            }
        }
    }

    /// Puts the results of all passes, `stride` elements from one to the next, into a plane of the result.
    #[inline(always)]
    pub(super) fn join<L: Lanes>(&self, l: L, results: &[f32], stride: usize, plane: &mut [f32]) {
        let (_, width) = self.result;
        for (number, pass) in self.passes.iter().enumerate() {
            let phase = &pass.phase;
            let paired = self.joined.1 == 2 && width > 1;
            if paired && phase.col == 1 {
                continue;
            }
            for row in 0..phase.rows {
                let from = &results[number * stride + row * self.pitch..];
                let to = &mut plane[(phase.row + row * self.joined.0) * width..][..width];
                match self.joined.1 {
                    1 => to.copy_from_slice(&from[..width]),
                    2 if paired => {
                        let odd = &results[(number + 1) * stride + row * self.pitch..][..width / 2];
                        zip(l, &from[..width.div_ceil(2)], odd, to);
                    }
                    step => {
                        let to = to[phase.col..].iter_mut().step_by(step);
                        to.zip(&from[..phase.cols]).for_each(|(to, from)| *to = *from);
                    }
                }
            }
        }
    }

    /// The inverse of [`join`](Self::join) for results of one pass, with zeros between rows.
    pub(super) fn spread(&self, pass: &Pass, plane: &[f32], results: &mut [f32]) {
        let (_, width) = self.result;
        for (row, to) in results[..pass.places].chunks_mut(self.pitch).enumerate() {
            to[..width].copy_from_slice(&plane[row * width..][..width]);
            to[width..].fill(0.0);
        }
    }
}

/// Lanes below `count`.
fn first(count: usize) -> u16 {
    if count >= 16 { u16::MAX } else { (1 << count) - 1 }
}

/// Elements of even numbers to `even`, of odd ones to `odd`. A vector more than the row is written.
#[inline(always)]
fn halve<L: Lanes>(l: L, row: &[f32], planes: &mut [f32], even: usize, odd: usize) {
    let mut at = 0;
    while at < row.len() {
        let left = row.len() - at;
        assert!(even.max(odd) + at / 2 + L::N <= planes.len());
        // SAFETY: The masks end with the row, and the places in the planes have just been checked.
        unsafe {
            let from = row.as_ptr().wrapping_add(at);
            let low = l.load_some(from, first(left));
            let high = l.load_some(from.wrapping_add(L::N), first(left.saturating_sub(L::N)));
            let (evens, odds) = l.halves(low, high);
            l.store(planes.as_mut_ptr().add(even + at / 2), evens);
            l.store(planes.as_mut_ptr().add(odd + at / 2), odds);
        }
        at += 2 * L::N;
    }
}

/// One element of `even`, one of `odd`, and so on.
#[inline(always)]
fn zip<L: Lanes>(l: L, even: &[f32], odd: &[f32], to: &mut [f32]) {
    let mut at = 0;
    while at < even.len() {
        // SAFETY: The masks end with the rows.
        unsafe {
            let evens = l.load_some(even.as_ptr().wrapping_add(at), first(even.len() - at));
            let odds = l.load_some(odd.as_ptr().wrapping_add(at), first(odd.len().saturating_sub(at)));
            let (low, high) = l.zipped(evens, odds);
            let (left, to) = (to.len() - 2 * at, to.as_mut_ptr().wrapping_add(2 * at));
            l.store_some(to, low, first(left));
            l.store_some(to.wrapping_add(L::N), high, first(left.saturating_sub(L::N)));
        }
        at += L::N;
    }
}
