//! Bounds against independent truth: explicit matrices, an eigenvalue solver of Jacobi's, slopes on grids, and pairs of
//! inputs.

mod convolutions;
mod matrices;
mod networks;
mod table;

use crate::{Graph, Interpreter, Tensor};

/// A row-major matrix.
#[derive(Debug, Clone)]
struct Explicit {
    rows: usize,
    columns: usize,
    elements: Vec<f64>,
}

impl Explicit {
    fn new(rows: usize, columns: usize, elements: Vec<f64>) -> Self {
        assert_eq!(rows * columns, elements.len());
        Self { rows, columns, elements }
    }

    /// What a graph of one input and one output does to steps of this size from `x` along every axis, divided by it.
    fn of(graph: &Graph, x: &Tensor, step: f64) -> Self {
        let run = |values: Vec<f64>| {
            Interpreter.run(graph, &[Tensor::float(x.dtype(), x.shape(), values)]).unwrap().remove(0).to_f64()
        };
        let at = run(x.to_f64());
        let columns: Vec<Vec<f64>> = (0..x.len())
            .map(|index| {
                let mut moved = x.to_f64();
                moved[index] += step;
                run(moved).iter().zip(&at).map(|(y, at)| (y - at) / step).collect()
            })
            .collect();
        let elements = (0..at.len()).flat_map(|row| columns.iter().map(move |column| column[row])).collect();
        Self::new(at.len(), columns.len(), elements)
    }

    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.elements.chunks(self.columns)
    }

    fn transposed(&self) -> Self {
        let elements = (0..self.columns).flat_map(|c| (0..self.rows).map(move |r| self.elements[r * self.columns + c]));
        Self::new(self.columns, self.rows, elements.collect())
    }

    /// The largest sum of absolute values over a row.
    fn linf(&self) -> f64 {
        self.rows().map(|row| row.iter().map(|x| x.abs()).sum()).fold(0.0, f64::max)
    }

    /// The largest row in l2.
    fn l2_linf(&self) -> f64 {
        self.rows().map(|row| row.iter().map(|x| x * x).sum::<f64>().sqrt()).fold(0.0, f64::max)
    }

    /// The largest element.
    fn l1_linf(&self) -> f64 {
        self.elements.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()))
    }

    /// The largest singular value, by Jacobi's rotations of the smaller Gram matrix.
    fn l2(&self) -> f64 {
        let rows = if self.rows <= self.columns { self.clone() } else { self.transposed() };
        let n = rows.rows;
        let line = |at: usize| &rows.elements[at * rows.columns..][..rows.columns];
        let mut a: Vec<Vec<f64>> =
            (0..n).map(|i| (0..n).map(|j| line(i).iter().zip(line(j)).map(|(x, y)| x * y).sum()).collect()).collect();
        for _ in 0..60 {
            let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i][j] * a[i][j]).sum();
            let on: f64 = (0..n).map(|i| a[i][i] * a[i][i]).sum();
            if off <= 1e-28 * on {
                break;
            }
            for (p, q) in (0..n).flat_map(|p| (p + 1..n).map(move |q| (p, q))) {
                if a[p][q] == 0.0 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let t = if theta == 0.0 { 1.0 } else { t };
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for row in &mut a {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                let (left, right) = a.split_at_mut(q);
                for (x, y) in left[p].iter_mut().zip(&mut right[0]) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
        }
        (0..n).map(|i| a[i][i]).fold(0.0, f64::max).sqrt()
    }
}

/// The three norms of a vector: l1, l2, l∞.
fn lengths(x: &[f64]) -> [f64; 3] {
    let sum = x.iter().map(|x| x.abs()).sum();
    [sum, x.iter().map(|x| x * x).sum::<f64>().sqrt(), x.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()))]
}

#[test]
fn the_solver_knows_what_is_known() {
    // Singular values of [[3, 0], [4, 5]] are 3√5 and √5.
    let known = Explicit::new(2, 2, vec![3.0, 0.0, 4.0, 5.0]);
    assert!((known.l2() - 45_f64.sqrt()).abs() < 1e-12);
    // The second difference of 9 points has the eigenvalues 2 - 2 cos(kπ/10).
    let entry = |i: usize, j: usize| if i == j { 2.0 } else { -f64::from(u8::from(i.abs_diff(j) == 1)) };
    let difference = Explicit::new(9, 9, (0..81).map(|at| entry(at / 9, at % 9)).collect());
    let exact = 2.0 - 2.0 * (0.9 * std::f64::consts::PI).cos();
    assert!((difference.l2() - exact).abs() < 1e-12);
    assert_eq!((known.linf(), known.transposed().linf(), known.l1_linf()), (9.0, 7.0, 5.0));
}
