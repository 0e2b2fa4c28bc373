use crate::models::{MANIFEST, write_synced};
use crate::{Digest, Error, ModelManifest, RegisteredModel, Training, yaml};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Registers what a training made in the folder of its recipe: `model.onnx`, `files` beside it, and the manifest, whose
/// digests are filled in here. Each file is written whole or not at all, the manifest last.
///
/// Errors: the folder has no recipe or holds a model that was not trained there, a fact can't be, a write fails.
pub fn write_trained(
    folder: &Path,
    onnx: &[u8],
    files: &[(&str, Vec<u8>)],
    mut manifest: ModelManifest,
) -> Result<RegisteredModel, Error> {
    check_folder(folder)?;
    let recipe = folder.join(Training::RECIPE);
    let digest = Digest::of(&fs::read(&recipe).map_err(Error::io(&recipe))?);
    manifest.files = BTreeMap::from([("model.onnx".to_owned(), Digest::of(onnx))]);
    let Some(training) = &mut manifest.training else {
        return Err(Error::invalid(folder.display(), "a trained model says how it was trained"));
    };
    training.files = files.iter().map(|(name, bytes)| ((*name).to_owned(), Digest::of(bytes))).collect();
    training.files.insert(Training::RECIPE.to_owned(), digest);
    manifest.check().map_err(|reason| Error::invalid(format!("the facts of `{}`", manifest.name), reason))?;
    let text = format!("# Written by `tinyassay train`.\n{}", yaml::to_string(MANIFEST, &manifest)?);
    for (name, bytes) in files {
        replace(folder, name, bytes)?;
    }
    replace(folder, "model.onnx", onnx)?;
    replace(folder, MANIFEST, text.as_bytes())?;
    RegisteredModel::open(folder)
}

/// Whether a training may write its model into this folder.
///
/// Errors: [`Error::Exists`] for a model that was not trained from a recipe.
fn check_folder(folder: &Path) -> Result<(), Error> {
    let path = folder.join(MANIFEST);
    if !path.is_file() {
        return Ok(());
    }
    let model = RegisteredModel::open(folder)?;
    match model.manifest.training {
        Some(_) => Ok(()),
        None => Err(Error::Exists { name: model.manifest.name, path }),
    }
}

/// Writes a file under another name first: always the same one, so that what a killed training left there goes away
/// when it is resumed.
fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let (path, staging) = (folder.join(name), folder.join(format!(".{name}.tmp")));
    write_synced(&staging, bytes)
        .and_then(|()| fs::rename(&staging, &path).map_err(Error::io(&path)))
        .inspect_err(|_| drop(fs::remove_file(&staging)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ElementType, FileState, InputSpec, Layout, NewModel, OutputKind, OutputSpec, Registry, TrainingData,
        TrainingRuntime,
    };

    fn manifest(name: &str) -> ModelManifest {
        let input = InputSpec {
            name: "x".into(),
            dtype: ElementType::Float32,
            layout: Layout::Nchw,
            shape: vec![1, 2, 2],
            range: Some([0.0, 1.0]),
            mean: None,
            std: None,
            scale: None,
            zero_point: None,
            units: None,
        };
        let digest = Digest::of(b"");
        let training = Training {
            files: BTreeMap::new(),
            plan: digest,
            data: TrainingData { name: "tiny".into(), split: "train".into(), digest, rows: 3 },
            tinyassay: "0.1.0".into(),
            runtime: TrainingRuntime {
                provider: "cpu".into(),
                onnxruntime: "1.25.0".into(),
                library_sha256: digest,
                instruction_set: "avx2".into(),
                threads: 2,
            },
            seed: u64::MAX,
            epochs: 7,
            metrics: BTreeMap::from([("natural_accuracy".into(), 0.625)]),
        };
        ModelManifest {
            name: name.into(),
            files: BTreeMap::new(),
            input,
            output: OutputSpec {
                name: "logits".into(),
                kind: OutputKind::Logits,
                classes: 2,
                threshold: None,
                labels: None,
            },
            dataset: Some("tiny".into()),
            licence: None,
            provenance: None,
            training: Some(training),
        }
    }

    fn world() -> (tempfile::TempDir, Registry) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("net")).unwrap();
        fs::write(root.path().join("net/recipe.yaml"), "version: 1\n").unwrap();
        let registry = Registry::open(root.path());
        (root, registry)
    }

    #[test]
    fn a_trained_model_is_registered_verified_and_replaced() {
        let (root, registry) = world();
        let folder = root.path().join("net");
        for onnx in [b"one".as_slice(), b"two"] {
            fs::write(folder.join(".metrics.jsonl.tmp"), b"what a killed training left").unwrap();
            let files = [("metrics.jsonl", b"{}\n".to_vec())];
            let model = write_trained(&folder, onnx, &files, manifest("net")).unwrap();
            assert_eq!(model.load().unwrap()[0].1, onnx);
            let found = registry.find_one("net").unwrap();
            assert_eq!((found.digest, &found.manifest), (model.digest, &model.manifest));
            assert!(!folder.join(".metrics.jsonl.tmp").exists());
        }
        fs::create_dir(folder.join("training")).unwrap();
        fs::write(folder.join("training/checkpoint"), b"state").unwrap();
        let verification = registry.verify("net").unwrap();
        assert!(verification.is_verified() && verification.extra.is_empty(), "{verification:?}");
        assert_eq!(verification.files.len(), 3);
        let model = registry.find_one("net").unwrap();
        assert_eq!(model.beside("metrics.jsonl").unwrap().unwrap(), b"{}\n");
        assert!(model.beside("checkpoint").unwrap().is_none());
        fs::write(folder.join("metrics.jsonl"), b"{ }\n").unwrap();
        assert!(matches!(model.beside("metrics.jsonl"), Err(Error::WrongDigest { .. })));
        fs::remove_file(folder.join("metrics.jsonl")).unwrap();
        assert!(model.beside("metrics.jsonl").unwrap().is_none());
        fs::write(folder.join("metrics.jsonl"), b"{}\n").unwrap();
        fs::write(folder.join("recipe.yaml"), "version: 2\n").unwrap();
        let changed = registry.verify("net").unwrap().files;
        let failed: Vec<&str> = changed
            .iter()
            .filter(|file| matches!(file.state, FileState::Failed(_)))
            .map(|file| file.name.as_str())
            .collect();
        assert_eq!(failed, ["recipe.yaml"]);
    }

    #[test]
    fn the_recipe_is_not_removed_with_the_model() {
        let (root, registry) = world();
        write_trained(&root.path().join("net"), b"one", &[], manifest("net")).unwrap();
        let error = registry.remove("net").unwrap_err().to_string();
        assert!(error.ends_with("it holds files that are not the model's: recipe.yaml"), "{error}");
    }

    #[test]
    fn a_model_of_other_origin_is_not_overwritten() {
        let (root, registry) = world();
        let onnx = root.path().join("other.onnx");
        fs::write(&onnx, b"other").unwrap();
        let ModelManifest { input, output, .. } = manifest("other");
        let facts = NewModel { name: "other".into(), input, output, dataset: None, licence: None, provenance: None };
        registry.add(&onnx, &[], facts).unwrap();
        fs::write(root.path().join("other/recipe.yaml"), "version: 1\n").unwrap();
        let error = write_trained(&root.path().join("other"), b"one", &[], manifest("other")).unwrap_err();
        assert!(matches!(error, Error::Exists { .. }), "{error}");
        assert_eq!(registry.find_one("other").unwrap().load().unwrap()[0].1, b"other");
    }

    #[test]
    fn a_training_without_its_recipe_or_with_a_metric_that_is_no_number_is_refused() {
        let (root, _) = world();
        let folder = root.path().join("net");
        let mut odd = manifest("net");
        odd.training.as_mut().unwrap().metrics.insert("loss".into(), f64::NAN);
        let error = write_trained(&folder, b"one", &[], odd).unwrap_err().to_string();
        assert!(error.contains("`training`: `metrics`: `loss` is NaN"), "{error}");
        let text = "name: n\nfiles: { model.onnx: D }\ninput: { name: x, dtype: float32, layout: flat, shape: [2], range: [0, 1] }\n\
                    output: { name: y, kind: logits, classes: 2 }\ntraining:\n  files: {}\n  plan: D\n  data: { name: t, split: s, digest: D, rows: 1 }\n  \
                    tinyassay: 0.1.0\n  runtime: { provider: cpu, onnxruntime: 1.25.0, library_sha256: D, instruction_set: a, threads: 1 }\n  seed: 0\n  epochs: 1\n";
        let text = text.replace(": D", &format!(": {}", Digest::of(b"")));
        let error = ModelManifest::parse("m.yaml", &text).unwrap_err().to_string();
        assert!(error.ends_with("`training`: `files` lacks `recipe.yaml`"), "{error}");
    }
}
