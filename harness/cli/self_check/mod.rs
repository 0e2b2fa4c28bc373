//! `tinyassay doctor --self-check`: does this provider compute what the reference does, does it repeat itself, does
//! state stay right between runs, and how fast is it? Needs nothing but the program and ONNX Runtime.

mod checks;
mod net;
mod speed;
mod training;

use crate::exit::Exit;
use crate::{progress, table};
use anyhow::{Context, Result};
use graph::Graph;
use graph::check::Splitmix;
use net::{CLASSES, ROW};
use runtime::{Identity, Provider, ResidentProgram};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// What was looked at, what came out, and what was allowed.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    found: String,
    allowed: &'static str,
    holds: bool,
}

#[derive(Debug, Serialize)]
struct Results {
    tinyassay: &'static str,
    provider: String,
    onnxruntime: String,
    library_sha256: String,
    instruction_set: String,
    optimisation: String,
    device: Option<String>,
    checks: Vec<Check>,
    errors: Vec<String>,
    #[serde(flatten)]
    measured: Measured,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Measured {
    transfers: Vec<speed::Transfer>,
    speed: Vec<speed::Speed>,
    training: Vec<training::TrainingSpeed>,
}

type CheckOf = fn(Provider) -> Result<Vec<Check>>;

/// The checks, each with a name in case that it can't be made.
const CHECKS: &[(&str, CheckOf)] = &[
    ("gradients against double precision", checks::reference),
    ("gradients again", checks::repetition),
    ("resident parameters", checks::descent),
    ("resident inputs", checks::ascent),
    ("steps of TRADES", training::check),
];

/// Runs all checks and measurements, prints them, and writes them to `json`.
///
/// Errors: the provider is not available, or the file can't be written; what else fails is a check that does not hold.
pub(crate) fn run(provider: Provider, json: Option<&Path>) -> Result<Exit> {
    let start = Instant::now();
    progress::runtime(provider)?;
    let identity = runtime::identity(provider)?;
    println!("ONNX Runtime {} on {provider}", identity.onnxruntime);
    println!("{}\n", identity.device.as_deref().unwrap_or(&identity.instruction_set));
    let (mut checks, mut errors) = (Vec::new(), Vec::new());
    for (name, check) in CHECKS {
        match check(provider) {
            Ok(found) => checks.extend(found),
            Err(error) => {
                let (found, allowed) = ("an error, told below".to_owned(), "none");
                checks.push(Check { check: name, found, allowed, holds: false });
                errors.push(format!("{name}: failed to {error:#}"));
            }
        }
    }
    let row = |check: &Check| {
        let state = if check.holds { "holds" } else { "DOES NOT HOLD" };
        [check.check.to_owned(), check.found.clone(), check.allowed.to_owned(), state.to_owned()]
    };
    println!("{}", table::render(["check", "found", "allowed", ""], checks.iter().map(row)));
    let measured = Measured {
        transfers: or_none(speed::transfers(provider), &mut errors),
        speed: or_none(speed::measure(provider), &mut errors),
        training: or_none(training::measure(provider), &mut errors),
    };
    errors.iter().for_each(|error| println!("{error}"));
    let failed = checks.iter().filter(|check| !check.holds).count();
    let seconds = start.elapsed().as_secs_f64();
    println!("self-check: {} checks, {failed} failed, {seconds:.1} s", checks.len());
    let errors_are_none = errors.is_empty();
    if let Some(path) = json {
        write(path, &results(identity, checks, errors, measured, seconds))?;
    }
    Ok(if failed == 0 && errors_are_none { Exit::Pass } else { Exit::Failed })
}

/// What was measured; where that failed nothing, and the reason is noted: what else can be found out matters more.
fn or_none<T>(measured: Result<Vec<T>>, errors: &mut Vec<String>) -> Vec<T> {
    measured.unwrap_or_else(|error| {
        errors.push(format!("speed: failed to {error:#}"));
        Vec::new()
    })
}

fn results(identity: Identity, checks: Vec<Check>, errors: Vec<String>, measured: Measured, seconds: f64) -> Results {
    Results {
        tinyassay: env!("CARGO_PKG_VERSION"),
        provider: identity.provider,
        onnxruntime: identity.onnxruntime,
        library_sha256: identity.library_sha256,
        instruction_set: identity.instruction_set,
        optimisation: identity.optimisation,
        device: identity.device,
        checks,
        errors,
        measured,
        seconds,
    }
}

fn write(path: &Path, results: &Results) -> Result<()> {
    let text = serde_json::to_string_pretty(results)? + "\n";
    std::fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))
}

/// A graph on a provider, with nothing carried unless `carried` says so.
fn open(graph: &Graph, provider: Provider, carried: &[(&str, &str)]) -> Result<ResidentProgram> {
    let lowered = provider.profile().lower(graph)?;
    Ok(ResidentProgram::open(&lowered, provider, 1, carried)?)
}

fn uniform(count: usize, seed: u64) -> Vec<f32> {
    let mut random = Splitmix::new(seed);
    (0..count).map(|_| random.uniform(0.0, 1.0) as f32).collect()
}

/// One-hot rows.
fn labels(rows: usize) -> Vec<f32> {
    (0..rows * CLASSES).map(|index| f32::from(index % CLASSES == index / CLASSES % CLASSES)).collect()
}

/// The largest difference, relative to the largest expected number; infinite where something is not a number.
fn max_norm(found: &[f32], expected: &[f64]) -> f64 {
    let largest = expected.iter().fold(f64::MIN_POSITIVE, |most, value| most.max(value.abs()));
    let differences = found.iter().zip(expected).map(|(found, expected)| (f64::from(*found) - expected).abs());
    differences.fold(0.0, |worst, error| if error.is_nan() { f64::INFINITY } else { error.max(worst) }) / largest
}

fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| value.into()).collect()
}

fn same_bits(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}
