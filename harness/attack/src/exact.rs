//! Error-free transforms: sums and products in f64 with their rounding errors, so that signs come out exact.

use std::cmp::Ordering;

/// `(s, e)` with `s = fl(a + b)` and `s + e = a + b` exactly, unless the sum overflows.
///
/// Source: Knuth, The Art of Computer Programming 2, section 4.2.2, theorem B.
pub(crate) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    let t = s - a;
    (s, (a - (s - t)) + (b - t))
}

/// `(p, e)` with `p = fl(a b)` and `p + e = a b` exactly, unless a product overflows or falls below the subnormals.
///
/// Source: Dekker 1971, with Veltkamp's splitting: no fused multiply-add, which is a call of the platform's libm where
/// the target lacks the instruction.
pub(crate) fn two_product(a: f64, b: f64) -> (f64, f64) {
    let (a_high, a_low) = split(a);
    let (b_high, b_low) = split(b);
    let p = a * b;
    (p, a_low * b_low - (((p - a_high * b_high) - a_low * b_high) - a_high * b_low))
}

fn split(a: f64) -> (f64, f64) {
    let t = a * 134_217_729.0; // 2^27 + 1
    let high = t - (t - a);
    (high, a - high)
}

/// The sign of the exact sum of `terms`.
///
/// Source: Shewchuk 1997, Adaptive precision floating-point arithmetic, theorem 10 (grow-expansion).
pub(crate) fn sign_of_sum<const N: usize>(terms: [f64; N]) -> Ordering {
    let mut expansion = [0.0; N];
    for (count, &term) in terms.iter().enumerate() {
        let mut carry = term;
        for component in &mut expansion[..count] {
            (carry, *component) = two_sum(carry, *component);
        }
        expansion[count] = carry;
    }
    // The components do not overlap and grow in magnitude, so the largest nonzero one has the sign of the sum.
    let leading = expansion.iter().rev().find(|component| **component != 0.0).copied().unwrap_or(0.0);
    leading.partial_cmp(&0.0).unwrap_or(Ordering::Equal)
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

    proptest! {
        #[test]
        fn transforms_lose_nothing(a in -1e40f64..1e40, b in -1e40f64..1e40, shift in -60i32..60) {
            let b = b * 2f64.powi(shift);
            let (s, e) = two_sum(a, b);
            prop_assert_eq!(rational(s) + rational(e), rational(a) + rational(b));
            let (p, e) = two_product(a, b);
            prop_assert_eq!(rational(p) + rational(e), rational(a) * rational(b));
        }

        #[test]
        fn the_sign_is_exact(a in any::<f32>(), b in any::<f32>(), c in -1e10f64..1e10, kind in 0..3) {
            prop_assume!(a.is_finite() && b.is_finite());
            let (a, b) = (f64::from(a), f64::from(b));
            // Sums that almost or wholly cancel are the hard ones.
            let terms = match kind { 0 => [a, b, c, -(a + b), -c], 1 => [a, c, -a, -c, 0.0], _ => [c, a, b, -c, 1e-45] };
            let sum: BigRational = terms.iter().map(|t| rational(*t)).sum();
            prop_assert_eq!(sign_of_sum(terms), sum.cmp(&BigRational::from(BigInt::from(0))));
        }
    }
}
