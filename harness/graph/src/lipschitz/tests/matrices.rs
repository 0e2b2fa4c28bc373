//! Dense layers, whose norms are known in closed form.

use super::Explicit;
use crate::check::Splitmix;
use crate::lipschitz::spectral::{eigenvalues_below, excess, largest_eigenvalue, spectral_norm};
use crate::{Attrs, DType, Graph, Norm, Tensor, ValueType};

fn random(rows: usize, columns: usize, random: &mut Splitmix) -> Explicit {
    Explicit::new(rows, columns, random.tensor(&[rows, columns], -1.0, 1.0).to_f64())
}

/// A dense layer with these weights, as Gemm or MatMul, from either side.
fn layers(matrix: &Explicit) -> Vec<Graph> {
    let forms: [(&str, bool, Attrs); 4] = [
        ("Gemm", false, Attrs::new().int("transB", 1)),
        ("Gemm", true, Attrs::new()),
        ("MatMul", true, Attrs::new()),
        ("MatMul", false, Attrs::new()),
    ];
    forms
        .into_iter()
        .enumerate()
        .map(|(form, (op, transposed, attrs))| {
            let mut graph = Graph::new("dense");
            let weights = if transposed { matrix.transposed() } else { matrix.clone() };
            let on_the_left = form == 3;
            let shape = if on_the_left { [matrix.columns, 1] } else { [1, matrix.columns] };
            let x = graph.input("x", ValueType::new(DType::F64, shape));
            let tensor = Tensor::float(DType::F64, &[weights.rows, weights.columns], weights.elements);
            let w = graph.constant("w", tensor);
            let y = graph.add(op, &if on_the_left { [w, x] } else { [x, w] }, attrs).unwrap();
            graph.set_outputs(vec![y]);
            graph
        })
        .collect()
}

#[test]
fn a_dense_layer_has_its_operator_norms() {
    let mut draws = Splitmix::new(1);
    for (rows, columns) in [(1, 1), (1, 7), (6, 1), (3, 8), (8, 3), (10, 40), (40, 9), (24, 24)] {
        let matrix = random(rows, columns, &mut draws);
        let flipped = matrix.transposed();
        let exact = [
            (Norm::L1, Norm::L1, flipped.linf()),
            (Norm::L1, Norm::L2, flipped.l2_linf()),
            (Norm::L1, Norm::Linf, matrix.l1_linf()),
            (Norm::L2, Norm::L2, matrix.l2()),
            (Norm::L2, Norm::Linf, matrix.l2_linf()),
            (Norm::Linf, Norm::Linf, matrix.linf()),
        ];
        for graph in layers(&matrix) {
            let lipschitz = graph.lipschitz();
            for (input, output, exact) in exact {
                let bound = lipschitz.bound(input, output).unwrap();
                // Gram iteration ends above the singular value.
                let allowed = if output == Norm::L2 && input == Norm::L2 { 1.002 } else { 1.0 + 1e-11 };
                assert!(
                    bound >= exact && bound <= exact * allowed,
                    "{rows}x{columns} {input} {output}: {bound} {exact}"
                );
            }
            let layer = &lipschitz.layers()[0];
            let power = layer.l2_estimate.unwrap();
            assert!(power <= matrix.l2() * (1.0 + 1e-9) && power >= matrix.l2() * 0.9, "{power}");
        }
    }
}

/// From l∞ the worst input is a corner of the cube, so that all of them can be tried.
#[test]
fn from_linf_no_corner_is_above() {
    let mut draws = Splitmix::new(2);
    for (rows, columns) in [(3, 8), (8, 3), (5, 5), (1, 9)] {
        let matrix = random(rows, columns, &mut draws);
        let corner = |bits: usize| -> Vec<f64> {
            let sign = |at: usize| if bits >> at & 1 == 1 { 1.0 } else { -1.0 };
            matrix.rows().map(|row| row.iter().enumerate().map(|(at, x)| x * sign(at)).sum()).collect()
        };
        let lengths = (0..1 << columns).map(|bits| super::lengths(&corner(bits)));
        let worst = lengths.reduce(|a, b| [0, 1, 2].map(|norm| f64::max(a[norm], b[norm]))).unwrap();
        let total: f64 = matrix.elements.iter().map(|x| x.abs()).sum();
        let lipschitz = &layers(&matrix)[0];
        let bound = |norm| lipschitz.lipschitz_bound(Norm::Linf, norm).unwrap();
        assert!(bound(Norm::L1) >= worst[0] && bound(Norm::L1) <= total * (1.0 + 1e-11));
        assert!(bound(Norm::L2) >= worst[1] && bound(Norm::L2) <= matrix.l2() * (columns as f64).sqrt() * 1.002);
    }
}

#[test]
fn norms_of_matrices_that_are_awkward() {
    let scaled = |scale: f64| -> Vec<f64> { [3.0, 0.0, 4.0, 5.0].iter().map(|x| x * scale).collect() };
    for scale in [1e-70, 1e-40, 1.0, 1e40, 1e70] {
        let (bound, exact) = (spectral_norm(2, 2, &scaled(scale)), 45_f64.sqrt() * scale);
        assert!(bound >= exact * (1.0 - 1e-12) && bound < exact * 1.001, "{scale} {bound}");
    }
    // Squares vanish or overflow: a bound all the same, though a wide one.
    assert!(spectral_norm(2, 2, &scaled(1e-200)) >= 45_f64.sqrt() * 1e-200);
    assert!(spectral_norm(2, 2, &scaled(1e200)) >= 45_f64.sqrt() * 1e200);
    assert_eq!(spectral_norm(3, 2, &[0.0; 6]), 0.0);
    // All singular values are 1, where the iteration has no gap to work with.
    let identity: Vec<f64> = (0..64 * 64).map(|at| f64::from(u8::from(at % 65 == 0))).collect();
    let bound = spectral_norm(64, 64, &identity);
    assert!((1.0..1.001).contains(&bound), "{bound}");
}

#[test]
fn definiteness_is_told_at_the_largest_eigenvalue() {
    let mut draws = Splitmix::new(3);
    for side in [1, 2, 5, 17] {
        let factor = random(side, side + 2, &mut draws);
        let dot = |i: usize, j: usize| -> f64 {
            let row = |at: usize| &factor.elements[at * factor.columns..][..factor.columns];
            row(i).iter().zip(row(j)).map(|(x, y)| x * y).sum()
        };
        let gram: Vec<f64> = (0..side * side).map(|at| dot(at / side, at % side)).collect();
        let exact = factor.l2().powi(2);
        let below = |limit: f64| eigenvalues_below(limit, side, &gram, &mut Vec::new());
        assert!(below(exact * (1.0 + 1e-9)) && !below(exact * (1.0 - 1e-9)) && !below(f64::NAN));
        let bound = largest_eigenvalue(side, gram.clone());
        assert!(bound >= exact * (1.0 - 1e-12) && bound <= exact * 1.002, "{side} {bound} {exact}");
        assert!(excess(side) < 1e-10);
    }
}
