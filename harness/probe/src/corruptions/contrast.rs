use super::planes::Planes;
use super::{Corruption, Parameter};
use attack::Stream;

pub(super) static CONTRAST: Corruption = Corruption {
    name: "contrast",
    about: "Draws every element towards the mean of its channel, of whose distance `kept` is left. Numbers as CIFAR-10-C.",
    random: false,
    revision: 1,
    parameters: &[Parameter { name: "kept", values: [0.75, 0.5, 0.4, 0.3, 0.15] }],
    apply,
};

fn apply(picture: &mut Planes, numbers: &[f64], _: &mut Stream) {
    for plane in picture.planes_mut() {
        let mean = plane.iter().fold(0.0, |sum, value| sum + value) / plane.len() as f64;
        plane.iter_mut().for_each(|value| *value = (*value - mean) * numbers[0] + mean);
    }
}
