//! Runs the searches of many rows side by side: full micro-batches for the oracle, and the same result for every row
//! however the rows are grouped.

use crate::run::Job;
use crate::{Ball, Error, Judge, LossKind, Oracle, Proposal, RowOutcome};
use ndarray::{ArrayView1, ArrayView2};
use std::collections::VecDeque;

/// One row's search, advanced by one answer of the oracle at a time.
pub(crate) trait Search {
    /// What to ask next, of which point; `None` when the search is over.
    fn query(&self) -> Option<(Query, &[f32])>;

    /// Takes the answer, moves on, and returns the points to put before the judge, in this order.
    fn advance(&mut self, ball: &Ball, answer: &Answer<'_>, flags: &mut RowOutcome) -> Vec<Candidate>;
}

/// What a search asks of the oracle. All gradients of one attack have a target, or none has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Query {
    Logits,
    Gradient { target: Option<usize> },
}

/// One row of the oracle's answer. Without a gradient the slice is empty and the loss is NaN.
pub(crate) struct Answer<'a> {
    pub(crate) logits: &'a [f32],
    pub(crate) loss: f32,
    pub(crate) gradient: &'a [f32],
}

/// A point for the judge; `claimed` when the oracle's own logits misclassify it.
pub(crate) struct Candidate {
    pub(crate) x_adv: Vec<f32>,
    pub(crate) claimed: bool,
}

struct Lane<S> {
    row: usize,
    ball: Ball,
    search: S,
    outcome: RowOutcome,
    candidates: VecDeque<Candidate>,
    /// The latest point that the judge did not confirm; a search that stands still is not judged again.
    refused: Vec<f32>,
}

/// Runs a search on every row: `begin` starts it. A row leaves as soon as the judge confirms one of its points, and
/// the next row of the queue takes its lane.
pub(crate) fn drive<S: Search>(
    job: &Job<'_>,
    loss: LossKind,
    oracle: &mut dyn Oracle,
    judge: &mut Judge<'_>,
    begin: impl Fn(usize, &Ball) -> S,
) -> Result<Vec<RowOutcome>, Error> {
    let mut outcomes = vec![RowOutcome::default(); job.len()];
    let mut queue = 0..job.len();
    let mut lanes: Vec<Lane<S>> = Vec::new();
    loop {
        while lanes.len() < oracle.micro_batch().max(1) {
            let Some(row) = queue.next() else { break };
            let ball = job.ball(row)?;
            if !ball.is_point() {
                let search = begin(row, &ball);
                let (outcome, candidates) = (RowOutcome::default(), VecDeque::new());
                lanes.push(Lane { row, ball, search, outcome, candidates, refused: Vec::new() });
            }
        }
        if lanes.is_empty() {
            return Ok(outcomes);
        }
        ask(&mut lanes, job, loss, oracle)?;
        while judge_next(&mut lanes, job, judge)? {}
        for lane in lanes.extract_if(.., |lane| lane.outcome.broken || lane.search.query().is_none()) {
            outcomes[lane.row] = lane.outcome;
        }
    }
}

/// Answers the query of every lane.
fn ask<S: Search>(lanes: &mut [Lane<S>], job: &Job<'_>, loss: LossKind, oracle: &mut dyn Oracle) -> Result<(), Error> {
    let (mut plain, mut graded): (Vec<&mut Lane<S>>, Vec<&mut Lane<S>>) =
        lanes.iter_mut().partition(|lane| matches!(lane.search.query(), Some((Query::Logits, _))));
    if !plain.is_empty() {
        let logits = oracle.logits(stacked(&plain, &mut Vec::new())?)?;
        for (lane, logits) in plain.iter_mut().zip(logits.rows()) {
            lane.outcome.forwards += 1;
            lane.take(&Answer { logits: &contiguous(logits), loss: f32::NAN, gradient: &[] });
        }
    }
    if !graded.is_empty() {
        let labels = graded.iter().map(|lane| job.rows.labels[lane.row]).collect();
        let targets = graded.iter().map(|lane| lane.target()).collect();
        let answer = oracle.gradient(stacked(&graded, &mut Vec::new())?, &loss.of(labels, targets))?;
        for (index, lane) in graded.iter_mut().enumerate() {
            lane.outcome.forwards += 1;
            lane.outcome.backwards += 1;
            lane.take(&Answer {
                logits: &contiguous(answer.logits.row(index)),
                loss: answer.loss[index],
                gradient: &contiguous(answer.gradient.row(index)),
            });
        }
    }
    Ok(())
}

impl<S: Search> Lane<S> {
    fn take(&mut self, answer: &Answer<'_>) {
        self.candidates = self.search.advance(&self.ball, answer, &mut self.outcome).into();
    }

    fn target(&self) -> Option<usize> {
        match self.search.query() {
            Some((Query::Gradient { target }, _)) => target,
            _ => None,
        }
    }

    /// The next candidate that is worth the judge's time: not the sample itself, nor what was just refused.
    fn next_candidate(&mut self) -> Option<&Candidate> {
        while let Some(candidate) = self.candidates.front() {
            if candidate.x_adv != self.ball.center() && candidate.x_adv != self.refused {
                break;
            }
            self.candidates.pop_front();
        }
        self.candidates.front()
    }
}

/// Puts the next candidate of every unbroken lane before the judge; `false` when there was none.
fn judge_next<S: Search>(lanes: &mut [Lane<S>], job: &Job<'_>, judge: &mut Judge<'_>) -> Result<bool, Error> {
    let mut waiting: Vec<&mut Lane<S>> = lanes
        .iter_mut()
        .filter_map(|lane| (!lane.outcome.broken && lane.next_candidate().is_some()).then_some(lane))
        .collect();
    let proposals: Vec<Proposal<'_>> = waiting
        .iter()
        .filter_map(|lane| {
            let x_adv = &lane.candidates.front()?.x_adv;
            Some(Proposal { ball: &lane.ball, label: job.rows.labels[lane.row], x_adv })
        })
        .collect();
    let rulings = judge.rule(&proposals)?;
    for (lane, ruling) in waiting.iter_mut().zip(rulings) {
        let Some(Candidate { x_adv, claimed }) = lane.candidates.pop_front() else { continue };
        lane.outcome.book(&lane.ball, &x_adv, claimed, ruling);
        lane.refused = x_adv;
    }
    Ok(!waiting.is_empty())
}

fn stacked<'b, S: Search>(lanes: &[&mut Lane<S>], buffer: &'b mut Vec<f32>) -> Result<ArrayView2<'b, f32>, Error> {
    for (_, x) in lanes.iter().filter_map(|lane| lane.search.query()) {
        buffer.extend_from_slice(x);
    }
    let shape = (lanes.len(), buffer.len() / lanes.len().max(1));
    ArrayView2::from_shape(shape, buffer).map_err(|error| Error::Shape(format!("stack the rows: {error}")))
}

fn contiguous(row: ArrayView1<'_, f32>) -> Vec<f32> {
    row.to_vec()
}
