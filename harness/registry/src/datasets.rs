use crate::dataset::Dataset;
use crate::dataset_manifest::MOST_CLASSES;
use crate::folder::FileCheck;
use crate::formats::{self, image_folder};
use crate::models::write_synced;
use crate::name::{check_name, check_relative_path};
use crate::{
    Arrays, DataUnits, DatasetManifest, Digest, Error, Format, Layout, Listed, RowRange, Split, signs32, yaml,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Manifests that come with the program.
const BUILT_IN: [(&str, &str); 4] = [
    ("cifar10", include_str!("builtin/cifar10.yaml")),
    ("kws01", include_str!("builtin/kws01.yaml")),
    ("mnist", include_str!("builtin/mnist.yaml")),
    ("signs32", include_str!("builtin/signs32.yaml")),
];

/// The data sets that are known: built-in manifests and the user's own.
#[derive(Debug, Clone)]
pub struct Datasets {
    data_dir: Option<PathBuf>,
    user_dir: PathBuf,
}

/// What [`Datasets::add`] writes into a manifest. Image folders need neither `shape` nor
/// `classes`; without `classes` those of the other formats are numbered.
#[derive(Debug, Clone)]
pub struct NewDataset {
    /// Its name.
    pub name: String,
    /// How its files are read.
    pub format: Format,
    /// The folder that `splits` is relative to.
    pub root: PathBuf,
    /// The files of each split; for an image folder the one folder that holds the classes.
    pub splits: BTreeMap<String, Vec<String>>,
    /// For npy: the rows of its files that a split is made of; a split that is not named has all.
    pub rows: BTreeMap<String, RowRange>,
    /// Order of the axes.
    pub layout: Layout,
    /// Dimensions of a row.
    pub shape: Vec<usize>,
    /// What the numbers are.
    pub units: DataUnits,
    /// For raw units: smallest and largest value.
    pub range: Option<[f64; 2]>,
    /// For raw units: the value of one integer step.
    pub scale: Option<f64>,
    /// For raw units: the integer that stands for zero.
    pub zero_point: Option<i64>,
    /// For npz: names of the arrays.
    pub arrays: Option<Arrays>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Its licence.
    pub licence: Option<String>,
    /// Where to get it.
    pub source: Option<String>,
}

/// A manifest and the folder that its files are in.
struct Entry {
    manifest: DatasetManifest,
    root: Result<PathBuf, String>,
}

impl Datasets {
    /// The built-in data sets, whose files are in `data_dir` (from `TINYASSAY_DATA`), and the manifests
    /// `user_dir/*.yaml`. Neither folder needs to exist.
    pub fn open(data_dir: Option<PathBuf>, user_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir, user_dir: user_dir.into() }
    }

    /// Every data set by name, sorted, with its manifest or what is wrong with it.
    ///
    /// Errors: the folder of the user's manifests cannot be listed.
    pub fn list(&self) -> Result<Listed<DatasetManifest>, Error> {
        let names = self.names()?;
        Ok(names.into_iter().map(|name| (name.clone(), self.manifest(&name))).collect())
    }

    /// The manifest of one data set.
    ///
    /// Errors: there is none of that name, or it is not valid.
    pub fn manifest(&self, name: &str) -> Result<DatasetManifest, Error> {
        Ok(self.entry(name)?.manifest)
    }

    /// Why the files of a data set are not there, or `None` where they are or it is drawn by this program. Nothing is
    /// read.
    ///
    /// Errors: there is no such data set.
    pub fn missing(&self, name: &str) -> Result<Option<String>, Error> {
        let Entry { manifest, root } = self.entry(name)?;
        let files = manifest.splits.values().flat_map(|split| split.files.keys());
        Ok(match root {
            _ if manifest.format == Format::Generated => None,
            Err(reason) => Some(reason),
            Ok(root) => {
                files.map(|file| root.join(file)).find(|path| !path.exists()).map(|path| path.display().to_string())
            }
        })
    }

    /// Reads and verifies one split.
    ///
    /// Errors: the files are not there ([`Error::MissingData`], which says where to get them), have the wrong digest, or
    /// hold something that the manifest does not allow.
    pub fn load(&self, name: &str, split: &str) -> Result<Dataset, Error> {
        let entry = self.entry(name)?;
        entry.load(split)
    }

    /// Compares every file of every split with its digest.
    ///
    /// Errors: there is no such data set. A missing or wrong file is part of the answer.
    pub fn verify(&self, name: &str) -> Result<Vec<FileCheck>, Error> {
        let entry = self.entry(name)?;
        let files = entry.manifest.splits.values().flat_map(|split| &split.files);
        Ok(files.map(|(file, digest)| FileCheck::new(file, entry.read(file, *digest).map(|_| ()))).collect())
    }

    /// Writes `user_dir/<name>.yaml` with the digests of the files, once they have been read without complaint. Copies
    /// nothing.
    ///
    /// Errors: the name is taken or not plain, or the files are not what the facts say.
    pub fn add(&self, facts: NewDataset) -> Result<DatasetManifest, Error> {
        check_name(&facts.name).map_err(|reason| Error::invalid(format!("`{}`", facts.name), reason))?;
        let path = self.user_dir.join(format!("{}.yaml", facts.name));
        if path.exists() || BUILT_IN.iter().any(|(name, _)| *name == facts.name) {
            return Err(Error::Exists { name: facts.name, path });
        }
        let manifest = describe(facts)?;
        let entry = Entry { root: Ok(manifest.root.clone().expect("it was just set")), manifest };
        entry.manifest.splits.keys().try_for_each(|split| entry.load(split).map(|_| ()))?;
        fs::create_dir_all(&self.user_dir).map_err(Error::io(&self.user_dir))?;
        let staging = self.user_dir.join(format!(".adding-{}-{}", entry.manifest.name, std::process::id()));
        write_synced(&staging, yaml::to_string(&entry.manifest.name, &entry.manifest)?.as_bytes())?;
        fs::rename(&staging, &path).map_err(Error::io(&path))?;
        Ok(entry.manifest)
    }

    fn names(&self) -> Result<BTreeSet<String>, Error> {
        let mut names: BTreeSet<String> = BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
        if self.user_dir.is_dir() {
            for entry in fs::read_dir(&self.user_dir).map_err(Error::io(&self.user_dir))? {
                let file = entry.map_err(Error::io(&self.user_dir))?.file_name();
                let name = file.to_str().and_then(|file| file.strip_suffix(".yaml"));
                names.extend(name.filter(|name| check_name(name).is_ok()).map(str::to_owned));
            }
        }
        Ok(names)
    }

    fn entry(&self, name: &str) -> Result<Entry, Error> {
        let path = self.user_dir.join(format!("{name}.yaml"));
        let own = check_name(name).is_ok() && path.is_file();
        let built_in = BUILT_IN.iter().find(|(known, _)| *known == name);
        if let Some((_, text)) = built_in {
            if own {
                return Err(Error::invalid(
                    path.display(),
                    format!("`{name}` is a built-in data set, choose another name"),
                ));
            }
            let manifest = DatasetManifest::parse(&format!("the built-in manifest of {name}"), text)?;
            let root = self.data_dir.clone().ok_or_else(|| "TINYASSAY_DATA is not set".to_owned());
            return Ok(Entry { manifest, root });
        }
        if !own {
            let known: Vec<String> = self.names()?.into_iter().collect();
            let hint = format!("the data sets are {}", known.join(", "));
            return Err(Error::NoDataset { wanted: format!("data set `{name}`"), hint });
        }
        let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
        let manifest = DatasetManifest::parse(&path.display().to_string(), &text)?;
        if manifest.name != name {
            let reason = format!("`name: {}` differs from the file's name", manifest.name);
            return Err(Error::invalid(path.display(), reason));
        }
        let root = self.user_dir.join(manifest.root.as_deref().unwrap_or(Path::new("")));
        Ok(Entry { manifest, root: Ok(root) })
    }
}

impl Entry {
    fn load(&self, split: &str) -> Result<Dataset, Error> {
        let Some(part) = self.manifest.splits.get(split) else {
            let splits: Vec<&str> = self.manifest.splits.keys().map(String::as_str).collect();
            let wanted = format!("split `{split}` of data set `{}`", self.manifest.name);
            return Err(Error::NoDataset { wanted, hint: format!("its splits are {}", splits.join(", ")) });
        };
        let mut files = Vec::with_capacity(part.files.len());
        for (name, digest) in &part.files {
            files.push((name.clone(), self.read(name, *digest)?));
        }
        let contents = formats::read(&self.manifest, part.rows, &files)
            .map_err(|reason| Error::Data { name: self.manifest.name.clone(), reason })?;
        Dataset::new(&self.manifest, split, contents)
    }

    fn read(&self, file: &str, expected: Digest) -> Result<Vec<u8>, Error> {
        let (path, bytes) = if self.manifest.format == Format::Generated {
            let drawn = signs32::file(file);
            (PathBuf::from(file), drawn.ok_or_else(|| self.missing(format!("this program does not draw `{file}`")))?)
        } else {
            let root = self.root.as_ref().map_err(|reason| self.missing(reason.clone()))?;
            let path = root.join(file);
            let bytes = fs::read(&path).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => self.missing(format!("{} is missing", path.display())),
                _ => Error::Io { path: path.clone(), source: error },
            })?;
            (path, bytes)
        };
        let found = Digest::of(&bytes);
        if found != expected {
            return Err(Error::WrongDigest { path, expected, found });
        }
        Ok(bytes)
    }

    fn missing(&self, reason: String) -> Error {
        let hint =
            self.manifest.source.clone().unwrap_or_else(|| "its manifest does not say where to get it".to_owned());
        Error::MissingData { name: self.manifest.name.clone(), reason, hint: hint.trim_end().to_owned() }
    }
}

/// The manifest of files that are there.
fn describe(facts: NewDataset) -> Result<DatasetManifest, Error> {
    let root = fs::canonicalize(&facts.root).map_err(Error::io(&facts.root))?;
    let (mut shape, mut classes) = (facts.shape, facts.classes);
    let mut splits = BTreeMap::new();
    for (split, named) in facts.splits {
        let names = if facts.format == Format::ImageFolder { image_files(&root, &named)? } else { named };
        let mut files = BTreeMap::new();
        let mut bytes = Vec::new();
        for name in names {
            check_relative_path(&name).map_err(|reason| Error::invalid(format!("`{name}`"), reason))?;
            let path = root.join(&name);
            bytes = fs::read(&path).map_err(Error::io(&path))?;
            files.insert(name, Digest::of(&bytes));
        }
        if facts.format == Format::ImageFolder {
            if files.is_empty() {
                return Err(Error::invalid(root.display(), "none of its folders holds PNG, JPEG or BMP files"));
            }
            let found: BTreeSet<&str> = files.keys().filter_map(|name| image_folder::class_of(name)).collect();
            if classes.is_empty() {
                classes = found.into_iter().map(str::to_owned).collect();
            }
            if shape.is_empty() {
                let (dims, _) =
                    image_folder::decode(&bytes).map_err(|reason| Error::invalid(root.display(), reason))?;
                shape = dims.to_vec();
            }
        }
        let rows = facts.rows.get(&split).copied();
        splits.insert(split, Split { samples: 0, rows, files });
    }
    let mut manifest = DatasetManifest {
        name: facts.name,
        format: facts.format,
        layout: facts.layout,
        shape,
        units: facts.units,
        range: facts.range,
        scale: facts.scale,
        zero_point: facts.zero_point,
        arrays: facts.arrays,
        classes,
        splits,
        root: Some(root),
        licence: facts.licence,
        source: facts.source,
    };
    count_samples(&mut manifest)?;
    manifest.check().map_err(|reason| Error::invalid(format!("the facts of `{}`", manifest.name), reason))?;
    Ok(manifest)
}

/// Counts the rows of every split and, where no classes are named, numbers those that the labels have.
fn count_samples(manifest: &mut DatasetManifest) -> Result<(), Error> {
    let root = manifest.root.clone().unwrap_or_default();
    let (mut counts, mut largest) = (Vec::new(), 0);
    for split in manifest.splits.values() {
        let read = |name: &String| {
            let path = root.join(name);
            Ok((name.clone(), fs::read(&path).map_err(Error::io(&path))?))
        };
        let files = split.files.keys().map(read).collect::<Result<Vec<_>, Error>>()?;
        let contents = formats::read(manifest, split.rows, &files)
            .map_err(|reason| Error::Data { name: manifest.name.clone(), reason })?;
        counts.push(contents.labels.len());
        largest = contents.labels.iter().copied().fold(largest, u64::max);
    }
    if manifest.classes.is_empty() && largest < MOST_CLASSES as u64 {
        manifest.classes = (0..=largest).map(|class| class.to_string()).collect();
    }
    manifest.splits.values_mut().zip(counts).for_each(|(split, count)| split.samples = count);
    Ok(())
}

/// The images in the class folders of each folder in `named`.
fn image_files(root: &Path, named: &[String]) -> Result<Vec<String>, Error> {
    let mut files = Vec::new();
    for folder in named {
        let below = crate::FolderFiles::new(root.join(folder)).list()?;
        let is_image = |name: &String| {
            let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
            image_folder::class_of(name).is_some()
                && ending.is_some_and(|e| image_folder::ENDINGS.contains(&e.as_str()))
        };
        let prefix = if folder.is_empty() || folder == "." { String::new() } else { format!("{folder}/") };
        files.extend(below.into_iter().filter(is_image).map(|name| format!("{prefix}{name}")));
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
