//! `train-worker`: training steps for another tool to be held against, one JSON request and one answer a line.
//!
//! `{"record": {"steps": 20, "folder": "DIR"}}` runs the first steps of the recipe and writes what each was fed
//! (`step-0.npz`: `x`, `labels`, `start`) and the parameters and statistics before, after the first and after the last
//! (`initial.npz`, `first.npz`, `last.npz`); the answer has the losses. `{"step": {}}` runs one more and times it.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use graph::training::{Network, Slot, State};
use ndarray::{Array1, ArrayD, IxDyn};
use ndarray_npy::NpzWriter;
use registry::Datasets;
use runtime::Provider;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use train::{Fed, Machine, Probes, Recipe, Trainer};

#[derive(Debug, Parser)]
struct Args {
    /// A recipe without evaluation.
    recipe: PathBuf,
    /// The network before its first step, as an ONNX file to write.
    #[arg(long)]
    network: PathBuf,
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Request {
    Record { steps: u32, folder: PathBuf },
    Step {},
}

fn main() -> ExitCode {
    match serve(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{}", json!({ "error": format!("{error:#}") }));
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &Args) -> Result<()> {
    let recipe = Recipe::read(&args.recipe)?;
    let folder = std::env::var_os("TINYASSAY_DATA").map(PathBuf::from);
    let probes = Probes { names: &[], resolve: &|_, _| Err("no probe is measured here".to_owned()) };
    let plan = train::plan(&recipe, &Datasets::open(folder, "data"), probes)?;
    let mut trainer = Trainer::new(&plan, Machine { provider: Provider::Cpu, threads: args.threads })?;
    std::fs::write(&args.network, trainer.export()?)?;
    trainer.begin_epoch();
    let mut taken = 0;
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?).context("read the request")? {
            Request::Record { steps, folder } => record(&mut trainer, &mut taken, steps, &folder)?,
            Request::Step {} => {
                let start = Instant::now();
                let loss = trainer.step(taken)?.loss;
                taken += 1;
                json!({ "seconds": start.elapsed().as_secs_f64(), "loss": loss })
            }
        };
        writeln!(std::io::stdout().lock(), "{answer}")?;
    }
    Ok(())
}

fn record(trainer: &mut Trainer<'_>, taken: &mut u32, steps: u32, folder: &Path) -> Result<Value> {
    ensure!(*taken == 0 && steps > 0, "record steps: it must be the first request");
    write_state(&folder.join("initial.npz"), trainer.network(), &trainer.state()?)?;
    let mut losses = Vec::new();
    for step in 0..steps {
        losses.push(trainer.step(step)?.loss);
        write_fed(&folder.join(format!("step-{step}.npz")), &trainer.fed()?, &trainer.network().input().shape)?;
        if step == 0 {
            write_state(&folder.join("first.npz"), trainer.network(), &trainer.state()?)?;
        }
    }
    write_state(&folder.join("last.npz"), trainer.network(), &trainer.state()?)?;
    *taken = steps;
    Ok(json!({ "losses": losses }))
}

fn write_fed(path: &Path, fed: &Fed, input: &[usize]) -> Result<()> {
    let shape: Vec<usize> = std::iter::once(fed.labels.len()).chain(input[1..].iter().copied()).collect();
    let mut npz = NpzWriter::new(File::create(path)?);
    npz.add_array("x", &ArrayD::from_shape_vec(IxDyn(&shape), fed.x.clone())?)?;
    npz.add_array("labels", &Array1::from_iter(fed.labels.iter().map(|&label| label as i64)))?;
    if let Some(starts) = &fed.starts {
        npz.add_array("start", &ArrayD::from_shape_vec(IxDyn(&shape), starts.clone())?)?;
    }
    npz.finish()?;
    Ok(())
}

fn write_state(path: &Path, network: &Network, state: &State) -> Result<()> {
    let mut npz = NpzWriter::new(File::create(path)?);
    let mut add = |slots: &[Slot], values: &[f32]| -> Result<()> {
        for slot in slots {
            let part = values[slot.offset..][..slot.len()].to_vec();
            npz.add_array(slot.name.as_str(), &ArrayD::from_shape_vec(IxDyn(&slot.shape), part)?)?;
        }
        Ok(())
    };
    add(network.parameters(), &state.parameters)?;
    add(network.statistics(), &state.statistics)?;
    npz.finish()?;
    Ok(())
}
