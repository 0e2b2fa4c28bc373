//! The judge and the oracle on autoencoders whose scores are known exactly.

use crate::handmade::{FLOAT, File, INT8, Ints, UINT8};
use crate::{Error, ModelBytes, ModelSpec, OutputKind, Prepared, Provider};
use attack::{Loss, LossHead, Oracle, Predictor, argmax};
use graph::check::Splitmix;
use graph::{DType, InputMap, Quantize};
use ndarray::{Array2, array};

const HEADS: [LossHead; 4] = [LossHead::CrossEntropy, LossHead::Margin, LossHead::Linear, LossHead::Kl];
const FLOAT16: u64 = 10;

/// `[N, 4]` to its positive part, so that the score is the mean of the squares of what is negative.
fn positive_part(dtype: u64) -> File {
    File::new().input("in", dtype, &["N", "4"]).output("out", dtype, &["N", "4"]).node("Relu", &["in"], "out")
}

fn spec(threshold: f32) -> ModelSpec {
    let (input, output) = ("in".to_owned(), "out".to_owned());
    ModelSpec { input, map: InputMap::identity(&[4]), output, classes: 2, kind: OutputKind::Score { threshold } }
}

fn prepare(file: File, spec: ModelSpec) -> Result<Prepared, Error> {
    Prepared::new(ModelBytes::new(file.bytes()), spec, &HEADS, Provider::Cpu)
}

fn refusal(file: File, spec: ModelSpec) -> String {
    prepare(file, spec).map(|_| ()).unwrap_err().to_string()
}

fn rows(count: usize) -> Array2<f32> {
    let values = Splitmix::new(3).tensor(&[count, 4], -1.0, 1.0).to_f64();
    Array2::from_shape_vec((count, 4), values.into_iter().map(|value| value as f32).collect()).unwrap()
}

/// The mean of the squares of what is negative, in f64.
fn score(x: impl IntoIterator<Item = f64>) -> f32 {
    (x.into_iter().map(|x| x.min(0.0).powi(2)).sum::<f64>() / 4.0) as f32
}

/// The logit of a score where the threshold is 0.25.
fn logit(score: f32) -> f32 {
    ((f64::from(score) * 2.0 + 0.5).sqrt() as f32 - 1.0) / 2.0
}

#[test]
fn the_judge_gives_the_threshold_and_the_score() {
    let prepared = prepare(positive_part(FLOAT), spec(0.25)).unwrap();
    let x = rows(70);
    let scores = prepared.predictor().unwrap().predict(x.view()).unwrap();
    for (x, scores) in x.rows().into_iter().zip(scores.rows()) {
        assert_eq!(scores.to_vec(), [0.25, score(x.iter().map(|&x| f64::from(x)))]);
    }
    let mut judge = prepared.predictor().unwrap();
    let mut class_of = |x: [f32; 4]| argmax(&judge.predict(array![x].view()).unwrap().row(0).to_vec());
    assert_eq!(class_of([1.0, -1.0, 3.0, 0.0]), (0, true), "a score that equals the threshold is normal, and a tie");
    assert_eq!(class_of([1.0, -1.001, 3.0, 0.0]), (1, false));
    assert_eq!(class_of([1.0, -0.999, 3.0, 0.0]), (0, false));
    assert_eq!(
        prepared.notes(),
        [
            "output `out` is a reconstruction: the score of a row is its mean squared difference from the input; class 1 is \
             predicted if it is above 0.25, equality is a tie and class 0",
            "attacks see the root of the score, in thresholds, as a logit"
        ]
    );
    assert_eq!((prepared.output_cut(), prepared.spec().scores_rows()), (None, true));
}

#[test]
fn a_difference_is_one_of_what_the_file_is_given() {
    let mut twice = spec(0.25);
    twice.map = InputMap { scale: vec![2.0], offset: vec![-1.0], ..InputMap::identity(&[4]) };
    let prepared = prepare(positive_part(FLOAT), twice).unwrap();
    let x = rows(5);
    let scores = prepared.predictor().unwrap().predict(x.view()).unwrap();
    for (x, scores) in x.rows().into_iter().zip(scores.rows()) {
        assert_eq!(scores[1], score(x.iter().map(|&x| f64::from(x * 2.0 - 1.0))));
    }
    // 0.1 is 0.0999755859375 in half precision.
    let prepared = prepare(positive_part(FLOAT16), spec(0.25)).unwrap();
    let scores = prepared.predictor().unwrap().predict(array![[-0.1, 0.5, 0.5, 0.5]].view()).unwrap();
    assert_eq!(scores[[0, 1]], score([-0.0999755859375]));
}

/// int8 and uint8 with steps of their own at both ends; every number here is a whole number of them.
#[test]
fn integers_count_as_what_they_stand_for() {
    for (onnx, dtype, zero) in [(INT8, DType::I8, -8), (UINT8, DType::U8, 128)] {
        let file = File::new().input("in", onnx, &["N", "4"]).output("out", onnx, &["N", "4"]);
        let file = file.floats("xs", &[], &[0.5]).integers("xz", onnx, &[], &[zero]);
        let file = file.floats("ys", &[], &[0.25]).integers("yz", onnx, &[], &[zero + 3]);
        let file = file.node("DequantizeLinear", &["in", "xs", "xz"], "x").node("Relu", &["x"], "y");
        let mut integers = spec(0.25);
        integers.map.quantize = Some(Quantize { scale: 0.5, zero_point: zero, dtype });
        let prepared = prepare(file.node("QuantizeLinear", &["y", "ys", "yz"], "out"), integers).unwrap();
        let x = array![[-1.0, 2.0, -0.5, 4.0], [0.0, 1.5, 2.0, 3.0], [-1.0, 0.0, 0.0, 0.0]];
        let scores = prepared.predictor().unwrap().predict(x.view()).unwrap();
        assert_eq!(scores.column(1).to_vec(), [1.25 / 4.0, 0.0, 0.25]);
        let logits = prepared.oracle().unwrap().logits(x.view()).unwrap();
        let near = |found: f32, expected: f32| (found - expected).abs() <= 1e-6;
        assert!(logits.column(1).iter().zip(&scores.column(1)).all(|(&e, &score)| near(e, logit(score))), "{logits}");
        assert_eq!(logits.row(2).to_vec(), [0.0, 0.0]);
        // Straight through both quantizers: (x - y) / 2 of the score, where x is negative, and 1 / (8 threshold root) of it.
        let loss = Loss::linear(array![[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]);
        let gradient = prepared.oracle().unwrap().gradient(x.view(), &loss).unwrap().gradient;
        let slope = 1.0 / (2.0 * (1.0 + 2.0 * logit(scores[[0, 1]])));
        let expected = [-0.5 * slope, 0.0, -0.25 * slope, 0.0];
        assert!(gradient.row(0).iter().zip(expected).all(|(&found, expected)| near(found, expected)), "{gradient}");
    }
}

#[test]
fn judge_and_oracle_agree_about_the_side_of_the_threshold() {
    let prepared = prepare(positive_part(FLOAT), spec(0.25)).unwrap();
    let x = rows(200) * 1.5;
    let scores = prepared.predictor().unwrap().predict(x.view()).unwrap();
    let logits = prepared.oracle().unwrap().logits(x.view()).unwrap();
    for (scores, logits) in scores.rows().into_iter().zip(logits.rows()) {
        assert_eq!(argmax(&scores.to_vec()), argmax(&logits.to_vec()), "{scores} {logits}");
        // Four squares in f32.
        assert!((logits[1] - logit(scores[1])).abs() < 1e-6 && logits[0] == -logits[1], "{scores} {logits}");
    }
}

#[test]
fn what_is_no_autoencoder_is_refused() {
    let file = || File::new().input("in", FLOAT, &["N", "4"]);
    let narrow = file().output("out", FLOAT, &["N", "3"]).floats("w", &[4, 3], &[0.5; 12]);
    let text = refusal(narrow.node("MatMul", &["in", "w"], "out"), spec(0.25));
    let expected = "has to be a reconstruction in the input's shape [1, 4], the file gives [1, 3]\nhint: ";
    assert!(text.contains(expected), "{text}");
    let picture = File::new().input("in", FLOAT, &["N", "2", "2"]).output("out", FLOAT, &["N", "4"]);
    let text =
        refusal(picture.node("Flatten", &["in"], "out"), ModelSpec { map: InputMap::identity(&[2, 2]), ..spec(0.25) });
    assert!(text.contains("the input's shape [1, 2, 2], the file gives [1, 4]"), "{text}");
    let one = file().output("out", FLOAT, &["N", "1"]).floats("w", &[4, 1], &[0.5; 4]);
    let text = refusal(one.node("MatMul", &["in", "w"], "out"), spec(0.25));
    assert!(text.contains("a file that gives the score itself is not supported"), "{text}");
    let text = refusal(positive_part(FLOAT), ModelSpec { classes: 4, ..spec(0.25) });
    assert!(text.contains("declared a score, which tells 2 classes apart, not 4"), "{text}");
    let integer = file().output("out", INT8, &["N", "4"]);
    let text = refusal(integer.node_with("Cast", &["in"], "out", &[("to", Ints::One(INT8))]), spec(0.25));
    assert!(text.contains("`out` is int8") && text.contains("no QuantizeLinear"), "{text}");
}
