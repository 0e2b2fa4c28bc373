//! The loop: batches, the attack inside of a step, the step itself, and what is said about it.

use crate::ascent::InnerAttack;
use crate::device_ascent::{DeviceAttack, X_ADV};
use crate::metrics::{Means, accuracy, cross_entropy, divergence};
use crate::starts::Starts;
use crate::{Batches, Checkpoint, EpochMetrics, Error, Identity, Objective, Plan, StepReport};
use graph::training::{self, Network, State, StepSpec};
use graph::{Graph, Profile};
use runtime::{Device, Provider, ResidentProgram};

/// A loss of this many times that of guessing is no loss that comes back.
const EXPLODED: f64 = 100.0;

/// Where a training runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// What runs the steps.
    pub provider: Provider,
    /// Threads of a step on the CPU, and of the attack inside of it.
    pub threads: usize,
}

/// What makes the adversarial rows of a batch.
#[derive(Debug)]
enum Attack {
    /// Workers with a frozen network: what is fastest on a CPU.
    Frozen(Box<InnerAttack>),
    /// The device of the step, which keeps the rows.
    Device(Box<DeviceAttack>),
}

/// A training in progress.
#[derive(Debug)]
pub struct Trainer<'p> {
    plan: &'p Plan,
    program: ResidentProgram,
    /// At a batch of 1: what is exported.
    network: Network,
    moments: usize,
    batches: Batches<'p>,
    attack: Option<Attack>,
    epoch: u32,
}

/// What a step was fed, for another tool to be fed the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Fed {
    /// `[B, D]`: the augmented rows.
    pub x: Vec<f32>,
    /// `[B]`.
    pub labels: Vec<usize>,
    /// `[B, D]`: where the inner attack started; `None` where there is none.
    pub starts: Option<Vec<f32>>,
}

impl<'p> Trainer<'p> {
    /// A training before its first epoch.
    ///
    /// Errors: a graph can't be built, or ONNX Runtime refuses it.
    pub fn new(plan: &'p Plan, machine: Machine) -> Result<Self, Error> {
        let spec = step_spec(plan);
        let network = build(plan, plan.batch_size)?;
        let step = profile(machine.provider).lower(&training::training_step(&network, &spec)?)?;
        let carried = carried(&network, spec.optimiser.moments());
        let device = Device::new(machine.provider)?;
        let mut program = ResidentProgram::open_on(&device, &step, machine.threads, &carried)?;
        let single = build(plan, 1)?;
        let attack = match machine.provider {
            Provider::Cpu => {
                let micro = build(plan, graph::micro_batch(single.graph()))?;
                InnerAttack::new(plan, micro, machine.threads).map(|attack| Attack::Frozen(Box::new(attack)))
            }
            Provider::Cuda => {
                let attack = DeviceAttack::new(plan, &network, &device, machine.threads)?;
                attack.map(|attack| Attack::Device(Box::new(attack)))
            }
        };
        if matches!((&attack, &plan.objective), (Some(Attack::Device(_)), Objective::Adversarial { .. })) {
            program.read_from("x", X_ADV)?;
        }
        let mut trainer = Self {
            plan,
            program,
            network: single,
            moments: spec.optimiser.moments(),
            batches: Batches::new(&plan.data, plan.dataset.rows, plan.batch_size, plan.augmentation, plan.seed),
            attack,
            epoch: 0,
        };
        let zeros = vec![vec![0.0; network.initial().parameters.len()]; trainer.moments];
        trainer.set(&network.initial(), &zeros)?;
        Ok(trainer)
    }

    /// The same training after the epochs of a checkpoint.
    ///
    /// Errors: the checkpoint is not of this training, or ONNX Runtime has no room for it.
    pub fn restore(&mut self, checkpoint: &Checkpoint, identity: &Identity) -> Result<(), Error> {
        checkpoint.check(identity)?;
        let initial = self.network.initial();
        let fits = checkpoint.state.parameters.len() == initial.parameters.len()
            && checkpoint.state.statistics.len() == initial.statistics.len()
            && checkpoint.moments.len() == self.moments
            && checkpoint.epoch <= self.plan.learning_rate.epochs;
        if !fits {
            return Err(Error::Checkpoint("it has another number of values than the network".to_owned()));
        }
        self.set(&checkpoint.state, &checkpoint.moments)?;
        self.epoch = checkpoint.epoch;
        Ok(())
    }

    /// How many epochs are complete.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether all epochs are complete.
    pub fn is_complete(&self) -> bool {
        self.epoch == self.plan.learning_rate.epochs
    }

    /// Runs the next epoch; `watch` sees every step.
    ///
    /// Errors: a run fails, or the training diverges; the state is then of no use.
    pub fn run_epoch(&mut self, watch: &mut dyn FnMut(&StepReport)) -> Result<EpochMetrics, Error> {
        self.begin_epoch();
        let mut means = Means::default();
        for step in 0..self.plan.learning_rate.steps_per_epoch {
            let report = self.step(step)?;
            check(&report, self.plan)?;
            watch(&report);
            means.add(&report);
        }
        self.epoch += 1;
        Ok(means.finish())
    }

    /// Draws the order of the next epoch, for a caller that runs its steps one by one.
    pub fn begin_epoch(&mut self) {
        self.batches.begin(self.epoch.into());
    }

    /// Runs one step of the epoch that was begun, and does not ask whether the training diverges.
    ///
    /// Errors: a run fails.
    pub fn step(&mut self, step: u32) -> Result<StepReport, Error> {
        let plan = self.plan;
        let batch = self.batches.fill(step as usize);
        let epoch = self.epoch.into();
        // Rows that a device keeps are not fed again.
        let (x_adv, kept) = match &mut self.attack {
            None => (None, false),
            Some(Attack::Frozen(attack)) => {
                (Some(attack.attack(&state_of(&self.program, &self.network)?, &batch, epoch)?), false)
            }
            Some(Attack::Device(attack)) => {
                attack.attack(&batch, epoch)?;
                (None, true)
            }
        };
        let global = u64::from(self.epoch) * u64::from(plan.learning_rate.steps_per_epoch) + u64::from(step);
        let rate = plan.learning_rate.at(global);
        let (rate_f32, corrections) = ([rate as f32], bias_corrections(plan, global));
        let mut feed: Vec<(&str, &[f32])> = vec![("targets", batch.targets), ("learning_rate", &rate_f32)];
        let alone = matches!(plan.objective, Objective::Adversarial { .. });
        match x_adv {
            Some(x_adv) if alone => feed.push(("x", x_adv)),
            Some(x_adv) => feed.extend([("x", batch.x), ("x_adv", x_adv)]),
            None if alone && kept => {}
            None => feed.push(("x", batch.x)),
        }
        if let Some(corrections) = &corrections {
            feed.push(("bias_corrections", corrections));
        }
        let mut outputs = self.program.run(&feed)?;
        let (first, second) = (outputs.take("logits")?, outputs.take("logits_adv").ok());
        let first_accuracy = accuracy(&first, batch.labels);
        Ok(StepReport {
            epoch: self.epoch + 1,
            step: step + 1,
            learning_rate: rate,
            loss: outputs.scalar("loss")?.into(),
            cross_entropy: cross_entropy(&first, batch.labels),
            divergence: second.as_ref().map(|second| divergence(&first, second, batch.labels.len())),
            accuracy: (!alone).then_some(first_accuracy),
            robust_accuracy: match &second {
                Some(second) => Some(accuracy(second, batch.labels)),
                None => alone.then_some(first_accuracy),
            },
            gradient_norm: outputs.scalar("gradient_norm")?.into(),
        })
    }

    /// What the last step was fed.
    ///
    /// Errors: a row has no ball.
    pub fn fed(&self) -> Result<Fed, Error> {
        let batch = self.batches.last();
        let mut starts = Starts::new(self.plan, 1)?;
        if let Some(starts) = &mut starts {
            starts.fill(&batch, self.epoch.into())?;
        }
        Ok(Fed { x: batch.x.to_vec(), labels: batch.labels.to_vec(), starts: starts.map(|starts| starts.x) })
    }

    /// The network, with its initial weights, at a batch of 1.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The training as it is.
    ///
    /// Errors: the device can't be read.
    pub fn checkpoint(&self, identity: Identity, metrics: Vec<String>) -> Result<Checkpoint, Error> {
        let moments = ["moment1", "moment2"].into_iter().take(self.moments);
        Ok(Checkpoint {
            identity,
            epoch: self.epoch,
            metrics,
            state: self.state()?,
            moments: moments.map(|name| self.program.get(name)).collect::<Result<_, _>>()?,
        })
    }

    /// Parameters and running statistics.
    ///
    /// Errors: the device can't be read.
    pub fn state(&self) -> Result<State, Error> {
        state_of(&self.program, &self.network)
    }

    /// The network as an ONNX file for any batch, in the form that the plan wants it exported in.
    ///
    /// Input `x`, canonical rows; output `logits`.
    /// Errors: the device can't be read.
    pub fn export(&self) -> Result<Vec<u8>, Error> {
        let mut graph: Graph = self.network.with_state(&self.state()?);
        if self.plan.export.fold_batch_norm {
            graph = graph::fold_batch_norm(&graph)?;
        }
        Ok(graph::encode_symbolic_batch(&graph))
    }

    fn set(&mut self, state: &State, moments: &[Vec<f32>]) -> Result<(), Error> {
        self.program.set("parameters", &state.parameters)?;
        if !state.statistics.is_empty() {
            self.program.set("statistics", &state.statistics)?;
        }
        for (name, moment) in ["moment1", "moment2"].into_iter().zip(moments) {
            self.program.set(name, moment)?;
        }
        Ok(())
    }
}

fn state_of(program: &ResidentProgram, network: &Network) -> Result<State, Error> {
    let statistics = if network.statistics().is_empty() { Vec::new() } else { program.get("statistics")? };
    Ok(State { parameters: program.get("parameters")?, statistics })
}

/// The network of a plan with its initial weights.
fn build(plan: &Plan, batch: usize) -> Result<Network, Error> {
    Ok(Network::new(&plan.architecture.build(&plan.input, plan.classes, batch, plan.seed)?)?)
}

/// The form of a step that runs on a provider.
fn profile(provider: Provider) -> Profile {
    match provider {
        Provider::Cpu => Profile::CpuTraining,
        Provider::Cuda => Profile::Portable,
    }
}

/// What of a step's outputs becomes inputs of the next.
fn carried(network: &Network, moments: usize) -> Vec<(&'static str, &'static str)> {
    let statistics = (!network.statistics().is_empty()).then_some(("next_statistics", "statistics"));
    let moments = [("next_moment1", "moment1"), ("next_moment2", "moment2")].into_iter().take(moments);
    std::iter::once(("next_parameters", "parameters")).chain(statistics).chain(moments).collect()
}

fn step_spec(plan: &Plan) -> StepSpec {
    StepSpec {
        objective: match plan.objective {
            Objective::Standard { label_smoothing } | Objective::Adversarial { label_smoothing, .. } => {
                training::Objective::Standard { label_smoothing }
            }
            Objective::Trades { beta, .. } => training::Objective::Trades { beta },
            Objective::Mart { beta, .. } => training::Objective::Mart { beta },
        },
        optimiser: match plan.optimiser {
            crate::Optimiser::Sgd { momentum, nesterov } => training::Optimiser::Sgd { momentum, nesterov },
            crate::Optimiser::Adam { beta1, beta2, epsilon, decoupled: false } => {
                training::Optimiser::Adam { beta1, beta2, epsilon }
            }
            crate::Optimiser::Adam { beta1, beta2, epsilon, decoupled: true } => {
                training::Optimiser::AdamW { beta1, beta2, epsilon }
            }
        },
        weight_decay: plan.weight_decay.rate,
        decay_all: plan.weight_decay.all,
        clip_norm: plan.clip_norm,
        statistics_momentum: plan.statistics_momentum,
    }
}

/// `1 - beta^t` for both betas of Adam at step `t`, counted from 1.
fn bias_corrections(plan: &Plan, step: u64) -> Option<[f32; 2]> {
    let crate::Optimiser::Adam { beta1, beta2, .. } = plan.optimiser else { return None };
    let exponent = i32::try_from(step + 1).unwrap_or(i32::MAX);
    Some([beta1, beta2].map(|beta| (1.0 - beta.powi(exponent)) as f32))
}

/// Stops a training whose numbers mean nothing any more.
fn check(report: &StepReport, plan: &Plan) -> Result<(), Error> {
    let guessing = (plan.classes as f64).ln();
    let reason = if !report.loss.is_finite() {
        format!("the loss is {}", report.loss)
    } else if !report.gradient_norm.is_finite() {
        format!("the norm of the gradient is {}", report.gradient_norm)
    } else if report.loss > EXPLODED * guessing {
        format!("the loss is {:.3e}, more than {EXPLODED} times that of guessing, {guessing:.2}", report.loss)
    } else {
        return Ok(());
    };
    Err(Error::Diverged { epoch: report.epoch, step: report.step, reason })
}
