use super::planes::Planes;
use super::{Corruption, Parameter};
use attack::Stream;

pub(super) static BRIGHTNESS: Corruption = Corruption {
    name: "brightness",
    about: "Adds to the value of every pixel, its largest channel, up to 1, and keeps hue and saturation. Numbers as \
            CIFAR-10-C.",
    random: false,
    revision: 1,
    parameters: &[Parameter { name: "added", values: [0.05, 0.1, 0.15, 0.2, 0.3] }],
    apply,
};

fn apply(picture: &mut Planes, numbers: &[f64], _: &mut Stream) {
    let area = picture.area();
    for pixel in 0..area {
        let channels = || (0..picture.channels).map(|channel| channel * area + pixel);
        let value = channels().fold(0.0, |most, at| f64::max(most, picture.values[at]));
        let brighter = f64::min(value + numbers[0], 1.0);
        for at in (0..picture.channels).map(|channel| channel * area + pixel) {
            // Black has no saturation: it becomes grey.
            picture.values[at] = if value > 0.0 { picture.values[at] * brighter / value } else { brighter };
        }
    }
}
