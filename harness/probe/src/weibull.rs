//! The reverse Weibull distribution, `F(x) = exp(-((a - x) / s)^c)` for `x < a`, fitted to maxima.
//!
//! Logarithms and powers are this crate's own, so that a fit has the same bits everywhere.

use crate::divergence::{exp, ln};

/// What each unit of the shape costs in log-likelihood: it decides where all locations far away fit alike.
const SHAPE_COST: f64 = 0.01;
/// Shapes that are tried. Below 1 the likelihood has no maximum.
const SHAPES: (f64, f64) = (1.0, 1e4);
/// The significance below which a fit is given up for the largest maximum.
const REJECTED: f64 = 0.001;

/// The location `a` of the distribution fitted to these maxima: what they would not exceed however many there were.
///
/// The largest of them where all are the same, and where a Kolmogorov-Smirnov test rejects the fit. Never less than that.
pub(crate) fn location(maxima: &[f64]) -> f64 {
    let largest = maxima.iter().copied().fold(0.0, f64::max);
    let least = maxima.iter().copied().fold(f64::INFINITY, f64::min);
    if largest - least <= largest * 1e-9 {
        return largest;
    }
    // Between a part of the spread beyond the largest and many times the spread; likelihoods are compared on a grid of
    // logarithms, and then between its neighbours.
    let spread = largest - least;
    let fit = |t: f64| Fit::at(maxima, largest + spread * exp(t));
    let steps = 60;
    let t = |step: f64| -9.0 + 0.25 * step;
    let best = (0..=steps)
        .map(|step| (step, fit(t(f64::from(step))).merit))
        .fold((0, f64::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best });
    let (mut low, mut high) = (t(f64::from(best.0) - 1.0), t(f64::from(best.0) + 1.0));
    for _ in 0..60 {
        let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if fit(left).merit < fit(right).merit { low = left } else { high = right }
    }
    let found = fit((low + high) / 2.0);
    if found.significance(maxima) < REJECTED { largest } else { found.location }
}

/// The distribution with this location that fits best.
struct Fit {
    location: f64,
    shape: f64,
    /// `mean (a - x)^c = s^c`, with `a - x` divided by its largest.
    power: f64,
    /// The largest `a - x`.
    scale: f64,
    /// Log-likelihood less the cost of the shape.
    merit: f64,
}

impl Fit {
    fn at(maxima: &[f64], location: f64) -> Fit {
        let n = maxima.len() as f64;
        let scale = maxima.iter().map(|x| location - x).fold(0.0, f64::max);
        let logs: Vec<f64> = maxima.iter().map(|x| ln((location - x) / scale)).collect();
        let mean_log: f64 = logs.iter().sum::<f64>() / n;
        // The derivative of the likelihood by the shape falls: 1 / c + mean ln y - sum y^c ln y / sum y^c.
        let slope = |c: f64| {
            let (sum, weighted) = logs.iter().fold((0.0, 0.0), |(sum, weighted), log| {
                let power = exp(c * log);
                (sum + power, weighted + power * log)
            });
            1.0 / c + mean_log - weighted / sum - SHAPE_COST / n
        };
        let (mut low, mut high) = SHAPES;
        for _ in 0..80 {
            let middle = (low + high) / 2.0;
            if slope(middle) > 0.0 { low = middle } else { high = middle }
        }
        let shape = (low + high) / 2.0;
        let power = logs.iter().map(|log| exp(shape * log)).sum::<f64>() / n;
        let likelihood = n * (ln(shape) - ln(power) - ln(scale)) + (shape - 1.0) * mean_log * n;
        Fit { location, shape, power, scale, merit: likelihood - SHAPE_COST * shape }
    }

    fn distribution(&self, x: f64) -> f64 {
        exp(-exp(self.shape * ln((self.location - x) / self.scale)) / self.power)
    }

    /// The probability of so large a Kolmogorov-Smirnov distance if the fit were true (Stephens' form of the limit).
    fn significance(&self, maxima: &[f64]) -> f64 {
        let mut sorted = maxima.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len() as f64;
        let distance = sorted.iter().enumerate().fold(0.0, |most: f64, (index, x)| {
            let f = self.distribution(*x);
            most.max((index as f64 + 1.0) / n - f).max(f - index as f64 / n)
        });
        let lambda = (n.sqrt() + 0.12 + 0.11 / n.sqrt()) * distance;
        if lambda < 0.2 {
            return 1.0;
        }
        let term = |k: i32| f64::from(if k % 2 == 0 { -1 } else { 1 }) * exp(-2.0 * f64::from(k * k) * lambda * lambda);
        (2.0 * (1..=100).map(term).sum::<f64>()).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles of the distribution at the midpoints of n equal parts.
    fn quantiles(n: usize, location: f64, scale: f64, shape: f64) -> Vec<f64> {
        (0..n)
            .map(|i| {
                let p = (i as f64 + 0.5) / n as f64;
                location - scale * (-p.ln()).powf(1.0 / shape)
            })
            .collect()
    }

    #[test]
    fn a_fit_finds_the_location_of_what_it_is_a_sample_of() {
        for (scale, shape) in [(1.0, 2.0), (0.3, 3.0), (2.0, 1.5), (1.0, 4.0)] {
            let found = location(&quantiles(500, 10.0, scale, shape));
            assert!((found - 10.0).abs() < 0.05 * scale, "{scale} {shape}: {found}");
        }
    }

    /// SciPy 1.17.1: the least of `-sum weibull_max.logpdf + 0.01 shape` by Nelder and Mead from twenty starts, shape at least 1.
    #[test]
    fn locations_are_those_of_scipy() {
        let table = [
            ((40, 3.0, 1.0, 2.5), 2.948019826643239),
            ((10, 5.0, 0.5, 3.0), 4.908632461578245),
            ((500, 10.0, 1.0, 2.0), 9.99318885565829),
            ((100, 1.0, 0.1, 1.5), 0.9985429051679263),
            ((25, 2.0, 1.0, 6.0), 1.8562935896747945),
        ];
        for ((n, at, scale, shape), expected) in table {
            let found = location(&quantiles(n, at, scale, shape));
            assert!((found - expected).abs() < 1e-5 * scale, "{n} {at} {scale} {shape}: {found} {expected}");
        }
    }

    #[test]
    fn the_location_is_never_below_the_largest_and_moves_with_the_maxima() {
        let maxima = quantiles(40, 3.0, 1.0, 2.5);
        let largest = maxima.iter().copied().fold(0.0, f64::max);
        let found = location(&maxima);
        assert!(found >= largest);
        let scaled = location(&maxima.iter().map(|x| 8.0 * x).collect::<Vec<_>>());
        assert!((scaled - 8.0 * found).abs() < 1e-6, "{scaled} {found}");
        assert_eq!(location(&[2.5; 7]), 2.5);
        assert_eq!(location(&[0.0; 7]), 0.0);
    }

    #[test]
    fn what_is_no_sample_of_it_is_given_up() {
        // Two heaps, far apart.
        let mut maxima = vec![1.0; 60];
        maxima.extend((0..60).map(|i| 9.0 + f64::from(i) * 1e-6));
        let largest = maxima.iter().copied().fold(0.0, f64::max);
        assert_eq!(location(&maxima), largest);
    }
}
