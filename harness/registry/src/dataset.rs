use crate::dataset_manifest::DataUnits;
use crate::{DatasetManifest, Digest, Error, Layout};
use std::ops::Range;

/// One split of a data set in memory, its bytes verified. Rows become float on demand.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// Which part.
    pub split: String,
    /// Dimensions of a row.
    pub shape: Vec<usize>,
    /// Order of the axes of a row.
    pub layout: Layout,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// What values a row may have.
    pub domain: PixelDomain,
    /// The grid that the rows are on, where raw units are stored as integers.
    pub quantization: Option<Quantization>,
    /// SHA-256 over everything that decides the rows.
    pub digest: Digest,
    values: Values,
    labels: Vec<u16>,
}

/// What values a canonical row may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelDomain {
    /// `Some(255)`: every value is `k / 255`.
    pub levels: Option<u32>,
    /// Smallest value; may be infinite.
    pub lower: f32,
    /// Largest value; may be infinite.
    pub upper: f32,
    /// The unit interval or the model's own units.
    pub units: DataUnits,
}

/// Raw data stored as integers: the value of `q` is `(q - zero_point) * scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantization {
    /// The value of one step.
    pub scale: f32,
    /// The integer that stands for zero.
    pub zero_point: i64,
    /// The smallest integer of the stored type.
    pub low: i64,
    /// The largest integer of the stored type.
    pub high: i64,
}

impl Quantization {
    fn value(self, integer: i64) -> f32 {
        (integer - self.zero_point) as f32 * self.scale
    }
}

/// Some rows of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// Canonical values, row after row.
    pub x: Vec<f32>,
    /// Class numbers of the data set.
    pub labels: Vec<usize>,
    /// SHA-256 of each row's values as little-endian float32.
    pub digests: Vec<[u8; 32]>,
}

/// Stored values, row after row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    U8(Vec<u8>),
    I8(Vec<i8>),
    F32(Vec<f32>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::I8(values) => values.len(),
            Self::F32(values) => values.len(),
        }
    }
}

/// What a format's reader returns: values and labels of all rows, not yet checked.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) values: Values,
    pub(crate) labels: Vec<u64>,
}

impl Dataset {
    /// Checks what a format's reader returned against the manifest.
    ///
    /// Errors: the number of rows, a label or a value is not what the manifest allows.
    pub(crate) fn new(manifest: &DatasetManifest, split: &str, contents: Contents) -> Result<Self, Error> {
        let fail = |reason: String| Error::Data { name: manifest.name.clone(), reason };
        let part = &manifest.splits[split];
        let Contents { values, labels } = contents;
        if labels.len() != part.samples {
            return Err(fail(format!(
                "split `{split}` has {} labels, the manifest says {}",
                labels.len(),
                part.samples
            )));
        }
        if Some(values.len()) != labels.len().checked_mul(manifest.row_len()) {
            let per_row = manifest.row_len();
            let reason = format!("split `{split}` has {} values for {} rows of {per_row}", values.len(), labels.len());
            return Err(fail(reason));
        }
        let classes = manifest.classes.len();
        if let Some(row) = labels.iter().position(|label| *label >= classes as u64) {
            return Err(fail(format!("row {row} has label {}, classes are 0 to {}", labels[row], classes - 1)));
        }
        let (domain, quantization) = domain(manifest, &values);
        if let Values::F32(floats) = &values
            && let Some(at) = floats.iter().position(|value| !(domain.lower..=domain.upper).contains(value))
        {
            let [row, index] = [at / manifest.row_len(), at % manifest.row_len()];
            let allowed = format!("allowed are {} to {}", domain.lower, domain.upper);
            return Err(fail(format!("value {index} of row {row} is {}, {allowed}", floats[at])));
        }
        if let Values::F32(floats) = &values
            && let Some(at) = floats.iter().position(|value| !value.is_finite())
        {
            return Err(fail(format!(
                "row {} holds {}, every value must be finite",
                at / manifest.row_len(),
                floats[at]
            )));
        }
        Ok(Self {
            name: manifest.name.clone(),
            split: split.to_owned(),
            shape: manifest.shape.clone(),
            layout: manifest.layout,
            classes: manifest.classes.clone(),
            domain,
            quantization,
            digest: manifest.digest(part),
            values,
            labels: labels.iter().map(|label| *label as u16).collect(),
        })
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no rows; a manifest allows no such split.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The number of values in a row.
    pub fn row_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The labels of all rows.
    pub fn labels(&self) -> impl Iterator<Item = usize> + '_ {
        self.labels.iter().map(|label| usize::from(*label))
    }

    /// How many rows each class has.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        self.labels().for_each(|label| counts[label] += 1);
        counts
    }

    /// The rows with these indices.
    ///
    /// Shapes: `x` is `[n * row_len]`.
    /// Errors: the range exceeds the data set.
    pub fn rows(&self, range: Range<usize>) -> Result<Samples, Error> {
        self.rows_at(&range.collect::<Vec<_>>())
    }

    /// The rows with these indices, in this order.
    ///
    /// Errors: an index exceeds the data set.
    pub fn rows_at(&self, indices: &[usize]) -> Result<Samples, Error> {
        if let Some(index) = indices.iter().find(|index| **index >= self.len()) {
            let reason = format!("row {index} was asked for, split `{}` has {} rows", self.split, self.len());
            return Err(Error::Data { name: self.name.clone(), reason });
        }
        let mut x = vec![0.0; indices.len() * self.row_len()];
        let mut digests = Vec::with_capacity(indices.len());
        for (index, row) in indices.iter().zip(x.chunks_exact_mut(self.row_len())) {
            self.write_row(*index, row);
            let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
            digests.push(*Digest::of(&bytes).as_bytes());
        }
        let labels = indices.iter().map(|index| usize::from(self.labels[*index])).collect();
        Ok(Samples { x, labels, digests })
    }

    /// The class of one row.
    ///
    /// Panics: there is no such row.
    pub fn label(&self, index: usize) -> usize {
        usize::from(self.labels[index])
    }

    /// Writes the canonical values of one row over `x`.
    ///
    /// Panics: there is no such row, or `x` is not as long as one.
    pub fn write_row(&self, index: usize, x: &mut [f32]) {
        fn write<T: Copy>(values: &[T], x: &mut [f32], value: impl Fn(T) -> f32) {
            assert_eq!(values.len(), x.len(), "a row has that many values");
            x.iter_mut().zip(values).for_each(|(x, stored)| *x = value(*stored));
        }
        let row = index * self.row_len()..(index + 1) * self.row_len();
        match (&self.values, self.quantization) {
            (Values::U8(values), None) => write(&values[row], x, |pixel| f32::from(pixel) / 255.0),
            (Values::U8(values), Some(q)) => write(&values[row], x, |value| q.value(i64::from(value))),
            (Values::I8(values), q) => {
                let q = q.expect("signed integers are raw");
                write(&values[row], x, |value| q.value(i64::from(value)));
            }
            (Values::F32(values), _) => write(&values[row], x, |value| value),
        }
    }
}

fn domain(manifest: &DatasetManifest, values: &Values) -> (PixelDomain, Option<Quantization>) {
    let (low, high) = match values {
        Values::F32(_) => return (manifest.float_domain(), None),
        Values::U8(_) if manifest.units == DataUnits::Unit => {
            return (PixelDomain { levels: Some(255), lower: 0.0, upper: 1.0, units: DataUnits::Unit }, None);
        }
        Values::U8(_) => (0, 255),
        Values::I8(_) => (-128, 127),
    };
    let quantization = Quantization {
        scale: manifest.scale.unwrap_or(1.0) as f32,
        zero_point: manifest.zero_point.unwrap_or(0),
        low,
        high,
    };
    let [lower, upper] = match manifest.range {
        Some([lower, upper]) => [lower as f32, upper as f32],
        None => [quantization.value(low), quantization.value(high)],
    };
    (PixelDomain { levels: None, lower, upper, units: manifest.units }, Some(quantization))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(extra: &str) -> DatasetManifest {
        let digest = Digest::of(b"");
        let text = format!(
            "name: t\nformat: npz\nlayout: NCHW\nshape: [1, 1, 2]\nclasses: [a, b]\n{extra}\nsplits: {{ test: {{ samples: 2, files: {{ t.npz: {digest} }} }} }}\n"
        );
        DatasetManifest::parse("t.yaml", &text).unwrap()
    }

    fn dataset(extra: &str, values: Values, labels: Vec<u64>) -> Result<Dataset, String> {
        Dataset::new(&manifest(extra), "test", Contents { values, labels }).map_err(|error| error.to_string())
    }

    #[test]
    fn bytes_become_exact_fractions_of_255() {
        let all: Vec<u8> = (0..=255).collect();
        let manifest = DatasetManifest { shape: vec![1, 16, 8], ..manifest("units: unit") };
        let contents = Contents { values: Values::U8(all), labels: vec![0, 1] };
        let dataset = Dataset::new(&manifest, "test", contents).unwrap();
        let samples = dataset.rows(0..2).unwrap();
        assert!(samples.x.iter().enumerate().all(|(p, x)| *x == p as f32 / 255.0 && (x * 255.0) == p as f32));
        assert_eq!((dataset.domain.levels, dataset.domain.lower, dataset.domain.upper), (Some(255), 0.0, 1.0));
    }

    #[test]
    fn raw_integers_have_a_step_and_a_zero() {
        let values = Values::I8(vec![-128, 0, 83, 127]);
        let dataset = dataset("units: raw\nscale: 0.5\nzero_point: 83", values, vec![1, 0]).unwrap();
        let samples = dataset.rows(0..2).unwrap();
        assert_eq!(samples.x, [-105.5, -41.5, 0.0, 22.0]);
        assert_eq!((dataset.domain.lower, dataset.domain.upper), (-105.5, 22.0));
        let expected = Quantization { scale: 0.5, zero_point: 83, low: -128, high: 127 };
        assert_eq!(dataset.quantization, Some(expected));
    }

    #[test]
    fn a_row_has_the_digest_of_its_own_values() {
        let values = Values::F32(vec![0.0, 0.25, 0.5, 1.0]);
        let dataset = dataset("units: unit", values, vec![1, 0]).unwrap();
        let bytes: Vec<u8> = [0.5f32, 1.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let samples = dataset.rows_at(&[1, 0]).unwrap();
        assert_eq!((samples.x.as_slice(), samples.labels), ([0.5, 1.0, 0.0, 0.25].as_slice(), vec![0, 1]));
        assert_eq!(samples.digests[0], *Digest::of(&bytes).as_bytes());
        assert!(dataset.rows(1..3).unwrap_err().to_string().contains("row 2 was asked for"));
        assert_eq!(dataset.counts(), [1, 1]);
    }

    #[test]
    fn what_the_manifest_does_not_allow_is_refused() {
        for (extra, values, labels, expected) in [
            ("units: unit", Values::U8(vec![0; 4]), vec![0, 2], "row 1 has label 2, classes are 0 to 1"),
            ("units: unit", Values::U8(vec![0; 4]), vec![0], "has 1 labels, the manifest says 2"),
            ("units: unit", Values::U8(vec![0; 3]), vec![0, 1], "3 values for 2 rows of 2"),
            (
                "units: unit",
                Values::F32(vec![0.0, 0.0, 1.5, 0.0]),
                vec![0, 1],
                "value 0 of row 1 is 1.5, allowed are 0 to 1",
            ),
            ("units: unit", Values::F32(vec![0.0, f32::NAN, 0.0, 0.0]), vec![0, 1], "NaN"),
            ("units: raw", Values::F32(vec![0.0, f32::NAN, 0.0, 0.0]), vec![0, 1], "NaN"),
            ("units: raw", Values::F32(vec![0.0, 0.0, f32::INFINITY, 0.0]), vec![0, 1], "row 1 holds inf"),
        ] {
            let error = dataset(extra, values, labels).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_digest_follows_what_decides_the_rows_and_nothing_else() {
        let base = manifest("units: raw\nscale: 0.5");
        let digest = |manifest: &DatasetManifest| manifest.digest(&manifest.splits["test"]);
        let renamed =
            DatasetManifest { name: "u".into(), licence: Some("x".into()), source: Some("y".into()), ..base.clone() };
        assert_eq!(digest(&base), digest(&renamed));
        for changed in [
            DatasetManifest { scale: Some(0.25), ..base.clone() },
            DatasetManifest { layout: Layout::Nhwc, ..base.clone() },
            DatasetManifest { shape: vec![1, 2, 1], ..base.clone() },
            DatasetManifest { classes: vec!["b".into(), "a".into()], ..base.clone() },
        ] {
            assert_ne!(digest(&base), digest(&changed));
        }
    }
}
