//! Quantized operators, each read as the float operator that it computes between DequantizeLinear and QuantizeLinear.
//!
//! That is exact. Such an operator sums products of integers and multiplies by the scales at the end; over the reals
//! the float operator on dequantized numbers gives the same, so that results differ only where float rounding falls on
//! the other side of half a step. Operators whose scales depend on the input have no such form and are refused by name.

use crate::file_node::FileNode;
use crate::ops::{self, Upgrade};
use crate::{Attr, Attrs, Error, Graph, ValueId};

/// An operator of ONNX Runtime's QOperator format, or its own copy of a standard operator.
#[derive(Debug)]
pub(crate) struct Quantized {
    /// Its name, with the domain in front where it is not the standard one.
    pub(crate) name: &'static str,
    /// The float operator that it computes.
    pub(crate) op: &'static str,
    /// The inputs of the float operator, by the number of inputs that the node has.
    operands: fn(usize) -> Vec<Operand>,
    /// The input that holds the scale of the result, its zero point following; absent, the result is a float.
    result: Option<usize>,
}

/// Where an input of the float operator comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operand {
    /// The tensor at this input, with its scale and zero point after it; scales in a vector lie along the axis.
    Tensor(usize, i64),
    /// The same for the second factor of a Gemm, where scales in a vector belong to the columns of the product.
    Factor(usize),
    /// The int32 tensor at this input, in steps of `alpha` times the scales at the inputs 1 and 4.
    Bias(usize),
    /// This input as it is.
    Plain(usize),
}
use Operand::{Bias, Factor, Plain, Tensor};

/// Every quantized operator that is read, in alphabetical order.
pub(crate) const QUANTIZED: &[Quantized] = &[
    row("QLinearConv", "Conv", |_| vec![Tensor(0, 0), Tensor(3, 0), Bias(8)], 6),
    row("QLinearMatMul", "MatMul", |_| vec![Tensor(0, -2), Tensor(3, -1)], 6),
    same("com.microsoft.DequantizeLinear", "DequantizeLinear"),
    row("com.microsoft.QGemm", "Gemm", |_| vec![Tensor(0, 0), Factor(3), Bias(6)], 7),
    row("com.microsoft.QLinearAdd", "Add", two, 6),
    row("com.microsoft.QLinearAveragePool", "AveragePool", one, 3),
    row("com.microsoft.QLinearConcat", "Concat", |inputs| (2..inputs).step_by(3).map(|at| Tensor(at, 0)).collect(), 0),
    row("com.microsoft.QLinearGlobalAveragePool", "GlobalAveragePool", one, 3),
    row("com.microsoft.QLinearLeakyRelu", "LeakyRelu", one, 3),
    row("com.microsoft.QLinearMul", "Mul", two, 6),
    row("com.microsoft.QLinearSigmoid", "Sigmoid", one, 3),
    row("com.microsoft.QLinearSoftmax", "Softmax", one, 3),
    row("com.microsoft.QLinearWhere", "Where", |_| vec![Plain(0), Tensor(1, 0), Tensor(4, 0)], 7),
    same("com.microsoft.QuantizeLinear", "QuantizeLinear"),
];

/// Operators whose scales depend on the input: there are no fixed steps to pass a gradient through.
const DYNAMIC: &[&str] = &[
    "ConvInteger",
    "DynamicQuantizeLinear",
    "MatMulInteger",
    "com.microsoft.DynamicQuantizeLSTM",
    "com.microsoft.DynamicQuantizeMatMul",
    "com.microsoft.MatMulIntegerToFloat",
];

const fn row(
    name: &'static str,
    op: &'static str,
    operands: fn(usize) -> Vec<Operand>,
    result: usize,
) -> Quantized {
    Quantized { name, op, operands, result: Some(result) }
}

const fn same(name: &'static str, op: &'static str) -> Quantized {
    Quantized { name, op, operands: |inputs| (0..inputs).map(Plain).collect(), result: None }
}

fn one(_: usize) -> Vec<Operand> {
    vec![Tensor(0, 0)]
}

fn two(_: usize) -> Vec<Operand> {
    vec![Tensor(0, 0), Tensor(3, 0)]
}

/// The quantized operator with this name, its domain in front.
pub(crate) fn find(name: &str) -> Option<&'static Quantized> {
    QUANTIZED.binary_search_by(|quantized| quantized.name.cmp(name)).ok().map(|index| &QUANTIZED[index])
}

/// Why an operator of quantized files can't be read, where it is known, and what to do.
pub(crate) fn refusal(name: &str) -> Option<String> {
    DYNAMIC.binary_search(&name).ok()?;
    Some(
        "it belongs to dynamic quantization, whose scales depend on the input\n\
         hint: re-export with static scales: onnxruntime.quantization.quantize_static(…, quant_format=QuantFormat.QDQ)"
            .to_owned(),
    )
}

impl Quantized {
    /// Adds the nodes that stand for a node of the file. The float operator keeps its name.
    ///
    /// Errors: an input is missing, the float operator refuses what it gets, or channels come last.
    pub(crate) fn expand(
        &self,
        node: &FileNode,
        opset: i64,
        inputs: &[Option<ValueId>],
        graph: &mut Graph,
    ) -> Result<Vec<ValueId>, Error> {
        let float = |error| self.as_of_file(node, error);
        let wanted = (self.operands)(inputs.len());
        let mut attrs = node.attrs.clone();
        let refuse = |reason| Error::Node { node: node.name.clone(), op: node.op.clone(), reason };
        if attrs.get_int("channels_last", 0).map_err(refuse)? != 0 {
            return Err(node.unsupported("attribute `channels_last` is not 0"));
        }
        attrs.remove("channels_last");
        let opset = attrs.get_int("opset", opset).map_err(refuse)?;
        attrs.remove("opset");
        let mut expansion = Expansion { node, inputs, graph };
        let operands = wanted.iter().map(|operand| expansion.operand(*operand));
        let mut operands = operands.collect::<Result<Vec<Option<ValueId>>, Error>>().map_err(float)?;
        operands.truncate(operands.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
        let op = ops::find(self.op).expect("the table names operators that there are");
        let mut upgrade = Upgrade { opset, op: self.op.to_owned(), attrs, inputs: operands, graph: expansion.graph };
        (op.upgrade)(&mut upgrade).map_err(refuse)?;
        let Upgrade { op, attrs, inputs: operands, .. } = upgrade;
        let outputs = graph.add_node(&node.name, &op, &operands, attrs, node.outputs.len()).map_err(float)?;
        let mut expansion = Expansion { node, inputs, graph };
        let Some(scale) = self.result.filter(|&scale| expansion.input(scale).is_some()) else { return Ok(outputs) };
        let first = wanted.iter().find_map(|operand| if let Tensor(at, _) = operand { Some(*at) } else { None });
        let quantized = expansion.quantized(outputs[0], scale, first.expect("what gives a tensor takes one"));
        Ok(vec![quantized.map_err(float)?])
    }

    /// Its notes in the table of supported operators.
    pub(crate) fn doc(&self) -> String {
        match self.result {
            Some(_) => format!("read as DequantizeLinear, {}, QuantizeLinear", self.op),
            None => format!("read as {}", self.op),
        }
    }

    /// Says of an error in one of our nodes which node of the file it stands for.
    fn as_of_file(&self, node: &FileNode, error: Error) -> Error {
        let (node, op) = (node.name.clone(), node.op.clone());
        match error {
            Error::Node { reason, .. } => Error::Node { node, op, reason: format!("read as {}: {reason}", self.op) },
            Error::Unsupported { reason, .. } => Error::Unsupported { node, op, reason },
            other => other,
        }
    }
}

/// A node of the file while others are put in its place.
struct Expansion<'a> {
    node: &'a FileNode,
    inputs: &'a [Option<ValueId>],
    graph: &'a mut Graph,
}

impl Expansion<'_> {
    fn input(&self, index: usize) -> Option<ValueId> {
        self.inputs.get(index).copied().flatten()
    }

    fn required(&self, index: usize) -> Result<ValueId, Error> {
        let missing = || Error::Node {
            node: self.node.name.clone(),
            op: self.node.op.clone(),
            reason: format!("input {index} is missing"),
        };
        self.input(index).ok_or_else(missing)
    }

    fn operand(&mut self, operand: Operand) -> Result<Option<ValueId>, Error> {
        match operand {
            Plain(at) => Ok(self.input(at)),
            Tensor(at, axis) => self.dequantized(at, axis).map(Some),
            Factor(at) => {
                let rows = self.node.attrs.get_int("transB", 0).unwrap_or(0) != 0;
                self.dequantized(at, if rows { 0 } else { 1 }).map(Some)
            }
            Bias(at) => self.input(at).map(|bias| self.bias(bias)).transpose(),
        }
    }

    fn dequantized(&mut self, at: usize, axis: i64) -> Result<ValueId, Error> {
        let inputs = [Some(self.required(at)?), Some(self.required(at + 1)?), self.input(at + 2)];
        let inputs = if inputs[2].is_some() { &inputs[..] } else { &inputs[..2] };
        self.add(&format!("dequantized_{at}"), "DequantizeLinear", inputs, Attrs::new().int("axis", axis))
    }

    fn bias(&mut self, bias: ValueId) -> Result<ValueId, Error> {
        let scales = [Some(self.required(1)?), Some(self.required(4)?)];
        let mut scale = self.add("bias_scale", "Mul", &scales, Attrs::new())?;
        if let Some(&Attr::Float(alpha)) = self.node.attrs.get("alpha") {
            let alpha = self.graph.scalar(self.graph.value(scale).dtype(), alpha.into());
            scale = self.add("bias_scale", "Mul", &[Some(scale), Some(alpha)], Attrs::new())?;
        }
        self.add("dequantized_bias", "DequantizeLinear", &[Some(bias), Some(scale)], Attrs::new().int("axis", 0))
    }

    /// In steps of the scale at an input; without a zero point, in the type of the first tensor.
    fn quantized(&mut self, y: ValueId, scale: usize, first: usize) -> Result<ValueId, Error> {
        let mut inputs = vec![Some(y), Some(self.required(scale)?)];
        let mut attrs = Attrs::new();
        match self.input(scale + 1) {
            Some(zero) => inputs.push(Some(zero)),
            None => {
                let dtype = self.graph.value(self.required(first)?).dtype();
                attrs = attrs.int("output_dtype", dtype.onnx().into());
            }
        }
        self.add("quantized", "QuantizeLinear", &inputs, attrs)
    }

    fn add(&mut self, role: &str, op: &str, inputs: &[Option<ValueId>], attrs: Attrs) -> Result<ValueId, Error> {
        let name = format!("{}_{role}", self.node.name);
        Ok(self.graph.add_node(&name, op, inputs, attrs, 1)?[0])
    }
}
