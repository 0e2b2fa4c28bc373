//! Gates with everything that they are held against beside the results.

use anyhow::{Context, Result, bail};
use evidence::{Gate, GateVerdict, Latency, Results, Rule};
use report::{Stored, Subject, check_baselines, evaluate};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Gates, the file that they stand in, and the results of their baselines.
pub(crate) struct Judge {
    gates: Vec<Gate>,
    file: String,
    baselines: BTreeMap<String, Results>,
}

impl Judge {
    /// Reads the baselines. `start` is where the paths in the gates begin; `baseline` is put in place of those.
    ///
    /// Errors: a baseline is not there, or it is not known where it would be.
    pub(crate) fn new(
        mut gates: Vec<Gate>,
        file: &Path,
        start: Option<&Path>,
        baseline: Option<&Path>,
    ) -> Result<Self> {
        if let Some(baseline) = baseline {
            let name = baseline.display().to_string();
            let mut used = false;
            for gate in &mut gates {
                let Rule::MaxDrop(drop) = &mut gate.rule else { continue };
                if drop.baseline.is_open() || drop.baseline.report.is_some() {
                    drop.baseline.report = Some(name.clone());
                    used = true;
                }
            }
            if !used {
                bail!("no gate in {} compares with another report, so --baseline says nothing", file.display());
            }
        }
        let mut baselines = BTreeMap::new();
        for (name, line) in gates.iter().filter_map(|gate| Some((report(gate)?, gate.line))) {
            if baselines.contains_key(name) {
                continue;
            }
            let folder = match (baseline, start) {
                (Some(baseline), _) => baseline.to_path_buf(),
                (None, Some(start)) => start.join(name),
                (None, None) => bail!(
                    "failed to find the baseline `{name}` of {}:{line}: the suite in a report no longer knows where it was\nhint: name the \
                     suite itself with --gates, or the baseline with --baseline",
                    file.display()
                ),
            };
            let place = || format!("failed to use the baseline of the gate in {}:{line}", file.display());
            baselines.insert(name.to_owned(), Stored::read(&folder).with_context(place)?.results);
        }
        Ok(Self { gates, file: super::told::shown(file), baselines })
    }

    /// Whether every baseline was measured as this plan measures, which is known before a run.
    ///
    /// Errors: what differs.
    pub(crate) fn check(&self, plan: &BTreeMap<String, Value>) -> Result<()> {
        Ok(check_baselines(&self.gates, &self.file, plan, &self.baselines)?)
    }

    /// The verdict.
    ///
    /// Errors: what a gate asks about was not measured, or not in the same way as in its baseline.
    pub(crate) fn verdict(&self, results: &Results, latency: &[Latency]) -> Result<GateVerdict> {
        Ok(evaluate(&self.gates, &self.file, &Subject { results, latency, baselines: &self.baselines })?)
    }
}

fn report(gate: &Gate) -> Option<&str> {
    match &gate.rule {
        Rule::MaxDrop(drop) => drop.baseline.report.as_deref(),
        _ => None,
    }
}
