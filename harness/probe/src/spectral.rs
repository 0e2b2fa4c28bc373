//! The largest eigenvalue of a small symmetric matrix.

/// The largest eigenvalue of a symmetric matrix `[n][n]` of finite numbers, by cyclic Jacobi rotations, to about `n 2^-52` of its
/// norm. Additions, products, quotients and square roots only, so that it has the same bits everywhere.
pub(crate) fn largest_eigenvalue(mut a: Vec<Vec<f64>>) -> f64 {
    let n = a.len();
    // Quadratic convergence: six sweeps do for hundreds of rows; the rest is for safety.
    for _ in 0..30 {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i][j] * a[i][j]).sum();
        let trace: f64 = (0..n).map(|i| a[i][i] * a[i][i]).sum();
        if off <= trace * 1e-34 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, p, q);
            }
        }
    }
    (0..n).map(|i| a[i][i]).fold(f64::NEG_INFINITY, f64::max)
}

/// Turns the plane of two axes, `p` below `q`, so that their element is zero.
fn rotate(a: &mut [Vec<f64>], p: usize, q: usize) {
    if a[p][q] == 0.0 {
        return;
    }
    let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
    let t = 1.0 / (theta.abs() + (theta * theta + 1.0).sqrt());
    let t = if theta < 0.0 { -t } else { t };
    let cos = 1.0 / (t * t + 1.0).sqrt();
    let sin = t * cos;
    for row in a.iter_mut() {
        let (x, y) = (row[p], row[q]);
        row[p] = cos * x - sin * y;
        row[q] = sin * x + cos * y;
    }
    let (above, below) = a.split_at_mut(q);
    for (x, y) in above[p].iter_mut().zip(&mut below[0]) {
        (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_forms() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12 * (1.0 + b.abs());
        // [[a, b], [b, d]]: (a + d) / 2 + sqrt(((a - d) / 2)^2 + b^2).
        for (a, b, d) in [(1.0, 2.0, 3.0), (5.0, 0.0, -1.0), (-2.0, 1.0, -2.0), (1.0, -1e-9, 1.0)] {
            let exact: f64 = (a + d) / 2.0 + (((a - d) / 2.0_f64).powi(2) + b * b).sqrt();
            assert!(near(largest_eigenvalue(vec![vec![a, b], vec![b, d]]), exact));
        }
        // The path's Laplacian: 2 - 2 cos(pi (n - 1) / n); all ones: n; a rank of one: the square of the length.
        for n in [1usize, 2, 5, 12, 40] {
            let degree = |i: usize| f64::from(u8::from(i > 0)) + f64::from(u8::from(i + 1 < n));
            let path = |i: usize, j: usize| if i == j { degree(i) } else { -f64::from(u8::from(i.abs_diff(j) == 1)) };
            let matrix =
                |of: &dyn Fn(usize, usize) -> f64| (0..n).map(|i| (0..n).map(|j| of(i, j)).collect()).collect();
            let exact = 2.0 - 2.0 * (std::f64::consts::PI * (n - 1) as f64 / n as f64).cos();
            assert!(near(largest_eigenvalue(matrix(&path)), exact), "{n}");
            assert!(near(largest_eigenvalue(matrix(&|_, _| 1.0)), n as f64), "{n}");
            let v = |i: usize| (i * i) as f64 - 3.5;
            let square: f64 = (0..n).map(|i| v(i) * v(i)).sum();
            assert!(near(largest_eigenvalue(matrix(&|i, j| v(i) * v(j))), square), "{n}");
        }
        assert_eq!(largest_eigenvalue(vec![vec![0.0; 3]; 3]), 0.0);
    }
}
