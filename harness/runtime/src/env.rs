use crate::error::loader_words;
use crate::provision::{Library, Settings, provision};
use crate::{Error, Provider};
use ort::environment::Environment;
use ort::logging::LogLevel;
use std::ffi::CStr;
use std::path::Path;
use std::sync::OnceLock;

/// ONNX Runtime, loaded: the one environment of the process and the library that it came from.
#[derive(Debug)]
pub struct Env {
    environment: Environment,
    library: Library,
    version: String,
}

impl Env {
    /// The library that was loaded.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// The version of ONNX Runtime.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}

// There may be one environment per process, for ever: a second one is refused even after the first is gone.
static ENV: OnceLock<Result<Env, Error>> = OnceLock::new();

/// ONNX Runtime, provisioned and loaded on the first call with the settings of the process's environment variables.
///
/// Errors: there is no library, or it cannot be loaded or is older than 1.24. The first answer is kept for ever.
pub fn env() -> Result<&'static Env, Error> {
    env_for(Provider::Cpu)
}

/// As [`env()`], with the build that a provider needs if this is the first call. Every build has the CPU provider.
pub(crate) fn env_for(provider: Provider) -> Result<&'static Env, Error> {
    let settings = || Settings::from_env().with_build(provider.build());
    ENV.get_or_init(|| load(provision(&settings(), &mut |_| {})?)).as_ref().map_err(Error::clone)
}

/// As [`env()`], with a library that [`provision`] has found already.
///
/// Errors: as [`env()`].
pub fn env_from(library: Library) -> Result<&'static Env, Error> {
    ENV.get_or_init(|| load(library)).as_ref().map_err(Error::clone)
}

/// Older releases lack parts of the interface that the binding is built for.
const OLDEST: (u32, u32) = (1, 24);

fn load(library: Library) -> Result<Env, Error> {
    let fail = |reason: String| Error::Load { path: library.path.clone(), reason };
    let version = library_version(&library.path).map_err(fail)?;
    if !is_new_enough(&version) {
        let (major, minor) = OLDEST;
        return Err(fail(format!("it is version {version}, and {major}.{minor} is the oldest that works")));
    }
    let builder = ort::init_from(&library.path).map_err(|error| fail(error.to_string()))?;
    // From here on calls into `ort` do not panic.
    let environment = builder.with_name("tinyassay").with_telemetry(false).build();
    let environment = environment.map_err(|error| fail(error.to_string()))?;
    environment.set_log_level(LogLevel::Warning);
    Ok(Env { environment, library, version })
}

fn is_new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    matches!((parts.next().flatten(), parts.next().flatten()), (Some(major), Some(minor)) if (major, minor) >= OLDEST)
}

/// What the library says its version is; the binding does not pass it on.
#[allow(unsafe_code)]
fn library_version(path: &Path) -> Result<String, String> {
    // SAFETY: Loading runs the initialisers of a library that is either verified against its pinned digest or that the
    // user named in ORT_DYLIB_PATH; the binding loads the same file right after.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| loader_words(&error))?;
    // SAFETY: The symbol has this signature in every release of ONNX Runtime, and is called while the library is there.
    let base = unsafe {
        let get = library.get::<unsafe extern "system" fn() -> *const ort::sys::OrtApiBase>(b"OrtGetApiBase");
        get.map_err(|_| "it does not export `OrtGetApiBase`".to_owned())?().as_ref()
    };
    let base = base.ok_or("`OrtGetApiBase` returned nothing")?;
    // SAFETY: The text is a constant of the library, ends in a zero and is copied before the library can go.
    let text = unsafe { CStr::from_ptr((base.GetVersionString)()) };
    Ok(text.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_loaded_once() {
        let first = env().unwrap();
        assert!(std::ptr::eq(first, env().unwrap()));
        assert_eq!(first.library().sha256.len(), 64);
        assert!(is_new_enough(first.version()), "{}", first.version());
    }

    #[test]
    fn versions_are_compared_by_number() {
        for (version, expected) in [("1.24.0", true), ("1.31.1", true), ("2.0.0", true), ("1.9.0", false), ("?", false)]
        {
            assert_eq!(is_new_enough(version), expected, "{version}");
        }
    }

    #[test]
    fn a_library_that_is_none_is_a_clear_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libnone.so");
        std::fs::write(&path, b"not a library").unwrap();
        let library =
            Library { path, sha256: String::new(), companions: Vec::new(), source: crate::provision::Source::Variable };
        let text = load(library).unwrap_err().to_string();
        assert!(text.starts_with("load ONNX Runtime from `") && text.contains("libnone.so"), "{text}");
    }
}
