//! What a newcomer sees first: a table, from a copy of the repository without anything else, in under a minute.

use super::{Check, Context, Findings};
use anyhow::{Context as _, Result};
use serde_json::json;
use std::time::Instant;

pub(super) const CHECK: Check = Check {
    id: "quickstart",
    claim: "the quickstart suite ends with a leaderboard in under 60 s after the build",
    needs_data: false,
    run,
};

fn run(context: &Context) -> Result<Findings> {
    let mut findings = Findings::default();
    std::fs::create_dir_all(context.scratch.path().join("suites"))?;
    std::fs::copy("suites/quickstart.yaml", context.scratch.path().join("suites/quickstart.yaml"))?;
    for entry in std::fs::read_dir("models").context("read models/")? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            context.take_model(&entry.file_name().to_string_lossy())?;
        }
    }
    let start = Instant::now();
    let output = context.tinyassay(["run", "suites/quickstart.yaml"])?;
    let seconds = start.elapsed().as_secs_f64();
    findings.note("seconds", json!((seconds * 10.0).round() / 10.0));
    // CI's machines are shared: there the time is only told.
    findings.claim(context.small || seconds < 60.0, || format!("took {seconds:.0} s"));
    findings.claim(output.contains("signs32-linear10") && output.contains('%'), || {
        format!("no leaderboard in the output:\n{output}")
    });
    Ok(findings)
}
