//! The attributes of the operators, and the convolutions that they describe.

use super::dense::Conv;
use super::window::{Axis, Window};

/// The attributes of all operators, empty where one has none.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes {
    pub(super) kernel_shape: Vec<i64>,
    pub(super) strides: Vec<i64>,
    pub(super) dilations: Vec<i64>,
    pub(super) pads: Vec<i64>,
    pub(super) input_shape: Vec<i64>,
    pub(super) group: i64,
    pub(super) epsilon: f32,
    pub(super) low: f32,
    pub(super) high: f32,
}

impl Attributes {
    pub(super) fn bounds(&self) -> (f32, f32) {
        (self.low, self.high)
    }

    pub(super) fn input_shape(&self) -> Result<Vec<usize>, String> {
        let sizes: Result<Vec<usize>, _> = self.input_shape.iter().map(|&size| usize::try_from(size)).collect();
        sizes.ok().filter(|sizes| !sizes.is_empty()).ok_or("`input_shape` must be there".to_owned())
    }

    /// The convolution of `x` by `w`, whose spatial output must be `output` if that is known.
    pub(super) fn conv(&self, x: &[usize], w: &[usize], output: Option<&[usize]>) -> Result<Conv, String> {
        let window = self.window(spatial(x)?, spatial(w)?, output)?;
        let group = self.group.max(0) as usize;
        if group == 0 || x[1] != w[1] * group || !w[0].is_multiple_of(group) {
            return Err(format!("x is {x:?}, w is {w:?}, with {group} groups"));
        }
        Ok(Conv { images: x[0], channels: x[1], filters: w[0], group, window })
    }

    /// The convolution by `w` whose output `dy` is like.
    pub(super) fn conv_of_gradient(&self, dy: &[usize], w: &[usize]) -> Result<Conv, String> {
        let input = self.input_shape()?;
        let (output, channels) = (spatial(dy)?, w.get(1).copied().unwrap_or(0) * self.group.max(0) as usize);
        if dy[1] != w[0] {
            return Err(format!("dy is {dy:?}, w is {w:?}"));
        }
        self.conv(&[&[dy[0], channels], &input[..]].concat(), w, Some(output))
    }

    /// The window of a convolution of `input` by `kernel`, whose output must be `output` if that is known.
    pub(super) fn window(&self, input: &[usize], kernel: &[usize], output: Option<&[usize]>) -> Result<Window, String> {
        let axis = |index: usize| {
            let rank = input.len();
            let at = |list: &[i64], index: usize, default| list.get(index).copied().unwrap_or(default);
            let (begin, end) = (at(&self.pads, index, 0), at(&self.pads, rank + index, 0));
            let (stride, dilation) = (at(&self.strides, index, 1), at(&self.dilations, index, 1));
            let span = (kernel[index] as i64 - 1) * dilation + 1;
            let places = input[index] as i64 + begin + end - span;
            if stride < 1 || dilation < 1 || kernel[index] == 0 || places < 0 {
                return Err(format!("the window {self:?} does not fit an input of {input:?}"));
            }
            Ok(Axis {
                input: input[index],
                output: (places / stride) as usize + 1,
                kernel: kernel[index],
                stride: stride as usize,
                dilation: dilation as usize,
                begin: begin as isize,
            })
        };
        let one = Axis { input: 1, output: 1, kernel: 1, stride: 1, dilation: 1, begin: 0 };
        let window = match (input.len(), kernel.len()) {
            (1, 1) => Window { rows: one, cols: axis(0)? },
            (2, 2) => Window { rows: axis(0)?, cols: axis(1)? },
            _ => return Err(format!("one or two spatial axes, found {input:?} and a window of {kernel:?}")),
        };
        let found = [window.rows.output, window.cols.output];
        match output {
            Some(output) if output != &found[2 - input.len()..] => {
                Err(format!("the convolution's output is {found:?}, not {output:?}"))
            }
            _ => Ok(window),
        }
    }
}

pub(super) fn spatial(shape: &[usize]) -> Result<&[usize], String> {
    shape.get(2..).ok_or_else(|| format!("expected [N, C, …], found {shape:?}"))
}
