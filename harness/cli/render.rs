//! `tinyassay report`: every format of a report folder again, from what is stored in it.

use crate::exit::Exit;
use crate::places::Places;
use anyhow::Result;
use clap::Args as ClapArgs;
use evidence::SystemFiles;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
#[command(after_long_help = "\
Examples:
  tinyassay report quickstart            writes report.md, report.html, leaderboard.csv, ... again
  tinyassay report quickstart --check    names the files that this version would write otherwise

Nothing is measured: results.json, observations.json, the figure of the trainings, the pictures and
the verdict are read, and everything that follows from them is written, SHA256SUMS last. So a report
of an earlier version gets the formats of this one. Statements that were signed of the folder are
removed if a file of it changes: sign it again with `tinyassay attest`.")]
pub(crate) struct ReportArgs {
    /// A report folder, or its name in reports/
    #[arg(value_name = "REPORT")]
    report: PathBuf,
    /// Writes nothing and fails if a file is not what it would be
    #[arg(long)]
    check: bool,
}

/// Renders a report folder again.
///
/// Errors: what is stored cannot be read; a file cannot be written.
pub(crate) fn run(args: &ReportArgs) -> Result<Exit> {
    let folder = Places::from_env().report(&args.report);
    let stale = report::render_again(&folder, args.check, &SystemFiles)?;
    for file in &stale {
        println!("{} {}", if args.check { "differs:" } else { "wrote" }, folder.join(file).display());
    }
    if stale.is_empty() {
        println!("{}: every format is as it should be", folder.display());
    }
    Ok(if args.check && !stale.is_empty() { Exit::Failed } else { Exit::Pass })
}
