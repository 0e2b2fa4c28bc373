use crate::check::Splitmix;
use crate::ops::{KERNELS, OPS, case_gradient};
use crate::{
    Attrs, DType, Graph, Head, Interpreter, Profile, Tensor, ValueId, ValueType, differentiate, gradient_graph,
};

fn input(graph: &mut Graph, shape: &[usize]) -> ValueId {
    graph.input("x", ValueType::new(DType::F32, shape))
}

fn conv(graph: &mut Graph, x: ValueId, weights: &[usize], attrs: Attrs) -> ValueId {
    let weights = Splitmix::new(weights[0] as u64).tensor(weights, -0.5, 0.5);
    let weights = graph.constant("w", weights);
    graph.add("Conv", &[x, weights], attrs).unwrap()
}

fn same() -> Attrs {
    Attrs::new().ints("pads", [1, 1, 1, 1])
}

/// Convolutions, a ReLU6, a depthwise stride 2, a mean, a dense layer.
fn network(channels: usize) -> Graph {
    let mut graph = Graph::new("network");
    let x = input(&mut graph, &[2, 3, 7, 8]);
    let y = conv(&mut graph, x, &[channels, 3, 3, 3], same());
    let [low, high] = [0.0, 6.0].map(|bound| graph.scalar(DType::F32, bound));
    let y = graph.add("Clip", &[y, low, high], Attrs::new()).unwrap();
    let strided = same().int("group", channels as i64).ints("strides", [2, 2]);
    let y = conv(&mut graph, y, &[channels, 1, 3, 3], strided);
    let y = graph.add("Relu", &[y], Attrs::new()).unwrap();
    let axes = graph.constant("axes", Tensor::ints([-1, 2]));
    let y = graph.add("ReduceMean", &[y, axes], Attrs::new().int("keepdims", 0)).unwrap();
    let dense = graph.constant("dense", Splitmix::new(5).tensor(&[channels, 3], -1.0, 1.0));
    let y = graph.add("MatMul", &[y, dense], Attrs::new()).unwrap();
    graph.set_outputs(vec![y]);
    graph
}

fn ops(graph: &Graph) -> Vec<&'static str> {
    let mut ops: Vec<&str> = graph.nodes().iter().map(|node| node.op().name).collect();
    ops.sort_unstable();
    ops.dedup();
    ops
}

fn run(graph: &Graph, inputs: &[Tensor]) -> Vec<Vec<f64>> {
    Interpreter.run(graph, inputs).unwrap().iter().map(Tensor::to_f64).collect()
}

fn assert_same(graph: &Graph, lowered: &Graph, inputs: &[Tensor], label: &str) {
    // A mean's factor is rounded to float32, and what an expansion computes of constants; everything else is exact.
    let rounds = |op: &&str| *op == "ReduceMean" || KERNELS.iter().any(|kernel| kernel.name == *op);
    let allowed = if ops(graph).iter().any(rounds) { 1e-7 } else { 1e-12 };
    for (exact, found) in run(graph, inputs).iter().zip(run(lowered, inputs)) {
        let largest = exact.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
        let same = exact.iter().zip(&found).all(|(a, b)| (a - b).abs() < allowed * largest);
        assert!(same, "{label}: {exact:?} {found:?}");
    }
}

#[test]
fn every_gradient_of_the_operator_table_stays_the_same_function() {
    for op in OPS.iter().chain(KERNELS) {
        for (case, seed) in (op.cases)().iter().flat_map(|case| (0..3).map(move |seed| (case, seed))) {
            let Some(gradient) = case_gradient(op, case, seed).unwrap() else { continue };
            for profile in Profile::ALL.iter().chain(&[Profile::CpuTraining]) {
                let lowered = profile.lower(&gradient.graph).unwrap();
                let label = format!("{} ({}), {profile:?}", op.name, case.name);
                assert_same(&gradient.graph, &lowered, &gradient.inputs, &label);
            }
        }
    }
}

#[test]
fn a_network_keeps_to_what_stays_in_blocks() {
    for channels in [16, 5] {
        let portable = gradient_graph(&network(channels), Head::Margin).unwrap().graph;
        let lowered = Profile::Cpu.lower(&portable).unwrap();
        let mut random = Splitmix::new(1);
        let inputs = [random.tensor(&[2, 3, 7, 8], -3.0, 3.0), Tensor::f32(&[2, 3], [1.0, 0.0, 0.0, 0.0, 0.0, 1.0])];
        assert_same(&portable, &lowered, &inputs, "network");
        let left: Vec<&str> =
            ops(&lowered).into_iter().filter(|op| ["And", "Greater", "Less", "ReduceMean"].contains(op)).collect();
        // The head compares, the network does not.
        assert!(
            left.iter().all(|op| ops(&gradient_graph(&head(), Head::Margin).unwrap().graph).contains(op)),
            "{left:?}"
        );
        assert_eq!(ops(&lowered).contains(&"Expand"), channels != 16);
        let names =
            |graph: &Graph| graph.outputs().iter().map(|&id| graph.value(id).name().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&lowered), names(&portable));
    }
}

#[test]
fn convolutions_by_weights_that_are_no_constants_become_operators_of_our_own() {
    let operators = |w: &[usize], constant: bool, attrs: Attrs| {
        let mut graph = Graph::new("conv");
        let x = input(&mut graph, &[2, 4, 6, 5]);
        let weights = Splitmix::new(2).tensor(w, -0.5, 0.5);
        let w = match constant {
            true => graph.constant("w", weights),
            false => graph.input("w", ValueType::new(DType::F32, w)),
        };
        let bias = graph.input("bias", ValueType::new(DType::F32, [graph.shape(w)[0]]));
        let y = graph.add("Conv", &[x, w, bias], attrs).unwrap();
        let cotangent = graph.input("cotangent", graph.value(y).ty().clone());
        let gradient = differentiate(&mut graph, y, cotangent, &[x]).unwrap()[0];
        graph.set_outputs(vec![y, gradient]);
        let lowered = Profile::CpuTraining.lower(&graph).unwrap();
        let mut random = Splitmix::new(3);
        let inputs: Vec<Tensor> = graph.inputs().iter().map(|&id| random.tensor(graph.shape(id), -1.0, 1.0)).collect();
        assert_same(&graph, &lowered, &inputs, "convolution");
        ops(&lowered)
    };
    assert_eq!(operators(&[4, 1, 3, 3], false, same().int("group", 4)), ["TrainConv", "TrainConvInputGrad"]);
    let strided = || Attrs::new().ints("strides", [2, 2]);
    assert_eq!(operators(&[6, 4, 3, 3], false, strided()), ["TrainConv", "TrainConvInputGrad"]);
    assert_eq!(operators(&[8, 1, 3, 3], false, same().int("group", 4)), ["TrainConv", "TrainConvInputGrad"]);
    assert_eq!(operators(&[6, 4, 1, 1], true, Attrs::new()), ["Conv", "ConvTranspose"]);
    let auto = strided().text("auto_pad", "SAME_UPPER");
    assert_eq!(operators(&[6, 4, 3, 3], false, auto), ["TrainConv", "TrainConvInputGrad"]);
}

#[test]
fn sums_of_rows_are_products() {
    for (op, axes, keep, products) in [
        ("ReduceSum", &[1][..], 0, [1, 1]),
        ("ReduceSum", &[-1, 1], 1, [1, 1]),
        ("ReduceMean", &[1, 2], 0, [1, 1]),
        ("ReduceMean", &[2], 1, [1, 1]),
        ("ReduceSum", &[0, 1, 2], 0, [0, 0]),
        ("ReduceSum", &[1, 0], 1, [1, 0]),
        ("ReduceMean", &[0], 0, [1, 0]),
        ("ReduceMean", &[0, 2], 0, [2, 0]),
        ("ReduceSum", &[-1, 0], 1, [2, 0]),
    ] {
        let mut graph = Graph::new("sum");
        let x = input(&mut graph, &[3, 5, 7][..if axes == [1] { 2 } else { 3 }]);
        let constant = graph.constant("axes", Tensor::ints(axes.iter().copied()));
        let y = graph.add(op, &[x, constant], Attrs::new().int("keepdims", keep)).unwrap();
        graph.set_outputs(vec![y]);
        let inputs = [Splitmix::new(1).tensor(graph.shape(x), -1.0, 1.0)];
        for (profile, products) in Profile::ALL.iter().zip(products) {
            let lowered = profile.lower(&graph).unwrap();
            let found = lowered.nodes().iter().filter(|node| node.op().name == "MatMul").count();
            assert_eq!(found, products, "{op} {axes:?} {profile:?}");
            assert_eq!(lowered.shape(lowered.outputs()[0]), graph.shape(y));
            let [exact, found] = [&graph, &lowered].map(|graph| run(graph, &inputs).remove(0));
            // The factor of a mean is rounded to float32.
            assert!(exact.iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-6), "{op} {axes:?} {profile:?}");
        }
    }
}

#[test]
fn the_portable_form_has_equal_pads() {
    for case in (OPS.iter().find(|op| op.name == "ConvTranspose").unwrap().cases)() {
        let Some(gradient) =
            case_gradient(OPS.iter().find(|op| op.name == "ConvTranspose").unwrap(), &case, 0).unwrap()
        else {
            continue;
        };
        let lowered = Profile::Portable.lower(&gradient.graph).unwrap();
        for node in lowered.nodes().iter().filter(|node| node.op().name == "ConvTranspose") {
            let attrs = node.attrs();
            assert!(["auto_pad", "output_shape"].iter().all(|name| attrs.get(name).is_none()), "{}", case.name);
            let (begins, ends) =
                attrs.get_ints("pads").unwrap().map_or((&[][..], &[][..]), |p| p.split_at(p.len() / 2));
            assert_eq!(begins, ends, "{}", case.name);
        }
    }
}

/// A classifier that is nothing but its loss head.
fn head() -> Graph {
    let mut graph = Graph::new("head");
    let x = input(&mut graph, &[2, 3]);
    graph.set_outputs(vec![x]);
    graph
}

/// The indicator of `low < x < high`, as a gradient rule emits it, at these points.
fn indicator(low: Option<f64>, high: Option<f64>, points: &[f64], rank: usize) -> Vec<f64> {
    let mut graph = Graph::new("indicator");
    let shape: Vec<usize> = std::iter::repeat_n(1, rank - 1).chain([points.len()]).collect();
    let x = input(&mut graph, &shape);
    let mut test = |op: &str, bound: f64| {
        let bound = graph.scalar(DType::F32, bound);
        graph.add(op, &[x, bound], Attrs::new()).unwrap()
    };
    let (above, below) = (low.map(|low| test("Greater", low)), high.map(|high| test("Less", high)));
    let inside = match (above, below) {
        (Some(above), Some(below)) => graph.add("And", &[above, below], Attrs::new()).unwrap(),
        (above, below) => above.or(below).unwrap(),
    };
    let mask = graph.add("Cast", &[inside], Attrs::new().int("to", DType::F32.onnx().into())).unwrap();
    graph.mark_mask(mask);
    graph.set_outputs(vec![mask]);
    let lowered = Profile::Cpu.lower(&graph).unwrap();
    assert!(!ops(&lowered).contains(&"Cast"));
    run(&lowered, &[Tensor::f32(&shape, points.iter().copied())]).remove(0)
}

#[test]
fn masks_are_exact_up_to_the_bounds() {
    let next = |x: f64| f64::from((x as f32).next_up());
    let before = |x: f64| f64::from((x as f32).next_down());
    for rank in [1, 2, 3, 4] {
        assert_eq!(indicator(Some(0.0), None, &[-1e9, -1e-30, 0.0, 1e-15, 1e9], rank), [0.0, 0.0, 0.0, 1.0, 1.0]);
        let points = [0.0, next(0.1), before(0.1), f64::from(0.1_f32), 1.0];
        assert_eq!(indicator(Some(f64::from(0.1_f32)), None, &points, rank), [0.0, 1.0, 0.0, 0.0, 1.0]);
        let points = [-1.0, 0.0, 1e-6, 3.0, before(6.0), 6.0, 7.0];
        assert_eq!(indicator(Some(0.0), Some(6.0), &points, rank), [0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
        // No centre and radius in float32.
        let [low, high] = [0.1_f32, 0.7].map(f64::from);
        let points = [low, next(low), 0.5, before(high), high];
        assert_eq!(indicator(Some(low), Some(high), &points, rank), [0.0, 1.0, 1.0, 1.0, 0.0]);
        assert_eq!(indicator(Some(1.0), Some(-1.0), &[-2.0, 0.0, 2.0], rank), [0.0; 3]);
    }
}
