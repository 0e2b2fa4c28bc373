use crate::exact::{sign_of_sum, two_product, two_sum};
use crate::{Domain, Epsilon, Error, Norm, ThreatModel};
use std::cmp::Ordering;

/// Levels up to this are exact in f32, and so are their quotients' roundings.
const MOST_LEVELS: u32 = 1 << 20;

/// The points that the adversary may choose around one sample, exactly.
///
/// L-inf: the box `lower <= x_adv <= upper`; these are the extreme f32 within epsilon of the sample in exact rational
/// arithmetic, so no rounding can leave the ball. L2: the same box, which contains the ball, and the radius.
/// On a grid every point is `k as f32 / levels as f32`, and the bounds are the extreme points.
#[derive(Debug, Clone, PartialEq)]
pub struct Ball {
    /// The least allowed value of each element.
    pub lower: Vec<f32>,
    /// The largest allowed value of each element.
    pub upper: Vec<f32>,
    center: Vec<f32>,
    shape: Shape,
    grid: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Box,
    /// `radius` is where projection aims; `square` is what the judge allows, in the units that it sums.
    Sphere {
        radius: f64,
        square: f64,
    },
}

impl Ball {
    pub(crate) fn around(x: &[f32], threat: &ThreatModel, domain: &Domain, grid: bool) -> Result<Ball, Error> {
        let grid = grid_levels(domain, grid)?;
        let interval: &dyn Fn(f32) -> Result<(f32, f32), String> = match grid {
            Some(levels) => {
                let steps = u128::from(threat.epsilon.numerator()) * u128::from(levels);
                let steps = i64::try_from(steps / u128::from(threat.epsilon.denominator())).unwrap_or(i64::MAX);
                &move |x| grid_interval(x, levels, steps, domain)
            }
            None => {
                let radius = Radius::new(&threat.epsilon);
                &move |x| Ok((radius.lower(x).max(domain.lower), radius.upper(x).min(domain.upper)))
            }
        };
        let mut ball = Ball {
            lower: Vec::with_capacity(x.len()),
            upper: Vec::with_capacity(x.len()),
            center: x.to_vec(),
            shape: Shape::of(threat, grid),
            grid,
        };
        for (element, &value) in x.iter().enumerate() {
            let (lower, upper) = in_domain(value, domain)
                .and_then(|()| interval(value))
                .map_err(|reason| Error::Sample { element, value, reason })?;
            ball.lower.push(lower);
            ball.upper.push(upper);
        }
        Ok(ball)
    }

    /// The sample itself.
    pub fn center(&self) -> &[f32] {
        &self.center
    }

    /// How its size is measured.
    pub fn norm(&self) -> Norm {
        match self.shape {
            Shape::Box => Norm::Linf,
            Shape::Sphere { .. } => Norm::L2,
        }
    }

    /// Whether its points are those of a grid, for a file with integer inputs.
    pub fn is_grid(&self) -> bool {
        self.grid.is_some()
    }

    /// Whether the sample is the only point.
    pub fn is_point(&self) -> bool {
        matches!(self.shape, Shape::Sphere { square: 0.0, .. }) || self.lower == self.upper
    }

    /// Whether `x_adv` is allowed; what is not a number is not.
    ///
    /// The box is exact. The L2 test is sound: the differences and squares are summed in f64 in a fixed order, and the
    /// sum is compared with epsilon squared, less the most that rounding can have hidden (`D + 4` units of 2^-52).
    /// So a point that passes is in the exact ball; one that fails is outside, or within that much of the sphere. On a
    /// grid the sum is over whole levels and itself exact.
    pub fn contains(&self, x_adv: &[f32]) -> bool {
        let inside = |(x, (lower, upper)): (&f32, (&f32, &f32))| lower <= x && x <= upper;
        x_adv.len() == self.center.len()
            && x_adv.iter().zip(self.lower.iter().zip(&self.upper)).all(inside)
            && self.grid.is_none_or(|levels| x_adv.iter().all(|x| level_of(*x, levels).is_some()))
            && match (self.shape, self.grid) {
                (Shape::Box, _) => true,
                (Shape::Sphere { square, .. }, Some(levels)) => self.square_in_levels(x_adv, levels) <= square,
                (Shape::Sphere { square, .. }, None) => {
                    let slack = (x_adv.len() as f64 + 4.0) * f64::EPSILON;
                    self.square(x_adv) * (1.0 + slack) <= square
                }
            }
    }

    /// The size of `x_adv - x` in this ball's norm, in f64.
    pub fn distance(&self, x_adv: &[f32]) -> f64 {
        match self.shape {
            Shape::Box => self.deltas(x_adv).fold(0.0, |most, delta| delta.abs().max(most)),
            Shape::Sphere { .. } => self.square(x_adv).sqrt(),
        }
    }

    /// Moves `x_adv` to the ball, and on a grid to a point of it. What is not a number stays so.
    ///
    /// L-inf solves `argmin |z - x_adv|  s.t. lower <= z <= upper`, on a grid nearest level. L2 aims at radius
    /// `epsilon (1 - 1e-6)`, rounds toward the sample so that it stays inside, then clips to the bounds.
    pub fn project(&self, x_adv: &mut [f32]) {
        self.clip(x_adv);
        match (self.grid, self.shape) {
            (None, _) => {}
            (Some(levels), Shape::Box) => {
                for x in x_adv.iter_mut().filter(|x| !x.is_nan()) {
                    *x = on_grid((f64::from(*x) * f64::from(levels)).round_ties_even(), levels);
                }
            }
            (Some(levels), Shape::Sphere { radius, square }) => {
                self.snap(x_adv, levels, radius * f64::from(levels), square);
            }
        }
    }

    /// Rounds to the grid toward the sample, after scaling in whole levels where the f32 roundings of the levels
    /// would leave the ball.
    fn snap(&self, x_adv: &mut [f32], levels: u32, radius: f64, square: f64) {
        let level = |x: f32| level_of(x, levels).map_or(f64::from(x) * f64::from(levels), |level| level as f64);
        let own = |center: f32| (f64::from(center) * f64::from(levels)).round_ties_even();
        let sum = x_adv.iter().zip(&self.center).fold(0.0, |sum, (x, center)| {
            let steps = level(*x) - own(*center);
            sum + steps * steps
        });
        let scale = if sum <= square { 1.0 } else { radius / sum.sqrt() };
        for (x, center) in x_adv.iter_mut().zip(&self.center).filter(|(x, _)| !x.is_nan()) {
            *x = on_grid(own(*center) + ((level(*x) - own(*center)) * scale).trunc(), levels);
        }
    }

    /// [`Ball::project`] without the grid: where the ascent itself moves.
    pub(crate) fn clip(&self, x_adv: &mut [f32]) {
        if let Shape::Sphere { radius, .. } = self.shape {
            self.shrink(x_adv, radius);
        }
        for (x, (lower, upper)) in x_adv.iter_mut().zip(self.lower.iter().zip(&self.upper)) {
            *x = x.clamp(*lower, *upper);
        }
    }

    /// Scales the perturbation down to `radius` where it is longer.
    fn shrink(&self, x_adv: &mut [f32], radius: f64) {
        let norm = self.square(x_adv).sqrt();
        // What was already projected is longer than `radius` by rounding at most, and stays as it is.
        if norm <= radius * (1.0 + 1e-9) || norm.is_nan() {
            return;
        }
        let scale = radius / norm;
        for (x, center) in x_adv.iter_mut().zip(&self.center) {
            let delta = (f64::from(*x) - f64::from(*center)) * scale;
            *x = toward(f64::from(*center) + delta, *center, delta);
        }
    }

    fn deltas(&self, x_adv: &[f32]) -> impl Iterator<Item = f64> {
        x_adv.iter().zip(&self.center).map(|(x, center)| f64::from(*x) - f64::from(*center))
    }

    fn square(&self, x_adv: &[f32]) -> f64 {
        self.deltas(x_adv).fold(0.0, |sum, delta| sum + delta * delta)
    }

    fn square_in_levels(&self, x_adv: &[f32], levels: u32) -> f64 {
        let level = |x: f32| f64::from(x) * f64::from(levels);
        x_adv.iter().zip(&self.center).fold(0.0, |sum, (x, center)| {
            let steps = (level(*x) - level(*center)).round_ties_even();
            sum + steps * steps
        })
    }
}

impl Shape {
    fn of(threat: &ThreatModel, grid: Option<u32>) -> Shape {
        match threat.norm {
            Norm::Linf => Shape::Box,
            Norm::L2 => Shape::Sphere {
                radius: threat.epsilon.to_f64() * (1.0 - 1e-6),
                square: threat.epsilon.square_below(u64::from(grid.unwrap_or(1))),
            },
        }
    }
}

/// `value` in f32, no farther from `center` than `delta`.
fn toward(value: f64, center: f32, delta: f64) -> f32 {
    let rounded = value as f32;
    match (f64::from(rounded) - f64::from(center)).abs() > delta.abs() {
        true if rounded > center => rounded.next_down(),
        true => rounded.next_up(),
        false => rounded,
    }
}

fn on_grid(level: f64, levels: u32) -> f32 {
    level as f32 / levels as f32 + 0.0
}

fn grid_levels(domain: &Domain, grid: bool) -> Result<Option<u32>, Error> {
    if !(domain.lower < domain.upper) {
        return Err(Error::Threat(format!("the input bounds {} to {} hold no interval", domain.lower, domain.upper)));
    }
    match (grid, domain.levels) {
        (false, _) => Ok(None),
        (true, Some(levels @ 1..=MOST_LEVELS)) => Ok(Some(levels)),
        (true, Some(levels)) => Err(Error::Threat(format!("{levels} levels; expected 1 to {MOST_LEVELS}"))),
        (true, None) => Err(Error::Threat("an integer input needs a data set with levels, such as 255".to_owned())),
    }
}

fn in_domain(x: f32, domain: &Domain) -> Result<(), String> {
    if !x.is_finite() {
        Err("expected a finite number".to_owned())
    } else if x < domain.lower || x > domain.upper {
        Err(format!("outside of the input bounds {} to {}", domain.lower, domain.upper))
    } else {
        Ok(())
    }
}

/// The whole `k` with `x == k as f32 / levels as f32`, if there is one.
fn level_of(x: f32, levels: u32) -> Option<i64> {
    let level = (f64::from(x) * f64::from(levels)).round_ties_even();
    (level.abs() <= f64::from(1 << 24) && level as f32 / levels as f32 == x).then_some(level as i64)
}

fn grid_interval(x: f32, levels: u32, steps: i64, domain: &Domain) -> Result<(f32, f32), String> {
    let level = level_of(x, levels).ok_or_else(|| format!("expected a whole number of {levels} levels"))?;
    // The outermost levels within the bounds; finite, since levels beyond 2^24 are not exact.
    let most = f64::from(1 << 24);
    let outer = |bound: f32| (f64::from(bound) * f64::from(levels)).clamp(-most, most).round_ties_even() as i64;
    let value = |level: i64| level as f32 / levels as f32;
    let (mut least, mut largest) = (outer(domain.lower), outer(domain.upper));
    while value(least) < domain.lower {
        least += 1;
    }
    while value(largest) > domain.upper {
        largest -= 1;
    }
    Ok((value(level.saturating_sub(steps).max(least)), value(level.saturating_add(steps).min(largest))))
}

/// A radius as numerator and denominator in f64, both exact, and as an unevaluated sum of two f64.
struct Radius {
    numerator: f64,
    denominator: f64,
    high: f64,
    low: f64,
}

impl Radius {
    fn new(epsilon: &Epsilon) -> Radius {
        let (numerator, denominator) = (epsilon.numerator() as f64, epsilon.denominator() as f64);
        let high = numerator / denominator;
        let (product, error) = two_product(high, denominator);
        Radius { numerator, denominator, high, low: ((numerator - product) - error) / denominator }
    }

    /// The largest f32 that is at most `x + epsilon` in exact arithmetic.
    fn upper(&self, x: f32) -> f32 {
        let (sum, error) = two_sum(f64::from(x), self.high);
        // A guess within a step or two of the answer; only the exact test decides.
        let mut u = ((sum + (error + self.low)) as f32).clamp(x, f32::MAX) + 0.0;
        while !self.reaches(x, u) {
            u = u.next_down();
        }
        while u < f32::MAX && self.reaches(x, u.next_up()) {
            u = u.next_up();
        }
        u
    }

    fn lower(&self, x: f32) -> f32 {
        -self.upper(-x) + 0.0
    }

    /// `|u - x| <= epsilon`, exactly: the sign of `|u - x| denominator - numerator`.
    fn reaches(&self, x: f32, u: f32) -> bool {
        let (difference, error) = two_sum(f64::from(u), -f64::from(x));
        let (difference, error) = if difference < 0.0 { (-difference, -error) } else { (difference, error) };
        let (p, p_error) = two_product(difference, self.denominator);
        let (q, q_error) = two_product(error, self.denominator);
        sign_of_sum([q_error, q, p_error, p, -self.numerator]) != Ordering::Greater
    }
}
