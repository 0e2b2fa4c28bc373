//! Convolutions and their gradients with respect to input and weights, for any number of groups.

use super::pool::{Pool, chunks, scratch};
use super::simd::{Lanes, Level, Routine};
use super::tile::{Product, Sums, block_rows, pack};
use super::window::{Scheme, Window};

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
    pub(super) fn weights(&self) -> usize {
        self.filters * self.channels_of_group() * self.window.kernel()
    }
}

/// `y = conv(x, w)`
pub(super) fn forward(level: Level, pool: &dyn Pool, conv: &Conv, x: &[f32], w: &[f32], y: &mut [f32]) {
    let (from, taps) = (conv.channels_of_group(), conv.window.kernel());
    let weight = |group: usize, row: usize, channel: usize, tap: usize| {
        w[((group * conv.filters_of_group() + row) * from + channel) * taps + tap]
    };
    let scheme = Scheme::gather(&conv.window);
    let sizes = Sizes {
        group: conv.group,
        from,
        to: conv.filters_of_group(),
        source: conv.window.input(),
        result: conv.window.output(),
    };
    convolve(level, pool, &scheme, &sizes, &weight, x, y);
}

/// The gradient of `conv(x, w)` with respect to `x`, for the gradient `dy`.
pub(super) fn input_gradient(level: Level, pool: &dyn Pool, conv: &Conv, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    let (from, taps) = (conv.filters_of_group(), conv.window.kernel());
    let weight = |group: usize, row: usize, channel: usize, tap: usize| {
        w[((group * from + channel) * conv.channels_of_group() + row) * taps + tap]
    };
    let scheme = Scheme::scatter(&conv.window);
    let sizes = Sizes {
        group: conv.group,
        from,
        to: conv.channels_of_group(),
        source: conv.window.output(),
        result: conv.window.input(),
    };
    convolve(level, pool, &scheme, &sizes, &weight, dy, dx);
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
    if scheme.passes.iter().map(|pass| pass.rows * pass.cols).sum::<usize>() < sizes.result {
        y.fill(0.0);
    }
    scratch([of_group * sizes.group], |[packed]| {
        for (group, packed) in packed.chunks_exact_mut(of_group.max(1)).enumerate() {
            let mut at = 0;
            for pass in &scheme.passes {
                let (taps, len) = (pass.taps.len(), packed_of(pass.taps.len()));
                let of = |row: usize, tap: usize| weight(group, row, tap / taps, pass.taps[tap % taps].0);
                if taps > 0 {
                    pack(block, sizes.to, sizes.from * taps, of, &mut packed[at..at + len]);
                }
                at += len;
            }
        }
        let packed = &*packed;
        let (from, to) = (sizes.group * sizes.from * sizes.source, sizes.group * sizes.to * sizes.result);
        chunks(pool, y, to, &|image, y| {
            let x = &x[image * from..][..from];
            for group in 0..sizes.group {
                level.run(Image {
                    scheme,
                    sizes,
                    packed: &packed[group * of_group..][..of_group],
                    x: &x[group * sizes.from * sizes.source..][..sizes.from * sizes.source],
                    y: &mut y[group * sizes.to * sizes.result..][..sizes.to * sizes.result],
                });
            }
        });
    });
}

/// One group of one image.
struct Image<'a> {
    scheme: &'a Scheme,
    sizes: &'a Sizes,
    packed: &'a [f32],
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Routine for Image<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Self { scheme, sizes, packed, x, y } = self;
        let longest = scheme.passes.iter().map(|pass| pass.places(scheme)).max().unwrap_or(0);
        let direct = scheme.is_identity() && scheme.plane.is_multiple_of(L::N);
        let planes = if direct { 0 } else { sizes.from * scheme.plane + scheme.slack };
        scratch([planes, sizes.to * longest + L::N], |[planes, results]| {
            if !direct {
                for (x, planes) in x.chunks_exact(sizes.source).zip(planes.chunks_exact_mut(scheme.plane)) {
                    scheme.fill(x, planes);
                }
                planes[sizes.from * scheme.plane..].fill(0.0);
            }
            let planes = if direct { x } else { &*planes };
            let mut at = 0;
            for pass in &scheme.passes {
                let offset = |channel: usize| pass.taps.iter().map(move |(_, tap)| channel * scheme.plane + tap);
                let offsets: Vec<usize> = (0..sizes.from).flat_map(offset).collect();
                let places = pass.places(scheme);
                let dense = pass.is_dense(scheme);
                let pitch = if dense { sizes.result } else { places };
                let product =
                    Product { weights: &packed[at..], planes, offsets: &offsets, rows: sizes.to, pitch, places };
                product.run(l, if dense { y } else { results });
                if !dense {
                    for (y, results) in y.chunks_exact_mut(sizes.result).zip(results.chunks_exact(places)) {
                        pass.write(scheme, results, y);
                    }
                }
                at += product.packed::<L>();
            }
        });
    }
}

/// The gradient of `conv(x, w)` with respect to `w`, for the gradient `dy`.
///
/// The images are cut into slabs, whose number depends on the sizes alone; the sums of the slabs are added in order.
pub(super) fn weight_gradient(level: Level, pool: &dyn Pool, conv: &Conv, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let len = conv.weights();
    if conv.images == 0 || len == 0 {
        return dw.fill(0.0);
    }
    let slabs = (LARGEST / len).clamp(4, 32).min(conv.images);
    let of_slab = conv.images.div_ceil(slabs);
    let slabs = conv.images.div_ceil(of_slab);
    let scheme = Scheme::gather(&conv.window);
    scratch([slabs * len], |[sums]| {
        chunks(pool, sums, len, &|slab, sums| {
            sums.fill(0.0);
            let start = slab * of_slab;
            let end = (start + of_slab).min(conv.images);
            level.run(Slab { conv, scheme: &scheme, x, dy, start, end, dw: sums });
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

/// Elements that the sums of all slabs may have together.
const LARGEST: usize = 1 << 20;
/// Elements that a task of the last sum has.
const REDUCED: usize = 1 << 14;
/// Elements of the planes that are held at once: what fits in the cache of a core.
const HELD: usize = 3 << 15;

struct Slab<'a> {
    conv: &'a Conv,
    scheme: &'a Scheme,
    x: &'a [f32],
    dy: &'a [f32],
    start: usize,
    end: usize,
    dw: &'a mut [f32],
}

impl Routine for Slab<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self, l: L) {
        let (channels, filters) = (self.conv.channels_of_group(), self.conv.filters_of_group());
        let pass = &self.scheme.passes[0];
        let places = pass.places(self.scheme).next_multiple_of(L::N);
        let held = (HELD / (channels * self.scheme.plane + filters * places)).max(1);
        let step = held.min(self.end - self.start);
        let one = self.scheme.is_identity() && pass.taps.len() == 1;
        let (planes, results) = if one {
            // All images of a channel one after the other: one long row.
            let long = (step * self.scheme.plane).next_multiple_of(L::N);
            (channels * long, filters * long)
        } else {
            (step * channels * self.scheme.plane + self.scheme.slack, step * filters * places)
        };
        scratch([planes, results], |[planes, results]| {
            for group in 0..self.conv.group {
                for start in (self.start..self.end).step_by(step) {
                    let images = start..(start + step).min(self.end);
                    if one {
                        self.rows(l, group, images, planes, results);
                    } else {
                        self.windows(l, group, images, planes, results);
                    }
                }
            }
        });
    }
}

impl Slab<'_> {
    fn x(&self, group: usize, image: usize) -> &[f32] {
        let len = self.conv.channels_of_group() * self.conv.window.input();
        &self.x[(image * self.conv.group + group) * len..][..len]
    }

    fn dy(&self, group: usize, image: usize) -> &[f32] {
        let len = self.conv.filters_of_group() * self.conv.window.output();
        &self.dy[(image * self.conv.group + group) * len..][..len]
    }

    fn dw(&mut self, group: usize) -> &mut [f32] {
        let len = self.conv.weights() / self.conv.group;
        &mut self.dw[group * len..][..len]
    }

    /// Every image with its planes.
    #[inline(always)]
    fn windows<L: Lanes>(
        &mut self,
        l: L,
        group: usize,
        images: std::ops::Range<usize>,
        planes: &mut [f32],
        results: &mut [f32],
    ) {
        let (scheme, pass, count) = (self.scheme, &self.scheme.passes[0], images.len());
        let (channels, filters) = (self.conv.channels_of_group(), self.conv.filters_of_group());
        let places = pass.places(scheme).next_multiple_of(L::N);
        let (of_planes, of_results) = (channels * scheme.plane, filters * places);
        for (index, image) in images.enumerate() {
            let to = planes[index * of_planes..][..of_planes].chunks_exact_mut(scheme.plane);
            self.x(group, image).chunks_exact(self.conv.window.input()).zip(to).for_each(|(x, to)| scheme.fill(x, to));
            let to = results[index * of_results..][..of_results].chunks_exact_mut(places);
            let from = self.dy(group, image).chunks_exact(self.conv.window.output());
            from.zip(to).for_each(|(dy, to)| pass.read(scheme, dy, to));
        }
        planes[count * of_planes..][..scheme.slack].fill(0.0);
        let right = |channel: usize| pass.taps.iter().map(move |(_, tap)| channel * scheme.plane + tap);
        let right_rows: Vec<usize> = (0..channels).flat_map(right).collect();
        let left_rows: Vec<usize> = (0..filters).map(|filter| filter * places).collect();
        let sums = Sums {
            left: results,
            left_rows: &left_rows,
            left_image: of_results,
            right: planes,
            right_rows: &right_rows,
            right_image: of_planes,
            images: count,
            places,
        };
        sums.run(l, self.dw(group));
    }

    /// A window of one element that meets all of the image: a product of matrices.
    #[inline(always)]
    fn rows<L: Lanes>(
        &mut self,
        l: L,
        group: usize,
        images: std::ops::Range<usize>,
        planes: &mut [f32],
        results: &mut [f32],
    ) {
        let (channels, filters) = (self.conv.channels_of_group(), self.conv.filters_of_group());
        let (plane, count) = (self.scheme.plane, images.len());
        let long = (count * plane).next_multiple_of(L::N);
        for (index, image) in images.enumerate() {
            join(self.x(group, image), plane, long, index, planes);
            join(self.dy(group, image), plane, long, index, results);
        }
        for row in planes[..channels * long].chunks_exact_mut(long) {
            row[count * plane..].fill(0.0);
        }
        for row in results[..filters * long].chunks_exact_mut(long) {
            row[count * plane..].fill(0.0);
        }
        let row = |index: usize| index * long;
        let sums = Sums {
            left: results,
            left_rows: &(0..filters).map(row).collect::<Vec<_>>(),
            left_image: 0,
            right: planes,
            right_rows: &(0..channels).map(row).collect::<Vec<_>>(),
            right_image: 0,
            images: 1,
            places: long,
        };
        sums.run(l, self.dw(group));
    }
}

/// Puts the planes of an image behind those of the images before it, in rows of length `long`.
fn join(image: &[f32], plane: usize, long: usize, index: usize, to: &mut [f32]) {
    for (from, row) in image.chunks_exact(plane).zip(to.chunks_exact_mut(long)) {
        row[index * plane..][..plane].copy_from_slice(from);
    }
}
