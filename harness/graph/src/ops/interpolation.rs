//! How Resize samples one axis: for each output position the input positions that it reads, and their weights.
//!
//! Coordinates are computed in float32 as ONNX Runtime does, so that both round a tie the same way.

use crate::Attrs;

/// Where an output position lies on the input's axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    TfHalfPixelForNn,
    AlignCorners,
    Asymmetric,
}

/// Which neighbour a coordinate between two positions means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rounding {
    RoundPreferFloor,
    RoundPreferCeil,
    Floor,
    Ceil,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Nearest(Rounding),
    Linear,
    Cubic { a: f64, exclude_outside: bool },
}

/// What the attributes of a Resize say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampling {
    mode: Mode,
    coordinates: Coordinates,
}

/// One axis sampled: for each output position the same number of taps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Taps {
    per_output: usize,
    /// Input position and weight.
    flat: Vec<(usize, f64)>,
}

impl Taps {
    /// The taps of each output position.
    pub(super) fn outputs(&self) -> impl Iterator<Item = &[(usize, f64)]> {
        self.flat.chunks(self.per_output)
    }

    /// The input position of each output, where only one is read.
    pub(super) fn positions(&self) -> Option<impl Iterator<Item = usize> + '_> {
        (self.per_output == 1).then(|| self.flat.iter().map(|tap| tap.0))
    }

    /// The factor, where every input is shown so many times in a row.
    pub(super) fn repeats(&self, input: usize) -> Option<usize> {
        let factor = self.flat.len() / input;
        let copied = |(at, position): (usize, usize)| position == at / factor;
        let exact = factor * input == self.flat.len();
        (exact && self.positions()?.enumerate().all(copied)).then_some(factor)
    }
}

impl Sampling {
    /// Reads the attributes.
    ///
    /// Errors: a mode is unknown or not supported.
    pub(super) fn read(attrs: &Attrs) -> Result<Self, String> {
        let coordinates = match attrs.get_text("coordinate_transformation_mode", "half_pixel")? {
            "half_pixel" => Coordinates::HalfPixel,
            "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
            "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
            "tf_half_pixel_for_nn" => Coordinates::TfHalfPixelForNn,
            "align_corners" => Coordinates::AlignCorners,
            "asymmetric" => Coordinates::Asymmetric,
            other => return Err(format!("coordinate_transformation_mode `{other}` is not supported")),
        };
        let exclude_outside = attrs.get_int("exclude_outside", 0)? != 0;
        let mode = match attrs.get_text("mode", "nearest")? {
            "nearest" => Mode::Nearest(rounding(attrs)?),
            "linear" => Mode::Linear,
            "cubic" => Mode::Cubic { a: attrs.get_float("cubic_coeff_a", -0.75)?.into(), exclude_outside },
            other => return Err(format!("mode `{other}` is not one of nearest, linear, cubic")),
        };
        if exclude_outside && !matches!(mode, Mode::Cubic { .. }) {
            return Err("exclude_outside is for mode cubic alone".to_owned());
        }
        Ok(Self { mode, coordinates })
    }

    /// Whether every output shows one input.
    pub(super) fn is_nearest(&self) -> bool {
        matches!(self.mode, Mode::Nearest(_))
    }

    /// Whether this is cubic interpolation.
    pub(super) fn is_cubic(&self) -> bool {
        matches!(self.mode, Mode::Cubic { .. })
    }

    /// The taps of an axis of `input` elements shown in `output` elements. A scale of 1 keeps the axis as it is.
    pub(super) fn taps(&self, input: usize, output: usize, scale: f32) -> Taps {
        if scale == 1.0 {
            return Taps { per_output: 1, flat: (0..output).map(|at| (at, 1.0)).collect() };
        }
        let at = |index| self.coordinate(index as f32, scale, output as f32, input as f32);
        let per_output = match self.mode {
            Mode::Nearest(_) => 1,
            Mode::Linear => 2,
            Mode::Cubic { .. } => 4,
        };
        let mut flat = Vec::with_capacity(per_output * output);
        for index in 0..output {
            match self.mode {
                Mode::Nearest(rounding) => flat.push((inside(rounding.apply(at(index)), input), 1.0)),
                Mode::Linear => flat.extend(linear(at(index), input)),
                Mode::Cubic { a, exclude_outside } => flat.extend(cubic(at(index), input, a, exclude_outside)),
            }
        }
        Taps { per_output, flat }
    }

    fn coordinate(&self, at: f32, scale: f32, output: f32, input: f32) -> f32 {
        match self.coordinates {
            Coordinates::HalfPixel => (at + 0.5) / scale - 0.5,
            Coordinates::HalfPixelSymmetric => {
                let offset = input / 2.0 * (1.0 - output / (scale * input));
                (f64::from(offset) + (f64::from(at) + 0.5) / f64::from(scale) - 0.5) as f32
            }
            Coordinates::PytorchHalfPixel if output > 1.0 => (at + 0.5) / scale - 0.5,
            Coordinates::PytorchHalfPixel => 0.0,
            Coordinates::TfHalfPixelForNn => (at + 0.5) / scale,
            Coordinates::AlignCorners if output == 1.0 => 0.0,
            Coordinates::AlignCorners => at * (input - 1.0) / (output - 1.0),
            Coordinates::Asymmetric => at / scale,
        }
    }
}

impl Rounding {
    fn apply(self, at: f32) -> f32 {
        match self {
            Rounding::RoundPreferFloor if at == at.trunc() + 0.5 => at.floor(),
            Rounding::RoundPreferFloor | Rounding::RoundPreferCeil => at.round(),
            Rounding::Floor => at.floor(),
            Rounding::Ceil => at.ceil(),
        }
    }
}

fn rounding(attrs: &Attrs) -> Result<Rounding, String> {
    Ok(match attrs.get_text("nearest_mode", "round_prefer_floor")? {
        "round_prefer_floor" => Rounding::RoundPreferFloor,
        "round_prefer_ceil" => Rounding::RoundPreferCeil,
        "floor" => Rounding::Floor,
        "ceil" => Rounding::Ceil,
        other => return Err(format!("nearest_mode `{other}` is not known")),
    })
}

/// The position nearest to a whole coordinate. The conversion of negative floats saturates at 0.
fn inside(at: f32, input: usize) -> usize {
    (at as usize).min(input - 1)
}

fn linear(at: f32, input: usize) -> [(usize, f64); 2] {
    let at = at.clamp(0.0, (input - 1) as f32);
    let low = inside(at, input);
    let weight = f64::from(at - low as f32);
    [(low, 1.0 - weight), ((low + 1).min(input - 1), weight)]
}

/// Keys' cubic convolution. Taps outside show the border, or count for nothing and the others are scaled up.
fn cubic(at: f32, input: usize, a: f64, exclude_outside: bool) -> [(usize, f64); 4] {
    let low = at.floor();
    let s = f64::from(at - low);
    let near = |d: f64| ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
    let far = |d: f64| ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a;
    let mut taps = [far(s + 1.0), near(s), near(1.0 - s), far(2.0 - s)].map(|weight| (0, weight));
    for (offset, tap) in taps.iter_mut().enumerate() {
        let position = low + offset as f32 - 1.0;
        tap.0 = inside(position, input);
        if exclude_outside && tap.0 as f32 != position {
            tap.1 = 0.0;
        }
    }
    let sum: f64 = taps.iter().map(|tap| tap.1).sum();
    if exclude_outside { taps.map(|(at, weight)| (at, weight / sum)) } else { taps }
}
