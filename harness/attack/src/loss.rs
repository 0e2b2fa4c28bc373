use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// What an oracle differentiates, with its parameters per row. Every loss is maximised.
#[derive(Debug, Clone, PartialEq)]
pub enum Loss {
    /// `-log softmax(z)_y`.
    CrossEntropy {
        /// The label of each row.
        labels: Vec<usize>,
    },
    /// `log softmax(z)_t`.
    TargetedCrossEntropy {
        /// The class to reach, of each row.
        targets: Vec<usize>,
    },
    /// `max_{k != y} z_k - z_y`.
    Margin {
        /// The label of each row.
        labels: Vec<usize>,
    },
    /// `z_t - z_y`.
    TargetedMargin {
        /// The label of each row.
        labels: Vec<usize>,
        /// The class to reach, of each row.
        targets: Vec<usize>,
    },
    /// `sum_k c_k z_k`: for a one-hot `c` a row of the Jacobian.
    Linear {
        /// `[N, K]`.
        cotangents: Array2<f32>,
    },
    /// `KL(p || softmax(z)) = sum_k p_k (ln p_k - log softmax(z)_k)`, in nats. A probability of 0 contributes 0.
    KlDivergence {
        /// `p`, `[N, K]`: each row sums to 1.
        probabilities: Array2<f32>,
    },
}

/// The scalar functions of the logits that a gradient graph ends in; the weights choose labels and targets.
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
}

impl Loss {
    /// The head that computes it.
    pub fn head(&self) -> LossHead {
        match self {
            Loss::CrossEntropy { .. } | Loss::TargetedCrossEntropy { .. } => LossHead::CrossEntropy,
            Loss::Margin { .. } => LossHead::Margin,
            Loss::TargetedMargin { .. } | Loss::Linear { .. } => LossHead::Linear,
            Loss::KlDivergence { .. } => LossHead::Kl,
        }
    }

    /// How many rows it has parameters for.
    pub fn rows(&self) -> usize {
        match self {
            Loss::CrossEntropy { labels } | Loss::Margin { labels } => labels.len(),
            Loss::TargetedMargin { labels, targets } => labels.len().min(targets.len()),
            Loss::TargetedCrossEntropy { targets } => targets.len(),
            Loss::Linear { cotangents } => cotangents.nrows(),
            Loss::KlDivergence { probabilities } => probabilities.nrows(),
        }
    }

    /// The head's weights `[N, K]`: `e_y`, `-e_t` for targeted cross-entropy, `e_t - e_y` for the targeted margin,
    /// the probabilities for a divergence.
    ///
    /// A label or target beyond the classes leaves no weight.
    pub fn weights(&self, classes: usize) -> Array2<f32> {
        let mut weights = Array2::zeros((self.rows(), classes));
        let mut put = |indices: &[usize], weight: f32| {
            for (mut row, &index) in weights.rows_mut().into_iter().zip(indices) {
                if let Some(entry) = row.get_mut(index) {
                    *entry += weight;
                }
            }
        };
        match self {
            Loss::CrossEntropy { labels } | Loss::Margin { labels } => put(labels, 1.0),
            Loss::TargetedCrossEntropy { targets } => put(targets, -1.0),
            Loss::TargetedMargin { labels, targets } => {
                put(targets, 1.0);
                put(labels, -1.0);
            }
            Loss::Linear { cotangents: given } | Loss::KlDivergence { probabilities: given } => return given.clone(),
        }
        weights
    }
}

/// The loss that an attack ascends, as its parameters name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Cross-entropy.
    CrossEntropy,
    /// Carlini and Wagner's margin of the logits.
    Margin,
}

impl LossKind {
    /// The head that computes it, targeted or not.
    pub fn head(self, targeted: bool) -> LossHead {
        match (self, targeted) {
            (LossKind::CrossEntropy, _) => LossHead::CrossEntropy,
            (LossKind::Margin, false) => LossHead::Margin,
            (LossKind::Margin, true) => LossHead::Linear,
        }
    }

    /// The loss of these rows, targeted when there are targets.
    pub fn of(self, labels: Vec<usize>, targets: Option<Vec<usize>>) -> Loss {
        match (self, targets) {
            (LossKind::CrossEntropy, None) => Loss::CrossEntropy { labels },
            (LossKind::CrossEntropy, Some(targets)) => Loss::TargetedCrossEntropy { targets },
            (LossKind::Margin, None) => Loss::Margin { labels },
            (LossKind::Margin, Some(targets)) => Loss::TargetedMargin { labels, targets },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn weights_follow_the_sign_of_ascent() {
        let (labels, targets) = (vec![0, 2], vec![1, 0]);
        let table = [
            (LossKind::CrossEntropy.of(labels.clone(), None), array![[1., 0., 0.], [0., 0., 1.]]),
            (LossKind::Margin.of(labels.clone(), None), array![[1., 0., 0.], [0., 0., 1.]]),
            (LossKind::CrossEntropy.of(labels.clone(), Some(targets.clone())), array![[0., -1., 0.], [-1., 0., 0.]]),
            (LossKind::Margin.of(labels, Some(targets)), array![[-1., 1., 0.], [1., 0., -1.]]),
        ];
        for (loss, weights) in table {
            assert_eq!(loss.weights(3), weights, "{loss:?}");
        }
        let probabilities = array![[0.25, 0.75, 0.0]];
        let divergence = Loss::KlDivergence { probabilities: probabilities.clone() };
        assert_eq!((divergence.weights(3), divergence.head(), divergence.rows()), (probabilities, LossHead::Kl, 1));
        for targeted in [false, true] {
            for kind in [LossKind::CrossEntropy, LossKind::Margin] {
                assert_eq!(kind.of(vec![0], targeted.then(|| vec![1])).head(), kind.head(targeted));
            }
        }
    }
}
