//! The bounds layer by layer, for people to read.

use super::rules::{Effect, Site};
use super::{Lipschitz, power};
use crate::ops::Call;

/// The operator norms of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerBound {
    /// The node's name in the file.
    pub node: String,
    /// Its operator.
    pub op: &'static str,
    /// An upper bound on its Lipschitz constant in l2, with respect to all inputs that depend on the graph's, as if each were
    /// another value.
    pub l2_upper: f64,
    /// The spectral norm by power iteration, which is no upper bound; `None` for layers without a matrix of weights.
    pub l2_estimate: Option<f64>,
    /// An upper bound on its Lipschitz constant in l∞. Of layers with weights it is exact but for rounding.
    pub linf_upper: f64,
}

impl Lipschitz<'_> {
    /// The bounds of every node that has some, in the order of the graph. Power iteration evaluates each layer with weights, forth
    /// and back, a hundred times at most.
    pub fn layers(&self) -> Vec<LayerBound> {
        let nodes = self.graph.nodes().iter().zip(&self.effects);
        let layer = |(node, effects): (_, &Result<Vec<Effect>, _>)| {
            let node: &crate::Node = node;
            let effect = effects.as_ref().ok()?.first()?;
            let args = self.graph.args(node);
            let call = Call { attrs: node.attrs(), inputs: &args, outputs: node.outputs().len() };
            let (l2_upper, linf_upper) = effect.norms();
            let l2_estimate = power::estimate(&Site { graph: self.graph, node, call });
            Some(LayerBound { node: node.name().to_owned(), op: node.op().name, l2_upper, l2_estimate, linf_upper })
        };
        nodes.filter_map(layer).collect()
    }
}
