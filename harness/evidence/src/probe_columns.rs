use serde::{Deserialize, Serialize};

use crate::columns::{number, same_length};
use crate::{Error, Flag};

/// What a probe measured on one row.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeRow {
    /// Absolute index in the data set.
    pub row: u64,
    /// The value; `None` where there is none.
    pub value: Option<f64>,
    /// The step of the search that has it, from 0; `None` without a search.
    pub step: Option<u32>,
    /// Gradients that were zero in every element.
    pub zero_gradients: u32,
    /// Gradients that were NaN or infinite somewhere.
    pub non_finite_gradients: u32,
    /// Points whose logits were NaN or infinite somewhere.
    pub non_finite_logits: u32,
    /// Forwards of the gradient graphs, padding not counted.
    pub forwards: u64,
    /// Backwards of the gradient graphs, padding not counted.
    pub backwards: u64,
}

impl ProbeRow {
    fn flags(&self) -> Vec<Flag> {
        let raised = [
            (self.zero_gradients > 0, Flag::ZeroGradient),
            (self.non_finite_gradients > 0, Flag::NonFiniteGradient),
            (self.non_finite_logits > 0, Flag::NonFiniteLogits),
        ];
        raised.into_iter().filter_map(|(raised, flag)| raised.then_some(flag)).collect()
    }
}

/// [`ProbeRow`]s as columns, in the order of the block's rows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of ProbeRow, but that its doubts are kept as flags")]
pub struct ProbeColumns {
    pub value: Vec<Option<f64>>,
    pub step: Vec<Option<u32>>,
    pub forwards: Vec<u64>,
    pub backwards: Vec<u64>,
    pub flags: Vec<Vec<Flag>>,
}

impl ProbeColumns {
    pub(crate) fn push(&mut self, row: &ProbeRow) {
        let value = row.value.and_then(number);
        self.value.push(value);
        self.step.push(row.step.filter(|_| value.is_some()));
        self.forwards.push(row.forwards);
        self.backwards.push(row.backwards);
        self.flags.push(row.flags());
    }

    pub(crate) fn check(&self, rows: usize) -> Result<(), Error> {
        let Self { value, step, forwards, backwards, flags } = self;
        same_length(rows, &[value.len(), step.len(), forwards.len(), backwards.len(), flags.len()])?;
        match value.iter().zip(step).position(|(value, step)| value.is_none() && step.is_some()) {
            Some(i) => Err(Error::Block(format!("position {i} has a step, but no value"))),
            None => Ok(()),
        }
    }
}
