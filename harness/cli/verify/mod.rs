//! `tinyassay verify`: a report folder, checked without trust in whoever made it. One file per step.

mod difference;
mod evidence;
mod files;
mod judged;
mod planned;
mod recorded;
mod rendered;
mod rerun;
mod results;
mod sample;
mod signature;
mod sources;
mod step;
mod stored;

use crate::args::ProviderArg;
use crate::exit::Exit;
use crate::places::Places;
use crate::run::workers_on;
use ::evidence::{SystemFiles, write_atomically};
use anyhow::{Result, bail};
use clap::Args as ClapArgs;
use judged::Again;
use report::SUMS;
use sample::{Sample, Seed};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use step::{Outcome, Step, count, failed, plain};
use stored::Stored;

#[derive(Debug, ClapArgs)]
#[command(after_long_help = "\
Examples:
  tinyassay verify reports/quickstart                    all that needs no new attack
  tinyassay verify reports/quickstart --re-run 5%        and some blocks, executed again
  tinyassay verify reports/quickstart --re-run all       and every block
  tinyassay verify reports/quickstart --key release.pub  and who signed it
  tinyassay verify their-report --suite their/suite.yaml --json verification.json

Steps: files (SHA256SUMS), suite and plan (planned again here), models and data (digests), evidence
(every block and witness file), results (worked out again from the evidence), rendered (reports and
figures), clean (every sample predicted again), witnesses (every adversarial input judged again: in
the ball, and misclassified), re-run, signature. A step whose models or data are not here is told as
not checked. All steps are taken, whatever the ones before found. Nothing in DIR is written or moved.

On the runtime that made the report (provider, library, instruction set) every number must be the
same to the last bit. On another one, rows that differ are listed with their margins and are no
failure, unless --strict.

What a forger can do:
  without --key   anybody can write a folder that is consistent in itself, digests and all.
                  Predictions, labels and witnesses are computed again, so accuracy and every broken
                  row are sure. That an attack found nothing on a row (`unknown`), what it counted
                  along the way, flags, probes and corruptions are only compared by --re-run of that
                  block;
                  times and latencies by nothing.
  --re-run        a forger of one block of n is found with the share that is executed again. The
                  blocks follow from the digest of results.json, so that two people see the same; a
                  forger may have tried for that, which --seed random makes useless.
  --strict        a forger may call the runtime another one, so that what differs is only listed:
                  look at the list, or let it fail. On another runtime last bits differ, and now and
                  then a class whose margin is close to 0.
  --key           says who stands for the report; not that it is true.

Exit codes: 0 all that was checked holds, 1 something does not, 2 invalid usage.")]
pub(crate) struct VerifyArgs {
    /// The report folder, or its name in reports/
    #[arg(value_name = "DIR")]
    pub(crate) report: PathBuf,
    /// Where the suite lay, from whose folder its paths start; in place of suite.yaml where the report keeps none
    /// [default: suites/NAME.yaml]
    #[arg(long, value_name = "FILE")]
    pub(crate) suite: Option<PathBuf>,
    /// The public key (PEM) that should have signed
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Executes blocks again: a share such as 5%, a number such as 3, or all [default: none]
    #[arg(long, value_name = "SAMPLE")]
    pub(crate) re_run: Option<Sample>,
    /// Which blocks these are: a number, or random [default: from the digest of results.json]
    #[arg(long, value_name = "N", requires = "re_run")]
    pub(crate) seed: Option<Seed>,
    /// Fails where another runtime gives other numbers
    #[arg(long)]
    pub(crate) strict: bool,
    /// Writes what was found to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Worker threads [default: the number of cores, on a GPU 4 at most]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<std::num::NonZeroUsize>,
    /// Execution provider
    #[arg(long, value_enum, default_value_t = ProviderArg::Cpu)]
    pub(crate) provider: ProviderArg,
}

/// What `--json` writes.
#[derive(Serialize)]
struct Verification<'a> {
    schema_version: u32,
    tinyassay: &'static str,
    /// SHA-256 of `results.json`; none where it cannot be read.
    results: Option<String>,
    holds: bool,
    /// As text: JSON numbers end at 2^53.
    seed: Option<String>,
    /// The blocks that were executed again.
    executed: Vec<String>,
    steps: Vec<Told<'a>>,
}

#[derive(Serialize)]
struct Told<'a> {
    outcome: Outcome,
    step: &'a Step,
}

/// Tells each step as it ends.
struct Steps {
    all: Vec<Step>,
    strict: bool,
}

impl Steps {
    fn end(&mut self, step: Step) {
        let step = if self.strict { step.strict() } else { step };
        say(step.text().trim_end());
        self.all.push(step);
    }
}

/// Takes every step and tells what holds, what does not, and what was not checked.
///
/// Errors: there is no report, a key cannot be read, or the file for `--json` cannot be written.
pub(crate) fn run(args: &VerifyArgs) -> Result<Exit> {
    let places = Places::from_env();
    let folder = places.report(&args.report);
    check_usage(&folder, args)?;
    let key = args.key.as_deref().map(signature::Key::read).transpose()?;
    let mut steps = Steps { all: Vec::new(), strict: args.strict };
    say(&format!("verifying {}", plain(&folder.display().to_string())));
    steps.end(files::check(&folder));
    let (seed, executed) = match Stored::read(&folder) {
        Ok(stored) => of_results(&folder, &stored, args, &places, &mut steps),
        Err(error) => {
            steps.end(evidence::check(&folder, None).0);
            let mut step = Step::new("results");
            step.wrong.push(format!("results.json: {}", failed(&error)));
            step.unchecked.push("nothing else in the folder could be held against results.json".to_owned());
            steps.end(step);
            (None, Vec::new())
        }
    };
    steps.end(signature::check(&folder, key.as_ref()));
    let all = steps.all;
    let holds = all.iter().all(|step| step.outcome() != Outcome::Fails);
    conclude(&all);
    if let Some(path) = &args.json {
        let results = std::fs::read(folder.join("results.json")).ok();
        let verification = Verification {
            schema_version: 1,
            tinyassay: env!("CARGO_PKG_VERSION"),
            results: results.map(|bytes| ::evidence::Digest::of(&bytes).to_string()),
            holds,
            seed: seed.map(|seed| seed.to_string()),
            executed,
            steps: all.iter().map(|step| Told { outcome: step.outcome(), step }).collect(),
        };
        let text = serde_json::to_string_pretty(&verification)? + "\n";
        write_atomically(&SystemFiles, path, text.as_bytes())?;
    }
    Ok(if holds { Exit::Pass } else { Exit::Failed })
}

/// The steps that hold something against the results. Returns what was executed again, and the seed that chose it.
fn of_results(
    folder: &Path,
    stored: &Stored,
    args: &VerifyArgs,
    places: &Places,
    steps: &mut Steps,
) -> (Option<u64>, Vec<String>) {
    let (suite_step, suite) = planned::suite(folder, stored, args.suite.as_deref());
    let (models, data) = (sources::models(stored, suite.as_ref(), places), sources::data(stored, places));
    let provider = args.provider.into();
    let (plan, here) = planned::plan(stored, suite.as_ref(), &[&models, &data], places, provider);
    for step in [suite_step, models, data, plan] {
        steps.end(step);
    }
    let (step, found) = evidence::check(folder, Some(stored));
    steps.end(step);
    let here = here.as_ref().map_err(String::as_str);
    steps.end(results::check(stored, &found, here, places));
    steps.end(rendered::check(folder, stored, suite.as_ref(), here));
    let here = match here {
        Ok(here) => here,
        Err(why) => {
            steps.end(Step::not_checked("clean", format!("predictions of clean rows: {why}")));
            steps.end(Step::not_checked(
                "witnesses",
                format!("whether witnesses are in the ball and misclassified: {why}"),
            ));
            if args.re_run.is_some() {
                steps.end(Step::not_checked("re-run", format!("blocks executed again: {why}")));
            }
            return (None, Vec::new());
        }
    };
    let jobs = workers_on(args.provider, args.jobs);
    let again = Again { here, evidence: &found, runtime: &stored.results.runtime, jobs };
    let mut clean = judged::clean(&again);
    if !again.is_same_runtime() {
        let there = serde_json::to_value(&stored.results.runtime).unwrap_or_default();
        let own = serde_json::to_value(&here.runtime).unwrap_or_default();
        let parts = difference::all(&there, &own).into_iter();
        let parts: Vec<String> = parts
            .map(|one| {
                format!("{} {} there, {} here", one.path, difference::shown(&one.left), difference::shown(&one.right))
            })
            .collect();
        clean.notes.push(format!("computed on another runtime, whose last bits may differ: {}", parts.join("; ")));
    }
    steps.end(clean);
    steps.end(judged::witnesses(&again, folder));
    let Some(sample) = args.re_run else {
        let blocks = found.needed.len();
        steps.end(Step::not_checked(
            "re-run",
            format!(
                "what attacks did not find, what probes measured and corrupted rows: none of {} was executed again (--re-run 5%)",
                count(blocks, "block")
            ),
        ));
        return (None, Vec::new());
    };
    let seed = Seed::number(args.seed, &stored.text);
    let (step, executed) = rerun::check(&again, sample, seed);
    steps.end(step);
    (Some(seed), executed)
}

/// Errors: there is no report, or `--json` would write into it.
fn check_usage(folder: &Path, args: &VerifyArgs) -> Result<()> {
    if !["results.json", SUMS, evidence::FOLDER].iter().any(|name| folder.join(name).exists()) {
        bail!(
            "there is no report in {}\nhint: name the folder that `tinyassay run` wrote, such as reports/NAME",
            folder.display()
        );
    }
    let Some(json) = &args.json else { return Ok(()) };
    let parent = json.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    match (std::fs::canonicalize(parent), std::fs::canonicalize(folder)) {
        (Ok(parent), Ok(folder)) if parent.starts_with(&folder) => {
            bail!(
                "{} is inside of the report, in which nothing is written\nhint: give --json another place",
                json.display()
            )
        }
        _ => Ok(()),
    }
}

/// Prints a line or several. A reader that closed the pipe early must not decide the exit code.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn conclude(steps: &[Step]) {
    let unchecked: Vec<&String> = steps.iter().flat_map(|step| &step.unchecked).collect();
    if !unchecked.is_empty() {
        say("not checked:");
        unchecked.iter().for_each(|line| say(&format!("  – {}", plain(line))));
    }
    let of = |outcome: Outcome| steps.iter().filter(|step| step.outcome() == outcome).count();
    let (holds, fails) = (of(Outcome::Holds), of(Outcome::Fails));
    let differs: usize = steps.iter().map(|step| step.differs.len()).sum();
    let differ =
        if differs > 0 { format!("; {} on this runtime", count(differs, "difference")) } else { String::new() };
    say(&match fails {
        0 => format!("all that was checked holds: {}{differ}", count(holds, "step")),
        _ => format!("{fails} of {} do not hold{differ}", count(holds + fails, "step")),
    });
}
