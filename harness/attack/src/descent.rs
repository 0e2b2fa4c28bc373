//! What Carlini and Wagner's attacks descend by: a variable without bounds for each element of the input, and Adam.

use crate::{Domain, Epsilon, Error, Norm, ThreatModel};

/// What both attacks refuse: another norm than their own, and numbers with which nothing moves.
pub(crate) fn check(
    attack: &'static str,
    norm: Norm,
    threat: &ThreatModel,
    counts: [u32; 2],
    rates: [&Epsilon; 2],
) -> Result<(), Error> {
    let reason = if threat.norm != norm {
        format!("it looks for small changes in {norm}; the threat model is in {}", threat.norm)
    } else if counts.contains(&0) {
        "`steps` or `searches` is 0; expected at least 1".to_owned()
    } else if rates.iter().any(|rate| rate.to_f64() == 0.0) {
        "`learning_rate` or `c` is 0; expected more".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::Spec { attack, reason })
}

/// How far from the bounds a sample is moved, which would be infinitely far away in the new variable.
const INSIDE: f64 = 0.999_999;

/// `x = middle + half tanh(w)`, so that every `w` is an input. In a domain without an end `x = w`, clipped.
///
/// Source: Carlini and Wagner 2017, arXiv:1608.04644, section V.B.
pub(crate) struct TanhSpace {
    domain: Domain,
    middle: f64,
    half: f64,
}

impl TanhSpace {
    pub(crate) fn new(domain: &Domain) -> Self {
        let (lower, upper) = (f64::from(domain.lower), f64::from(domain.upper));
        Self { domain: *domain, middle: (lower + upper) / 2.0, half: (upper - lower) / 2.0 }
    }

    fn is_bounded(&self) -> bool {
        self.half.is_finite()
    }

    /// The variables of a point.
    pub(crate) fn enter(&self, x: &[f32]) -> Vec<f64> {
        let variable = |x: &f32| match self.is_bounded() {
            true => libm::atanh(INSIDE * (f64::from(*x) - self.middle) / self.half),
            false => f64::from(*x),
        };
        x.iter().map(variable).collect()
    }

    /// The point of these variables, and the derivative of each element by its variable.
    pub(crate) fn leave(&self, w: &[f64]) -> (Vec<f32>, Vec<f64>) {
        let element = |w: &f64| {
            let (x, slope) = match self.is_bounded() {
                true => {
                    let tanh = libm::tanh(*w);
                    (self.middle + self.half * tanh, self.half * (1.0 - tanh * tanh))
                }
                false => (*w, 1.0),
            };
            ((x as f32).clamp(self.domain.lower, self.domain.upper), slope)
        };
        w.iter().map(element).unzip()
    }
}

/// Adam with the moments' usual rates, 0.9 and 0.999. Source: Kingma and Ba 2015, arXiv:1412.6980.
pub(crate) struct Adam {
    rate: f64,
    first: Vec<f64>,
    second: Vec<f64>,
    /// `0.9^t` and `0.999^t`.
    decayed: (f64, f64),
}

impl Adam {
    pub(crate) fn new(rate: f64, len: usize) -> Self {
        Self { rate, first: vec![0.0; len], second: vec![0.0; len], decayed: (1.0, 1.0) }
    }

    /// One step of `w` down this gradient.
    pub(crate) fn step(&mut self, w: &mut [f64], gradient: impl Iterator<Item = f64>) {
        self.decayed = (self.decayed.0 * 0.9, self.decayed.1 * 0.999);
        let rate = self.rate * (1.0 - self.decayed.1).sqrt() / (1.0 - self.decayed.0);
        for (((w, g), first), second) in w.iter_mut().zip(gradient).zip(&mut self.first).zip(&mut self.second) {
            *first = 0.9 * *first + 0.1 * g;
            *second = 0.999 * *second + 0.001 * g * g;
            *w -= rate * *first / (second.sqrt() + 1e-8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_come_back_and_nothing_leaves_the_domain() {
        for domain in [Domain::PIXELS, Domain { lower: -3.0, upper: 5.0, grid: None }, Domain::UNBOUNDED] {
            let space = TanhSpace::new(&domain);
            let x: Vec<f32> = (0..=100).map(|i| if i == 0 { 0.0 } else { i as f32 / 100.0 }).collect();
            let width = domain.width() as f32;
            for (x, back) in x.iter().zip(space.leave(&space.enter(&x)).0) {
                assert!((x - back).abs() <= 2e-6 * width, "{x} {back}");
            }
            let (far, _) = space.leave(&[-1e9, 1e9]);
            assert!(far[0] >= domain.lower && far[1] <= domain.upper, "{far:?}");
        }
    }

    #[test]
    fn slopes_are_derivatives() {
        let space = TanhSpace::new(&Domain { lower: -2.0, upper: 6.0, grid: None });
        for w in [-2.0, -0.3, 0.0, 1.1] {
            let half = 1e-3;
            let (ends, slopes) = space.leave(&[w - half, w + half, w]);
            let difference = (f64::from(ends[1]) - f64::from(ends[0])) / (2.0 * half);
            // Roundings to f32 of numbers below 8 over a step of 2e-3.
            assert!((difference - slopes[2]).abs() < 5e-4, "{w}: {difference} {}", slopes[2]);
        }
    }

    /// The first step of Adam goes by the rate against the sign; a steady gradient keeps it there.
    #[test]
    fn adam_steps_by_its_rate() {
        let (mut adam, mut w) = (Adam::new(0.01, 3), vec![0.0; 3]);
        for step in 1..=20 {
            adam.step(&mut w, [3.0, -0.1, 0.0].into_iter());
            let gone = 0.01 * f64::from(step);
            assert!((w[0] + gone).abs() < 1e-6 && (w[1] - gone).abs() < 1e-5 && w[2] == 0.0, "{w:?}");
        }
    }
}
