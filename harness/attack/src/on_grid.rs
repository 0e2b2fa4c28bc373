use crate::{Domain, Gradient, Loss, Oracle, OracleError};
use ndarray::{Array2, ArrayView2};

/// A classifier of floats behind a rounding to the domain's grid, with a straight-through gradient: as a file with integer
/// inputs sees them.
///
/// Attacks move between the points of a grid and take for granted that the oracle rounds as they do, so that what it says of
/// an iterate is true of the input that the judge will see.
pub struct OnGrid<'a> {
    oracle: &'a mut dyn Oracle,
    domain: Domain,
}

impl<'a> OnGrid<'a> {
    /// Rounds what `oracle` is asked to the grid of `domain`.
    pub fn new(oracle: &'a mut dyn Oracle, domain: Domain) -> Self {
        OnGrid { oracle, domain }
    }

    fn rounded(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut x = x.as_standard_layout().into_owned();
        self.domain.project(x.as_slice_mut().expect("standard layout"), true);
        x
    }
}

impl Oracle for OnGrid<'_> {
    fn classes(&self) -> usize {
        self.oracle.classes()
    }

    fn row_len(&self) -> usize {
        self.oracle.row_len()
    }

    fn micro_batch(&self) -> usize {
        self.oracle.micro_batch()
    }

    fn logits(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError> {
        let x = self.rounded(x);
        self.oracle.logits(x.view())
    }

    fn gradient(&mut self, x: ArrayView2<'_, f32>, loss: &Loss) -> Result<Gradient, OracleError> {
        let x = self.rounded(x);
        self.oracle.gradient(x.view(), loss)
    }
}
