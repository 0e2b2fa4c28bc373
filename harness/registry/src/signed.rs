use crate::folder::FolderFiles;
use crate::{Digest, Error, RegisteredModel, Training};
use std::collections::BTreeMap;

/// The file of a model's signature, in the model's folder. It is no part of the model: neither its digest nor its signature covers it.
pub const SIGNATURE: &str = "model.sig";

impl RegisteredModel {
    /// What no signature of a model covers: itself, and the folder of a training that may still go on.
    pub const UNSIGNED: [&str; 2] = [SIGNATURE, Training::FOLDER];

    /// The digest of every file in the model's folder: those that the manifest lists, the manifest itself and whatever else was put
    /// there, less what git keeps for itself, what is in `ignored`, and files below those. They are held against nothing.
    ///
    /// Errors: a link is in the folder, or a file cannot be read.
    pub fn folder_digests(&self, ignored: &[String]) -> Result<BTreeMap<String, Digest>, Error> {
        let files = FolderFiles::new(&self.folder);
        // As OpenSSF's `model_signing`, so that both see the same files.
        const GIT: [&str; 4] = [".git", ".gitattributes", ".github", ".gitignore"];
        let is_ignored = |name: &str| {
            let below =
                |path: &str| name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            GIT.iter().any(|path| below(path)) || ignored.iter().any(|path| below(path))
        };
        let names = files.list()?.into_iter().filter(|name| !is_ignored(name));
        names.map(|name| Ok((name.clone(), Digest::of(&files.read(&name, 0, None)?)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;
    use std::fs;

    const MANIFEST: &str = "\
name: net
files: { model.onnx: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae }
input: { name: x, dtype: float32, layout: flat, shape: [4], range: [0, 1] }
output: { name: y, kind: logits, classes: 2 }
";

    fn net() -> (tempfile::TempDir, RegisteredModel) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("net");
        for (name, text) in
            [("manifest.yaml", MANIFEST), ("model.onnx", "foo"), ("a/b", "b"), ("training/checkpoint", "c")]
        {
            fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
            fs::write(folder.join(name), text).unwrap();
        }
        for name in [SIGNATURE, ".gitignore", "training-notes"] {
            fs::write(folder.join(name), name).unwrap();
        }
        let model = Registry::open(root.path()).find_one("net").unwrap();
        (root, model)
    }

    fn unsigned() -> Vec<String> {
        RegisteredModel::UNSIGNED.map(str::to_owned).to_vec()
    }

    #[test]
    fn every_file_but_those_that_are_left_out_has_a_digest() {
        let (_root, model) = net();
        let digests = model.folder_digests(&unsigned()).unwrap();
        let names: Vec<&String> = digests.keys().collect();
        assert_eq!(names, ["a/b", "manifest.yaml", "model.onnx", "training-notes"]);
        assert_eq!(digests["manifest.yaml"], Digest::of(MANIFEST.as_bytes()));
        assert_eq!(model.folder_digests(&["a".to_owned(), "model.onnx".to_owned()]).unwrap().len(), 4);
    }

    #[test]
    fn a_signature_is_no_stranger_in_the_folder() {
        let (root, model) = net();
        assert_eq!(model.verify().unwrap().extra, [".gitignore", "a/b", "training-notes"]);
        for name in [".gitignore", "a/b", "training-notes"] {
            fs::remove_file(model.folder.join(name)).unwrap();
        }
        Registry::open(root.path()).remove("net").unwrap();
        assert!(!model.folder.exists());
    }

    #[cfg(unix)]
    #[test]
    fn links_have_no_digests() {
        let (_root, model) = net();
        std::os::unix::fs::symlink("model.onnx", model.folder.join("link")).unwrap();
        assert!(matches!(model.folder_digests(&unsigned()), Err(Error::Confined { .. })));
    }
}
