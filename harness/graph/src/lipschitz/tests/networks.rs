//! Whole networks: no pair of inputs and no Jacobian is above the bound.

use super::{Explicit, lengths};
use crate::check::Splitmix;
use crate::{Attrs, DType, Graph, Interpreter, Norm, Tensor, ValueId, ValueType, fold_batch_norm};

/// A residual network with every kind of layer that has a rule of its own, of random weights.
fn network(seed: u64) -> Graph {
    let mut draws = Splitmix::new(seed);
    let mut graph = Graph::new("network");
    let x = graph.input("x", ValueType::new(DType::F64, [1, 2, 6, 6]));
    let constant = |graph: &mut Graph, draws: &mut Splitmix, shape: &[usize], low: f64| {
        let values = draws.tensor(shape, low, 1.0).to_f64();
        graph.constant("w", Tensor::float(DType::F64, shape, values))
    };
    let conv = |graph: &mut Graph, draws: &mut Splitmix, x: ValueId, w: [usize; 4], stride: i64, group: i64| {
        let pad = (w[2] / 2) as i64;
        let w = constant(graph, draws, &w, -1.0);
        let attrs = Attrs::new().ints("pads", [pad; 4]).ints("strides", [stride; 2]).int("group", group);
        graph.add("Conv", &[x, w], attrs).unwrap()
    };
    let norm = |graph: &mut Graph, draws: &mut Splitmix, x: ValueId| {
        let channels = graph.shape(x)[1];
        let parameters: Vec<ValueId> =
            [-1.0, -1.0, -1.0, 0.2].iter().map(|low| constant(graph, draws, &[channels], *low)).collect();
        graph.add("BatchNormalization", &[&[x], &parameters[..]].concat(), Attrs::new()).unwrap()
    };
    let stem = conv(&mut graph, &mut draws, x, [4, 2, 3, 3], 1, 1);
    let stem = norm(&mut graph, &mut draws, stem);
    let stem = graph.add("Relu", &[stem], Attrs::new()).unwrap();
    let wide = conv(&mut graph, &mut draws, stem, [6, 4, 1, 1], 1, 1);
    let gate = graph.add("HardSigmoid", &[wide], Attrs::new().float("alpha", 1.0 / 6.0)).unwrap();
    let wide = graph.add("Mul", &[wide, gate], Attrs::new()).unwrap();
    let wide = conv(&mut graph, &mut draws, wide, [6, 1, 3, 3], 2, 6);
    let narrow = conv(&mut graph, &mut draws, wide, [4, 6, 1, 1], 1, 1);
    let pool = Attrs::new().ints("kernel_shape", [3, 3]).ints("strides", [2, 2]).ints("pads", [1; 4]);
    let shortcut = graph.add(if seed.is_multiple_of(2) { "MaxPool" } else { "AveragePool" }, &[stem], pool).unwrap();
    let sum = graph.add("Add", &[narrow, shortcut], Attrs::new()).unwrap();
    let both = graph.add("Concat", &[sum, narrow], Attrs::new().int("axis", 1)).unwrap();
    let both = graph.add("LeakyRelu", &[both], Attrs::new().float("alpha", -0.3)).unwrap();
    let mean = graph.add("GlobalAveragePool", &[both], Attrs::new()).unwrap();
    let flat = graph.add("Flatten", &[mean], Attrs::new()).unwrap();
    let w = constant(&mut graph, &mut draws, &[3, 8], -1.0);
    let y = graph.add("Gemm", &[flat, w], Attrs::new().int("transB", 1)).unwrap();
    graph.set_outputs(vec![y]);
    graph
}

#[test]
fn no_pair_and_no_jacobian_is_above() {
    for seed in 0..8 {
        let plain = network(seed);
        for graph in [fold_batch_norm(&plain).unwrap(), plain] {
            let lipschitz = graph.lipschitz();
            let mut draws = Splitmix::new(!seed);
            let shape = [1, 2, 6, 6];
            let run = |x: &Tensor| Interpreter.run(&graph, std::slice::from_ref(x)).unwrap().remove(0).to_f64();
            let as_f64 = |x: Tensor| Tensor::float(DType::F64, &shape, x.to_f64());
            let check = |x: &[f64], y: &[f64], what: &str| {
                for (input, size) in Norm::ALL.into_iter().zip(lengths(x)) {
                    for (output, moved) in Norm::ALL.into_iter().zip(lengths(y)) {
                        let bound = lipschitz.bound(input, output).unwrap();
                        assert!(
                            moved <= bound * size * (1.0 + 1e-9),
                            "{what} {input} {output}: {moved} {bound} {size}"
                        );
                    }
                }
            };
            for scale in [1e-3, 0.1, 1.0, 10.0] {
                let x = as_f64(draws.tensor(&shape, -1.0, 1.0));
                let step = draws.tensor(&shape, -scale, scale).to_f64();
                let moved: Vec<f64> = x.to_f64().iter().zip(&step).map(|(x, step)| x + step).collect();
                let to = run(&Tensor::float(DType::F64, &shape, moved));
                let y: Vec<f64> = run(&x).iter().zip(to).map(|(a, b)| b - a).collect();
                check(&step, &y, "a pair");
            }
            let x = as_f64(draws.tensor(&shape, -1.0, 1.0));
            let jacobian = Explicit::of(&graph, &x, 1e-6);
            let slack = 1.0 + 1e-5;
            let exact = [
                (Norm::L1, Norm::L1, jacobian.transposed().linf()),
                (Norm::L1, Norm::Linf, jacobian.l1_linf()),
                (Norm::L2, Norm::L2, jacobian.l2()),
                (Norm::L2, Norm::Linf, jacobian.l2_linf()),
                (Norm::Linf, Norm::Linf, jacobian.linf()),
            ];
            for (input, output, exact) in exact {
                let bound = lipschitz.bound(input, output).unwrap();
                assert!(exact <= bound * slack, "{input} {output}: {exact} {bound}");
            }
        }
    }
}

/// A chain of dense layers has the product of their norms, and a sum of two the sum.
#[test]
fn chains_multiply_and_sums_add() {
    let mut graph = Graph::new("chain");
    let x = graph.input("x", ValueType::new(DType::F64, [1, 2]));
    let diagonal = |graph: &mut Graph, a: f64, b: f64| {
        graph.constant("w", Tensor::float(DType::F64, &[2, 2], vec![a, 0.0, 0.0, b]))
    };
    let (first, second) = (diagonal(&mut graph, 3.0, -5.0), diagonal(&mut graph, 0.5, 2.0));
    let y = graph.add("MatMul", &[x, first], Attrs::new()).unwrap();
    let y = graph.add("Relu", &[y], Attrs::new()).unwrap();
    let y = graph.add("MatMul", &[y, second], Attrs::new()).unwrap();
    let y = graph.add("Sub", &[y, x], Attrs::new()).unwrap();
    graph.set_outputs(vec![y]);
    for norm in Norm::ALL {
        let bound = graph.lipschitz_bound(norm, norm).unwrap();
        assert!((11.0..11.001).contains(&bound), "{norm} {bound}");
    }
    // What the second layer can make of 5 in both elements, and the input itself.
    let bound = graph.lipschitz_bound(Norm::Linf, Norm::L1).unwrap();
    assert!((14.5..14.501).contains(&bound), "{bound}");
}

#[test]
fn only_one_float_input_and_output_have_a_bound() {
    let mut graph = Graph::new("two");
    let a = graph.input("a", ValueType::new(DType::F32, [2]));
    graph.input("b", ValueType::new(DType::I64, [2]));
    graph.set_outputs(vec![a]);
    assert!(graph.lipschitz_bound(Norm::L2, Norm::L2).unwrap_err().to_string().contains("expected one input, found 2"));
    let mut graph = Graph::new("integers");
    let x = graph.input("x", ValueType::new(DType::U8, [2]));
    let y = graph.add("Cast", &[x], Attrs::new().int("to", 1)).unwrap();
    graph.set_outputs(vec![y]);
    assert!(graph.lipschitz_bound(Norm::L2, Norm::L2).unwrap_err().to_string().contains("input `x` is uint8"));
}
