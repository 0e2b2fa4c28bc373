use crate::epsilon::{below, square_below};
use crate::interval::{Radius, check_bounds, in_domain};
use crate::l1::shortened;
use crate::{Domain, Error, Grid, Norm, Start, ThreatModel, moves};
use rand_chacha::ChaCha8Rng;

/// The points that the adversary may choose around one sample, exactly.
///
/// L-inf: the box `lower <= x_adv <= upper`; these are the extreme f32 within epsilon of the sample in exact rational
/// arithmetic, so no rounding can leave the ball. L1 and L2: the same box, which contains the ball, and the radius.
/// On a grid every point is the f32 that the data set has for it, and the bounds are the extreme points.
#[derive(Debug, Clone, PartialEq)]
pub struct Ball {
    /// The least allowed value of each element.
    pub lower: Vec<f32>,
    /// The largest allowed value of each element.
    pub upper: Vec<f32>,
    center: Vec<f32>,
    shape: Shape,
    grid: Option<Grid>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Box,
    /// `radius` is where projection aims; `square` is what the judge allows, in the units that it sums.
    Sphere {
        radius: f64,
        square: f64,
    },
    /// As the sphere, with the sum of the differences that the judge allows; on a grid in whole steps.
    Diamond {
        radius: f64,
        sum: f64,
    },
}

/// Makes the balls of one threat model, and keeps the bounds of values that come again.
///
/// Rows of stored integers have few values many times over, and exact arithmetic takes its time. What a ball is does not
/// depend on those made before.
#[derive(Debug, Clone)]
pub struct Balls {
    interval: Interval,
    domain: Domain,
    shape: Shape,
    /// By [`slot`]: the bits of a value, and its bounds.
    known: Vec<Option<(u32, (f32, f32))>>,
}

/// How the bounds of one element are found.
#[derive(Debug, Clone)]
enum Interval {
    Continuous(Radius),
    /// Whole steps of a grid, between its least and its largest point.
    Steps {
        grid: Grid,
        steps: i64,
        extent: (i64, i64),
    },
}

/// How many values, as a power of two, have a place of their own.
const KNOWN_BITS: u32 = 10;

/// The place of a value: a multiplicative hash under which no two of the pixels `k / 255` meet.
fn slot(value: f32) -> usize {
    (value.to_bits().wrapping_mul(0x0407_9a1f) >> (u32::BITS - KNOWN_BITS)) as usize
}

impl Balls {
    /// For samples in a domain, on its grid where `grid` says so.
    ///
    /// Errors: the domain holds no interval, or has no grid that is wanted.
    pub fn new(threat: &ThreatModel, domain: &Domain, grid: bool) -> Result<Self, Error> {
        check_bounds(domain)?;
        let interval = match (grid, domain.grid) {
            (false, _) => Interval::Continuous(Radius::new(&threat.epsilon)),
            (true, Some(grid)) => {
                grid.check()?;
                Interval::Steps { grid, steps: grid.whole_steps(&threat.epsilon), extent: grid.extent(domain) }
            }
            (true, None) => return Err(Error::Threat("inputs on a grid need data on one, such as k / 255".into())),
        };
        let shape = Shape::of(threat, interval.grid());
        Ok(Self { interval, domain: *domain, shape, known: vec![None; 1 << KNOWN_BITS] })
    }

    /// The ball around one sample.
    ///
    /// Errors: an element is not in the domain, or not on its grid.
    pub fn around(&mut self, x: &[f32]) -> Result<Ball, Error> {
        let mut ball = Ball {
            lower: vec![0.0; x.len()],
            upper: vec![0.0; x.len()],
            center: x.to_vec(),
            shape: self.shape,
            grid: self.interval.grid(),
        };
        self.bound(x, &mut ball.lower, &mut ball.upper)?;
        Ok(ball)
    }

    fn bound(&mut self, x: &[f32], lower: &mut [f32], upper: &mut [f32]) -> Result<(), Error> {
        for (element, (&value, bounds)) in x.iter().zip(lower.iter_mut().zip(upper)).enumerate() {
            let entry = &mut self.known[slot(value)];
            let found = match *entry {
                Some((bits, found)) if bits == value.to_bits() => found,
                _ => {
                    let found = in_domain(value, &self.domain).and_then(|()| self.interval.bounds(value, &self.domain));
                    let found = found.map_err(|reason| Error::Sample { element, value, reason })?;
                    *entry = Some((value.to_bits(), found));
                    found
                }
            };
            (*bounds.0, *bounds.1) = found;
        }
        Ok(())
    }
}

impl Interval {
    fn grid(&self) -> Option<Grid> {
        match self {
            Interval::Continuous(_) => None,
            Interval::Steps { grid, .. } => Some(*grid),
        }
    }

    /// The least and the largest allowed value of an element of the domain.
    fn bounds(&self, x: f32, domain: &Domain) -> Result<(f32, f32), String> {
        match self {
            Interval::Continuous(radius) => Ok((radius.lower(x).max(domain.lower), radius.upper(x).min(domain.upper))),
            Interval::Steps { grid, steps, extent: (least, largest) } => {
                let own = grid.step_of(x).ok_or_else(|| format!("expected a point of the grid {grid}"))?;
                let (lower, upper) = (own.saturating_sub(*steps).max(*least), own.saturating_add(*steps).min(*largest));
                Ok((grid.value(lower), grid.value(upper)))
            }
        }
    }
}

impl Ball {
    /// The sample itself.
    pub fn center(&self) -> &[f32] {
        &self.center
    }

    /// How its size is measured.
    pub fn norm(&self) -> Norm {
        match self.shape {
            Shape::Box => Norm::Linf,
            Shape::Sphere { .. } => Norm::L2,
            Shape::Diamond { .. } => Norm::L1,
        }
    }

    /// Whether its points are those of a grid, as for a file with integer inputs.
    pub fn is_grid(&self) -> bool {
        self.grid.is_some()
    }

    /// Whether the sample is the only point.
    pub fn is_point(&self) -> bool {
        matches!(self.shape, Shape::Sphere { square: 0.0, .. } | Shape::Diamond { sum: 0.0, .. })
            || self.lower == self.upper
    }

    /// Whether `x_adv` is allowed; what is not a number is not.
    ///
    /// The box is exact. The L2 test is sound: the differences and squares are summed in f64 in a fixed order, and the
    /// sum is compared with epsilon squared, less the most that rounding can have hidden (`D + 4` units of 2^-52).
    /// So a point that passes is in the exact ball; one that fails is outside, or within that much of the sphere. The L1
    /// test is the same with magnitudes and epsilon. On a grid the sum is over whole steps and itself exact.
    pub fn contains(&self, x_adv: &[f32]) -> bool {
        let inside = |(x, (lower, upper)): (&f32, (&f32, &f32))| lower <= x && x <= upper;
        x_adv.len() == self.center.len()
            && x_adv.iter().zip(self.lower.iter().zip(&self.upper)).all(inside)
            && self.grid.is_none_or(|grid| x_adv.iter().all(|x| grid.step_of(*x).is_some()))
            && match (self.shape, self.grid) {
                (Shape::Box, _) => true,
                (Shape::Sphere { square, .. }, Some(grid)) => self.square_in_steps(x_adv, &grid) <= square,
                (Shape::Sphere { square, .. }, None) => {
                    let slack = (x_adv.len() as f64 + 4.0) * f64::EPSILON;
                    self.square(x_adv) * (1.0 + slack) <= square
                }
                (Shape::Diamond { sum, .. }, Some(grid)) => self.sum_in_steps(x_adv, &grid) <= sum,
                (Shape::Diamond { sum, .. }, None) => {
                    let slack = (x_adv.len() as f64 + 4.0) * f64::EPSILON;
                    self.sum(x_adv) * (1.0 + slack) <= sum
                }
            }
    }

    /// A random point of the ball, as an ascent starts from; `epsilon` is its radius.
    pub fn random(&self, start: Start, epsilon: f64, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut x = self.center.clone();
        moves::scatter(&mut x, self, start, epsilon, rng);
        self.project(&mut x);
        x
    }

    /// The size of `x_adv - x` in this ball's norm, in f64.
    pub fn distance(&self, x_adv: &[f32]) -> f64 {
        match self.shape {
            Shape::Box => self.deltas(x_adv).fold(0.0, |most, delta| delta.abs().max(most)),
            Shape::Sphere { .. } => self.square(x_adv).sqrt(),
            Shape::Diamond { .. } => self.sum(x_adv),
        }
    }

    /// Moves `x_adv` to the ball, and on a grid to a point of it. What is not a number stays so.
    ///
    /// L-inf solves `argmin |z - x_adv|  s.t. lower <= z <= upper`, on a grid the nearest point. L2 aims at radius
    /// `epsilon (1 - 1e-6)`, rounds toward the sample so that it stays inside, then clips to the bounds. L1 aims at the same
    /// radius and takes the nearest point of ball and bounds together, on a grid nearly that.
    pub fn project(&self, x_adv: &mut [f32]) {
        // Clipping an L1 ball aims a little inside, and would take a step from a point of the grid on the surface.
        if self.grid.is_some() && self.norm() == Norm::L1 && self.contains(x_adv) {
            return;
        }
        self.clip(x_adv);
        match (self.grid, self.shape) {
            (None, _) => {}
            (Some(grid), Shape::Box) => {
                for x in x_adv.iter_mut().filter(|x| !x.is_nan()) {
                    *x = grid.value(grid.nearest(*x) as i64);
                }
            }
            (Some(grid), Shape::Sphere { radius, square }) => self.snap(x_adv, &grid, grid.steps(radius), square),
            (Some(grid), Shape::Diamond { sum, .. }) => self.snap_sum(x_adv, &grid, sum),
        }
    }

    /// Rounds to the grid toward the sample, after scaling in steps where the f32 roundings of the points would leave
    /// the ball.
    fn snap(&self, x_adv: &mut [f32], grid: &Grid, radius: f64, square: f64) {
        let steps = |x: f32| grid.step_of(x).map_or(grid.steps(f64::from(x)), |step| step as f64);
        let sum = x_adv.iter().zip(&self.center).fold(0.0, |sum, (x, center)| {
            let delta = steps(*x) - grid.nearest(*center);
            sum + delta * delta
        });
        let scale = if sum <= square { 1.0 } else { radius / sum.sqrt() };
        for (x, center) in x_adv.iter_mut().zip(&self.center).filter(|(x, _)| !x.is_nan()) {
            let own = grid.nearest(*center);
            *x = grid.value((own + ((steps(*x) - own) * scale).trunc()) as i64);
        }
    }

    /// Rounds to the nearest points of the grid while whole steps last, those that lack least first, and the others toward the
    /// sample.
    fn snap_sum(&self, x_adv: &mut [f32], grid: &Grid, most: f64) {
        let delta = |(x, center): (&f32, &f32)| match grid.step_of(*x) {
            Some(step) => step as f64 - grid.nearest(*center),
            None => grid.steps(f64::from(*x)) - grid.nearest(*center),
        };
        let deltas: Vec<f64> =
            x_adv.iter().zip(&self.center).map(delta).map(|delta| if delta.is_nan() { 0.0 } else { delta }).collect();
        let mut steps: Vec<f64> = deltas.iter().map(|delta| delta.abs().trunc()).collect();
        let mut left = most - steps.iter().fold(0.0, |sum, steps| sum + steps);
        let part = |index: usize| deltas[index].abs() - steps[index];
        let mut parts: Vec<(f64, usize)> =
            (0..steps.len()).map(|index| (part(index), index)).filter(|(part, _)| *part > 0.5).collect();
        parts.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (_, index) in parts.into_iter().take(left.max(0.0) as usize) {
            steps[index] += 1.0;
            left -= 1.0;
        }
        // The points are rounded to f32, so what was clipped by their values may have a few steps too many.
        while left < 0.0 {
            for steps in steps.iter_mut().filter(|steps| **steps > 0.0).take(-left as usize) {
                *steps -= 1.0;
                left += 1.0;
            }
        }
        for ((x, center), (steps, delta)) in x_adv.iter_mut().zip(&self.center).zip(steps.iter().zip(&deltas)) {
            if !x.is_nan() {
                *x = grid.value((grid.nearest(*center) + steps * delta.signum()) as i64);
            }
        }
    }

    /// [`Ball::project`] without the grid: where the ascent itself moves.
    pub(crate) fn clip(&self, x_adv: &mut [f32]) {
        match self.shape {
            Shape::Box => {}
            Shape::Sphere { radius, .. } => self.shrink(x_adv, radius),
            Shape::Diamond { radius, .. } => self.shorten(x_adv, radius),
        }
        for (x, (lower, upper)) in x_adv.iter_mut().zip(self.lower.iter().zip(&self.upper)) {
            // As `clamp`, NaN included, but without its check of the bounds, which keeps the loop from being vectorised.
            *x = if *x < *lower { *lower } else { *x };
            *x = if *x > *upper { *upper } else { *x };
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

    /// Moves the perturbation to the nearest one within the bounds whose elements' sum is at most `radius`.
    fn shorten(&self, x_adv: &mut [f32], radius: f64) {
        let room = |(delta, index): (f64, usize)| {
            let bound = if delta > 0.0 { self.upper[index] } else { self.lower[index] };
            (f64::from(bound) - f64::from(self.center[index])).abs()
        };
        let rooms: Vec<f64> = self.deltas(x_adv).zip(0..).map(room).collect();
        let moves: Vec<f64> = self.deltas(x_adv).map(|delta| if delta.is_nan() { 0.0 } else { delta.abs() }).collect();
        let sum = moves.iter().zip(&rooms).fold(0.0, |sum, (length, room)| sum + length.min(*room));
        // As in `shrink`.
        if sum <= radius * (1.0 + 1e-9) {
            return;
        }
        let lengths = shortened(&moves, &rooms, radius);
        for ((x, center), length) in x_adv.iter_mut().zip(&self.center).zip(lengths).filter(|((x, _), _)| !x.is_nan()) {
            let delta = if *x > *center { length } else { -length };
            *x = if delta == 0.0 { *center } else { toward(f64::from(*center) + delta, *center, delta) };
        }
    }

    /// The L1 ball of a multiple of the radius within the domain, grid or not: where a search may come in from.
    pub(crate) fn widened(&self, factor: f64, domain: &Domain) -> Ball {
        let shape = match self.shape {
            Shape::Diamond { radius, .. } => Shape::Diamond { radius: radius * factor, sum: radius * factor },
            other => other,
        };
        let bounds = |bound| vec![bound; self.center.len()];
        let (lower, upper) = (bounds(domain.lower), bounds(domain.upper));
        Ball { lower, upper, center: self.center.clone(), shape, grid: None }
    }

    /// The most that the elements of an L1 perturbation may sum up to, on a grid in whole steps; without end in other norms.
    pub(crate) fn most(&self) -> f64 {
        match self.shape {
            Shape::Diamond { sum, .. } => sum,
            _ => f64::INFINITY,
        }
    }

    /// The grid that its points are on, if any.
    pub(crate) fn grid(&self) -> Option<Grid> {
        self.grid
    }

    fn deltas(&self, x_adv: &[f32]) -> impl Iterator<Item = f64> {
        x_adv.iter().zip(&self.center).map(|(x, center)| f64::from(*x) - f64::from(*center))
    }

    fn square(&self, x_adv: &[f32]) -> f64 {
        self.deltas(x_adv).fold(0.0, |sum, delta| sum + delta * delta)
    }

    fn sum(&self, x_adv: &[f32]) -> f64 {
        self.deltas(x_adv).fold(0.0, |sum, delta| sum + delta.abs())
    }

    fn sum_in_steps(&self, x_adv: &[f32], grid: &Grid) -> f64 {
        let steps = |(x, center): (&f32, &f32)| (grid.nearest(*x) - grid.nearest(*center)).abs();
        x_adv.iter().zip(&self.center).map(steps).fold(0.0, |sum, steps| sum + steps)
    }

    fn square_in_steps(&self, x_adv: &[f32], grid: &Grid) -> f64 {
        x_adv.iter().zip(&self.center).fold(0.0, |sum, (x, center)| {
            let delta = grid.nearest(*x) - grid.nearest(*center);
            sum + delta * delta
        })
    }
}

impl Shape {
    fn of(threat: &ThreatModel, grid: Option<Grid>) -> Shape {
        let radius = threat.epsilon.to_f64() * (1.0 - 1e-6);
        match threat.norm {
            Norm::Linf => Shape::Box,
            Norm::L1 => Shape::Diamond {
                radius,
                // Sums of whole steps are far below 2^53.
                sum: grid.map_or(below(threat.epsilon.ratio()), |grid| grid.whole_steps(&threat.epsilon) as f64),
            },
            Norm::L2 => Shape::Sphere {
                radius,
                square: square_below(grid.map_or(threat.epsilon.ratio(), |grid| grid.radius(&threat.epsilon))),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Epsilon;
    use num_bigint::BigInt;
    use num_rational::BigRational;
    use proptest::prelude::*;

    fn rational(x: f64) -> BigRational {
        BigRational::from_float(x).expect("finite")
    }

    fn exactly(epsilon: &Epsilon) -> BigRational {
        BigRational::new(BigInt::from(epsilon.numerator()), BigInt::from(epsilon.denominator()))
    }

    fn threat(norm: Norm, epsilon: &str) -> ThreatModel {
        ThreatModel { norm, epsilon: epsilon.parse().expect("valid") }
    }

    fn pixels(levels: &[u8]) -> Vec<f32> {
        levels.iter().map(|level| f32::from(*level) / 255.0).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn l2_projection_stays_in_the_exact_ball_and_is_stable(
            moves in prop::collection::vec((0u8..=255, -1.0f32..1.0), 1..40),
            (numerator, denominator) in (1u64..2000, 1u64..2000),
            size in prop_oneof![Just(1e-6f32), Just(1e-2), Just(1.0), Just(1e6)],
            grid in any::<bool>(),
        ) {
            let x: Vec<f32> = moves.iter().map(|(level, _)| f32::from(*level) / 255.0).collect();
            let threat = threat(Norm::L2, &format!("{numerator}/{denominator}"));
            let ball = threat.ball(&x, &Domain::PIXELS, grid).expect("a ball");
            let mut x_adv: Vec<f32> = moves.iter().zip(&x).map(|((_, delta), x)| x + delta * size).collect();
            ball.project(&mut x_adv);
            prop_assert!(ball.contains(&x_adv), "{x_adv:?}");
            let again = { let mut again = x_adv.clone(); ball.project(&mut again); again };
            prop_assert_eq!(&again, &x_adv);
            let mut square = rational(0.0);
            for (a, b) in x_adv.iter().zip(&x) {
                let delta = match grid {
                    // On a grid the ball is counted in levels.
                    true => rational((f64::from(*a) * 255.0).round() - (f64::from(*b) * 255.0).round())
                        / rational(255.0),
                    false => rational(f64::from(*a)) - rational(f64::from(*b)),
                };
                square += &delta * &delta;
            }
            prop_assert!(square <= exactly(&threat.epsilon) * exactly(&threat.epsilon));
        }

        #[test]
        fn l1_projection_stays_in_the_exact_ball_and_is_stable(
            moves in prop::collection::vec((0u8..=255, -1.0f32..1.0), 1..40),
            (numerator, denominator) in (1u64..2000, 1u64..2000),
            size in prop_oneof![Just(1e-6f32), Just(1e-2), Just(1.0), Just(1e6), Just(f32::INFINITY)],
            grid in any::<bool>(),
        ) {
            let x: Vec<f32> = moves.iter().map(|(level, _)| f32::from(*level) / 255.0).collect();
            let threat = threat(Norm::L1, &format!("{numerator}/{denominator}"));
            let ball = threat.ball(&x, &Domain::PIXELS, grid).expect("a ball");
            let mut x_adv: Vec<f32> = moves.iter().zip(&x).map(|((_, delta), x)| x + delta * size).collect();
            ball.project(&mut x_adv);
            prop_assert!(ball.contains(&x_adv) || x_adv.iter().any(|x| x.is_nan()), "{x_adv:?}");
            let again = { let mut again = x_adv.clone(); ball.project(&mut again); again };
            prop_assert!(again == x_adv || x_adv.iter().any(|x| x.is_nan()));
            let mut sum = rational(0.0);
            for (a, b) in x_adv.iter().zip(&x).filter(|(a, _)| !a.is_nan()) {
                let delta = match grid {
                    true => rational((f64::from(*a) * 255.0).round() - (f64::from(*b) * 255.0).round())
                        / rational(255.0),
                    false => rational(f64::from(*a)) - rational(f64::from(*b)),
                };
                sum += if delta < rational(0.0) { -delta } else { delta };
            }
            prop_assert!(sum <= exactly(&threat.epsilon));
        }

        /// What is nearest has no point of the ball on its other side: `(moved - z)·(point - z) <= 0`. Points with one or two
        /// elements at their ends would be the first to be nearer.
        #[test]
        fn no_point_of_an_l1_ball_is_nearer(
            moves in prop::collection::vec((0u8..=255, -1.0f32..1.0), 2..9),
            hundredths in 1u64..300,
        ) {
            let x: Vec<f32> = moves.iter().map(|(level, _)| f32::from(*level) / 255.0).collect();
            let threat = threat(Norm::L1, &format!("{hundredths}/100"));
            let ball = threat.ball(&x, &Domain::PIXELS, false).expect("a ball");
            let moved: Vec<f32> = moves.iter().zip(&x).map(|((_, delta), x)| x + delta).collect();
            let z = { let mut z = moved.clone(); ball.project(&mut z); z };
            let ends = |i: usize| [ball.lower[i], ball.upper[i], x[i]];
            for (i, j, k) in (0..x.len()).flat_map(|i| (0..i).flat_map(move |j| (0..9).map(move |k| (i, j, k)))) {
                let mut point: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
                let first = f64::from(ends(i)[k / 3]) - point[i];
                let left = hundredths as f64 / 100.0 - first.abs();
                let second = f64::from(ends(j)[k % 3]) - point[j];
                point[i] += first;
                point[j] += second.clamp(-left.max(0.0), left.max(0.0));
                let product: f64 = (0..x.len())
                    .map(|i| (f64::from(moved[i]) - f64::from(z[i])) * (point[i] - f64::from(z[i])))
                    .sum();
                // One part in a million of epsilon, and roundings to f32.
                prop_assert!(product < 1e-5, "{z:?} {point:?} {product}");
            }
        }
    }

    /// Pixels, and many more values than have a place, in an order that drives each other out: as one alone has it.
    #[test]
    fn a_ball_does_not_depend_on_what_was_computed_before() {
        let random = |n: u32| (n.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32;
        let value = |n: u32| match n % 3 {
            0 => 0.0,
            1 => random(n % 5_000),
            _ => (n % 256) as f32 / 255.0,
        };
        let domain = Domain { grid: None, ..Domain::PIXELS };
        for norm in [Norm::Linf, Norm::L2, Norm::L1] {
            let threat = threat(norm, "8/255");
            let mut balls = Balls::new(&threat, &domain, false).expect("a domain");
            for first in [0, 3_000, 0] {
                let x: Vec<f32> = (first..first + 6_000).map(value).collect();
                let ball = balls.around(&x).expect("a ball");
                assert_eq!(ball, threat.ball(&x, &domain, false).expect("a ball"));
                let radius = Radius::new(&threat.epsilon);
                for (element, &value) in x.iter().enumerate() {
                    let alone = (radius.lower(value).max(0.0), radius.upper(value).min(1.0));
                    assert_eq!((ball.lower[element], ball.upper[element]), alone, "{element}");
                }
            }
            assert!(balls.around(&[2.0]).is_err() && balls.around(&[0.5]).is_ok());
        }
    }

    #[test]
    fn every_pixel_has_a_place_of_its_own() {
        let places: std::collections::BTreeSet<usize> = (0..=255).map(|level: u8| slot(pixels(&[level])[0])).collect();
        assert_eq!(places.len(), 256);
    }

    #[test]
    fn naive_arithmetic_leaves_the_ball_that_this_one_keeps() {
        let every: Vec<f32> = pixels(&(0..=255).collect::<Vec<u8>>());
        let ball = threat(Norm::Linf, "8/255").ball(&every, &Domain::PIXELS, false).expect("a ball");
        let naive = every.iter().map(|x| (x + 8.0 / 255.0).min(1.0));
        let outside = naive.zip(&ball.upper).filter(|(naive, upper)| naive > *upper).count();
        assert!((40..70).contains(&outside), "{outside} of 256, about 20 %");
    }

    #[test]
    fn a_grid_counts_whole_levels() {
        let x = pixels(&[0, 3, 100, 252, 255]);
        for (epsilon, steps) in [("8/255", 8), ("0.031", 7), ("0.0039", 0), ("1/255", 1), ("5", 1275)] {
            let ball = threat(Norm::Linf, epsilon).ball(&x, &Domain::PIXELS, true).expect("a ball");
            for (index, level) in [0i32, 3, 100, 252, 255].into_iter().enumerate() {
                let value = |level: i32| level.clamp(0, 255) as f32 / 255.0;
                assert_eq!(ball.lower[index], value(level - steps), "{epsilon}");
                assert_eq!(ball.upper[index], value(level + steps), "{epsilon}");
            }
            assert!(ball.contains(&x));
            assert_eq!(ball.is_point(), steps == 0);
            assert!(steps == 0 || !ball.contains(&[x[0], x[1], x[2] + 1e-4, x[3], x[4]]), "off the grid");
        }
        let ball = threat(Norm::Linf, "8/255").ball(&x, &Domain::PIXELS, true).expect("a ball");
        let mut x_adv = vec![-1.0, 3.4 / 255.0, 107.6 / 255.0, 2.0, f32::NAN];
        ball.project(&mut x_adv);
        assert_eq!(x_adv[..4], pixels(&[0, 3, 108, 255])[..]);
        assert!(x_adv[4].is_nan() && !ball.contains(&x_adv));
    }

    #[test]
    fn an_l2_grid_allows_the_whole_sphere_and_no_more() {
        let x = pixels(&[100, 100, 255]);
        let ball = threat(Norm::L2, "5/255").ball(&x, &Domain::PIXELS, true).expect("a ball");
        for (levels, inside) in [([103, 104, 255], true), ([105, 100, 255], true), ([103, 104, 254], false)] {
            assert_eq!(ball.contains(&pixels(&levels)), inside, "{levels:?}");
        }
        let mut x_adv = pixels(&[103, 104, 255]);
        ball.project(&mut x_adv);
        assert!(ball.contains(&x_adv));
    }

    #[test]
    fn an_l1_grid_spends_every_step_that_it_has() {
        let x = pixels(&[100, 100, 255, 0]);
        let ball = threat(Norm::L1, "5/255").ball(&x, &Domain::PIXELS, true).expect("a ball");
        for (levels, inside) in [
            ([103, 98, 255, 0], true),
            ([105, 100, 255, 0], true),
            ([103, 98, 254, 0], false),
            ([100, 100, 254, 4], true),
        ] {
            assert_eq!(ball.contains(&pixels(&levels)), inside, "{levels:?}");
        }
        // 2.7, 2.6 and 0.6 levels of 5.9: shorter by 0.3 each, of which the largest parts are rounded up as far as steps last.
        let mut x_adv: Vec<f32> = [102.7, 97.4, 255.0, 0.6].map(|level| level / 255.0).to_vec();
        ball.project(&mut x_adv);
        assert_eq!(x_adv, pixels(&[102, 98, 255, 0]));
        let mut x_adv: Vec<f32> = [102.7, 98.6, 255.0, 0.6].map(|level| level / 255.0).to_vec();
        ball.project(&mut x_adv);
        assert_eq!(x_adv, pixels(&[103, 99, 255, 1]));
        let mut x_adv = pixels(&[90, 90, 90, 90]);
        ball.project(&mut x_adv);
        assert_eq!(x_adv, pixels(&[100, 100, 250, 0]));
    }

    #[test]
    fn data_with_levels_but_float_inputs_have_a_continuous_ball() {
        let x = pixels(&[3, 128]);
        let ball = threat(Norm::Linf, "0.031").ball(&x, &Domain::PIXELS, false).expect("a ball");
        assert!(ball.contains(&[0.0, 0.53]) && ball.upper[1] > 135.0 / 255.0);
    }

    #[test]
    fn epsilon_zero_leaves_the_sample() {
        for norm in [Norm::Linf, Norm::L2, Norm::L1] {
            for grid in [false, true] {
                let x = pixels(&[0, 7, 255]);
                let ball = threat(norm, "0").ball(&x, &Domain::PIXELS, grid).expect("a ball");
                let mut x_adv = vec![0.4, 0.5, 0.6];
                ball.project(&mut x_adv);
                assert!(ball.is_point() && ball.contains(&x) && x_adv == x && ball.distance(&x_adv) == 0.0);
            }
        }
    }

    #[test]
    fn distances_are_in_the_norm() {
        let x = vec![0.5, 0.5, 0.0];
        for (norm, distance) in [(Norm::Linf, 0.25), (Norm::L2, 0.3125), (Norm::L1, 0.4375)] {
            let ball = threat(norm, "1").ball(&x, &Domain::PIXELS, false).expect("a ball");
            assert_eq!(ball.distance(&[0.25, 0.5, 0.1875]), distance);
        }
    }

    #[test]
    fn samples_without_a_ball_are_named_by_element() {
        let table = [
            (f32::NAN, Domain::PIXELS, false, "bound the sample: element 1 is NaN, expected a finite number"),
            (f32::INFINITY, Domain::UNBOUNDED, false, "bound the sample: element 1 is inf, expected a finite number"),
            (1.5, Domain::PIXELS, false, "bound the sample: element 1 is 1.5, outside of the input bounds 0 to 1"),
            (-0.25, Domain::PIXELS, true, "bound the sample: element 1 is -0.25, outside of the input bounds 0 to 1"),
            (0.3, Domain::PIXELS, true, "bound the sample: element 1 is 0.3, expected a point of the grid k / 255"),
            (
                0.3,
                Domain { grid: None, ..Domain::PIXELS },
                true,
                "set up the threat model: inputs on a grid need data on one, such as k / 255",
            ),
            (
                0.3,
                Domain { lower: 1.0, ..Domain::PIXELS },
                false,
                "set up the threat model: the input bounds 1 to 1 hold no interval",
            ),
            (
                0.3,
                Domain { upper: f32::NAN, ..Domain::PIXELS },
                false,
                "set up the threat model: the input bounds 0 to NaN hold no interval",
            ),
            (
                0.3,
                Domain { grid: Some(Grid::Levels(0)), ..Domain::PIXELS },
                true,
                "set up the threat model: 0 levels; expected 1 to 1048576",
            ),
        ];
        // 0.3 is level 76.5 of 255.
        for (value, domain, grid, message) in table {
            let error = threat(Norm::Linf, "8/255").ball(&[0.0, value], &domain, grid).expect_err(message);
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn bounds_of_an_unbounded_input_are_finite() {
        let x = [f32::MAX, f32::MIN, 0.0];
        let ball = threat(Norm::Linf, "9007199254740992").ball(&x, &Domain::UNBOUNDED, false).expect("a ball");
        assert!(ball.lower.iter().chain(&ball.upper).all(|bound| bound.is_finite()));
        let mut x_adv = [f32::INFINITY, f32::NEG_INFINITY, f32::INFINITY];
        ball.project(&mut x_adv);
        assert!(ball.contains(&x_adv));
    }
}
