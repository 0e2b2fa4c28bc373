//! Same plan, same bytes: whatever the threads, the order of work or an interruption.

use super::{Check, Context, Findings};
use anyhow::{Context as _, Result};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(super) const CHECK: Check = Check {
    id: "determinism",
    claim: "results and evidence are the same bytes for 1 and 2 jobs, killed and resumed, and 500 then 1,000 samples",
    needs_data: false,
    run,
};

fn run(context: &Context) -> Result<Findings> {
    let mut findings = Findings::default();
    let half = if context.small { 250 } else { 500 };
    let full = 2 * half;
    for model in ["signs32-linear10", "signs32-linear2"] {
        context.take_model(model)?;
    }
    let suite = |samples: usize| {
        format!(
            "version: 1\nname: determinism\ndataset: {{ name: signs32, split: test, samples: {samples} }}\n\
             models: [signs32-linear10, signs32-linear2]\nthreat: {{ norm: linf, epsilon: 2/255 }}\n\
             attacks: [fgsm, pgd-20]\nseed: 7\n"
        )
    };
    context.run_suite("one-job", &suite(full), &["--jobs", "1"])?;
    let wanted = files(&context.scratch.path().join("reports/one-job"))?;
    findings.note("files_compared", json!(wanted.len()));

    context.run_suite("two-jobs", &suite(full), &["--jobs", "2"])?;
    compare(&mut findings, context, "two-jobs", &wanted)?;

    context.run_suite("grown", &suite(half), &[])?;
    context.run_suite("grown", &suite(full), &[])?;
    compare(&mut findings, context, "grown", &wanted)?;

    let kills = kill_and_resume(context, &suite(full))?;
    findings.note("runs_killed", json!(kills));
    findings.claim(kills > 0, || "no run was killed before it ended".to_owned());
    compare(&mut findings, context, "killed", &wanted)?;
    Ok(findings)
}

/// Starts the run again and again and kills it a little later each time, until one ends by itself.
fn kill_and_resume(context: &Context, suite: &str) -> Result<usize> {
    context.write("killed.yaml", suite)?;
    let args = ["run", "killed.yaml", "--out", "reports/killed"];
    for round in 0..200 {
        let mut command = Command::new(&context.program);
        command.current_dir(context.scratch.path()).args(args).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().context("start tinyassay")?;
        let deadline = Instant::now() + Duration::from_millis(100 + 40 * round as u64);
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait()? {
                anyhow::ensure!(status.success(), "a resumed run failed: {status}");
                return Ok(round);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill()?;
        child.wait()?;
    }
    anyhow::bail!("no run ended within 8 s")
}

fn compare(findings: &mut Findings, context: &Context, name: &str, wanted: &BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    let found = files(&context.scratch.path().join("reports").join(name))?;
    let differ: Vec<String> = wanted
        .keys()
        .chain(found.keys())
        .filter(|path| wanted.get(*path) != found.get(*path))
        .map(|path| path.display().to_string())
        .collect();
    findings.claim(differ.is_empty(), || format!("{name}: differs from one job in {}", differ.join(", ")));
    Ok(())
}

/// Everything that must not differ between runs: results, report and evidence, by relative path.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(current) = open.pop() {
        for entry in std::fs::read_dir(&current).with_context(|| current.display().to_string())? {
            let path = entry?.path();
            let relative = path.strip_prefix(folder)?.to_path_buf();
            if path.is_dir() {
                open.push(path);
            } else if !relative.starts_with("observations.json") && !relative.starts_with("SHA256SUMS") {
                files.insert(relative, std::fs::read(&path)?);
            }
        }
    }
    Ok(files)
}
