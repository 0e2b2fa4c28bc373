//! Upper bounds on the largest eigenvalue of a symmetric matrix and on spectral norms, rounding included.

use super::change::{rounding, times, up};
use crate::ops::product::{add_product, transposed};

/// The most multiplications that one norm may take; beyond it coarser bounds have to do.
const MOST_WORK: f64 = 2e10;

/// An upper bound on the largest singular value of a row-major matrix of finite elements.
///
/// By Gram iteration on the smaller side, else no more than Frobenius' and Schur's bounds.
/// Source: Delattre et al. 2023, arXiv:2305.16173.
pub(super) fn spectral_norm(rows: usize, columns: usize, a: &[f64]) -> f64 {
    let frobenius = up(frobenius(a));
    let (side, depth) = (rows.min(columns), rows.max(columns));
    let (sums_of_rows, sums_of_columns) = absolute_sums(rows, columns, a);
    let coarse = frobenius.min(up(times(sums_of_rows, sums_of_columns).sqrt()));
    let (side_cubed, steps) = ((side as f64).powi(3), squarings(side) as f64);
    if side <= 1 || side_cubed * steps + (side * side) as f64 * depth as f64 > MOST_WORK {
        return coarse;
    }
    let b = transposed(rows, columns, a);
    let (left, right) = if rows <= columns { (a, &b[..]) } else { (&b[..], a) };
    let mut gram = vec![0.0; side * side];
    add_product(side, depth, side, left, right, &mut gram);
    let lost = times(rounding(depth), times(frobenius, frobenius)) + (side * depth) as f64 * f64::MIN_POSITIVE;
    let eigenvalue = largest_eigenvalue(side, gram) + lost;
    let bound = up(eigenvalue.sqrt());
    if bound.is_finite() { bound.min(coarse) } else { coarse }
}

/// The largest sums of absolute values over a row and over a column.
pub(super) fn absolute_sums(rows: usize, columns: usize, a: &[f64]) -> (f64, f64) {
    let mut by_column = vec![0.0; columns];
    let mut largest_row = 0.0_f64;
    for row in a.chunks(columns.max(1)) {
        row.iter().zip(&mut by_column).for_each(|(x, sum)| *sum += x.abs());
        largest_row = largest_row.max(row.iter().map(|x| x.abs()).sum());
    }
    let largest_column = by_column.into_iter().fold(0.0, f64::max);
    (largest_row * (1.0 + rounding(columns)), largest_column * (1.0 + rounding(rows)))
}

/// The root of the sum of squares, rounded upward.
pub(super) fn frobenius(a: &[f64]) -> f64 {
    let squares: f64 = a.iter().map(|x| x * x + if *x == 0.0 { 0.0 } else { f64::MIN_POSITIVE }).sum();
    up((squares * (1.0 + rounding(a.len()))).sqrt())
}

/// Squarings after which the bound is within 0.2% of the eigenvalue, whatever the matrix.
fn squarings(side: usize) -> usize {
    if side <= 128 { 12 } else { 11 }
}

/// An upper bound on the largest absolute eigenvalue of a symmetric matrix: `‖G^(2^t)‖_F^(1/2^t)`.
///
/// Where the elements are too large to compute with, the result is not finite.
pub(super) fn largest_eigenvalue(side: usize, mut gram: Vec<f64>) -> f64 {
    if side == 1 {
        return gram[0].abs();
    }
    // What each matrix was scaled by.
    let mut scales = Vec::new();
    let mut norm = frobenius(&gram);
    for _ in 0..squarings(side) {
        // Any of the norms is a bound; what is too large to be scaled keeps the first.
        if norm == 0.0 || norm.is_nan() || norm > 1e300 {
            break;
        }
        let scale = power_of_two_below(1.0 / norm);
        scales.push(scale);
        gram.iter_mut().for_each(|x| *x *= scale);
        let before = norm * scale;
        let mut square = vec![0.0; side * side];
        add_product(side, side, side, &gram, &gram, &mut square);
        gram = square;
        norm = frobenius(&gram);
        // Of a matrix of rank one the norm is the eigenvalue already.
        if norm >= before * before * (1.0 - 1e-7) {
            break;
        }
    }
    // The scaled matrix has a norm of 1 at most, so that its square was rounded by no more than this.
    let lost = rounding(side * 2);
    scales.iter().rev().fold(norm, |bound, scale| up((bound + lost).sqrt()) / scale)
}

/// The largest power of two that is not above a positive number, within what can be divided by.
fn power_of_two_below(x: f64) -> f64 {
    let exponent = (x.to_bits() >> 52) as i64 - 1023;
    f64::from_bits(((exponent.clamp(-1000, 1000) + 1023) as u64) << 52)
}

/// Whether all eigenvalues of a symmetric matrix are below `limit (1 + excess)`, with the excess of [`excess`].
///
/// By elimination without a pivot that is not positive, on the upper triangle of `limit I - matrix` in `work`.
/// Source: Rump 2006, "Verification of positive definiteness", BIT 46.
pub(super) fn eigenvalues_below(limit: f64, side: usize, matrix: &[f64], work: &mut Vec<f64>) -> bool {
    work.clear();
    work.extend(matrix.iter().map(|x| -x));
    (0..side).for_each(|i| work[i * side + i] += limit);
    for pivot in 0..side {
        let (above, below) = work.split_at_mut((pivot + 1) * side);
        let line = &above[pivot * side..];
        if line[pivot].is_nan() || line[pivot] <= 0.0 {
            return false;
        }
        for (row, rest) in (pivot + 1..side).zip(below.chunks_mut(side)) {
            let factor = line[row] / line[pivot];
            rest[row..].iter_mut().zip(&line[row..]).for_each(|(x, y)| *x -= factor * y);
        }
    }
    true
}

/// What rounding may hide from [`eigenvalues_below`], relative to the limit.
pub(super) fn excess(side: usize) -> f64 {
    // The elimination is exact for a matrix that differs by rounding times its trace, which is below 2 limit side.
    2.0 * rounding(side) * side as f64
}
