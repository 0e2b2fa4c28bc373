//! Convolutions of random shapes against their explicit matrices.

use super::Explicit;
use crate::check::Splitmix;
use crate::lipschitz::Lipschitz;
use crate::lipschitz::rules::Effect;
use crate::{Attrs, DType, Graph, Tensor, ValueType};

fn graph(op: &str, x: &[usize], weights: Tensor, attrs: Attrs) -> Option<Graph> {
    let mut graph = Graph::new("convolution");
    let x = graph.input("x", ValueType::new(DType::F32, x));
    let w = graph.constant("w", weights);
    let y = graph.add(op, &[x, w], attrs).ok()?;
    graph.set_outputs(vec![y]);
    Some(graph)
}

/// A convolution of a random shape, or nothing where the window does not fit.
fn draw(draws: &mut Splitmix) -> Option<Graph> {
    let below = |draws: &mut Splitmix, count: usize| (draws.next_u64() % count as u64) as usize;
    let transposed = below(draws, 4) == 0;
    let axes = 1 + below(draws, 2);
    let spatial: Vec<usize> = (0..axes).map(|_| 1 + below(draws, if axes == 1 { 14 } else { 6 })).collect();
    let kernel: Vec<usize> = (0..axes).map(|_| 1 + below(draws, 4)).collect();
    let group = [1, 1, 2, 3][below(draws, 4)];
    let (depth, width) = (1 + below(draws, 2), 1 + below(draws, 2));
    let strides: Vec<i64> = (0..axes).map(|_| 1 + below(draws, 3) as i64).collect();
    let dilations: Vec<i64> = (0..axes).map(|_| 1 + below(draws, 2) as i64).collect();
    let pads: Vec<i64> = (0..2 * axes).map(|_| below(draws, 3) as i64).collect();
    let attrs = Attrs::new().int("group", group as i64).ints("strides", strides).ints("dilations", dilations);
    let (x, w) = if transposed { (width, [group * width, depth]) } else { (depth, [group * width, depth]) };
    let x: Vec<usize> = [1, group * x].into_iter().chain(spatial).collect();
    let w: Vec<usize> = w.into_iter().chain(kernel).collect();
    let op = if transposed { "ConvTranspose" } else { "Conv" };
    graph(op, &x, draws.tensor(&w, -1.0, 1.0), attrs.ints("pads", pads))
}

#[test]
fn every_norm_is_that_of_the_explicit_matrix() {
    let mut draws = Splitmix::new(4);
    let graphs: Vec<Graph> = (0..600).filter_map(|_| draw(&mut draws)).collect();
    assert!(graphs.len() > 300, "{}", graphs.len());
    let mut ratios = Vec::new();
    for graph in &graphs {
        let ty = graph.value(graph.inputs()[0]).ty();
        let exact = Explicit::of(graph, &Tensor::float(ty.dtype, &ty.shape, vec![0.0; ty.len()]), 1.0);
        let flipped = exact.transposed();
        let lipschitz: Lipschitz<'_> = graph.lipschitz();
        let Ok([Effect::Sum(parts)]) = lipschitz.effects[0].as_deref() else { panic!("{:?}", lipschitz.effects) };
        let norms = parts[0].1;
        let node = &graph.nodes()[0];
        let same = |bound: f64, exact: f64| bound >= exact && bound <= exact * (1.0 + 1e-11) + 1e-150;
        assert!(same(norms.linf, exact.linf()), "{node:?} {} {}", norms.linf, exact.linf());
        assert!(same(norms.l1, flipped.linf()), "{node:?} {} {}", norms.l1, flipped.linf());
        assert!(same(norms.l2_linf, exact.l2_linf()), "{node:?}");
        assert!(same(norms.l1_l2, flipped.l2_linf()), "{node:?}");
        assert!(norms.l1_linf >= exact.l1_linf());
        let l2 = exact.l2();
        assert!(norms.l2 >= l2, "{node:?}: {} is below {l2}", norms.l2);
        let power = lipschitz.layers()[0].l2_estimate.unwrap();
        assert!(power <= l2 * (1.0 + 1e-9) && power >= l2 * 0.9, "{node:?}: {power} {l2}");
        if l2 > 0.0 {
            ratios.push(norms.l2 / l2);
        }
    }
    ratios.sort_by(f64::total_cmp);
    // Images of up to 6 pixels, where the border is most of what there is; how close it comes at real sizes is tested below.
    assert!(ratios[ratios.len() / 2] < 1.15, "{:?}", &ratios[ratios.len() / 2..]);
}

/// At the sizes of real layers the infinite grid is near: the bound is within 5% of what power iteration finds.
#[test]
fn at_real_sizes_the_bound_is_close() {
    let mut draws = Splitmix::new(5);
    let same = |stride: i64| Attrs::new().ints("pads", [1; 4]).ints("strides", [stride; 2]);
    for (x, w, attrs) in [
        ([1, 3, 32, 32], [16, 3, 3, 3], same(1)),
        ([1, 16, 32, 32], [16, 16, 3, 3], same(1)),
        ([1, 16, 32, 32], [32, 16, 3, 3], same(2)),
        ([1, 24, 32, 32], [24, 1, 3, 3], same(1).int("group", 24)),
        ([1, 24, 32, 32], [24, 1, 3, 3], same(2).int("group", 24)),
        ([1, 1, 49, 10], [64, 1, 10, 4], Attrs::new().ints("pads", [4, 1, 5, 1]).ints("strides", [2, 2])),
        ([1, 8, 32, 32], [8, 8, 5, 5], Attrs::new().ints("pads", [2; 4])),
        ([1, 8, 32, 32], [8, 8, 2, 2], Attrs::new()),
    ] {
        let graph = graph("Conv", &x, draws.tensor(&w, -1.0, 1.0), attrs).unwrap();
        let layer = graph.lipschitz().layers().remove(0);
        let ratio = layer.l2_upper / layer.l2_estimate.unwrap();
        assert!((1.0 - 1e-9..1.05).contains(&ratio), "{w:?} {ratio}");
    }
}

/// A window that only sees its own elements makes a convolution a dense layer on each of them.
#[test]
fn windows_that_do_not_overlap_are_exact() {
    let mut draws = Splitmix::new(6);
    for (x, w, stride) in
        [([1, 3, 8, 8], [5, 3, 2, 2], 2), ([1, 4, 6, 6], [7, 4, 1, 1], 1), ([1, 2, 5, 5], [3, 2, 5, 5], 1)]
    {
        let weights = draws.tensor(&w, -1.0, 1.0);
        let exact = Explicit::new(w[0], w[1] * w[2] * w[3], weights.to_f64()).l2();
        let graph = graph("Conv", &x, weights, Attrs::new().ints("strides", [stride; 2])).unwrap();
        let bound = graph.lipschitz().layers()[0].l2_upper;
        assert!(bound >= exact && bound <= exact * 1.002, "{w:?} {bound} {exact}");
    }
}
