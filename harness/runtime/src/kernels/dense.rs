//! Convolutions and their gradients with respect to input and weights, for any number of groups.

use super::pool::{Pieces, Pool, chunks, scratch};
use super::simd::{Lanes, Level, Routine};
use super::tile::{Product, Sums, block_rows, pack};
use super::window::{Scheme, Way, Window};
use std::ops::Range;

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conv {
    pub(super) images: usize,
    /// Channels of the input.
    pub(super) channels: usize,
    /// Channels of the output.
    pub(super) filters: usize,
    pub(super) group: usize,
    pub(super) window: Window,
}

impl Conv {
    fn channels_of_group(&self) -> usize {
        self.channels / self.group
    }

    fn filters_of_group(&self) -> usize {
        self.filters / self.group
    }

    /// Elements of the weights.
    fn weights(&self) -> usize {
        self.filters * self.channels_of_group() * self.window.kernel()
    }
}

/// `y = conv(x, w)`
pub(super) fn forward(level: Level, pool: &dyn Pool, conv: &Conv, x: &[f32], w: &[f32], y: &mut [f32]) {
    let (from, taps) = (conv.channels_of_group(), conv.window.kernel());
    let weight = |group: usize, row: usize, channel: usize, tap: usize| {
        w[((group * conv.filters_of_group() + row) * from + channel) * taps + tap]
    };
    let sizes = Sizes {
        group: conv.group,
        from,
        to: conv.filters_of_group(),
        source: conv.window.input(),
        result: conv.window.output(),
    };
    convolve(level, pool, &Scheme::of(&conv.window, level.lanes(), Way::Gather), &sizes, &weight, x, y);
}

/// The gradient of `conv(x, w)` with respect to `x`, for the gradient `dy`.
pub(super) fn input_gradient(level: Level, pool: &dyn Pool, conv: &Conv, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    let (from, taps) = (conv.filters_of_group(), conv.window.kernel());
    let weight = |group: usize, row: usize, channel: usize, tap: usize| {
        w[((group * from + channel) * conv.channels_of_group() + row) * taps + tap]
    };
    let sizes = Sizes {
        group: conv.group,
        from,
        to: conv.channels_of_group(),
        source: conv.window.output(),
        result: conv.window.input(),
    };
    convolve(level, pool, &Scheme::of(&conv.window, level.lanes(), Way::Scatter), &sizes, &weight, dy, dx);
}

struct Sizes {
    group: usize,
    /// Channels of a group that are read, and that are written.
    from: usize,
    to: usize,
    /// Elements of a plane that is read, and of one that is written.
    source: usize,
    result: usize,
}

/// One task per image.
fn convolve(
    level: Level,
    pool: &dyn Pool,
    scheme: &Scheme,
    sizes: &Sizes,
    weight: &dyn Fn(usize, usize, usize, usize) -> f32,
    x: &[f32],
    y: &mut [f32],
) {
    let block = block_rows(level);
    let packed_of = |taps: usize| sizes.to.next_multiple_of(block) * sizes.from * taps;
    let of_group: usize = scheme.passes.iter().map(|pass| packed_of(pass.taps.len())).sum();
    scratch([of_group * sizes.group], |[packed]| {
        for (group, packed) in packed.chunks_exact_mut(of_group.max(1)).enumerate() {
            let mut at = 0;
            for pass in scheme.passes.iter().filter(|pass| !pass.taps.is_empty()) {
                let (taps, len) = (pass.taps.len(), packed_of(pass.taps.len()));
                let of = |row: usize, tap: usize| weight(group, row, tap / taps, pass.taps[tap % taps]);
                pack(block, sizes.to, sizes.from * taps, of, &mut packed[at..at + len]);
                at += len;
            }
        }
        let packed = &*packed;
        let (from, to) = (sizes.group * sizes.from * sizes.source, sizes.group * sizes.to * sizes.result);
        let planes = if scheme.is_direct() { 0 } else { sizes.from * scheme.channel() };
        let results = if scheme.is_dense() { 0 } else { scheme.passes.len() * sizes.to * longest(scheme, level) };
        chunks(pool, y, to, &|image, y| {
            scratch([planes, results], |[planes, results]| {
                for group in 0..sizes.group {
                    level.run(Image {
                        level,
                        scheme,
                        sizes,
                        packed: &packed[group * of_group..][..of_group],
                        x: &x[image * from + group * sizes.from * sizes.source..][..sizes.from * sizes.source],
                        planes,
                        results,
                        y: &mut y[group * sizes.to * sizes.result..][..sizes.to * sizes.result],
                    });
                }
            });
        });
    });
}

/// Elements of the vectors of the longest pass.
fn longest(scheme: &Scheme, level: Level) -> usize {
    scheme.passes.iter().map(|pass| pass.vectors * level.lanes()).max().unwrap_or(0)
}

/// One group of one image.
struct Image<'a> {
    level: Level,
    scheme: &'a Scheme,
    sizes: &'a Sizes,
    packed: &'a [f32],
    x: &'a [f32],
    planes: &'a mut [f32],
    results: &'a mut [f32],
    y: &'a mut [f32],
}

impl Routine for Image<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Self { scheme, sizes, planes, results, y, .. } = self;
        let (planes, channel) = if scheme.is_direct() {
            (self.x, sizes.source)
        } else {
            for (x, planes) in self.x.chunks_exact(sizes.source).zip(planes.chunks_exact_mut(scheme.channel())) {
                scheme.fill(l, x, planes);
            }
            (&*planes, scheme.channel())
        };
        let long = longest(scheme, self.level);
        let mut weights = self.packed;
        for (number, pass) in scheme.passes.iter().enumerate() {
            let (pitch, result) = if scheme.is_dense() {
                (sizes.result, &mut *y)
            } else {
                (scheme.passes.len() * long, &mut results[number * long..])
            };
            let (channels, rows) = (sizes.from, sizes.to);
            let product = Product { pass, weights, planes, channel, channels, rows, pitch };
            product.run(l, result);
            weights = &weights[product.packed(self.level)..];
        }
        if !scheme.is_dense() {
            let of_row = scheme.passes.len() * long;
            for (y, results) in y.chunks_exact_mut(sizes.result).zip(results.chunks_exact(of_row)) {
                scheme.join(l, results, long, y);
            }
        }
    }
}

/// The gradient of `conv(x, w)` with respect to `w`, for the gradient `dy`.
///
/// The images are cut into slabs and the filters into parts, whose numbers depend on the sizes alone; the sums of the
/// slabs are added in order.
pub(super) fn weight_gradient(level: Level, pool: &dyn Pool, conv: &Conv, x: &[f32], dy: &[f32], dw: &mut [f32]) {
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
            pass, left, rows, left_row, left_image, right, channels, right_channel, right_image, images, result,
        };
        sums.run(l);
    }
}
