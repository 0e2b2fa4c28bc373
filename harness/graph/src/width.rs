//! The number by which "width" and "expansion" order networks of depthwise blocks.

use crate::ops::Conv;
use crate::{Graph, Node, ValueId};
use std::collections::HashMap;

/// `(√(W h) + √(E m))^n`, which bounds the Lipschitz constant of a network of `n` equal blocks at its initialisation: `W h` is
/// the width between blocks, `E m` the width inside of them.
///
/// Of a trained network it bounds nothing: it is good for ordering networks of one family.
/// Source: Mousavi et al. 2023, eq. 5, after Huang et al. 2021.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WidthBound {
    /// `n`: the depthwise convolutions, of which a block has one.
    pub blocks: usize,
    /// `W h`: the mean of the channels that blocks take.
    pub base_width: f64,
    /// `E m`: the mean of the channels of the depthwise convolutions.
    pub middle_width: f64,
}

impl WidthBound {
    /// The number itself; infinite where it is too large.
    pub fn value(&self) -> f64 {
        (0..self.blocks).fold(1.0, |product, _| product * self.factor())
    }

    /// Its natural logarithm, with the same bits on every platform.
    pub fn ln(&self) -> f64 {
        self.blocks as f64 * ln(self.factor())
    }

    fn factor(&self) -> f64 {
        self.base_width.sqrt() + self.middle_width.sqrt()
    }
}

/// Operators between a convolution and the next one of its block.
const BETWEEN: &[&str] = &[
    "BatchNormalization",
    "Celu",
    "Clip",
    "DequantizeLinear",
    "Dropout",
    "Elu",
    "Gelu",
    "HardSigmoid",
    "Identity",
    "LeakyRelu",
    "Mul",
    "PRelu",
    "Pad",
    "QuantizeLinear",
    "Relu",
    "Selu",
    "Sigmoid",
    "Softplus",
    "Tanh",
];

impl Graph {
    /// The [`WidthBound`] of a network with depthwise convolutions; `None` where there are none.
    ///
    /// Each depthwise convolution is a block. Where a 1x1 convolution feeds it that no depthwise convolution feeds in turn, it
    /// expands, as in inverted bottlenecks, and the block takes that one's channels; else the block takes the depthwise
    /// convolution's own, as in blocks without expansion and in depthwise separable networks.
    pub fn width_bound(&self) -> Option<WidthBound> {
        let producers: HashMap<ValueId, &Node> =
            self.nodes().iter().flat_map(|node| node.outputs().iter().map(move |id| (*id, node))).collect();
        let feeding = |node: &Node| {
            let mut at = node.inputs()[0]?;
            while let Some(node) = producers.get(&at) {
                if !BETWEEN.contains(&node.op().name) {
                    return self.convolution(node).map(|conv| (*node, conv));
                }
                at = node.inputs()[0]?;
            }
            None
        };
        let depthwise = |conv: &Conv| conv.group > 1 && conv.group == conv.channels;
        let expands = |node: &Node, conv: &Conv| {
            let pointwise = conv.group == 1 && conv.axes.iter().all(|axis| axis.kernel == 1);
            pointwise && !feeding(node).is_some_and(|(_, conv)| depthwise(&conv))
        };
        let blocks = self.nodes().iter().filter_map(|node| {
            let middle = self.convolution(node).filter(|conv| depthwise(conv))?.channels;
            let expansion = feeding(node).filter(|(node, conv)| expands(node, conv));
            Some((expansion.map_or(middle, |(_, conv)| conv.channels), middle))
        });
        let blocks: Vec<(usize, usize)> = blocks.collect();
        let mean =
            |width: fn(&(usize, usize)) -> usize| blocks.iter().map(width).sum::<usize>() as f64 / blocks.len() as f64;
        (!blocks.is_empty()).then(|| WidthBound {
            blocks: blocks.len(),
            base_width: mean(|block| block.0),
            middle_width: mean(|block| block.1),
        })
    }

    fn convolution(&self, node: &Node) -> Option<Conv> {
        let shape = |index: usize| Some(self.shape(node.inputs().get(index).copied().flatten()?));
        if node.op().name == "Conv" { Conv::read(node.attrs(), shape(0)?, shape(1)?).ok() } else { None }
    }
}

/// `ln x` of a normal number from 1 on.
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let (mut power, mut mantissa) = ((bits >> 52) as i64 - 1023, f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        (mantissa, power) = (mantissa / 2.0, power + 1);
    }
    // ln m = 2 artanh s with |s| <= 0.172: the first term left out is below 2^-60.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let series = (0..=10).rev().fold(0.0, |sum, n| sum * s * s + 1.0 / f64::from(2 * n + 1));
    power as f64 * std::f64::consts::LN_2 + 2.0 * s * series
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attrs, DType, Tensor, ValueType};

    fn conv(graph: &mut Graph, x: ValueId, filters: usize, kernel: usize, group: usize) -> ValueId {
        let shape = [filters, graph.shape(x)[1] / group, kernel, kernel];
        let w = graph.constant("w", Tensor::f32(&shape, vec![1.0; shape.iter().product()]));
        let attrs = Attrs::new().ints("pads", [kernel as i64 / 2; 4]).int("group", group as i64);
        let y = graph.add("Conv", &[x, w], attrs).unwrap();
        graph.add("Relu", &[y], Attrs::new()).unwrap()
    }

    fn network(build: impl FnOnce(&mut Graph, ValueId) -> ValueId) -> Option<WidthBound> {
        let mut graph = Graph::new("network");
        let x = graph.input("x", ValueType::new(DType::F32, [1, 3, 8, 8]));
        let stem = conv(&mut graph, x, 4, 3, 1);
        let y = build(&mut graph, stem);
        graph.set_outputs(vec![y]);
        graph.width_bound()
    }

    fn inverted(graph: &mut Graph, x: ValueId, middle: usize, out: usize) -> ValueId {
        let wide = conv(graph, x, middle, 1, 1);
        let wide = conv(graph, wide, middle, 3, middle);
        conv(graph, wide, out, 1, 1)
    }

    #[test]
    fn blocks_with_expansion_take_what_is_expanded() {
        // Without the shortcut the second expansion follows a projection, which a depthwise convolution feeds.
        for shortcut in [true, false] {
            let found = network(|graph, x| {
                let y = inverted(graph, x, 12, 4);
                let y = if shortcut { graph.add("Add", &[x, y], Attrs::new()).unwrap() } else { y };
                inverted(graph, y, 24, 8)
            });
            let wanted = WidthBound { blocks: 2, base_width: 4.0, middle_width: 18.0 };
            assert_eq!(found, Some(wanted), "{shortcut}");
        }
    }

    #[test]
    fn separable_blocks_take_their_own_width() {
        let found = network(|graph, x| {
            let y = conv(graph, x, 4, 3, 4);
            let y = conv(graph, y, 8, 1, 1);
            let y = conv(graph, y, 8, 3, 8);
            conv(graph, y, 16, 1, 1)
        });
        assert_eq!(found, Some(WidthBound { blocks: 2, base_width: 6.0, middle_width: 6.0 }));
        assert_eq!(network(|graph, x| conv(graph, x, 8, 1, 1)), None);
    }

    #[test]
    fn the_number_is_a_power_and_its_logarithm_stays_finite() {
        let bound = |blocks| WidthBound { blocks, base_width: 9.0, middle_width: 25.0 };
        assert_eq!(bound(3).value(), 512.0);
        assert!((bound(3).ln() - 512_f64.ln()).abs() < 1e-14);
        assert!(bound(2000).value().is_infinite() && (bound(2000).ln() - 2000.0 * 8_f64.ln()).abs() < 1e-9);
        for step in 0..4000 {
            let x = 1.0 + f64::from(step) * 0.37;
            assert!((ln(x) - x.ln()).abs() <= 4.0 * f64::EPSILON * x.ln(), "{x}");
        }
    }
}
