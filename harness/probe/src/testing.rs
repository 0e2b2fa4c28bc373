//! A small classifier with its own arithmetic, to hold probes against.

use attack::{Gradient, Grid, Loss, LossHead, Oracle, OracleError};
use ndarray::{Array1, Array2, ArrayView2};

use crate::softmax;

/// `x` through layers of weights `[out, in]`, with ReLU between them. Sums are in f64, in order.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) layers: Vec<Array2<f32>>,
    pub(crate) micro_batch: usize,
    /// Rounds the input to this grid first, with a straight-through gradient, as an integer file does.
    pub(crate) grid: Option<Grid>,
    /// Applied to the gradient of every row.
    pub(crate) bend: fn(&mut [f32]),
    /// Applied to the logits of every row, given the row.
    pub(crate) spoil: fn(&[f32], &mut [f32]),
}

impl Network {
    /// Weights from a small generator: whole numbers, so they are the same everywhere.
    pub(crate) fn random(sizes: &[usize], mut seed: u64) -> Self {
        let mut draw = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 40) as f32 / 8_388_608.0 - 1.0
        };
        let layer = |pair: &[usize]| Array2::from_shape_simple_fn((pair[1], pair[0]), &mut draw);
        let layers = sizes.windows(2).map(layer).collect();
        Network { layers, micro_batch: 4, grid: None, bend: |_| {}, spoil: |_, _| {} }
    }

    /// The values before each ReLU, and the logits last.
    fn forward(&self, x: &[f32]) -> Vec<Vec<f64>> {
        let quantized = |x: &f32| match self.grid {
            Some(Grid::Levels(levels)) => f64::from((x * levels as f32).round_ties_even() / levels as f32),
            _ => f64::from(*x),
        };
        let mut input: Vec<f64> = x.iter().map(quantized).collect();
        let mut values = Vec::new();
        for weights in &self.layers {
            let product = |row: ndarray::ArrayView1<'_, f32>| {
                row.iter().zip(&input).fold(0.0, |sum, (w, x)| sum + f64::from(*w) * x)
            };
            let output: Vec<f64> = weights.rows().into_iter().map(product).collect();
            input = output.iter().map(|v| v.max(0.0)).collect();
            values.push(output);
        }
        values
    }

    pub(crate) fn logits_of(&self, x: &[f32]) -> Vec<f32> {
        let mut logits: Vec<f32> =
            self.forward(x).pop().expect("at least one layer").into_iter().map(|z| z as f32).collect();
        (self.spoil)(x, &mut logits);
        logits
    }

    fn backward(&self, values: &[Vec<f64>], mut cotangent: Vec<f64>) -> Vec<f32> {
        for (index, weights) in self.layers.iter().enumerate().rev() {
            let mut next = vec![0.0; weights.ncols()];
            for (row, c) in weights.rows().into_iter().zip(&cotangent) {
                next.iter_mut().zip(row).for_each(|(n, w)| *n += c * f64::from(*w));
            }
            if let Some(before) = index.checked_sub(1) {
                next.iter_mut().zip(&values[before]).for_each(|(n, v)| *n = if *v > 0.0 { *n } else { 0.0 });
            }
            cotangent = next;
        }
        cotangent.into_iter().map(|g| g as f32).collect()
    }
}

impl Oracle for Network {
    fn classes(&self) -> usize {
        self.layers.last().expect("at least one layer").nrows()
    }

    fn row_len(&self) -> usize {
        self.layers[0].ncols()
    }

    fn micro_batch(&self) -> usize {
        self.micro_batch
    }

    fn logits(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError> {
        assert!(x.nrows() <= self.micro_batch, "more rows than asked for");
        let logits: Vec<f32> = x.rows().into_iter().flat_map(|row| self.logits_of(&row.to_vec())).collect();
        Ok(Array2::from_shape_vec((x.nrows(), self.classes()), logits).expect("K a row"))
    }

    fn gradient(&mut self, x: ArrayView2<'_, f32>, loss: &Loss) -> Result<Gradient, OracleError> {
        assert!(x.nrows() <= self.micro_batch && (x.nrows(), self.classes()) == loss.weights.dim());
        let mut gradient = Array2::zeros(x.dim());
        for (index, row) in x.rows().into_iter().enumerate() {
            let values = self.forward(&row.to_vec());
            let w: Vec<f64> = loss.weights.row(index).iter().map(|w| f64::from(*w)).collect();
            let z: Vec<f32> = values.last().expect("a layer").iter().map(|z| *z as f32).collect();
            let total: f64 = w.iter().sum();
            let cotangent = match loss.head {
                LossHead::Linear => w,
                LossHead::CrossEntropy | LossHead::Kl => {
                    softmax(&z).iter().zip(w).map(|(p, w)| total * p - w).collect()
                }
                head => unreachable!("no probe ascends {head:?}"),
            };
            let mut row = self.backward(&values, cotangent);
            (self.bend)(&mut row);
            gradient.row_mut(index).assign(&Array1::from(row));
        }
        let logits = self.logits(x)?;
        Ok(Gradient { logits, loss: Array1::zeros(x.nrows()), gradient })
    }
}
