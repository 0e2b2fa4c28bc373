//! The judge and the oracle on small models whose answers are known.

use crate::handmade::{FLOAT, File, INT8, UINT8};
use crate::{Error, ModelBytes, ModelSpec, OutputKind, Prepared, Provider};
use attack::{Loss, LossHead, Oracle, Predictor};
use graph::check::Splitmix;
use graph::{DType, InputMap, Quantize};
use ndarray::{Array2, s};

const HEADS: [LossHead; 5] = [LossHead::CrossEntropy, LossHead::Margin, LossHead::Linear, LossHead::Kl, LossHead::Dlr];
const WEIGHTS: [f32; 12] = [0.5, -1.0, 0.25, 1.5, -0.75, 0.125, -0.5, 1.0, 2.0, -0.25, 0.75, -1.5];

/// `[N, 4]` to three classes: `x · W`, and a softmax where wanted.
fn linear(batch: &str, softmax: bool) -> File {
    let file = File::new().input("in", FLOAT, &[batch, "4"]).output("out", FLOAT, &[batch, "3"]);
    let file = file.floats("w", &[4, 3], &WEIGHTS);
    if softmax {
        file.node("MatMul", &["in", "w"], "z").node("Softmax", &["z"], "out")
    } else {
        file.node("MatMul", &["in", "w"], "out")
    }
}

fn spec(kind: OutputKind) -> ModelSpec {
    let map = InputMap::identity(&[4]);
    ModelSpec { input: "in".into(), map, output: "out".into(), classes: 3, kind }
}

fn prepare(file: File, spec: ModelSpec) -> Result<Prepared, Error> {
    // The ratio is last, and needs three classes.
    let heads = if spec.classes < 3 { &HEADS[..4] } else { &HEADS[..] };
    Prepared::new(ModelBytes::new(file.bytes()), spec, heads, Provider::Cpu)
}

fn refusal(file: File, spec: ModelSpec) -> String {
    prepare(file, spec).map(|_| ()).unwrap_err().to_string()
}

fn rows(count: usize) -> Array2<f32> {
    let values = Splitmix::new(3).tensor(&[count, 4], -1.0, 1.0).to_f64();
    Array2::from_shape_vec((count, 4), values.into_iter().map(|value| value as f32).collect()).unwrap()
}

fn by_hand(x: &Array2<f32>) -> Array2<f32> {
    x.dot(&Array2::from_shape_vec((4, 3), WEIGHTS.to_vec()).unwrap())
}

fn assert_near(found: &Array2<f32>, expected: &Array2<f32>) {
    // Four products in f32.
    let near = found.iter().zip(expected).all(|(f, e)| (f - e).abs() <= 1e-6);
    assert!(found.dim() == expected.dim() && near, "{found} {expected}");
}

#[test]
fn symbolic_and_fixed_batches_give_the_same_scores() {
    let x = rows(11);
    for batch in ["N", "1", "3", "64"] {
        let prepared = prepare(linear(batch, false), spec(OutputKind::Logits)).unwrap();
        assert_near(&prepared.predictor().unwrap().predict(x.view()).unwrap(), &by_hand(&x));
        assert_near(&prepared.oracle().unwrap().logits(x.view()).unwrap(), &by_hand(&x));
        assert_eq!(prepared.macs(), 12);
        assert!(prepared.notes().is_empty() && prepared.output_cut().is_none());
    }
}

#[test]
fn no_rows_give_no_scores() {
    let prepared = prepare(linear("N", false), spec(OutputKind::Logits)).unwrap();
    let none = Array2::zeros((0, 4));
    assert_eq!(prepared.predictor().unwrap().predict(none.view()).unwrap().dim(), (0, 3));
    let loss = Loss::cross_entropy(&[], 3);
    assert_eq!(prepared.oracle().unwrap().gradient(none.view(), &loss).unwrap().gradient.dim(), (0, 4));
}

#[test]
fn the_gradient_of_a_linear_model_is_its_weights() {
    let prepared = prepare(linear("N", false), spec(OutputKind::Logits)).unwrap();
    let x = rows(5);
    let cotangents = Array2::from_shape_fn((5, 3), |(row, class)| if class == row % 3 { 1.0 } else { 0.0 });
    let loss = Loss::linear(cotangents.clone());
    let found = prepared.oracle().unwrap().gradient(x.view(), &loss).unwrap();
    let weights = Array2::from_shape_vec((4, 3), WEIGHTS.to_vec()).unwrap();
    assert_near(&found.gradient, &cotangents.dot(&weights.t()));
    assert_near(&found.logits, &by_hand(&x));
}

/// Against the closed form in f64, on distributions that have zeros: the loss is `sum p ln(p / q)` and its gradient
/// `(q - p) W`.
#[test]
fn divergence_to_given_probabilities_is_its_closed_form() {
    let prepared = prepare(linear("N", false), spec(OutputKind::Logits)).unwrap();
    let x = rows(6) * 8.0;
    let probabilities = ndarray::array![
        [0.25, 0.75, 0.0],
        [0.0, 1.0, 0.0],
        [1.0, 0.0, 0.0],
        [0.125, 0.375, 0.5],
        [1e-30, 0.5, 0.5],
        [0.0, 0.0, 1.0]
    ];
    let loss = Loss::kl(probabilities.clone());
    let found = prepared.oracle().unwrap().gradient(x.view(), &loss).unwrap();
    for (row, z) in by_hand(&x).rows().into_iter().enumerate() {
        let powers: Vec<f64> = z.iter().map(|z| f64::from(*z).exp()).collect();
        let q: Vec<f64> = powers.iter().map(|power| power / powers.iter().sum::<f64>()).collect();
        let p: Vec<f64> = probabilities.row(row).iter().map(|p| f64::from(*p)).collect();
        let terms = p.iter().zip(&q).filter(|(p, _)| **p > 0.0).map(|(p, q)| p * (p / q).ln());
        let exact: f64 = terms.sum();
        // Logits of up to 20 in f32.
        assert!((f64::from(found.loss[row]) - exact).abs() < 1e-5, "{} {exact}", found.loss[row]);
        for (feature, gradient) in found.gradient.row(row).iter().enumerate() {
            let exact: f64 = (0..3).map(|k| (q[k] - p[k]) * f64::from(WEIGHTS[3 * feature + k])).sum();
            assert!((f64::from(*gradient) - exact).abs() < 1e-5, "{gradient} {exact}");
        }
    }
}

#[test]
fn a_softmax_is_cut_for_the_oracle_and_kept_for_the_judge() {
    let prepared = prepare(linear("N", true), spec(OutputKind::Softmax)).unwrap();
    let x = rows(3);
    assert_near(&prepared.oracle().unwrap().logits(x.view()).unwrap(), &by_hand(&x));
    let scores = prepared.predictor().unwrap().predict(x.view()).unwrap();
    assert!(scores.rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-6), "{scores}");
    assert_eq!(prepared.output_cut().unwrap().node, Some(("Softmax", "out".to_owned())));
    assert_eq!(prepared.notes(), ["attacks see the logits: softmax `out` was cut"]);
}

#[test]
fn what_is_declared_about_the_softmax_is_checked() {
    let text = refusal(linear("N", false), spec(OutputKind::Softmax));
    assert_eq!(text, "use the model: output `out` is declared softmax, but the graph does not end in one");
    let prepared = prepare(linear("N", true), spec(OutputKind::Logits)).unwrap();
    assert!(prepared.output_cut().is_some());
    assert_eq!(prepared.notes()[1], "output `out` is declared logits, but it is the output of a softmax");
}

/// `[N, 4]` to the probability of the second class, the sigmoid of one column of the weights.
fn detector() -> File {
    let file = File::new().input("in", FLOAT, &["N", "4"]).output("out", FLOAT, &["N", "1"]);
    let column = [WEIGHTS[0], WEIGHTS[3], WEIGHTS[6], WEIGHTS[9]];
    file.floats("w", &[4, 1], &column).node("MatMul", &["in", "w"], "z").node("Sigmoid", &["z"], "out")
}

fn of_two(kind: OutputKind) -> ModelSpec {
    ModelSpec { classes: 2, ..spec(kind) }
}

/// The first column of `by_hand` beside zeros.
fn two_logits(x: &Array2<f32>) -> Array2<f32> {
    let z = by_hand(x);
    Array2::from_shape_fn((x.nrows(), 2), |(row, class)| if class == 0 { 0.0 } else { z[[row, 0]] })
}

#[test]
fn one_probability_is_judged_against_a_half_and_attacked_by_two_logits() {
    let prepared = prepare(detector(), of_two(OutputKind::Sigmoid)).unwrap();
    let x = rows(11);
    let logits = two_logits(&x);
    assert_near(&prepared.oracle().unwrap().logits(x.view()).unwrap(), &logits);
    let scores = prepared.predictor().unwrap().predict(x.view()).unwrap();
    for (scores, z) in scores.rows().into_iter().zip(logits.column(1)) {
        assert_eq!(scores[0], 0.5);
        assert!((scores[1] - 1.0 / (1.0 + (-z).exp())).abs() < 1e-6 && (scores[1] > 0.5) == (*z > 0.0), "{scores} {z}");
    }
    let tie = prepared.predictor().unwrap().predict(Array2::zeros((1, 4)).view()).unwrap();
    assert_eq!(attack::argmax(&tie.row(0).to_vec()), (0, true));
    assert_eq!(
        prepared.notes(),
        [
            "attacks see the logits: sigmoid `out` was cut",
            "output `out` is one probability p: class 1 is predicted if p > 0.5, p = 0.5 is a tie"
        ]
    );
}

#[test]
fn one_probability_has_the_gradients_of_two_logits() {
    let columns = [0.0, WEIGHTS[0], 0.0, WEIGHTS[3], 0.0, WEIGHTS[6], 0.0, WEIGHTS[9]];
    let file = File::new().input("in", FLOAT, &["N", "4"]).output("out", FLOAT, &["N", "2"]);
    let file = file.floats("w", &[4, 2], &columns).node("MatMul", &["in", "w"], "out");
    let twin = prepare(file, of_two(OutputKind::Logits)).unwrap();
    let prepared = prepare(detector(), of_two(OutputKind::Sigmoid)).unwrap();
    let x = rows(6);
    let labels = [0, 1, 1, 0, 1, 0];
    for loss in [Loss::cross_entropy(&labels, 2), Loss::linear(Array2::from_elem((6, 2), 1.0))] {
        let found = prepared.oracle().unwrap().gradient(x.view(), &loss).unwrap();
        let expected = twin.oracle().unwrap().gradient(x.view(), &loss).unwrap();
        assert_near(&found.logits, &expected.logits);
        assert_near(&found.gradient, &expected.gradient);
    }
}

/// An int8 file whose every number is a whole number of steps: `p` is a tie where the integer is the zero point plus 128.
#[test]
fn an_integer_probability_is_what_its_quantizer_says() {
    let file = |dtype: u64, zero: i64| {
        let file = File::new().input("in", FLOAT, &["N", "4"]).output("out", dtype, &["N", "1"]);
        let column = [WEIGHTS[0], WEIGHTS[3], WEIGHTS[6], WEIGHTS[9]];
        let file = file.floats("w", &[4, 1], &column).floats("zs", &[], &[0.0625]).floats("ps", &[], &[1.0 / 256.0]);
        let file = file.integers("zz", dtype, &[], &[zero + 128]).integers("pz", dtype, &[], &[zero]);
        let file = file.node("MatMul", &["in", "w"], "z").node("QuantizeLinear", &["z", "zs", "zz"], "q");
        (file, dtype)
    };
    for (dtype, zero) in [(INT8, -128), (UINT8, 0)] {
        for contributed in [false, true] {
            let (file, _) = file(dtype, zero);
            let file = match contributed {
                true => file.node("com.microsoft.QLinearSigmoid", &["q", "zs", "zz", "ps", "pz"], "out"),
                false => {
                    let file = file.node("DequantizeLinear", &["q", "zs", "zz"], "d").node("Sigmoid", &["d"], "p");
                    file.node("QuantizeLinear", &["p", "ps", "pz"], "out")
                }
            };
            let prepared = prepare(file, of_two(OutputKind::Sigmoid)).unwrap();
            assert!(prepared.notes()[0].ends_with("and the quantisation around it was cut"), "{:?}", prepared.notes());
            let mut x = rows(20);
            x.row_mut(0).fill(0.0);
            let logits = two_logits(&x);
            assert_near(&prepared.oracle().unwrap().logits(x.view()).unwrap(), &logits);
            let scores = prepared.predictor().unwrap().predict(x.view()).unwrap();
            assert_eq!(scores.row(0).to_vec(), [0.5, 0.5]);
            for (scores, z) in scores.rows().into_iter().zip(logits.column(1)) {
                // Half a step of z at the steepest place, and half a step of p.
                let near = (scores[1] - 1.0 / (1.0 + (-z).exp())).abs() < 0.03125 / 4.0 + 1.0 / 512.0;
                assert!(near && (scores[1] * 256.0).fract() == 0.0, "{scores} {z}");
            }
        }
    }
    let (file, _) = file(INT8, -128);
    let text = refusal(file.node("Identity", &["q"], "out"), of_two(OutputKind::Sigmoid));
    assert!(text.contains("declared sigmoid, but the graph does not end in one"), "{text}");
}

#[test]
fn what_is_declared_about_the_sigmoid_is_checked() {
    let text = refusal(linear("N", false), of_two(OutputKind::Sigmoid));
    assert!(text.contains("declared sigmoid, one probability a row") && text.contains("[1, 3]"), "{text}");
    let text = refusal(detector(), spec(OutputKind::Sigmoid));
    assert!(text.contains("declared sigmoid, which tells 2 classes apart, not 3"), "{text}");
    let column = File::new().input("in", FLOAT, &["N", "4"]).output("out", FLOAT, &["N", "1"]);
    let column = column.floats("w", &[4, 1], &WEIGHTS[..4]).node("MatMul", &["in", "w"], "out");
    let text = refusal(column, of_two(OutputKind::Sigmoid));
    assert!(text.contains("declared sigmoid, but the graph does not end in one"), "{text}");
    let text = refusal(detector(), of_two(OutputKind::Logits));
    assert!(text.contains("declared with 2 classes"), "{text}");
}

#[test]
fn quantizers_that_are_cut_and_ways_that_are_dropped_are_noted() {
    let quantized = |softmax: bool| {
        let file = File::new().input("in", FLOAT, &["N", "4"]).output("out", FLOAT, &["N", "3"]);
        let file = file.floats("w", &[4, 3], &WEIGHTS).floats("scale", &[], &[0.125]);
        let file = file.node("MatMul", &["in", "w"], "z").node("QuantizeLinear", &["z", "scale"], "q");
        match softmax {
            true => file.node("DequantizeLinear", &["q", "scale"], "d").node("Softmax", &["d"], "out"),
            false => file.node("DequantizeLinear", &["q", "scale"], "out"),
        }
    };
    let prepared = prepare(quantized(true), spec(OutputKind::Softmax)).unwrap();
    let of_file = "searches without gradients see the logits that the file's own integers give";
    let cut = "attacks see the logits: softmax `out` and the quantisation around it was cut";
    assert_eq!(prepared.notes(), [cut, of_file]);
    let prepared = prepare(quantized(false), spec(OutputKind::Logits)).unwrap();
    assert_eq!(prepared.notes(), ["attacks see the logits: the quantisation of the output was cut", of_file]);
    let x = rows(3);
    assert_near(&prepared.oracle().unwrap().logits(x.view()).unwrap(), &by_hand(&x));
    let file = File::new().input("in", FLOAT, &["N", "4"]).output("out", FLOAT, &["N", "3"]);
    let file = file.floats("w", &[4, 3], &WEIGHTS).node("MatMul", &["in", "w"], "z");
    let file = file.node("Sign", &["z"], "side").node("Add", &["z", "side"], "out");
    let prepared = prepare(file, spec(OutputKind::Logits)).unwrap();
    assert_eq!(prepared.notes(), ["no gradient passes `side` (Sign): it is piecewise constant"]);
}

#[test]
fn rows_do_not_depend_on_how_they_are_grouped() {
    let prepared = prepare(linear("N", true), spec(OutputKind::Softmax)).unwrap();
    let x = rows(70);
    let loss = |rows: std::ops::Range<usize>| Loss::cross_entropy(&rows.map(|row| row % 3).collect::<Vec<_>>(), 3);
    let (mut oracle, mut judge) = (prepared.oracle().unwrap(), prepared.predictor().unwrap());
    let (together, scores) = (oracle.gradient(x.view(), &loss(0..70)).unwrap(), judge.predict(x.view()).unwrap());
    let mut fresh = prepared.oracle().unwrap();
    for row in (0..70).rev() {
        let alone = x.slice(s![row..=row, ..]);
        let gradient = fresh.gradient(alone, &loss(row..row + 1)).unwrap();
        assert_eq!(gradient.gradient.row(0), together.gradient.row(row), "row {row}");
        assert_eq!(gradient.loss[0], together.loss[row], "row {row}");
        assert_eq!(gradient.logits.row(0), together.logits.row(row), "row {row}");
        assert_eq!(judge.predict(alone).unwrap().row(0), scores.row(row), "row {row}");
    }
}

#[test]
fn nan_scores_are_the_callers_to_judge_and_a_count_of_the_oracle() {
    let file = File::new().input("in", FLOAT, &["N", "4"]).output("out", FLOAT, &["N", "3"]);
    let file = file.floats("w", &[4, 3], &WEIGHTS).node("Sqrt", &["in"], "root").node("MatMul", &["root", "w"], "out");
    let prepared = prepare(file, spec(OutputKind::Logits)).unwrap();
    let x = ndarray::array![[1.0, 4.0, 1.0, 1.0], [1.0, -4.0, 1.0, 1.0]];
    let scores = prepared.predictor().unwrap().predict(x.view()).unwrap();
    let found: Vec<bool> = scores.iter().map(|score| score.is_nan()).collect();
    assert_eq!(found, [false, false, false, true, true, true]);
    let mut oracle = prepared.oracle().unwrap();
    let found = oracle.gradient(x.view(), &Loss::cross_entropy(&[0, 1], 3)).unwrap();
    assert!(found.loss[0].is_finite() && found.loss[1].is_nan());
    assert_eq!(oracle.non_finite(), 1);
}

/// `[N, 4]` in int8 with scale 0.5 and zero point -3.
fn quantized() -> (File, ModelSpec) {
    let file = File::new().input("in", INT8, &["N", "4"]).output("out", FLOAT, &["N", "3"]);
    let file = file.floats("scale", &[], &[0.5]).int8("zero", -3).floats("w", &[4, 3], &WEIGHTS);
    let file = file.node("DequantizeLinear", &["in", "scale", "zero"], "x").node("MatMul", &["x", "w"], "out");
    let mut spec = spec(OutputKind::Logits);
    spec.map.quantize = Some(Quantize { scale: 0.5, zero_point: -3, dtype: DType::I8 });
    (file, spec)
}

#[test]
fn integer_inputs_are_quantized_on_the_host_and_in_the_graph_alike() {
    let (file, spec) = quantized();
    let prepared = prepare(file, spec).unwrap();
    // Multiples of the scale, so that quantising changes nothing; the last row is clipped at both ends.
    let x = ndarray::array![[0.0, 0.5, -1.0, 2.5], [1.0, -0.5, 3.0, -2.0], [1000.0, -1000.0, 0.0, 0.0]];
    let mut expected = by_hand(&x);
    expected.row_mut(2).assign(&by_hand(&ndarray::array![[65.0, -62.5, 0.0, 0.0]]).row(0));
    let near = |found: Array2<f32>| found.iter().zip(&expected).all(|(f, e)| (f - e).abs() <= 1e-4);
    assert!(near(prepared.predictor().unwrap().predict(x.view()).unwrap()));
    assert!(near(prepared.oracle().unwrap().logits(x.view()).unwrap()));
    let loss = Loss::linear(ndarray::array![[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]);
    let gradient = prepared.oracle().unwrap().gradient(x.view(), &loss).unwrap().gradient;
    let straight_through = [WEIGHTS[0], WEIGHTS[3], WEIGHTS[6], WEIGHTS[9]];
    assert_eq!(gradient.row(0).to_vec(), straight_through);
    assert_eq!(gradient.row(2).to_vec(), [0.0, 0.0, WEIGHTS[6], WEIGHTS[9]]);
}

#[test]
fn external_data_comes_from_the_registered_files_only() {
    let file = || {
        let file = File::new().input("in", FLOAT, &["N", "4"]).output("out", FLOAT, &["N", "3"]);
        file.external("w", &[4, 3], "w.bin").node("MatMul", &["in", "w"], "out").bytes()
    };
    let weights: Vec<u8> = WEIGHTS.iter().flat_map(|value| value.to_le_bytes()).collect();
    let bytes = ModelBytes { model: file().into(), external: vec![("w.bin".into(), weights.into())] };
    let prepared = Prepared::new(bytes, spec(OutputKind::Logits), &HEADS, Provider::Cpu).unwrap();
    let x = rows(3);
    assert_near(&prepared.predictor().unwrap().predict(x.view()).unwrap(), &by_hand(&x));
    assert_near(&prepared.oracle().unwrap().logits(x.view()).unwrap(), &by_hand(&x));
    let missing = Prepared::new(ModelBytes::new(file()), spec(OutputKind::Logits), &HEADS, Provider::Cpu);
    let text = missing.unwrap_err().to_string();
    assert!(text.contains("`w.bin` is not among the model's registered files"), "{text}");
}

#[test]
fn what_the_manifest_gets_wrong_is_named() {
    let with = |change: &dyn Fn(&mut ModelSpec)| {
        let mut spec = spec(OutputKind::Logits);
        change(&mut spec);
        refusal(linear("N", false), spec)
    };
    let cases = [
        (with(&|spec| spec.input = "data".into()), "its one input must be `data`, its inputs are `in`"),
        (with(&|spec| spec.output = "probs".into()), "it has no output `probs`, its outputs are `out`"),
        (with(&|spec| spec.classes = 10), "output `out` is declared with 10 classes"),
        (with(&|spec| spec.map = InputMap::identity(&[5])), "[5]"),
        (with(&|spec| spec.map.quantize = Some(Quantize { scale: 1.0, zero_point: 0, dtype: DType::U8 })), "uint8"),
    ];
    for (text, expected) in cases {
        assert!(text.contains(expected), "{text}\nshould contain: {expected}");
    }
    let (file, mut float) = quantized();
    float.map.quantize = None;
    let text = refusal(file, float);
    assert!(text.contains("int8"), "{text}");
    let two = File::new().input("in", FLOAT, &["N", "4"]).input("more", FLOAT, &["N", "4"]);
    let two = two.output("out", FLOAT, &["N", "4"]).node("Add", &["in", "more"], "out");
    let text = refusal(two, spec(OutputKind::Logits));
    assert!(text.contains("its inputs are `in`, `more`"), "{text}");
}

#[test]
fn pixels_enter_as_unsigned_bytes() {
    let file = File::new().input("in", UINT8, &["N", "4"]).output("out", FLOAT, &["N", "3"]);
    let file = file.floats("scale", &[], &[1.0]).floats("w", &[4, 3], &WEIGHTS);
    let file = file.node("DequantizeLinear", &["in", "scale"], "x").node("MatMul", &["x", "w"], "out");
    let mut spec = spec(OutputKind::Logits);
    spec.map.scale = vec![255.0];
    spec.map.quantize = Some(Quantize { scale: 1.0, zero_point: 0, dtype: DType::U8 });
    let prepared = prepare(file, spec).unwrap();
    let pixels = ndarray::array![[0.0, 1.0, 128.0, 255.0f32]];
    let x = pixels.mapv(|pixel| pixel / 255.0);
    assert_eq!(prepared.predictor().unwrap().predict(x.view()).unwrap(), by_hand(&pixels));
    assert_eq!(prepared.oracle().unwrap().logits(x.view()).unwrap(), by_hand(&pixels));
}

#[test]
fn a_provider_that_is_not_there_is_refused() {
    let bytes = ModelBytes::new(linear("N", false).bytes());
    let error = Prepared::new(bytes, spec(OutputKind::Logits), &HEADS, Provider::Cuda).unwrap_err();
    assert!(matches!(error, Error::ProviderUnavailable { .. }), "{error}");
}

#[test]
fn a_loss_that_was_not_planned_is_refused() {
    let bytes = ModelBytes::new(linear("N", false).bytes());
    let heads = [LossHead::Margin];
    let prepared = Prepared::new(bytes, spec(OutputKind::Logits), &heads, Provider::Cpu).unwrap();
    let loss = Loss::cross_entropy(&[0], 3);
    let text = prepared.oracle().unwrap().gradient(rows(1).view(), &loss).map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("no gradient graph was planned for CrossEntropy"), "{text}");
}

#[test]
fn a_shared_model_serves_many_threads() {
    let prepared = prepare(linear("N", false), spec(OutputKind::Logits)).unwrap();
    let x = rows(20);
    let loss = || Loss::margin(&(0..20).map(|row| row % 3).collect::<Vec<_>>(), 3);
    let expected = prepared.oracle().unwrap().gradient(x.view(), &loss()).unwrap().gradient;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let found = prepared.oracle().unwrap().gradient(x.view(), &loss()).unwrap().gradient;
                assert_eq!(found, expected);
            });
        }
    });
}
