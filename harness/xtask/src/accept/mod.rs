//! The long checks: what the project claims, measured again on real input.
//!
//! Each check is a file and a line in [`CHECKS`]. The full form writes `reports/acceptance/<id>.json`; the small form
//! is what CI runs.

mod determinism;
mod gradients;
mod latency;
mod linear;
mod mlperf;
mod mnist;
mod quickstart;
mod resnet8;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// A long check.
struct Check {
    id: &'static str,
    /// What it shows, in a sentence.
    claim: &'static str,
    /// Whether it needs the data sets and models of `TINYASSAY_DATA`.
    needs_data: bool,
    run: fn(&Context) -> Result<Findings>,
}

const CHECKS: &[Check] = &[
    quickstart::CHECK,
    linear::CHECK,
    determinism::CHECK,
    gradients::CHECK,
    resnet8::CHECK,
    mlperf::CHECK,
    mnist::CHECK,
    latency::CHECK,
];

/// What a check works with.
struct Context {
    /// Whether to run the form that CI runs.
    small: bool,
    /// The folder of `TINYASSAY_DATA`.
    data: Option<PathBuf>,
    /// An empty folder of its own.
    scratch: tempfile::TempDir,
    /// The `tinyassay` program.
    program: PathBuf,
}

/// What a check found: numbers for the record, and one line for each claim that does not hold.
#[derive(Default)]
struct Findings {
    numbers: serde_json::Map<String, Value>,
    failures: Vec<String>,
}

impl Findings {
    /// Records a number or a table.
    fn note(&mut self, name: &str, value: Value) {
        self.numbers.insert(name.to_owned(), value);
    }

    /// Records a failure unless the claim holds.
    fn claim(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.failures.push(otherwise());
        }
    }
}

impl Context {
    /// A path below the data folder. Only for checks that need data.
    fn data(&self, path: &str) -> PathBuf {
        self.data.as_deref().expect("the table says that this check needs data").join(path)
    }

    /// Runs the program in the scratch folder.
    ///
    /// Errors: it could not be started or did not exit with 0; the message has its standard error.
    fn tinyassay<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.current_dir(self.scratch.path()).args(args);
        let output = command.output().with_context(|| format!("start {}", self.program.display()))?;
        if !output.status.success() {
            bail!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Writes a suite into the scratch folder, runs it and returns its `results.json`.
    ///
    /// Errors: the run fails.
    fn run_suite(&self, name: &str, yaml: &str, more: &[&str]) -> Result<Value> {
        let suite = format!("{name}.yaml");
        self.write(&suite, yaml)?;
        let out = format!("reports/{name}");
        let mut args = vec!["run", &suite, "--out", &out];
        args.extend(more);
        self.tinyassay(args)?;
        let text = std::fs::read_to_string(self.scratch.path().join(&out).join("results.json"))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Writes a file into the scratch folder.
    ///
    /// Errors: it can't be written.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        std::fs::write(self.scratch.path().join(name), text).with_context(|| format!("write {name}"))
    }

    /// Copies a registered model of this repository into the scratch folder's `models/`.
    ///
    /// Errors: it can't be copied.
    fn take_model(&self, name: &str) -> Result<()> {
        let (from, to) = (Path::new("models").join(name), self.scratch.path().join("models").join(name));
        std::fs::create_dir_all(&to)?;
        for entry in std::fs::read_dir(&from).with_context(|| format!("read {}", from.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                std::fs::copy(entry.path(), to.join(entry.file_name()))?;
            }
        }
        Ok(())
    }
}

/// Runs one check or all with the program that was built last, and says what it found.
///
/// Errors: an unknown id, or a claim that does not hold; every failure is named.
pub(crate) fn run(id: Option<&str>, small: bool) -> Result<()> {
    if let Some(id) = id.filter(|id| CHECKS.iter().all(|check| check.id != *id)) {
        let ids: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
        bail!("no check `{id}`; there are: {}", ids.join(", "));
    }
    let program = program()?;
    let data = std::env::var_os("TINYASSAY_DATA").map(PathBuf::from);
    let mut failures = Vec::new();
    for check in CHECKS.iter().filter(|check| id.is_none_or(|id| id == check.id)) {
        if check.needs_data && data.is_none() {
            println!("accept {}: skipped, TINYASSAY_DATA is not set", check.id);
            continue;
        }
        let scratch = tempfile::tempdir()?;
        let context = Context { small, data: data.clone(), scratch, program: program.clone() };
        let start = Instant::now();
        let findings = (check.run)(&context).with_context(|| format!("accept {}", check.id))?;
        let seconds = start.elapsed().as_secs_f64();
        let verdict = if findings.failures.is_empty() { "holds" } else { "DOES NOT HOLD" };
        println!("accept {}: {verdict} in {seconds:.0} s: {}", check.id, check.claim);
        if !small {
            println!("{}", serde_json::to_string_pretty(&findings.numbers)?);
            record(check, &findings, seconds)?;
        }
        failures.extend(findings.failures.iter().map(|failure| format!("{}: {failure}", check.id)));
    }
    if failures.is_empty() { Ok(()) } else { bail!("does not hold:\n{}", failures.join("\n")) }
}

/// Builds the program. `cargo test` of the workspace has built it too, with other features of crates of others: building it once
/// more would take minutes.
///
/// Errors: it can't be built.
pub(crate) fn build() -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(cargo).args(["build", "--release", "--bin", "tinyassay"]).status()?;
    if !status.success() {
        bail!("build tinyassay: {status}");
    }
    Ok(())
}

/// The program, beside this one.
fn program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.with_file_name("tinyassay").with_extension(std::env::consts::EXE_EXTENSION))
}

fn record(check: &Check, findings: &Findings, seconds: f64) -> Result<()> {
    let commit = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output()?;
    let identity = runtime::identity(runtime::Provider::Cpu)?;
    let record = json!({
        "id": check.id,
        "claim": check.claim,
        "holds": findings.failures.is_empty(),
        "failures": findings.failures,
        "numbers": findings.numbers,
        "commit": String::from_utf8_lossy(&commit.stdout).trim(),
        "seconds": seconds.round(),
        "machine": {
            "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            "cores": std::thread::available_parallelism()?.get(),
            "instruction_set": identity.instruction_set,
        },
        "versions": { "onnxruntime": identity.onnxruntime, "tinyassay": env!("CARGO_PKG_VERSION") },
    });
    let folder = Path::new("reports/acceptance");
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("{}.json", check.id));
    std::fs::write(&path, serde_json::to_string_pretty(&record)? + "\n").with_context(|| path.display().to_string())
}

/// The entry of `list` whose `name` is this one.
///
/// Errors: there is none.
fn named<'a>(list: &'a Value, name: &str) -> Result<&'a Value> {
    let entries = list.as_array().context("expected a list")?;
    entries.iter().find(|entry| entry["name"] == name).with_context(|| format!("no entry `{name}`"))
}

/// A number of a JSON object.
///
/// Errors: it is not there or not a number.
fn number(value: &Value, field: &str) -> Result<f64> {
    value[field].as_f64().with_context(|| format!("no number `{field}`"))
}

/// A share in percent, to a thousandth of one.
fn percent(share: f64) -> f64 {
    (share * 1e5).round() / 1e3
}
