//! A file whose output is one probability, beside the file of the same network with two logits: all that attacks find is
//! the same.

use crate::Test;
use crate::scratch::{Scratch, ensure};
use graph::{Attrs, DType, Graph, Tensor, ValueType};
use libtest_mimic::Failed;
use serde_json::Value;

pub(crate) const TESTS: &[(&str, Test)] =
    &[("a_sigmoid_is_attacked_as_its_two_logits_are", a_sigmoid_is_attacked_as_its_two_logits_are)];

const WIDTH: usize = 6;
const HIDDEN: usize = 16;
const ROWS: usize = 120;

/// Numbers in [-1, 1) that look random.
fn numbers(many: usize, seed: u32) -> Vec<f64> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(((state >> 16) as i16) >> 4) / 2048.0
    };
    (0..many).map(next).collect()
}

/// A network of one hidden layer to `z`; its output is `(0, z)`, or the sigmoid of `z`.
fn network(sigmoid: bool) -> Result<Vec<u8>, Failed> {
    let mut graph = Graph::new("network");
    let x = graph.input("x", ValueType::new(DType::F32, [1, WIDTH]));
    let first = graph.constant("w1", Tensor::f32(&[WIDTH, HIDDEN], numbers(WIDTH * HIDDEN, 1)));
    let bias = graph.constant("b1", Tensor::f32(&[HIDDEN], numbers(HIDDEN, 2)));
    let h = graph.add("MatMul", &[x, first], Attrs::new())?;
    let h = graph.add("Add", &[h, bias], Attrs::new())?;
    let h = graph.add("Relu", &[h], Attrs::new())?;
    let columns = if sigmoid { 1 } else { 2 };
    let to_z = numbers(HIDDEN, 3);
    let weights = to_z.iter().flat_map(|w| if sigmoid { vec![*w] } else { vec![0.0, *w] });
    let second = graph.constant("w2", Tensor::f32(&[HIDDEN, columns], weights));
    let mut y = graph.add("MatMul", &[h, second], Attrs::new())?;
    if sigmoid {
        y = graph.add("Sigmoid", &[y], Attrs::new())?;
    }
    graph.rename(y, "y");
    graph.set_outputs(vec![y]);
    Ok(graph::encode_symbolic_batch(&graph))
}

fn a_sigmoid_is_attacked_as_its_two_logits_are() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let x: Vec<f32> = numbers(ROWS * WIDTH, 4).into_iter().map(|x| x as f32).collect();
    let mut writer = ndarray_npy::NpzWriter::new_compressed(std::fs::File::create(scratch.path("halves.npz"))?);
    writer.add_array("x", &ndarray::Array2::from_shape_vec((ROWS, WIDTH), x)?)?;
    writer.add_array("y", &ndarray::Array1::from_iter((0..ROWS as i64).map(|row| row % 2)))?;
    writer.finish()?;
    let data = ["data", "add", "halves", "--format", "npz", "--shape", "6", "--layout", "flat", "--raw"];
    scratch.run(data.iter().chain(&["--classes", "no,yes", "halves.npz"]))?.expect(0, &[])?;
    for (name, sigmoid) in [("one", true), ("two", false)] {
        scratch.write(&format!("{name}.onnx"), network(sigmoid)?)?;
        let kind = if sigmoid { "sigmoid" } else { "logits" };
        let add = ["model", "add", &format!("{name}.onnx"), "--dataset", "halves", "--output-kind", kind];
        scratch.run(add)?.expect(0, &["registered"])?;
    }
    // The presets that a norm has, but for those that are made of the others, and those that come so near to the boundary that the
    // probability there rounds to a half: the judge sees a tie.
    let presets = [
        (
            "linf",
            "1/8",
            "apgd-ce, apgd-dlr, apgd-t, cw-pgd, deepfool, ensemble-fast, fab, fab-t, fgsm, mi-fgsm, nes, pgd-20, spsa, square",
        ),
        ("l2", "1/5", "apgd-ce, deepfool, ensemble-int8, fab-t, gaussian-noise, pgd-20, square"),
        ("l1", "1/3", "apgd-t, ensemble-standard, fgsm"),
    ];
    for (norm, epsilon, attacks) in presets {
        let suite = format!(
            "version: 1\nname: sigmoid\ndataset: {{ name: halves, split: test, samples: {ROWS} }}\nmodels: [one, two]\n\
             threat: {{ norm: {norm}, epsilon: {epsilon} }}\nattacks: [{attacks}]\nseed: 5\n"
        );
        scratch.write("sigmoid.yaml", suite)?;
        scratch.run(["run", "sigmoid.yaml", "--out", "out"])?.expect(0, &["report: out"])?;
        let results = scratch.json("out/results.json")?;
        let [one, two] = [0, 1].map(|at| &results["models"][at]);
        ensure(one["clean_accuracy"] == two["clean_accuracy"], format!("{norm}: other rows are right"))?;
        let attacks = |model: &Value| model["attacks"].as_array().cloned().unwrap_or_default();
        for (one, two) in attacks(one).iter().zip(&attacks(two)) {
            ensure(one["attacked"].as_u64() > Some(0), format!("{norm}: {} breaks nothing", one["name"]))?;
            for field in ["name", "attacked", "unknown", "found", "rejected", "forwards", "backwards", "judge_forwards"]
            {
                let what = format!("{norm}: {} has {field} {} and {}", one["name"], one[field], two[field]);
                ensure(!one[field].is_null() && one[field] == two[field], what)?;
            }
        }
    }
    Ok(())
}
