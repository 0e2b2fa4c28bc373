use serde::{Deserialize, Serialize};

use crate::{Digest, Error, Flag};

/// How a row of a check ends. Wrong, attacked, certified and unknown add up to 100 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The judge misclassifies the clean input; the check did not run on it.
    Wrong,
    /// The judge confirmed an adversarial input inside the ball.
    Attacked,
    /// Neither: the search found nothing, which proves nothing.
    Unknown,
}

/// The judge's view of one clean row.
#[derive(Debug, Clone, PartialEq)]
pub struct CleanRow {
    /// Absolute index in the data set.
    pub row: u64,
    /// The right output.
    pub label: u32,
    /// The output that the judge chose.
    pub prediction: u32,
    /// The label's score minus the highest other score; `None` if that is not a number.
    pub margin: Option<f64>,
    /// Whether two outputs share the highest score.
    pub tie: bool,
    /// Whether the scores of the same input differ from one run to the next.
    pub randomised: bool,
    /// Whether the scores are probabilities although the manifest says that they are logits.
    pub probabilities: bool,
    /// Whether the output that the judge chooses changes at a random point next to the sample.
    pub unstable: bool,
}

impl CleanRow {
    /// A row whose label is 0, as is its prediction, and that is beyond doubt.
    pub fn right(row: u64) -> Self {
        Self {
            row,
            label: 0,
            prediction: 0,
            margin: None,
            tie: false,
            randomised: false,
            probabilities: false,
            unstable: false,
        }
    }

    fn flags(&self) -> Vec<Flag> {
        raised([
            (self.randomised, Flag::Randomised),
            (self.probabilities, Flag::SoftmaxOutput),
            (self.unstable, Flag::UnstablePrediction),
        ])
    }
}

fn raised<const N: usize>(flags: [(bool, Flag); N]) -> Vec<Flag> {
    flags.into_iter().filter_map(|(raised, flag)| raised.then_some(flag)).collect()
}

/// What a check did to one row.
#[derive(Debug, Clone, PartialEq)]
pub struct AttackRow {
    /// Absolute index in the data set.
    pub row: u64,
    /// How the row ends.
    pub verdict: Verdict,
    /// What the judge sees in the witness.
    pub adversarial_class: Option<u32>,
    /// The witness's distance in the threat model's norm; `None` without one.
    pub distance: Option<f64>,
    /// Adversarial inputs that the check proposed.
    pub found: u32,
    /// Proposals that the judge confirmed.
    pub confirmed: u32,
    /// Proposals that the judge rejected.
    pub rejected: u32,
    /// Of these, those that left the ball, the bounds or the grid.
    pub outside_ball: u32,
    /// Of these, those that held a NaN, or whose scores did.
    pub not_a_number: u32,
    /// Which stage of an ensemble broke it, from 0; `None` for a row that is not broken, and for a single attack.
    pub stage: Option<u32>,
    /// On a curve: the first of its radii at which the row broke, from 0; `None` for a row that withstands all, and without a curve. A row
    /// that broke beyond the threat model's radius is [`Verdict::Unknown`] and has its witness.
    pub level: Option<u32>,
    /// Whether it broke where every input was in reach; `None` where that was not tried.
    pub fell_unconstrained: Option<bool>,
    /// For attacks that look for the nearest adversarial input: the distance of the nearest one that the judge saw, in the
    /// threat model's norm, inside the ball or not.
    pub nearest: Option<f64>,
    /// The label's score minus the highest other score in the witness. Kept of models that give a row one number, whose place
    /// among those of other rows it tells; `None` without a witness, and if it is not a number.
    pub margin: Option<f64>,
    /// Gradients that were zero in every element.
    pub zero_gradients: u32,
    /// Gradients that were NaN or infinite somewhere.
    pub non_finite_gradients: u32,
    /// Whether the oracle misclassified a point of the ball, and nothing was proposed.
    pub silent_success: bool,
    /// Whether the search was still gaining margin when it ended.
    pub still_gaining: bool,
    /// Whether half of the gradients, or more, were zero in every element.
    pub stood_still: bool,
    /// Whether the budget ended the search.
    pub out_of_budget: bool,
    /// Forwards of the gradient graphs, padding not counted.
    pub forwards: u64,
    /// Backwards of the gradient graphs, padding not counted.
    pub backwards: u64,
    /// Forwards of the judge.
    pub judge_forwards: u64,
    /// Whether the verdict rests on a tie between outputs.
    pub tie: bool,
    /// [`crate::witness_digest`] of the witness, whether or not the witness itself is kept.
    pub witness: Option<Digest>,
}

impl AttackRow {
    /// A row that the judge misclassifies before any attack.
    pub fn wrong(row: u64) -> Self {
        Self {
            row,
            verdict: Verdict::Wrong,
            adversarial_class: None,
            distance: None,
            found: 0,
            confirmed: 0,
            rejected: 0,
            outside_ball: 0,
            not_a_number: 0,
            stage: None,
            level: None,
            fell_unconstrained: None,
            nearest: None,
            margin: None,
            zero_gradients: 0,
            non_finite_gradients: 0,
            silent_success: false,
            still_gaining: false,
            stood_still: false,
            out_of_budget: false,
            forwards: 0,
            backwards: 0,
            judge_forwards: 0,
            tie: false,
            witness: None,
        }
    }

    fn flags(&self) -> Vec<Flag> {
        raised([
            (self.tie, Flag::Tie),
            (self.found > 0 && self.confirmed == 0, Flag::Unconfirmed),
            (self.zero_gradients > 0, Flag::ZeroGradient),
            (self.non_finite_gradients > 0, Flag::NonFiniteGradient),
            (self.outside_ball > 0, Flag::OutsideBall),
            (self.not_a_number > 0, Flag::NotANumber),
            (self.silent_success, Flag::SilentSuccess),
            (self.still_gaining, Flag::IncompleteOptimisation),
            (self.stood_still, Flag::StoodStill),
            (self.out_of_budget && self.verdict == Verdict::Unknown, Flag::OutOfBudget),
            (self.fell_unconstrained == Some(false), Flag::UnconstrainedFails),
            (self.confirmed > 0 && self.fell_unconstrained == Some(false), Flag::NonMonotone),
        ])
    }
}

/// [`CleanRow`]s as columns, in the order of the block's rows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of CleanRow")]
pub struct CleanColumns {
    pub label: Vec<u32>,
    pub prediction: Vec<u32>,
    pub correct: Vec<bool>,
    pub margin: Vec<Option<f64>>,
    pub tie: Vec<bool>,
    /// Empty where no row has one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Vec<Flag>>,
}

impl CleanColumns {
    /// The columns of these rows.
    pub(crate) fn of(rows: &[CleanRow]) -> Self {
        let mut columns = Self::default();
        rows.iter().for_each(|row| columns.push(row));
        let flags: Vec<Vec<Flag>> = rows.iter().map(CleanRow::flags).collect();
        columns.flags = if flags.iter().any(|flags| !flags.is_empty()) { flags } else { Vec::new() };
        columns
    }

    fn push(&mut self, row: &CleanRow) {
        self.label.push(row.label);
        self.prediction.push(row.prediction);
        self.correct.push(row.prediction == row.label);
        self.margin.push(row.margin.and_then(number));
        self.tie.push(row.tie);
    }

    pub(crate) fn check(&self, rows: usize) -> Result<(), Error> {
        let Self { label, prediction, correct, margin, tie, flags } = self;
        if !flags.is_empty() && (flags.len() != rows || flags.iter().all(Vec::is_empty)) {
            return Err(Error::Block("`flags` has no flag, or not one list for each row".into()));
        }
        same_length(rows, &[label.len(), prediction.len(), correct.len(), margin.len(), tie.len()])?;
        let consistent = label.iter().zip(prediction).map(|(l, p)| l == p).eq(correct.iter().copied());
        consistent.then_some(()).ok_or_else(|| Error::Block("`correct` contradicts label and prediction".into()))
    }
}

/// [`AttackRow`]s as columns, in the order of the block's rows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of AttackRow, but that its doubts are kept as flags")]
pub struct AttackColumns {
    pub verdict: Vec<Verdict>,
    pub adversarial_class: Vec<Option<u32>>,
    pub distance: Vec<Option<f64>>,
    pub found: Vec<u32>,
    pub confirmed: Vec<u32>,
    pub rejected: Vec<u32>,
    pub forwards: Vec<u64>,
    pub backwards: Vec<u64>,
    pub judge_forwards: Vec<u64>,
    pub flags: Vec<Vec<Flag>>,
    pub witness: Vec<Option<Digest>>,
    /// Empty where no row has one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stage: Vec<Option<u32>>,
    /// Empty where no row has one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub level: Vec<Option<u32>>,
    /// Empty where no row has one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fell_unconstrained: Vec<Option<bool>>,
    /// Empty where no row has one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nearest: Vec<Option<f64>>,
    /// Empty where no row has one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub margin: Vec<Option<f64>>,
}

impl AttackColumns {
    /// The columns of these rows.
    pub(crate) fn of(rows: &[AttackRow]) -> Self {
        let mut columns = Self::default();
        rows.iter().for_each(|row| columns.push(row));
        columns.stage = where_any(rows.iter().map(|row| row.stage));
        columns.level = where_any(rows.iter().map(|row| row.level));
        columns.fell_unconstrained = where_any(rows.iter().map(|row| row.fell_unconstrained));
        columns.nearest = where_any(rows.iter().map(|row| row.nearest.and_then(number)));
        columns.margin = where_any(rows.iter().map(|row| row.margin.and_then(number)));
        columns
    }

    fn push(&mut self, row: &AttackRow) {
        self.verdict.push(row.verdict);
        self.adversarial_class.push(row.adversarial_class);
        self.distance.push(row.distance.and_then(number));
        self.found.push(row.found);
        self.confirmed.push(row.confirmed);
        self.rejected.push(row.rejected);
        self.forwards.push(row.forwards);
        self.backwards.push(row.backwards);
        self.judge_forwards.push(row.judge_forwards);
        self.flags.push(row.flags());
        self.witness.push(row.witness);
    }

    pub(crate) fn check(&self, rows: usize) -> Result<(), Error> {
        let lengths = [
            self.verdict.len(),
            self.adversarial_class.len(),
            self.distance.len(),
            self.found.len(),
            self.confirmed.len(),
            self.rejected.len(),
            self.forwards.len(),
            self.backwards.len(),
            self.judge_forwards.len(),
            self.flags.len(),
            self.witness.len(),
        ];
        same_length(rows, &lengths)?;
        let left_out = [
            is_whole_or_empty(&self.stage, rows),
            is_whole_or_empty(&self.level, rows),
            is_whole_or_empty(&self.fell_unconstrained, rows),
            is_whole_or_empty(&self.nearest, rows),
            is_whole_or_empty(&self.margin, rows),
        ];
        if left_out.contains(&false) {
            return Err(Error::Block("a column that may be left out has no value, or not one for each row".into()));
        }
        for (i, verdict) in self.verdict.iter().enumerate() {
            let attacked = *verdict == Verdict::Attacked;
            let says = [self.confirmed[i] > 0, self.witness[i].is_some(), self.adversarial_class[i].is_some()];
            let broke = attacked || self.level.get(i).is_some_and(Option::is_some);
            if says != [broke; 3] {
                return Err(Error::Block(format!("position {i} is {verdict:?}, but its confirmations say otherwise")));
            }
            if self.stage.get(i).is_some_and(|stage| stage.is_some() != attacked) {
                return Err(Error::Block(format!("position {i} is {verdict:?}, but its stage says otherwise")));
            }
            if self.margin.get(i).copied().flatten().is_some_and(|margin| margin > 0.0 || !attacked) {
                return Err(Error::Block(format!("position {i} is {verdict:?}, but its margin says otherwise")));
            }
        }
        Ok(())
    }
}

/// The column, or none if no row has a value.
fn where_any<T>(column: impl Iterator<Item = Option<T>>) -> Vec<Option<T>> {
    let column: Vec<Option<T>> = column.collect();
    if column.iter().any(Option::is_some) { column } else { Vec::new() }
}

/// Whether a column is one that [`where_any`] gives.
fn is_whole_or_empty<T>(column: &[Option<T>], rows: usize) -> bool {
    column.is_empty() || (column.len() == rows && column.iter().any(Option::is_some))
}

pub(crate) fn same_length(rows: usize, lengths: &[usize]) -> Result<(), Error> {
    match lengths.iter().find(|&&length| length != rows) {
        Some(length) => Err(Error::Block(format!("a column has {length} entries for {rows} rows"))),
        None => Ok(()),
    }
}

/// Only finite numbers enter JSON, and there is one zero.
pub(crate) fn number(value: f64) -> Option<f64> {
    value.is_finite().then_some(value + 0.0)
}
