use super::unavailable;
use crate::Error;
use crate::error::loader_words;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A library of CUDA that the provider loads.
struct Wanted {
    name: &'static str,
    /// The package on the Python index that holds it.
    package: &'static str,
    required: bool,
}

const fn wanted(name: &'static str, package: &'static str, required: bool) -> Wanted {
    Wanted { name, package, required }
}

/// What ONNX Runtime's build for CUDA 13 and cuDNN 9 loads, each after those it needs itself.
const WANTED: &[Wanted] = &[
    wanted("libcudart.so.13", "nvidia-cuda-runtime", true),
    wanted("libnvJitLink.so.13", "nvidia-nvjitlink", false),
    wanted("libnvrtc.so.13", "nvidia-cuda-nvrtc", false),
    wanted("libcublasLt.so.13", "nvidia-cublas", true),
    wanted("libcublas.so.13", "nvidia-cublas", true),
    wanted("libcurand.so.10", "nvidia-curand", true),
    wanted("libcufft.so.12", "nvidia-cufft", false),
    wanted("libcudnn.so.9", "nvidia-cudnn-cu13", true),
];

/// Whether a library of CUDA is there, for whoever shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibraryState {
    /// Its file name.
    pub name: &'static str,
    /// Whether the provider can't do without it.
    pub required: bool,
    /// Where it was loaded from: a file, or its bare name where the system's loader knows it; or why it was not.
    pub loaded: Result<PathBuf, String>,
}

/// Loads the libraries of CUDA and cuDNN, so that the provider finds them loaded wherever they lie.
///
/// Looked through in this order: the folders of `TINYASSAY_CUDA_LIBS`, `nvidia/*/lib` in every folder that `python3`
/// imports from, and where the system's loader looks. The first call decides.
pub fn library_states() -> &'static [LibraryState] {
    static STATES: OnceLock<Vec<LibraryState>> = OnceLock::new();
    STATES.get_or_init(|| load(&folders(std::env::var_os("TINYASSAY_CUDA_LIBS").as_deref(), &python_paths())))
}

/// The same for the provider's sake.
///
/// Errors: one that it can't do without is missing.
pub(super) fn preload() -> Result<(), Error> {
    complete(library_states())
}

fn complete(states: &[LibraryState]) -> Result<(), Error> {
    for (state, wanted) in states.iter().zip(WANTED) {
        if let (true, Err(reason)) = (state.required, &state.loaded) {
            let (name, package) = (state.name, wanted.package);
            return Err(unavailable(format!(
                "`{name}` can't be loaded: {reason}\nhint: python3 -m pip install {package}, or set \
                 TINYASSAY_CUDA_LIBS to the folders with the libraries of CUDA 13 and cuDNN 9, separated by `:`"
            )));
        }
    }
    Ok(())
}

fn load(folders: &[PathBuf]) -> Vec<LibraryState> {
    let states = WANTED.iter().map(|wanted| LibraryState {
        name: wanted.name,
        required: wanted.required,
        loaded: load_one(wanted.name, folders),
    });
    states.collect()
}

/// Loads one library for good. What is loaded is found under its name by everything that is loaded later.
fn load_one(name: &str, folders: &[PathBuf]) -> Result<PathBuf, String> {
    let in_folders = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    let path = in_folders.clone().unwrap_or_else(|| name.into());
    ort::util::preload_dylib(&path).map(|()| path).map_err(|error| match in_folders {
        Some(path) => format!("`{}`: {}", path.display(), loader_words(&error)),
        None if folders.is_empty() => "no folder with libraries of CUDA was found".to_owned(),
        None => {
            let searched: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
            format!("it is not in {}", searched.join(", "))
        }
    })
}

/// The folders to look through: those that are named, then those of Python's packages.
fn folders(named: Option<&OsStr>, python: &[PathBuf]) -> Vec<PathBuf> {
    let named = named.map(|paths| std::env::split_paths(paths).collect()).unwrap_or_default();
    let mut found: Vec<PathBuf> = named;
    found.retain(|path| !path.as_os_str().is_empty());
    for path in python {
        let Ok(packages) = std::fs::read_dir(path.join("nvidia")) else { continue };
        let libs: BTreeSet<PathBuf> = packages.filter_map(Result::ok).map(|entry| entry.path().join("lib")).collect();
        found.extend(libs.into_iter().filter(|lib| lib.is_dir()));
    }
    let mut seen = BTreeSet::new();
    found.retain(|folder| seen.insert(folder.clone()));
    found
}

/// Where `python3` imports from; nothing where there is no Python.
fn python_paths() -> Vec<PathBuf> {
    let output = Command::new("python3").args(["-c", "import sys; print('\\n'.join(sys.path))"]).output();
    let Ok(output) = output else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(PathBuf::from).filter(|path| path.is_absolute()).collect()
}

/// cuDNN's version, where it is loaded.
pub(crate) fn cudnn_version() -> Option<String> {
    let state = library_states().iter().find(|state| state.name.starts_with("libcudnn"))?;
    version_of(state.loaded.as_ref().ok()?)
}

#[allow(unsafe_code)]
fn version_of(path: &Path) -> Option<String> {
    // SAFETY: The library is loaded already, which this only counts.
    let library = unsafe { libloading::Library::new(OsString::from(path)) }.ok()?;
    // SAFETY: The symbol has this signature in every release of cuDNN, and the library outlives the call.
    let version = unsafe { library.get::<unsafe extern "C" fn() -> usize>(b"cudnnGetVersion").ok()?() };
    Some(format!("{}.{}.{}", version / 10_000, version % 10_000 / 100, version % 100))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn folders_that_are_named_come_before_those_of_python() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for folder in ["named", "site/nvidia/cudnn/lib", "site/nvidia/cu13/lib", "site/nvidia/nolib"] {
            fs::create_dir_all(path(folder)).unwrap();
        }
        let named = std::env::join_paths([path("named"), path("site/nvidia/cu13/lib")]).unwrap();
        let found = folders(Some(&named), &[path("site"), path("site"), path("missing")]);
        assert_eq!(found, ["named", "site/nvidia/cu13/lib", "site/nvidia/cudnn/lib"].map(path));
        assert!(folders(Some(OsStr::new("")), &[]).is_empty());
    }

    #[test]
    fn a_missing_library_is_named_with_folders_and_package() {
        let folder = tempfile::tempdir().unwrap();
        let states: Vec<LibraryState> = WANTED
            .iter()
            .map(|wanted| LibraryState {
                name: wanted.name,
                required: wanted.required,
                loaded: match wanted.name {
                    "libcudnn.so.9" => load_one("libtinyassay-not-there.so.9", &[folder.path().into()]),
                    _ if wanted.required => Ok(wanted.name.into()),
                    _ => Err("optional".to_owned()),
                },
            })
            .collect();
        let text = complete(&states).unwrap_err().to_string();
        assert!(text.starts_with("use provider `cuda`: `libcudnn.so.9` can't be loaded"), "{text}");
        assert!(text.contains(folder.path().to_str().unwrap()) && text.contains("nvidia-cudnn-cu13"), "{text}");
    }

    #[test]
    fn a_file_that_is_no_library_is_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("libcudart.so.13"), b"nothing").unwrap();
        let reason = load_one("libcudart.so.13", &[folder.path().into()]).unwrap_err();
        assert!(reason.contains("libcudart.so.13") && reason.contains(folder.path().to_str().unwrap()), "{reason}");
    }

    #[test]
    fn what_the_loader_knows_needs_no_folder() {
        assert_eq!(load_one("libm.so.6", &[]), Ok(PathBuf::from("libm.so.6")));
        assert_eq!(version_of(Path::new("libm.so.6")), None);
    }
}
