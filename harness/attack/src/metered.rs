use crate::{Gradient, Loss, Oracle, OracleError};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

/// Rows sent through a classifier: a gradient is one forward and one backward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Forwards of the oracle.
    pub forwards: u64,
    /// Backwards of the oracle.
    pub backwards: u64,
    /// Forwards of the judge's predictor.
    pub judge_forwards: u64,
}

impl Cost {
    /// The cost of both.
    pub fn plus(self, other: Cost) -> Cost {
        Cost {
            forwards: self.forwards.saturating_add(other.forwards),
            backwards: self.backwards.saturating_add(other.backwards),
            judge_forwards: self.judge_forwards.saturating_add(other.judge_forwards),
        }
    }

    /// The cost of `rows` rows that cost this much each.
    pub fn times(self, rows: u64) -> Cost {
        Cost {
            forwards: self.forwards.saturating_mul(rows),
            backwards: self.backwards.saturating_mul(rows),
            judge_forwards: self.judge_forwards.saturating_mul(rows),
        }
    }
}

/// An oracle that counts the rows of each call, checks the shapes of each answer, and refuses to go over a cap.
///
/// Padding happens below it and is not counted.
#[derive(Debug)]
pub struct Metered<O> {
    oracle: O,
    spent: Cost,
    cap: Cost,
}

impl<O: Oracle> Metered<O> {
    /// Meters `oracle`, allowing at most `cap`.
    pub fn new(oracle: O, cap: Cost) -> Self {
        Metered { oracle, spent: Cost::default(), cap }
    }

    /// What was spent so far.
    pub fn spent(&self) -> Cost {
        self.spent
    }

    fn spend(&mut self, rows: usize, backward: bool) -> Result<(), OracleError> {
        self.spent.forwards += rows as u64;
        self.spent.backwards += if backward { rows as u64 } else { 0 };
        if self.spent.forwards > self.cap.forwards || self.spent.backwards > self.cap.backwards {
            return Err(OracleError(format!(
                "stay within the budget: {} forwards and {} backwards, allowed {} and {}",
                self.spent.forwards, self.spent.backwards, self.cap.forwards, self.cap.backwards
            )));
        }
        Ok(())
    }
}

impl<O: Oracle> Oracle for Metered<O> {
    fn classes(&self) -> usize {
        self.oracle.classes()
    }

    fn row_len(&self) -> usize {
        self.oracle.row_len()
    }

    fn micro_batch(&self) -> usize {
        self.oracle.micro_batch()
    }

    fn logits(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError> {
        self.spend(x.nrows(), false)?;
        let logits = self.oracle.logits(x)?;
        demand("logits", logits.dim(), (x.nrows(), self.classes()))?;
        Ok(logits)
    }

    fn gradient(&mut self, x: ArrayView2<'_, f32>, loss: &Loss) -> Result<Gradient, OracleError> {
        self.spend(x.nrows(), true)?;
        let answer = self.oracle.gradient(x, loss)?;
        demand("logits", answer.logits.dim(), (x.nrows(), self.classes()))?;
        demand("gradient", answer.gradient.dim(), x.dim())?;
        demand("loss", (answer.loss.len(), 1), (x.nrows(), 1))?;
        Ok(answer)
    }
}

fn demand(what: &str, found: (usize, usize), expected: (usize, usize)) -> Result<(), OracleError> {
    match found == expected {
        true => Ok(()),
        false => Err(OracleError(format!("read the oracle's {what}: expected shape {expected:?}, found {found:?}"))),
    }
}
