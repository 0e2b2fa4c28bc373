use crate::dataset::PixelDomain;
use crate::model_manifest::check_shape;
use crate::name::{check_name, check_relative_path};
use crate::{Digest, Error, Layout, RowRange, yaml};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Classes that a data set may have.
pub(crate) const MOST_CLASSES: usize = 65_536;

/// What is known of a data set besides its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetManifest {
    /// Its name.
    pub name: String,
    /// How its files are read.
    pub format: Format,
    /// Order of the axes of a row.
    pub layout: Layout,
    /// Dimensions of a row, without the batch.
    #[serde(serialize_with = "yaml::on_one_line")]
    pub shape: Vec<usize>,
    /// What the numbers of a row are.
    pub units: DataUnits,
    /// Smallest and largest value that an input may take; for raw units only.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "yaml::on_one_line")]
    pub range: Option<[f64; 2]>,
    /// Raw units: the value of one integer step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Raw units: the integer that stands for zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zero_point: Option<i64>,
    /// Names of the arrays in an npz file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrays: Option<Arrays>,
    /// Names of the classes, in the order of their numbers.
    #[serde(serialize_with = "yaml::on_one_line")]
    pub classes: Vec<String>,
    /// The parts of the data set by name.
    pub splits: BTreeMap<String, Split>,
    /// The folder that file paths start from. Absent: the manifest's own folder, or for built-in ones `TINYASSAY_DATA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// Its licence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Where to get it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// One part of a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// How many rows it has.
    pub samples: usize,
    /// The rows of its files that it is made of; for `npy` only. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowRange>,
    /// Its files with their digests, read in the order of their names.
    pub files: BTreeMap<String, Digest>,
}

/// How files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Two NumPy arrays in a file each: images (uint8) and labels (integers, one dimension). A split may be some of their rows.
    Npy,
    /// NumPy arrays `x` (uint8, int8 or float32) and `y` (integers) in one zip file.
    Npz,
    /// The MNIST format: an image file and a label file, told apart by their magic numbers.
    Idx,
    /// The CIFAR binary format: records of a label byte and the bytes of an image.
    CifarBin,
    /// One sub-folder of PNG, JPEG or BMP files per class; classes are numbered by sorted name.
    ImageFolder,
    /// Drawn by this program; the pinned digests are those of its `cifar-bin` bytes.
    Generated,
}

/// What the numbers of a row are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataUnits {
    /// The unit interval: a byte `p` is `p / 255`, a float is itself.
    Unit,
    /// The model's own: an integer `q` is `(q - zero_point) * scale`, a float is itself.
    Raw,
}

/// Names of the arrays in an npz file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrays {
    /// The rows.
    pub x: String,
    /// The labels.
    pub y: String,
}

impl Default for Arrays {
    fn default() -> Self {
        Self { x: "x".to_owned(), y: "y".to_owned() }
    }
}

/// More than lie between any two stored integers or zero points.
const STEPS: f32 = 512.0;

impl DatasetManifest {
    /// Reads a manifest; `place` is its path for messages.
    ///
    /// Errors: [`Error::Yaml`] with the position, or [`Error::Invalid`] with the key.
    pub fn parse(place: &str, text: &str) -> Result<Self, Error> {
        let manifest: Self = yaml::parse(place, text)?;
        manifest.check().map_err(|reason| Error::invalid(place, reason))?;
        Ok(manifest)
    }

    /// The number of values in a row.
    pub fn row_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The bounds that hold for data which are not stored as integers.
    pub(crate) fn float_domain(&self) -> PixelDomain {
        let unbounded = [f64::NEG_INFINITY, f64::INFINITY];
        let default = if self.units == DataUnits::Unit { [0.0, 1.0] } else { unbounded };
        let [lower, upper] = self.range.unwrap_or(default);
        PixelDomain { levels: None, lower: lower as f32, upper: upper as f32, units: self.units }
    }

    /// SHA-256 over everything that decides what a split's rows are: not the name, the licence or the source.
    pub(crate) fn digest(&self, split: &Split) -> Digest {
        let arrays = self.arrays.clone().unwrap_or_default();
        let mut text = format!(
            "tinyassay data set 1\nformat {:?}\nlayout {:?}\nshape {:?}\nunits {:?}\nrange {:?}\nscale {:?}\nzero_point {:?}\narrays {:?}\n",
            self.format, self.layout, self.shape, self.units, self.range, self.scale, self.zero_point, arrays
        );
        for class in &self.classes {
            text.push_str(&format!("class {class:?}\n"));
        }
        if let Some(rows) = split.rows {
            text.push_str(&format!("rows {rows}\n"));
        }
        for (name, digest) in &split.files {
            text.push_str(&format!("file {name:?} {digest}\n"));
        }
        Digest::of(text.as_bytes())
    }

    /// Whether every key says something that can be.
    ///
    /// Errors: which key, what was found and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        check_name(&self.name).map_err(|reason| format!("`name`: {reason}"))?;
        check_shape(self.layout, &self.shape)?;
        if self.classes.len() < 2 || self.classes.len() > MOST_CLASSES {
            return Err(format!("`classes` has {} names, there must be 2 to {MOST_CLASSES}", self.classes.len()));
        }
        self.check_units()?;
        self.check_format()?;
        if self.splits.is_empty() {
            return Err("`splits` is empty".to_owned());
        }
        self.splits.iter().try_for_each(|(name, split)| self.check_split(name, split))
    }

    fn check_units(&self) -> Result<(), String> {
        if self.units == DataUnits::Unit {
            let raw_only = self.range.is_some() || self.scale.is_some() || self.zero_point.is_some();
            return if raw_only {
                Err("`range`, `scale` and `zero_point` belong to `units: raw`".to_owned())
            } else {
                Ok(())
            };
        }
        if let Some([low, high]) = self.range
            && !(low.is_finite() && high.is_finite() && low < high)
        {
            return Err(format!("`range: [{low}, {high}]` must be two finite numbers, the smaller one first"));
        }
        if let Some(scale) = self.scale
            && !((scale as f32).is_normal() && scale > 0.0 && (scale as f32 * STEPS).is_finite())
        {
            return Err(format!("`scale: {scale}` must be positive and of a size that float32 can hold"));
        }
        match self.zero_point {
            Some(zero_point) if !(-128..=255).contains(&zero_point) => {
                Err(format!("`zero_point: {zero_point}` is not in -128..=255"))
            }
            _ => Ok(()),
        }
    }

    fn check_format(&self) -> Result<(), String> {
        if self.arrays.is_some() && self.format != Format::Npz {
            return Err("`arrays` belongs to `format: npz`".to_owned());
        }
        if matches!(self.format, Format::CifarBin | Format::Generated) && self.classes.len() > 256 {
            return Err("`classes`: a label is one byte in this format, so there are at most 256".to_owned());
        }
        if self.format == Format::ImageFolder && (self.layout != Layout::Nchw || ![1, 3].contains(&self.shape[0])) {
            return Err("`layout` of `format: image-folder` is NCHW with 1 or 3 channels".to_owned());
        }
        if self.format == Format::Generated && self.root.is_some() {
            return Err("`root` has no meaning for `format: generated`".to_owned());
        }
        Ok(())
    }

    fn check_split(&self, name: &str, split: &Split) -> Result<(), String> {
        let fail = |reason: String| Err(format!("`splits`: `{name}`: {reason}"));
        if let Err(reason) = check_name(name) {
            return fail(reason);
        }
        if split.samples == 0 || split.files.is_empty() {
            return fail("there must be at least one sample and one file".to_owned());
        }
        if matches!(self.format, Format::Npz | Format::Generated) && split.files.len() != 1 {
            return fail(format!("this format has one file, found {}", split.files.len()));
        }
        if let Some(rows) = split.rows {
            if self.format != Format::Npy {
                return fail("`rows` belongs to `format: npy`".to_owned());
            }
            if rows.len() != split.samples {
                return fail(format!(
                    "`rows: {rows}` are {} samples, and `samples` says {}",
                    rows.len(),
                    split.samples
                ));
            }
        }
        if matches!(self.format, Format::Idx | Format::Npy) && split.files.len() != 2 {
            return fail(format!("this format has an image file and a label file, found {} files", split.files.len()));
        }
        for path in split.files.keys() {
            if let Err(reason) = check_relative_path(path) {
                return fail(format!("`{path}`: {reason}"));
            }
        }
        Ok(())
    }
}
