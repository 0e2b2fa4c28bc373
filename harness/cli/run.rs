//! `tinyassay run`: suite, plan, models, blocks, results, report. One call after the other.

use crate::args::{ProviderArg, RunArgs};
use crate::checks::Checks;
use crate::corrupted::Cells;
use crate::engine::{Engine, Outcome};
use crate::exit::{Exit, Interrupted};
use crate::gate::{self, Judge, TellArgs};
use crate::places::Places;
use crate::train::dynamics;
use crate::{estimate, facts, latency, pictures, prepare, progress, show_plan};
use anyhow::{Context, Result};
use evidence::{
    CheckObservation, GateVerdict, Host, Keep, ModelBlocks, Observations, Results, Store, SystemFiles, summarise,
};
use report::Contents;
use runtime::{Identity, Prepared, Provider};
use std::path::PathBuf;
use std::time::{Instant, SystemTime};
use suite::{Plan, Suite};

/// Runs a suite and writes its report folder.
///
/// Errors: the suite, a model or the data are not valid, something is not supported, or the machine fails: a write, a
/// run of ONNX Runtime.
pub(crate) fn run(args: &RunArgs) -> Result<Exit> {
    let places = Places::from_env();
    let provider = Provider::from(args.provider);
    provider.require_hardware()?;
    let mut suite = Suite::read(&args.suite)?;
    if let Some(samples) = args.samples {
        suite = suite.with_samples(samples);
    }
    let plan = suite::plan(&suite, &places.registry(), &places.datasets())?;
    let judge = judge(&suite, &plan, &args.telling)?;
    progress::runtime(provider)?;
    let source = suite.source().text().as_bytes().to_vec();
    let training = dynamics::figure(&plan.models)?;
    let all = plan.models.iter().chain(&plan.sources);
    let all: Vec<Prepared> = all.map(|model| prepare::prepare(model, &plan, provider)).collect::<Result<_>>()?;
    latency::check(&plan, &all)?;
    println!("{}", show_plan::render(&plan, &all));
    println!("{}", estimate::line(&plan, &all, workers(args))?);
    if args.dry_run {
        return Ok(Exit::Pass);
    }
    let licence = places.datasets().manifest(&plan.dataset.name)?.licence;
    let folder = args.out.clone().unwrap_or_else(|| places.reports.join(&plan.suite.name));
    let run = Run { plan: &plan, identity: runtime::identity(provider)?, args, folder, licence };
    report::check_folder(&run.folder)?;
    let (results, observations) = run.execute(&all).context(Interrupted)?;
    // A gate that cannot be judged leaves a report without a verdict.
    let verdict = judge.map(|judge| judge.verdict(&results, &observations.latency));
    let kept = verdict.as_ref().and_then(|verdict| verdict.as_ref().ok()).map(in_report);
    let pictures = pictures::of(&plan, &results, &run.folder).context(Interrupted)?;
    let contents = Contents {
        results: &results,
        observations: &observations,
        training: training.as_ref(),
        suite: &source,
        verdict: kept.as_ref(),
        pictures: &pictures,
    };
    report::write_folder(&run.folder, &contents, &SystemFiles).context(Interrupted)?;
    println!("{}", report::leaderboard(&results));
    print!("{}", report::latency(&observations.latency));
    println!("report: {}", run.folder.display());
    let Some(verdict) = verdict.transpose()? else { return Ok(Exit::Pass) };
    gate::tell(&verdict, &args.telling)?;
    Ok(verdict.decision.into())
}

/// The suite's gates with their baselines, which must have been measured as the plan measures; `None` without gates.
fn judge(suite: &Suite, plan: &Plan, telling: &TellArgs) -> Result<Option<Judge>> {
    if plan.gates.is_empty() {
        let hint = "hint: add a section `gates` to the suite; suites/README.md says how";
        anyhow::ensure!(!telling.need_gates(), "the suite has no gates, and options ask about them\n{hint}");
        return Ok(None);
    }
    let source = suite.source();
    let baseline = telling.baseline.as_deref();
    let judge = Judge::new(plan.gates.clone(), source.path(), Some(source.folder()), baseline)?;
    judge.check(&facts::whole(plan)?)?;
    Ok(Some(judge))
}

/// The verdict as a report keeps it: its gates stand in the suite beside it.
fn in_report(verdict: &GateVerdict) -> GateVerdict {
    let mut kept = verdict.clone();
    kept.gates.iter_mut().for_each(|gate| gate.file = report::SUITE.to_owned());
    kept
}

/// Workers that share one GPU where the command line does not say: while one's numbers are on the GPU, another works on
/// its own; more would only take memory there.
const WORKERS_ON_GPU: usize = 4;

struct Run<'a> {
    plan: &'a Plan,
    identity: Identity,
    args: &'a RunArgs,
    folder: PathBuf,
    licence: Option<String>,
}

impl Run<'_> {
    /// `all` are the models of the plan and then the sources that are not among them.
    fn execute(&self, all: &[Prepared]) -> Result<(Results, Observations)> {
        let start = Instant::now();
        let started_at = SystemTime::now();
        // What cannot be said of a model is found before the work.
        let checks = Checks { plan: self.plan, all, runtime: facts::runtime(&self.identity) };
        let facts = facts::of_plan(self.plan, all, checks.runtime.clone(), self.licence.clone())?;
        let store = Store::open(&self.folder.join("evidence"), self.args.cache.as_deref())?;
        let mut observations = self.observations(started_at);
        let mut blocks = Vec::new();
        for index in 0..self.plan.models.len() {
            blocks.push(self.evaluate(index, &checks, &store, &mut observations)?);
        }
        let results = summarise(facts, &blocks)?;
        // After all checks, when no worker is busy any more.
        observations.latency = latency::of_plan(self.plan, all, Provider::from(self.args.provider))?;
        observations.wall_seconds = start.elapsed().as_secs_f64();
        Ok((results, observations))
    }

    /// All checks of one model.
    fn evaluate(
        &self,
        index: usize,
        checks: &Checks<'_>,
        store: &Store,
        observations: &mut Observations,
    ) -> Result<ModelBlocks> {
        let (plan, model) = (self.plan, &self.plan.models[index]);
        let count = 1 + plan.attacks_on(&model.name).count() + plan.probes.len() + plan.corrupted().count();
        let progress = progress::rows(&model.name, count as u64 * plan.dataset.rows.len() as u64);
        let engine = Engine {
            store,
            jobs: observations.jobs as usize,
            keep: if self.args.no_witnesses { Keep::Verdicts } else { Keep::Witnesses },
            progress: &progress,
        };
        let (subject, setting) = (checks.subject(index), checks.setting(index));
        let clean = engine.clean(&subject, checks.clean(index)?)?;
        let mut blocks =
            ModelBlocks { clean: book(observations, &model.name, "clean", clean), ..ModelBlocks::default() };
        for attack in plan.attacks_on(&model.name) {
            let (guide, wanted) = (checks.guide(index, attack)?, checks.attack(index, attack)?);
            let outcome = engine.attack(&subject, guide, attack, &setting, &blocks.clean, wanted)?;
            blocks.attacks.push(book(observations, &model.name, &attack.name, outcome));
        }
        for probe in &plan.probes {
            let outcome = engine.probe(&subject, &probe.spec, &setting, checks.probe(index, probe)?)?;
            blocks.probes.push(book(observations, &model.name, &probe.name, outcome));
        }
        let (cells, wanted) = Cells::new(checks.cells(index)?, plan.picture(), plan.seed);
        if !wanted.is_empty() {
            let outcome = engine.corruptions(&subject, &cells, wanted)?;
            blocks.corruptions = cells.split(book(observations, &model.name, "corruptions", outcome))?;
        }
        progress.finish_and_clear();
        Ok(blocks)
    }

    fn observations(&self, started_at: SystemTime) -> Observations {
        let cpus = cpus();
        Observations {
            schema_version: Observations::SCHEMA_VERSION,
            started_at: humantime::format_rfc3339_seconds(started_at).to_string(),
            host: Host { os: std::env::consts::OS.into(), arch: std::env::consts::ARCH.into(), cpus: cpus as u64 },
            jobs: workers(self.args) as u64,
            wall_seconds: 0.0,
            blocks_computed: 0,
            blocks_reused: 0,
            blocks_damaged: Vec::new(),
            checks: Vec::new(),
            latency: Vec::new(),
        }
    }
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

fn workers(args: &RunArgs) -> usize {
    workers_on(args.provider, args.jobs)
}

/// How many workers share the work on a provider.
pub(crate) fn workers_on(provider: ProviderArg, jobs: Option<std::num::NonZeroUsize>) -> usize {
    let all = match provider {
        ProviderArg::Cpu => cpus(),
        ProviderArg::Cuda => cpus().min(WORKERS_ON_GPU),
    };
    jobs.map_or(all, std::num::NonZeroUsize::get)
}

/// Notes what a check took and returns its blocks.
fn book(observations: &mut Observations, model: &str, check: &str, outcome: Outcome) -> Vec<evidence::Block> {
    let computed = outcome.computed as u64;
    let reused = outcome.blocks.len() as u64 - computed;
    observations.blocks_computed += computed;
    observations.blocks_reused += reused;
    observations.blocks_damaged.extend(outcome.damaged);
    observations.checks.push(CheckObservation {
        model: model.to_owned(),
        check: check.to_owned(),
        wall_seconds: outcome.seconds,
        blocks_computed: computed,
        blocks_reused: reused,
    });
    outcome.blocks
}

// The plan cuts rows where blocks of evidence begin and end.
const _: () = assert!(suite::BLOCK_ROWS == evidence::BLOCK_ROWS);
