//! Convolutions and their gradients with respect to the input, for any number of groups.

use super::pool::{Pool, chunks, scratch};
use super::simd::{Lanes, Level, Routine};
use super::tile::{Product, block_rows, pack};
use super::window::{Scheme, Way, Window};

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
    /// Whether every channel has one filter of its own.
    pub(super) fn is_depthwise(&self) -> bool {
        self.group == self.channels && self.group == self.filters
    }

    pub(super) fn channels_of_group(&self) -> usize {
        self.channels / self.group
    }

    pub(super) fn filters_of_group(&self) -> usize {
        self.filters / self.group
    }

    /// Elements of the weights.
    pub(super) fn weights(&self) -> usize {
        self.filters * self.channels_of_group() * self.window.kernel()
    }
}

/// `y = conv(x, w) + bias`, which may be empty.
pub(super) fn forward(level: Level, pool: &dyn Pool, conv: &Conv, [x, w, bias]: [&[f32]; 3], y: &mut [f32]) {
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
    convolve(level, pool, &Scheme::of(&conv.window, level.lanes(), Way::Gather), &sizes, &weight, [x, bias], y);
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
    convolve(level, pool, &Scheme::of(&conv.window, level.lanes(), Way::Scatter), &sizes, &weight, [dy, &[]], dx);
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
    [x, bias]: [&[f32]; 2],
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
                        bias: bias.chunks_exact(sizes.to).nth(group).unwrap_or(&[]),
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
    bias: &'a [f32],
    x: &'a [f32],
    planes: &'a mut [f32],
    results: &'a mut [f32],
    y: &'a mut [f32],
}

impl Routine for Image<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Self { scheme, sizes, bias, planes, results, y, .. } = self;
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
            let product = Product { pass, weights, bias, planes, channel, channels, rows, pitch };
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
