//! `tinyassay train`: recipe, plan, epochs, checkpoints, metrics, model. One call after the other.

pub(crate) mod dynamics;
mod evaluate;
mod register;
mod told;
mod work;

use crate::args::TrainArgs;
use crate::exit::{Exit, Stopped};
use crate::places::Places;
use crate::progress;
use anyhow::{Context, Result, bail};
use evaluate::Evaluator;
use registry::Training;
use runtime::Provider;
use std::path::Path;
use std::time::Instant;
use train::{Identity, Machine, Plan, Recipe, StepReport, Trainer};
use work::Work;

/// Trains what the recipe of a model folder says, and registers the model there.
///
/// Errors: the recipe or the data are not valid, the checkpoint is of another training, the training diverges, or the
/// machine fails: a write, a run of ONNX Runtime.
pub(crate) fn run(args: &TrainArgs) -> Result<Exit> {
    let places = Places::from_env();
    let provider = Provider::from(args.provider);
    let name = model_name(&args.model)?;
    let mut recipe = Recipe::read(args.model.join(Training::RECIPE))?;
    if let Some(epochs) = args.epochs {
        recipe = recipe.with_epochs(epochs);
    }
    let plan = train::plan(&recipe, &places.datasets(), evaluate::PROBES)?;
    progress::runtime(provider)?;
    provider.require()?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let threads = args.threads.map(Into::into).or(plan.threads).unwrap_or(cores);
    let machine = Machine { provider, threads };
    println!("{}", told::plan(&name, &plan, machine));
    let mut trainer = Trainer::new(&plan, machine).with_context(|| format!("failed to prepare `{name}`"))?;
    if args.dry_run {
        return Ok(Exit::Pass);
    }
    let work = match (&args.work, args.epochs) {
        (Some(folder), _) => Work::open(folder)?,
        (None, None) => Work::open(&args.model.join(Training::FOLDER))?,
        (None, Some(_)) => Work::open(&args.model.join(Training::FOLDER).join("tryout"))?,
    };
    let identity = identity(&plan, machine)?;
    let mut metrics = Vec::new();
    match (work.checkpoint()?, args.resume) {
        (Some(checkpoint), true) => {
            trainer.restore(&checkpoint, &identity)?;
            metrics = checkpoint.metrics;
            println!("resumed after epoch {} of {}", trainer.epoch(), plan.learning_rate.epochs);
        }
        (Some(_), false) if args.epochs.is_none() => bail!(
            "{} holds a training that has begun\nhint: `--resume` goes on with it; remove the folder to begin anew",
            work.folder().display()
        ),
        _ => {}
    }
    let session = Session { plan: &plan, machine, work: &work, identity: &identity };
    session
        .epochs(&mut trainer, &mut metrics)
        .with_context(|| Stopped { complete: metrics.len(), folder: work.folder().to_owned() })?;
    // A try-out with another number of epochs must not take the place of the model.
    let folder = if args.epochs.is_some() { work.with_recipe(&args.model)? } else { &args.model };
    let finished = register::Finished { name: &name, folder, plan: &plan, identity: &identity, machine };
    let registered = finished.register(&trainer.export()?, &metrics)?;
    println!("registered {name} in {} with digest {}", registered.folder.display(), registered.digest);
    if args.epochs.is_some() {
        println!("note: `--epochs` is for trying out, so the model stands in the work folder and not in its place");
    }
    Ok(Exit::Pass)
}

/// One run of the program over some epochs.
struct Session<'a> {
    plan: &'a Plan,
    machine: Machine,
    work: &'a Work,
    identity: &'a Identity,
}

impl Session<'_> {
    fn epochs(&self, trainer: &mut Trainer<'_>, metrics: &mut Vec<String>) -> Result<()> {
        self.work.write_metrics(metrics)?;
        let evaluator = Evaluator::new(self.plan, self.machine)?;
        while !trainer.is_complete() {
            let start = Instant::now();
            let bar = progress::Steps::new(self.plan.learning_rate.steps_per_epoch);
            let mut epoch = trainer.run_epoch(&mut |step| self.show(&bar, step, start))?;
            let trained = start.elapsed().as_secs_f64();
            if let Some(evaluator) = evaluator.as_ref().filter(|_| self.plan.measures(epoch.epoch)) {
                bar.say("measuring");
                epoch.evaluation = evaluator.measure(trainer.export()?)?;
            }
            bar.clear();
            let seconds = start.elapsed().as_secs_f64();
            metrics.push(serde_json::to_string(&epoch)?);
            self.work.save(&trainer.checkpoint(self.identity.clone(), metrics.clone())?)?;
            self.work.write_metrics(metrics)?;
            self.work.observe(epoch.epoch, trained, seconds - trained)?;
            let images = self.plan.learning_rate.steps_per_epoch as usize * self.plan.batch_size;
            println!("{}", told::epoch(&epoch, images as f64 / trained, seconds));
        }
        Ok(())
    }

    fn show(&self, bar: &progress::Steps, step: &StepReport, start: Instant) {
        let rate = &self.plan.learning_rate;
        let per_step = start.elapsed() / step.step.max(1);
        let done = u64::from(step.epoch - 1) * u64::from(rate.steps_per_epoch) + u64::from(step.step);
        let left = per_step.saturating_mul(u32::try_from(self.plan.steps() - done).unwrap_or(u32::MAX));
        let images_per_second = self.plan.batch_size as f64 / per_step.as_secs_f64().max(1e-9);
        bar.show(step, rate.epochs, images_per_second, left);
    }
}

/// The name of a model: that of its folder.
fn model_name(folder: &Path) -> Result<String> {
    let real = std::fs::canonicalize(folder).with_context(|| format!("failed to find {}", folder.display()))?;
    let name = real.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).with_context(|| format!("{} has no name that could be a model's", folder.display()))
}

/// Everything that the bits of a training depend on.
fn identity(plan: &Plan, machine: Machine) -> Result<Identity> {
    let runtime = runtime::identity(machine.provider)?;
    let mut identity = Identity::from([
        ("plan".to_owned(), plan.digest().to_string()),
        ("tinyassay".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("graph revision".to_owned(), graph::REVISION.to_string()),
        ("provider".to_owned(), runtime.provider),
        ("onnxruntime".to_owned(), runtime.onnxruntime),
        ("library".to_owned(), runtime.library_sha256),
        ("instruction set".to_owned(), runtime.instruction_set),
    ]);
    if machine.provider == Provider::Cpu {
        identity.insert("threads".to_owned(), machine.threads.to_string());
    }
    Ok(identity)
}
