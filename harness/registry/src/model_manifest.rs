use crate::name::{check_name, check_relative_path};
use crate::{Digest, Error, Training, yaml};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known of a model besides its bytes: `manifest.yaml` in the model's folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelManifest {
    /// Its name; in a registry the name of its folder.
    pub name: String,
    /// Every file of the model with its digest: one `.onnx` and its external data files.
    pub files: BTreeMap<String, Digest>,
    /// What the file wants.
    pub input: InputSpec,
    /// What the file gives.
    pub output: OutputSpec,
    /// The data set that the model is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Its licence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<String>,
    /// How it was trained, where that was done by this program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
}

/// The input tensor of a model file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Name of the graph input.
    pub name: String,
    /// Element type.
    pub dtype: ElementType,
    /// Order of the axes.
    pub layout: Layout,
    /// Dimensions of one row, without the batch.
    #[serde(serialize_with = "yaml::on_one_line")]
    pub shape: Vec<usize>,
    /// What 0 and 1 of the data set's unit interval become.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "yaml::on_one_line")]
    pub range: Option<[f64; 2]>,
    /// Subtracted after `range`, one for all or one per channel.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "yaml::on_one_line")]
    pub mean: Option<Vec<f64>>,
    /// Divides after `mean`, one for all or one per channel.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "yaml::on_one_line")]
    pub std: Option<Vec<f64>>,
    /// Step of an integer input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// The integer that stands for zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zero_point: Option<i64>,
    /// `raw`: there is no unit interval, the data set has the model's own units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<Units>,
}

/// The output tensor of a model file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSpec {
    /// Name of the graph output.
    pub name: String,
    /// What its numbers are.
    pub kind: OutputKind,
    /// How many classes the output tells apart: as many as a row has outputs, or 2 where that is one probability or a
    /// reconstruction.
    pub classes: usize,
    /// Of `kind: score`: a row is anomalous, class 1, if its score is above this, and normal, class 0, if it is not. Both are
    /// compared as float32, to the nearest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// For each class of the data set, the output that is right. Absent: class `i` is output `i`. The outputs of one
    /// probability are 0, where it is at most a half, and 1; those of a score 0, where it is at most the threshold, and 1.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "yaml::on_one_line")]
    pub labels: Option<Vec<usize>>,
}

/// Element types of model inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ElementType {
    /// IEEE binary32.
    Float32,
    /// IEEE binary16.
    Float16,
    /// Signed 8-bit.
    Int8,
    /// Unsigned 8-bit.
    Uint8,
}

impl ElementType {
    /// Smallest and largest integer; `None` for floats.
    pub fn int_range(self) -> Option<(i64, i64)> {
        match self {
            Self::Float32 | Self::Float16 => None,
            Self::Int8 => Some((-128, 127)),
            Self::Uint8 => Some((0, 255)),
        }
    }
}

/// Order of the axes of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// Rows are height, width, channels.
    #[serde(rename = "NHWC")]
    Nhwc,
    /// Rows are channels, height, width.
    #[serde(rename = "NCHW")]
    Nchw,
    /// Rows are the data set's own values in its own order, whatever the dimensions.
    #[serde(rename = "flat")]
    Flat,
}

impl Layout {
    /// The axis of a row that holds channels; `None` for [`Layout::Flat`].
    pub fn channel_axis(self) -> Option<usize> {
        match self {
            Self::Nhwc => Some(2),
            Self::Nchw => Some(0),
            Self::Flat => None,
        }
    }
}

/// Units other than the unit interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Units {
    /// The model's own.
    Raw,
}

/// What the numbers of an output are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputKind {
    /// Unnormalised class scores.
    Logits,
    /// Class probabilities.
    Softmax,
    /// One probability, of the second of two classes: it is predicted if the probability is above a half.
    Sigmoid,
    /// A reconstruction of the input. Its error is the score of a row: the mean over elements of the squared difference
    /// between the input and the output, of what integers stand for. A threshold makes it two classes.
    Score,
}

impl ModelManifest {
    /// Reads a manifest; `place` is its path for messages.
    ///
    /// Errors: [`Error::Yaml`] with the position, or [`Error::Invalid`] with the key.
    pub fn parse(place: &str, text: &str) -> Result<Self, Error> {
        let manifest: Self = yaml::parse(place, text)?;
        manifest.check().map_err(|reason| Error::invalid(place, reason))?;
        Ok(manifest)
    }

    /// The name of the `.onnx` file.
    pub fn onnx_file(&self) -> &str {
        self.files.keys().find(|name| is_onnx(name)).expect("a checked manifest has one .onnx file")
    }

    /// Whether every key says something that can be.
    ///
    /// Errors: which key, what was found and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        check_name(&self.name).map_err(|reason| format!("`name`: {reason}"))?;
        for name in self.files.keys() {
            check_relative_path(name).map_err(|reason| format!("`files`: `{name}`: {reason}"))?;
            if name == "manifest.yaml" {
                return Err("`files`: the manifest cannot hold its own digest".to_owned());
            }
        }
        let onnx = self.files.keys().filter(|name| is_onnx(name)).count();
        if onnx != 1 {
            return Err(format!("`files`: there must be one `.onnx` file, found {onnx}"));
        }
        if let Some(dataset) = &self.dataset {
            check_name(dataset).map_err(|reason| format!("`dataset`: {reason}"))?;
        }
        if let Some(training) = &self.training {
            training.check().map_err(|reason| format!("`training`: {reason}"))?;
        }
        self.input.check().map_err(|reason| format!("`input`: {reason}"))?;
        self.output.check().map_err(|reason| format!("`output`: {reason}"))
    }
}

fn is_onnx(name: &str) -> bool {
    name.ends_with(".onnx")
}

impl InputSpec {
    fn check(&self) -> Result<(), String> {
        if self.name.is_empty() {
            return Err("`name` is empty".to_owned());
        }
        check_shape(self.layout, &self.shape)?;
        self.check_units()?;
        self.check_quantization()
    }

    fn check_units(&self) -> Result<(), String> {
        match (self.range, self.units) {
            (None, None) => {
                return Err("needs `range: [low, high]`, what 0 and 1 of the data become, or `units: raw`".to_owned());
            }
            (Some(_), Some(Units::Raw)) => return Err("`range` and `units: raw` exclude each other".to_owned()),
            (Some([low, high]), None) if !(low.is_finite() && high.is_finite() && low < high) => {
                return Err(format!("`range: [{low}, {high}]` must be two finite numbers, the smaller one first"));
            }
            _ => {}
        }
        let channels = self.layout.channel_axis().map_or(1, |axis| self.shape[axis]);
        for (key, values) in [("mean", &self.mean), ("std", &self.std)] {
            let Some(values) = values else { continue };
            if values.len() != 1 && values.len() != channels {
                return Err(format!("`{key}` has {} numbers, there must be 1 or {channels}", values.len()));
            }
            if let Some(value) = values.iter().find(|value| !value.is_finite() || (key == "std" && **value <= 0.0)) {
                let positive = if key == "std" { " and positive" } else { "" };
                return Err(format!("`{key}` has {value}, each must be finite{positive}"));
            }
        }
        Ok(())
    }

    fn check_quantization(&self) -> Result<(), String> {
        match (self.dtype.int_range(), self.scale, self.zero_point) {
            (None, None, None) => Ok(()),
            (None, ..) => Err("`scale` and `zero_point` belong to an integer `dtype`".to_owned()),
            (Some((low, high)), Some(scale), Some(zero_point)) => {
                if !(scale.is_finite() && scale > 0.0) {
                    return Err(format!("`scale: {scale}` must be finite and positive"));
                }
                if !(low..=high).contains(&zero_point) {
                    return Err(format!("`zero_point: {zero_point}` is not in {low}..={high}"));
                }
                Ok(())
            }
            (Some(_), ..) => Err("an integer `dtype` needs `scale` and `zero_point`".to_owned()),
        }
    }
}

/// Whether it is positive and keeps all its digits in float32.
fn is_threshold(threshold: f64) -> bool {
    (threshold as f32).is_normal() && threshold > 0.0
}

/// Whether a row shape fits its layout and stays within 2^28 values.
pub(crate) fn check_shape(layout: Layout, shape: &[usize]) -> Result<(), String> {
    let rank = if layout == Layout::Flat { 1..=8 } else { 3..=3 };
    let values = shape.iter().try_fold(1usize, |product, dim| product.checked_mul(*dim));
    if !rank.contains(&shape.len()) {
        let wanted = if layout == Layout::Flat { "1 to 8" } else { "3" };
        return Err(format!("`shape: {shape:?}` must have {wanted} dimensions for its layout, without the batch"));
    }
    if !values.is_some_and(|values| (1..=1 << 28).contains(&values)) {
        return Err(format!("`shape: {shape:?}` must have between 1 and 2^28 values"));
    }
    Ok(())
}

impl OutputSpec {
    fn check(&self) -> Result<(), String> {
        if self.name.is_empty() {
            return Err("`name` is empty".to_owned());
        }
        self.check_threshold()?;
        let least = if matches!(self.kind, OutputKind::Logits | OutputKind::Softmax) { 2 } else { 1 };
        if !(least..=100_000).contains(&self.classes) {
            return Err(format!("`classes: {}` must be at least {least} and at most 100000", self.classes));
        }
        if self.kind == OutputKind::Sigmoid && self.classes != 2 {
            return Err(format!(
                "`classes: {}` must be 2 for `kind: sigmoid`: one probability a row tells two classes apart; several labels \
                 with a probability of their own are not supported",
                self.classes
            ));
        }
        if self.kind == OutputKind::Score && self.classes != 2 {
            return Err(format!(
                "`classes: {}` must be 2 for `kind: score`: a threshold tells normal (0) and anomalous (1) apart",
                self.classes
            ));
        }
        let Some(labels) = &self.labels else { return Ok(()) };
        if labels.is_empty() {
            return Err("`labels` is empty, there must be one output for each class of the data set".to_owned());
        }
        match labels.iter().find(|label| **label >= self.classes) {
            Some(label) => Err(format!("`labels` has {label}, outputs are 0 to {}", self.classes - 1)),
            None => Ok(()),
        }
    }

    fn check_threshold(&self) -> Result<(), String> {
        match (self.kind, self.threshold) {
            (OutputKind::Score, None) => {
                Err("`kind: score` needs `threshold`, the score above which a row is anomalous, \
                                              such as a high percentile of the scores of normal rows"
                    .to_owned())
            }
            (OutputKind::Score, Some(threshold)) if !is_threshold(threshold) => Err(format!(
                "`threshold: {threshold}` must be positive, as scores are, and between {:e} and {:e}",
                f32::MIN_POSITIVE,
                f32::MAX
            )),
            (OutputKind::Logits | OutputKind::Softmax | OutputKind::Sigmoid, Some(_)) => {
                Err("`threshold` belongs to `kind: score`".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The output that is right for class `class` of the data set; `None` where `labels` does not say.
    pub fn label(&self, class: usize) -> Option<usize> {
        match &self.labels {
            Some(labels) => labels.get(class).copied(),
            None => (class < self.classes).then_some(class),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
name: resnet8-cifar10
files: { model.onnx: b3996cbf8959644aa600b11627a8c49141eb4467306d0a01dc3e077ff5fd3c27 }
input: { name: input, dtype: float32, layout: NHWC, shape: [32, 32, 3], range: [0, 255] }
output: { name: dense, kind: softmax, classes: 10 }
dataset: cifar10
licence: Apache-2.0
provenance: MLPerf Tiny image classification reference, converted from Keras
";

    fn refusal(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        ModelManifest::parse("m.yaml", &GOOD.replace(from, to)).expect_err(to).to_string()
    }

    #[test]
    fn the_manifest_of_the_design_is_read_and_written() {
        let manifest = ModelManifest::parse("m.yaml", GOOD).unwrap();
        assert_eq!(manifest.input.range, Some([0.0, 255.0]));
        assert_eq!(manifest.onnx_file(), "model.onnx");
        let text = yaml::to_string("m.yaml", &manifest).unwrap();
        assert_eq!(ModelManifest::parse("m.yaml", &text).unwrap(), manifest);
    }

    #[test]
    fn integer_and_raw_inputs_are_read() {
        for input in [
            "dtype: int8, scale: 1.0, zero_point: -128, layout: NHWC, shape: [32, 32, 3], range: [0, 255]",
            "dtype: int8, scale: 0.5847029, zero_point: 83, layout: NHWC, shape: [49, 10, 1], units: raw",
            "dtype: float32, layout: NCHW, shape: [3, 32, 32], range: [0, 1], mean: [0.5, 0.4, 0.3], std: [0.2]",
            "dtype: float16, layout: flat, shape: [784, 1], range: [0, 1]",
        ] {
            let text = GOOD.replace("dtype: float32, layout: NHWC, shape: [32, 32, 3], range: [0, 255]", input);
            ModelManifest::parse("m.yaml", &text).unwrap();
        }
    }

    #[test]
    fn a_score_has_a_threshold() {
        let manifest =
            ModelManifest::parse("m.yaml", &GOOD.replace("softmax, classes: 10", "score, classes: 2, threshold: 11.5"));
        let manifest = manifest.unwrap();
        assert_eq!((manifest.output.kind, manifest.output.threshold), (OutputKind::Score, Some(11.5)));
        let text = yaml::to_string("m.yaml", &manifest).unwrap();
        assert_eq!(ModelManifest::parse("m.yaml", &text).unwrap(), manifest);
        let others = yaml::to_string("m.yaml", &ModelManifest::parse("m.yaml", GOOD).unwrap()).unwrap();
        assert!(!others.contains("threshold"), "{others}");
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_key() {
        for (from, to, expected) in [
            ("dtype: float32", "dtipe: float32", "m.yaml:3:23: unknown key `dtipe`"),
            ("softmax", "softmux", "did you mean `softmax`?"),
            ("name: resnet8-cifar10", "name: ../x", "`name`"),
            ("name: resnet8-cifar10", "name: -x", "`name`"),
            ("model.onnx", "a/../model.onnx", "`files`"),
            ("model.onnx", "model.bin", "one `.onnx` file, found 0"),
            ("b3996c", "B3996c", "64 lower-case hexadecimal digits"),
            ("classes: 10", "classes: 1", "at least 2"),
            ("classes: 10", "classes: 10, labels: [0, 10]", "outputs are 0 to 9"),
            ("classes: 10", "classes: 10, labels: []", "`labels` is empty"),
            ("softmax, classes: 10", "sigmoid, classes: 10", "must be 2 for `kind: sigmoid`"),
            ("softmax, classes: 10", "sigmoid, classes: 1", "one probability a row"),
            ("softmax, classes: 10", "score, classes: 2", "`kind: score` needs `threshold`, the score above which"),
            ("softmax, classes: 10", "score, classes: 10, threshold: 1", "must be 2 for `kind: score`"),
            ("softmax, classes: 10", "score, classes: 1, threshold: 1", "must be 2 for `kind: score`"),
            ("softmax, classes: 10", "score, classes: 2, threshold: 0", "`threshold: 0` must be positive"),
            ("softmax, classes: 10", "score, classes: 2, threshold: -1", "`threshold: -1` must be positive"),
            ("softmax, classes: 10", "score, classes: 2, threshold: .nan", "must be positive"),
            ("softmax, classes: 10", "score, classes: 2, threshold: 1e-40", "between 1.1754944e-38 and"),
            ("softmax, classes: 10", "score, classes: 2, threshold: 1e39", "must be positive"),
            ("softmax, classes: 10", "score, classes: 2, threshold: 1, labels: [0, 2]", "outputs are 0 to 1"),
            ("classes: 10", "classes: 10, threshold: 1", "`threshold` belongs to `kind: score`"),
            ("[32, 32, 3]", "[32, 32]", "3 dimensions"),
            ("[32, 32, 3]", "[32, 0, 3]", "between 1 and 2^28"),
            ("[32, 32, 3]", "[4294967296, 4294967296, 3]", "between 1 and 2^28"),
            ("[0, 255]", "[255, 0]", "smaller one first"),
            ("[0, 255]", "[0, .inf]", "finite"),
            ("[0, 255]", "[0, .nan]", "finite"),
            (", range: [0, 255]", "", "needs `range"),
            ("range: [0, 255]", "range: [0, 255], units: raw", "exclude each other"),
            ("range: [0, 255]", "range: [0, 255], mean: [1, 2]", "there must be 1 or 3"),
            ("range: [0, 255]", "range: [0, 255], std: [1, 0, 1]", "finite and positive"),
            ("range: [0, 255]", "range: [0, 255], scale: 1", "belong to an integer"),
            ("float32", "int8", "needs `scale` and `zero_point`"),
            ("float32", "int8, scale: 0, zero_point: 0", "finite and positive"),
            ("float32", "uint8, scale: 1, zero_point: -1", "not in 0..=255"),
            ("dataset: cifar10", "dataset: a/b", "`dataset`"),
        ] {
            let text = refusal(from, to);
            assert!(text.contains(expected), "{to}: {text}");
        }
    }

    #[test]
    fn labels_map_classes_to_outputs() {
        let mut output = ModelManifest::parse("m", GOOD).unwrap().output;
        assert_eq!((output.label(9), output.label(10)), (Some(9), None));
        output.labels = Some(vec![0, 1, 1]);
        assert_eq!((output.label(2), output.label(3)), (Some(1), None));
    }
}
