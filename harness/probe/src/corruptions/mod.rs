//! Common corruptions of pictures, one file each, and their table: what noise, blur, weather and compression make of a
//! sample, in five severities. They know no model and search for nothing.
//!
//! In the spirit of CIFAR-10-C (Hendrycks and Dietterich 2019, arXiv:1903.12261) and not equal to it: random numbers,
//! borders, roundings and the arithmetic are our own, so that the same picture comes out on every platform. The numbers of
//! the severities are those of CIFAR-10-C, which were chosen for 32x32 pixels.

use crate::Error;
use attack::{Picture, Stream, stream};
use planes::Planes;

mod brightness;
mod contrast;
mod defocus_blur;
mod filter;
mod fog;
mod gaussian_blur;
mod gaussian_noise;
mod impulse_noise;
mod jpeg;
#[cfg(test)]
mod laws;
mod pixelate;
mod planes;
mod shot_noise;

/// Severities are 1 to this.
pub const MOST_SEVERE: u32 = 5;

/// Every corruption, in the order in which a suite runs `all`.
pub static CORRUPTIONS: &[&Corruption] = &[
    &gaussian_noise::GAUSSIAN_NOISE,
    &shot_noise::SHOT_NOISE,
    &impulse_noise::IMPULSE_NOISE,
    &defocus_blur::DEFOCUS_BLUR,
    &gaussian_blur::GAUSSIAN_BLUR,
    &fog::FOG,
    &brightness::BRIGHTNESS,
    &contrast::CONTRAST,
    &pixelate::PIXELATE,
    &jpeg::JPEG,
];

/// What the table knows of a corruption.
#[derive(Debug)]
pub struct Corruption {
    /// Its id in suites and evidence, and the name of its file.
    pub name: &'static str,
    /// What it does to a picture, and where that differs from CIFAR-10-C.
    pub about: &'static str,
    /// Whether it draws random numbers, from a stream of the seed, the corruption, the severity and the sample. Without them
    /// picture and severity decide everything.
    pub random: bool,
    /// Rises whenever its pictures change; a test holds it against a digest of pictures.
    pub revision: u32,
    /// Its numbers.
    pub parameters: &'static [Parameter],
    /// Changes a picture, given the numbers of one severity in the order of `parameters`.
    apply: fn(&mut Planes, &[f64], &mut Stream),
}

/// One number of a corruption.
#[derive(Debug)]
pub struct Parameter {
    /// What it is called in plans and results.
    pub name: &'static str,
    /// Its value at each severity, the mildest first.
    pub values: [f64; MOST_SEVERE as usize],
}

/// The corruption of this name.
pub fn corruption(name: &str) -> Option<&'static Corruption> {
    CORRUPTIONS.iter().copied().find(|corruption| corruption.name == name)
}

impl Corruption {
    /// The numbers of one severity by name.
    ///
    /// Errors: there is no such severity.
    pub fn numbers(&self, severity: u32) -> Result<Vec<(&'static str, f64)>, Error> {
        let index = severity.checked_sub(1).filter(|index| *index < MOST_SEVERE);
        let index = index.ok_or_else(|| self.refuse(format!("severity {severity} is not in 1 to {MOST_SEVERE}")))?;
        Ok(self.parameters.iter().map(|parameter| (parameter.name, parameter.values[index as usize])).collect())
    }

    /// The corrupted row: 8-bit pixels `k / 255`, in the order of the elements of `row`.
    ///
    /// Shapes: `row` `[D]` as `picture` says; returns the same.
    /// Units: pixels in `[0, 1]`. `sample` is the digest of the row, `seed` the suite's; only random corruptions read them.
    /// Errors: there is no such severity, the row is not such a picture, has other than 1 or 3 channels, or leaves `[0, 1]`.
    pub fn apply(
        &self,
        row: &[f32],
        picture: &Picture,
        severity: u32,
        seed: u64,
        sample: &[u8; 32],
    ) -> Result<Vec<f32>, Error> {
        let numbers: Vec<f64> = self.numbers(severity)?.into_iter().map(|(_, value)| value).collect();
        let mut planes = Planes::read(row, picture).map_err(|reason| self.refuse(reason))?;
        let mut rng = stream(seed, &format!("corruption {}", self.name), sample, u64::from(severity));
        (self.apply)(&mut planes, &numbers, &mut rng);
        Ok(planes.write(picture))
    }

    fn refuse(&self, reason: String) -> Error {
        Error::Corruption { corruption: self.name, reason }
    }
}
