//! `tinyassay run`: suite, plan, models, blocks, results, report. One call after the other.

use crate::args::{ProviderArg, RunArgs};
use crate::corrupted::{Cell, Cells};
use crate::engine::{Engine, Outcome, Subject, Wanted};
use crate::exit::{Exit, Interrupted};
use crate::places::Places;
use crate::train::dynamics;
use crate::{clean, estimate, latency, pictures, prepare, progress, show_plan, static_cost};
use anyhow::{Context, Result};
use attack::Setting;
use evidence::{
    AttackFacts, Bound, CheckObservation, CorruptionFacts, DatasetFacts, Digest, Facts, Host, Keep, Keyed, ModelBlocks,
    ModelFacts, Observations, ProbeFacts, Published, PublishedModel, Results, RuntimeFacts, Store, SystemFiles,
    ThreatFacts, keyed, summarise,
};
use report::Contents;
use runtime::{Identity, Prepared, Provider};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};
use suite::{Plan, PlannedCorruption, PlannedProbe, PlannedPublished, Slice, Suite};

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
    let pictures = pictures::of(&plan, &results, &run.folder).context(Interrupted)?;
    let contents = Contents {
        results: &results,
        observations: &observations,
        training: training.as_ref(),
        suite: &source,
        verdict: None,
        pictures: &pictures,
    };
    report::write_folder(&run.folder, &contents, &SystemFiles).context(Interrupted)?;
    println!("{}", report::leaderboard(&results));
    print!("{}", report::latency(&observations.latency));
    println!("report: {}", run.folder.display());
    Ok(Exit::Pass)
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

/// Everything that decides the outcome of a block: what the plan knows and what only the runtime knows.
#[derive(Serialize)]
struct KeyMaterial<'a, T: Serialize> {
    check: T,
    runtime: &'a RuntimeFacts,
    graph_revision: u32,
    micro_batch: usize,
    /// Whether attacks read the logits of the file itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    file_logits: bool,
    observed: u32,
}

impl Run<'_> {
    /// `all` are the models of the plan and then the sources that are not among them.
    fn execute(&self, all: &[Prepared]) -> Result<(Results, Observations)> {
        let start = Instant::now();
        let started_at = SystemTime::now();
        // What cannot be said of a model is found before the work.
        let facts = self.facts(all)?;
        let store = Store::open(&self.folder.join("evidence"), self.args.cache.as_deref())?;
        let mut observations = self.observations(started_at);
        let mut blocks = Vec::new();
        for index in 0..self.plan.models.len() {
            blocks.push(self.evaluate(index, all, &store, &mut observations)?);
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
        all: &[Prepared],
        store: &Store,
        observations: &mut Observations,
    ) -> Result<ModelBlocks> {
        let (plan, model, prepared) = (self.plan, &self.plan.models[index], &all[index]);
        let checks = 1 + plan.attacks_on(&model.name).count() + plan.probes.len() + plan.corrupted().count();
        let progress = progress::rows(&model.name, checks as u64 * plan.dataset.rows.len() as u64);
        let engine = Engine {
            store,
            jobs: observations.jobs as usize,
            keep: if self.args.no_witnesses { Keep::Verdicts } else { Keep::Witnesses },
            progress: &progress,
        };
        let subject = Subject { name: &model.name, prepared, dataset: &plan.data, label_map: &model.labels };
        let setting = Setting {
            threat: &plan.threat_model,
            domain: plan.attack_domain(),
            grid: model.grid,
            picture: plan.picture(),
            seed: plan.seed,
            budget: plan.threat.budget.unwrap_or_default(),
        };
        let wanted = self.wanted(prepared, |slice| plan.prediction_key_material(model, slice))?;
        let clean = engine.clean(&subject, wanted)?;
        let mut blocks =
            ModelBlocks { clean: book(observations, &model.name, "clean", clean), ..ModelBlocks::default() };
        for attack in plan.attacks_on(&model.name) {
            let guide = match attack.source.as_deref() {
                Some(source) => self.guide(source, all).context("a plan has every source: this is a defect")?,
                None => prepared,
            };
            let wanted = self.wanted(guide, |slice| plan.check_key_material(model, attack, slice))?;
            let outcome = engine.attack(&subject, guide, attack, &setting, &blocks.clean, wanted)?;
            blocks.attacks.push(book(observations, &model.name, &attack.name, outcome));
        }
        for probe in &plan.probes {
            let wanted = self.wanted(prepared, |slice| plan.probe_key_material(model, probe, slice))?;
            let outcome = engine.probe(&subject, &probe.spec, &setting, wanted)?;
            blocks.probes.push(book(observations, &model.name, &probe.name, outcome));
        }
        let (cells, wanted) = Cells::new(self.cells(model, prepared)?, plan.picture(), plan.seed);
        if !wanted.is_empty() {
            let outcome = engine.corruptions(&subject, &cells, wanted)?;
            blocks.corruptions = cells.split(book(observations, &model.name, "corruptions", outcome))?;
        }
        progress.finish_and_clear();
        Ok(blocks)
    }

    /// Every corruption of a model at every severity.
    fn cells(&self, model: &suite::PlannedModel, prepared: &Prepared) -> Result<Vec<Cell>> {
        let plan = self.plan;
        let cells = plan.corrupted().map(|(one, at)| {
            let known = probe::corruption(&one.name).context("a plan names known corruptions: this is a defect")?;
            let wanted = self.wanted(prepared, |slice| plan.corruption_key_material(model, one, at, slice))?;
            Ok(Cell { corruption: known, severity: at.severity, wanted })
        });
        cells.collect()
    }

    /// The model of this name, wherever it stands in the plan.
    fn guide<'b>(&self, name: &str, all: &'b [Prepared]) -> Option<&'b Prepared> {
        let planned = self.plan.models.iter().chain(&self.plan.sources);
        planned.zip(all).find(|(model, _)| model.name == name).map(|(_, prepared)| prepared)
    }

    /// `guide` is the model whose graph the check runs on.
    fn wanted<'b, T: Serialize>(&'b self, guide: &Prepared, check: impl Fn(&'b Slice) -> T) -> Result<Vec<Wanted>> {
        let runtime = self.runtime();
        let slices = self.plan.slices.iter().map(|slice| {
            let keyed: Keyed = keyed(&KeyMaterial {
                check: check(slice),
                runtime: &runtime,
                graph_revision: graph::REVISION,
                micro_batch: guide.micro_batch(),
                file_logits: guide.has_file_logits(),
                observed: clean::OBSERVED,
            })?;
            Ok(Wanted { keyed, rows: slice.rows.iter().collect() })
        });
        slices.collect()
    }

    fn runtime(&self) -> RuntimeFacts {
        let identity = self.identity.clone();
        let device = identity.device.map(|device| format!("; {device}")).unwrap_or_default();
        RuntimeFacts {
            provider: identity.provider,
            onnxruntime: identity.onnxruntime,
            library_sha256: identity.library_sha256,
            instruction_set: identity.instruction_set,
            optimisation: identity.optimisation + &device,
        }
    }

    fn facts(&self, models: &[Prepared]) -> Result<Facts> {
        let plan = self.plan;
        let Value::Object(whole) = serde_json::to_value(plan)? else { anyhow::bail!("a plan is not a JSON object") };
        let attacks = |model: &str, classes: usize| -> Result<Vec<AttackFacts>> {
            let facts = plan.attacks_on(model).map(|attack| {
                Ok(AttackFacts {
                    name: attack.name.clone(),
                    revision: attack.revision,
                    parameters: parameters(&attack.spec)?,
                    stages: attack.spec.stage_names(&plan.threat_model),
                    source: attack.source.clone(),
                    minimises: attack.spec.minimises(),
                    gradients: attack.spec.gradients(classes),
                    substituted: attack.spec.is_substituted(classes),
                    curve: attack.curve.levels.iter().map(|level| level.threat.epsilon.to_string()).collect(),
                })
            });
            facts.collect()
        };
        let models = plan.models.iter().zip(models).map(|(model, prepared)| {
            let mut notes = prepared.notes().to_vec();
            let probes = probes(&plan.probes, prepared, &mut notes)?;
            Ok(ModelFacts {
                name: model.name.clone(),
                digest: (*model.digest.as_bytes()).into(),
                macs: Some(prepared.macs()),
                macs_torchprofile: Some(prepared.cost().macs_torchprofile),
                parameters: Some(prepared.parameters()),
                params_without_bn: Some(prepared.cost().params_without_bn),
                cost: Some(static_cost::of(&model.registered)?),
                notes,
                labels: model.labels.clone(),
                scores_rows: prepared.spec().scores_rows(),
                attacks: attacks(&model.name, prepared.spec().classes)?,
                probes,
                corruptions: plan.corruptions.iter().map(corruption_facts).collect(),
            })
        });
        Ok(Facts {
            suite: plan.suite.name.clone(),
            tinyassay: env!("CARGO_PKG_VERSION").to_owned(),
            plan_digest: Digest::from(*plan.digest().as_bytes()),
            dataset: DatasetFacts {
                name: plan.dataset.name.clone(),
                split: plan.dataset.split.clone(),
                digest: (*plan.dataset.digest.as_bytes()).into(),
                samples: plan.dataset.rows.len() as u64,
                selection: selection(plan),
                licence: self.licence.clone(),
                classes: plan.data.classes.clone(),
            },
            threat: ThreatFacts {
                norm: plan.threat.norm.to_string(),
                epsilon: plan.threat.epsilon.clone(),
                units: units(plan).to_owned(),
                grid: plan.threat.grid.map(|levels| attack::Grid::Levels(levels).to_string()),
                budget: plan.threat.budget.map(|budget| budget.to_string()),
            },
            runtime: self.runtime(),
            plan: whole.into_iter().collect::<BTreeMap<_, _>>(),
            models: models.collect::<Result<_>>()?,
            published: plan.published.as_ref().map(published),
        })
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
    let all = match args.provider {
        ProviderArg::Cpu => cpus(),
        ProviderArg::Cuda => cpus().min(WORKERS_ON_GPU),
    };
    args.jobs.map_or(all, std::num::NonZeroUsize::get)
}

/// Every number of an attack or a probe.
fn parameters(spec: &impl Serialize) -> Result<BTreeMap<String, Value>> {
    let tagged = serde_json::to_value(spec)?;
    let numbers = tagged.as_object().and_then(|tagged| tagged.values().next()?.as_object().cloned());
    Ok(numbers.unwrap_or_default().into_iter().collect())
}

/// The probes of one model, with the proven Lipschitz constant beside those that it bounds, or a note on why there is none.
fn probes(planned: &[PlannedProbe], prepared: &Prepared, notes: &mut Vec<String>) -> Result<Vec<ProbeFacts>> {
    let bounded = planned.iter().any(|probe| probe.spec.bounded_by().is_some());
    let lipschitz = bounded.then(|| prepared.lipschitz());
    let mut facts = Vec::new();
    for probe in planned {
        let bound = probe.spec.bounded_by().zip(lipschitz.as_ref());
        let upper = bound.map(|((input, output), lipschitz)| lipschitz.bound(norm(input), norm(output))).transpose();
        let upper = upper.unwrap_or_else(|reason| {
            let note = format!("no Lipschitz constant is proven: failed to {reason}");
            if !notes.contains(&note) {
                notes.push(note);
            }
            None
        });
        facts.push(probe_facts(probe, upper)?);
    }
    Ok(facts)
}

fn norm(norm: attack::Norm) -> graph::Norm {
    match norm {
        attack::Norm::L1 => graph::Norm::L1,
        attack::Norm::L2 => graph::Norm::L2,
        attack::Norm::Linf => graph::Norm::Linf,
    }
}

fn probe_facts(probe: &PlannedProbe, upper: Option<f64>) -> Result<ProbeFacts> {
    let registered = probe.spec.registered();
    Ok(ProbeFacts {
        name: probe.name.clone(),
        probe: registered.name.to_owned(),
        about: probe.spec.about(),
        units: probe.spec.units().to_owned(),
        bound: match registered.bound {
            probe::Bound::Upper => Bound::Upper,
            probe::Bound::Lower => Bound::Lower,
            probe::Bound::Estimate => Bound::Estimate,
            probe::Bound::Exact => Bound::Exact,
        },
        upper,
        falls: registered.falls,
        bins: probe.spec.bins(),
        revision: probe.revision,
        parameters: parameters(&probe.spec)?,
    })
}

fn corruption_facts(planned: &PlannedCorruption) -> CorruptionFacts {
    CorruptionFacts {
        name: planned.name.clone(),
        about: probe::corruption(&planned.name).map_or(String::new(), |known| known.about.to_owned()),
        revision: planned.revision,
        severities: planned.severities.iter().map(|at| (at.severity, at.parameters.clone())).collect(),
    }
}

/// What the plan states of a publication, in the words of the results.
fn published(planned: &PlannedPublished) -> Published {
    let models = planned.models.iter().cloned().map(|model| PublishedModel {
        name: model.name,
        clean_accuracy: model.clean_accuracy,
        robust_accuracy: model.robust_accuracy,
        probes: model.probes,
        macs: model.macs,
        macs_torchprofile: model.macs_torchprofile,
        parameters: model.parameters,
        params_without_bn: model.params_without_bn,
    });
    Published { source: planned.source.clone(), models: models.collect() }
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

/// How the rows were chosen, in words.
fn selection(plan: &Plan) -> String {
    let rows = &plan.dataset.rows;
    match rows.ranges() {
        [range] if range.start == 0 => format!("the first {} by index", rows.len()),
        _ => format!("{} chosen by the seed {}", rows.len(), plan.seed),
    }
}

/// What epsilon is measured in.
fn units(plan: &Plan) -> &'static str {
    match plan.data.domain.units {
        registry::DataUnits::Unit => "pixels in [0, 1]",
        registry::DataUnits::Raw => "the data set's own units",
    }
}
