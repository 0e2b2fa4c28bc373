//! Runs the searches of many rows side by side: full micro-batches for the oracle, and the same result for every row
//! however the rows are grouped.
//!
//! A search is written as if its row were alone: it asks, awaits the answer, and goes on. What the rows ask is answered
//! together. Nothing here waits for the outside world; a future that is polled before it has its answer is a defect.

use crate::loss::Goal;
use crate::run::Job;
use crate::watch::{Place, Watch};
use crate::{Ball, Budget, Domain, Error, Judge, LossHead, Oracle, Picture, Proposal, RowOutcome, argmax, stream};
use ndarray::ArrayView2;
use rand_chacha::ChaCha8Rng;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// The search of one row.
pub(crate) type Search<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// One row under attack, and its way to oracle and judge.
pub(crate) struct Row {
    /// What is allowed.
    pub(crate) ball: Ball,
    /// The right class.
    pub(crate) label: usize,
    /// The number of classes `K`.
    pub(crate) classes: usize,
    /// The radius of the threat model.
    pub(crate) epsilon: f64,
    /// The inputs that exist, inside and outside of the ball.
    pub(crate) domain: Domain,
    /// How its elements lie in space.
    pub(crate) picture: Picture,
    seed: u64,
    budget: Budget,
    digest: [u8; 32],
    desk: RefCell<Desk>,
}

/// One row of the oracle's answer.
pub(crate) struct Answer {
    /// `[K]`.
    pub(crate) logits: Vec<f32>,
    /// NaN where only logits were asked for.
    pub(crate) loss: f32,
    /// `[D]`, or empty.
    pub(crate) gradient: Vec<f32>,
}

/// What lies between a row and those who answer.
#[derive(Default)]
struct Desk {
    asked: Option<Ask>,
    told: Option<Told>,
    outcome: RowOutcome,
    watch: Watch,
    /// The latest point that the judge did not confirm; a search that stands still is not judged again.
    refused: Vec<f32>,
    /// Whether a point of the ball was confirmed that the search was for.
    done: bool,
    /// Which stage of an ensemble the search is in.
    stage: Option<usize>,
    /// Whether the search asked for more than it may.
    out_of_budget: bool,
}

enum Ask {
    Logits { x: Vec<f32> },
    Gradient { x: Vec<f32>, goal: Goal },
    Judge(Question),
}

/// A point for the judge.
struct Question {
    x_adv: Vec<f32>,
    claimed: bool,
    /// Points out of the ball count too, and the search goes on whatever the answer.
    anywhere: bool,
}

/// What can be answered together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Judge,
    Logits,
    Gradient(LossHead),
}

impl Ask {
    fn kind(&self) -> Kind {
        match self {
            Ask::Judge(_) => Kind::Judge,
            Ask::Logits { .. } => Kind::Logits,
            Ask::Gradient { goal, .. } => Kind::Gradient(goal.head),
        }
    }
}

enum Told {
    Answer(Answer),
    Ruled,
}

impl Row {
    fn new(job: &Job<'_>, row: usize, classes: usize) -> Result<Self, Error> {
        Ok(Self {
            ball: job.ball(row)?,
            label: job.rows.labels[row],
            classes,
            epsilon: job.setting.threat.epsilon.to_f64(),
            domain: job.setting.domain,
            picture: job.setting.picture,
            seed: job.setting.seed,
            budget: job.setting.budget,
            digest: job.rows.digests[row],
            desk: RefCell::default(),
        })
    }

    /// Enters a stage of an ensemble, which knows nothing of those before it.
    pub(crate) fn enter(&self, stage: usize) {
        let mut desk = self.desk.borrow_mut();
        desk.stage = Some(stage);
        desk.refused.clear();
    }

    /// Whether the judge confirmed a point of the ball.
    pub(crate) fn is_broken(&self) -> bool {
        self.desk.borrow().outcome.broken
    }

    /// What it waits for, and how many answers of the oracle it has had.
    fn asks(&self) -> Option<(Kind, u64)> {
        let desk = self.desk.borrow();
        Some((desk.asked.as_ref()?.kind(), desk.outcome.forwards))
    }

    /// Whether what it asks for is more than it may have.
    fn is_stopped(&self) -> bool {
        let mut desk = self.desk.borrow_mut();
        let RowOutcome { forwards, backwards, .. } = desk.outcome;
        let is_allowed = match desk.asked.as_ref().map(Ask::kind) {
            None | Some(Kind::Judge) => true,
            Some(Kind::Logits) => self.budget.allows(forwards, backwards, false),
            Some(Kind::Gradient(_)) => self.budget.allows(forwards, backwards, true),
        };
        desk.out_of_budget = !is_allowed;
        !is_allowed
    }

    /// What came of it.
    fn outcome(&self) -> RowOutcome {
        let mut desk = self.desk.borrow_mut();
        let mut outcome = std::mem::take(&mut desk.outcome);
        outcome.out_of_budget = desk.out_of_budget;
        if !outcome.broken {
            outcome.silent_success = desk.watch.saw_success() && outcome.found == 0;
            outcome.still_gaining = desk.watch.was_still_gaining(outcome.forwards);
            outcome.stood_still = outcome.backwards > 0 && 2 * u64::from(outcome.zero_gradients) >= outcome.backwards;
        }
        match desk.stage {
            None => outcome,
            // A later stage does not look at rows that an earlier one broke, so an ensemble has no nearest input.
            Some(stage) => RowOutcome { stage: outcome.broken.then_some(stage), nearest: None, ..outcome },
        }
    }

    /// The random stream of one restart of an attack on this row.
    pub(crate) fn stream(&self, attack: &str, restart: usize) -> ChaCha8Rng {
        stream(self.seed, attack, &self.digest, restart as u64)
    }

    /// Whether these logits misclassify the row; with a NaN among them they say nothing.
    pub(crate) fn is_broken_by(&self, logits: &[f32]) -> bool {
        logits.iter().all(|logit| !logit.is_nan()) && argmax(logits).0 != self.label
    }

    /// The logits `[K]` of a point.
    pub(crate) async fn logits(&self, x: &[f32]) -> Vec<f32> {
        self.ask(Ask::Logits { x: x.to_vec() }).await.logits
    }

    /// Logits, loss and gradient of a point.
    pub(crate) async fn gradient(&self, x: &[f32], goal: &Goal) -> Answer {
        let answer = self.ask(Ask::Gradient { x: x.to_vec(), goal: goal.clone() }).await;
        let outcome = &mut self.desk.borrow_mut().outcome;
        outcome.zero_gradients += u32::from(answer.gradient.iter().all(|g| *g == 0.0));
        // Without a branch for each element, which would keep the loop from being vectorised.
        let finite = answer.gradient.iter().fold(true, |finite, g| finite & g.is_finite());
        outcome.non_finite_gradients += u32::from(!finite);
        answer
    }

    /// Puts the nearest point of the ball before the judge; `claimed` says that the oracle's own logits misclassify it.
    ///
    /// The search ends here if the judge confirms it. It is not asked of the sample itself, nor of what it just refused.
    pub(crate) async fn propose(&self, x_adv: &[f32], claimed: bool) {
        let mut x_adv = x_adv.to_vec();
        self.ball.project(&mut x_adv);
        self.submit(x_adv, claimed).await;
    }

    /// [`Row::propose`] of exactly this point.
    pub(crate) async fn submit(&self, x_adv: Vec<f32>, claimed: bool) {
        self.question(Question { x_adv, claimed, anywhere: false }).await;
    }

    /// Puts the nearest input, in the ball or not, before the judge, who keeps the distance of the nearest that is
    /// misclassified. The search goes on.
    pub(crate) async fn offer(&self, x_adv: &[f32], claimed: bool) {
        self.question(Question { x_adv: self.as_input(x_adv), claimed, anywhere: true }).await;
    }

    /// The nearest input.
    pub(crate) fn as_input(&self, x: &[f32]) -> Vec<f32> {
        let mut x = x.to_vec();
        self.domain.project(&mut x, self.ball.is_grid());
        x
    }

    async fn question(&self, question: Question) {
        if question.x_adv != self.ball.center() && question.x_adv != self.desk.borrow().refused {
            self.put(Ask::Judge(question));
            self.told().await;
        }
    }

    async fn ask(&self, ask: Ask) -> Answer {
        self.put(ask);
        match self.told().await {
            Told::Answer(answer) => answer,
            Told::Ruled => unreachable!("the oracle was asked"),
        }
    }

    fn tell(&self, x: &[f32], answer: Answer) {
        let mut desk = self.desk.borrow_mut();
        let desk = &mut *desk;
        let place = || {
            // The oracle rounds to the grid as the projection does.
            let x = if self.ball.is_grid() { &self.as_input(x)[..] } else { x };
            match (x == self.ball.center(), self.ball.contains(x)) {
                (true, _) => Place::Sample,
                (false, true) => Place::Inside,
                (false, false) => Place::Outside,
            }
        };
        desk.watch.see(desk.outcome.forwards + 1, &answer.logits, self.label, place);
        desk.outcome.forwards += 1;
        desk.outcome.backwards += u64::from(!answer.gradient.is_empty());
        desk.told = Some(Told::Answer(answer));
    }

    fn put(&self, ask: Ask) {
        self.desk.borrow_mut().asked = Some(ask);
    }

    async fn told(&self) -> Told {
        poll_fn(|_| self.desk.borrow_mut().told.take().map_or(Poll::Pending, Poll::Ready)).await
    }
}

struct Lane<'a> {
    at: usize,
    row: Rc<Row>,
    search: Search<'a>,
}

/// Runs a search on every row, all of them side by side: `begin` starts it. A row leaves as soon as the judge confirms one of its
/// points.
///
/// Errors: a row without a ball, an oracle or a judge that fails.
pub(crate) fn drive<'a>(
    job: &Job<'_>,
    oracle: &mut dyn Oracle,
    judge: &mut Judge<'_>,
    begin: impl Fn(Rc<Row>) -> Search<'a>,
) -> Result<Vec<RowOutcome>, Error> {
    let mut outcomes = vec![RowOutcome::default(); job.len()];
    let mut lanes: Vec<Lane<'a>> = Vec::with_capacity(job.len());
    for at in 0..job.len() {
        let row = Row::new(job, at, oracle.classes())?;
        if !row.ball.is_point() {
            let row = Rc::new(row);
            lanes.push(Lane { at, search: begin(row.clone()), row });
        }
    }
    loop {
        for lane in lanes.extract_if(.., |lane| lane.is_done()) {
            outcomes[lane.at] = lane.row.outcome();
        }
        if lanes.is_empty() {
            return Ok(outcomes);
        }
        answer(&lanes, oracle, judge)?;
    }
}

impl Lane<'_> {
    /// Goes on to the next question, if there is one that may be asked.
    fn is_done(&mut self) -> bool {
        let done = self.row.desk.borrow().done;
        done || self.search.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() || self.row.is_stopped()
    }
}

/// Answers what the lanes ask: the judge's questions first, all of them, since the answers may end searches; otherwise one
/// micro-batch of the oracle's, of the kind that the row asks for which has had the fewest answers, and those that have had few first.
///
/// So no row falls behind: rows in the same attack keep step, ask for the same, and come to their ends together.
fn answer(lanes: &[Lane<'_>], oracle: &mut dyn Oracle, judge: &mut Judge<'_>) -> Result<(), Error> {
    let mut waiting: Vec<((Kind, u64), &Row)> =
        lanes.iter().filter_map(|lane| Some((lane.row.asks()?, &*lane.row))).collect();
    let first = waiting.iter().min_by_key(|((kind, answers), _)| (*kind != Kind::Judge, *answers, *kind));
    let next = first.map(|((kind, _), _)| *kind);
    waiting.retain(|((kind, _), _)| Some(*kind) == next);
    if next != Some(Kind::Judge) {
        waiting.sort_by_key(|((_, answers), _)| *answers);
        waiting.truncate(oracle.micro_batch().max(1));
    }
    let (mut points, mut plain, mut graded) = (Vec::new(), Vec::new(), Vec::new());
    for (_, row) in waiting {
        match row.desk.borrow_mut().asked.take() {
            Some(Ask::Judge(question)) => points.push((row, question)),
            Some(Ask::Logits { x }) => plain.push((row, x)),
            Some(Ask::Gradient { x, goal }) => graded.push((row, x, goal)),
            None => {}
        }
    }
    if !points.is_empty() {
        rule(points, judge)?;
    }
    if !plain.is_empty() {
        let logits = oracle.logits(stacked(plain.iter().map(|(_, x)| &x[..]), &mut Vec::new())?)?;
        for ((row, x), logits) in plain.iter().zip(logits.rows()) {
            row.tell(x, Answer { logits: logits.to_vec(), loss: f32::NAN, gradient: Vec::new() });
        }
    }
    grade(&graded, oracle)
}

fn grade(group: &[(&Row, Vec<f32>, Goal)], oracle: &mut dyn Oracle) -> Result<(), Error> {
    let Some((first, _, goal)) = group.first() else { return Ok(()) };
    let goals: Vec<&Goal> = group.iter().map(|(_, _, goal)| goal).collect();
    let loss = Goal::together(goal.head, &goals, first.classes);
    let answer = oracle.gradient(stacked(group.iter().map(|(_, x, _)| &x[..]), &mut Vec::new())?, &loss)?;
    for (index, (row, x, _)) in group.iter().enumerate() {
        let (logits, gradient) = (answer.logits.row(index).to_vec(), answer.gradient.row(index).to_vec());
        row.tell(x, Answer { logits, loss: answer.loss[index], gradient });
    }
    Ok(())
}

fn rule(points: Vec<(&Row, Question)>, judge: &mut Judge<'_>) -> Result<(), Error> {
    let proposals: Vec<Proposal<'_>> = points
        .iter()
        .map(|(row, Question { x_adv, anywhere, .. })| Proposal {
            ball: &row.ball,
            label: row.label,
            x_adv,
            anywhere: anywhere.then_some(row.domain),
        })
        .collect();
    let rulings = judge.rule(&proposals)?;
    for ((row, Question { x_adv, claimed, anywhere }), ruling) in points.into_iter().zip(rulings) {
        let mut desk = row.desk.borrow_mut();
        if anywhere {
            desk.outcome.book_nearest(&row.ball, &x_adv, claimed, ruling);
        } else {
            desk.outcome.book(&row.ball, &x_adv, claimed, ruling);
            desk.done = desk.outcome.broken;
        }
        desk.refused = x_adv;
        desk.told = Some(Told::Ruled);
    }
    Ok(())
}

fn stacked<'r, 'b>(
    rows: impl Iterator<Item = &'r [f32]>,
    buffer: &'b mut Vec<f32>,
) -> Result<ArrayView2<'b, f32>, Error> {
    let mut count = 0;
    for row in rows {
        buffer.extend_from_slice(row);
        count += 1;
    }
    let shape = (count, buffer.len() / count.max(1));
    ArrayView2::from_shape(shape, buffer).map_err(|error| Error::Shape(format!("stack the rows: {error}")))
}
