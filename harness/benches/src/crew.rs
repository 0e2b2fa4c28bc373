use crate::Batch;
use anyhow::{Context, Result, anyhow, ensure};
use attack::{AttackSpec, Gradient, Loss, Oracle, Predictor, RowOutcome, Setting};
use ndarray::{Array2, Axis, concatenate, s};
use runtime::{GradientOracle, Prepared, ShippedModel};
use std::ops::Range;
use std::thread;

/// Workers that share rows evenly, each with an oracle and a judge of its own. Between runs they do not exist, so that
/// an idle crew takes no time from whoever is measured next.
#[derive(Debug)]
pub struct Crew {
    prepared: Prepared,
    workers: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    oracle: GradientOracle,
    judge: ShippedModel,
}

/// What an attack took, over all rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effort {
    /// Rows that the judge confirmed as broken.
    pub broken: usize,
    /// Gradients, of one row each.
    pub backwards: u64,
    /// Forwards of the judge, of one row each.
    pub judge_forwards: u64,
}

impl Crew {
    /// Opens the sessions of every worker and runs each once.
    ///
    /// Errors: there is no worker, or a session can't be opened or run.
    pub fn open(prepared: Prepared, workers: usize) -> Result<Self> {
        ensure!(workers > 0, "there must be at least one worker");
        let open = |_| Ok(Worker { oracle: prepared.oracle()?, judge: prepared.predictor()? });
        let workers = (0..workers).map(open).collect::<Result<Vec<_>>>()?;
        let mut crew = Self { prepared, workers };
        let rows = crew.workers.len() * crew.prepared.micro_batch();
        let x = Array2::from_elem((rows, crew.prepared.spec().map.row_len()), 0.5);
        let batch = Batch::new(x, vec![0; rows])?;
        crew.forward(&batch, rows)?;
        crew.gradient(&batch.x, &Loss::cross_entropy(&batch.labels, crew.prepared.spec().classes), rows)?;
        Ok(crew)
    }

    /// The model that they run.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The judge of the first worker.
    pub fn judge(&mut self) -> &mut ShippedModel {
        &mut self.workers[0].judge
    }

    /// The logits of the first `rows`.
    ///
    /// Errors: a run fails.
    pub fn forward(&mut self, batch: &Batch, rows: usize) -> Result<Array2<f32>> {
        stacked(&self.share(rows, |worker, rows| Ok(worker.oracle.logits(batch.x.slice(s![rows, ..]))?))?)
    }

    /// The scores that the registered bytes give.
    ///
    /// Errors: a run fails.
    pub fn scores(&mut self, x: &Array2<f32>) -> Result<Array2<f32>> {
        stacked(&self.share(x.nrows(), |worker, rows| Ok(worker.judge.predict(x.slice(s![rows, ..]))?))?)
    }

    /// Logits, losses and gradients of the first `rows`, in parts that are in order.
    ///
    /// Errors: a run fails.
    pub fn gradient(&mut self, x: &Array2<f32>, loss: &Loss, rows: usize) -> Result<Vec<Gradient>> {
        self.share(rows, |worker, rows| Ok(worker.oracle.gradient(x.slice(s![rows.clone(), ..]), &part(loss, rows))?))
    }

    /// An attack on the first `rows`, in chunks of eight micro-batches as the product does.
    ///
    /// Errors: the attack refuses the setting or a row, or a run fails.
    pub fn attack(&mut self, spec: &AttackSpec, batch: &Batch, setting: &Setting<'_>, rows: usize) -> Result<Effort> {
        let chunk = 8 * self.prepared.micro_batch();
        let outcomes = self.share(rows, |worker, rows| {
            let chunks = rows.clone().step_by(chunk).map(|start| start..rows.end.min(start + chunk));
            let run = |rows| attack::run(spec, &batch.attacked(rows), setting, &mut worker.oracle, &mut worker.judge);
            let outcomes: Vec<Vec<RowOutcome>> = chunks.map(run).collect::<Result<_, _>>()?;
            Ok(outcomes.concat())
        })?;
        Ok(outcomes.iter().flatten().fold(Effort::default(), |sum, row| Effort {
            broken: sum.broken + usize::from(row.broken),
            backwards: sum.backwards + row.backwards,
            judge_forwards: sum.judge_forwards + row.judge_forwards,
        }))
    }

    /// Gives every worker its part of the rows, in whole micro-batches, and returns what each made of it, in order.
    fn share<T: Send>(
        &mut self,
        rows: usize,
        work: impl Fn(&mut Worker, Range<usize>) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let (micro_batch, count) = (self.prepared.micro_batch(), self.workers.len());
        let batches = rows.div_ceil(micro_batch);
        let end = |worker: usize| (batches * worker / count * micro_batch).min(rows);
        let work = &work;
        thread::scope(|scope| {
            let parts = self.workers.iter_mut().enumerate().map(|(index, worker)| (worker, end(index)..end(index + 1)));
            let busy: Vec<_> = parts
                .filter(|(_, rows)| !rows.is_empty())
                .map(|(worker, rows)| scope.spawn(move || work(worker, rows)))
                .collect();
            busy.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a worker panicked"))?).collect()
        })
    }
}

fn stacked(parts: &[Array2<f32>]) -> Result<Array2<f32>> {
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    concatenate(Axis(0), &views).context("stack the rows of the workers")
}

/// The loss of some of the rows.
fn part(loss: &Loss, rows: Range<usize>) -> Loss {
    Loss { head: loss.head, weights: loss.weights.slice(s![rows, ..]).to_owned() }
}
