use super::filter::{Tap, filter};
use super::gaussian_blur::gaussian;
use super::planes::Planes;
use super::{Corruption, Parameter};
use attack::Stream;

pub(super) static DEFOCUS_BLUR: Corruption = Corruption {
    name: "defocus-blur",
    about: "The pixels of a disk, softened by a Gaussian of 3x3. Numbers as CIFAR-10-C; borders mirror the picture with its \
            edge pixels, where CIFAR-10-C leaves these out.",
    random: false,
    revision: 1,
    parameters: &[
        Parameter { name: "radius", values: [0.3, 0.4, 0.5, 1.0, 1.5] },
        Parameter { name: "softening", values: [0.4, 0.5, 0.6, 0.2, 0.1] },
    ],
    apply,
};

fn apply(picture: &mut Planes, numbers: &[f64], _: &mut Stream) {
    filter(picture, &disk(numbers[0], numbers[1]));
}

/// The taps of a softened disk.
fn disk(radius: f64, softening: f64) -> Vec<Tap> {
    let inside = |down: isize, right: isize| ((down * down + right * right) as f64) <= radius * radius;
    let reach = radius.floor() as isize;
    let window = |reach: isize| (-reach..=reach).flat_map(move |down| (-reach..=reach).map(move |right| (down, right)));
    let pixels = window(reach).filter(|(down, right)| inside(*down, *right)).count() as f64;
    let soft = gaussian(softening, 1);
    let weight = |down: isize, right: isize| {
        let each = soft.iter().flat_map(|(a, v)| soft.iter().map(move |(b, h)| (*a, *b, v * h)));
        each.filter(|(a, b, _)| inside(down - a, right - b)).fold(0.0, |sum, (.., weight)| sum + weight) / pixels
    };
    window(reach + 1).map(|(down, right)| Tap { down, right, weight: weight(down, right) }).collect()
}
