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
    /// The int32 tensor at this input, in steps of `alpha` times the scales at the inputs 1 and 4; those in a vector
    /// belong to its columns.
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

const fn row(name: &'static str, op: &'static str, operands: fn(usize) -> Vec<Operand>, result: usize) -> Quantized {
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

/// The names of all quantized operators that are read, those of other domains as `domain.name`.
pub fn quantized_operators() -> impl Iterator<Item = &'static str> {
    QUANTIZED.iter().map(|quantized| quantized.name)
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
    /// Its notes in the table of supported operators.
    pub(crate) fn doc(&self) -> String {
        match self.result {
            Some(_) => format!("read as DequantizeLinear, {}, QuantizeLinear", self.op),
            None => format!("read as {}", self.op),
        }
    }

    /// The opsets that brought its versions, in the table of supported operators.
    pub(crate) fn opsets(&self) -> &'static str {
        match self.name {
            "QLinearConv" => "10",
            "QLinearMatMul" => "10, 21",
            _ => "com.microsoft 1",
        }
    }

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
        let mut expansion = Expansion { node, inputs, graph };
        let wanted = (self.operands)(inputs.len());
        let operands = wanted.iter().map(|operand| expansion.operand(*operand));
        let operands = operands.collect::<Result<Vec<Option<ValueId>>, Error>>()?;
        let outputs = expansion.float(self.op, opset, operands)?;
        let Some(scale) = self.result.filter(|&scale| expansion.input(scale).is_some()) else { return Ok(outputs) };
        let first = wanted.iter().find_map(|operand| if let Tensor(at, _) = operand { Some(*at) } else { None });
        let first = first.expect("what gives a quantized tensor takes one");
        Ok(vec![expansion.quantized(outputs[0], scale, first)?])
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
        self.input(index).ok_or_else(|| self.error(format!("input {index} is missing")))
    }

    fn operand(&mut self, operand: Operand) -> Result<Option<ValueId>, Error> {
        match operand {
            Plain(at) => Ok(self.input(at)),
            Tensor(at, axis) => self.dequantized(at, axis).map(Some),
            Factor(at) => {
                let transposed = self.node.attrs.get_int("transB", 0).map_err(|reason| self.error(reason))? != 0;
                self.dequantized(at, if transposed { 0 } else { 1 }).map(Some)
            }
            Bias(at) => self.input(at).map(|bias| self.bias(bias)).transpose(),
        }
    }

    fn dequantized(&mut self, at: usize, axis: i64) -> Result<ValueId, Error> {
        let mut inputs = vec![self.required(at)?, self.required(at + 1)?];
        inputs.extend(self.input(at + 2));
        self.helper(&format!("dequantized_{at}"), "DequantizeLinear", &inputs, Attrs::new().int("axis", axis))
    }

    fn bias(&mut self, bias: ValueId) -> Result<ValueId, Error> {
        let scales = [self.required(1)?, self.required(4)?];
        let mut scale = self.helper("bias_scale", "Mul", &scales, Attrs::new())?;
        if let Some(&Attr::Float(alpha)) = self.node.attrs.get("alpha") {
            let alpha = self.graph.scalar(self.graph.value(scale).dtype(), alpha.into());
            scale = self.helper("bias_scale", "Mul", &[scale, alpha], Attrs::new())?;
        }
        self.helper("dequantized_bias", "DequantizeLinear", &[bias, scale], Attrs::new().int("axis", -1))
    }

    /// The float operator, brought from its older form where `opset`, or the attribute of this name, is that of one.
    fn float(&mut self, op: &str, opset: i64, mut inputs: Vec<Option<ValueId>>) -> Result<Vec<ValueId>, Error> {
        let mut attrs = self.node.attrs.clone();
        if attrs.get_int("channels_last", 0).map_err(|reason| self.error(reason))? != 0 {
            return Err(self.node.unsupported("attribute `channels_last` is not 0"));
        }
        attrs.remove("channels_last");
        let opset = attrs.get_int("opset", opset).map_err(|reason| self.error(reason))?;
        attrs.remove("opset");
        // Its axis is the last by default, also where `opset` is one whose Softmax has another default.
        if op == "Softmax" && attrs.get("axis").is_none() {
            attrs.set("axis", Attr::Int(-1));
        }
        inputs.truncate(inputs.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
        let known = ops::find(op).expect("the table names operators that there are");
        let mut upgrade =
            Upgrade { opset, op: op.to_owned(), attrs, inputs, outputs: self.node.outputs.len(), graph: self.graph };
        let upgraded = (known.upgrade)(&mut upgrade);
        let Upgrade { op, attrs, inputs, outputs, .. } = upgrade;
        upgraded.map_err(|reason| self.error(reason))?;
        self.add(&self.node.name, &op, &inputs, attrs, outputs)
    }

    /// In steps of the scale at an input; without a zero point, in the type of the tensor at the input `first`.
    fn quantized(&mut self, y: ValueId, scale: usize, first: usize) -> Result<ValueId, Error> {
        let mut inputs = vec![y, self.required(scale)?];
        let zero = self.input(scale + 1);
        let dtype = self.graph.value(self.required(first)?).dtype();
        inputs.extend(zero);
        let attrs = if zero.is_some() { Attrs::new() } else { Attrs::new().int("output_dtype", dtype.onnx().into()) };
        self.helper("quantized", "QuantizeLinear", &inputs, attrs)
    }

    fn helper(&mut self, role: &str, op: &str, inputs: &[ValueId], attrs: Attrs) -> Result<ValueId, Error> {
        let inputs: Vec<Option<ValueId>> = inputs.iter().copied().map(Some).collect();
        Ok(self.add(&format!("{}_{role}", self.node.name), op, &inputs, attrs, 1)?[0])
    }

    /// Adds a node. Its errors are said of the node of the file.
    fn add(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[Option<ValueId>],
        attrs: Attrs,
        outputs: usize,
    ) -> Result<Vec<ValueId>, Error> {
        self.graph.add_node(name, op, inputs, attrs, outputs).map_err(|error| match error {
            Error::Node { reason, .. } => self.error(format!("read as {op}: {reason}")),
            Error::Unsupported { reason, .. } => self.node.unsupported(&reason),
            other => other,
        })
    }

    fn error(&self, reason: String) -> Error {
        Error::Node { node: self.node.name.clone(), op: self.node.op.clone(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{AttributeProto, ModelProto, NodeProto, OperatorSetIdProto, attribute_type};
    use crate::sample_file::{check_errors, graph, int_attribute, node, parse, with_graph};
    use crate::{DType, Interpreter, Tensor as Values, tensor_proto};

    /// `y` is the operator on constants: int8 tensors `q` `[2, 2]` and `i` (int32, `[2]`), and scales.
    fn file(op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> ModelProto {
        let mut model = with_graph(|graph| {
            let int = |dtype, shape: &[usize], values: &[i64]| Values::int(dtype, shape, values.to_vec());
            let tensors = [
                ("q", int(DType::I8, &[2, 2], &[10, -20, 30, 127])),
                ("zero", int(DType::I8, &[], &[10])),
                ("i", int(DType::I32, &[2], &[16, -32])),
                ("m", int(DType::I32, &[2, 2], &[8, 16, 24, 32])),
                ("t", int(DType::I8, &[2, 2, 1], &[1, 2, 3, 4])),
                ("half", Values::scalar(0.5)),
                ("two", Values::f32(&[2], [0.25, 2.0])),
            ];
            graph.initializer.extend(tensors.iter().map(|(name, tensor)| tensor_proto::encode(name, tensor)));
            let (domain, op) = op.rsplit_once('.').unwrap_or(("", op));
            let made = node("made", op, inputs, &["made"]);
            graph.node.push(NodeProto { domain: domain.to_owned(), attribute: attributes, ..made });
        });
        model.opset_import.push(OperatorSetIdProto { domain: "com.microsoft".to_owned(), version: 1 });
        let output = model.graph.as_mut().unwrap();
        output.output[0].name = "made".to_owned();
        model
    }

    fn result(op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> Values {
        let graph = graph(&file(op, inputs, attributes), 2).unwrap();
        let input = Values::f32(&[2, 2], [0.0; 4]);
        Interpreter.run(&graph, &[input]).unwrap().remove(0)
    }

    fn float_attribute(name: &str, f: f32) -> AttributeProto {
        let r#type = attribute_type::FLOAT;
        AttributeProto { name: name.to_owned(), f: Some(f), r#type, ..AttributeProto::default() }
    }

    #[test]
    fn names_are_sorted_and_operators_known() {
        assert!(QUANTIZED.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(DYNAMIC.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(QUANTIZED.iter().all(|row| ops::find(row.op).is_some() && ops::find(row.name).is_none()));
        assert!(DYNAMIC.iter().all(|name| find(name).is_none() && ops::find(name).is_none()));
    }

    #[test]
    fn zero_points_may_be_absent() {
        let y = result("com.microsoft.QLinearAdd", &["q", "half", "", "q", "half", "", "half"], vec![]);
        assert_eq!(y, Values::int(DType::I8, &[2, 2], vec![20, -40, 60, 127]));
        let y = result("com.microsoft.QLinearConcat", &["half", "", "q", "half"], vec![int_attribute("axis", 1)]);
        assert_eq!(y, Values::int(DType::I8, &[2, 2], vec![10, -20, 30, 127]));
    }

    #[test]
    fn the_bias_of_a_gemm_is_in_steps_of_alpha_too_and_its_result_may_be_a_float() {
        let inputs = ["q", "half", "zero", "q", "two", "", "i"];
        let y = result("com.microsoft.QGemm", &inputs, vec![float_attribute("alpha", 0.5)]);
        // A is [[0, -15], [10, 58.5]]; the columns of B are in steps of 0.25 and 2: [[2.5, -40], [7.5, 254]].
        let product = [-112.5, -3810.0, 463.75, 14459.0];
        let bias = [16.0 * 0.5 * 0.25 * 0.5, -32.0 * 0.5 * 2.0 * 0.5];
        let wanted = product.iter().enumerate().map(|(at, product)| product * 0.5 + bias[at % 2]);
        assert_eq!(y, Values::f32(&[2, 2], wanted));
        let rows = result("com.microsoft.QGemm", &inputs, vec![int_attribute("transB", 1)]);
        // The rows of B are the columns of the product: [[2.5, -5], [60, 254]].
        let wanted = [75.0 + 2.0, -3810.0 - 32.0, -267.5 + 2.0, 600.0 + 14859.0 - 32.0];
        assert_eq!(rows, Values::f32(&[2, 2], wanted));
    }

    #[test]
    fn scales_of_columns_are_those_of_the_bias_too() {
        let matrix = ["q", "half", "zero", "q", "two", "", "m"];
        let y = result("com.microsoft.QGemm", &matrix, vec![]);
        // The product is that of the test above, the bias in steps of 0.125 and 1.
        assert_eq!(y, Values::f32(&[2, 2], [-112.5 + 1.0, -3810.0 + 16.0, 463.75 + 3.0, 14459.0 + 32.0]));
    }

    #[test]
    fn the_axis_of_a_softmax_is_the_last_whatever_its_opset() {
        let inputs = ["t", "half", "", "half"];
        let softmax = |axis| {
            let attributes = [("opset", Some(11)), ("axis", axis)].into_iter();
            let attributes = attributes.filter_map(|(name, value)| Some(int_attribute(name, value?))).collect();
            result("com.microsoft.QLinearSoftmax", &inputs, attributes)
        };
        assert_eq!(softmax(None), softmax(Some(2)));
        assert_ne!(softmax(None), softmax(Some(1)));
    }

    #[test]
    fn what_the_float_operator_refuses_names_the_node_of_the_file() {
        let error = |op, inputs: &[&str], attributes| graph(&file(op, inputs, attributes), 2).map(|_| ());
        let pool = "com.microsoft.QLinearAveragePool";
        check_errors(vec![
            (
                "node `made` (com.microsoft.QLinearAveragePool): read as AveragePool: attribute `kernel_shape` is missing",
                error(pool, &["q", "half", "zero", "half", "zero"], vec![]),
            ),
            (
                "node `made`: operator `com.microsoft.QLinearAveragePool` is not supported: attribute `channels_last` is not 0",
                error(pool, &["q", "half", "zero", "half", "zero"], vec![int_attribute("channels_last", 1)]),
            ),
            (
                "operator `com.microsoft.QLinearSigmoid` is not supported: attribute `odd` is not known",
                error("com.microsoft.QLinearSigmoid", &["q", "half", "", "half"], vec![int_attribute("odd", 1)]),
            ),
            ("node `made` (QLinearMatMul): input 3 is missing", error("QLinearMatMul", &["q", "half", "zero"], vec![])),
            (
                "node `made` (QLinearMatMul): read as DequantizeLinear: the quantized type is int8, the zero point is float32",
                error("QLinearMatMul", &["q", "half", "zero", "q", "half", "half", "half", "zero"], vec![]),
            ),
        ]);
    }

    #[test]
    fn scales_that_depend_on_the_input_are_refused_with_the_remedy() {
        for name in DYNAMIC {
            let model = parse(&file(name, &["q"], vec![])).unwrap();
            let error = model.graph(2).unwrap_err().to_string();
            assert!(error.starts_with(&format!("node `made`: operator `{name}` is not supported: ")), "{error}");
            assert!(error.contains("\nhint: re-export with static scales: "), "{error}");
            assert_eq!(model.unsupported().len(), 1);
        }
        let other = graph(&file("com.microsoft.QLinearReduceMean", &["q"], vec![]), 2).unwrap_err().to_string();
        assert!(other.contains("only operators of the standard domain are, not of `com.microsoft`"), "{other}");
    }
}
