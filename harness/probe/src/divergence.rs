//! Softmax and divergence in f64, with a logarithm and an exponential of our own: basic arithmetic gives the same bits on
//! every platform, which evidence has to.

use std::f64::consts::LN_2;

/// `ln 2` in two parts, the first with so few digits that its product with an exponent is exact.
const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// `KL(p || q) = sum_k p_k (ln p_k - ln q_k)` of the class distributions of two rows of logits, in nats.
///
/// Shapes: both `[K]`, finite. It is 0 for equal logits and never below.
pub fn kl_divergence(logits: &[f32], logits_adv: &[f32]) -> f64 {
    let (log_p, log_q) = (log_softmax(logits), log_softmax(logits_adv));
    log_p.iter().zip(log_q).fold(0.0, |sum, (log_p, log_q)| sum + exp(*log_p) * (log_p - log_q)).max(0.0)
}

/// The class distribution of a row of finite logits.
pub fn softmax(logits: &[f32]) -> Vec<f64> {
    log_softmax(logits).into_iter().map(exp).collect()
}

/// The logarithm of [`softmax`], which stays finite where that underflows.
pub fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().fold(f64::NEG_INFINITY, |most, z| most.max(f64::from(*z)));
    let sum = logits.iter().fold(0.0, |sum, z| sum + exp(f64::from(*z) - most));
    let log_sum = ln(sum);
    logits.iter().map(|z| f64::from(*z) - most - log_sum).collect()
}

/// `e^x` for `x` up to 700; 0 where it would be denormal.
pub(crate) fn exp(x: f64) -> f64 {
    if x < -708.0 {
        return 0.0;
    }
    let power = (x / LN_2).round_ties_even();
    let rest = (x - power * LN_2_HIGH) - power * LN_2_LOW;
    // |rest| <= 0.35: the first term left out is below 2^-56.
    let series = (1..=13).rev().fold(1.0, |sum, n| 1.0 + sum * rest / f64::from(n));
    series * f64::from_bits(((power as i64 + 1023) as u64) << 52)
}

/// `ln x` of a normal number.
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut power = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        power += 1;
    }
    // ln m = 2 artanh(s) with |s| <= 0.172: the first term left out is below 2^-60.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let series = (0..=10).rev().fold(0.0, |sum, n| sum * s * s + 1.0 / f64::from(2 * n + 1));
    power as f64 * LN_2_HIGH + (power as f64 * LN_2_LOW + 2.0 * s * series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_platforms_to_the_last_digits() {
        let near = |found: f64, exact: f64| (found - exact).abs() <= 4.0 * f64::EPSILON * exact.abs();
        for step in -70_000..70_000 {
            let x = f64::from(step) * 0.01;
            assert!(near(exp(x), x.exp()), "exp {x}: {} {}", exp(x), x.exp());
            let y = 1.0 + f64::from(step + 70_001) * 0.37;
            assert!(near(ln(y), y.ln()), "ln {y}: {} {}", ln(y), y.ln());
        }
        assert_eq!((exp(0.0), ln(1.0), exp(-1e9)), (1.0, 0.0, 0.0));
    }

    #[test]
    fn divergence_is_its_closed_form() {
        let pairs: [(&[f32], &[f32]); 4] = [
            (&[0.0, 0.0], &[1.0, -1.0]),
            (&[2.0, -1.0, 0.5], &[-3.0, 1.0, 4.0]),
            (&[10.0, -10.0], &[-10.0, 10.0]),
            (&[1e-3, 0.0], &[0.0, 1e-3]),
        ];
        for (z, z_adv) in pairs {
            let softmax = |z: &[f32]| -> Vec<f64> {
                let powers: Vec<f64> = z.iter().map(|z| f64::from(*z).exp()).collect();
                powers.iter().map(|power| power / powers.iter().sum::<f64>()).collect()
            };
            let (p, q) = (softmax(z), softmax(z_adv));
            let exact: f64 = p.iter().zip(q).map(|(p, q)| p * (p / q).ln()).sum();
            let found = kl_divergence(z, z_adv);
            assert!((found - exact).abs() < 1e-14 * (1.0 + exact), "{found} {exact}");
        }
    }

    #[test]
    fn divergence_has_no_infinity_and_no_negative_zero() {
        assert_eq!(kl_divergence(&[3.0, 1.0, 2.0], &[3.0, 1.0, 2.0]), 0.0);
        // Shifted logits are the same distribution.
        assert!(kl_divergence(&[3.0, 1.0, 2.0], &[103.0, 101.0, 102.0]) < 1e-15);
        assert_eq!(kl_divergence(&[0.0, -5000.0], &[-5000.0, 0.0]), 5000.0);
        assert_eq!(kl_divergence(&[0.0, -5000.0], &[0.0, -9000.0]), 0.0);
    }

    #[test]
    fn a_distribution_sums_to_one() {
        let p = softmax(&[30.0, -4.0, 0.0, 29.0]);
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-15 && p.iter().all(|p| *p > 0.0));
    }
}
