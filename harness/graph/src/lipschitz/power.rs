//! Spectral norms from below: power iteration on the layer itself, at its real size.

use super::convolution::Kernel;
use super::dense::{self, Matrix};
use super::rules::Site;
use crate::check::Splitmix;
use crate::ops::product::{add_product, transposed};
use crate::ops::window;

/// Iterations at most.
const MOST: usize = 100;
/// Iteration ends once the norm grows by less than this share.
const SETTLED: f64 = 1e-6;

/// An estimate of the spectral norm of a layer with weights, never above it but by rounding; `None` for any other.
pub(super) fn estimate(site: &Site<'_>) -> Option<f64> {
    match site.node.op().name {
        "Conv" | "ConvTranspose" => Some(of_kernel(&Kernel::of(site).ok()?)),
        "Gemm" if site.varies(2) => None,
        "Gemm" => {
            let alpha = f64::from(site.call.attrs.get_float("alpha", 1.0).ok()?);
            Some(of_matrix(&dense::matrix(site).ok()?.0) * alpha.abs())
        }
        "MatMul" => Some(of_matrix(&dense::matrix(site).ok()?.0)),
        _ => None,
    }
}

fn of_matrix(matrix: &Matrix<'_>) -> f64 {
    let (rows, columns) = (matrix.rows, matrix.columns);
    let flipped = transposed(rows, columns, &matrix.elements);
    let product = |m: usize, k: usize, a: &[f64], x: &[f64]| {
        let mut y = vec![0.0; m];
        add_product(m, k, 1, a, x, &mut y);
        y
    };
    iterate(columns, |x| product(rows, columns, &matrix.elements, x), |y| product(columns, rows, &flipped, y))
}

fn of_kernel(kernel: &Kernel<'_>) -> f64 {
    let (pixels, windows, taps) = window::volumes(&kernel.axes);
    let (width, depth) = (kernel.width(), kernel.depth);
    let weights = |group: usize| &kernel.weights[group * width * depth * taps..][..width * depth * taps];
    let flipped: Vec<Vec<f64>> =
        (0..kernel.group).map(|group| transposed(width, depth * taps, weights(group))).collect();
    let forward = |x: &[f64]| {
        let mut y = vec![0.0; kernel.filters * windows];
        for (group, y) in y.chunks_mut(width * windows).enumerate() {
            let columns = window::unfold(&kernel.axes, depth, &x[group * depth * pixels..][..depth * pixels]);
            add_product(width, depth * taps, windows, weights(group), &columns, y);
        }
        y
    };
    let back = |y: &[f64]| {
        let mut x = vec![0.0; kernel.group * depth * pixels];
        for (group, x) in x.chunks_mut(depth * pixels).enumerate() {
            let mut columns = vec![0.0; depth * taps * windows];
            add_product(depth * taps, width, windows, &flipped[group], &y[group * width * windows..], &mut columns);
            window::fold(&kernel.axes, depth, &columns, x);
        }
        x
    };
    iterate(kernel.group * depth * pixels, forward, back)
}

/// The length of `A v` for a unit vector `v` that many applications of `AᵀA` have turned to the longest.
fn iterate(size: usize, forward: impl Fn(&[f64]) -> Vec<f64>, back: impl Fn(&[f64]) -> Vec<f64>) -> f64 {
    let length = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let mut x = Splitmix::new(size as u64).tensor(&[size], -1.0, 1.0).to_f64();
    let mut norm = 0.0;
    for _ in 0..MOST {
        let scale = length(&x);
        if scale == 0.0 {
            break;
        }
        x.iter_mut().for_each(|x| *x /= scale);
        let y = forward(&x);
        let found = length(&y);
        let settled = found <= norm * (1.0 + SETTLED);
        norm = found.max(norm);
        if settled {
            break;
        }
        x = back(&y);
    }
    norm
}
