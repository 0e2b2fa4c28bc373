//! Values along a projected ascent: what the probes that search have in common.

use crate::Error;
use crate::run::{Job, RowValue};
use attack::{Ball, Cost, Epsilon, Inner, InnerStart, Iterate, Loss, Oracle, stream};
use ndarray::{Array2, ArrayView2, Axis, s};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Where an ascent begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ProbeStart")]
pub enum Start {
    /// At the sample.
    None,
    /// Uniform in the ball. L-inf: within the input's bounds too; L1 and L2: then clipped to them.
    Random,
    /// Uniform in the ball as if the input had no bounds, then clipped to them.
    RandomClipped,
    /// At the sample, moved by a nearly normal draw of this deviation in each element, then clipped to ball and bounds.
    Gaussian(Epsilon),
}

/// Which iterate of a path counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ProbeKeep")]
pub enum Keep {
    /// The last.
    Last,
    /// The one with the largest value, the first of equals; the start counts.
    Best,
}

/// The setting of an ascent and what is looked at on its way.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    /// The first part of the key of the random streams.
    pub(crate) id: &'static str,
    pub(crate) steps: u32,
    pub(crate) step_size: Epsilon,
    pub(crate) start: Start,
    pub(crate) restarts: u32,
    pub(crate) keep: Keep,
    /// Whether the logits of every iterate are needed, or those of the last alone.
    pub(crate) looks: bool,
}

/// One row at one iterate. On a grid `x_adv` is the nearest point of it.
pub(crate) struct Pair<'a> {
    pub(crate) label: usize,
    pub(crate) x: &'a [f32],
    pub(crate) logits: &'a [f32],
    pub(crate) x_adv: &'a [f32],
    /// Empty on the way when the path does not look.
    pub(crate) logits_adv: &'a [f32],
}

/// A quantity of a sample and a point of its ball, and what is ascended to make it large.
pub(crate) trait Sensitivity {
    fn path(&self) -> Path;

    /// The value where the sample is the only point.
    fn at_rest(&self) -> Option<f64>;

    /// The value at a pair, whose logits are finite.
    fn value(&self, pair: &Pair<'_>) -> Option<f64>;

    /// The value at an iterate where it is read off the gradient of the loss there, which the last iterate has not.
    fn slope(&self, _: &[f32]) -> Option<f64> {
        None
    }

    /// The loss whose gradients these rows ascend.
    fn loss(&self, pairs: &[Pair<'_>]) -> Loss;

    /// What the ascent follows where that is not the gradient of the loss alone.
    fn bend(&self, _: &Pair<'_>, _: &mut [f32]) {}
}

impl Start {
    pub(crate) fn is_sample(&self) -> bool {
        matches!(self, Start::None) || matches!(self, Start::Gaussian(sigma) if sigma.is_zero())
    }

    fn inner(&self) -> InnerStart {
        match self {
            Start::None => InnerStart::Attack(attack::Start::None),
            Start::Random => InnerStart::Attack(attack::Start::Random),
            Start::RandomClipped => InnerStart::Attack(attack::Start::RandomClipped),
            Start::Gaussian(sigma) => InnerStart::Gaussian(sigma.to_f64()),
        }
    }
}

impl Path {
    /// The sample's logits, and for each restart a gradient for each step and the logits of the iterates that are looked at.
    pub(crate) fn cost(&self) -> Cost {
        let (steps, restarts) = (u64::from(self.steps), u64::from(self.restarts));
        let looks = if self.looks { steps + 1 } else { 1 };
        let gradients = restarts.saturating_mul(steps);
        let forwards = gradients.saturating_add(restarts.saturating_mul(looks)).saturating_add(1);
        Cost { forwards, backwards: gradients, judge_forwards: 0 }
    }
}

/// Measures every row along its path.
pub(crate) fn measure(job: &Job<'_>, oracle: &mut dyn Oracle, probe: &dyn Sensitivity) -> Result<Vec<RowValue>, Error> {
    let mut values = vec![RowValue { value: probe.at_rest(), ..RowValue::default() }; job.len()];
    let (mut moving, mut balls) = (Vec::new(), Vec::new());
    for row in 0..job.len() {
        let ball = job.ball(row)?;
        if !ball.is_point() {
            moving.push(row);
            balls.push(ball);
        }
    }
    let path = probe.path();
    let epsilon = job.setting.threat.epsilon.to_f64();
    let inner = Inner { steps: path.steps, step_size: path.step_size.to_f64(), epsilon, start: path.start.inner() };
    let x = job.rows.x.select(Axis(0), &moving);
    let logits = logits_of(oracle, x.view())?;
    let labels = moving.iter().map(|row| job.rows.labels[*row]).collect();
    let spent = RowValue { forwards: 1, ..RowValue::default() };
    let restarts = if moving.is_empty() { 0 } else { path.restarts };
    let mut walk =
        Walk { probe, path, restart: 0, balls: &balls, labels, x, logits, values: vec![spent; moving.len()] };
    for restart in 0..restarts {
        walk.restart = restart;
        let digest = |row: usize| &job.rows.digests[moving[row]];
        let starts =
            inner.starts(&balls, &mut |row| stream(job.setting.seed, walk.path.id, digest(row), u64::from(restart)))?;
        let ends = inner.follow(oracle, &balls, starts, &mut |oracle, iterate| walk.uphill(oracle, iterate))?;
        let last = logits_of(oracle, ends.view())?;
        walk.look(0..moving.len(), walk.path.steps, ends.view(), last.view());
    }
    for (row, value) in moving.into_iter().zip(walk.values) {
        values[row] = value;
    }
    Ok(values)
}

/// The rows that move, and what has been seen of them.
struct Walk<'a> {
    probe: &'a dyn Sensitivity,
    path: Path,
    restart: u32,
    balls: &'a [Ball],
    labels: Vec<usize>,
    x: Array2<f32>,
    logits: Array2<f32>,
    values: Vec<RowValue>,
}

impl Walk<'_> {
    /// Looks at an iterate where the path says so, and gives the directions from there.
    fn uphill(&mut self, oracle: &mut dyn Oracle, iterate: &Iterate<'_>) -> Result<Array2<f32>, attack::Error> {
        let rows = iterate.rows.clone();
        let mut points = iterate.x.as_standard_layout().into_owned();
        for (mut point, ball) in points.rows_mut().into_iter().zip(&self.balls[rows.clone()]) {
            ball.project(point.as_slice_mut().expect("standard layout"));
        }
        let mut logits = Array2::zeros((rows.len(), 0));
        if self.path.looks {
            logits = oracle.logits(points.view())?.as_standard_layout().into_owned();
        }
        if self.path.looks {
            self.look(rows.clone(), iterate.step, points.view(), logits.view());
        }
        let pairs: Vec<Pair<'_>> =
            rows.clone().enumerate().map(|(index, row)| self.pair(row, index, &points, &logits)).collect();
        let answer = oracle.gradient(iterate.x, &self.probe.loss(&pairs))?;
        let mut gradient = answer.gradient.as_standard_layout().into_owned();
        let mut flags = Vec::with_capacity(rows.len());
        for ((pair, mut gradient), logits) in pairs.iter().zip(gradient.rows_mut()).zip(answer.logits.rows()) {
            let gradient = gradient.as_slice_mut().expect("standard layout");
            let finite = gradient.iter().all(|g| g.is_finite());
            let numbers = finite && logits.iter().all(|z| z.is_finite());
            let slope = if numbers { self.probe.slope(gradient) } else { None };
            flags.push((gradient.iter().all(|g| *g == 0.0), finite, slope));
            self.probe.bend(pair, gradient);
        }
        for (row, (zero, finite, slope)) in rows.zip(flags) {
            let value = &mut self.values[row];
            value.zero_gradients += u32::from(zero);
            value.non_finite_gradients += u32::from(!finite);
            value.forwards += 1;
            value.backwards += 1;
            self.book(row, iterate.step, slope);
        }
        Ok(gradient)
    }

    fn pair<'p>(&'p self, row: usize, index: usize, x_adv: &'p Array2<f32>, logits_adv: &'p Array2<f32>) -> Pair<'p> {
        Pair {
            label: self.labels[row],
            x: slice(&self.x, row),
            logits: slice(&self.logits, row),
            x_adv: slice(x_adv, index),
            logits_adv: slice(logits_adv, index),
        }
    }

    /// Books the values of these rows at these points. What is not a number is counted and passed over.
    fn look(&mut self, rows: Range<usize>, step: u32, x_adv: ArrayView2<'_, f32>, logits_adv: ArrayView2<'_, f32>) {
        let (x_adv, logits_adv) =
            (x_adv.as_standard_layout().into_owned(), logits_adv.as_standard_layout().into_owned());
        for (index, row) in rows.enumerate() {
            let pair = self.pair(row, index, &x_adv, &logits_adv);
            let finite = pair.logits.iter().chain(pair.logits_adv).all(|z| z.is_finite());
            let found = if finite { self.probe.value(&pair) } else { None };
            self.values[row].forwards += 1;
            self.values[row].non_finite_logits += u32::from(!finite);
            self.book(row, step, found);
        }
    }

    /// Keeps a value that counts and is the largest so far, the first of equals.
    fn book(&mut self, row: usize, step: u32, found: Option<f64>) {
        let counts = self.path.keep == Keep::Best || step == self.path.steps;
        let value = &mut self.values[row];
        if let Some(found) = found.filter(|found| counts && value.value.is_none_or(|best| *found > best)) {
            (value.value, value.step) = (
                Some(found),
                Some(self.restart.saturating_mul(self.path.steps.saturating_add(1)).saturating_add(step)),
            );
        }
    }
}

fn slice(rows: &Array2<f32>, row: usize) -> &[f32] {
    let columns = rows.ncols();
    &rows.as_slice().expect("standard layout")[row * columns..(row + 1) * columns]
}

/// The logits of rows, a micro-batch at a time.
pub(crate) fn logits_of(oracle: &mut dyn Oracle, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, Error> {
    let mut logits = Array2::zeros((x.nrows(), oracle.classes()));
    let size = oracle.micro_batch().max(1);
    for first in (0..x.nrows()).step_by(size) {
        let rows = first..x.nrows().min(first + size);
        let found = oracle.logits(x.slice(s![rows.clone(), ..]))?;
        logits.slice_mut(s![rows, ..]).assign(&found);
    }
    Ok(logits)
}
