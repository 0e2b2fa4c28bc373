//! Tables over many operators: older forms, refusals, ties, and integers on a way that carries gradients.

use super::{OPS, Upgrade, upgrade};
use crate::{Attr, Attrs, DType, Error, Graph, Interpreter, Tensor, ValueId, ValueType, differentiate};
use proptest::prelude::*;

/// Operator, shape, old opset and attributes, new attributes and constants.
type OldForm = (&'static str, Vec<usize>, i64, Attrs, Attrs, Vec<Tensor>);
/// Operator, opset, attributes and constants; new attributes and scales.
type OldResize = (&'static str, i64, Attrs, Vec<Tensor>, Attrs, [f64; 4]);
/// Operator, shape, attributes, constants and what the message must say.
type Refusal = (&'static str, Vec<usize>, Attrs, Vec<Tensor>, &'static str);

fn x(graph: &mut Graph, shape: &[usize]) -> ValueId {
    graph.input("x", ValueType::new(DType::F32, shape))
}

fn ramp(shape: &[usize]) -> Tensor {
    let len: usize = shape.iter().product();
    Tensor::f32(shape, (0..len).map(|at| ((at * 7 + 3) % 11) as f64 - 4.5))
}

/// Reads one node as a file of this opset has it and runs it on [`ramp`]; constants follow the input.
fn read_old(op: &str, opset: i64, attrs: Attrs, shape: &[usize], constants: &[Tensor]) -> Result<Tensor, String> {
    let mut graph = Graph::new("old");
    let mut inputs = vec![Some(x(&mut graph, shape))];
    inputs.extend(constants.iter().map(|tensor| Some(graph.constant("c", tensor.clone()))));
    let rewrite = upgrade(op).ok_or("is not in the table")?;
    let mut upgrade = Upgrade { opset, op: op.to_owned(), attrs, inputs, outputs: 1, graph: &mut graph };
    rewrite(&mut upgrade)?;
    let Upgrade { op, attrs, inputs, outputs, .. } = upgrade;
    let ids = graph.add_node("node", &op, &inputs, attrs, outputs).map_err(|error| error.to_string())?;
    graph.set_outputs(ids);
    Ok(Interpreter.run(&graph, &[ramp(shape)]).map_err(|error| error.to_string())?.remove(0))
}

#[test]
fn older_forms_mean_what_they_did() {
    let a = Attrs::new;
    let ints = |data: &[i64]| Tensor::ints(data.iter().copied());
    let scalar = Tensor::scalar;
    let rows: Vec<OldForm> = vec![
        ("Clip", vec![2, 5], 6, a().float("min", -2.0).float("max", 3.0), a(), vec![scalar(-2.0), scalar(3.0)]),
        ("Clip", vec![2, 5], 10, a().float("min", 0.0), a(), vec![scalar(0.0)]),
        ("Pad", vec![2, 3], 10, a().ints("pads", [0, 1, 1, 2]), a(), vec![ints(&[0, 1, 1, 2])]),
        (
            "Pad",
            vec![2, 3],
            7,
            a().ints("pads", [0, 1, 1, 2]).float("value", 2.5),
            a(),
            vec![ints(&[0, 1, 1, 2]), scalar(2.5)],
        ),
        (
            "Pad",
            vec![4],
            10,
            a().ints("pads", [2, 1]).text("mode", "reflect"),
            a().text("mode", "reflect"),
            vec![ints(&[2, 1])],
        ),
        ("Slice", vec![4, 5], 9, a().ints("starts", [1]).ints("ends", [3]), a(), vec![ints(&[1]), ints(&[3])]),
        (
            "Slice",
            vec![4, 5],
            7,
            a().ints("starts", [-3]).ints("ends", [9]).ints("axes", [1]),
            a(),
            vec![ints(&[-3]), ints(&[9]), ints(&[1])],
        ),
        ("Squeeze", vec![1, 3, 1], 11, a().ints("axes", [2]), a(), vec![ints(&[2])]),
        ("Unsqueeze", vec![3], 12, a().ints("axes", [0, 2]), a(), vec![ints(&[0, 2])]),
        ("ReduceSum", vec![2, 3], 11, a().ints("axes", [1]), a(), vec![ints(&[1])]),
        (
            "ReduceMean",
            vec![2, 3, 4],
            17,
            a().ints("axes", [1, -1]).int("keepdims", 0),
            a().int("keepdims", 0),
            vec![ints(&[1, 2])],
        ),
        ("ReduceMax", vec![2, 3], 13, a(), a(), vec![]),
        ("ReduceMin", vec![2, 3], 13, a().ints("axes", [0]), a(), vec![ints(&[0])]),
        ("ReduceL1", vec![2, 3], 11, a().ints("axes", [-1]), a(), vec![ints(&[1])]),
        ("ReduceL2", vec![2, 3], 17, a().ints("axes", [1]), a(), vec![ints(&[1])]),
        ("ReduceSumSquare", vec![2, 3], 7, a().ints("axes", [0, 1]), a(), vec![]),
        ("ReduceProd", vec![2, 3], 13, a().ints("axes", [1]), a(), vec![ints(&[1])]),
        ("ReduceLogSumExp", vec![2, 3], 13, a().ints("axes", [1]), a(), vec![ints(&[1])]),
        ("Softmax", vec![2, 3], 11, a(), a(), vec![]),
        ("Softmax", vec![2, 3, 1, 1], 9, a(), a().int("axis", 1), vec![]),
        ("LogSoftmax", vec![2, 1, 4], 12, a().int("axis", 1), a().int("axis", 2), vec![]),
        ("Softmax", vec![2, 3, 4], 12, a().int("axis", -1), a(), vec![]),
        ("Split", vec![2, 3], 11, a().int("axis", 1).ints("split", [3]), a().int("axis", 1), vec![ints(&[3])]),
        ("Split", vec![2, 3], 13, a(), a().int("num_outputs", 1), vec![]),
        ("TopK", vec![2, 5], 9, a().int("k", 2), a(), vec![ints(&[2])]),
    ];
    let mut failures = Vec::new();
    for (op, shape, opset, old, new, constants) in rows {
        let old = read_old(op, opset, old, &shape, &[]);
        let new = read_old(op, 21, new, &shape, &constants);
        if old != new || new.is_err() {
            failures.push(format!("{op} of opset {opset}: {old:?}, expected {new:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn older_forms_of_resize_mean_what_they_did() {
    let a = Attrs::new;
    let scales = |scales: &[f64]| Tensor::f32(&[scales.len()], scales.iter().copied());
    let floats = |values: &[f32]| Attr::Floats(values.to_vec());
    let asymmetric = |rounding| a().text("coordinate_transformation_mode", "asymmetric").text("nearest_mode", rounding);
    let linear = || a().text("mode", "linear");
    let (up, down) = ([1.0, 1.0, 2.0, 1.5], [1.0, 1.0, 1.0, 0.6]);
    let none = || Tensor::f32(&[0], []);
    let rows: Vec<OldResize> = vec![
        ("Upsample", 7, a().with("scales", floats(&[1.0, 1.0, 2.0, 1.5])), vec![], asymmetric("floor"), up),
        ("Upsample", 9, linear(), vec![scales(&up)], asymmetric("floor").text("mode", "linear"), up),
        ("Resize", 10, a(), vec![scales(&up)], asymmetric("floor"), up),
        ("Resize", 10, a(), vec![scales(&down)], asymmetric("ceil"), down),
        ("Resize", 11, linear(), vec![none(), scales(&up)], linear(), up),
        ("Resize", 13, a(), vec![none(), none(), Tensor::ints([1, 2, 6, 6])], a(), up),
        ("Resize", 18, a().ints("axes", [-1, 2]), vec![none(), scales(&[1.5, 2.0])], a(), up),
        ("Resize", 19, a().ints("axes", [2, 3]), vec![none(), none(), Tensor::ints([6, 6])], a(), up),
    ];
    let mut failures = Vec::new();
    for (op, opset, attrs, constants, new, to) in rows {
        let old = read_old(op, opset, attrs, &[1, 2, 3, 4], &constants);
        let new = read_old("Resize", 19, new, &[1, 2, 3, 4], &[none(), scales(&to)]);
        if old != new || new.is_err() {
            failures.push(format!("{op} of opset {opset}: {old:?}, expected {new:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let mixed = read_old("Resize", 10, a(), &[1, 2, 3, 4], &[scales(&[1.0, 1.0, 2.0, 0.5])]);
    assert!(mixed.is_err_and(|reason| reason.contains("another shrinks")));
}

#[test]
fn a_retired_scatter_is_read() {
    let constants = [Tensor::ints([2, 0]), Tensor::f32(&[2], [7.0, 8.0])];
    let y = read_old("Scatter", 9, Attrs::new().int("axis", -1), &[3], &constants).expect("the old form is read");
    assert_eq!(y.to_f64(), [8.0, ramp(&[3]).to_f64()[1], 7.0]);
}

#[test]
fn an_old_softmax_normalises_over_all_flattened_axes() {
    for (op, axis, groups) in [("Softmax", 1, 2), ("LogSoftmax", 1, 2), ("Softmax", 0, 1), ("Softmax", 2, 6)] {
        let y = read_old(op, 11, Attrs::new().int("axis", axis), &[2, 3, 4], &[]).expect("the old form is read");
        assert_eq!(y.shape(), [2, 3, 4]);
        let p = y.to_f64().into_iter().map(|y| if op == "Softmax" { y } else { y.exp() }).collect::<Vec<_>>();
        for group in p.chunks(24 / groups) {
            assert!((group.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{op} at axis {axis}: {group:?}");
        }
    }
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let a = Attrs::new;
    let ints = |data: &[i64]| Tensor::ints(data.iter().copied());
    let far = i64::MAX;
    let rows: Vec<Refusal> = vec![
        ("Add", vec![2, 3], a(), vec![ramp(&[2])], "do not broadcast"),
        ("Add", vec![2], a(), vec![ints(&[1, 2])], "of one type"),
        ("Add", vec![2], a(), vec![], "takes 2 inputs"),
        ("Exp", vec![2], a().int("alpha", 1), vec![], "attribute `alpha` is not known"),
        ("Not", vec![2], a(), vec![], "boolean"),
        ("Where", vec![2], a(), vec![ramp(&[2]), ramp(&[2])], "boolean"),
        ("Reshape", vec![2, 3], a(), vec![ints(&[4])], "cannot be reshaped"),
        ("Reshape", vec![2, 3], a(), vec![ints(&[-1, -1])], "cannot be reshaped"),
        ("Reshape", vec![2, 3], a(), vec![ints(&[-2])], "negative"),
        ("Reshape", vec![2, 3], a(), vec![ints(&[far, far])], "more than"),
        ("Reshape", vec![2], a(), vec![ints(&[1, 0])], "cannot be reshaped"),
        ("Reshape", vec![2, 3], a(), vec![ramp(&[2])], "expected an integer tensor"),
        ("Flatten", vec![2, 3], a().int("axis", 3), vec![], "out of range"),
        ("Flatten", vec![2, 3], a().int("axis", i64::MIN), vec![], "out of range"),
        ("Transpose", vec![2, 3], a().ints("perm", [0, 0]), vec![], "named twice"),
        ("Transpose", vec![2, 3], a().ints("perm", [0]), vec![], "must name 2 axes"),
        ("Softmax", vec![2, 3], a().int("axis", 2), vec![], "out of range"),
        ("Softmax", vec![], a(), vec![], "out of range"),
        ("ReduceSum", vec![2, 3], a(), vec![ints(&[0, -2])], "named twice"),
        ("Squeeze", vec![2, 3], a(), vec![ints(&[0])], "only axes of size 1"),
        ("Unsqueeze", vec![2], a(), vec![ints(&[3])], "out of range"),
        ("Concat", vec![2, 3], a().int("axis", 0), vec![ramp(&[2, 2])], "does not follow"),
        ("Concat", vec![2, 3], a(), vec![ramp(&[2, 3])], "must be an integer"),
        ("ConstantOfShape", vec![2], a(), vec![], "must be a constant"),
        ("Slice", vec![4], a(), vec![ints(&[0]), ints(&[1]), ints(&[0]), ints(&[0])], "a step is 0"),
        ("Slice", vec![4], a(), vec![ints(&[0]), ints(&[1, 2])], "lengths"),
        ("Slice", vec![4], a(), vec![ints(&[0]), ints(&[1]), ints(&[1])], "out of range"),
        ("Pad", vec![4], a(), vec![ints(&[far, far])], "cannot be padded"),
        ("Pad", vec![4], a(), vec![ints(&[far, 0])], "cannot be padded"),
        ("Pad", vec![4], a(), vec![ints(&[1 << 40, 0])], "more than"),
        ("Pad", vec![4], a(), vec![ints(&[-5, 0])], "cannot be padded"),
        ("Pad", vec![4], a(), vec![ints(&[1])], "1 pads for 1 axes"),
        ("Pad", vec![4], a().text("mode", "reflect"), vec![ints(&[4, 0])], "cannot pad 4 elements"),
        ("Pad", vec![4], a().text("mode", "edge"), vec![ints(&[-4, 1])], "no element to repeat"),
        ("Pad", vec![4], a().text("mode", "mirror"), vec![ints(&[1, 0])], "mode `mirror`"),
        ("Cast", vec![4], a().int("to", 14), vec![], "element type 14"),
        ("Cast", vec![4], a(), vec![], "element type 0"),
        ("Gather", vec![4], a(), vec![ints(&[4])], "index 4 is out of range"),
        ("Gather", vec![4], a(), vec![ramp(&[1])], "int32 or int64"),
        ("Expand", vec![1], a(), vec![ints(&[far])], "more than"),
        ("Expand", vec![1], a(), vec![ints(&[1 << 20, 1 << 20])], "more than"),
        ("Expand", vec![1], a(), vec![ints(&[0, far])], "more than"),
        ("Expand", vec![2], a(), vec![ints(&[3])], "do not broadcast"),
        ("Clip", vec![2], a(), vec![ramp(&[2])], "must be one float32"),
        ("Dropout", vec![2], a(), vec![Tensor::scalar(0.5), Tensor::int(DType::Bool, &[], vec![1])], "training mode"),
        ("ArgMax", vec![0], a(), vec![], "no elements"),
        ("ArgMin", vec![0], a(), vec![], "no elements"),
        ("Celu", vec![2], a().float("alpha", 0.0), vec![], "alpha is 0"),
        ("Elu", vec![2], a().int("alpha", 1), vec![], "must be a float"),
        ("Gelu", vec![2], a().text("approximate", "erf"), vec![], "allowed are none and tanh"),
        ("PRelu", vec![2], a(), vec![ramp(&[3, 2])], "does not fit"),
        ("PRelu", vec![2], a(), vec![ints(&[1])], "of one type"),
        ("Mod", vec![2], a(), vec![ramp(&[2])], "floats want fmod 1"),
        ("Sum", vec![2], a(), vec![ramp(&[3])], "do not broadcast"),
        ("Mean", vec![2], a(), vec![ints(&[1])], "of one type"),
        ("CumSum", vec![2, 3], a(), vec![ints(&[2])], "out of range"),
        ("CumSum", vec![2, 3], a(), vec![ints(&[0, 1])], "must be one axis"),
        ("LRN", vec![1, 3, 2, 2], a().int("size", 2), vec![], "must be odd"),
        ("LRN", vec![1, 3, 2], a().int("size", 3), vec![], "must be [N, C, H, W]"),
        ("GlobalMaxPool", vec![1, 3], a(), vec![], "must be [N, C, …]"),
        ("InstanceNormalization", vec![1, 3, 2], a(), vec![ramp(&[3]), ramp(&[2])], "input 2 must be"),
        ("LayerNormalization", vec![2, 3], a(), vec![ramp(&[2])], "input 1 must be"),
        ("LayerNormalization", vec![2, 3], a().int("axis", 2), vec![ramp(&[3])], "out of range"),
        ("LayerNormalization", vec![2, 3], a().int("stash_type", 10), vec![ramp(&[3])], "stash_type"),
        ("ScatterElements", vec![2], a(), vec![ints(&[2]), ramp(&[1])], "index 2 is out of range"),
        ("ScatterElements", vec![2], a().text("reduction", "xor"), vec![ints(&[1]), ramp(&[1])], "`xor` is not known"),
        ("GatherElements", vec![2, 2], a().int("axis", 1), vec![Tensor::int(DType::I64, &[3, 1], vec![0; 3])], "fit"),
        ("GatherND", vec![2, 2], a(), vec![ints(&[2])], "index 2 is out of range"),
        ("GatherND", vec![2, 2], a(), vec![ints(&[0, 0, 0])], "do not fit"),
        ("GatherND", vec![2, 2], a().int("batch_dims", far), vec![ints(&[0])], "`batch_dims`"),
        ("ScatterND", vec![2, 2], a(), vec![ints(&[1]), ramp(&[3])], "must have shape [2]"),
        ("Split", vec![5], a().int("num_outputs", 2), vec![], "1 outputs and num_outputs 2"),
        ("Split", vec![5], a(), vec![ints(&[4])], "cannot be split"),
        ("Split", vec![5], a(), vec![], "neither sizes nor num_outputs"),
        ("Tile", vec![5], a(), vec![ints(&[far])], "more than"),
        ("Tile", vec![5], a(), vec![ints(&[1, 1])], "2 repeats for 1 axes"),
        ("TopK", vec![5], a(), vec![ints(&[6])], "has k 6"),
        ("TopK", vec![5], a().int("sorted", 0), vec![ints(&[1])], "the order is open"),
        ("DepthToSpace", vec![1, 6, 2, 2], a().int("blocksize", 2), vec![], "not a multiple"),
        ("DepthToSpace", vec![1, 4, 2, 2], a().int("blocksize", far), vec![], "`blocksize`"),
        ("SpaceToDepth", vec![1, 4, 3, 2], a().int("blocksize", 2), vec![], "blocks of 2"),
        ("NonZero", vec![2], a(), vec![], "must be a constant"),
        ("Trilu", vec![2], a(), vec![], "must hold matrices"),
        ("EyeLike", vec![2], a(), vec![], "must be a matrix"),
        ("Einsum", vec![2, 2], a().text("equation", "ii->i"), vec![], "an index twice"),
        ("Einsum", vec![2, 2], a().text("equation", "ij,jk->ik"), vec![], "has 2 operands, the node 1"),
        ("Einsum", vec![2, 2], a().text("equation", "ij,jk"), vec![ramp(&[3, 2])], "sizes 2 and 3"),
        ("Einsum", vec![2, 2], a().text("equation", "ij->k"), vec![], "no operand has the index k"),
        ("Einsum", vec![2, 2], a().text("equation", "i->i"), vec![], "does not fit"),
        ("Einsum", vec![2, 2], a().text("equation", "...j->j"), vec![], "the output has no ellipsis"),
        ("Einsum", vec![2, 2], a(), vec![], "does not fit"),
        ("Range", vec![1], a(), vec![ramp(&[1]), ramp(&[1])], "must be a constant"),
    ];
    let mut failures = Vec::new();
    for (op, shape, attrs, constants, reason) in rows {
        let result = read_old(op, 21, attrs, &shape, &constants);
        if !result.as_ref().is_err_and(|message| message.contains(reason)) {
            failures.push(format!("{op} of {shape:?}: expected a refusal with `{reason}`, found {result:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn resizes_that_cannot_be_are_refused_with_a_reason() {
    let a = Attrs::new;
    let scales = |last: f64| vec![Tensor::f32(&[0], []), Tensor::f32(&[4], [1.0, 1.0, 1.0, last])];
    let sizes = |sizes: &[i64]| vec![Tensor::f32(&[0], []), Tensor::f32(&[0], []), Tensor::ints(sizes.iter().copied())];
    let crop = a().text("coordinate_transformation_mode", "tf_crop_and_resize");
    let image = || vec![1, 2, 3, 4];
    let rows: Vec<Refusal> = vec![
        ("Resize", image(), a().int("antialias", 1), scales(2.0), "antialias is not supported"),
        ("Resize", image(), a().text("keep_aspect_ratio_policy", "not_larger"), scales(2.0), "only stretch"),
        ("Resize", image(), crop, scales(2.0), "`tf_crop_and_resize` is not supported"),
        ("Resize", image(), a().text("mode", "lanczos"), scales(2.0), "mode `lanczos`"),
        ("Resize", image(), a().text("nearest_mode", "up"), scales(2.0), "nearest_mode `up`"),
        ("Resize", image(), a().int("exclude_outside", 1), scales(2.0), "cubic alone"),
        ("Resize", image(), a(), scales(0.1), "cannot be scaled"),
        ("Resize", image(), a(), scales(f64::NAN), "cannot be scaled"),
        ("Resize", image(), a(), scales(-1.0), "cannot be scaled"),
        ("Resize", image(), a(), scales(1e30), "more than"),
        ("Resize", image(), a(), sizes(&[1, 2, 3, 0]), "nothing would be left"),
        ("Resize", image(), a(), sizes(&[1, 2, 3, 1 << 27]), "more than"),
        ("Resize", image(), a(), sizes(&[1, 4, 3, 4]), "batch or channels"),
        ("Resize", image(), a(), sizes(&[3, 4]), "2 scales or sizes for 4 axes"),
        ("Resize", image(), a().ints("axes", [2]), sizes(&[3, 4]), "2 scales or sizes for 1 axes"),
        ("Resize", vec![3, 4], a(), sizes(&[3, 4]), "must be [N, C, W] or [N, C, H, W]"),
        ("Resize", vec![1, 2, 4], a().text("mode", "cubic"), sizes(&[1, 2, 8]), "mode cubic"),
    ];
    let mut failures = Vec::new();
    for (op, shape, attrs, constants, reason) in rows {
        let result = read_old(op, 19, attrs, &shape, &constants);
        if !result.as_ref().is_err_and(|message| message.contains(reason)) {
            failures.push(format!("{op} of {shape:?}: expected a refusal with `{reason}`, found {result:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn chains_of_shapes_fold() {
    let mut graph = Graph::new("chain");
    let x = x(&mut graph, &[2, 6]);
    let size = graph.add("Size", &[x], Attrs::new()).expect("the node is valid");
    let narrow = Attrs::new().int("to", DType::I32.onnx().into());
    let size = graph.add("Cast", &[size], narrow).expect("the node is valid");
    let [zero, step] = [0, 5].map(|number| graph.constant("c", Tensor::int(DType::I32, &[], vec![number])));
    let range = graph.add("Range", &[zero, size, step], Attrs::new()).expect("the node is valid");
    let positive = graph.add("NonZero", &[range], Attrs::new()).expect("the node is valid");
    let wide = Attrs::new().int("to", DType::I64.onnx().into());
    let indices = graph.add("Cast", &[range], wide).expect("the node is valid");
    assert_eq!(graph.value(range).data(), Some(&Tensor::int(DType::I32, &[3], vec![0, 5, 10])));
    assert_eq!(graph.value(positive).data(), Some(&Tensor::int(DType::I64, &[1, 2], vec![1, 2])));
    let flat = graph.constant("flat", Tensor::ints([-1]));
    let x = graph.add("Reshape", &[x, flat], Attrs::new()).expect("the node is valid");
    let y = graph.add("Gather", &[x, indices], Attrs::new()).expect("the node is valid");
    assert_eq!(graph.shape(y), [3]);
}

#[test]
fn integer_division_by_zero_is_an_error() {
    let mut graph = Graph::new("chain");
    let (a, b) = (graph.constant("a", Tensor::ints([1])), graph.constant("b", Tensor::ints([0])));
    let error = graph.add("Div", &[a, b], Attrs::new()).expect_err("there is no such integer");
    assert!(error.to_string().contains("by zero"), "{error}");
}

#[test]
fn three_spatial_axes_are_pooled_where_two_stay() {
    let x = || ramp(&[2, 2, 5, 2, 3]);
    let pool = |kernel: [i64; 3], pads: [i64; 6], strides: [i64; 3]| {
        Attrs::new().ints("kernel_shape", kernel).ints("pads", pads).ints("strides", strides)
    };
    let first =
        read_old("AveragePool", 17, pool([3, 1, 1], [1, 0, 0, 0, 0, 0], [2, 1, 1]), &[2, 2, 5, 2, 3], &[]).unwrap();
    assert_eq!(first.shape(), [2, 2, 2, 2, 3]);
    let (x, y) = (x().to_f64(), first.to_f64());
    // Windows over elements 0 to 1, then 1 to 3, of the first axis.
    let mean = |at: usize, rows: &[usize]| rows.iter().map(|row| x[row * 6 + at]).sum::<f64>() / rows.len() as f64;
    for at in 0..6 {
        assert!((y[at] - mean(at, &[0, 1])).abs() < 1e-12 && (y[6 + at] - mean(at, &[1, 2, 3])).abs() < 1e-12);
    }
    let last = read_old("AveragePool", 17, pool([1, 1, 2], [0; 6], [1; 3]), &[2, 2, 5, 2, 3], &[]).unwrap();
    assert_eq!((last.shape(), last.to_f64()[1]), (&[2, 2, 5, 2, 2][..], (x[1] + x[2]) / 2.0));
    let error = read_old("AveragePool", 17, pool([2, 1, 2], [0; 6], [1; 3]), &[2, 2, 5, 2, 3], &[]).unwrap_err();
    assert!(error.contains("only 1 and 2 are supported"), "{error}");
}

#[test]
fn folding_has_a_budget() {
    let mut graph = Graph::new("chain");
    let zeros = |graph: &mut Graph, shape: &[usize]| {
        let tensor = Tensor::f32(shape, vec![0.0; shape.iter().product()]);
        graph.constant("zeros", tensor)
    };
    let (a, b) = (zeros(&mut graph, &[4096, 1024]), zeros(&mut graph, &[1024, 4096]));
    let error = graph.add("MatMul", &[a, b], Attrs::new()).expect_err("2^34 products are too many");
    assert!(error.to_string().contains("too long"), "{error}");
    let small = zeros(&mut graph, &[1024, 1]);
    assert!(graph.add("MatMul", &[a, small], Attrs::new()).is_ok());
}

/// The gradient of the sum of the outputs of one node with respect to its float inputs.
fn gradients(op: &str, attrs: Attrs, inputs: &[Tensor], constants: &[Tensor]) -> Vec<Vec<f64>> {
    let mut graph = Graph::new("ties");
    let ids: Vec<ValueId> =
        inputs.iter().map(|tensor| graph.input("x", ValueType::new(tensor.dtype(), tensor.shape()))).collect();
    let mut all = ids.clone();
    all.extend(constants.iter().map(|tensor| graph.constant("c", tensor.clone())));
    let y = graph.add(op, &all, attrs).expect("the node is valid");
    let ones = Tensor::f32(graph.shape(y), vec![1.0; graph.value(y).ty().len()]);
    let ones = graph.constant("ones", ones);
    let gradients = differentiate(&mut graph, y, ones, &ids).expect("there is a gradient");
    graph.set_outputs(gradients);
    let tensors = Interpreter.run(&graph, inputs).expect("the graph runs");
    tensors.iter().map(Tensor::to_f64).collect()
}

#[test]
fn of_equal_elements_exactly_the_first_gets_the_gradient() {
    let rows = || Tensor::f32(&[2, 3], [1.0, 2.0, 2.0, 3.0, 3.0, 3.0]);
    let axes = |axes: &[i64]| [Tensor::ints(axes.iter().copied())];
    assert_eq!(gradients("ReduceMax", Attrs::new(), &[rows()], &axes(&[1])), [[0.0, 1.0, 0.0, 1.0, 0.0, 0.0]]);
    assert_eq!(gradients("ReduceMax", Attrs::new(), &[rows()], &axes(&[0, 1])), [[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]]);
    let falling = || Tensor::f32(&[2, 3], [2.0, 1.0, 1.0, 3.0, 3.0, 3.0]);
    assert_eq!(gradients("ReduceMin", Attrs::new(), &[falling()], &axes(&[1])), [[0.0, 1.0, 0.0, 1.0, 0.0, 0.0]]);
    assert_eq!(gradients("ReduceMin", Attrs::new(), &[falling()], &axes(&[0, 1])), [[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]]);
    let images = rows().reshaped(&[1, 2, 1, 3]);
    assert_eq!(gradients("GlobalMaxPool", Attrs::new(), &[images], &[]), [[0.0, 1.0, 0.0, 1.0, 0.0, 0.0]]);
    let same = || Tensor::f32(&[2], [1.0, 1.0]);
    for op in ["Max", "Min"] {
        let three = gradients(op, Attrs::new(), &[same(), same(), same()], &[]);
        assert_eq!(three, [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]], "{op}");
    }
    let (low, high) = (Tensor::f32(&[2], [1.0, 0.0]), Tensor::f32(&[2], [2.0, 2.0]));
    assert_eq!(gradients("Max", Attrs::new(), &[low, high.clone(), high], &[]), [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]);
}

#[test]
fn outputs_without_a_cotangent_count_for_nothing() {
    let mut graph = Graph::new("split");
    let x = x(&mut graph, &[5]);
    let sizes = graph.constant("sizes", Tensor::ints([1, 2, 2]));
    let parts = graph.add_node("split", "Split", &[Some(x), Some(sizes)], Attrs::new(), 3).expect("the node is valid");
    let product = graph.add("Mul", &[parts[1], parts[2]], Attrs::new()).expect("the node is valid");
    let ones = graph.constant("ones", Tensor::f32(&[2], [1.0, 1.0]));
    let gradient = differentiate(&mut graph, product, ones, &[x]).expect("there is a gradient");
    graph.set_outputs(gradient);
    let input = Tensor::f32(&[5], [1.0, 2.0, 3.0, 4.0, 5.0]);
    let gradient = Interpreter.run(&graph, &[input]).expect("the graph runs").remove(0);
    assert_eq!(gradient.to_f64(), [0.0, 4.0, 5.0, 2.0, 3.0]);
}

#[test]
fn the_largest_have_a_gradient_and_their_indices_none() {
    let mut graph = Graph::new("top");
    let x = x(&mut graph, &[5]);
    let k = graph.constant("k", Tensor::ints([2]));
    let top = graph.add_node("top", "TopK", &[Some(x), Some(k)], Attrs::new(), 2).expect("the node is valid");
    let float = Attrs::new().int("to", DType::F32.onnx().into());
    let indices = graph.add("Cast", &[top[1]], float).expect("the node is valid");
    let ones = graph.constant("ones", Tensor::f32(&[2], [1.0, 1.0]));
    let error = differentiate(&mut graph, indices, ones, &[x]).expect_err("indices are piecewise constant");
    assert!(error.to_string().contains("piecewise constant"), "{error}");
    // Of equal elements the first ones are chosen.
    let gradient = differentiate(&mut graph, top[0], ones, &[x]).expect("there is a gradient");
    graph.set_outputs(gradient);
    let input = Tensor::f32(&[5], [1.0, 2.0, 2.0, 2.0, 0.0]);
    let gradient = Interpreter.run(&graph, &[input]).expect("the graph runs").remove(0);
    assert_eq!(gradient.to_f64(), [0.0, 1.0, 1.0, 0.0, 0.0]);
}

#[test]
fn kinks_have_the_subgradient_that_is_documented() {
    let x = || [Tensor::f32(&[3], [-1.0, 0.0, 1.0])];
    assert_eq!(gradients("Relu", Attrs::new(), &x(), &[]), [[0.0, 0.0, 1.0]]);
    assert_eq!(gradients("Abs", Attrs::new(), &x(), &[]), [[-1.0, 0.0, 1.0]]);
    assert_eq!(gradients("LeakyRelu", Attrs::new().float("alpha", 0.25), &x(), &[]), [[0.25, 0.25, 1.0]]);
    assert_eq!(gradients("PRelu", Attrs::new(), &x(), &[Tensor::scalar(0.25)]), [[0.25, 0.25, 1.0]]);
    assert_eq!(gradients("Elu", Attrs::new().float("alpha", 0.5), &x(), &[])[0][1..], [0.5, 1.0]);
    assert_eq!(gradients("Celu", Attrs::new().float("alpha", 0.5), &x(), &[])[0][1..], [1.0, 1.0]);
    assert_eq!(gradients("ThresholdedRelu", Attrs::new().float("alpha", 0.0), &x(), &[]), [[0.0, 0.0, 1.0]]);
    let ends = Attrs::new().float("alpha", 0.5).float("beta", 0.5);
    assert_eq!(gradients("HardSigmoid", ends, &x(), &[]), [[0.0, 0.5, 0.0]]);
    let bounds = [Tensor::scalar(0.0), Tensor::scalar(1.0)];
    assert_eq!(gradients("Clip", Attrs::new(), &x(), &bounds), [[0.0, 1.0, 1.0]]);
}

#[test]
fn moved_integers_carry_the_gradient_of_a_straight_through_quantizer() {
    let ints = |data: &[i64]| Tensor::ints(data.iter().copied());
    let rows: Vec<(&str, Attrs, Vec<Tensor>)> = vec![
        ("Identity", Attrs::new(), vec![]),
        ("Reshape", Attrs::new(), vec![ints(&[4])]),
        ("Flatten", Attrs::new(), vec![]),
        ("Transpose", Attrs::new(), vec![]),
        ("Unsqueeze", Attrs::new(), vec![ints(&[0])]),
        ("Slice", Attrs::new(), vec![ints(&[0]), ints(&[2]), ints(&[1])]),
        ("Pad", Attrs::new(), vec![ints(&[0, 1, 1, 0])]),
        ("Gather", Attrs::new().int("axis", 1), vec![ints(&[1, 0])]),
        ("Concat", Attrs::new().int("axis", 0), vec![Tensor::int(DType::U8, &[1, 2], vec![3, 3])]),
        ("Expand", Attrs::new(), vec![ints(&[1, 2, 2])]),
        ("Split", Attrs::new(), vec![ints(&[2])]),
        ("Tile", Attrs::new(), vec![ints(&[1, 1])]),
        ("GatherND", Attrs::new(), vec![Tensor::int(DType::I64, &[2, 1], vec![1, 0])]),
    ];
    let mut failures = Vec::new();
    for (op, attrs, constants) in rows {
        let result = straight_through(op, attrs, &constants);
        if result != Ok(vec![1.0; 4]) {
            failures.push(format!("{op}: {result:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The gradient of the sum of `dequantize(op(quantize(x)))`.
fn straight_through(op: &str, attrs: Attrs, constants: &[Tensor]) -> Result<Vec<f64>, Error> {
    let mut graph = Graph::new("straight-through");
    let x = x(&mut graph, &[2, 2]);
    let scale = graph.constant("scale", Tensor::scalar(0.5));
    let zero = graph.constant("zero", Tensor::int(DType::U8, &[], vec![128]));
    let quantized = graph.add("QuantizeLinear", &[x, scale, zero], Attrs::new())?;
    let mut inputs = vec![quantized];
    inputs.extend(constants.iter().map(|tensor| graph.constant("c", tensor.clone())));
    let moved = graph.add(op, &inputs, attrs)?;
    let y = graph.add("DequantizeLinear", &[moved, scale, zero], Attrs::new())?;
    let ones = Tensor::f32(graph.shape(y), vec![1.0; graph.value(y).ty().len()]);
    let ones = graph.constant("ones", ones);
    let gradient = differentiate(&mut graph, y, ones, &[x])?.remove(0);
    graph.set_outputs(vec![gradient]);
    Ok(Interpreter.run(&graph, &[ramp(&[2, 2])])?.remove(0).to_f64())
}

#[test]
fn a_gradient_that_would_be_silently_zero_is_refused() {
    let mut graph = Graph::new("steps");
    let x = x(&mut graph, &[3]);
    let float = Attrs::new().int("to", DType::F32.onnx().into());
    let int = Attrs::new().int("to", DType::I64.onnx().into());
    let sign = graph.add("Sign", &[x], Attrs::new()).expect("the node is valid");
    let zero = graph.scalar(DType::F32, 0.0);
    let positive = graph.add("Greater", &[x, zero], Attrs::new()).expect("the node is valid");
    let step = graph.add("Cast", &[positive], float.clone()).expect("the node is valid");
    let truncated = graph.add("Cast", &[x], int).expect("the node is valid");
    let truncated = graph.add("Cast", &[truncated], float).expect("the node is valid");
    let ones = graph.constant("ones", Tensor::f32(&[3], [1.0; 3]));
    for y in [sign, step, truncated] {
        let result = differentiate(&mut graph.clone(), y, ones, &[x]);
        assert!(matches!(result, Err(Error::NoGradient { .. })), "{result:?}");
    }
    // Beside a way that has a gradient, a comparison only selects.
    let relu = graph.add("Mul", &[x, step], Attrs::new()).expect("the node is valid");
    let gradient = differentiate(&mut graph, relu, ones, &[x]).expect("one way is differentiable").remove(0);
    graph.set_outputs(vec![gradient]);
    let x = Tensor::f32(&[3], [-1.0, 2.0, 3.0]);
    assert_eq!(Interpreter.run(&graph, &[x]).expect("the graph runs")[0].to_f64(), [0.0, 1.0, 1.0]);
}

/// What a hostile file may put where a small number belongs.
const NUMBERS: [i64; 9] = [i64::MIN, i64::MIN + 1, -2, -1, 0, 1, 3, 1 << 40, i64::MAX];

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_attribute_shape_or_constant_makes_an_operator_panic(
        op in 0..OPS.len(),
        case in any::<prop::sample::Index>(),
        mutations in prop::collection::vec((0..5, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4),
    ) {
        let cases = (OPS[op].cases)();
        if cases.is_empty() {
            return Ok(());
        }
        let case = &cases[case.index(cases.len())];
        let (mut attrs, mut inputs) = (case.attrs.clone(), case.inputs.iter().map(sample).collect::<Vec<_>>());
        for (kind, which, value) in mutations {
            let number = NUMBERS[value.index(NUMBERS.len())];
            match kind {
                0 if !OPS[op].attrs.is_empty() => {
                    let name = OPS[op].attrs[which.index(OPS[op].attrs.len())];
                    let attr = match attrs.get(name) {
                        Some(Attr::Ints(values)) => Attr::Ints(values.iter().map(|_| number).collect()),
                        _ => Attr::Int(number),
                    };
                    attrs.set(name, attr);
                }
                1 if !inputs.is_empty() => {
                    let at = which.index(inputs.len());
                    inputs[at] = None;
                }
                2 => inputs.truncate(which.index(inputs.len() + 1)),
                3 | 4 if !inputs.is_empty() => {
                    let at = which.index(inputs.len());
                    inputs[at] = inputs[at].take().map(|(tensor, constant)| (mutated(tensor, kind, number), constant));
                }
                _ => {}
            }
        }
        let mut graph = Graph::new("hostile");
        let ids: Vec<Option<ValueId>> = inputs.into_iter().map(|input| input.map(|(tensor, constant)| match constant {
            true => graph.constant("c", tensor),
            false => graph.input("x", ValueType::new(tensor.dtype(), tensor.shape())),
        })).collect();
        let fed: Vec<Tensor> = graph.inputs().iter().map(|&id| zeros(graph.value(id).ty())).collect();
        let Ok(outputs) = graph.add_node("node", OPS[op].name, &ids, attrs, case.outputs) else { return Ok(()) };
        let is_float = |&id: &ValueId| graph.value(id).dtype().is_float();
        let wrt: Vec<ValueId> = graph.inputs().iter().copied().filter(is_float).collect();
        if is_float(&outputs[0]) && !wrt.is_empty() {
            let cotangent = graph.constant("cotangent", zeros(graph.value(outputs[0]).ty()));
            if let Ok(gradients) = differentiate(&mut graph, outputs[0], cotangent, &wrt) {
                for (gradient, input) in gradients.iter().zip(&wrt) {
                    prop_assert_eq!(graph.shape(*gradient), graph.shape(*input));
                }
                graph.set_outputs(gradients);
            }
        }
        let _ = Interpreter.run(&graph, &fed);
    }
}

/// An input's elements and whether they are constant.
fn sample(input: &super::CaseInput) -> Option<(Tensor, bool)> {
    use super::CaseInput::{Absent, Constant, Fed, Random, RandomConstant};
    match input {
        Absent => None,
        Constant(tensor) => Some((tensor.clone(), true)),
        Fed(tensor) => Some((tensor.clone(), false)),
        Random(shape, ..) => Some((ramp(shape), false)),
        RandomConstant(shape, ..) => Some((ramp(shape), true)),
    }
}

pub(super) fn zeros(ty: &ValueType) -> Tensor {
    match ty.dtype.is_float() {
        true => Tensor::float(ty.dtype, &ty.shape, vec![0.0; ty.len()]),
        false => Tensor::int(ty.dtype, &ty.shape, vec![0; ty.len()]),
    }
}

/// Other integers, or another shape.
fn mutated(tensor: Tensor, kind: i32, number: i64) -> Tensor {
    match (kind, tensor.dtype()) {
        (3, DType::I64) => Tensor::int(DType::I64, tensor.shape(), vec![number; tensor.len()]),
        (3, _) => tensor,
        _ => {
            let len = tensor.len();
            let ones = vec![1; number.clamp(0, 3) as usize];
            tensor.reshaped(&[ones, vec![len]].concat())
        }
    }
}
