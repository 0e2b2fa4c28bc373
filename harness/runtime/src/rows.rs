//! Do rows stay apart? Asked of every model before anything is run: of the registered bytes, whose scores must not
//! depend on a row's neighbours or place, and of the graph that is attacked, which must be the same at any batch.

use crate::{Error, ModelSpec, ShippedModel};
use attack::Predictor;
use graph::check::Splitmix;
use graph::{Graph, Interpreter, Tensor};
use ndarray::Array2;

/// The graph is evaluated in f64, each row with the same operations in the same order; what is left is how a sum over a
/// longer batch may be split.
const TOLERANCE: f64 = 1e-9;

/// Random canonical rows that span an integer input's range, or [0, 1) where the input is float.
fn random_rows(spec: &ModelSpec, count: usize, random: &mut Splitmix) -> Vec<f32> {
    let map = &spec.map;
    let [low, high] = match map.quantize {
        None => [0.0, 1.0],
        Some(quantize) => {
            let (low, high) = quantize.dtype.int_range().unwrap_or((0, 255));
            let (scale, offset) = match f64::from(map.scale[0]) {
                0.0 => (1.0, 0.0),
                scale => (scale, f64::from(map.offset[0])),
            };
            [low.max(-128), high.min(255)].map(|level| {
                let real = (level - quantize.zero_point) as f64 * f64::from(quantize.scale);
                (real - offset) / scale
            })
        }
    };
    (0..count * map.row_len()).map(|_| random.uniform(low, high) as f32).collect()
}

/// The rows that are looked at, and where each is moved to. At least one place is left for a stranger, or a mean over all
/// rows would not show.
pub(crate) fn places(batch: usize) -> Vec<(usize, usize)> {
    let (middle, last) = (batch / 2, batch - 1);
    let moves = [(0, last), (middle, 0), (last, middle)];
    moves[..last.min(3)].to_vec()
}

/// Checks that the registered bytes give a row the same scores, bit for bit, beside other rows and in another place.
///
/// Errors: they do not, or a run fails.
pub(crate) fn check_judge(judge: &mut ShippedModel, spec: &ModelSpec) -> Result<(), Error> {
    let (batch, row_len) = (judge.batch(), spec.map.row_len());
    let mut random = Splitmix::new(1);
    let rows = random_rows(spec, batch, &mut random);
    let mut moved = random_rows(spec, batch, &mut random);
    for (from, to) in places(batch) {
        moved[to * row_len..][..row_len].copy_from_slice(&rows[from * row_len..][..row_len]);
    }
    let mut predict = |rows: Vec<f32>| {
        let rows = Array2::from_shape_vec((batch, row_len), rows).expect("one element per row and place");
        judge.predict(rows.view()).map_err(|error| Error::Model(error.to_string()))
    };
    let (scores, others) = (predict(rows)?, predict(moved)?);
    for (from, to) in places(batch) {
        let mut pairs = scores.row(from).into_iter().zip(others.row(to));
        if !pairs.all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()) {
            return Err(Error::Model(format!(
                "rows influence each other: in a batch of {batch}, a row's scores change with the rows beside it"
            )));
        }
    }
    Ok(())
}

/// Whether a classifier gives each row the logits that it has at a smaller batch.
///
/// `small` is the same classifier at the smallest batch that the file can be read at.
/// Errors: a kernel refuses its inputs.
pub(crate) fn agree(classifier: &Graph, small: &Graph, spec: &ModelSpec) -> Result<bool, Error> {
    let rows_of = |graph: &Graph| graph.shape(graph.inputs()[0])[0];
    let (batch, repeat, row_len) = (rows_of(classifier), rows_of(small), spec.map.row_len());
    let rows = random_rows(spec, batch, &mut Splitmix::new(2));
    let logits = |graph: &Graph, rows: &[f32]| -> Result<Vec<f64>, Error> {
        let elements = rows.iter().map(|&element| f64::from(element));
        let input = Tensor::f32(graph.shape(graph.inputs()[0]), elements.collect::<Vec<f64>>());
        Ok(Interpreter.run(graph, &[input])?.remove(0).to_f64())
    };
    let together = logits(classifier, &rows)?;
    for (row, _) in places(batch) {
        let alone = logits(small, &rows[row * row_len..][..row_len].repeat(repeat))?;
        let (found, expected) = (&together[row * spec.classes..][..spec.classes], &alone[..spec.classes]);
        let largest = expected.iter().fold(0.0_f64, |most, logit| most.max(logit.abs()));
        let near = |(f, e): (&f64, &f64)| f == e || f.is_nan() && e.is_nan() || (f - e).abs() <= TOLERANCE * largest;
        if !found.iter().zip(expected).all(near) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handmade::{DOUBLE, FLOAT, File, INT8, INT32, Ints};
    use crate::{ModelBytes, OutputKind, Prepared, Provider};
    use attack::{LossHead, Oracle};
    use graph::{DType, InputMap, Quantize};

    const WEIGHTS: [f32; 12] = [0.5, -1.0, 0.25, 1.5, -0.75, 0.125, -0.5, 1.0, 2.0, -0.25, 0.75, -1.5];

    fn spec(row: &[usize], classes: usize) -> ModelSpec {
        let map = InputMap::identity(row);
        ModelSpec { input: "in".into(), map, output: "out".into(), classes, kind: OutputKind::Logits }
    }

    fn prepare(file: File, spec: ModelSpec) -> Result<Prepared, Error> {
        Prepared::new(ModelBytes::new(file.bytes()), spec, &[LossHead::CrossEntropy], Provider::Cpu)
    }

    fn mean(file: File, input: &str, output: &str, axis: u64, keep: u64) -> File {
        file.node_with(
            "ReduceMean",
            &[input],
            output,
            &[("axes", Ints::List(vec![axis])), ("keepdims", Ints::One(keep))],
        )
    }

    /// The first 100 random rows by judge and oracle agree.
    fn assert_judge_and_oracle_agree(prepared: &Prepared) {
        let spec = prepared.spec();
        let x = random_rows(spec, 100, &mut Splitmix::new(5));
        let x = Array2::from_shape_vec((100, spec.map.row_len()), x).unwrap();
        let scores = prepared.predictor().unwrap().predict(x.view()).unwrap();
        let logits = prepared.oracle().unwrap().logits(x.view()).unwrap();
        // A few sums in f32.
        assert!(scores.iter().zip(&logits).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn a_mean_over_the_batch_is_refused() {
        for batch in ["N", "2", "3", "5"] {
            let file = File::new().input("in", FLOAT, &[batch, "4"]).output("out", FLOAT, &[batch, "3"]);
            let file = mean(file, "in", "mean", 0, 1).node("Sub", &["in", "mean"], "centred");
            let file = file.floats("w", &[4, 3], &WEIGHTS).node("MatMul", &["centred", "w"], "out");
            let text = prepare(file, spec(&[4], 3)).unwrap_err().to_string();
            assert!(text.contains("rows influence each other"), "{batch}: {text}");
        }
    }

    #[test]
    fn the_judge_is_checked_whatever_the_graph_says() {
        let file = File::new().input("in", FLOAT, &["N", "4"]).output("out", FLOAT, &["N", "4"]);
        let file = mean(file, "in", "mean", 0, 1).node("Sub", &["in", "mean"], "out");
        for batch in [2, 3, 4, 7, 64] {
            let bytes = ModelBytes::new(file.clone().bytes());
            let mut judge = ShippedModel::new(&bytes, &spec(&[4], 4), batch, Provider::Cpu).unwrap();
            let text = check_judge(&mut judge, &spec(&[4], 4)).unwrap_err().to_string();
            assert!(text.contains("rows influence each other"), "{batch}: {text}");
        }
    }

    /// ONNX Runtime adds seven elements in an order that depends on where they lie: such a file is judged row by row.
    #[test]
    fn sums_that_depend_on_the_place_of_a_row_are_no_hindrance() {
        let file = File::new().input("in", FLOAT, &["N", "3", "7"]).output("out", FLOAT, &["N", "3"]);
        let file = mean(file, "in", "mean", 2, 0).node("Relu", &["mean"], "out");
        let prepared = prepare(file, spec(&[3, 7], 3)).unwrap();
        let mut judge = prepared.predictor().unwrap();
        let x = random_rows(prepared.spec(), 64, &mut Splitmix::new(5));
        let x = Array2::from_shape_vec((64, 21), x).unwrap();
        let together = judge.predict(x.view()).unwrap();
        for (row, scores) in x.axis_iter(ndarray::Axis(0)).zip(together.rows()) {
            let alone = judge.predict(row.insert_axis(ndarray::Axis(0))).unwrap();
            assert_eq!(alone.row(0), scores);
        }
        assert_judge_and_oracle_agree(&prepared);
    }

    #[test]
    fn rows_that_broadcast_over_another_axis_run_one_at_a_time() {
        let file = File::new().input("in", FLOAT, &["1", "64", "3"]).output("out", FLOAT, &["1", "3"]);
        let file =
            mean(file, "in", "mean", 1, 0).node("Sub", &["in", "mean"], "centred").node("Relu", &["centred"], "r");
        let prepared = prepare(mean(file, "r", "out", 1, 0), spec(&[64, 3], 3)).unwrap();
        assert_eq!(prepared.micro_batch(), 1);
        assert!(prepared.notes()[0].contains("rows influence each other"), "{:?}", prepared.notes());
        assert_judge_and_oracle_agree(&prepared);
    }

    #[test]
    fn a_constant_with_a_batch_of_one_runs_one_row_at_a_time() {
        let file = File::new().input("in", FLOAT, &["1", "2", "3"]).output("out", FLOAT, &["1", "9"]);
        let file = file.floats("token", &[1, 1, 3], &[1.0, 2.0, 3.0]);
        let file = file.node_with("Concat", &["token", "in"], "with", &[("axis", Ints::One(1))]);
        let prepared = prepare(file.node("Flatten", &["with"], "out"), spec(&[2, 3], 9)).unwrap();
        assert_eq!(prepared.micro_batch(), 1);
        assert!(prepared.notes()[0].contains("one row at a time"), "{:?}", prepared.notes());
        assert_judge_and_oracle_agree(&prepared);
    }

    #[test]
    fn a_squeeze_that_needs_more_than_one_row_is_no_hindrance() {
        let file = File::new().input("in", FLOAT, &["N", "4", "1", "1"]).output("out", FLOAT, &["N", "3"]);
        let file = file.node("Squeeze", &["in"], "flat").floats("w", &[4, 3], &WEIGHTS);
        let prepared = prepare(file.node("MatMul", &["flat", "w"], "out"), spec(&[4, 1, 1], 3)).unwrap();
        assert_eq!((prepared.macs(), prepared.micro_batch()), (12, 64));
        assert_judge_and_oracle_agree(&prepared);
    }

    #[test]
    fn rows_of_an_integer_input_span_its_range() {
        let mut spec = spec(&[1000], 3);
        spec.map.scale = vec![2.0];
        spec.map.offset = vec![1.0];
        spec.map.quantize = Some(Quantize { scale: 0.5, zero_point: 3, dtype: DType::I8 });
        let levels = spec.map.apply(&random_rows(&spec, 1, &mut Splitmix::new(1)));
        let (least, most) = levels.iter().fold((0.0_f32, 0.0_f32), |(a, b), &level| (a.min(level), b.max(level)));
        assert!((-128.0..-124.0).contains(&least) && most > 123.0, "{least} {most}");
        let file = File::new().input("in", INT8, &["N", "4"]).output("out", FLOAT, &["N", "4"]);
        let file = file.floats("scale", &[], &[0.5]).node("DequantizeLinear", &["in", "scale"], "x");
        let file = mean(file, "x", "mean", 0, 1).node("Sub", &["x", "mean"], "out");
        spec.map = InputMap { quantize: spec.map.quantize, ..InputMap::identity(&[4]) };
        spec.classes = 4;
        assert!(prepare(file, spec).unwrap_err().to_string().contains("rows influence each other"));
    }

    #[test]
    fn outputs_that_float32_would_round_are_refused() {
        for (onnx, name) in [(DOUBLE, "float64"), (INT32, "int32")] {
            let file = File::new().input("in", FLOAT, &["N", "4"]).output("out", onnx, &["N", "4"]);
            let file = file.node_with("Cast", &["in"], "out", &[("to", Ints::One(onnx))]);
            let bytes = ModelBytes::new(file.bytes());
            let text = ShippedModel::new(&bytes, &spec(&[4], 4), 4, Provider::Cpu).unwrap_err().to_string();
            assert!(text.contains(&format!("output `out` is {name}, which rounds")), "{text}");
        }
    }
}
