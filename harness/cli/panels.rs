//! A sample, its adversarial twin and their difference as one picture of three panels.

use anyhow::Result;
use attack::Picture;
use registry::{DataUnits, Dataset, Layout};

/// The least height of a panel in pixels.
const LEAST_HEIGHT: usize = 256;

/// Panels grow no wider than this, so that a row of a thousand values makes no picture of a million.
const MOST_WIDTH: usize = 1024;

/// White pixels between panels.
const GAP: usize = 8;

/// The same where an element is one pixel.
const SMALL_GAP: usize = 1;

/// How the rows of a data set are shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    picture: Picture,
    /// Pixels in `[0, 1]` of one or three channels; whatever else is shown in grey, from its least value to its largest.
    is_picture: bool,
}

/// What was drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Drawn {
    /// The file's bytes.
    pub(crate) png: Vec<u8>,
    /// How wide and how high one element is, in pixels.
    pub(crate) element: (usize, usize),
    /// The values that are black and white in the panels of sample and adversarial input.
    pub(crate) scale: (f32, f32),
    /// The largest difference of any element.
    pub(crate) largest: f64,
    /// How many times larger than in the other panels the difference is shown; `None` where there is none.
    pub(crate) factor: Option<f64>,
}

impl View {
    /// The view of a data set.
    pub(crate) fn of(dataset: &Dataset) -> View {
        let picture = Picture::new(&dataset.shape, dataset.layout == Layout::Nhwc);
        let has_pixels = dataset.domain.units == DataUnits::Unit && dataset.layout != Layout::Flat;
        let is_picture = has_pixels && dataset.shape.len() == 3 && [1, 3].contains(&picture.channels);
        View { picture, is_picture }
    }

    /// Whether rows are pictures.
    pub(crate) fn is_picture(&self) -> bool {
        self.is_picture
    }

    /// Draws the three panels side by side: each element a block of one colour, at least 256 pixels high together, white
    /// between panels. The difference is centred on mid-grey (128), its largest element black (0) or white (255).
    ///
    /// Shapes: both `[row_len]`.
    /// Errors: the picture cannot be encoded.
    pub(crate) fn draw(&self, sample: &[f32], adversarial: &[f32]) -> Result<Drawn> {
        self.draw_in(sample, adversarial, self.element(), GAP)
    }

    /// The same with one pixel for each element, for pages that enlarge it themselves.
    pub(crate) fn draw_small(&self, sample: &[f32], adversarial: &[f32]) -> Result<Drawn> {
        self.draw_in(sample, adversarial, (1, 1), SMALL_GAP)
    }

    /// Rows of pictures beside and below each other, with one pixel for each element; a row without values leaves its place white.
    ///
    /// Shapes: each `[row_len]` or empty.
    /// Errors: the picture cannot be encoded.
    pub(crate) fn sheet(&self, rows: &[Vec<f32>], beside: usize) -> Result<Vec<u8>> {
        let tile = |row: &Vec<f32>| row.iter().map(|x| byte(f64::from(*x))).collect();
        self.encode(&rows.iter().map(tile).collect::<Vec<_>>(), beside, (1, 1), SMALL_GAP)
    }

    fn draw_in(&self, sample: &[f32], adversarial: &[f32], element: (usize, usize), gap: usize) -> Result<Drawn> {
        let scale = if self.is_picture { (0.0, 1.0) } else { extremes(sample.iter().chain(adversarial)) };
        let span = f64::from(scale.1) - f64::from(scale.0);
        let level = |x: &f32| byte((f64::from(*x) - f64::from(scale.0)) / if span > 0.0 { span } else { 1.0 });
        let difference: Vec<f64> = sample.iter().zip(adversarial).map(|(x, y)| f64::from(*y) - f64::from(*x)).collect();
        let largest = difference.iter().fold(0.0, |most: f64, delta| most.max(delta.abs()));
        let around_grey = |delta: &f64| byte(0.5 + if largest > 0.0 { 0.5 * delta / largest } else { 0.0 });
        let panels = [
            sample.iter().map(level).collect(),
            adversarial.iter().map(level).collect(),
            difference.iter().map(around_grey).collect::<Vec<u8>>(),
        ];
        let png = self.encode(&panels, 3, element, gap)?;
        let factor = (largest > 0.0).then(|| 0.5 * span / largest);
        Ok(Drawn { png, element, scale, largest, factor })
    }

    /// Width and height of a panel in elements: channels that are no colours stand one below the other.
    fn size(&self) -> (usize, usize) {
        let Picture { channels, height, width, .. } = self.picture;
        (width, if self.is_picture { height } else { channels * height })
    }

    fn element(&self) -> (usize, usize) {
        let (width, height) = self.size();
        let down = LEAST_HEIGHT.div_ceil(height);
        (down.min((MOST_WIDTH / width).max(1)), down)
    }

    /// The bytes of one pixel of a panel: grey, or red, green and blue.
    fn pixel<'a>(&'a self, panel: &'a [u8], x: usize, y: usize) -> impl Iterator<Item = u8> + 'a {
        let Picture { channels, height, .. } = self.picture;
        let colours = if self.is_picture { 0..channels } else { y / height..y / height + 1 };
        colours.map(move |channel| panel[self.picture.index(channel, y % height, x)])
    }

    /// Tiles beside and below each other, white between them and where there is none.
    fn encode(&self, tiles: &[Vec<u8>], beside: usize, (across, down): (usize, usize), gap: usize) -> Result<Vec<u8>> {
        let (width, height) = self.size();
        let bytes = if self.is_picture { self.picture.channels } else { 1 };
        let total_width = beside * width * across + (beside - 1) * gap;
        let mut pixels = Vec::new();
        for (index, row) in tiles.chunks(beside).enumerate() {
            let above = if index > 0 { gap } else { 0 };
            pixels.resize(pixels.len() + above * total_width * bytes, u8::MAX);
            for y in 0..height {
                let mut line = Vec::new();
                for (index, tile) in row.iter().enumerate() {
                    line.resize(line.len() + if index > 0 { gap * bytes } else { 0 }, u8::MAX);
                    for x in (0..width).filter(|_| !tile.is_empty()) {
                        (0..across).for_each(|_| line.extend(self.pixel(tile, x, y)));
                    }
                    line.resize((index * (width * across + gap) + width * across) * bytes, u8::MAX);
                }
                line.resize(total_width * bytes, u8::MAX);
                pixels.extend(line.repeat(down));
            }
        }
        let rows = tiles.len().div_ceil(beside);
        let total_height = rows * height * down + rows.saturating_sub(1) * gap;
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, u32::try_from(total_width)?, u32::try_from(total_height)?);
        encoder.set_color(if bytes == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale });
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish()?;
        Ok(file)
    }
}

/// An intensity from 0 to 1 in 8 bits; of `k / 255` exactly `k`.
fn byte(intensity: f64) -> u8 {
    (intensity * 255.0).round().clamp(0.0, 255.0) as u8
}

fn extremes<'a>(values: impl Iterator<Item = &'a f32>) -> (f32, f32) {
    values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pixels of a PNG, line by line.
    fn decode(png: &[u8]) -> (usize, usize, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width as usize, info.height as usize, pixels)
    }

    fn view(shape: &[usize], channels_last: bool, is_picture: bool) -> View {
        View { picture: Picture::new(shape, channels_last), is_picture }
    }

    /// In every layout each element stands as one block where it belongs, in all three panels.
    #[test]
    fn every_element_is_a_block_of_its_own_value() {
        for view in [
            view(&[1, 5, 4], false, true),
            view(&[3, 5, 4], false, true),
            view(&[5, 4, 3], true, true),
            view(&[2, 5, 4], false, false),
            view(&[49, 10, 1], true, false),
            view(&[3000], false, false),
        ] {
            let Picture { channels, height, width, .. } = view.picture;
            let count = view.picture.len();
            // From 0 to 1, so that least and largest are those of pixels too.
            let sample: Vec<f32> = (0..count).map(|at| (at * 7 % 256).min(255) as f32 / 255.0).collect();
            let adversarial: Vec<f32> =
                sample.iter().map(|x| if *x < 0.5 { x + 2.0 / 255.0 } else { x - 4.0 / 255.0 }).collect();
            let drawn = view.draw(&sample, &adversarial).unwrap();
            let (total_width, total_height, pixels) = decode(&drawn.png);
            let (across, down) = drawn.element;
            let (columns, rows) = view.size();
            assert!(
                total_height >= 256 && total_height == rows * down && total_width == 3 * columns * across + 2 * GAP
            );
            let bytes = if view.is_picture { channels } else { 1 };
            let (low, high) = drawn.scale;
            let level = |x: f32| ((x - low) / (high - low) * 255.0).round() as u8;
            for (c, y, x) in
                (0..channels).flat_map(|c| (0..height).flat_map(move |y| (0..width).map(move |x| (c, y, x))))
            {
                let at = view.picture.index(c, y, x);
                let grey = if sample[at] < 0.5 { 191 } else { 0 };
                let (line, byte) = if view.is_picture { (y, c) } else { (c * height + y, 0) };
                for (panel, wanted) in [level(sample[at]), level(adversarial[at]), grey].into_iter().enumerate() {
                    let left = panel * (columns * across + GAP) + x * across;
                    for (dx, dy) in [(0, 0), (across - 1, down - 1), (0, down - 1)] {
                        let found = pixels[((line * down + dy) * total_width + left + dx) * bytes + byte];
                        assert_eq!(found, wanted, "{view:?} panel {panel} at {c} {y} {x}");
                    }
                }
            }
            let factor = 0.5 * f64::from(high - low) / (4.0 / 255.0);
            assert!((drawn.factor.unwrap() / factor - 1.0).abs() < 1e-4);
        }
    }

    #[test]
    fn rows_without_a_difference_or_a_range_are_drawn_too() {
        let view = view(&[4], false, false);
        let drawn = view.draw(&[3.0; 4], &[3.0; 4]).unwrap();
        assert_eq!((drawn.scale, drawn.largest, drawn.factor), ((3.0, 3.0), 0.0, None));
        let (width, _, pixels) = decode(&drawn.png);
        assert_eq!((pixels[0], pixels[width - 1]), (0, 128));
    }

    #[test]
    fn a_sheet_has_each_row_in_its_place() {
        let view = view(&[1, 2, 2], false, true);
        let rows: Vec<Vec<f32>> = [10, 20, 30].map(|level| vec![level as f32 / 255.0; 4]).to_vec();
        let (width, height, pixels) =
            decode(&view.sheet(&[rows.clone(), vec![Vec::new()], vec![rows[0].clone()]].concat(), 3).unwrap());
        assert_eq!((width, height), (8, 5));
        let line = [10, 10, 255, 20, 20, 255, 30, 30];
        let below = [255, 255, 255, 10, 10, 255, 255, 255];
        assert_eq!(pixels, [line, line, [255; 8], below, below].concat());
    }
}
