/// How the elements of a row lie in space, for attacks that move neighbours together.
///
/// Whatever is not a picture is a line, of height 1: a window is then an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Planes of the picture, or series of the line.
    pub channels: usize,
    /// Rows of pixels; 1 for a line.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// Whether the channels of a pixel are side by side, as in NHWC.
    pub channels_last: bool,
}

impl Picture {
    /// One series of this length.
    pub fn line(width: usize) -> Picture {
        Picture { channels: 1, height: 1, width, channels_last: false }
    }

    /// From the shape of a row: `[C, H, W]` or `[C, L]`, with `channels_last` `[H, W, C]` or `[L, C]`; `[L]`, and any other
    /// shape as one line.
    pub fn new(shape: &[usize], channels_last: bool) -> Picture {
        let (channels, height, width) = match (shape, channels_last) {
            (&[c, h, w], false) | (&[h, w, c], true) => (c, h, w),
            (&[c, l], false) | (&[l, c], true) => (c, 1, l),
            _ => return Picture::line(shape.iter().product()),
        };
        Picture { channels, height, width, channels_last }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where an element stands in the row.
    pub fn index(&self, channel: usize, y: usize, x: usize) -> usize {
        let pixel = y * self.width + x;
        match self.channels_last {
            true => pixel * self.channels + channel,
            false => channel * self.height * self.width + pixel,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Picture;

    #[test]
    fn every_element_has_one_place_in_either_order() {
        for (shape, channels_last, dims) in [
            (&[2, 3, 4][..], false, (2, 3, 4)),
            (&[3, 4, 2], true, (2, 3, 4)),
            (&[2, 5], false, (2, 1, 5)),
            (&[5, 2], true, (2, 1, 5)),
            (&[7], false, (1, 1, 7)),
            (&[2, 2, 2, 2], false, (1, 1, 16)),
        ] {
            let picture = Picture::new(shape, channels_last);
            assert_eq!((picture.channels, picture.height, picture.width), dims, "{shape:?}");
            let (height, width) = (picture.height, picture.width);
            let all = (0..picture.channels)
                .flat_map(|c| (0..height).flat_map(move |y| (0..width).map(move |x| picture.index(c, y, x))));
            let mut all: Vec<usize> = all.collect();
            all.sort();
            assert_eq!(all, (0..picture.len()).collect::<Vec<_>>());
        }
        assert_eq!(Picture::new(&[3, 4, 2], true).index(1, 2, 3), 23);
        assert_eq!(Picture::new(&[2, 3, 4], false).index(1, 2, 3), 23);
        assert_eq!(Picture::new(&[2, 3, 4], false).index(1, 0, 1), 13);
    }
}
