use super::planes::Planes;
use super::{Corruption, Parameter};
use crate::divergence::exp;
use attack::{Stream, unit};

pub(super) static SHOT_NOISE: Corruption = Corruption {
    name: "shot-noise",
    about: "Counts photons: every element becomes a Poisson draw of mean `photons` times its value, over `photons`. Numbers \
            as CIFAR-10-C.",
    random: true,
    revision: 1,
    parameters: &[Parameter { name: "photons", values: [500.0, 250.0, 100.0, 75.0, 50.0] }],
    apply,
};

fn apply(picture: &mut Planes, numbers: &[f64], rng: &mut Stream) {
    picture.values.iter_mut().for_each(|value| *value = poisson(*value * numbers[0], rng) / numbers[0]);
}

/// How many uniform draws can be multiplied before the product falls to `e^-mean`, for means up to 700.
///
/// Source: Knuth, The Art of Computer Programming 2, 3.4.1.
fn poisson(mean: f64, rng: &mut Stream) -> f64 {
    let (least, mut product, mut count) = (exp(-mean), unit(rng), 0.0);
    while product > least {
        product *= unit(rng);
        count += 1.0;
    }
    count
}
