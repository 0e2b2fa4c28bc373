//! Upper bounds on the Lipschitz constant of a graph: the product of its layers' operator norms, for any graph of layers.
//!
//! Every value carries how far it moves, in l1, l2 and l∞, while the input moves by 1. A layer multiplies these by upper
//! bounds on its operator norms, exact ones where they are cheap; sums add up, and the norms bound each other by the number
//! of elements. The bound is global, over all inputs and not only those of a data set, and holds in real arithmetic: how
//! ONNX Runtime rounds is not in it. All numbers are made by basic arithmetic with rounding accounted for, so that they are
//! upper bounds, and the same ones on every platform.
//!
//! Source: Szegedy et al. 2014, arXiv:1312.6199, §4.3, for chains of layers.

mod change;
mod convolution;
mod dense;
mod gate;
mod layers;
mod linear;
mod pool;
mod power;
mod reduce;
mod roots;
mod rules;
mod scalar;
mod spectral;
mod symbol;
mod table;
#[cfg(test)]
mod tests;

pub use layers::LayerBound;

use crate::ops::Call;
use crate::{Graph, ValueId};
use change::{Change, Norms};
use rules::{Effect, Site};
use std::fmt;

/// A norm of inputs or outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Norm {
    /// The sum of absolute values.
    L1,
    /// The Euclidean norm.
    L2,
    /// The largest absolute value.
    Linf,
}

impl Norm {
    /// Every norm.
    pub const ALL: [Self; 3] = [Self::L1, Self::L2, Self::Linf];
}

impl fmt::Display for Norm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::L1 => "l1",
            Self::L2 => "l2",
            Self::Linf => "linf",
        })
    }
}

/// Why there is no upper bound on a Lipschitz constant.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unbounded {
    /// A layer is not Lipschitz, or no rule bounds it.
    #[error("bound the Lipschitz constant: node `{node}` ({op}): {reason}")]
    Node {
        /// The operator.
        op: String,
        /// The node's name in the file.
        node: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The graph as a whole has none.
    #[error("bound the Lipschitz constant: {0}")]
    Graph(String),
}

/// The operator norms of all layers of a graph. They are what takes time; every pair of norms then costs nothing.
#[derive(Debug)]
pub struct Lipschitz<'g> {
    graph: &'g Graph,
    /// For each node, for each output.
    effects: Vec<Result<Vec<Effect>, Unbounded>>,
}

impl Graph {
    /// Bounds the operator norms of all layers.
    pub fn lipschitz(&self) -> Lipschitz<'_> {
        let effects = self.nodes().iter().map(|node| {
            let args = self.args(node);
            let call = Call { attrs: node.attrs(), inputs: &args, outputs: node.outputs().len() };
            table::effects(&Site { graph: self, node, call }).map_err(|reason| Unbounded::Node {
                op: node.op().name.to_owned(),
                node: node.name().to_owned(),
                reason,
            })
        });
        Lipschitz { graph: self, effects: effects.collect() }
    }

    /// A proven upper bound on the Lipschitz constant of the output in norm `output` with respect to the input in norm
    /// `input`: `|f(x) - f(y)|_output <= L |x - y|_input` for all `x` and `y`, in real arithmetic.
    ///
    /// Shapes: one float input and one float output, of any number of rows, which count as one vector: read the model at a
    /// batch of 1.
    /// Errors: [`Unbounded`] where the graph is not Lipschitz, or nothing is known of an operator.
    pub fn lipschitz_bound(&self, input: Norm, output: Norm) -> Result<f64, Unbounded> {
        self.lipschitz().bound(input, output)
    }
}

impl Lipschitz<'_> {
    /// The bound of [`Graph::lipschitz_bound`] for one pair of norms.
    ///
    /// Errors: as there.
    pub fn bound(&self, input: Norm, output: Norm) -> Result<f64, Unbounded> {
        let (x, y) = (self.only("input", self.graph.inputs())?, self.only("output", self.graph.outputs())?);
        let mut changes: Vec<Result<Change, &Unbounded>> = vec![Ok(Change::NONE); self.graph.values().len()];
        changes[x.index()] = Ok(Change::of_input(input, self.graph.value(x).ty().len()));
        for (node, effects) in self.graph.nodes().iter().zip(&self.effects) {
            for (index, id) in node.outputs().iter().enumerate() {
                let change = effects.as_ref().and_then(|effects| {
                    let of_input = |index: usize| match node.inputs()[index] {
                        Some(id) => changes[id.index()],
                        None => Ok(Change::NONE),
                    };
                    // An output that a rule does not speak of is one that is rarely used.
                    let unknown = Effect::first(Norms::unknown());
                    let effect = effects.get(index).unwrap_or(&unknown);
                    Ok(effect.apply(of_input)?.of(self.graph.value(*id).ty().len()))
                });
                changes[id.index()] = change;
            }
        }
        let bound = changes[y.index()].map_err(Clone::clone)?.in_norm(output);
        if bound.is_finite() { Ok(bound) } else { Err(Unbounded::Graph("the bound is no finite number".to_owned())) }
    }

    fn only(&self, side: &str, ids: &[ValueId]) -> Result<ValueId, Unbounded> {
        let &[id] = ids else {
            return Err(Unbounded::Graph(format!("expected one {side}, found {}", ids.len())));
        };
        let value = self.graph.value(id);
        if value.dtype().is_float() {
            Ok(id)
        } else {
            Err(Unbounded::Graph(format!("{side} `{}` is {}, which has steps", value.name(), value.dtype())))
        }
    }
}
