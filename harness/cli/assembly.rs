//! Blocks in the making: chunks of their rows come back from several workers in any order.

use crate::engine::{Subject, Wanted};
use anyhow::{Context, Result};
use attack::RowOutcome;
use evidence::{AttackRow, Block, ProbeRow, Verdict, Witnesses, witness_digest};
use probe::RowValue;
use std::sync::Mutex;

/// One block in the making: which of its rows are worked on, and what has come back so far.
pub(crate) struct Assembly<'a, T> {
    pub(crate) wanted: &'a Wanted,
    pub(crate) rows: Vec<usize>,
    done: Mutex<Vec<(usize, T)>>,
}

impl<'a, T> Assembly<'a, T> {
    pub(crate) fn new(wanted: &'a Wanted, rows: Vec<usize>) -> Self {
        Self { wanted, rows, done: Mutex::new(Vec::new()) }
    }

    /// Adds what a chunk gave; returns everything, in the order of rows, once the block is complete.
    pub(crate) fn add(&self, rows: &[usize], outcomes: Vec<T>) -> Option<Vec<(usize, T)>> {
        let mut all = self.done.lock().expect("no thread panics while it holds the lock");
        all.extend(rows.iter().copied().zip(outcomes));
        if all.len() < self.rows.len() {
            return None;
        }
        let mut all = std::mem::take(&mut *all);
        all.sort_by_key(|(row, _)| *row);
        Some(all)
    }
}

/// The work: for each assembly by its index some of its rows, or none where it has none, since its block is wanted all the same.
///
/// As few pieces as give each of `jobs` workers one: rows that are attacked side by side fill micro-batches.
pub(crate) fn chunks<'a, T>(
    assemblies: &'a [Assembly<'_, T>],
    jobs: usize,
    micro_batch: usize,
) -> Vec<(usize, &'a [usize])> {
    let parts = jobs.div_ceil(assemblies.len().max(1)).max(1);
    let of = |(index, assembly): (usize, &'a Assembly<'_, T>)| {
        let size = assembly.rows.len().div_ceil(parts).max(micro_batch).max(1);
        let none = assembly.rows.is_empty().then_some(assembly.rows.as_slice());
        assembly.rows.chunks(size).chain(none).map(move |rows| (index, rows))
    };
    assemblies.iter().enumerate().flat_map(of).collect()
}

/// The rows of a block that the clean predictions have right.
///
/// Errors: there are no clean predictions of these rows.
pub(crate) fn correct(wanted: &Wanted, clean: &[Block], subject: &Subject<'_>) -> Result<Vec<usize>> {
    let slice = wanted.rows.first().map(|row| (row / evidence::BLOCK_ROWS) as u64);
    let block = clean.iter().find(|block| block.slice() == slice);
    let columns = block.and_then(Block::clean_columns).with_context(|| {
        format!("no clean predictions of model `{}` for slice {slice:?}: this is a defect", subject.name)
    })?;
    let correct = wanted.rows.iter().zip(&columns.correct).filter(|(_, correct)| **correct).map(|(&row, _)| row);
    Ok(correct.collect())
}

/// The block of an attack whose outcomes these are, the rows that it did not run on being wrong.
///
/// Margins of witnesses are kept where the model scores rows, whose order they tell.
/// Errors: the outcomes contradict each other.
pub(crate) fn attack_block(
    wanted: &Wanted,
    outcomes: Vec<(usize, RowOutcome)>,
    subject: &Subject<'_>,
) -> Result<(Block, Witnesses)> {
    let scores_rows = subject.prepared.spec().scores_rows();
    let mut witnesses = Witnesses::new(subject.dataset.row_len());
    let mut outcomes = outcomes.into_iter().peekable();
    let mut rows = Vec::with_capacity(wanted.rows.len());
    for &row in &wanted.rows {
        let Some((_, outcome)) = outcomes.next_if(|(attacked, _)| *attacked == row) else {
            rows.push(AttackRow::wrong(row as u64));
            continue;
        };
        if let Some(witness) = &outcome.witness {
            witnesses.push(row as u64, witness)?;
        }
        let margin = outcome.margin.filter(|_| scores_rows);
        rows.push(AttackRow { margin, ..attack_row(row, &outcome) });
    }
    Ok((Block::attack(wanted.keyed.clone(), &rows)?, witnesses))
}

fn attack_row(row: usize, outcome: &RowOutcome) -> AttackRow {
    AttackRow {
        row: row as u64,
        verdict: if outcome.broken { Verdict::Attacked } else { Verdict::Unknown },
        adversarial_class: outcome.adversarial_class.map(|class| class as u32),
        distance: outcome.distance,
        found: outcome.found,
        confirmed: outcome.confirmed,
        rejected: outcome.rejected,
        outside_ball: outcome.rejections.outside_ball,
        not_a_number: outcome.rejections.not_a_number,
        level: outcome.level.map(|level| level as u32),
        fell_unconstrained: outcome.fell_unconstrained,
        stage: outcome.stage.map(|stage| stage as u32),
        nearest: outcome.nearest,
        margin: None,
        zero_gradients: outcome.zero_gradients,
        non_finite_gradients: outcome.non_finite_gradients,
        silent_success: outcome.silent_success,
        still_gaining: outcome.still_gaining,
        stood_still: outcome.stood_still,
        out_of_budget: outcome.out_of_budget,
        forwards: outcome.forwards,
        backwards: outcome.backwards,
        judge_forwards: outcome.judge_forwards,
        tie: outcome.tie,
        witness: outcome.witness.as_deref().map(witness_digest),
    }
}

pub(crate) fn probe_row(row: usize, value: &RowValue) -> ProbeRow {
    ProbeRow {
        row: row as u64,
        value: value.value,
        step: value.step,
        zero_gradients: value.zero_gradients,
        non_finite_gradients: value.non_finite_gradients,
        non_finite_logits: value.non_finite_logits,
        forwards: value.forwards,
        backwards: value.backwards,
    }
}
