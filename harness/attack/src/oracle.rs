use crate::Loss;
use ndarray::{Array1, Array2, ArrayView2};

/// White-box access to one classifier. Rows are independent: what a row gets does not depend on its neighbours.
pub trait Oracle {
    /// The number of classes `K`.
    fn classes(&self) -> usize;

    /// The number of elements of one row, `D`.
    fn row_len(&self) -> usize;

    /// How many rows run best at once; any number is allowed.
    fn micro_batch(&self) -> usize;

    /// The logits `[N, K]` of `x` `[N, D]`.
    fn logits(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError>;

    /// Logits, loss and its gradient with respect to `x` `[N, D]`, in one run.
    fn gradient(&mut self, x: ArrayView2<'_, f32>, loss: &Loss) -> Result<Gradient, OracleError>;
}

impl<O: Oracle + ?Sized> Oracle for &mut O {
    fn classes(&self) -> usize {
        (**self).classes()
    }

    fn row_len(&self) -> usize {
        (**self).row_len()
    }

    fn micro_batch(&self) -> usize {
        (**self).micro_batch()
    }

    fn logits(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError> {
        (**self).logits(x)
    }

    fn gradient(&mut self, x: ArrayView2<'_, f32>, loss: &Loss) -> Result<Gradient, OracleError> {
        (**self).gradient(x, loss)
    }
}

/// What one gradient call gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradient {
    /// `[N, K]`.
    pub logits: Array2<f32>,
    /// `[N]`.
    pub loss: Array1<f32>,
    /// `[N, D]`.
    pub gradient: Array2<f32>,
}

/// The classifier that counts: the registered bytes, unmodified.
pub trait Predictor {
    /// The raw outputs `[N, K]` as f32 scores.
    fn predict(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError>;
}

/// An oracle or a predictor could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OracleError(pub String);

/// The class with the largest score, the first of equals, and whether another shares it. Ignores what is not a number.
pub fn argmax(scores: &[f32]) -> (usize, bool) {
    let mut best: Option<(usize, f32)> = None;
    let mut tie = false;
    for (class, &score) in scores.iter().enumerate().filter(|(_, score)| !score.is_nan()) {
        match best {
            Some((_, most)) if score < most => {}
            Some((_, most)) if score == most => tie = true,
            _ => (best, tie) = (Some((class, score)), false),
        }
    }
    (best.map_or(0, |(class, _)| class), tie)
}

/// The score of the right class less the highest other one: positive where a row is classified right. `None` if it is not
/// a finite number, or there is no such class.
pub fn margin(scores: &[f32], label: usize) -> Option<f64> {
    let others = scores.iter().enumerate().filter(|(class, _)| *class != label).map(|(_, score)| f64::from(*score));
    let margin = f64::from(*scores.get(label)?) - others.fold(f64::NEG_INFINITY, f64::max);
    margin.is_finite().then_some(margin)
}

#[cfg(test)]
mod tests {
    use super::{argmax, margin};

    #[test]
    fn the_margin_is_exact_and_signed() {
        assert_eq!(margin(&[0.0, 3.0, -1.0], 1), Some(3.0));
        assert_eq!(margin(&[0.0, 3.0, 1.0], 0), Some(-3.0));
        assert_eq!(margin(&[1e8, 0.1], 0), Some(1e8 - f64::from(0.1_f32)), "float32 would round it");
        assert_eq!(margin(&[1.0, f32::INFINITY], 0), None);
        assert_eq!(margin(&[f32::INFINITY, f32::INFINITY], 0), None);
        assert_eq!(margin(&[1.0], 0), None);
        assert_eq!(margin(&[1.0, 2.0], 2), None);
    }

    #[test]
    fn the_first_of_equals_wins_and_the_tie_is_told() {
        let table: &[(&[f32], (usize, bool))] = &[
            (&[0.0, 1.0, -1.0], (1, false)),
            (&[1.0, 1.0, 0.0], (0, true)),
            (&[0.0, 0.0, 1.0], (2, false)),
            (&[-0.0, 0.0], (0, true)),
            (&[f32::NAN, -1.0], (1, false)),
            (&[f32::NAN, f32::NAN], (0, false)),
            (&[f32::NEG_INFINITY, f32::NEG_INFINITY], (0, true)),
            (&[], (0, false)),
        ];
        for (scores, expected) in table {
            assert_eq!(argmax(scores), *expected, "{scores:?}");
        }
    }
}
