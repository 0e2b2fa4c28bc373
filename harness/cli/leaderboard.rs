//! `tinyassay leaderboard`: the models of any set of reports, ranked among each other.

use crate::exit::Exit;
use crate::places::Places;
use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;
use clap::builder::{PossibleValue, PossibleValuesParser};
use evidence::{SystemFiles, write_atomically};
use report::{BOARD_FORMATS, BoardFormat, Choice, Source, Stored};
use std::path::{Path, PathBuf};

#[derive(Debug, ClapArgs)]
#[command(after_long_help = "\
Examples:
  tinyassay leaderboard reports/*/results.json                       all of them, on the screen
  tinyassay leaderboard mine theirs --format html --out board.html   a page to sort and filter
  tinyassay leaderboard mine --pareto worst-case,params --sort clean
  tinyassay leaderboard mine theirs --format markdown --out LEADERBOARD.md --check

Reports that ask the same question make one board: the same rows of the same bytes, the same threat
model, the same attacks with the same parameters and revisions, the same seed; probes may differ.
Reports that ask different questions give one board each. A model's rank is 1 and the number of
models that are significantly better on the same rows: McNemar's exact test, corrected by Holm for
all pairs of the board at 5 %. A model that is in several reports with the same digest stands there
once, and the reports must agree on it; models of one name with other digests are told apart by
their suites.

Columns are called clean, worst-case, rank, macs, params, peak-memory-bytes, and as the attacks and
probes are; a wrong name is answered with the list.")]
pub(crate) struct LeaderboardArgs {
    /// Report folders, names in reports/, or their results.json
    #[arg(required = true, value_name = "REPORT")]
    reports: Vec<PathBuf>,
    /// The form
    #[arg(long, value_name = "FORMAT", default_value = "terminal", value_parser = formats())]
    format: String,
    /// The columns of the Pareto front [default: worst-case,macs]
    #[arg(long, value_name = "COLUMN,COLUMN", value_delimiter = ',')]
    pareto: Vec<String>,
    /// The column that orders the models, the good end first [default: rank]
    #[arg(long, value_name = "COLUMN")]
    sort: Option<String>,
    /// Writes a file instead of the screen
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Writes nothing and fails unless the file says exactly this already
    #[arg(long, requires = "out")]
    check: bool,
}

fn formats() -> PossibleValuesParser {
    PossibleValuesParser::new(BOARD_FORMATS.iter().map(|format| PossibleValue::new(format.name).help(format.about)))
}

/// Prints or writes the leaderboard.
///
/// Errors: a report cannot be read; two contradict each other; no board has a column; the file cannot be written.
pub(crate) fn run(args: &LeaderboardArgs) -> Result<Exit> {
    let places = Places::from_env();
    let sources = args.reports.iter().map(|report| source(&places, report, args.out.as_deref()));
    let merged = report::merge(&sources.collect::<Result<Vec<_>>>()?)?;
    let choice = Choice { pareto: args.pareto.clone(), sort: args.sort.clone() };
    let format: Option<&BoardFormat> = BOARD_FORMATS.iter().find(|format| format.name == args.format);
    let text = (format.context("clap knows the formats: this is a defect")?.render)(&merged, &choice)?;
    let Some(out) = &args.out else {
        print!("{text}");
        return Ok(Exit::Pass);
    };
    if args.check {
        let found = std::fs::read(out).with_context(|| format!("failed to read {}", out.display()))?;
        let is_same = found == text.as_bytes();
        println!("{}: {}", out.display(), if is_same { "as it should be" } else { "differs" });
        return Ok(if is_same { Exit::Pass } else { Exit::Failed });
    }
    write_atomically(&SystemFiles, out, text.as_bytes())?;
    println!("wrote {}", out.display());
    Ok(Exit::Pass)
}

/// Reads a report. Its link is relative to the file that is written, if it lies beside or below it.
fn source(places: &Places, report: &Path, out: Option<&Path>) -> Result<Source> {
    let folder = match report.file_name() {
        Some(name) if name == "results.json" => report.parent().unwrap_or(Path::new("")).to_path_buf(),
        _ => places.report(report),
    };
    let name = folder.canonicalize().unwrap_or_else(|_| folder.clone());
    let Some(name) = name.file_name().and_then(|name| name.to_str()) else {
        bail!("failed to name the report in {}: the folder's name is not UTF-8", folder.display());
    };
    let results = Stored::read(&folder)?.results;
    let beside = out.map(|out| out.parent().unwrap_or(Path::new("")));
    let below = beside.and_then(|beside| folder.strip_prefix(beside).ok()).and_then(Path::to_str);
    let link = below.filter(|below| !below.starts_with('/')).map(|below| format!("{below}/report.md"));
    Ok(Source { name: name.to_owned(), link, results })
}
