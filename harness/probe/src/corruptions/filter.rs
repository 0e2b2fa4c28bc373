//! Linear filters whose borders mirror the picture, edge pixels repeated: every pixel has as much weight as any other, so a
//! filter that is symmetric and whose weights sum to 1 keeps the mean.

use super::planes::Planes;

/// How far away a tap looks, and its weight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tap {
    pub(super) down: isize,
    pub(super) right: isize,
    pub(super) weight: f64,
}

/// Every pixel becomes the weighted sum of its neighbours.
pub(super) fn filter(picture: &mut Planes, taps: &[Tap]) {
    let (height, width) = (picture.height, picture.width);
    for plane in picture.planes_mut() {
        let before = plane.to_vec();
        for y in 0..height {
            for x in 0..width {
                plane[y * width + x] = taps.iter().fold(0.0, |sum, tap| {
                    let (y, x) = (mirror(y as isize + tap.down, height), mirror(x as isize + tap.right, width));
                    sum + tap.weight * before[y * width + x]
                });
            }
        }
    }
}

/// Where an index stands in a line of this length that goes back and forth: `..., 1, 0, 0, 1, ..., n-1, n-1, n-2, ...`.
fn mirror(index: isize, length: usize) -> usize {
    let turn = index.rem_euclid(2 * length as isize) as usize;
    turn.min(2 * length - 1 - turn)
}

#[cfg(test)]
mod tests {
    use super::mirror;

    #[test]
    fn lines_go_back_and_forth() {
        let found: Vec<usize> = (-5..8).map(|index| mirror(index, 3)).collect();
        assert_eq!(found, [1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]);
        assert!((-9..9).all(|index| mirror(index, 1) == 0));
    }
}
