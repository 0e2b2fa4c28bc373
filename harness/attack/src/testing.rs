//! Small classifiers with their own arithmetic, to test attacks on.

use crate::{Gradient, Grid, Loss, LossHead, Oracle, OracleError, Predictor};
use ndarray::{Array1, Array2, ArrayView2, Axis};

/// `exp` by squaring, basic arithmetic only, so that digests of outcomes are the same on every platform.
fn pinned_exp(x: f64) -> f64 {
    let mut y = 1.0 + x.max(-700.0) / 1_048_576.0;
    for _ in 0..20 {
        y *= y;
    }
    y
}

/// `x` through `layers` of weights `[out, in]` and biases, with ReLU between them. Sums are in f64, in order.
pub(crate) struct Network {
    pub(crate) layers: Vec<(Array2<f32>, Array1<f32>)>,
    pub(crate) micro_batch: usize,
    /// Rounds the input to this grid first, with a straight-through gradient, as an integer file does.
    pub(crate) grid: Option<Grid>,
}

impl Network {
    pub(crate) fn linear(weights: Array2<f32>, bias: Array1<f32>) -> Self {
        Network { layers: vec![(weights, bias)], micro_batch: 4, grid: None }
    }

    /// Weights from a small generator: whole numbers, so they are the same everywhere.
    pub(crate) fn random(sizes: &[usize], mut seed: u64) -> Self {
        let mut draw = |scale: f32| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((seed >> 40) as f32 / 8_388_608.0 - 1.0) * scale
        };
        let layers = sizes
            .windows(2)
            .map(|pair| {
                let weights = Array2::from_shape_simple_fn((pair[1], pair[0]), || draw(1.0));
                (weights, Array1::from_shape_simple_fn(pair[1], || draw(0.1)))
            })
            .collect();
        Network { layers, micro_batch: 4, grid: None }
    }

    /// The values before each ReLU, and the logits last.
    fn forward(&self, x: &[f32]) -> Vec<Vec<f64>> {
        let quantized = |x: &f32| match self.grid {
            Some(Grid::Levels(levels)) => f64::from((x * levels as f32).round_ties_even() / levels as f32),
            Some(Grid::Affine { scale, .. }) => f64::from((x / scale).round_ties_even() * scale),
            None => f64::from(*x),
        };
        let mut input: Vec<f64> = x.iter().map(quantized).collect();
        let mut values: Vec<Vec<f64>> = Vec::new();
        for (weights, bias) in &self.layers {
            let output: Vec<f64> = weights
                .rows()
                .into_iter()
                .zip(bias)
                .map(|(row, b)| row.iter().zip(&input).fold(f64::from(*b), |sum, (w, x)| sum + f64::from(*w) * x))
                .collect();
            input = output.iter().map(|v| v.max(0.0)).collect();
            values.push(output);
        }
        values
    }

    fn logits_of(&self, x: &[f32]) -> Vec<f64> {
        self.forward(x).pop().expect("at least one layer")
    }

    fn backward(&self, values: &[Vec<f64>], mut cotangent: Vec<f64>) -> Vec<f32> {
        for (index, (weights, _)) in self.layers.iter().enumerate().rev() {
            let mut next = vec![0.0; weights.ncols()];
            for (row, c) in weights.rows().into_iter().zip(&cotangent) {
                for (n, w) in next.iter_mut().zip(row) {
                    *n += c * f64::from(*w);
                }
            }
            if let Some(before) = index.checked_sub(1) {
                next.iter_mut().zip(&values[before]).for_each(|(n, v)| *n = if *v > 0.0 { *n } else { 0.0 });
            }
            cotangent = next;
        }
        cotangent.into_iter().map(|g| g as f32).collect()
    }
}

/// The loss and its derivative by the logits.
fn loss_and_cotangent(head: LossHead, w: &[f64], z: &[f64]) -> (f64, Vec<f64>) {
    let total: f64 = w.iter().sum();
    let linear: f64 = w.iter().zip(z).map(|(w, z)| w * z).sum();
    match head {
        LossHead::Linear => (linear, w.to_vec()),
        LossHead::Kl => {
            let (cross_entropy, cotangent) = loss_and_cotangent(LossHead::CrossEntropy, w, z);
            let entropy: f64 = w.iter().filter(|w| **w > 0.0).map(|w| -w * w.ln()).sum();
            (cross_entropy - entropy, cotangent)
        }
        LossHead::CrossEntropy => {
            let most = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let powers: Vec<f64> = z.iter().map(|z| pinned_exp(z - most)).collect();
            let sum: f64 = powers.iter().sum();
            let cotangent = powers.iter().zip(w).map(|(power, w)| total * power / sum - w).collect();
            (total * (most + sum.ln()) - linear, cotangent)
        }
        LossHead::Margin => {
            let rivals = (0..z.len()).filter(|k| w[*k] == 0.0);
            let best = rivals.reduce(|a, b| if z[b] > z[a] { b } else { a }).expect("a rival");
            let cotangent = (0..z.len()).map(|k| if k == best { total } else { -w[k] }).collect();
            (total * z[best] - linear, cotangent)
        }
        LossHead::Dlr => ratio(loss_and_cotangent(LossHead::Margin, w, z), z, &[(0, 1.0), (2, -1.0)]),
        LossHead::DlrTargeted => ratio((linear, w.to_vec()), z, &[(0, 1.0), (2, -0.5), (3, -0.5)]),
    }
}

/// A numerator over the logits of these ranks with these weights, by the rule for quotients.
fn ratio((numerator, cotangent): (f64, Vec<f64>), z: &[f64], ranks: &[(usize, f64)]) -> (f64, Vec<f64>) {
    let mut order: Vec<usize> = (0..z.len()).collect();
    order.sort_by(|a, b| z[*b].total_cmp(&z[*a]));
    let denominator = ranks.iter().map(|(rank, weight)| weight * z[order[*rank]]).sum::<f64>() + 1e-12;
    let mut cotangent: Vec<f64> = cotangent.iter().map(|c| c / denominator).collect();
    for (rank, weight) in ranks {
        cotangent[order[*rank]] -= numerator * weight / (denominator * denominator);
    }
    (numerator / denominator, cotangent)
}

impl Oracle for Network {
    fn classes(&self) -> usize {
        self.layers.last().expect("at least one layer").1.len()
    }

    fn row_len(&self) -> usize {
        self.layers[0].0.ncols()
    }

    fn micro_batch(&self) -> usize {
        self.micro_batch
    }

    fn logits(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError> {
        assert!(x.nrows() <= self.micro_batch, "more rows than asked for");
        self.predict(x)
    }

    fn gradient(&mut self, x: ArrayView2<'_, f32>, loss: &Loss) -> Result<Gradient, OracleError> {
        assert!(x.nrows() <= self.micro_batch && (x.nrows(), self.classes()) == loss.weights.dim());
        let mut answer = Gradient {
            logits: Array2::zeros((x.nrows(), self.classes())),
            loss: Array1::zeros(x.nrows()),
            gradient: Array2::zeros(x.dim()),
        };
        for (index, row) in x.rows().into_iter().enumerate() {
            let values = self.forward(&row.to_vec());
            let z = values.last().expect("at least one layer");
            let w: Vec<f64> = loss.weights.row(index).iter().map(|w| f64::from(*w)).collect();
            let (value, cotangent) = loss_and_cotangent(loss.head, &w, z);
            answer.loss[index] = value as f32;
            answer.logits.row_mut(index).assign(&z.iter().map(|z| *z as f32).collect::<Array1<f32>>());
            answer.gradient.row_mut(index).assign(&Array1::from(self.backward(&values, cotangent)));
        }
        Ok(answer)
    }
}

impl Predictor for Network {
    fn predict(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError> {
        let mut logits = Array2::zeros((x.nrows(), self.classes()));
        for (row, mut out) in x.rows().into_iter().zip(logits.axis_iter_mut(Axis(0))) {
            out.assign(&self.logits_of(&row.to_vec()).iter().map(|z| *z as f32).collect::<Array1<f32>>());
        }
        Ok(logits)
    }
}

/// An oracle whose answers are bent by `lie` after an honest one computed them.
pub(crate) struct Bent<F> {
    pub(crate) honest: Network,
    pub(crate) lie: F,
}

impl<F: FnMut(&mut Gradient)> Oracle for Bent<F> {
    fn classes(&self) -> usize {
        self.honest.classes()
    }

    fn row_len(&self) -> usize {
        self.honest.row_len()
    }

    fn micro_batch(&self) -> usize {
        self.honest.micro_batch
    }

    fn logits(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError> {
        self.honest.logits(x)
    }

    fn gradient(&mut self, x: ArrayView2<'_, f32>, loss: &Loss) -> Result<Gradient, OracleError> {
        let mut answer = self.honest.gradient(x, loss)?;
        (self.lie)(&mut answer);
        Ok(answer)
    }
}
