use super::planes::Planes;
use super::{Corruption, Parameter};
use attack::{Stream, symmetric};

pub(super) static FOG: Corruption = Corruption {
    name: "fog",
    about: "Lays a random plasma, by the diamond-square algorithm, over the picture and scales it back so that the lightest \
            element stays. Numbers as CIFAR-10-C, whose map is 32x32; ours is as large as the picture needs.",
    random: true,
    revision: 1,
    parameters: &[
        Parameter { name: "thickness", values: [0.2, 0.5, 0.75, 1.0, 1.5] },
        Parameter { name: "decay", values: [3.0, 3.0, 2.5, 2.0, 1.75] },
    ],
    apply,
};

fn apply(picture: &mut Planes, numbers: &[f64], rng: &mut Stream) {
    let (thickness, width) = (numbers[0], picture.width);
    let size = picture.height.max(width).max(2).next_power_of_two();
    let plasma = plasma(size, numbers[1], rng);
    let lightest = picture.values.iter().fold(0.0, |most, value| f64::max(most, *value));
    for plane in picture.planes_mut() {
        for (at, value) in plane.iter_mut().enumerate() {
            let fog = thickness * plasma[at / width * size + at % width];
            *value = (*value + fog) * lightest / (lightest + thickness);
        }
    }
}

/// A map `[size, size]` from 0 to 1 that wraps around, `size` a power of two.
///
/// Each point is the mean of the four around it and a uniform draw, whose range falls by the square of `decay` from one
/// scale to the next.
/// Source: Fournier, Fussell and Carpenter 1982; the amplitudes are those of CIFAR-10-C.
fn plasma(size: usize, decay: f64, rng: &mut Stream) -> Vec<f64> {
    let mut map = vec![0.0; size * size];
    let (mut step, mut amplitude) = (size, 10_000.0);
    while step >= 2 {
        let half = step / 2;
        // First the centres of squares, whose corners are there, then the middles of their sides.
        for (down, right, around) in [
            (half, half, [(0, 0), (0, step), (step, 0), (step, step)]),
            (0, half, [(0, 0), (0, step), (half, half), (size - half, half)]),
            (half, 0, [(0, 0), (step, 0), (half, half), (half, size - half)]),
        ] {
            for y in (0..size).step_by(step) {
                for x in (0..size).step_by(step) {
                    let at = |(down, right): (usize, usize)| (y + down) % size * size + (x + right) % size;
                    let mean = around.iter().fold(0.0, |sum, place| sum + map[at(*place)]) / 4.0;
                    map[at((down, right))] = mean + amplitude * symmetric(rng);
                }
            }
        }
        step = half;
        amplitude /= decay * decay;
    }
    let low = map.iter().fold(f64::INFINITY, |least, value| least.min(*value));
    let high = map.iter().fold(f64::NEG_INFINITY, |most, value| most.max(*value));
    // Equal draws everywhere do not happen in practice; they are no fog.
    let width = if high > low { high - low } else { 1.0 };
    map.iter_mut().for_each(|value| *value = (*value - low) / width);
    map
}

#[cfg(test)]
mod tests {
    use super::plasma;

    #[test]
    fn a_plasma_spans_0_to_1_and_is_the_smoother_the_faster_its_amplitudes_fall() {
        let roughness = |decay: f64| {
            let map = plasma(64, decay, &mut attack::stream(1, "fog", &[0; 32], 0));
            assert!(map.iter().all(|value| (0.0..=1.0).contains(value)));
            assert!(map.contains(&0.0) && map.contains(&1.0));
            map.windows(2).map(|pair| (pair[0] - pair[1]).abs()).sum::<f64>() / 4096.0
        };
        let falling = [1.1, 1.75, 2.0, 2.5, 3.0, 6.0].map(roughness);
        assert!(falling.is_sorted_by(|a, b| a > b), "{falling:?}");
        assert_eq!(plasma(2, 3.0, &mut attack::stream(1, "fog", &[0; 32], 0)).len(), 4);
    }
}
