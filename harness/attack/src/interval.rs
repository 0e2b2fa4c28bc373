//! The extreme f32 within epsilon of one element, exactly.

use crate::exact::{sign_of_sum, two_product, two_sum};
use crate::{Domain, Epsilon, Error};
use std::cmp::Ordering;

pub(crate) fn check_bounds(domain: &Domain) -> Result<(), Error> {
    match domain.lower.partial_cmp(&domain.upper) {
        Some(Ordering::Less) => Ok(()),
        _ => Err(Error::Threat(format!("the input bounds {} to {} hold no interval", domain.lower, domain.upper))),
    }
}

pub(crate) fn in_domain(x: f32, domain: &Domain) -> Result<(), String> {
    if !x.is_finite() {
        Err("expected a finite number".to_owned())
    } else if x < domain.lower || x > domain.upper {
        Err(format!("outside of the input bounds {} to {}", domain.lower, domain.upper))
    } else {
        Ok(())
    }
}

/// A radius as numerator and denominator in f64, both exact, and as an unevaluated sum of two f64.
#[derive(Debug, Clone)]
pub(crate) struct Radius {
    numerator: f64,
    denominator: f64,
    high: f64,
    low: f64,
}

impl Radius {
    pub(crate) fn new(epsilon: &Epsilon) -> Radius {
        let (numerator, denominator) = (epsilon.numerator() as f64, epsilon.denominator() as f64);
        let high = numerator / denominator;
        let (product, error) = two_product(high, denominator);
        Radius { numerator, denominator, high, low: ((numerator - product) - error) / denominator }
    }

    /// The largest f32 that is at most `x + epsilon` in exact arithmetic.
    pub(crate) fn upper(&self, x: f32) -> f32 {
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

    pub(crate) fn lower(&self, x: f32) -> f32 {
        -self.upper(-x) + 0.0
    }

    /// `|u - x| <= epsilon`, exactly: the sign of `|u - x| denominator - numerator`.
    fn reaches(&self, x: f32, u: f32) -> bool {
        let (difference, error) = two_sum(f64::from(u), -f64::from(x));
        let (difference, error) = if difference < 0.0 { (-difference, -error) } else { (difference, error) };
        // Two roundings are less than 3e-16 of the product, so only near equality does the sign need the exact sum.
        let product = difference * self.denominator;
        if (product - self.numerator).abs() > 1e-15 * product {
            return product < self.numerator;
        }
        let (p, p_error) = two_product(difference, self.denominator);
        let (q, q_error) = two_product(error, self.denominator);
        sign_of_sum([q_error, q, p_error, p, -self.numerator]) != Ordering::Greater
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigInt;
    use num_rational::BigRational;
    use proptest::prelude::*;

    fn rational(x: f64) -> BigRational {
        BigRational::from_float(x).expect("finite")
    }

    fn any_epsilon() -> impl Strategy<Value = Epsilon> {
        let fraction = prop_oneof![
            (0u64..=64, Just(255u64)),
            // Sums with these are often exact, so the bound is reached.
            (0u64..=1 << 30, (0u32..=53).prop_map(|power| 1u64 << power)),
            (0u64..1000, 1u64..1000),
            (0u64..=1 << 53, 1u64..=1 << 53),
            (0u64..=1000, (1u64 << 52)..=1 << 53),
            ((1u64 << 52)..=1 << 53, (1u64 << 52)..=1 << 53),
            ((1u64 << 52)..=1 << 53, 1u64..10),
        ];
        fraction.prop_map(|(numerator, denominator)| format!("{numerator}/{denominator}").parse().expect("valid"))
    }

    /// Tiny, huge, negative, subnormal, pixels, and those that almost cancel the epsilon.
    fn any_x(epsilon: &Epsilon) -> impl Strategy<Value = f32> + use<> {
        let near = epsilon.to_f64() as f32;
        prop_oneof![
            any::<f32>().prop_filter("finite", |x| x.is_finite()),
            (0u8..=255).prop_map(|level| f32::from(level) / 255.0),
            -2.0f32..2.0,
            (0u32..0x0080_0000).prop_map(f32::from_bits),
            (-3i32..=3).prop_map(move |step| f32::from_bits(near.to_bits().saturating_add_signed(step))),
            (-3i32..=3).prop_map(move |step| -f32::from_bits(near.to_bits().saturating_add_signed(step))),
            Just(0.0),
            Just(-0.0),
            Just(f32::MAX),
            Just(f32::MIN),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn bounds_are_the_extreme_floats_of_the_exact_ball(
            (epsilon, x) in any_epsilon().prop_flat_map(|epsilon| { let x = any_x(&epsilon); (Just(epsilon), x) })
        ) {
            let radius = Radius::new(&epsilon);
            let (lower, upper) = (radius.lower(x), radius.upper(x));
            let (exact, center) = (BigRational::new(BigInt::from(epsilon.numerator()), BigInt::from(epsilon.denominator())), rational(f64::from(x)));
            let inside = |u: f32| {
                let distance = rational(f64::from(u)) - &center;
                distance <= exact && -distance <= exact
            };
            prop_assert!(inside(upper) && inside(lower) && lower <= x && x <= upper, "{lower} {x} {upper}");
            prop_assert!(upper == f32::MAX || !inside(upper.next_up()), "{upper} is not the largest");
            prop_assert!(lower == f32::MIN || !inside(lower.next_down()), "{lower} is not the least");
        }
    }
}
