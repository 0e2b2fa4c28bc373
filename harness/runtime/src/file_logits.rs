use crate::{Error, ModelBytes, ModelSpec, OutputKind, Provider, ShippedModel};
use attack::{OracleError, Predictor};
use graph::{Model, OutputCut};
use ndarray::{Array2, ArrayView2};

/// The logits of a quantized file as its own integers give them: in front of the softmax or sigmoid, whose quantized values are
/// equal for most points of a confident row.
///
/// The graph that is differentiated computes the same with floats between the roundings, so that a sum may fall on the other
/// side of half a step there.
#[derive(Debug)]
pub(crate) struct FileLogits {
    bytes: ModelBytes,
    spec: ModelSpec,
    batch: usize,
    provider: Provider,
    /// Scale and zero point, where the logits are integers.
    stand_for: Option<(f32, i64)>,
}

/// [`FileLogits`], ready to run.
#[derive(Debug)]
pub(crate) struct OpenFileLogits {
    model: ShippedModel,
    kind: OutputKind,
    stand_for: Option<(f32, i64)>,
}

impl FileLogits {
    /// Those of a file that rounds to integers on the way to scores of classes; `cut` is what ends the file after its logits.
    ///
    /// Errors: ONNX Runtime refuses the value in front of the cut as an output, or it is not one number a class and row.
    pub(crate) fn of(
        model: &Model,
        bytes: &ModelBytes,
        spec: &ModelSpec,
        cut: Option<&OutputCut>,
        batch: usize,
        provider: Provider,
    ) -> Result<Option<Self>, Error> {
        if !model.is_quantized() || spec.scores_rows() {
            return Ok(None);
        }
        let activation = cut.and_then(|cut| cut.node.as_ref());
        let logits = match activation {
            Some((op, _)) => model.in_front_of(op, &spec.output).unwrap_or(&spec.output),
            None => &spec.output,
        };
        let (mut graph, _) = model.smallest()?;
        let Some(value) = graph.find(logits) else { return Ok(None) };
        let dtype = graph.value(value).dtype();
        graph.set_outputs(vec![value]);
        let kind = match spec.kind {
            OutputKind::Sigmoid if activation.is_some() => OutputKind::Sigmoid,
            _ => OutputKind::Logits,
        };
        let mut bytes = bytes.clone();
        if model.outputs().iter().all(|output| output.name != logits) {
            bytes.model = graph::with_output(&bytes.model, logits, dtype).into();
        }
        let stand_for = if dtype.is_float() { None } else { graph::output_scale(&graph) };
        let spec = ModelSpec { output: logits.to_owned(), kind, ..spec.clone() };
        let logits = Self { bytes, spec, batch, provider, stand_for };
        logits.open()?;
        Ok(Some(logits))
    }

    /// Errors: as [`ShippedModel::new`].
    pub(crate) fn open(&self) -> Result<OpenFileLogits, Error> {
        let model = ShippedModel::new(&self.bytes, &self.spec, self.batch, self.provider)?;
        Ok(OpenFileLogits { model, kind: self.spec.kind, stand_for: self.stand_for })
    }
}

impl OpenFileLogits {
    /// Shapes: canonical rows to `[N, K]`.
    /// Errors: a run fails.
    pub(crate) fn logits(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError> {
        let mut logits = self.model.predict(x)?;
        match (self.kind, self.stand_for) {
            // The judge's scores of a sigmoid are (0.5, p), with the logit in the place of p here.
            (OutputKind::Sigmoid, _) => logits.column_mut(0).fill(0.0),
            (_, Some((scale, zero_point))) => logits.mapv_inplace(|q| (q - zero_point as f32) * scale),
            _ => {}
        }
        Ok(logits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handmade::{FLOAT, File, INT8, Ints};
    use crate::{Prepared, Provider};
    use attack::{LossHead, Oracle, argmax};
    use graph::InputMap;
    use graph::check::Splitmix;

    const WIDTH: usize = 16;
    const ROWS: usize = 400;
    const Z_SCALE: f32 = 0.117;

    /// A dense layer between quantizers, its integer result `z`, and on it what `ending` makes of it.
    fn file(classes: usize, ending: impl FnOnce(File) -> File) -> ModelBytes {
        let weights: Vec<i64> =
            Splitmix::new(3).tensor(&[WIDTH, classes], -64.0, 64.0).to_f64().iter().map(|w| *w as i64).collect();
        let file = File::new().input("in", FLOAT, &["N", "16"]);
        let file = file.floats("x_scale", &[], &[0.0078]).integers("zero", INT8, &[], &[0]);
        let file = file.integers("w", INT8, &[WIDTH, classes], &weights).floats("w_scale", &[], &[0.05]);
        let file = file.floats("z_scale", &[], &[Z_SCALE]).integers("z_zero", INT8, &[], &[-7]);
        let file = file.floats("p_scale", &[], &[1.0 / 256.0]).integers("p_zero", INT8, &[], &[-128]);
        let file = file.node("QuantizeLinear", &["in", "x_scale", "zero"], "x");
        let inputs = ["x", "x_scale", "zero", "w", "w_scale", "zero", "z_scale", "z_zero"];
        let file = file.node("QLinearMatMul", &inputs, "z");
        ModelBytes::new(ending(file).bytes())
    }

    /// A file with an operator at its end.
    type Form = fn(File, &'static str) -> File;

    /// The forms in which exporters write an activation of integers.
    fn forms() -> [(&'static str, Form); 3] {
        [
            ("quantizers around a float operator", |file, op| {
                let file = file.node("DequantizeLinear", &["z", "z_scale", "z_zero"], "zr");
                let file = file.node(op, &["zr"], "pr").node("QuantizeLinear", &["pr", "p_scale", "p_zero"], "p");
                file.output("p", INT8, &["N", "K"])
            }),
            ("a float output", |file, op| {
                let file = file.node("DequantizeLinear", &["z", "z_scale", "z_zero"], "zr").node(op, &["zr"], "p");
                file.output("p", FLOAT, &["N", "K"])
            }),
            ("an operator of integers", |file, op| {
                let inputs = ["z", "z_scale", "z_zero", "p_scale", "p_zero"];
                let file = match op {
                    "Softmax" => {
                        let attributes = [("axis", Ints::One(1)), ("opset", Ints::One(13))];
                        file.node_with("com.microsoft.QLinearSoftmax", &inputs, "p", &attributes)
                    }
                    _ => file.node("com.microsoft.QLinearSigmoid", &inputs, "p"),
                };
                file.output("p", INT8, &["N", "K"])
            }),
        ]
    }

    fn prepared(bytes: ModelBytes, classes: usize, kind: OutputKind) -> Prepared {
        let spec =
            ModelSpec { input: "in".into(), map: InputMap::identity(&[WIDTH]), output: "p".into(), classes, kind };
        Prepared::new(bytes, spec, &[LossHead::CrossEntropy], Provider::Cpu).unwrap()
    }

    fn rows() -> Array2<f32> {
        let x = Splitmix::new(4).tensor(&[ROWS, WIDTH], -1.0, 1.0).to_f64();
        Array2::from_shape_vec((ROWS, WIDTH), x.into_iter().map(|x| x as f32).collect()).unwrap()
    }

    /// What the file rounds to, from its integers.
    fn whole(logits: &Array2<f32>) {
        let off = |z: &f32| (z / Z_SCALE - (z / Z_SCALE).round()).abs() > 1e-3;
        assert!(!logits.iter().any(off), "logits between the steps of the file's own");
    }

    #[test]
    fn the_logits_of_every_form_order_classes_as_the_file_does_and_tell_more_apart() {
        let x = rows();
        let mut before: Option<Array2<f32>> = None;
        for (form, ending) in forms() {
            let prepared = prepared(file(5, |file| ending(file, "Softmax")), 5, OutputKind::Softmax);
            assert!(prepared.has_file_logits(), "{form}");
            let logits = prepared.attack_oracle().unwrap().logits(x.view()).unwrap();
            whole(&logits);
            let scores = prepared.predictor().unwrap().predict(x.view()).unwrap();
            for (logits, scores) in logits.rows().into_iter().zip(scores.rows()) {
                let (class, _) = argmax(logits.as_slice().unwrap());
                assert!(scores.iter().all(|score| *score <= scores[class]), "{form}: {logits} and {scores}");
            }
            let kinds = |scores: &Array2<f32>| {
                let mut all: Vec<Vec<u32>> =
                    scores.rows().into_iter().map(|row| row.iter().map(|z| z.to_bits()).collect()).collect();
                all.sort();
                all.dedup();
                all.len()
            };
            assert!(kinds(&logits) >= kinds(&scores), "{form}");
            if let Some(before) = &before {
                assert_eq!(before, &logits, "{form}");
            }
            before = Some(logits);
        }
    }

    #[test]
    fn a_sigmoid_has_the_logit_in_front_of_it() {
        let x = rows();
        for (form, ending) in forms() {
            let prepared = prepared(file(1, |file| ending(file, "Sigmoid")), 2, OutputKind::Sigmoid);
            let logits = prepared.attack_oracle().unwrap().logits(x.view()).unwrap();
            whole(&logits);
            let scores = prepared.predictor().unwrap().predict(x.view()).unwrap();
            for (logits, scores) in logits.rows().into_iter().zip(scores.rows()) {
                assert_eq!(logits[0], 0.0, "{form}");
                assert!((logits[1] > 0.0) == (scores[1] > 0.5) || scores[1] == 0.5, "{form}: {logits} and {scores}");
            }
        }
    }

    #[test]
    fn where_integers_end_the_file_they_are_its_logits() {
        let prepared = prepared(
            file(5, |file| file.node("Identity", &["z"], "p").output("p", INT8, &["N", "5"])),
            5,
            OutputKind::Logits,
        );
        let logits = prepared.attack_oracle().unwrap().logits(rows().view()).unwrap();
        whole(&logits);
        let scores = prepared.predictor().unwrap().predict(rows().view()).unwrap();
        assert_eq!(logits, scores.mapv(|q| (q + 7.0) * Z_SCALE));
    }

    #[test]
    fn a_file_of_floats_has_none() {
        let weights: Vec<f32> = (0..WIDTH * 2).map(|at| at as f32).collect();
        let file = File::new().input("in", FLOAT, &["N", "16"]).output("p", FLOAT, &["N", "2"]);
        let file =
            file.floats("w", &[WIDTH, 2], &weights).node("MatMul", &["in", "w"], "z").node("Softmax", &["z"], "p");
        let prepared = prepared(ModelBytes::new(file.bytes()), 2, OutputKind::Softmax);
        assert!(!prepared.has_file_logits());
    }
}
