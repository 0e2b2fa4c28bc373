//! `tinyassay latency`, and the latencies that a suite asks for: models in turns, on one machine.

mod input;
mod machine;
mod measure;

use crate::args::LatencyArgs;
use crate::exit::Exit;
use crate::places::Places;
use crate::{prepare, progress};
use anyhow::{Context, Result, ensure};
use evidence::Latency;
use input::Inputs;
use measure::Wanted;
use registry::{RegisteredModel, Registry};
use runtime::{Prepared, Provider, TimedModel};
use suite::{Plan, PlannedLatency};

/// Measures registered models and prints a table, or the JSON of `observations.json`.
///
/// Errors: no such model, it is not what its manifest says, it takes more than one row at once, or a run fails.
pub(crate) fn run(args: &LatencyArgs) -> Result<Exit> {
    let places = Places::from_env();
    let provider = Provider::from(args.provider);
    provider.require_hardware()?;
    let models = named(&places.registry(), &args.names, args.reference.as_deref())?;
    progress::runtime(provider)?;
    let mut inputs = Inputs::new(places.datasets());
    let mut timed = Vec::new();
    let mut given: Vec<String> = Vec::new();
    for model in &models {
        let name = &model.manifest.name;
        let (open, about) = open_registered(model, &mut inputs, args.threads as usize, provider)
            .with_context(|| format!("failed to prepare model `{name}`"))?;
        timed.push((name.clone(), open));
        if !given.contains(&about) {
            given.push(about);
        }
    }
    let preset = if args.quick { "latency-quick" } else { "latency" };
    let planned = PlannedLatency::preset(preset).context("the preset is in the table")?;
    let reference = args.reference.as_ref().and_then(|_| models.last()).map(|model| model.manifest.name.clone());
    let planned = PlannedLatency { threads: args.threads, reference, ..planned };
    let measured = measure::measure(&Wanted { planned: &planned, input: given.join("; "), provider }, timed)?;
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&measured)?),
        false => print!("{}", report::latency(&[measured])),
    }
    Ok(Exit::Pass)
}

fn open_registered(
    model: &RegisteredModel,
    inputs: &mut Inputs,
    threads: usize,
    provider: Provider,
) -> Result<(TimedModel, String)> {
    let input = inputs.of(&model.manifest)?;
    let open = TimedModel::new(&prepare::load(model)?, &input.spec, input.row.view(), threads, provider)?;
    Ok((open, input.about))
}

/// The models of these names and globs, each once, and the reference as the last one.
fn named(registry: &Registry, names: &[String], reference: Option<&str>) -> Result<Vec<RegisteredModel>> {
    let mut found: Vec<RegisteredModel> = Vec::new();
    for name in names {
        for model in registry.find(name)? {
            if found.iter().all(|other| other.manifest.name != model.manifest.name) {
                found.push(model);
            }
        }
    }
    if let Some(reference) = reference {
        let reference = registry.find_one(reference)?;
        found.retain(|model| model.manifest.name != reference.manifest.name);
        ensure!(!found.is_empty(), "the reference is the only model; name one to compare with it");
        found.push(reference);
    }
    Ok(found)
}

/// Opens every model as it will be measured, so that what can't be is said before any check runs.
///
/// Errors: a model takes more than one row at once, or ONNX Runtime refuses it.
pub(crate) fn check(plan: &Plan, prepared: &[Prepared]) -> Result<()> {
    measurements(plan).try_for_each(|planned| open(plan, prepared, planned).map(drop))
}

/// The latencies that the plan asks for, one measurement after the other. `prepared` begins with the models of the plan.
///
/// Errors: as [`check`], and a run fails.
pub(crate) fn of_plan(plan: &Plan, prepared: &[Prepared], provider: Provider) -> Result<Vec<Latency>> {
    let first = first_row(plan)?;
    let input = format!("row {first} of data set `{}`, split {}", plan.dataset.name, plan.dataset.split);
    measurements(plan)
        .map(|planned| {
            let wanted = Wanted { planned, input: input.clone(), provider };
            measure::measure(&wanted, open(plan, prepared, planned)?)
        })
        .collect()
}

fn measurements(plan: &Plan) -> impl Iterator<Item = &PlannedLatency> {
    plan.cost.iter().flat_map(|cost| &cost.latency)
}

fn first_row(plan: &Plan) -> Result<usize> {
    plan.slices.iter().flat_map(|slice| slice.rows.iter()).next().context("a plan has at least one row")
}

fn open(plan: &Plan, prepared: &[Prepared], planned: &PlannedLatency) -> Result<Vec<(String, TimedModel)>> {
    let row = ndarray::Array1::from_vec(plan.data.rows_at(&[first_row(plan)?])?.x);
    let open = plan.models.iter().zip(prepared).map(|(model, prepared)| {
        let timed = prepared.timed(row.view(), planned.threads as usize);
        let timed = timed.with_context(|| format!("failed to measure `{}` of model `{}`", planned.name, model.name))?;
        Ok((model.name.clone(), timed))
    });
    open.collect()
}
