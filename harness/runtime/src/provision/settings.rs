use std::ffi::OsString;
use std::path::PathBuf;

/// A program that can fetch the wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installer {
    /// The program, looked up on PATH.
    pub program: OsString,
    /// Arguments before pip's own.
    pub arguments: Vec<OsString>,
}

impl Installer {
    /// An installer.
    pub fn new(program: &str, arguments: &[&str]) -> Self {
        Self { program: program.into(), arguments: arguments.iter().map(OsString::from).collect() }
    }
}

/// A build of ONNX Runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Build {
    /// For the CPU alone.
    #[default]
    Cpu,
    /// With the CUDA provider, for CUDA 13 and cuDNN 9.
    Cuda,
}

/// What decides where the library comes from. Read from the environment once, by [`Settings::from_env`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `ORT_DYLIB_PATH`: the library itself.
    pub dylib: Option<PathBuf>,
    /// The cache folder: `TINYASSAY_CACHE`, else `XDG_CACHE_HOME/tinyassay`, else `~/.cache/tinyassay`.
    pub cache: Option<PathBuf>,
    /// `TINYASSAY_OFFLINE` is set to something other than nothing or 0.
    pub offline: bool,
    /// The build that is fetched.
    pub build: Build,
    /// The programs to fetch the wheel with, in this order.
    pub installers: Vec<Installer>,
}

impl Settings {
    /// The settings of this process.
    pub fn from_env() -> Self {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// The same for another build.
    #[must_use]
    pub fn with_build(self, build: Build) -> Self {
        Self { build, ..self }
    }

    /// The settings that these variables make.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let home = || get("HOME").or_else(|| get("USERPROFILE")).map(|home| PathBuf::from(home).join(".cache"));
        let shared = || get("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home);
        let cache = get("TINYASSAY_CACHE").map(PathBuf::from).or_else(|| Some(shared()?.join("tinyassay")));
        Self {
            dylib: get("ORT_DYLIB_PATH").map(PathBuf::from),
            cache: cache.map(|path| std::path::absolute(&path).unwrap_or(path)),
            offline: get("TINYASSAY_OFFLINE").is_some_and(|value| value != "0"),
            build: Build::Cpu,
            installers: vec![
                Installer::new("python3", &["-m", "pip"]),
                Installer::new("pip3", &[]),
                Installer::new("python", &["-m", "pip"]),
            ],
        }
    }
}
