//! How tools count what a network computes: one column for each convention, one row for each operator that any counts.
//!
//! The numbers differ several times over on the same network, since the tools differ in whether they count biases, batch
//! normalisation, activations and pools. The rules are those of the tools' sources, held to the unit against what they
//! count on networks and on single operators (`reports/acceptance/counts.json`).
//!
//! The tools count PyTorch modules or traces, this table what a file has. What a file no longer says is taken so:
//! - Batch normalisation that was folded into a layer counts nothing, though the tools count it in the network that was
//!   trained; and the layer has a bias, which `ptflops` counts.
//! - Layers are modules of `torch.nn`, sums and products are written `+` and `*`. `ptflops` counts Relu, Elu, Gelu, PRelu and
//!   pools of modules twice, as module and as the function that it calls, and once where the function was called; of
//!   `torch.add` and `torch.mul` it counts every element. `thop` counts no function at all.
//! - A Clip from 0 to 6 is ReLU6; a mean over pixels that was exported as ReduceMean was written `mean`; a MatMul with a
//!   constant, followed by a sum with a vector, is a dense layer with bias; normalisations have scale and bias.
//! - Operators that reading rewrites, such as Swish, HardSwish and GroupNormalization, are counted as what they become, and
//!   so is a Gelu that was exported in parts: `torchprofile` counts their products, and none of the modules.
//! - Of an Einsum of more than two operands `fvcore` counts numpy's best order to four digits; here it is not rounded and the
//!   operands are taken as one sum.

use crate::{Attr, Graph, Node, ValueId};
use Rule::{Inputs, Macs, MacsAndBias, Nothing, Other, Outputs};

/// A way to count.
#[derive(Debug, PartialEq, Eq)]
pub struct Convention {
    /// Its name: that of the tool.
    pub name: &'static str,
    /// What it counts, in one line. Whatever is not named counts nothing.
    pub counts: &'static str,
    /// The version of the tool whose rules these are, as its package says it; `None` for our own.
    pub version: Option<&'static str>,
    column: usize,
}

/// Every convention, ours first.
pub const CONVENTIONS: &[Convention] = &[
    Convention {
        name: "default",
        counts: "multiply-accumulates of convolutions, dense layers and matrix products; no bias, no batch normalisation, no pooling",
        version: None,
        column: 0,
    },
    Convention {
        name: "thop",
        counts: "convolutions and dense layers without bias, 4 an element of normalisations, outputs of average pools and also the \
                 inputs of global ones, softmax, PRelu, resizing",
        version: Some("0.1.1-2209072238"),
        column: 1,
    },
    Convention {
        name: "fvcore",
        counts: "convolutions, dense layers and matrix products without bias, 2 an element of batch normalisation, 5 of others, \
                 inputs of global average pools, resizing of images",
        version: Some("0.1.5.post20221221"),
        column: 2,
    },
    Convention {
        name: "ptflops",
        counts: "(pytorch backend) convolutions, dense layers and matrix products with bias, 2 an element of batch normalisation, 2 \
                 of ReLU, 1 of ReLU6, 2 an input of pools, some other activations, resizing",
        version: Some("0.7.5"),
        column: 3,
    },
    Convention {
        name: "torchprofile",
        counts: "convolutions, dense layers and matrix products without bias, 1 an element of normalisations, products, LeakyReLU, and \
                 of the outputs of average pools and means; bilinear resizing",
        version: Some("0.1.0"),
        column: 4,
    },
];

impl Convention {
    /// The convention of this name.
    pub fn find(name: &str) -> Option<&'static Convention> {
        CONVENTIONS.iter().find(|convention| convention.name == name)
    }
}

/// What an operator counts.
#[derive(Clone, Copy)]
enum Rule {
    Nothing,
    /// Its multiply-accumulates.
    Macs,
    /// Its multiply-accumulates, and one for each output where it has a bias.
    MacsAndBias,
    /// So many for each element of the first input.
    Inputs(u64),
    /// So many for each element of the first output.
    Outputs(u64),
    Other(fn(&Counted<'_>) -> u64),
}

/// By operator, in alphabetical order: the rules of [`CONVENTIONS`]. Every other operator counts nothing in each.
#[rustfmt::skip]
const RULES: &[(&str, [Rule; 5])] = &[
    //                     default   thop              fvcore            ptflops           torchprofile
    ("Add",               [Nothing,  Nothing,          Nothing,          Other(bias),      Nothing]),
    ("AveragePool",       [Nothing,  Outputs(1),       Nothing,          Inputs(2),        Outputs(1)]),
    ("BatchNormalization",[Nothing,  Inputs(4),        Inputs(2),        Inputs(2),        Inputs(1)]),
    ("Clip",              [Nothing,  Nothing,          Nothing,          Other(relu6),     Nothing]),
    ("Conv",              [Macs,     Macs,             Macs,             MacsAndBias,      Macs]),
    ("ConvTranspose",     [Macs,     Other(gathered),  Macs,             MacsAndBias,      Other(either_way)]),
    ("Einsum",            [Macs,     Nothing,          Macs,             Nothing,          Other(one_sum)]),
    ("Elu",               [Nothing,  Nothing,          Nothing,          Inputs(2),        Nothing]),
    ("Gelu",              [Nothing,  Nothing,          Nothing,          Inputs(2),        Nothing]),
    ("Gemm",              [Macs,     Macs,             Macs,             MacsAndBias,      Macs]),
    ("GlobalAveragePool", [Nothing,  Other(both),      Other(image),     Inputs(2),        Outputs(1)]),
    ("GlobalMaxPool",     [Nothing,  Nothing,          Nothing,          Inputs(2),        Nothing]),
    ("InstanceNormalization", [Nothing, Inputs(4),     Inputs(5),        Inputs(2),        Inputs(1)]),
    ("LayerNormalization",[Nothing,  Inputs(4),        Inputs(5),        Inputs(1),        Inputs(1)]),
    ("LeakyRelu",         [Nothing,  Nothing,          Nothing,          Inputs(1),        Inputs(1)]),
    ("MatMul",            [Macs,     Other(dense),     Other(products),  Other(products),  Macs]),
    ("MaxPool",           [Nothing,  Nothing,          Nothing,          Inputs(2),        Nothing]),
    ("Mul",               [Nothing,  Nothing,          Nothing,          Nothing,          Outputs(1)]),
    ("PRelu",             [Nothing,  Inputs(1),        Nothing,          Inputs(2),        Nothing]),
    ("ReduceMean",        [Nothing,  Nothing,          Nothing,          Nothing,          Outputs(1)]),
    ("Relu",              [Nothing,  Nothing,          Nothing,          Inputs(2),        Nothing]),
    ("Resize",            [Nothing,  Other(resize_thop), Other(resize_fvcore), Outputs(2), Other(resize_torchprofile)]),
    ("Softmax",           [Nothing,  Other(softmax),   Nothing,          Inputs(1),        Nothing]),
];

impl Graph {
    /// What a convention counts of one node, of all rows of the batch.
    pub fn node_count(&self, node: &Node, convention: &Convention) -> u64 {
        let Ok(at) = RULES.binary_search_by(|(op, _)| (*op).cmp(node.op().name)) else { return 0 };
        let counted = Counted { graph: self, node };
        match RULES[at].1[convention.column] {
            Nothing => 0,
            Macs => counted.macs(),
            MacsAndBias if counted.shape(2).is_some() => counted.macs() + counted.outputs(),
            MacsAndBias => counted.macs(),
            Inputs(each) => each * counted.inputs(),
            Outputs(each) => each * counted.outputs(),
            Other(rule) => rule(&counted),
        }
    }

    /// What a convention counts of all nodes. It is of all rows: read the model at a batch of 1 for one.
    pub fn count(&self, convention: &Convention) -> u64 {
        self.nodes().iter().map(|node| self.node_count(node, convention)).sum()
    }
}

/// The operators that a convention counts, in alphabetical order.
#[cfg(test)]
pub(crate) fn counted_operators() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|(op, _)| *op)
}

/// A node as the rules see it.
struct Counted<'a> {
    graph: &'a Graph,
    node: &'a Node,
}

impl Counted<'_> {
    fn macs(&self) -> u64 {
        self.graph.node_macs(self.node)
    }

    fn inputs(&self) -> u64 {
        self.shape(0).map_or(0, elements)
    }

    fn outputs(&self) -> u64 {
        elements(self.graph.shape(self.node.outputs()[0]))
    }

    fn input(&self, index: usize) -> Option<ValueId> {
        self.node.inputs().get(index).copied().flatten()
    }

    fn shape(&self, index: usize) -> Option<&[usize]> {
        self.input(index).map(|id| self.graph.shape(id))
    }

    fn is_constant(&self, index: usize) -> bool {
        self.input(index).is_some_and(|id| self.graph.value(id).data().is_some())
    }

    /// `nearest`, `linear` or `cubic`, and the number of spatial axes.
    fn resize(&self) -> (&str, usize) {
        let mode = self.node.attrs().get_text("mode", "nearest").unwrap_or("nearest");
        (mode, self.shape(0).map_or(0, |shape| shape.len().saturating_sub(2)))
    }
}

fn elements(shape: &[usize]) -> u64 {
    shape.iter().map(|&size| size as u64).product()
}

/// One for each output where a vector is added to a matrix product with a constant.
fn bias(sum: &Counted<'_>) -> u64 {
    let is_dense = |id: ValueId| {
        let makes = |node: &&Node| node.outputs().contains(&id) && node.op().name == "MatMul";
        let product = sum.graph.nodes().iter().find(makes);
        product.is_some_and(|node| Counted { graph: sum.graph, node }.is_constant(1))
    };
    let with = |vector: usize, product: usize| {
        let is_vector = sum.is_constant(vector) && sum.shape(vector).is_some_and(|shape| shape.len() == 1);
        is_vector && sum.input(product).is_some_and(is_dense)
    };
    if with(0, 1) || with(1, 0) { sum.outputs() } else { 0 }
}

fn relu6(clip: &Counted<'_>) -> u64 {
    let bound = |index: usize| {
        let data = clip.graph.value(clip.input(index)?).data()?;
        data.floats().ok()?.first().copied()
    };
    if (bound(1), bound(2)) == (Some(0.0), Some(6.0)) { clip.inputs() } else { 0 }
}

/// As if each output gathered a whole kernel of its group of inputs, as in a convolution.
fn gathered(layer: &Counted<'_>) -> u64 {
    let Some([_, channels, ..]) = layer.shape(0) else { return 0 };
    let group = layer.node.attrs().get_int("group", 1).ok().and_then(|group| usize::try_from(group).ok());
    let depth = channels / group.unwrap_or(1).max(1);
    layer.outputs() * depth as u64 * taps(layer)
}

/// Outputs times taps times the second dimension of the weights where their first has the size of the output's channels, as
/// a convolution's has, and else the first.
fn either_way(layer: &Counted<'_>) -> u64 {
    let Some([first, second, ..]) = layer.shape(1) else { return 0 };
    let channels = layer.graph.shape(layer.node.outputs()[0]).get(1);
    let depth = if channels == Some(first) { second } else { first };
    layer.outputs() * *depth as u64 * taps(layer)
}

fn taps(layer: &Counted<'_>) -> u64 {
    layer.shape(1).and_then(|shape| shape.get(2..)).map_or(0, elements)
}

/// The product of the sizes of all indices; with an ellipsis nothing.
fn one_sum(einsum: &Counted<'_>) -> u64 {
    let has_ellipsis = matches!(einsum.node.attrs().get("equation"), Some(Attr::Text(text)) if text.contains("..."));
    let products = einsum.node.inputs().len().saturating_sub(1).max(1) as u64;
    if has_ellipsis { 0 } else { einsum.macs() / products }
}

fn both(pool: &Counted<'_>) -> u64 {
    pool.inputs() + pool.outputs()
}

/// The inputs of a pool of images; pools of other data are not known to the tool.
fn image(pool: &Counted<'_>) -> u64 {
    if pool.shape(0).is_some_and(|shape| shape.len() == 4) { pool.inputs() } else { 0 }
}

/// The product with a constant, which is a layer; one of two computed values is not.
fn dense(product: &Counted<'_>) -> u64 {
    if product.is_constant(0) || product.is_constant(1) { product.macs() } else { 0 }
}

/// The elements of the first factor times the columns of the second, however the first is repeated.
fn products(product: &Counted<'_>) -> u64 {
    match product.shape(1) {
        Some([.., _, columns]) => product.inputs() * *columns as u64,
        _ => product.macs(),
    }
}

fn resize_thop(resize: &Counted<'_>) -> u64 {
    let each = match resize.resize() {
        ("nearest", _) => 1,
        ("linear", 1) => 5,
        ("linear", 2) => 11,
        ("cubic", 2) => 224 + 35,
        _ => 0,
    };
    each * resize.outputs()
}

fn resize_fvcore(resize: &Counted<'_>) -> u64 {
    match resize.resize() {
        ("nearest", 2) => resize.outputs(),
        ("linear", 2) => 4 * resize.outputs(),
        _ => 0,
    }
}

fn resize_torchprofile(resize: &Counted<'_>) -> u64 {
    if resize.resize() == ("linear", 2) { 4 * resize.outputs() } else { 0 }
}

/// An exponential and a division for each element, and one sum less than elements in each row.
fn softmax(softmax: &Counted<'_>) -> u64 {
    let Some(shape) = softmax.shape(0) else { return 0 };
    let axis = softmax.node.attrs().get_int("axis", -1).unwrap_or(-1);
    let axis = if axis < 0 { axis + shape.len() as i64 } else { axis };
    let features = usize::try_from(axis).ok().and_then(|axis| shape.get(axis)).map_or(1, |&size| size.max(1) as u64);
    3 * softmax.inputs() - softmax.inputs() / features
}

#[cfg(test)]
mod tests;
