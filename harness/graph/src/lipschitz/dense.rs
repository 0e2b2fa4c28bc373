//! Dense layers: Gemm and MatMul with one constant factor.

use super::change::{Norms, rounding, times, up};
use super::rules::{Effect, Site};
use super::spectral::{absolute_sums, frobenius, spectral_norm};
use crate::ops::product::transposed;
use std::borrow::Cow;

/// `y = A x` for one vector `x`: a row-major matrix of finite elements.
#[derive(Debug, Clone)]
pub(super) struct Matrix<'a> {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) elements: Cow<'a, [f64]>,
}

impl<'a> Matrix<'a> {
    fn new(rows: usize, columns: usize, elements: &'a [f64]) -> Self {
        Self { rows, columns, elements: Cow::Borrowed(elements) }
    }

    fn transposed(&self) -> Self {
        let elements = Cow::Owned(transposed(self.rows, self.columns, &self.elements));
        Self { rows: self.columns, columns: self.rows, elements }
    }

    /// Its norms, for `count` vectors at once.
    pub(super) fn norms(&self, count: usize) -> Norms {
        let Self { rows, columns, elements } = self;
        let (linf, l1) = absolute_sums(*rows, *columns, elements);
        let longest = |columns: usize, a: &[f64]| a.chunks(columns.max(1)).map(frobenius).fold(0.0, f64::max);
        let all: f64 = elements.iter().map(|x| x.abs()).sum();
        Norms {
            l1,
            l2: spectral_norm(*rows, *columns, elements),
            linf,
            l1_l2: longest(*rows, &self.transposed().elements),
            l2_linf: longest(*columns, elements),
            l1_linf: elements.iter().fold(0.0, |largest: f64, x| largest.max(x.abs())),
            linf_l1: times(all * (1.0 + rounding(elements.len())), count as f64),
        }
    }
}

/// The constant factor of a dense layer as it acts on a vector of the other factor, and which input that is.
///
/// Errors: both factors depend on the graph's input, or one constant factor has batches.
pub(super) fn matrix<'a>(site: &Site<'a>) -> Result<(Matrix<'a>, usize), String> {
    let input = match (site.varies(0), site.varies(1)) {
        (true, false) => 0,
        (false, true) => 1,
        _ => return Err("multiplies two values that depend on the graph's input: no Lipschitz constant".to_owned()),
    };
    let factor = 1 - input;
    let shape = site.call.shape(factor)?;
    let leading = shape.len().saturating_sub(2);
    let (rows, columns) = match shape[leading..] {
        [rows, columns] if shape[..leading].iter().all(|&size| size == 1) => (rows, columns),
        // A vector is a row on the left and a column on the right.
        [size] => {
            if factor == 0 {
                (1, size)
            } else {
                (size, 1)
            }
        }
        _ => return Err(format!("the constant factor {shape:?} has batches: no rule bounds it")),
    };
    let matrix = Matrix::new(rows, columns, site.constant(factor)?);
    let flips = site.call.attrs.get_int(if factor == 0 { "transA" } else { "transB" }, 0)? != 0;
    // x B acts on the rows of x by the transpose of B.
    Ok((if flips == (factor == 0) { matrix.transposed() } else { matrix }, input))
}

/// Gemm: `alpha A B + beta C`.
pub(super) fn gemm(site: &Site<'_>) -> Result<Vec<Effect>, String> {
    let number = |name: &str| site.call.attrs.get_float(name, 1.0).map(|x| up(f64::from(x).abs()));
    let mut parts = Vec::new();
    if site.varies(0) || site.varies(1) {
        let (matrix, input) = matrix(site)?;
        parts.push((input, norms(site, &matrix).scaled(number("alpha")?)));
    }
    if site.varies(2) {
        parts.push((2, Norms::copies(site.stretch(2)?).scaled(number("beta")?)));
    }
    Ok(vec![Effect::Sum(parts)])
}

/// MatMul.
pub(super) fn matmul(site: &Site<'_>) -> Result<Vec<Effect>, String> {
    let (matrix, input) = matrix(site)?;
    Ok(vec![Effect::Sum(vec![(input, norms(site, &matrix))])])
}

fn norms(site: &Site<'_>, matrix: &Matrix<'_>) -> Norms {
    matrix.norms(site.elements(0).div_ceil(matrix.rows.max(1)))
}
