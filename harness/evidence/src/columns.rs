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
            nearest: None,
            margin: None,
            zero_gradients: 0,
            non_finite_gradients: 0,
            forwards: 0,
            backwards: 0,
            judge_forwards: 0,
            tie: false,
            witness: None,
        }
    }

    fn flags(&self) -> Vec<Flag> {
        let raised = [
            (self.tie, Flag::Tie),
            (self.found > 0 && self.confirmed == 0, Flag::Unconfirmed),
            (self.zero_gradients > 0, Flag::ZeroGradient),
            (self.non_finite_gradients > 0, Flag::NonFiniteGradient),
            (self.outside_ball > 0, Flag::OutsideBall),
            (self.not_a_number > 0, Flag::NotANumber),
        ];
        raised.into_iter().filter_map(|(raised, flag)| raised.then_some(flag)).collect()
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
}

impl CleanColumns {
    pub(crate) fn push(&mut self, row: &CleanRow) {
        self.label.push(row.label);
        self.prediction.push(row.prediction);
        self.correct.push(row.prediction == row.label);
        self.margin.push(row.margin.and_then(number));
        self.tie.push(row.tie);
    }

    pub(crate) fn check(&self, rows: usize) -> Result<(), Error> {
        let Self { label, prediction, correct, margin, tie } = self;
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
        let numbers = [&self.nearest, &self.margin];
        if !is_whole_or_empty(&self.stage, rows) || !numbers.iter().all(|column| is_whole_or_empty(column, rows)) {
            return Err(Error::Block("a column that may be left out has no value, or not one for each row".into()));
        }
        for (i, verdict) in self.verdict.iter().enumerate() {
            let attacked = *verdict == Verdict::Attacked;
            let says = [self.confirmed[i] > 0, self.witness[i].is_some(), self.adversarial_class[i].is_some()];
            if says != [attacked; 3] {
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
