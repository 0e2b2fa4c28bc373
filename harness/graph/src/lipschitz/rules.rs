//! What a rule is given and what it gives.

use super::change::{Change, Norms, up};
use crate::ops::Call;
use crate::{Graph, Node};

/// One node of a graph.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) graph: &'a Graph,
    pub(super) node: &'a Node,
    pub(super) call: Call<'a>,
}

impl<'a> Site<'a> {
    /// Whether an input is there and depends on the graph's input.
    pub(super) fn varies(&self, input: usize) -> bool {
        self.call.inputs.get(input).copied().flatten().is_some_and(|arg| arg.data.is_none())
    }

    /// The inputs that depend on the graph's input.
    pub(super) fn varying(&self) -> Vec<usize> {
        (0..self.call.inputs.len()).filter(|&index| self.varies(index)).collect()
    }

    /// The elements of a constant.
    ///
    /// Errors: it is not constant, or not finite.
    pub(super) fn constant(&self, input: usize) -> Result<&'a [f64], String> {
        let values = self.call.tensor(input)?.floats()?;
        if values.iter().all(|value| value.is_finite()) {
            Ok(values)
        } else {
            Err(format!("input {input} is not finite"))
        }
    }

    /// Errors: an input besides the first depends on the graph's input.
    pub(super) fn only_first(&self) -> Result<(), String> {
        match self.varying().iter().find(|&&index| index > 0) {
            Some(index) => Err(format!("input {index} depends on the graph's input")),
            None => Ok(()),
        }
    }

    /// Elements of an output for each element of an input.
    pub(super) fn stretch(&self, input: usize) -> Result<f64, String> {
        Ok(self.elements(0) as f64 / (self.call.ty(input)?.len().max(1)) as f64)
    }

    /// The number of elements of an output.
    pub(super) fn elements(&self, output: usize) -> usize {
        self.graph.value(self.node.outputs()[output]).ty().len()
    }
}

/// How one output depends on the inputs.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Effect {
    /// A sum of functions of one input each.
    Sum(Vec<(usize, Norms)>),
    /// Every element comes from one of these functions, and none of their elements comes twice.
    Join(Vec<(usize, Norms)>),
}

impl Effect {
    /// Of the first input alone.
    pub(super) fn first(norms: Norms) -> Self {
        Self::Sum(vec![(0, norms)])
    }

    /// No input moves the output.
    pub(super) fn none() -> Self {
        Self::Sum(Vec::new())
    }

    /// What becomes of the inputs' changes.
    pub(super) fn apply<E>(&self, of_input: impl Fn(usize) -> Result<Change, E>) -> Result<Change, E> {
        let (parts, merge): (_, fn(Change, Change) -> Change) = match self {
            Self::Sum(parts) => (parts, Change::plus),
            Self::Join(parts) => (parts, Change::beside),
        };
        let mut parts = parts.iter().map(|(input, norms)| Ok(norms.apply(of_input(*input)?)));
        let first = parts.next().unwrap_or(Ok(Change::NONE))?;
        parts.try_fold(first, |change, part| Ok(merge(change, part?)))
    }
}

impl Effect {
    /// Lipschitz constants in l2 and in l∞, with respect to all inputs at once.
    pub(super) fn norms(&self) -> (f64, f64) {
        let (Self::Sum(parts) | Self::Join(parts)) = self;
        let squares: f64 = parts.iter().map(|(_, norms)| norms.l2 * norms.l2).sum();
        let largest = |of: fn(&Norms) -> f64| parts.iter().map(|(_, norms)| of(norms)).fold(0.0, f64::max);
        match self {
            // One part has no root to be rounded by.
            Self::Sum(_) if parts.len() > 1 => {
                (up(squares.sqrt()), up(parts.iter().map(|(_, norms)| norms.linf).sum()))
            }
            _ => (largest(|norms| norms.l2), largest(|norms| norms.linf)),
        }
    }
}
