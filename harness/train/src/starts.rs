//! Where inner attacks start, and how far they may go: host work that a device waits for.

use crate::draws::stream;
use crate::{Batch, Error, Plan};
use attack::{Balls, Inner, ThreatModel};
use std::sync::Mutex;

/// Rows that one worker takes at a time.
const ROWS: usize = 8;

/// Starts and bounds of a batch, in buffers that are used again.
#[derive(Debug)]
pub(crate) struct Starts {
    pub(crate) inner: Inner,
    pub(crate) threat: ThreatModel,
    /// One for each worker.
    balls: Vec<Balls>,
    seed: u64,
    /// `[B, D]`: where the ascents start.
    pub(crate) x: Vec<f32>,
    /// `[B, D]`: the least value of every element.
    pub(crate) lower: Vec<f32>,
    /// `[B, D]`: the largest value of every element.
    pub(crate) upper: Vec<f32>,
}

/// Some rows: those of the data, and where their starts and bounds go.
struct Chunk<'a> {
    first: usize,
    rows: &'a [f32],
    targets: [&'a mut [f32]; 3],
}

impl Starts {
    /// Those of a plan; `None` where its objective needs none.
    ///
    /// Errors: its data have no interval to move in.
    pub(crate) fn new(plan: &Plan, threads: usize) -> Result<Option<Self>, Error> {
        let Some((inner, threat)) = plan.objective.inner().zip(plan.threat_model.as_ref()) else { return Ok(None) };
        let balls = Balls::new(threat, &plan.domain(), false)?;
        let buffer = || vec![0.0; plan.batch_size * plan.data.row_len()];
        Ok(Some(Self {
            inner: inner.ascent(threat),
            threat: threat.clone(),
            balls: vec![balls; threads.max(1)],
            seed: plan.seed,
            x: buffer(),
            lower: buffer(),
            upper: buffer(),
        }))
    }

    /// Fills the buffers. The numbers of a row depend on nothing but the row and the epoch.
    ///
    /// Errors: a row has no ball.
    pub(crate) fn fill(&mut self, batch: &Batch<'_>, epoch: u64) -> Result<(), Error> {
        let row_len = batch.x.len() / batch.labels.len();
        let [mut x, mut lower, mut upper] = [&mut self.x, &mut self.lower, &mut self.upper].map(std::mem::take);
        let size = ROWS * row_len;
        let targets = x.chunks_mut(size).zip(lower.chunks_mut(size)).zip(upper.chunks_mut(size));
        let chunks = batch.x.chunks(size).zip(targets).enumerate().map(|(index, (rows, ((x, lower), upper)))| Chunk {
            first: index * ROWS,
            rows,
            targets: [x, lower, upper],
        });
        let chunks = Mutex::new(chunks);
        let next = || chunks.lock().expect("no thread panics while it holds the lock").next();
        let (mut balls, this) = (std::mem::take(&mut self.balls), &*self);
        let work = |balls: &mut Balls| {
            std::iter::from_fn(next).try_for_each(|chunk| this.rows(balls, chunk, row_len, batch, epoch))
        };
        let outcome = std::thread::scope(|scope| {
            let workers: Vec<_> = balls.iter_mut().map(|balls| scope.spawn(move || work(balls))).collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
        });
        (self.x, self.lower, self.upper, self.balls) = (x, lower, upper, balls);
        outcome
    }

    fn rows(
        &self,
        balls: &mut Balls,
        chunk: Chunk<'_>,
        row_len: usize,
        batch: &Batch<'_>,
        epoch: u64,
    ) -> Result<(), Error> {
        let [x, lower, upper] = chunk.targets;
        for (index, row) in chunk.rows.chunks(row_len).enumerate() {
            let ball = balls.around(row)?;
            let at = index * row_len..(index + 1) * row_len;
            lower[at.clone()].copy_from_slice(&ball.lower);
            upper[at.clone()].copy_from_slice(&ball.upper);
            let number = u64::from(batch.rows[chunk.first + index]);
            let starts = self.inner.starts(&[ball], &mut |_| stream(self.seed, "train.inner", epoch, number))?;
            x[at].copy_from_slice(starts.as_slice().expect("standard layout"));
        }
        Ok(())
    }
}
