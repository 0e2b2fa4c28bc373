use super::planes::Planes;
use super::{Corruption, Parameter};
use attack::Stream;

pub(super) static PIXELATE: Corruption = Corruption {
    name: "pixelate",
    about: "Shrinks the picture to this share of its sides, whole pixels averaged, and enlarges it again. Numbers as \
            CIFAR-10-C, which rounds to 8 bits in between.",
    random: false,
    revision: 1,
    parameters: &[Parameter { name: "kept", values: [0.95, 0.9, 0.85, 0.75, 0.65] }],
    apply,
};

fn apply(picture: &mut Planes, numbers: &[f64], _: &mut Stream) {
    let (rows, columns) = (cells(picture.height, numbers[0]), cells(picture.width, numbers[0]));
    let width = picture.width;
    for plane in picture.planes_mut() {
        let cell = |at: usize| (rows[at / width], columns[at % width]);
        let mut sums = std::collections::BTreeMap::new();
        for (at, value) in plane.iter().enumerate() {
            let (sum, count) = sums.entry(cell(at)).or_insert((0.0, 0.0));
            (*sum, *count) = (*sum + value, *count + 1.0);
        }
        plane.iter_mut().enumerate().for_each(|(at, value)| {
            let (sum, count) = sums[&cell(at)];
            *value = sum / count;
        });
    }
}

/// The large pixel that each pixel of a line is in: that over its centre.
fn cells(length: usize, kept: f64) -> Vec<usize> {
    let large = ((length as f64 * kept) as usize).max(1);
    (0..length).map(|at| (2 * at + 1) * large / (2 * length)).collect()
}

#[cfg(test)]
mod tests {
    use super::{PIXELATE, cells};

    #[test]
    fn a_line_has_as_many_large_pixels_as_its_length_says() {
        for (kept, count) in PIXELATE.parameters[0].values.into_iter().zip([30, 28, 27, 24, 20]) {
            let mut cells = cells(32, kept);
            assert!(cells.is_sorted());
            cells.dedup();
            assert_eq!(cells, (0..count).collect::<Vec<_>>());
        }
        assert_eq!((cells(1, 0.65), cells(3, 0.65), cells(4, 0.5)), (vec![0], vec![0, 0, 0], vec![0, 0, 1, 1]));
    }
}
