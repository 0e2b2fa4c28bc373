use super::planes::Planes;
use super::{Corruption, Parameter};
use attack::{Stream, bell};

pub(super) static GAUSSIAN_NOISE: Corruption = Corruption {
    name: "gaussian-noise",
    about: "Adds a nearly normal draw to every element. Numbers as CIFAR-10-C; the draws are sums of twelve uniform ones.",
    random: true,
    revision: 1,
    parameters: &[Parameter { name: "deviation", values: [0.04, 0.06, 0.08, 0.09, 0.10] }],
    apply,
};

fn apply(picture: &mut Planes, numbers: &[f64], rng: &mut Stream) {
    picture.values.iter_mut().for_each(|value| *value += numbers[0] * bell(rng));
}
