//! ONNX Runtime's CUDA provider: strict or not at all.
//!
//! Nothing falls back to the CPU in silence. Before the first session the driver, the build of ONNX Runtime and the
//! libraries of CUDA and cuDNN are looked for, each with an error of its own; registration fails where the provider
//! does; and after a session is opened ONNX Runtime says where each node was placed.

mod driver;
mod libraries;
mod placement;

pub(crate) use driver::gpu;
pub(crate) use libraries::cudnn_version;
pub use libraries::{LibraryState, library_states};
pub(crate) use placement::placement;

use crate::{Env, Error, Provider, env};
use ort::ep::{ArbitrarilyConfigurableExecutionProvider, CUDA, ExecutionProvider};
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The provider's options, which are part of the identity of results.
///
/// `use_tf32`: products of float32 keep all their bits. `cudnn_conv_algo_search`: by cuDNN's own ranking, the same each
/// time; the default measures, and what is fastest changes from run to run. `cudnn_conv_use_max_workspace`: what the
/// ranking may choose from does not depend on how much memory is free. `arena_extend_strategy`: many small sessions
/// share one GPU.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("device_id", "0"),
    ("use_tf32", "0"),
    ("cudnn_conv_algo_search", "HEURISTIC"),
    ("cudnn_conv_use_max_workspace", "1"),
    ("arena_extend_strategy", "kSameAsRequested"),
];

/// The variable that changes options, as `KEY=VALUE,…`: for measurements, and told in the identity like the others.
const VARIABLE: &str = "TINYASSAY_CUDA_OPTIONS";

/// The options of this process.
///
/// Errors: the variable is not written as it should be.
fn options() -> Result<&'static BTreeMap<String, String>, Error> {
    static OPTIONS: OnceLock<Result<BTreeMap<String, String>, Error>> = OnceLock::new();
    let read = || options_with(&std::env::var(VARIABLE).unwrap_or_default());
    OPTIONS.get_or_init(read).as_ref().map_err(Error::clone)
}

fn options_with(changes: &str) -> Result<BTreeMap<String, String>, Error> {
    let mut options: BTreeMap<String, String> =
        SETTINGS.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    for change in changes.split(',').filter(|change| !change.trim().is_empty()) {
        let pair = change.trim().split_once('=').filter(|(key, value)| !key.is_empty() && !value.contains('\0'));
        let (key, value) =
            pair.ok_or_else(|| unavailable(format!("{VARIABLE} must be KEY=VALUE,..., found `{}`", change.trim())))?;
        options.insert(key.to_owned(), value.to_owned());
    }
    Ok(options)
}

/// The options as the identity tells them.
///
/// Errors: as [`options`].
pub(crate) fn settings() -> Result<String, Error> {
    let pairs: Vec<String> = options()?.iter().map(|(key, value)| format!("{key}={value}")).collect();
    Ok(format!("{} deterministic_compute=1", pairs.join(" ")))
}

/// Why the provider can't be used, with the remedy.
pub(crate) fn unavailable(reason: impl Into<String>) -> Error {
    Error::ProviderUnavailable { provider: Provider::Cuda.to_string(), reason: reason.into() }
}

/// Whether sessions can be opened on the GPU; the libraries of CUDA are loaded by the first call.
///
/// Errors: there is no driver or GPU, the ONNX Runtime that is loaded is built without CUDA, or a library is missing.
pub(crate) fn require() -> Result<(), Error> {
    static STATE: OnceLock<Result<(), Error>> = OnceLock::new();
    gpu()?;
    options()?;
    crate::env::env_for(Provider::Cuda)?;
    compiled_in(env()?)?;
    STATE.get_or_init(libraries::preload).clone()
}

/// Whether the ONNX Runtime that is loaded was built with the provider.
fn compiled_in(env: &Env) -> Result<(), Error> {
    match CUDA::is_available() {
        Ok(true) => Ok(()),
        Ok(false) => Err(unavailable(format!(
            "ONNX Runtime {} in `{}` is built without it\nhint: unset ORT_DYLIB_PATH to let Tinyassay fetch the build \
             with CUDA, or set it to the `libonnxruntime.so` of the package onnxruntime-gpu",
            env.version(),
            env.library().path.display()
        ))),
        Err(error) => Err(unavailable(error.to_string())),
    }
}

/// Adds the provider to a session, with nothing to fall back to if it can't be made.
#[expect(clippy::result_large_err, reason = "the binding hands its builder back with the error")]
pub(crate) fn register(builder: SessionBuilder) -> Result<SessionBuilder, ort::Error<SessionBuilder>> {
    // Without valid options the provider is not available, and no session gets here.
    let options = options().into_iter().flatten();
    let cuda = options.fold(CUDA::default(), |cuda, (key, value)| cuda.with_arbitrary_config(key, value));
    builder
        .with_deterministic_compute(true)?
        .with_config_entry(placement::RECORD, "1")?
        .with_execution_providers([cuda.build().error_on_failure()])
}

/// Checks that the nodes of a session are on the GPU: all of them where `all` says so, else at least one.
///
/// Errors: they are not.
pub(crate) fn check_placement(session: &Session, all: bool) -> Result<(), Error> {
    let found = placement(session)?;
    let elsewhere = found.elsewhere();
    if elsewhere.is_empty() || !all && found.on("CUDAExecutionProvider") > 0 {
        return Ok(());
    }
    Err(unavailable(format!("it has no kernel for {elsewhere}\nhint: run this model with `--provider cpu`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_cuda_is_refused_with_its_path() {
        let env = env().unwrap();
        if CUDA::is_available().unwrap() {
            return;
        }
        let text = compiled_in(env).unwrap_err().to_string();
        assert!(text.starts_with("use provider `cuda`: ONNX Runtime 1."), "{text}");
        assert!(text.contains(env.library().path.to_str().unwrap()) && text.contains("onnxruntime-gpu"), "{text}");
    }

    #[test]
    fn registration_never_falls_back() {
        env().unwrap();
        if CUDA::is_available().unwrap() {
            return;
        }
        let builder = Session::builder(env().unwrap().environment()).unwrap();
        let error = register(builder).err().expect("the build has no CUDA");
        assert!(error.to_string().contains("CUDA"), "{error}");
    }

    #[test]
    fn the_settings_are_told_in_full_and_can_be_changed() {
        let text = settings().unwrap();
        assert!(text.contains("use_tf32=0") && text.ends_with("deterministic_compute=1"), "{text}");
        let changed = options_with("use_tf32=1, prefer_nhwc=1").unwrap();
        assert_eq!((changed["use_tf32"].as_str(), changed["prefer_nhwc"].as_str()), ("1", "1"));
        assert_eq!(changed["cudnn_conv_algo_search"], "HEURISTIC");
        assert!(options_with("use_tf32").unwrap_err().to_string().contains("`use_tf32`"));
    }
}
