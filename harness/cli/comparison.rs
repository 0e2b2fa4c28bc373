//! `tinyassay compare`: two reports side by side, regressions first.

use crate::exit::Exit;
use crate::places::Places;
use anyhow::Result;
use clap::{Args, ValueEnum};
use evidence::{SystemFiles, write_atomically};
use report::Stored;
use report::comparison::{Word, compare, document, json};
use report::document::{markdown, terminal};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tinyassay compare reports/release reports/candidate         a table for the terminal
  tinyassay compare release candidate --map net-v1=net-v2     models of other names
  tinyassay compare release candidate --format markdown --out change.md   for a pull request
  tinyassay compare release candidate --fail-on-regression    exit code 1 if something is worse

Models are paired by name; two reports of one model each are compared whatever the names. A check is
compared where both reports have it with the same parameters under the same threat model, and tested
on the same rows: Tango's 95 % interval of the difference and McNemar's exact p-value, which Holm's
correction makes good for all tests together. Below 0.05 it is a regression or an improvement;
anything else cannot be told apart, which does not mean that it is equal. Reports on other rows are
shown beside each other without a test.

Exit codes: 0 compared, 1 with --fail-on-regression if there is one, 2 something is not valid.")]
pub(crate) struct CompareArgs {
    /// The baseline: the folder of a report, or its name in reports/
    baseline: PathBuf,
    /// The candidate, which is better or worse than the baseline
    candidate: PathBuf,
    /// Which model of the candidate stands beside which of the baseline; may be given several times
    #[arg(long, value_name = "OLD=NEW", value_parser = pair)]
    map: Vec<(String, String)>,
    /// The form of the output
    #[arg(long, value_enum, default_value_t = Form::Terminal)]
    format: Form,
    /// Writes it to this file instead
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Ends with exit code 1 if there is a regression, and with 3 if some result of the baseline could not be compared
    #[arg(long)]
    fail_on_regression: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// Tables in frames
    Terminal,
    /// GitHub's Markdown
    Markdown,
    /// Every number, for machines
    Json,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (old, new) = text.split_once('=').ok_or("expected OLD=NEW, two names with `=` between them")?;
    Ok((old.to_owned(), new.to_owned()))
}

/// Compares two reports and prints or writes what differs.
///
/// Errors: a report is not there or cannot be read, no models can be paired, or the file cannot be written.
pub(crate) fn run(args: &CompareArgs) -> Result<Exit> {
    let places = Places::from_env();
    let [baseline, candidate] = [&args.baseline, &args.candidate].map(|report| Stored::read(&places.report(report)));
    let comparison = compare(&baseline?, &candidate?, &args.map)?;
    let text = match args.format {
        Form::Terminal => terminal(&document(&comparison)),
        Form::Markdown => markdown(&document(&comparison)),
        Form::Json => json(&comparison)?,
    };
    match &args.out {
        Some(path) => write_atomically(&SystemFiles, path, text.as_bytes())?,
        None => print!("{text}"),
    }
    if !args.fail_on_regression {
        return Ok(Exit::Pass);
    }
    if comparison.count(Word::Regression) > 0 {
        return Ok(Exit::Failed);
    }
    // What was not tested is not shown to be no worse.
    let untested = comparison.count(Word::NotCompared) + comparison.only[0].len();
    if untested > 0 || comparison.checks.is_empty() {
        eprintln!("inconclusive: {untested} of the baseline's results could not be compared");
        return Ok(Exit::Incomplete);
    }
    Ok(Exit::Pass)
}
