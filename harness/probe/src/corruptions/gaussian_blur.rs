use super::filter::{Tap, filter};
use super::planes::Planes;
use super::{Corruption, Parameter};
use crate::divergence::exp;
use attack::Stream;

pub(super) static GAUSSIAN_BLUR: Corruption = Corruption {
    name: "gaussian-blur",
    about: "A Gaussian filter cut off at four deviations. Numbers as CIFAR-10-C; borders mirror the picture, where \
            CIFAR-10-C repeats the edge.",
    random: false,
    revision: 1,
    parameters: &[Parameter { name: "deviation", values: [0.4, 0.6, 0.7, 0.8, 1.0] }],
    apply,
};

fn apply(picture: &mut Planes, numbers: &[f64], _: &mut Stream) {
    let weights = gaussian(numbers[0], (4.0 * numbers[0] + 0.5).floor() as isize);
    let along = |tap: fn(isize, f64) -> Tap| weights.iter().map(|(at, weight)| tap(*at, *weight)).collect::<Vec<_>>();
    filter(picture, &along(|right, weight| Tap { down: 0, right, weight }));
    filter(picture, &along(|down, weight| Tap { down, right: 0, weight }));
}

/// Weights from `-radius` to `radius`, which sum to 1.
pub(super) fn gaussian(deviation: f64, radius: isize) -> Vec<(isize, f64)> {
    let weight = |at: isize| exp(-((at * at) as f64) / (2.0 * deviation * deviation));
    let sum = (-radius..=radius).fold(0.0, |sum, at| sum + weight(at));
    (-radius..=radius).map(|at| (at, weight(at) / sum)).collect()
}
