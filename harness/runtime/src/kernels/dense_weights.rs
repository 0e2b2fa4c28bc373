//! The gradient of a convolution with respect to its weights, for any number of groups.

use super::dense::Conv;
use super::pool::{Pieces, Pool, chunks, scratch};
use super::simd::{Lanes, Level, Routine};
use super::tile::Sums;
use super::window::{Scheme, Way};
use std::ops::Range;

/// The gradient of `conv(x, w)` with respect to `w`, for the gradient `dy`.
///
/// The images are cut into slabs and the filters into parts, whose numbers depend on the sizes alone; the sums of the
/// slabs are added in order.
pub(super) fn gradient(level: Level, pool: &dyn Pool, conv: &Conv, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let len = conv.weights();
    if conv.images == 0 || len == 0 {
        return dw.fill(0.0);
    }
    let slabs = (conv.images * conv.window.output() / SHORTEST).clamp(1, TASKS).min(conv.images);
    let of_slab = conv.images.div_ceil(slabs);
    let slabs = conv.images.div_ceil(of_slab);
    let filters = conv.filters_of_group();
    let of_part = filters.div_ceil(TASKS.div_ceil(slabs * conv.group)).next_multiple_of(LEAST).min(filters);
    let parts = filters.div_ceil(of_part);
    let scheme = Scheme::of(&conv.window, level.lanes(), Way::Gather);
    let (scheme, group_len) = (&*scheme, len / conv.group);
    scratch([slabs * len], |[sums]| {
        let pieces = Pieces::new(sums);
        pool.each(slabs * conv.group * parts, &|task| {
            let (slab, group, part) = (task / (conv.group * parts), task / parts % conv.group, task % parts);
            let rows = part * of_part..((part + 1) * of_part).min(filters);
            let (row, images) = (group_len / filters, slab * of_slab..((slab + 1) * of_slab).min(conv.images));
            let start = slab * len + group * group_len + rows.start * row;
            #[allow(unsafe_code)]
            // SAFETY: Every task has its own slab, group or rows.
            let dw = unsafe { pieces.get(start, rows.len() * row) };
            dw.fill(0.0);
            Slab { level, conv, scheme, group, rows, x, dy, dw }.run(images);
        });
        let sums = &*sums;
        chunks(pool, dw, REDUCED, &|index, dw| {
            let start = index * REDUCED;
            dw.copy_from_slice(&sums[start..start + dw.len()]);
            for slab in sums.chunks_exact(len).skip(1) {
                dw.iter_mut().zip(&slab[start..]).for_each(|(dw, sum)| *dw += sum);
            }
        });
    });
}

/// Products that a sum of a slab should have at least, since lanes are added up after it.
const SHORTEST: usize = 1 << 11;
/// Tasks to aim at.
const TASKS: usize = 16;
/// Filters of a part: blocks of rows, few enough parts that split the same planes.
const LEAST: usize = 8;
/// Elements that a task of the last sum has.
const REDUCED: usize = 1 << 14;
/// Elements of the planes that are held at once: what fits in the cache of a core.
const HELD: usize = 3 << 15;

/// Some filters of a group, some images.
struct Slab<'a> {
    level: Level,
    conv: &'a Conv,
    scheme: &'a Scheme,
    group: usize,
    rows: Range<usize>,
    x: &'a [f32],
    dy: &'a [f32],
    dw: &'a mut [f32],
}

impl Slab<'_> {
    fn run(mut self, images: Range<usize>) {
        let (channels, rows, scheme) = (self.conv.channels_of_group(), self.rows.len(), self.scheme);
        let pass = &scheme.passes[0];
        let (held_x, held_dy) = (channels * scheme.channel(), rows * pass.vectors * self.level.lanes());
        let step = (HELD / (held_x + held_dy)).clamp(1, images.len());
        let planes = if scheme.is_direct() { 0 } else { step * held_x };
        let results = if scheme.is_dense() { 0 } else { step * held_dy };
        scratch([planes, results], |[planes, results]| {
            for start in images.clone().step_by(step) {
                let images = start..(start + step).min(images.end);
                self.level.run(Part { slab: &mut self, images, planes, results });
            }
        });
    }
}

struct Part<'a, 'b> {
    slab: &'a mut Slab<'b>,
    images: Range<usize>,
    planes: &'a mut [f32],
    results: &'a mut [f32],
}

impl Routine for Part<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Slab { conv, scheme, group, ref rows, x, dy, ref mut dw, .. } = *self.slab;
        let pass = &scheme.passes[0];
        let (source, result) = (conv.window.input(), conv.window.output());
        let (channels, filters) = (conv.channels_of_group(), conv.filters_of_group());
        let (of_x, of_dy) = (conv.channels * source, conv.filters * result);
        let x = &x[self.images.start * of_x + group * channels * source..];
        let dy = &dy[self.images.start * of_dy + (group * filters + rows.start) * result..];
        let (right, right_channel, right_image) = if scheme.is_direct() {
            (x, source, of_x)
        } else {
            let held = scheme.channel();
            for image in 0..self.images.len() {
                for channel in 0..channels {
                    let to = &mut self.planes[(image * channels + channel) * held..][..held];
                    scheme.fill(l, &x[image * of_x + channel * source..][..source], to);
                }
            }
            (&*self.planes, held, channels * held)
        };
        let (left, left_row, left_image) = if scheme.is_dense() {
            (dy, result, of_dy)
        } else {
            let held = pass.vectors * L::N;
            for image in 0..self.images.len() {
                for row in 0..rows.len() {
                    let to = &mut self.results[(image * rows.len() + row) * held..][..held];
                    scheme.spread(pass, &dy[image * of_dy + row * result..][..result], to);
                }
            }
            (&*self.results, held, rows.len() * held)
        };
        let (rows, images, result) = (rows.len(), self.images.len(), &mut **dw);
        let sums = Sums {
            pass,
            left,
            rows,
            left_row,
            left_image,
            right,
            channels,
            right_channel,
            right_image,
            images,
            result,
        };
        sums.run(l);
    }
}
