use super::planes::{Planes, level};
use super::{Corruption, Parameter};
use attack::Stream;

pub(super) static JPEG: Corruption = Corruption {
    name: "jpeg",
    about: "What JPEG of this quality loses: colours at half the resolution, and 8x8 cosine transforms rounded to the standard \
            tables. Numbers as CIFAR-10-C; the transform is in f64, so single levels differ from those of libraries.",
    random: false,
    revision: 1,
    parameters: &[Parameter { name: "quality", values: [80.0, 65.0, 58.0, 50.0, 40.0] }],
    apply,
};

/// The side of a block.
const SIDE: usize = 8;

/// Steps at quality 50. Source: ITU-T T.81, tables K.1 and K.2.
#[rustfmt::skip]
const LUMINANCE: [u32; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];
#[rustfmt::skip]
const CHROMINANCE: [u32; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
];

/// `cos(k pi / 16)`.
const COSINES: [f64; 9] = [
    1.0,
    0.980_785_280_403_230_4,
    0.923_879_532_511_286_7,
    0.831_469_612_302_545_2,
    std::f64::consts::FRAC_1_SQRT_2,
    0.555_570_233_019_602_2,
    0.382_683_432_365_089_8,
    0.195_090_322_016_128_27,
    0.0,
];

/// One component in levels from 0 to 255, and its size.
#[derive(Clone)]
struct Component {
    height: usize,
    width: usize,
    values: Vec<f64>,
}

fn apply(picture: &mut Planes, numbers: &[f64], _: &mut Stream) {
    let (height, width, quality) = (picture.height, picture.width, numbers[0] as u32);
    let plane = |values: Vec<f64>| Component { height, width, values };
    let levels: Vec<f64> = picture.values.iter().map(|value| f64::from(level(*value))).collect();
    if picture.channels == 1 {
        picture.values = plane(levels).lossy(&steps(&LUMINANCE, quality)).values.iter().map(|v| v / 255.0).collect();
        return;
    }
    let area = picture.area();
    let pixels = || (0..area).map(|at| [levels[at], levels[area + at], levels[2 * area + at]]);
    let luminance = plane(pixels().map(|[r, g, b]| round(0.299 * r + 0.587 * g + 0.114 * b)).collect());
    let blue = plane(pixels().map(|[r, g, b]| round(128.0 - 0.168_736 * r - 0.331_264 * g + 0.5 * b)).collect());
    let red = plane(pixels().map(|[r, g, b]| round(128.0 + 0.5 * r - 0.418_688 * g - 0.081_312 * b)).collect());
    let luminance = luminance.lossy(&steps(&LUMINANCE, quality));
    let chrominance = steps(&CHROMINANCE, quality);
    let [blue, red] = [blue, red].map(|colour| colour.halved().lossy(&chrominance).doubled(height, width));
    for at in 0..area {
        let (y, blue, red) = (luminance.values[at], blue.values[at] - 128.0, red.values[at] - 128.0);
        let rgb = [y + 1.402 * red, y - 0.344_136 * blue - 0.714_136 * red, y + 1.772 * blue];
        rgb.into_iter().enumerate().for_each(|(channel, value)| picture.values[channel * area + at] = value / 255.0);
    }
}

/// The steps of a quality from 1 to 100, as the Independent JPEG Group scales them.
fn steps(table: &[u32; 64], quality: u32) -> [f64; 64] {
    let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    table.map(|step| f64::from(((step * percent + 50) / 100).clamp(1, 255)))
}

fn round(level: f64) -> f64 {
    (level + 0.5).floor().clamp(0.0, 255.0)
}

impl Component {
    /// The value here, or that of the nearest pixel.
    fn at(&self, y: usize, x: usize) -> f64 {
        self.values[y.min(self.height - 1) * self.width + x.min(self.width - 1)]
    }

    /// Means of 2x2 pixels.
    fn halved(&self) -> Component {
        let (height, width) = (self.height.div_ceil(2), self.width.div_ceil(2));
        let mean = |y: usize, x: usize| {
            let (y, x) = (2 * y, 2 * x);
            round((self.at(y, x) + self.at(y, x + 1) + self.at(y + 1, x) + self.at(y + 1, x + 1)) / 4.0)
        };
        let values = (0..height).flat_map(|y| (0..width).map(move |x| (y, x))).map(|(y, x)| mean(y, x)).collect();
        Component { height, width, values }
    }

    /// Twice the size: three quarters of the nearest pixel and one of the next, in both directions.
    fn doubled(&self, height: usize, width: usize) -> Component {
        let pair = |at: usize| (at / 2, if at.is_multiple_of(2) { (at / 2).saturating_sub(1) } else { at / 2 + 1 });
        let value = |y: usize, x: usize| {
            let ((near_y, far_y), (near_x, far_x)) = (pair(y), pair(x));
            let line = |y: usize| 0.75 * self.at(y, near_x) + 0.25 * self.at(y, far_x);
            0.75 * line(near_y) + 0.25 * line(far_y)
        };
        let values = (0..height).flat_map(|y| (0..width).map(move |x| (y, x))).map(|(y, x)| value(y, x)).collect();
        Component { height, width, values }
    }

    /// Every block of 8x8 transformed, rounded to `steps` and transformed back. Blocks that stick out repeat the edge.
    fn lossy(&self, steps: &[f64; 64]) -> Component {
        let mut values = self.values.clone();
        for top in (0..self.height).step_by(SIDE) {
            for left in (0..self.width).step_by(SIDE) {
                let mut block = [0.0; 64];
                for (at, value) in block.iter_mut().enumerate() {
                    *value = self.at(top + at / SIDE, left + at % SIDE) - 128.0;
                }
                let mut block = transform(&block, forth);
                block.iter_mut().zip(steps).for_each(|(value, step)| *value = (*value / step).round() * step);
                for (at, value) in transform(&block, back).into_iter().enumerate() {
                    let (y, x) = (top + at / SIDE, left + at % SIDE);
                    if y < self.height && x < self.width {
                        values[y * self.width + x] = round(value + 128.0);
                    }
                }
            }
        }
        Component { values, ..*self }
    }
}

/// Along the rows and along the columns of a block.
fn transform(block: &[f64; 64], line: fn([f64; 8]) -> [f64; 8]) -> [f64; 64] {
    let mut turned = *block;
    for _ in 0..2 {
        let before = turned;
        for row in 0..SIDE {
            let values = line(std::array::from_fn(|column| before[row * SIDE + column]));
            values.into_iter().enumerate().for_each(|(column, value)| turned[column * SIDE + row] = value);
        }
    }
    turned
}

/// The orthonormal cosine transform of eight values.
fn forth(values: [f64; 8]) -> [f64; 8] {
    std::array::from_fn(|u| (0..SIDE).fold(0.0, |sum, x| sum + values[x] * basis(u, x)))
}

/// Its inverse.
fn back(values: [f64; 8]) -> [f64; 8] {
    std::array::from_fn(|x| (0..SIDE).fold(0.0, |sum, u| sum + values[u] * basis(u, x)))
}

/// `cos((2x + 1) u pi / 16) / 2`, for `u = 0` over the root of 2.
fn basis(u: usize, x: usize) -> f64 {
    let turn = (2 * x + 1) * u % 32;
    let turn = if turn > 16 { 32 - turn } else { turn };
    let cosine = if turn > 8 { -COSINES[16 - turn] } else { COSINES[turn] };
    cosine * if u == 0 { COSINES[4] / 2.0 } else { 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_is_orthonormal_and_that_of_the_cosine() {
        for u in 0..SIDE {
            for other in 0..SIDE {
                let product: f64 = (0..SIDE).map(|x| basis(u, x) * basis(other, x)).sum();
                assert!((product - f64::from(u == other)).abs() < 1e-15, "{u} {other} {product}");
                let angle = ((2 * other + 1) * u) as f64 * std::f64::consts::PI / 16.0;
                let scale = if u == 0 { 0.125f64.sqrt() } else { 0.5 };
                assert!((basis(u, other) - scale * angle.cos()).abs() < 1e-15);
            }
        }
        let block: [f64; 64] = std::array::from_fn(|at| ((at * 37) % 64) as f64 - 31.0);
        let again = transform(&transform(&block, forth), back);
        assert!(block.iter().zip(again).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn steps_are_those_of_the_standard() {
        assert_eq!(steps(&LUMINANCE, 50)[..3], [16.0, 11.0, 10.0]);
        assert_eq!((steps(&LUMINANCE, 80)[0], steps(&CHROMINANCE, 80)[0]), (6.0, 7.0));
        assert_eq!((steps(&LUMINANCE, 40)[0], steps(&CHROMINANCE, 40)[63]), (20.0, 124.0));
        assert_eq!((steps(&LUMINANCE, 100), steps(&LUMINANCE, 1)), ([1.0; 64], [255.0; 64]));
    }
}
