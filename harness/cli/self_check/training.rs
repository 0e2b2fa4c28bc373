//! Adversarial training in miniature: ascents and steps of real networks that share their state on the provider.

use super::{Check, doubles, labels, max_norm, uniform};
use crate::table;
use anyhow::{Context, Result};
use graph::training::{AttackNorm, Network, Objective, Optimiser, StepSpec, attack_step, training_step};
use graph::{Graph, Head, Profile};
use runtime::{Device, Provider, ResidentProgram};
use serde::Serialize;
use std::time::Instant;
use train::zoo;

/// What a step of TRADES with ten ascents takes.
#[derive(Debug, Serialize)]
pub(super) struct TrainingSpeed {
    network: String,
    batch: usize,
    /// Milliseconds of one ascent.
    ascent_ms: f64,
    /// Milliseconds of one training step.
    step_ms: f64,
    /// Images a second, ten ascents and everything that is copied included.
    images_per_second: f64,
}

const NETWORKS: &[&str] = &["resnet8", "mobilenet-tiny"];
const EPSILON: f32 = 8.0 / 255.0;
const ASCENTS: usize = 10;

/// The graphs' form that training runs in.
fn profile(provider: Provider) -> Profile {
    match provider {
        Provider::Cpu => Profile::CpuTraining,
        Provider::Cuda => provider.profile(),
    }
}

/// Two programs on one device.
struct Trainer {
    ascent: ResidentProgram,
    step: ResidentProgram,
    batch: usize,
    row: usize,
}

impl Trainer {
    fn new(network: &str, batch: usize, provider: Provider, profile: Profile) -> Result<Self> {
        let architecture = zoo::find(network).context("a network of the zoo")?.usual;
        let network = Network::new(&architecture.build(&[3, 32, 32], super::CLASSES, batch, 1)?)?;
        let spec = StepSpec {
            objective: Objective::Trades { beta: 6.0 },
            optimiser: Optimiser::Sgd { momentum: 0.9, nesterov: false },
            weight_decay: 5e-4,
            decay_all: false,
            clip_norm: Some(10.0),
            statistics_momentum: 0.1,
        };
        let device = Device::new(provider)?;
        let open = |graph: &Graph, carried: &[(&str, &str)]| -> Result<ResidentProgram> {
            Ok(ResidentProgram::open_on(&device, &profile.lower(graph)?, 1, carried)?)
        };
        let ascent = attack_step(&network, Head::CrossEntropy, AttackNorm::Linf)?;
        let carried =
            [("next_parameters", "parameters"), ("next_statistics", "statistics"), ("next_moment1", "moment1")];
        let mut trainer = Self {
            ascent: open(&ascent, &[("x_next", "x_adv")])?,
            step: open(&training_step(&network, &spec)?, &carried)?,
            batch,
            row: super::ROW,
        };
        trainer.ascent.read_from("x", "x_adv")?;
        let state = network.initial();
        trainer.step.set("moment1", &vec![0.0; state.parameters.len()])?;
        trainer.step.set("parameters", &state.parameters)?;
        trainer.step.set("statistics", &state.statistics)?;
        trainer.step.set("learning_rate", &[0.01])?;
        trainer.step.set("targets", &labels(batch))?;
        trainer.ascent.set("weights", &labels(batch))?;
        trainer.ascent.set("step", &[EPSILON / 4.0])?;
        Ok(trainer)
    }

    /// One step on a batch of its own; returns the loss.
    fn train(&mut self, seed: u64, ascents: usize) -> Result<f32> {
        let x = uniform(self.batch * self.row, seed);
        self.train_on(&x, ascents)
    }

    fn train_on(&mut self, x: &[f32], ascents: usize) -> Result<f32> {
        let bound = |by: f32| -> Vec<f32> { x.iter().map(|x| (x + by).clamp(0.0, 1.0)).collect() };
        self.ascent.set("lower", &bound(-EPSILON))?;
        self.ascent.set("upper", &bound(EPSILON))?;
        self.ascent.set("x", x)?;
        self.step.set("x", x)?;
        for _ in 0..ascents {
            self.ascent.run(&[])?;
        }
        Ok(self.step.run(&[])?.scalar("loss")?)
    }
}

/// Two steps of TRADES with two ascents each, against the CPU in the other form.
pub(super) fn check(provider: Provider) -> Result<Vec<Check>> {
    let (batch, steps) = (16, 2);
    let (networks, other) = match provider {
        Provider::Cpu => (&NETWORKS[..1], Profile::Portable),
        Provider::Cuda => (NETWORKS, Profile::CpuTraining),
    };
    let check = |(network, check): (&&str, &'static str)| -> Result<Check> {
        let run = |provider: Provider, profile: Profile| -> Result<(Vec<f32>, Vec<f32>)> {
            let mut trainer = Trainer::new(network, batch, provider, profile)?;
            let losses = (0..steps).map(|step| trainer.train(200 + step, 2)).collect::<Result<_>>()?;
            Ok((losses, trainer.step.get("statistics")?))
        };
        let (losses, statistics) = run(provider, profile(provider)).with_context(|| format!("train {network}"))?;
        let (expected, expected_statistics) = run(Provider::Cpu, other)?;
        let first = max_norm(&losses[..1], &doubles(&expected[..1]));
        let last = max_norm(&losses, &doubles(&expected));
        let statistics = max_norm(&statistics, &doubles(&expected_statistics));
        let found = format!("first loss {first:.1e}, losses {last:.1e}, statistics {statistics:.1e}");
        let holds = first <= 1e-3 && last.max(statistics) <= 3e-2;
        Ok(Check { check, found, allowed: "first 1e-3, then 3e-2", holds })
    };
    let checks = ["ResNet-8: steps of TRADES against the CPU's", "MobileNet-tiny: steps of TRADES against the CPU's"];
    networks.iter().zip(checks).map(check).collect()
}

/// Steps of TRADES with ten ascents, timed; on a CPU they take too long for a check.
pub(super) fn measure(provider: Provider) -> Result<Vec<TrainingSpeed>> {
    if provider == Provider::Cpu {
        return Ok(Vec::new());
    }
    let mut speeds = Vec::new();
    for network in NETWORKS {
        for batch in [128, 512] {
            let mut trainer = Trainer::new(network, batch, provider, profile(provider))?;
            let x = uniform(batch * trainer.row, 7);
            trainer.train_on(&x, 1)?;
            let whole = super::speed::fastest(|| trainer.train_on(&x, ASCENTS).map(|_| ()))?;
            let start = Instant::now();
            trainer.ascent.run(&[])?;
            let ascent = start.elapsed().as_secs_f64();
            let step = super::speed::fastest(|| Ok(trainer.step.run(&[]).map(|_| ())?))?;
            speeds.push(TrainingSpeed {
                network: (*network).to_owned(),
                batch,
                ascent_ms: 1e3 * ascent,
                step_ms: 1e3 * step,
                images_per_second: batch as f64 / whole,
            });
        }
    }
    let rows = speeds.iter().map(|speed| {
        let ms = [speed.ascent_ms, speed.step_ms].map(|ms| format!("{ms:.1}"));
        let [ascent, step] = ms;
        [speed.network.clone(), speed.batch.to_string(), ascent, step, format!("{:.0}", speed.images_per_second)]
    });
    println!("{}", table::render(["TRADES-10", "batch", "ascent ms", "step ms", "images/s"], rows));
    Ok(speeds)
}
