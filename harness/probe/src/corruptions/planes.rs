use attack::Picture;

/// A picture as planes of f64, `[C, H, W]`, whatever the order of the row's elements.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planes {
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    /// Pixels in `[0, 1]`; while a corruption works they may leave it.
    pub(super) values: Vec<f64>,
}

impl Planes {
    /// Errors: what was found and what is allowed.
    pub(super) fn read(row: &[f32], picture: &Picture) -> Result<Self, String> {
        let Picture { channels, height, width, .. } = *picture;
        if ![1, 3].contains(&channels) || picture.is_empty() {
            return Err(format!(
                "it has {channels} channels of {height}x{width}, only 1 or 3 of at least 1x1 are pictures"
            ));
        }
        if row.len() != picture.len() {
            return Err(format!("it has {} values for {channels}x{height}x{width}", row.len()));
        }
        if let Some(value) = row.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            return Err(format!("it holds {value}, pixels are 0 to 1"));
        }
        let values = places(picture).map(|place| f64::from(row[place])).collect();
        Ok(Self { channels, height, width, values })
    }

    /// Rounds to 8 bits, halves up, and puts the elements where the row has them.
    pub(super) fn write(&self, picture: &Picture) -> Vec<f32> {
        let mut row = vec![0.0; self.values.len()];
        for (place, value) in places(picture).zip(&self.values) {
            row[place] = f32::from(level(*value)) / 255.0;
        }
        row
    }

    /// The number of pixels.
    pub(super) fn area(&self) -> usize {
        self.height * self.width
    }

    /// The planes, one after the other.
    pub(super) fn planes_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        let area = self.area();
        self.values.chunks_exact_mut(area)
    }
}

/// The nearest 8-bit level, halves up.
pub(super) fn level(value: f64) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0 + 0.5).floor() as u8
}

/// Where the elements of a row stand, plane by plane.
fn places(picture: &Picture) -> impl Iterator<Item = usize> + '_ {
    let Picture { channels, height, width, .. } = *picture;
    (0..channels).flat_map(move |c| (0..height).flat_map(move |y| (0..width).map(move |x| picture.index(c, y, x))))
}
