//! `tinyassay gate`: holds a report against gates, and says so in the forms that people and CI servers read.

mod judge;
mod told;

pub(crate) use judge::Judge;
pub(crate) use told::tell;

use crate::exit::Exit;
use crate::places::Places;
use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;
use evidence::Digest;
use report::{SUITE, Stored};
use std::path::{Path, PathBuf};
use suite::{Gates, Measurable};

#[derive(Debug, ClapArgs)]
#[command(after_long_help = "\
Examples:
  tinyassay gate ci-gate                                  the gates of the suite in reports/ci-gate
  tinyassay gate ci-gate --gates release.yaml             those of another file, or of a suite
  tinyassay gate ci-gate --gates next.yaml --baseline ../released/ci-gate
                                                          gates with `baseline: {}` against the last release
  tinyassay gate ci-gate --gates suites/ci-gate.yaml --junit gates.xml --sarif gates.sarif

A file of gates:
  version: 1
  gates:
    - { metric: clean_accuracy, at_least: 0.9 }
    - { metric: robust_accuracy, attack: pgd-20, at_least: 0.4, on: ci_low, confidence: 0.95 }
    - { metric: worst_case, max_drop: 0.02, baseline: { report: ../released/ci-gate } }
    - { metric: flags, flags: [unconfirmed] }
    - { metric: peak_memory_bytes, at_most: 65536 }

suites/README.md lists the metrics. `tinyassay run` evaluates the gates of its suite itself; this verb
does it again, or against other gates, and changes nothing in the report. Its exit code is 0 if all
gates pass, 1 if one fails, 3 if none fails and one is inconclusive, 2 if they cannot be evaluated.

In GitHub Actions it also writes annotations, the step's summary and the step output `decision`.
--sarif names lines of the file of gates, so name the suite in your repository with --gates.")]
pub(crate) struct GateArgs {
    /// The folder of a report, or its name in reports/
    pub(crate) report: PathBuf,
    /// A file of gates, or a suite with gates [default: the suite in the report]
    #[arg(long, value_name = "FILE")]
    pub(crate) gates: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) telling: TellArgs,
}

/// What gates are held against beside the results, and where the verdict goes.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Gates")]
pub(crate) struct TellArgs {
    /// A report folder to compare with, in place of the ones that gates name
    #[arg(long, value_name = "DIR")]
    pub(crate) baseline: Option<PathBuf>,
    /// Writes the verdict as JUnit XML: a gate that fails is a failure, one that is inconclusive an error
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Writes what does not pass as SARIF 2.1.0, for code scanning
    #[arg(long, value_name = "FILE")]
    pub(crate) sarif: Option<PathBuf>,
    /// Writes the verdict as Markdown
    #[arg(long, value_name = "FILE")]
    pub(crate) summary: Option<PathBuf>,
    /// Writes the verdict as JSON, as verdict.json has it
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Prints annotations and writes the step's summary and outputs of GitHub Actions [default: where GITHUB_ACTIONS is set]
    #[arg(long)]
    pub(crate) github: bool,
}

impl TellArgs {
    /// Whether something is asked for that only gates can answer.
    pub(crate) fn need_gates(&self) -> bool {
        let files = [&self.baseline, &self.junit, &self.sarif, &self.summary, &self.json];
        self.github || files.into_iter().any(Option::is_some)
    }
}

/// Judges a report.
///
/// Errors: there is no report or no gate, they do not fit each other, or a baseline was measured in another way.
pub(crate) fn run(args: &GateArgs) -> Result<Exit> {
    let folder = Places::from_env().report(&args.report);
    let stored = Stored::read(&folder)?;
    let gates = match &args.gates {
        Some(file) => Gates::read(file)?,
        None => own(&folder, &stored)?,
    };
    let resolved = gates.resolve(&Measurable::of(&stored.results))?;
    let place = gates.source().path();
    // The suite in a report no longer knows where it was.
    let start = args.gates.as_ref().map(|_| gates.source().folder());
    let judge = Judge::new(resolved, place, start, args.telling.baseline.as_deref())?;
    let latency = stored.observations.as_ref().map_or(&[][..], |observations| &observations.latency);
    let verdict = judge.verdict(&stored.results, latency)?;
    tell(&verdict, &args.telling)?;
    Ok(verdict.decision.into())
}

/// The gates of the suite that a report holds, which must be the one that its plan comes from.
fn own(folder: &Path, stored: &Stored) -> Result<Gates> {
    let hint = "hint: name a file of gates, or the suite, with --gates";
    let bytes = stored.suite.as_ref().with_context(|| format!("{} has no {SUITE}\n{hint}", folder.display()))?;
    let planned = stored.results.plan.get("suite").and_then(|suite| suite["digest"].as_str());
    if planned != Some(Digest::of(bytes).to_string().as_str()) {
        bail!(
            "{} is not the suite that the results come from: its digest is another\n{hint}",
            folder.join(SUITE).display()
        );
    }
    Ok(Gates::parse(folder.join(SUITE), bytes)?)
}
