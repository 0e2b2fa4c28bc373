//! `tinyassay doctor`: what is installed, which data are there.

use crate::args::DoctorArgs;
use crate::exit::Exit;
use crate::places::Places;
use crate::self_check;
use anyhow::Result;
use runtime::{Provider, provision};

/// Prints runtime, providers, data sets, models and cache. What is missing comes with its remedy.
///
/// Errors: none of its own; a runtime that can't be had is reported and makes the exit code 1.
pub(crate) fn run(args: &DoctorArgs) -> Result<Exit> {
    let provider = Provider::from(args.provider);
    if args.self_check {
        return self_check::run(provider, args.json.as_deref());
    }
    let places = Places::from_env();
    println!("tinyassay {}", env!("CARGO_PKG_VERSION"));
    let settings = provision::Settings::from_env();
    println!("\nONNX Runtime");
    let runtime_is_there = match crate::progress::runtime(provider).and_then(|()| Ok(runtime::identity(provider)?)) {
        Ok(identity) => {
            println!("  version          {}", identity.onnxruntime);
            println!("  library          {}", runtime::env()?.library().path.display());
            println!("  SHA-256          {}", identity.library_sha256);
            println!("  instruction set  {}", identity.instruction_set);
            if cfg!(target_arch = "x86_64") && !identity.instruction_set.ends_with("vnni") {
                println!(
                    "                   products of 8-bit integers may saturate here: verdicts on int8 files are this processor's"
                );
            }
            identity.device.iter().for_each(|device| println!("  device           {device}"));
            true
        }
        Err(error) => {
            println!("  not available: failed to {error}");
            false
        }
    };
    println!("\nProviders");
    for &other in Provider::ALL {
        println!("  {other:<5} {}", state(other, provider));
    }
    if provider == Provider::Cuda && provider.require_hardware().is_ok() {
        cuda_libraries();
    }
    println!(
        "\nCache\n  {}",
        settings.cache.map_or("none: set TINYASSAY_CACHE or HOME".into(), |path| path.display().to_string())
    );
    println!(
        "\nData (TINYASSAY_DATA = {})",
        places.data.as_ref().map_or("not set".into(), |path| path.display().to_string())
    );
    for line in crate::data::availability(&places)? {
        println!("  {line}");
    }
    let models = places.registry().list();
    println!("\nModels ({})", places.models.display());
    match models {
        Ok(models) if models.is_empty() => println!("  none; register one with `tinyassay model add`"),
        Ok(models) => models.iter().for_each(|(name, model)| match model {
            Ok(_) => println!("  {name}"),
            Err(error) => println!("  {name}: failed to {error}"),
        }),
        Err(error) => println!("  {error}"),
    }
    Ok(if runtime_is_there { Exit::Pass } else { Exit::Failed })
}

/// Whether a provider can be used. What a GPU needs is looked at only where it was asked for: its build of ONNX Runtime
/// is large, and a process loads one build.
fn state(provider: Provider, asked: Provider) -> String {
    let not_available = |error: runtime::Error| format!("not available: failed to {error}");
    if provider == Provider::Cuda && asked != provider {
        let found = "there is a GPU; `tinyassay doctor --provider cuda` looks at what else it needs";
        return provider.require_hardware().map_or_else(not_available, |()| found.to_owned());
    }
    provider.require().map_or_else(not_available, |()| "available".to_owned())
}

/// Where each library of CUDA was found, or why not.
fn cuda_libraries() {
    println!("\nCUDA");
    for library in runtime::library_states() {
        let state = match &library.loaded {
            Ok(path) => path.display().to_string(),
            Err(reason) if library.required => format!("missing: {reason}"),
            Err(reason) => format!("missing, and not always needed: {reason}"),
        };
        println!("  {:<18} {state}", library.name);
    }
}
