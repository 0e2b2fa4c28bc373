use anyhow::{Result, ensure};
use attack::{Predictor, argmax};
use graph::check::Splitmix;
use ndarray::Array2;
use std::ops::Range;

/// Rows with labels.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[N, D]`.
    pub x: Array2<f32>,
    /// `[N]`.
    pub labels: Vec<usize>,
    digests: Vec<[u8; 32]>,
}

impl Batch {
    /// Rows and their labels.
    ///
    /// Errors: their numbers differ.
    pub fn new(x: Array2<f32>, labels: Vec<usize>) -> Result<Self> {
        ensure!(x.nrows() == labels.len(), "found {} rows and {} labels", x.nrows(), labels.len());
        let digest = |row: usize| {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&(row as u64).to_le_bytes());
            digest
        };
        Ok(Self { digests: (0..labels.len()).map(digest).collect(), x, labels })
    }

    /// Uniform rows in `[0, 1)`, the same for every call, with what `predictor` says of them as labels.
    ///
    /// Errors: the predictor fails.
    pub fn random(rows: usize, row_len: usize, predictor: &mut dyn Predictor) -> Result<Self> {
        let mut random = Splitmix::new(0);
        let x = Array2::from_shape_simple_fn((rows, row_len), || random.uniform(0.0, 1.0) as f32);
        let scores = predictor.predict(x.view())?;
        let labels = scores.rows().into_iter().map(|scores| argmax(&scores.to_vec()).0).collect();
        Self::new(x, labels)
    }

    /// Some of them, for [`attack::run`].
    pub fn attacked(&self, rows: Range<usize>) -> attack::Rows<'_> {
        let x = self.x.slice(ndarray::s![rows.clone(), ..]);
        attack::Rows { x, labels: &self.labels[rows.clone()], digests: &self.digests[rows] }
    }
}
