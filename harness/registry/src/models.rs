use crate::folder::{FileCheck, FolderFiles};
use crate::glob::{is_glob, matches};
use crate::name::check_name;
use crate::signed::SIGNATURE;
use crate::{Digest, Error, InputSpec, Listed, ModelManifest, OutputSpec, Training, yaml};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

pub(crate) const MANIFEST: &str = "manifest.yaml";

/// The models of one folder, each in a folder of its own with a `manifest.yaml`.
#[derive(Debug, Clone)]
pub struct Registry {
    root: PathBuf,
}

/// A model whose manifest has been read and checked. Its bytes are verified by [`RegisteredModel::load`].
#[derive(Debug, Clone)]
pub struct RegisteredModel {
    /// What is known of it.
    pub manifest: ModelManifest,
    /// Where it is.
    pub folder: PathBuf,
    /// SHA-256 over the names and digests of its files; the manifest's other facts are not in it.
    pub digest: Digest,
}

/// What [`Registry::add`] writes into the manifest.
#[derive(Debug, Clone)]
pub struct NewModel {
    /// Its name.
    pub name: String,
    /// What the file wants.
    pub input: InputSpec,
    /// What the file gives.
    pub output: OutputSpec,
    /// The data set that it is for.
    pub dataset: Option<String>,
    /// Its licence.
    pub licence: Option<String>,
    /// Where it comes from.
    pub provenance: Option<String>,
}

/// What [`Registry::verify`] found out.
#[derive(Debug)]
pub struct Verification {
    /// The files that the manifest lists.
    pub files: Vec<FileCheck>,
    /// Files in the folder that it does not list.
    pub extra: Vec<String>,
}

impl Verification {
    /// Whether every listed file is what the manifest pins.
    pub fn is_verified(&self) -> bool {
        self.files.iter().all(FileCheck::is_verified)
    }
}

impl Registry {
    /// The models below `root`, which need not exist.
    pub fn open(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder of models.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every model folder by name, sorted, with its manifest or what is wrong with it.
    ///
    /// Errors: the folder cannot be listed. A folder of models that does not exist holds none.
    pub fn list(&self) -> Result<Listed<RegisteredModel>, Error> {
        let names = self.names()?;
        Ok(names.into_iter().map(|name| (name.clone(), self.named(&name))).collect())
    }

    /// The models that `wanted` means: a name, a glob with `*` and `?`, or a path to a folder with a manifest.
    ///
    /// Paths are relative to the current folder.
    ///
    /// Errors: nothing matches, or a manifest that matches is not valid.
    pub fn find(&self, wanted: &str) -> Result<Vec<RegisteredModel>, Error> {
        self.find_from(Path::new(""), wanted)
    }

    /// As [`Registry::find`] with paths relative to `base`, the folder of a suite.
    pub fn find_from(&self, base: &Path, wanted: &str) -> Result<Vec<RegisteredModel>, Error> {
        if wanted.contains(['/', '\\']) || wanted.starts_with('.') {
            let folder = base.join(wanted);
            return if folder.join(MANIFEST).is_file() {
                Ok(vec![RegisteredModel::open(&folder)?])
            } else {
                Err(self.no_model(wanted, format!("there is no {}", folder.join(MANIFEST).display())))
            };
        }
        if is_glob(wanted) {
            let names: Vec<String> = self.names()?.into_iter().filter(|name| matches(wanted, name)).collect();
            if names.is_empty() {
                return Err(self.none_of_those(wanted)?);
            }
            return names.iter().map(|name| self.named(name)).collect();
        }
        check_name(wanted).map_err(|reason| Error::invalid(format!("`{wanted}`"), reason))?;
        if !self.root.join(wanted).join(MANIFEST).is_file() {
            return Err(self.none_of_those(wanted)?);
        }
        Ok(vec![self.named(wanted)?])
    }

    /// The one model that `wanted` means.
    ///
    /// Errors: as [`Registry::find`], and [`Error::NoModel`] when it means several.
    pub fn find_one(&self, wanted: &str) -> Result<RegisteredModel, Error> {
        let mut found = self.find(wanted)?;
        match (found.pop(), found.pop()) {
            (Some(model), None) => Ok(model),
            _ => Err(self.no_model(wanted, "it matches several models, name one".to_owned())),
        }
    }

    /// Compares every file with its digest, and names files that the manifest does not list.
    ///
    /// Errors: the manifest itself cannot be read. A wrong file is part of the answer.
    pub fn verify(&self, wanted: &str) -> Result<Verification, Error> {
        self.find_one(wanted)?.verify()
    }

    /// Copies a model into the registry: `onnx` as `model.onnx`, and the external data files that it refers to, which
    /// are `external` relative to its folder. The folder appears complete or not at all.
    ///
    /// Errors: the name is taken or not plain, a fact cannot be, an external file is a link or outside the folder.
    pub fn add(&self, onnx: &Path, external: &[String], facts: NewModel) -> Result<RegisteredModel, Error> {
        check_name(&facts.name).map_err(|reason| Error::invalid(format!("`{}`", facts.name), reason))?;
        let folder = self.root.join(&facts.name);
        if folder.symlink_metadata().is_ok() {
            return Err(Error::Exists { name: facts.name, path: folder });
        }
        let staging = self.root.join(format!(".adding-{}-{}", facts.name, std::process::id()));
        fs::create_dir_all(&staging).map_err(Error::io(&staging))?;
        let added = fill(&staging, onnx, external, facts)
            .and_then(|()| fs::rename(&staging, &folder).map_err(Error::io(&folder)))
            .and_then(|()| RegisteredModel::open(&folder));
        if added.is_err() {
            let _ = fs::remove_dir_all(&staging);
        }
        added
    }

    /// Deletes a model's folder.
    ///
    /// Errors: [`Error::NotRemovable`] for anything but a folder of this registry with a valid manifest and nothing in
    /// it that the manifest does not list.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.root.join(name);
        let refuse = |reason: String| Error::NotRemovable { path: path.clone(), reason };
        check_name(name).map_err(refuse)?;
        let kind = fs::symlink_metadata(&path).map_err(|_| refuse("there is no such model".to_owned()))?;
        if !kind.is_dir() || !path.join(MANIFEST).is_file() {
            return Err(refuse("it is not a folder with a manifest.yaml".to_owned()));
        }
        let model = self.named(name)?;
        // A recipe is the user's own work, which nothing else could bring back.
        let recipe = model.manifest.training.is_some().then(|| Training::RECIPE.to_owned());
        let extra: Vec<String> = recipe.into_iter().chain(model.extra_files()?).collect();
        if !extra.is_empty() {
            return Err(refuse(format!("it holds files that are not the model's: {}", extra.join(", "))));
        }
        fs::remove_dir_all(&path).map_err(Error::io(&path))
    }

    /// The folders that `wanted`, a name or a glob, means and that hold a recipe but no model, sorted: what
    /// `tinyassay train` could make.
    ///
    /// Errors: the folder of models cannot be listed.
    pub fn untrained(&self, wanted: &str) -> Result<Vec<String>, Error> {
        let mut names = self.folders_with(Training::RECIPE)?;
        names.retain(|name| matches(wanted, name) && !self.root.join(name).join(MANIFEST).is_file());
        Ok(names)
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        self.folders_with(MANIFEST)
    }

    /// The names of the folders that hold this file.
    fn folders_with(&self, file: &str) -> Result<Vec<String>, Error> {
        if !self.root.exists() {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&self.root).map_err(Error::io(&self.root))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::io(&self.root))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') && entry.path().join(file).is_file() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn named(&self, name: &str) -> Result<RegisteredModel, Error> {
        let model = RegisteredModel::open(&self.root.join(name))?;
        if model.manifest.name != name {
            let reason = format!("`name: {}` differs from its folder `{name}`", model.manifest.name);
            return Err(Error::invalid(model.folder.join(MANIFEST).display(), reason));
        }
        Ok(model)
    }

    fn none_of_those(&self, wanted: &str) -> Result<Error, Error> {
        if let Some(hint) = self.how_to_train(wanted)? {
            return Ok(self.no_model(wanted, hint));
        }
        let names = self.names()?;
        let mut hint = match names.is_empty() {
            true => "there are no models; `tinyassay model add` registers one".to_owned(),
            false => format!("the models are {}", names.join(", ")),
        };
        if is_glob(wanted) {
            hint += &format!("; `tinyassay train {}` makes one from its recipe", self.root.join("NAME").display());
        }
        Ok(self.no_model(wanted, hint))
    }

    /// What to do where a model that is not there has a recipe.
    fn how_to_train(&self, wanted: &str) -> Result<Option<String>, Error> {
        let untrained = self.untrained(wanted)?;
        let command = |name: &str| format!("`tinyassay train {}`", self.root.join(name).display());
        Ok(match &untrained[..] {
            [] => None,
            [name] => Some(format!("{} trains it from its recipe", command(name))),
            names => Some(format!(
                "{} trains the first of those that have a recipe: {}",
                command(&names[0]),
                names.join(", ")
            )),
        })
    }

    fn no_model(&self, wanted: &str, hint: String) -> Error {
        Error::NoModel { wanted: wanted.to_owned(), root: self.root.clone(), hint }
    }
}

impl RegisteredModel {
    /// Reads the manifest in `folder`. The bytes are read by [`RegisteredModel::load`].
    ///
    /// Errors: the manifest is missing or not valid.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
        let manifest = ModelManifest::parse(&path.display().to_string(), &text)?;
        let digest = files_digest(&manifest.files);
        Ok(Self { manifest, folder: folder.to_owned(), digest })
    }

    /// Every file of the model, verified; the `.onnx` file first, then external data by name.
    ///
    /// Errors: [`Error::WrongDigest`] with file, expected and found; [`Error::Confined`] where a link is on the way.
    pub fn load(&self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let files = FolderFiles::new(&self.folder);
        let onnx = self.manifest.onnx_file();
        let mut names: Vec<&String> = self.manifest.files.keys().collect();
        names.sort_by_key(|name| *name != onnx);
        names
            .into_iter()
            .map(|name| Ok((name.clone(), files.read_verified(name, self.manifest.files[name])?)))
            .collect()
    }

    /// A file that the model's training left beside it, verified; `None` where it left none of that name, or somebody took
    /// the file away.
    ///
    /// Errors: [`Error::WrongDigest`], [`Error::Confined`], or the file cannot be read.
    pub fn beside(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let files = self.manifest.training.as_ref().map(|training| &training.files);
        match files.and_then(|files| files.get(name)) {
            Some(digest) if self.folder.join(name).symlink_metadata().is_ok() => {
                FolderFiles::new(&self.folder).read_verified(name, *digest).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Compares every file with its digest, and names files that the manifest does not list.
    ///
    /// Errors: the folder cannot be listed. A wrong file is part of the answer.
    pub fn verify(&self) -> Result<Verification, Error> {
        let files = FolderFiles::new(&self.folder);
        let check =
            |(name, digest): (&String, &Digest)| FileCheck::new(name, files.read_verified(name, *digest).map(|_| ()));
        let beside = self.manifest.training.iter().flat_map(|training| &training.files);
        let files = self.manifest.files.iter().chain(beside).map(check).collect();
        Ok(Verification { files, extra: self.extra_files()? })
    }

    fn extra_files(&self) -> Result<Vec<String>, Error> {
        let training = self.manifest.training.as_ref();
        let beside = |name: &String| training.is_some_and(|training| training.files.contains_key(name));
        let in_work = |name: &String| name.starts_with(&format!("{}/", Training::FOLDER));
        let extra = |name: &String| {
            name != MANIFEST
                && name != SIGNATURE
                && !self.manifest.files.contains_key(name)
                && !beside(name)
                && !in_work(name)
        };
        Ok(FolderFiles::new(&self.folder).list()?.into_iter().filter(extra).collect())
    }
}

fn fill(staging: &Path, onnx: &Path, external: &[String], facts: NewModel) -> Result<(), Error> {
    let source = FolderFiles::new(onnx.parent().unwrap_or(Path::new("")));
    let mut files = BTreeMap::new();
    let mut write = |name: &str, bytes: &[u8]| {
        let path = staging.join(name);
        fs::create_dir_all(path.parent().unwrap_or(staging)).map_err(Error::io(&path))?;
        write_synced(&path, bytes)?;
        files.insert(name.to_owned(), Digest::of(bytes));
        Ok(())
    };
    write("model.onnx", &fs::read(onnx).map_err(Error::io(onnx))?)?;
    for location in external {
        if location == "model.onnx" || location == MANIFEST {
            return Err(Error::invalid(onnx.display(), format!("external data may not be named `{location}`")));
        }
        write(location, &source.read(location, 0, None)?)?;
    }
    let NewModel { name, input, output, dataset, licence, provenance } = facts;
    let manifest = ModelManifest { name, files, input, output, dataset, licence, provenance, training: None };
    manifest.check().map_err(|reason| Error::invalid(format!("the facts of `{}`", manifest.name), reason))?;
    let path = staging.join(MANIFEST);
    write_synced(&path, yaml::to_string(MANIFEST, &manifest)?.as_bytes())
}

pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = File::create(path).map_err(Error::io(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io(path))
}

/// SHA-256 over `name NUL digest` of every file, in the order of names.
fn files_digest(files: &BTreeMap<String, Digest>) -> Digest {
    let mut bytes = Vec::new();
    for (name, digest) in files {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(digest.as_bytes());
    }
    Digest::of(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ElementType, FileState, Layout, OutputKind};

    fn facts(name: &str) -> NewModel {
        NewModel {
            name: name.to_owned(),
            input: InputSpec {
                name: "x".to_owned(),
                dtype: ElementType::Float32,
                layout: Layout::Nchw,
                shape: vec![3, 32, 32],
                range: Some([0.0, 1.0]),
                mean: None,
                std: None,
                scale: None,
                zero_point: None,
                units: None,
            },
            output: OutputSpec {
                name: "y".to_owned(),
                kind: OutputKind::Logits,
                classes: 10,
                threshold: None,
                labels: None,
            },
            dataset: Some("cifar10".to_owned()),
            licence: None,
            provenance: Some("a test".to_owned()),
        }
    }

    /// A registry with the models `a` and `ab`, each with external data, and the file that they were made of.
    fn registry() -> (tempfile::TempDir, Registry, PathBuf) {
        let outer = tempfile::tempdir().unwrap();
        let source = outer.path().join("source");
        fs::create_dir_all(source.join("sub")).unwrap();
        fs::write(source.join("net.onnx"), b"onnx").unwrap();
        fs::write(source.join("sub/w.bin"), b"weights").unwrap();
        let registry = Registry::open(outer.path().join("models"));
        for name in ["a", "ab"] {
            registry.add(&source.join("net.onnx"), &["sub/w.bin".to_owned()], facts(name)).unwrap();
        }
        (outer, registry, source.join("net.onnx"))
    }

    fn names(models: &[RegisteredModel]) -> Vec<&str> {
        models.iter().map(|model| model.manifest.name.as_str()).collect()
    }

    #[test]
    fn a_model_is_added_found_loaded_and_removed() {
        let (_outer, registry, _) = registry();
        let model = registry.find_one("a").unwrap();
        let files = model.load().unwrap();
        assert_eq!(files, [("model.onnx".into(), b"onnx".to_vec()), ("sub/w.bin".into(), b"weights".to_vec())]);
        assert_eq!(model.manifest.input, facts("a").input);
        assert_eq!(model.digest, registry.find_one("ab").unwrap().digest, "the digest is that of the files");
        assert!(registry.verify("a").unwrap().is_verified());
        let listed: Vec<String> = registry.list().unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(listed, ["a", "ab"]);
        registry.remove("a").unwrap();
        assert_eq!(registry.list().unwrap().len(), 1);
        let left: Vec<_> = fs::read_dir(registry.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["ab"]);
    }

    #[test]
    fn names_globs_and_paths_find_models() {
        let (outer, registry, _) = registry();
        assert_eq!(names(&registry.find("a*").unwrap()), ["a", "ab"]);
        assert_eq!(names(&registry.find("?b").unwrap()), ["ab"]);
        assert_eq!(names(&registry.find_from(outer.path(), "models/a").unwrap()), ["a"]);
        assert_eq!(names(&registry.find_from(&outer.path().join("models"), "./ab").unwrap()), ["ab"]);
        let absolute = outer.path().join("models/a").display().to_string();
        assert_eq!(names(&registry.find(&absolute).unwrap()), ["a"]);
        for wanted in ["b", "x*", "./none", "-a"] {
            registry.find(wanted).unwrap_err();
        }
        assert!(registry.find("b").unwrap_err().to_string().contains("the models are a, ab"));
        assert!(registry.find_one("a*").unwrap_err().to_string().contains("several"));
        let empty = Registry::open(outer.path().join("none"));
        assert!(empty.list().unwrap().is_empty());
        assert!(empty.find("a").unwrap_err().to_string().contains("model add"));
    }

    #[test]
    fn a_model_that_could_be_trained_is_no_riddle() {
        let (_outer, registry, _) = registry();
        for name in ["net-1", "net-2"] {
            fs::create_dir(registry.root().join(name)).unwrap();
            fs::write(registry.root().join(name).join(Training::RECIPE), "version: 1\n").unwrap();
        }
        let hint = |wanted: &str| registry.find(wanted).unwrap_err().to_string();
        let folder = registry.root().join("net-1").display().to_string();
        assert!(hint("net-1").ends_with(&format!("hint: `tinyassay train {folder}` trains it from its recipe")));
        let several = format!("`tinyassay train {folder}` trains the first of those that have a recipe: net-1, net-2");
        assert!(hint("net-*").ends_with(&several), "{}", hint("net-*"));
        assert_eq!(
            registry.untrained("*").unwrap(),
            ["net-1", "net-2"],
            "a model that is there is trained or not needed"
        );
        let unknown = registry.root().join("NAME").display().to_string();
        let none = format!("the models are a, ab; `tinyassay train {unknown}` makes one from its recipe");
        assert!(hint("bet-*").ends_with(&none), "{}", hint("bet-*"));
    }

    #[test]
    fn a_changed_file_is_named_with_both_digests() {
        let (_outer, registry, _) = registry();
        let model = registry.find_one("a").unwrap();
        fs::write(model.folder.join("sub/w.bin"), b"Weights").unwrap();
        fs::write(model.folder.join("notes.txt"), b"").unwrap();
        let text = model.load().unwrap_err().to_string();
        let expected = [Digest::of(b"weights").to_string(), Digest::of(b"Weights").to_string(), "sub/w.bin".to_owned()];
        assert!(expected.iter().all(|part| text.contains(part)), "{text}");
        let verification = model.verify().unwrap();
        let states: Vec<bool> = verification.files.iter().map(FileCheck::is_verified).collect();
        assert_eq!((states, verification.extra), (vec![true, false], vec!["notes.txt".to_owned()]));
        fs::remove_file(model.folder.join("sub/w.bin")).unwrap();
        let state = model.verify().unwrap().files.remove(1).state;
        assert!(matches!(state, FileState::Failed(Error::Io { .. })), "{state:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_model_that_is_a_link_is_not_loaded() {
        let (_outer, registry, source) = registry();
        let model = registry.find_one("a").unwrap();
        fs::remove_file(model.folder.join("model.onnx")).unwrap();
        std::os::unix::fs::symlink(&source, model.folder.join("model.onnx")).unwrap();
        assert!(model.load().unwrap_err().to_string().contains("symbolic link"));
        let link = source.with_file_name("link.bin");
        std::os::unix::fs::symlink("/etc/hostname", link).unwrap();
        let error = registry.add(&source, &["link.bin".to_owned()], facts("c")).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }

    #[test]
    fn nothing_is_left_of_a_model_that_cannot_be_added() {
        let (_outer, registry, source) = registry();
        let add = |location: &str, facts: NewModel| registry.add(&source, &[location.to_owned()], facts).unwrap_err();
        assert!(matches!(add("sub/w.bin", facts("a")), Error::Exists { .. }));
        assert!(matches!(add("../source/sub/w.bin", facts("c")), Error::Confined { .. }));
        assert!(matches!(add("absent.bin", facts("c")), Error::Io { .. }));
        assert!(matches!(add("sub/w.bin", facts("../c")), Error::Invalid { .. }));
        let mut wrong = facts("c");
        wrong.output.classes = 1;
        assert!(add("sub/w.bin", wrong).to_string().contains("`classes: 1`"));
        assert_eq!(fs::read_dir(registry.root()).unwrap().count(), 2);
    }

    #[test]
    fn only_a_model_and_nothing_else_is_removed() {
        let (outer, registry, _) = registry();
        fs::create_dir(registry.root().join("plain")).unwrap();
        fs::write(registry.root().join("ab/thesis.txt"), b"precious").unwrap();
        for name in ["plain", "none", "../source", ".", "ab"] {
            assert!(matches!(registry.remove(name), Err(Error::NotRemovable { .. })), "{name}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(outer.path().join("models/a"), registry.root().join("link")).unwrap();
            assert!(matches!(registry.remove("link"), Err(Error::NotRemovable { .. })));
        }
        assert!(outer.path().join("models/ab/thesis.txt").exists() && outer.path().join("source").exists());
    }

    #[test]
    fn a_folder_has_the_name_of_its_model() {
        let (_outer, registry, _) = registry();
        fs::rename(registry.root().join("a"), registry.root().join("b")).unwrap();
        assert!(registry.find("b").unwrap_err().to_string().contains("differs from its folder `b`"));
        assert!(registry.list().unwrap()[1].1.is_err());
    }
}
