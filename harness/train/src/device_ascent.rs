//! The attack inside of a step where the step's own device makes it: weights are inputs, every move is part of a graph,
//! and nothing but the starts and the bounds crosses over.

use crate::ascent::head_of;
use crate::metrics::softmax;
use crate::starts::Starts;
use crate::{Batch, Error, Plan};
use attack::{LossHead, Norm};
use graph::training::{AttackNorm, Network, attack_step};
use graph::{Head, Profile};
use runtime::{Device, ResidentProgram};

/// The name under which a device keeps the adversarial rows.
pub(crate) const X_ADV: &str = "x_adv";

/// What makes the adversarial rows of a batch on a device that holds parameters and statistics.
#[derive(Debug)]
pub(crate) struct DeviceAttack {
    program: ResidentProgram,
    shape: Vec<usize>,
    head: LossHead,
    norm: Norm,
    steps: u32,
    step_size: [f32; 1],
    radius: [f32; 1],
    starts: Starts,
}

impl DeviceAttack {
    /// The attack of a plan; `None` where its objective needs none. `network` has the batch of a step.
    ///
    /// Errors: a node has no gradient, or ONNX Runtime refuses the graph.
    pub(crate) fn new(plan: &Plan, network: &Network, device: &Device, threads: usize) -> Result<Option<Self>, Error> {
        let Some(starts) = Starts::new(plan, threads)? else { return Ok(None) };
        let head = head_of(plan);
        let graph_head = if head == LossHead::Kl { Head::Kl } else { Head::CrossEntropy };
        let norm = starts.threat.norm;
        let attack_norm = match norm {
            Norm::Linf => AttackNorm::Linf,
            Norm::L2 => AttackNorm::L2,
            Norm::L1 => unreachable!("a plan with an adversarial objective is not in l1"),
        };
        let graph = Profile::Portable.lower(&attack_step(network, graph_head, attack_norm)?)?;
        let mut program = ResidentProgram::open_on(device, &graph, threads, &[("x_next", X_ADV)])?;
        program.read_from("x", X_ADV)?;
        Ok(Some(Self {
            program,
            shape: network.input().shape.clone(),
            head,
            norm,
            steps: starts.inner.steps,
            step_size: [starts.inner.step_size as f32],
            radius: [starts.inner.epsilon as f32],
            starts,
        }))
    }

    /// Leaves the adversarial rows of a batch on the device, under [`X_ADV`].
    ///
    /// Errors: a row has no ball, or a run fails.
    pub(crate) fn attack(&mut self, batch: &Batch<'_>, epoch: u64) -> Result<(), Error> {
        self.starts.fill(batch, epoch)?;
        let device = self.program.device().clone();
        device.put("lower", &self.shape, &self.starts.lower)?;
        device.put("upper", &self.shape, &self.starts.upper)?;
        if self.norm == Norm::L2 {
            device.put("centre", &self.shape, batch.x)?;
        }
        let weights = match self.head {
            LossHead::Kl => {
                device.put(X_ADV, &self.shape, batch.x)?;
                // The weights of this run don't matter: it is made for the logits.
                let logits = self.step(batch.targets)?;
                &softmax(&logits, batch.targets.len() / batch.labels.len())
            }
            _ => batch.targets,
        };
        let classes = batch.targets.len() / batch.labels.len();
        device.put("weights", &[batch.labels.len(), classes], weights)?;
        device.put(X_ADV, &self.shape, &self.starts.x)?;
        for _ in 0..self.steps {
            self.run(&[])?;
        }
        Ok(())
    }

    /// The logits of what the device has.
    fn step(&mut self, weights: &[f32]) -> Result<Vec<f32>, Error> {
        let mut outputs = self.run(&[("weights", weights)])?;
        Ok(outputs.take("logits")?)
    }

    fn run(&mut self, more: &[(&str, &[f32])]) -> Result<runtime::Outputs, Error> {
        let (step, radius) = (self.step_size, self.radius);
        let mut feed: Vec<(&str, &[f32])> = vec![("step", &step)];
        if self.norm == Norm::L2 {
            feed.push(("radius", &radius));
        }
        feed.extend_from_slice(more);
        Ok(self.program.run(&feed)?)
    }
}
