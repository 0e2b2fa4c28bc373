use ndarray::{Array2, ArrayView1};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an oracle differentiates: a scalar function of the logits for each row. Every loss is maximised.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// The function.
    pub head: LossHead,
    /// Its weights `[N, K]`, which choose labels and targets row by row.
    pub weights: Array2<f32>,
}

/// The scalar functions of the logits that a gradient graph ends in; the weights choose labels and targets.
///
/// `z_(1) >= z_(2) >= ...` are the logits in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossHead {
    /// `-sum_k w_k log softmax(z)_k`.
    CrossEntropy,
    /// `s max_{k: w_k = 0} z_k - sum_k w_k z_k` with `s = sum_k w_k`.
    Margin,
    /// `sum_k w_k z_k`.
    Linear,
    /// `sum_k w_k (ln w_k - log softmax(z)_k)`.
    Kl,
    /// The margin over `z_(1) - z_(3) + 1e-12`. Three classes or more.
    Dlr,
    /// `sum_k w_k z_k` over `z_(1) - (z_(3) + z_(4)) / 2 + 1e-12`. Four classes or more.
    DlrTargeted,
}

impl Loss {
    /// `-log softmax(z)_y`. Shapes: `labels` `[N]`.
    pub fn cross_entropy(labels: &[usize], classes: usize) -> Loss {
        Loss { head: LossHead::CrossEntropy, weights: one_hot(labels, classes, 1.0) }
    }

    /// `max_{k != y} z_k - z_y`. Shapes: `labels` `[N]`.
    pub fn margin(labels: &[usize], classes: usize) -> Loss {
        Loss { head: LossHead::Margin, weights: one_hot(labels, classes, 1.0) }
    }

    /// `sum_k c_k z_k`: for a one-hot `c` a row of the Jacobian. Shapes: `cotangents` `[N, K]`.
    pub fn linear(cotangents: Array2<f32>) -> Loss {
        Loss { head: LossHead::Linear, weights: cotangents }
    }

    /// `KL(p || softmax(z)) = sum_k p_k (ln p_k - log softmax(z)_k)`, in nats. A probability of 0 contributes 0.
    ///
    /// Shapes: `probabilities` `[N, K]`; each row sums to 1.
    pub fn kl(probabilities: Array2<f32>) -> Loss {
        Loss { head: LossHead::Kl, weights: probabilities }
    }
}

/// A label beyond the classes leaves no weight.
fn one_hot(labels: &[usize], classes: usize, weight: f32) -> Array2<f32> {
    let mut weights = Array2::zeros((labels.len(), classes));
    for (mut row, &label) in weights.rows_mut().into_iter().zip(labels) {
        if let Some(entry) = row.get_mut(label) {
            *entry = weight;
        }
    }
    weights
}

/// The loss that an attack ascends, as its parameters name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Cross-entropy.
    CrossEntropy,
    /// Carlini and Wagner's margin of the logits.
    Margin,
    /// The difference of logits ratio of Croce and Hein.
    Dlr,
}

/// The loss of one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Goal {
    pub(crate) head: LossHead,
    /// `[K]`.
    pub(crate) weights: Vec<f32>,
}

impl LossKind {
    /// The head that computes it for a model of so many classes, targeted or not.
    ///
    /// The ratio needs three classes, and four with a target. With three classes and a target it is the one without;
    /// with two it is the margin, which is all that two logits hold.
    pub fn head(self, targeted: bool, classes: usize) -> LossHead {
        match (self, targeted) {
            (LossKind::CrossEntropy, _) => LossHead::CrossEntropy,
            (LossKind::Dlr, true) if classes >= 4 => LossHead::DlrTargeted,
            (LossKind::Dlr, _) if classes >= 3 => LossHead::Dlr,
            (LossKind::Margin | LossKind::Dlr, false) => LossHead::Margin,
            (LossKind::Margin | LossKind::Dlr, true) => LossHead::Linear,
        }
    }

    /// Whether [`LossKind::head`] puts another loss in its place.
    pub fn is_substituted(self, targeted: bool, classes: usize) -> bool {
        self == LossKind::Dlr && classes < if targeted { 4 } else { 3 }
    }

    /// The loss of a row with this label, targeted when there is a target.
    pub(crate) fn goal(self, label: usize, target: Option<usize>, classes: usize) -> Goal {
        let head = self.head(target.is_some(), classes);
        let mut weights = vec![0.0; classes];
        match (head, target) {
            (LossHead::CrossEntropy, Some(target)) => weights[target] = -1.0,
            (LossHead::Linear | LossHead::DlrTargeted, Some(target)) => {
                weights[target] = 1.0;
                weights[label] = -1.0;
            }
            _ => weights[label] = 1.0,
        }
        Goal { head, weights }
    }
}

impl Goal {
    /// The losses of several rows with the same head.
    pub(crate) fn together(head: LossHead, goals: &[&Goal], classes: usize) -> Loss {
        let mut weights = Array2::zeros((goals.len(), classes));
        for (mut row, goal) in weights.rows_mut().into_iter().zip(goals) {
            row.assign(&ArrayView1::from(&goal.weights));
        }
        Loss { head, weights }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn weights_follow_the_sign_of_ascent() {
        use LossHead::*;
        let kinds = [LossKind::CrossEntropy, LossKind::Margin, LossKind::Dlr];
        let (own, away, toward) = ([0., 0., 1., 0.], [0., -1., 0., 0.], [0., 1., -1., 0.]);
        let heads = [
            [(CrossEntropy, own), (Margin, own), (Dlr, own)],
            [(CrossEntropy, away), (Linear, toward), (DlrTargeted, toward)],
        ];
        for (target, heads) in [None, Some(1)].into_iter().zip(heads) {
            for (kind, (head, weights)) in kinds.into_iter().zip(heads) {
                assert_eq!(kind.goal(2, target, 4), Goal { head, weights: weights.to_vec() }, "{kind:?} {target:?}");
                assert_eq!((kind.head(target.is_some(), 4), kind.is_substituted(target.is_some(), 4)), (head, false));
            }
        }
        assert_eq!(Loss::cross_entropy(&[1, 0], 2).weights, array![[0., 1.], [1., 0.]]);
    }

    #[test]
    fn a_ratio_that_needs_more_classes_gives_way() {
        let dlr = |target, classes| LossKind::Dlr.goal(1, target, classes);
        assert_eq!(dlr(Some(0), 3), Goal { head: LossHead::Dlr, weights: vec![0., 1., 0.] });
        assert_eq!(dlr(Some(0), 2), Goal { head: LossHead::Linear, weights: vec![1., -1.] });
        assert_eq!(dlr(None, 2), Goal { head: LossHead::Margin, weights: vec![0., 1.] });
        let substituted = |targeted| [2, 3, 4].map(|classes| LossKind::Dlr.is_substituted(targeted, classes));
        assert_eq!((substituted(false), substituted(true)), ([true, false, false], [true, true, false]));
    }
}
