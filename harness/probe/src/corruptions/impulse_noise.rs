use super::planes::Planes;
use super::{Corruption, Parameter};
use attack::{Stream, unit};

pub(super) static IMPULSE_NOISE: Corruption = Corruption {
    name: "impulse-noise",
    about: "Salt and pepper: each element on its own becomes 0 or 1, one as likely as the other. Numbers as CIFAR-10-C.",
    random: true,
    revision: 1,
    parameters: &[Parameter { name: "share", values: [0.01, 0.02, 0.03, 0.05, 0.07] }],
    apply,
};

fn apply(picture: &mut Planes, numbers: &[f64], rng: &mut Stream) {
    for value in &mut picture.values {
        if unit(rng) < numbers[0] {
            *value = if unit(rng) < 0.5 { 0.0 } else { 1.0 };
        }
    }
}
