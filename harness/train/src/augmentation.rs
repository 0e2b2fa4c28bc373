//! What is done to a picture before it is learnt from.

use crate::draws::{below, stream};
use serde::Serialize;

/// Random crop of a padded picture, then a random flip from left to right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Augmentation {
    /// How far a crop may move in each direction; the border is zero. 0: pictures stay where they are.
    pub crop_padding: u32,
    /// Whether half of the pictures are turned from left to right.
    pub flip: bool,
}

/// One draw of an augmentation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// The rows that the crop starts below the picture's first one.
    down: i64,
    /// The columns that it starts to the right of the first one.
    right: i64,
    flip: bool,
}

impl Augmentation {
    /// The change of a row in an epoch.
    pub(crate) fn draw(&self, seed: u64, epoch: u64, row: u64) -> Change {
        let mut rng = stream(seed, "train.augmentation", epoch, row);
        let padding = i64::from(self.crop_padding);
        let mut shift = || i64::from(below(&mut rng, 2 * self.crop_padding + 1)) - padding;
        let (down, right) = (shift(), shift());
        Change { down, right, flip: self.flip && below(&mut rng, 2) == 1 }
    }
}

impl Change {
    /// Writes the changed picture.
    ///
    /// Shapes: `picture` and `changed` are `[C, H, W]`. What comes from outside of the picture is `border`.
    pub(crate) fn apply(&self, picture: &[f32], shape: [usize; 3], border: f32, changed: &mut [f32]) {
        let [_, height, width] = shape;
        let planes = picture.chunks_exact(height * width).zip(changed.chunks_exact_mut(height * width));
        for (plane, target) in planes {
            for (row, target) in target.chunks_exact_mut(width).enumerate() {
                let from = row as i64 + self.down;
                match usize::try_from(from).ok().filter(|from| *from < height) {
                    Some(from) => self.line(&plane[from * width..][..width], border, target),
                    None => target.fill(border),
                }
            }
        }
    }

    fn line(&self, line: &[f32], border: f32, target: &mut [f32]) {
        let width = line.len();
        let shift = self.right.unsigned_abs() as usize;
        let kept = width.saturating_sub(shift);
        let (from, to) = if self.right >= 0 { (shift.min(width), 0) } else { (0, shift.min(width)) };
        target.fill(border);
        target[to..to + kept].copy_from_slice(&line[from..from + kept]);
        if self.flip {
            target.reverse();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const SHAPE: [usize; 3] = [2, 3, 4];

    fn picture() -> Vec<f32> {
        (1..=24).map(|value| value as f32).collect()
    }

    fn changed(change: Change, picture: &[f32]) -> Vec<f32> {
        let mut target = vec![9e9; 24];
        change.apply(picture, SHAPE, 0.0, &mut target);
        target
    }

    #[test]
    fn no_padding_and_no_flip_change_nothing() {
        for row in 0..50 {
            let change = Augmentation::default().draw(1, 2, row);
            assert_eq!(changed(change, &picture()), picture());
        }
    }

    #[test]
    fn a_second_flip_undoes_the_first() {
        let flip = Change { flip: true, ..Change::default() };
        let once = changed(flip, &picture());
        assert_eq!(once[..4], [4.0, 3.0, 2.0, 1.0]);
        assert_eq!(changed(flip, &once), picture());
    }

    /// The definition: pad, cut, then turn.
    #[test]
    fn a_crop_is_a_window_of_the_padded_picture() {
        let padding = 5;
        let augmentation = Augmentation { crop_padding: padding, flip: true };
        let [channels, height, width] = SHAPE.map(|dim| dim as i64);
        for row in 0..200 {
            let change = augmentation.draw(7, 0, row);
            let source = picture();
            let at = |c: i64, i: i64, j: i64| {
                let inside = (0..height).contains(&i) && (0..width).contains(&j);
                if inside { source[((c * height + i) * width + j) as usize] } else { 0.0 }
            };
            let mut expected = Vec::new();
            for (c, i, j) in
                (0..channels).flat_map(|c| (0..height).flat_map(move |i| (0..width).map(move |j| (c, i, j))))
            {
                let j = if change.flip { width - 1 - j } else { j };
                expected.push(at(c, i + change.down, j + change.right));
            }
            assert_eq!(changed(change, &source), expected, "{change:?}");
        }
    }

    #[test]
    fn every_change_is_as_likely() {
        let augmentation = Augmentation { crop_padding: 1, flip: true };
        let mut counts: BTreeMap<(i64, i64, bool), u32> = BTreeMap::new();
        for row in 0..36_000 {
            let Change { down, right, flip } = augmentation.draw(5, row % 7, row);
            *counts.entry((down, right, flip)).or_default() += 1;
        }
        // 18 changes of mean 2,000; five standard deviations.
        assert!(counts.len() == 18 && counts.values().all(|count| count.abs_diff(2_000) < 220), "{counts:?}");
    }
}
