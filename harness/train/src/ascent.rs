//! The attack inside of a step, on the CPU: the network is frozen as it is, and workers ascend a micro-batch at a time.

use crate::draws::stream;
use crate::metrics::softmax;
use crate::{Batch, Error, Objective, Plan};
use attack::{Ball, Balls, Domain, Inner, Loss, LossHead, Oracle, ThreatModel};
use graph::training::{Network, State};
use ndarray::{Array2, ArrayView2};
use runtime::{Frozen, GradientOracle, Provider};
use std::sync::Mutex;

/// What makes the adversarial rows of a batch. What a row becomes does not depend on threads or on the other rows.
#[derive(Debug)]
pub(crate) struct InnerAttack {
    /// At the micro-batch of the oracles.
    network: Network,
    inner: Inner,
    threat: ThreatModel,
    domain: Domain,
    head: LossHead,
    seed: u64,
    threads: usize,
    /// The adversarial rows of the last batch.
    x_adv: Vec<f32>,
}

/// Some rows of a batch: where they are, what they become.
struct Chunk<'a> {
    first: usize,
    x: &'a [f32],
    x_adv: &'a mut [f32],
}

/// The loss that the ascent of a plan's objective ascends.
pub(crate) fn head_of(plan: &Plan) -> LossHead {
    match plan.objective {
        Objective::Trades { .. } => LossHead::Kl,
        _ => LossHead::CrossEntropy,
    }
}

impl InnerAttack {
    /// The attack of a plan; `None` where its objective needs none.
    pub(crate) fn new(plan: &Plan, network: Network, threads: usize) -> Option<Self> {
        let (inner, threat) = plan.objective.inner().zip(plan.threat_model.as_ref())?;
        Some(Self {
            inner: inner.ascent(threat),
            threat: threat.clone(),
            domain: plan.domain(),
            head: head_of(plan),
            seed: plan.seed,
            threads,
            x_adv: vec![0.0; plan.batch_size * plan.data.row_len()],
            network,
        })
    }

    /// The adversarial rows of a batch, `[B, D]`, for the network as it is.
    ///
    /// Errors: the network can't be frozen, or a run fails.
    pub(crate) fn attack(&mut self, state: &State, batch: &Batch<'_>, epoch: u64) -> Result<&[f32], Error> {
        let classifier = graph::fold_batch_norm(&self.network.with_state(state))?;
        let frozen = Frozen::new(&classifier, &[self.head], Provider::Cpu)?;
        let rows = self.network.input().shape[0];
        let len = batch.x.len() / batch.labels.len() * rows;
        let mut x_adv = std::mem::take(&mut self.x_adv);
        let chunks = batch.x.chunks(len).zip(x_adv.chunks_mut(len)).enumerate();
        let chunks = Mutex::new(chunks.map(|(index, (x, x_adv))| Chunk { first: index * rows, x, x_adv }));
        let next = || chunks.lock().expect("no thread panics while it holds the lock").next();
        let work = || -> Result<(), Error> {
            let mut oracle = frozen.oracle()?;
            let mut balls = Balls::new(&self.threat, &self.domain, false)?;
            while let Some(chunk) = next() {
                self.ascend(&mut oracle, &mut balls, chunk, batch, epoch)?;
            }
            Ok(())
        };
        let outcome = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
        });
        self.x_adv = x_adv;
        outcome.map(|()| self.x_adv.as_slice())
    }

    fn ascend(
        &self,
        oracle: &mut GradientOracle,
        balls: &mut Balls,
        chunk: Chunk<'_>,
        batch: &Batch<'_>,
        epoch: u64,
    ) -> Result<(), Error> {
        let (row_len, classes) = (oracle.row_len(), oracle.classes());
        let count = chunk.x.len() / row_len;
        let shaped = ArrayView2::from_shape((count, row_len), chunk.x).expect("a chunk has whole rows");
        let balls: Vec<Ball> = chunk.x.chunks(row_len).map(|row| balls.around(row)).collect::<Result<_, _>>()?;
        let loss = match self.head {
            LossHead::Kl => {
                let logits = oracle.logits(shaped).map_err(attack::Error::from)?;
                let logits: Vec<f32> = logits.into_iter().collect();
                let probabilities = Array2::from_shape_vec((count, classes), softmax(&logits, classes));
                Loss::kl(probabilities.expect("one row of logits for each row"))
            }
            _ => Loss::cross_entropy(&batch.labels[chunk.first..][..count], classes),
        };
        let rows = &batch.rows[chunk.first..][..count];
        let starts = self.inner.starts(&balls, &mut |row| stream(self.seed, "train.inner", epoch, rows[row].into()))?;
        // A chunk is one micro-batch, which an ascent takes whole.
        let x_adv = self.inner.ascend(oracle, &balls, starts, &mut |_| loss.clone())?;
        chunk.x_adv.copy_from_slice(x_adv.as_slice().expect("standard layout"));
        Ok(())
    }
}
