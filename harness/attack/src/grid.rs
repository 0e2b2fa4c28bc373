use crate::{Domain, Epsilon, Error};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whole numbers up to this, and their products and quotients in f32, can be told apart.
const MOST_STEPS: i64 = 1 << 20;

/// The values of data that are stored as integers, and so the only inputs of a file with integer inputs.
///
/// Distances on it are counted in whole steps, of `1 / levels` or of `scale`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Grid {
    /// `Levels(255)`: the points are `k as f32 / 255.0`.
    Levels(u32),
    /// The points are `(q - zero_point) as f32 * scale`.
    Affine {
        /// The value of one step.
        scale: f32,
        /// The integer that stands for zero.
        zero_point: i64,
        /// The smallest `q`.
        low: i64,
        /// The largest `q`.
        high: i64,
    },
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Grid::Levels(levels) => write!(f, "k / {levels}"),
            Grid::Affine { scale, zero_point, low, high } => {
                write!(f, "(q - {zero_point}) * {scale}, q from {low} to {high}")
            }
        }
    }
}

impl Grid {
    /// Whether its points are told apart by f32.
    ///
    /// Errors: [`Error::Threat`] with what was found and what is allowed.
    pub fn check(&self) -> Result<(), Error> {
        match *self {
            Grid::Levels(levels) if !(1..=MOST_STEPS).contains(&i64::from(levels)) => {
                Err(Error::Threat(format!("{levels} levels; expected 1 to {MOST_STEPS}")))
            }
            Grid::Levels(_) => Ok(()),
            Grid::Affine { scale, zero_point, low, high } => {
                let near = |q: i64| q.checked_sub(zero_point).is_some_and(|step| step.abs() <= MOST_STEPS);
                // Below the normal floats products lose digits.
                let told_apart = scale.is_normal() && scale > 0.0 && low < high && near(low) && near(high);
                if told_apart && self.value(low - zero_point).is_finite() && self.value(high - zero_point).is_finite() {
                    return Ok(());
                }
                Err(Error::Threat(format!(
                    "the grid {self}; expected finite points, a positive normal step and integers within {MOST_STEPS} \
                     of the zero point"
                )))
            }
        }
    }

    /// The point a whole number of steps from zero, computed as the data set computes it.
    pub(crate) fn value(&self, step: i64) -> f32 {
        match self {
            Grid::Levels(levels) => step as f32 / *levels as f32,
            Grid::Affine { scale, .. } => step as f32 * scale,
        }
    }

    /// How many steps `x` is from zero.
    pub(crate) fn steps(&self, x: f64) -> f64 {
        match self {
            Grid::Levels(levels) => x * f64::from(*levels),
            Grid::Affine { scale, .. } => x / f64::from(*scale),
        }
    }

    /// The nearest whole number of steps.
    pub(crate) fn nearest(&self, x: f32) -> f64 {
        self.steps(f64::from(x)).round_ties_even()
    }

    /// How many steps the point `x` is from zero, where `x` is a point.
    pub(crate) fn step_of(&self, x: f32) -> Option<i64> {
        let step = self.nearest(x);
        let (least, largest) = self.ends();
        let there = least as f64 <= step && step <= largest as f64 && self.value(step as i64) == x;
        there.then_some(step as i64)
    }

    /// The outermost points within the bounds, in steps; the first exceeds the second where there are none.
    pub(crate) fn extent(&self, domain: &Domain) -> (i64, i64) {
        let (low, high) = self.ends();
        let nearest = |bound: f32| self.nearest(bound).clamp(low as f64, high as f64) as i64;
        let (least, largest) = (nearest(domain.lower), nearest(domain.upper));
        // The nearest step is off by one at most.
        (least + i64::from(self.value(least) < domain.lower), largest - i64::from(self.value(largest) > domain.upper))
    }

    /// `epsilon` in steps, an exact fraction; where it exceeds 2^51 a larger number, since no two points are so far
    /// apart.
    pub(crate) fn radius(&self, epsilon: &Epsilon) -> (u128, u128) {
        let (numerator, denominator) = epsilon.ratio();
        match self {
            Grid::Levels(levels) => (numerator * u128::from(*levels), denominator),
            Grid::Affine { scale, .. } => {
                // A normal float is a whole number below 2^24 times a power of two.
                let mantissa = scale.to_bits() & 0x007f_ffff | 0x0080_0000;
                let power = (scale.to_bits() >> 23) as i32 - 150 + mantissa.trailing_zeros() as i32;
                let denominator = denominator * u128::from(mantissa >> mantissa.trailing_zeros());
                let shift = power.unsigned_abs();
                match power >= 0 {
                    // At most 2^53, over at least 2^128.
                    true if denominator.leading_zeros() < shift => (0, 1),
                    true => (numerator, denominator << shift),
                    false if numerator == 0 => (0, 1),
                    // At least 2^128, over at most 2^77.
                    false if numerator.leading_zeros() < shift => (i64::MAX as u128, 1),
                    false => (numerator << shift, denominator),
                }
            }
        }
    }

    /// The largest whole number of steps within `epsilon`.
    pub(crate) fn whole_steps(&self, epsilon: &Epsilon) -> i64 {
        let (numerator, denominator) = self.radius(epsilon);
        i64::try_from(numerator / denominator).unwrap_or(i64::MAX)
    }

    /// The least and the largest step that there are.
    fn ends(&self) -> (i64, i64) {
        match *self {
            // Beyond 2^24 whole numbers are not exact in f32.
            Grid::Levels(_) => (-(1 << 24), 1 << 24),
            Grid::Affine { zero_point, low, high, .. } => (low - zero_point, high - zero_point),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Norm, ThreatModel};
    use num_bigint::BigInt;
    use num_rational::BigRational;
    use proptest::prelude::*;

    fn rational(x: f32) -> BigRational {
        BigRational::from_float(x).expect("finite")
    }

    fn exactly(epsilon: &Epsilon) -> BigRational {
        BigRational::new(BigInt::from(epsilon.numerator()), BigInt::from(epsilon.denominator()))
    }

    fn whole(step: i64) -> BigRational {
        BigRational::from(BigInt::from(step))
    }

    fn threat(norm: Norm, epsilon: &str) -> ThreatModel {
        ThreatModel { norm, epsilon: epsilon.parse().expect("valid") }
    }

    /// Scales of every size, with few and with many digits; int8 and uint8.
    fn any_grid() -> impl Strategy<Value = Grid> {
        let scale = prop_oneof![
            Just(0.584_702_9f32),
            0.001f32..4.0,
            (1u32..=9, -20i32..20).prop_map(|(digits, power)| digits as f32 * 2f32.powi(power)),
            (0x0080_0000u32..0x7a00_0000).prop_map(f32::from_bits),
        ];
        (scale, prop_oneof![Just((-128i64, 127i64)), Just((0, 255))], -128i64..=255)
            .prop_map(|(scale, (low, high), zero_point)| Grid::Affine { scale, zero_point, low, high })
    }

    fn any_epsilon() -> impl Strategy<Value = Epsilon> {
        let fraction = prop_oneof![
            (0u64..2000, 1u64..2000),
            (0u64..=1 << 53, 1u64..=1 << 53),
            // Whole numbers of steps where the scale has few digits.
            (0u64..=300, (0u32..=20).prop_map(|power| 1u64 << power)),
            (0u64..=300, 0u32..40).prop_map(|(number, power)| (number << power, 1)),
        ];
        fraction.prop_map(|(numerator, denominator)| format!("{numerator}/{denominator}").parse().expect("valid"))
    }

    /// An epsilon close to a whole number of steps, which is where a rounding would show.
    fn near_steps(grid: &Grid) -> impl Strategy<Value = Epsilon> + use<> {
        let Grid::Affine { scale, .. } = *grid else { unreachable!("the affine grids only") };
        let scale = scale.clamp(1e-4, 1e4);
        (0i64..300, 1u64..1 << 40, -1i64..=1).prop_map(move |(steps, denominator, off)| {
            let numerator = (steps as f64 * f64::from(scale) * denominator as f64).round() as i64 + off;
            let numerator = numerator.clamp(0, 1 << 53);
            format!("{numerator}/{denominator}").parse().expect("valid")
        })
    }

    fn grid_and_epsilon() -> impl Strategy<Value = (Grid, Epsilon)> {
        any_grid().prop_flat_map(|grid| {
            let epsilon = prop_oneof![any_epsilon(), near_steps(&grid)];
            (Just(grid), epsilon)
        })
    }

    fn integers(grid: &Grid) -> std::ops::RangeInclusive<i64> {
        let Grid::Affine { low, high, .. } = grid else { unreachable!("the affine grids only") };
        *low..=*high
    }

    fn value(grid: &Grid, q: i64) -> f32 {
        let Grid::Affine { scale, zero_point, .. } = *grid else { unreachable!("the affine grids only") };
        (q - zero_point) as f32 * scale
    }

    fn step(grid: &Grid) -> BigRational {
        let Grid::Affine { scale, .. } = *grid else { unreachable!("the affine grids only") };
        rational(scale)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn whole_steps_are_the_floor_of_the_exact_quotient((grid, epsilon) in grid_and_epsilon()) {
            prop_assert!(grid.check().is_ok());
            let exact = (exactly(&epsilon) / step(&grid)).floor();
            let steps = whole(grid.whole_steps(&epsilon));
            prop_assert!(steps == exact || (steps > whole(1 << 50) && exact > whole(1 << 50)), "{steps} {exact}");
        }

        #[test]
        fn an_linf_ball_holds_the_points_within_epsilon_and_nothing_else(
            (grid, epsilon) in grid_and_epsilon(),
            place in 0usize..256,
            bounds in prop::option::of((0usize..256, 0usize..256)),
        ) {
            let all: Vec<i64> = integers(&grid).collect();
            let (low, high) = bounds.map_or((0, 255), |(a, b)| (a.min(b).min(place), a.max(b).max(place)));
            prop_assume!(low < high);
            let domain = Domain { lower: value(&grid, all[low]), upper: value(&grid, all[high]), grid: Some(grid) };
            let ball = ThreatModel { norm: Norm::Linf, epsilon: epsilon.clone() }
                .ball(&[value(&grid, all[place])], &domain, true)
                .expect("a ball");
            for (index, q) in all.iter().enumerate() {
                let x = value(&grid, *q);
                let distance = whole((q - all[place]).abs()) * step(&grid);
                let inside = (low..=high).contains(&index) && distance <= exactly(&epsilon);
                prop_assert_eq!(ball.contains(&[x]), inside, "{}", q);
                prop_assert!(!ball.contains(&[x.next_up()]) && !ball.contains(&[x.next_down()]));
            }
            for x in [f32::MIN, ball.lower[0], ball.upper[0], f32::MAX, 0.0] {
                let mut projected = [x];
                ball.project(&mut projected);
                prop_assert!(ball.contains(&projected));
            }
        }

        #[test]
        fn projection_takes_the_nearest_point((grid, epsilon) in grid_and_epsilon(), place in 0usize..256, at in -20.0f64..280.0) {
            let all: Vec<f32> = integers(&grid).map(|q| value(&grid, q)).collect();
            let domain = Domain { lower: all[0], upper: all[255], grid: Some(grid) };
            let ball = ThreatModel { norm: Norm::Linf, epsilon }.ball(&[all[place]], &domain, true).expect("a ball");
            let Grid::Affine { scale, .. } = grid else { unreachable!("the affine grids only") };
            let x = (f64::from(all[0]) + at * f64::from(scale)) as f32;
            let mut projected = [x];
            ball.project(&mut projected);
            prop_assert!(ball.contains(&projected));
            let distance = |point: f32| (f64::from(point) - f64::from(x)).abs();
            let nearest = all.iter().filter(|point| ball.contains(&[**point])).map(|point| distance(*point));
            // Which of two equally near points is nearer is up to the rounding of their values.
            let rounding = f64::from(all[0].abs().max(all[255].abs())) * f64::from(f32::EPSILON);
            prop_assert!(distance(projected[0]) <= nearest.fold(f64::INFINITY, f64::min) + rounding);
        }

        #[test]
        fn l2_projection_stays_in_the_exact_ball_and_is_stable(
            (grid, epsilon) in grid_and_epsilon(),
            moves in prop::collection::vec((0usize..256, -1.0f64..1.0), 1..40),
            size in prop_oneof![Just(1e-6f64), Just(0.6), Just(3.0), Just(1e3)],
        ) {
            let all: Vec<f32> = integers(&grid).map(|q| value(&grid, q)).collect();
            let Grid::Affine { scale, .. } = grid else { unreachable!("the affine grids only") };
            let x: Vec<f32> = moves.iter().map(|(place, _)| all[*place]).collect();
            let domain = Domain { lower: all[0], upper: all[255], grid: Some(grid) };
            let ball = ThreatModel { norm: Norm::L2, epsilon: epsilon.clone() }.ball(&x, &domain, true).expect("a ball");
            let moved = |(x, (_, delta)): (&f32, &(usize, f64))| (f64::from(*x) + delta * size * f64::from(scale)) as f32;
            let mut x_adv: Vec<f32> = x.iter().zip(&moves).map(moved).collect();
            ball.project(&mut x_adv);
            prop_assert!(ball.contains(&x_adv), "{x_adv:?}");
            let again = { let mut again = x_adv.clone(); ball.project(&mut again); again };
            prop_assert_eq!(&again, &x_adv);
            let place = |x: f32| all.iter().position(|point| *point == x).expect("on the grid") as i64;
            let square: i64 = x_adv.iter().zip(&x).map(|(a, b)| (place(*a) - place(*b)).pow(2)).sum();
            prop_assert!(whole(square) * step(&grid) * step(&grid) <= exactly(&epsilon) * exactly(&epsilon));
        }

        #[test]
        fn an_l2_ball_holds_every_point_of_the_exact_one(
            (grid, epsilon) in grid_and_epsilon(),
            places in prop::collection::vec((0usize..256, -3i64..=3), 1..6),
        ) {
            let all: Vec<f32> = integers(&grid).map(|q| value(&grid, q)).collect();
            let domain = Domain { lower: all[0], upper: all[255], grid: Some(grid) };
            let moved = |(place, steps): &(usize, i64)| (*place as i64 + steps).clamp(0, 255) as usize;
            let x: Vec<f32> = places.iter().map(|(place, _)| all[*place]).collect();
            let x_adv: Vec<f32> = places.iter().map(|place| all[moved(place)]).collect();
            let square: i64 = places.iter().map(|place| (moved(place) as i64 - place.0 as i64).pow(2)).sum();
            let exact = exactly(&epsilon) * exactly(&epsilon) / (step(&grid) * step(&grid));
            // The radius may be short by a few units of 2^-53.
            let sure = &exact * (whole(1) - BigRational::new(BigInt::from(1), BigInt::from(1i64 << 48)));
            let ball = ThreatModel { norm: Norm::L2, epsilon }.ball(&x, &domain, true).expect("a ball");
            prop_assert!(whole(square) > sure || ball.contains(&x_adv));
            prop_assert!(whole(square) <= exact || !ball.contains(&x_adv));
        }

        #[test]
        fn an_l1_ball_holds_the_points_of_the_exact_one_and_projection_ends_there(
            (grid, epsilon) in grid_and_epsilon(),
            places in prop::collection::vec((0usize..256, -3i64..=3, -1.0f64..1.0), 1..30),
            size in prop_oneof![Just(0.6), Just(3.0), Just(1e3)],
        ) {
            let all: Vec<f32> = integers(&grid).map(|q| value(&grid, q)).collect();
            let Grid::Affine { scale, .. } = grid else { unreachable!("the affine grids only") };
            let domain = Domain { lower: all[0], upper: all[255], grid: Some(grid) };
            let x: Vec<f32> = places.iter().map(|(place, ..)| all[*place]).collect();
            let ball = ThreatModel { norm: Norm::L1, epsilon: epsilon.clone() }.ball(&x, &domain, true).expect("a ball");
            let is_inside = |x_adv: &[f32]| {
                let place = |x: f32| all.iter().position(|point| *point == x).expect("on the grid") as i64;
                let sum: i64 = x_adv.iter().zip(&x).map(|(a, b)| (place(*a) - place(*b)).abs()).sum();
                whole(sum) * step(&grid) <= exactly(&epsilon)
            };
            let moved = |(place, steps, _): &(usize, i64, f64)| all[(*place as i64 + steps).clamp(0, 255) as usize];
            let x_adv: Vec<f32> = places.iter().map(moved).collect();
            prop_assert_eq!(ball.contains(&x_adv), is_inside(&x_adv));
            let far = |(x, (.., delta)): (&f32, &(usize, i64, f64))| (f64::from(*x) + delta * size * f64::from(scale)) as f32;
            let mut x_adv: Vec<f32> = x.iter().zip(&places).map(far).collect();
            ball.project(&mut x_adv);
            prop_assert!(ball.contains(&x_adv) && is_inside(&x_adv), "{x_adv:?}");
            let again = { let mut again = x_adv.clone(); ball.project(&mut again); again };
            prop_assert_eq!(&again, &x_adv);
        }
    }

    #[test]
    fn a_whole_number_of_steps_is_reached_exactly() {
        let grid = Grid::Affine { scale: 0.584_702_9, zero_point: 83, low: -128, high: 127 };
        // The scale is 9809687 / 2^24 exactly.
        let table = [
            ("0.6", 1),
            ("1.2", 2),
            ("0.5847029", 0),
            ("9809687/16777216", 1),
            ("9809686/16777216", 0),
            ("29429061/16777216", 3),
            ("0", 0),
        ];
        for (epsilon, steps) in table {
            assert_eq!(grid.whole_steps(&epsilon.parse().expect("valid")), steps, "{epsilon}");
        }
        let x = [value(&grid, 83), value(&grid, 127), value(&grid, -128)];
        let domain = Domain { lower: value(&grid, -128), upper: value(&grid, 127), grid: Some(grid) };
        let ball = threat(Norm::Linf, "1.2").ball(&x, &domain, true).expect("a ball");
        assert_eq!(ball.lower, [value(&grid, 81), value(&grid, 125), value(&grid, -128)]);
        assert_eq!(ball.upper, [value(&grid, 85), value(&grid, 127), value(&grid, -126)]);
        let ball = threat(Norm::L2, "49048435/16777216").ball(&x, &domain, true).expect("a ball");
        assert!(ball.contains(&[value(&grid, 86), value(&grid, 123), x[2]]), "3 and 4 steps of 5");
        assert!(!ball.contains(&[value(&grid, 86), value(&grid, 123), value(&grid, -127)]));
    }

    #[test]
    fn grids_whose_points_run_together_are_refused() {
        let grid = |scale: f32, zero_point: i64| Grid::Affine { scale, zero_point, low: -128, high: 127 };
        let senseless = [
            grid(0.0, 0),
            grid(-1.0, 0),
            grid(f32::NAN, 0),
            grid(f32::INFINITY, 0),
            grid(1e-40, 0),
            grid(1e37, 0),
            grid(1.0, 1 << 21),
            grid(1.0, i64::MIN),
            Grid::Affine { scale: 1.0, zero_point: 0, low: 5, high: 5 },
            Grid::Levels(0),
            Grid::Levels((1 << 20) + 1),
        ];
        for grid in senseless {
            let domain = Domain { grid: Some(grid), ..Domain::PIXELS };
            assert!(threat(Norm::Linf, "1").ball(&[0.0], &domain, true).is_err(), "{grid:?}");
            assert!(domain.grid_points().next().is_none(), "{grid:?}");
        }
        assert!(grid(1.0, 1 << 20).check().is_err() && grid(1.0, 1 << 19).check().is_ok());
    }

    #[test]
    fn the_points_of_a_domain_are_those_within_its_bounds() {
        let points: Vec<f32> = Domain::PIXELS.grid_points().collect();
        assert!(points.iter().enumerate().all(|(k, x)| *x == k as f32 / 255.0) && points.len() == 256);
        let grid = Grid::Affine { scale: 0.5, zero_point: 3, low: 0, high: 255 };
        for (lower, upper, expected) in [
            (-1.4, 0.6, vec![-1.0, -0.5, 0.0, 0.5]),
            (f32::NEG_INFINITY, -1.0, vec![-1.5, -1.0]),
            (126.0, f32::INFINITY, vec![126.0]),
            (0.1, 0.2, vec![]),
            (1e30, 2e30, vec![]),
        ] {
            let domain = Domain { lower, upper, grid: Some(grid) };
            assert_eq!(domain.grid_points().collect::<Vec<_>>(), expected, "{lower} to {upper}");
        }
        assert_eq!(Domain::UNBOUNDED.grid_points().count(), 0);
    }
}
