use crate::oracle::GradientOracle;
use crate::{Error, Provider};
use attack::LossHead;
use graph::{Graph, Head};
use std::collections::HashMap;
use std::sync::Arc;

/// A classifier of our own at this moment of its training, its weights constants, ready to be ascended by workers.
///
/// Nothing is checked that a file of others would be: the graph is ours, and is made anew for every step.
#[derive(Debug, Clone)]
pub struct Frozen(Arc<Compiled>);

impl Frozen {
    /// Writes the classifier and its gradient graphs.
    ///
    /// Shapes: the one input `x` is `[N, …]`, the one output the logits `[N, K]`; `N` is the micro-batch.
    /// Errors: a node has no gradient, or the graph has another form.
    pub fn new(classifier: &Graph, heads: &[LossHead], provider: Provider) -> Result<Self, Error> {
        Ok(Self(Arc::new(Compiled::new(classifier, heads, provider, &mut Vec::new())?)))
    }

    /// An oracle of its own for one worker; its sessions are opened when they are first needed.
    ///
    /// Errors: ONNX Runtime cannot be loaded.
    pub fn oracle(&self) -> Result<GradientOracle, Error> {
        crate::env()?;
        Ok(GradientOracle::new(Arc::clone(&self.0), None))
    }
}

/// What an oracle opens: a classifier and its gradient graphs, as ONNX, at one micro-batch.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) provider: Provider,
    pub(crate) micro_batch: usize,
    /// The dimensions of a canonical row.
    pub(crate) row: Vec<usize>,
    pub(crate) classes: usize,
    /// Canonical rows to logits.
    pub(crate) logits: Vec<u8>,
    /// The gradient graph of each loss head.
    pub(crate) gradients: HashMap<LossHead, Vec<u8>>,
}

impl Compiled {
    /// Lowers and writes everything; `notes` hears of nodes that no gradient passes.
    ///
    /// Shapes and errors: as [`Frozen::new`].
    pub(crate) fn new(
        classifier: &Graph,
        heads: &[LossHead],
        provider: Provider,
        notes: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let (&[x], &[logits]) = (classifier.inputs(), classifier.outputs()) else {
            return Err(Error::Model("a classifier has one input and one output".to_owned()));
        };
        let mut gradients = HashMap::new();
        for &head in heads {
            let gradient = graph::gradient_graph(classifier, as_graph_head(head))?;
            for stopped in &gradient.stopped {
                let note = format!("no gradient passes {stopped}: it is piecewise constant");
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
            gradients.insert(head, graph::encode(&provider.profile().lower(&gradient.graph)?));
        }
        let shape = classifier.shape(x);
        Ok(Self {
            provider,
            micro_batch: shape[0],
            row: shape[1..].to_vec(),
            classes: classifier.shape(logits)[1],
            logits: graph::encode(&provider.profile().lower(classifier)?),
            gradients,
        })
    }
}

fn as_graph_head(head: LossHead) -> Head {
    match head {
        LossHead::CrossEntropy => Head::CrossEntropy,
        LossHead::Margin => Head::Margin,
        LossHead::Linear => Head::Linear,
        LossHead::Kl => Head::Kl,
        LossHead::Dlr => Head::Dlr,
        LossHead::DlrTargeted => Head::DlrTargeted,
    }
}
