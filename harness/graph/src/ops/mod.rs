//! The operator table: one file per operator, one line here.
//!
//! An [`Op`] says everything Tinyassay knows of an operator in its newest form up to opset 21: shape rule, gradient
//! rule, multiply-accumulate rule, f64 reference kernel, and the cases that all of these are tested on. Older forms are
//! rewritten into this one by the operator's upgrade when a file is read.

use crate::{Attrs, DType, Error, Tensor, ValueId, ValueType};

mod arg_max;
mod average_pool;
mod axes;
mod axis_map;
mod backward;
mod batch_normalization;
mod binary;
mod broadcast;
mod cases;
mod cast;
mod clip;
mod compare;
mod concat;
mod constant_of_shape;
mod conv;
mod conv_cases;
mod conv_transpose;
mod cum_sum;
mod depth_to_space;
mod dequantize_linear;
mod dropout;
mod einsum;
mod elements;
mod elementwise;
mod expand;
mod extremum;
mod eye_like;
mod flatten;
mod gated;
mod gather;
mod gather_nd;
mod gemm;
mod global_average_pool;
mod global_max_pool;
mod group_normalization;
mod identity;
mod instance_normalization;
mod interpolation;
mod is_nan;
pub(crate) mod kernels;
#[cfg(test)]
mod laws;
mod layer_normalization;
mod logic;
mod lrn;
mod matmul;
mod max_pool;
mod modulo;
mod non_zero;
mod one_hot;
mod pad;
mod pow;
mod prelu;
pub(crate) mod product;
mod quantization;
mod quantize_linear;
mod range;
mod reduce;
mod reduce_log;
mod reduce_norm;
mod reduce_prod;
mod relu;
mod reshape;
mod resize;
#[cfg(test)]
mod rewrite_laws;
mod rms_normalization;
mod scalar;
mod shape;
mod size;
mod slice;
mod slopes;
mod softmax;
mod split;
mod squeeze;
mod sum;
#[cfg(test)]
mod tests;
mod tile;
mod top_k;
mod transpose;
mod trilu;
mod upgrade;
mod upsample;
mod where_op;
pub(crate) mod window;

pub(crate) use conv::Conv;
pub(crate) use conv_transpose::{Symmetric, Transpose, symmetric};

pub use backward::Backward;
pub use cases::{Case, CaseGradient, CaseInput, case_gradient, case_graph, rewritten_graph};
pub use kernels::{DOMAIN, KERNELS};
pub use upgrade::Upgrade;

/// Every operator, in alphabetical order.
pub const OPS: &[&Op] = &[
    &scalar::ABS,
    &scalar::ACOS,
    &scalar::ACOSH,
    &binary::ADD,
    &logic::AND,
    &arg_max::ARG_MAX,
    &arg_max::ARG_MIN,
    &scalar::ASIN,
    &scalar::ASINH,
    &scalar::ATAN,
    &scalar::ATANH,
    &average_pool::OP,
    &batch_normalization::OP,
    &cast::OP,
    &scalar::CEIL,
    &scalar::CELU,
    &clip::OP,
    &concat::OP,
    &constant_of_shape::OP,
    &conv::OP,
    &conv_transpose::OP,
    &scalar::COS,
    &scalar::COSH,
    &cum_sum::OP,
    &depth_to_space::DEPTH_TO_SPACE,
    &dequantize_linear::OP,
    &binary::DIV,
    &dropout::OP,
    &einsum::OP,
    &scalar::ELU,
    &compare::EQUAL,
    &scalar::ERF,
    &scalar::EXP,
    &expand::OP,
    &eye_like::OP,
    &flatten::OP,
    &scalar::FLOOR,
    &gather::OP,
    &elements::GATHER,
    &gather_nd::GATHER,
    &scalar::GELU,
    &gemm::OP,
    &global_average_pool::OP,
    &global_max_pool::OP,
    &compare::GREATER,
    &compare::GREATER_OR_EQUAL,
    &scalar::HARD_SIGMOID,
    &identity::OP,
    &instance_normalization::OP,
    &is_nan::IS_INF,
    &is_nan::IS_NAN,
    &lrn::OP,
    &layer_normalization::OP,
    &scalar::LEAKY_RELU,
    &compare::LESS,
    &compare::LESS_OR_EQUAL,
    &scalar::LOG,
    &softmax::LOG_SOFTMAX,
    &matmul::OP,
    &extremum::MAX,
    &max_pool::OP,
    &sum::MEAN,
    &extremum::MIN,
    &modulo::OP,
    &binary::MUL,
    &scalar::NEG,
    &non_zero::OP,
    &logic::NOT,
    &one_hot::OP,
    &logic::OR,
    &prelu::OP,
    &pad::OP,
    &pow::OP,
    &quantize_linear::OP,
    &range::OP,
    &scalar::RECIPROCAL,
    &reduce_norm::REDUCE_L1,
    &reduce_norm::REDUCE_L2,
    &reduce_log::REDUCE_LOG_SUM,
    &reduce_log::REDUCE_LOG_SUM_EXP,
    &reduce::REDUCE_MAX,
    &reduce::REDUCE_MEAN,
    &reduce::REDUCE_MIN,
    &reduce_prod::REDUCE_PROD,
    &reduce::REDUCE_SUM,
    &reduce_norm::REDUCE_SUM_SQUARE,
    &relu::OP,
    &reshape::OP,
    &resize::OP,
    &scalar::ROUND,
    &elements::SCATTER,
    &gather_nd::SCATTER,
    &scalar::SELU,
    &shape::OP,
    &scalar::SIGMOID,
    &scalar::SIGN,
    &scalar::SIN,
    &scalar::SINH,
    &size::OP,
    &slice::OP,
    &softmax::SOFTMAX,
    &scalar::SOFTPLUS,
    &scalar::SOFTSIGN,
    &depth_to_space::SPACE_TO_DEPTH,
    &split::OP,
    &scalar::SQRT,
    &squeeze::SQUEEZE,
    &binary::SUB,
    &sum::SUM,
    &scalar::TAN,
    &scalar::TANH,
    &scalar::THRESHOLDED_RELU,
    &tile::OP,
    &top_k::OP,
    &transpose::OP,
    &trilu::OP,
    &squeeze::UNSQUEEZE,
    &where_op::OP,
    &logic::XOR,
];

/// Every operator that only files have, in alphabetical order: reading turns it into operators of the table, since
/// opset 21 no longer has it or ONNX Runtime has no kernel for it there.
pub const REWRITES: &[&Rewrite] = &[
    &group_normalization::REWRITE,
    &gated::HARD_SWISH,
    &gated::MISH,
    &rms_normalization::REWRITE,
    &elements::OLD_SCATTER,
    &gated::SWISH,
    &upsample::REWRITE,
];

/// The operator with this name: of the standard ONNX domain, or else of our own.
pub fn find(name: &str) -> Option<&'static Op> {
    standard(name).or_else(|| kernels::find(name))
}

/// The operator with this name in the standard ONNX domain, which files may have.
fn standard(name: &str) -> Option<&'static Op> {
    OPS.binary_search_by(|op| op.name.cmp(name)).ok().map(|index| OPS[index])
}

/// What turns a node of a file with this operator into one of the table; `None` where it is in neither list.
pub fn upgrade(name: &str) -> Option<Rewriting> {
    let rewrite = || REWRITES.iter().find(|rewrite| rewrite.name == name).map(|rewrite| rewrite.upgrade);
    standard(name).map(|op| op.upgrade).or_else(rewrite)
}

/// One input of a call: its type, and its elements where they are known.
#[derive(Debug, Clone, Copy)]
pub struct Arg<'a> {
    /// Element type and dimensions.
    pub ty: &'a ValueType,
    /// The elements: always there for a kernel, and in a shape rule where the value is constant.
    pub data: Option<&'a Tensor>,
}

/// One application of an operator, as shape rules, MAC rules and kernels see it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The node's attributes.
    pub attrs: &'a Attrs,
    /// The inputs; an optional one that is absent is `None`.
    pub inputs: &'a [Option<Arg<'a>>],
    /// How many outputs are wanted.
    pub outputs: usize,
}

impl<'a> Call<'a> {
    /// An input's type.
    ///
    /// Errors: the input is absent.
    pub fn ty(&self, index: usize) -> Result<&'a ValueType, String> {
        let arg = self.inputs.get(index).copied().flatten();
        arg.map(|arg| arg.ty).ok_or_else(|| format!("input {index} is missing"))
    }

    /// An input's dimensions.
    ///
    /// Errors: the input is absent.
    pub fn shape(&self, index: usize) -> Result<&'a [usize], String> {
        Ok(&self.ty(index)?.shape)
    }

    /// Whether an input is there.
    pub fn has(&self, index: usize) -> bool {
        self.inputs.get(index).copied().flatten().is_some()
    }

    /// An input's elements.
    ///
    /// Errors: the input is absent, or (in a shape rule) not a constant.
    pub fn tensor(&self, index: usize) -> Result<&'a Tensor, String> {
        let arg = self.inputs.get(index).copied().flatten();
        let arg = arg.ok_or_else(|| format!("input {index} is missing"))?;
        arg.data.ok_or_else(|| format!("input {index} must be a constant"))
    }

    /// The integers of an input, or `None` where it is absent.
    ///
    /// Errors: it is not a constant or holds floats.
    pub fn ints(&self, index: usize) -> Result<Option<&'a [i64]>, String> {
        if self.has(index) { self.tensor(index)?.integers().map(Some) } else { Ok(None) }
    }
}

/// A gradient rule.
pub type Derive = fn(&mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error>;

/// What turns a node of a file into the newest form, or into other operators.
pub type Rewriting = fn(&mut Upgrade<'_>) -> Result<(), String>;

/// How an operator takes part in reverse mode.
#[derive(Clone, Copy)]
pub enum Vjp {
    /// The vector-Jacobian product: one cotangent per input, `None` for inputs that need none; and the operators that it
    /// emits, in alphabetical order, each of which has a rule itself or is piecewise constant.
    Rule(Derive, &'static [&'static str]),
    /// Piecewise constant: no gradient passes, and asking for one through this operator alone is an error.
    Constant,
}

/// An operator.
pub struct Op {
    /// Its name in the standard ONNX domain, or in [`DOMAIN`].
    pub name: &'static str,
    /// The versions of it that are read, by the opset that brought each; 7 also stands for older ones.
    pub opsets: &'static [i64],
    /// One line for the table of supported operators: what is supported, ties and subgradients chosen.
    pub doc: &'static str,
    /// The attributes that it knows; any other is an error.
    pub attrs: &'static [&'static str],
    /// Types of the outputs, in order; may list more than are wanted.
    pub infer: fn(&Call<'_>) -> Result<Vec<ValueType>, String>,
    /// Reference kernel in f64: as many tensors as `call.outputs`.
    pub eval: fn(&Call<'_>) -> Result<Vec<Tensor>, String>,
    /// Reverse mode.
    pub vjp: Vjp,
    /// Multiply-accumulates of one call (convolutions and dense layers, no bias).
    pub macs: fn(&Call<'_>) -> u64,
    /// Rewrites an older form into this one.
    pub upgrade: Rewriting,
    /// The cases on which the rules above are tested.
    pub cases: fn() -> Vec<Case>,
}

impl Op {
    /// Its domain: empty for the standard one, else [`DOMAIN`].
    pub fn domain(&self) -> &'static str {
        if kernels::find(self.name).is_some() { DOMAIN } else { "" }
    }
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// An operator that becomes others when a file is read.
pub struct Rewrite {
    /// Its name in the standard ONNX domain.
    pub name: &'static str,
    /// The versions of it that are read, by the opset that brought each; 7 also stands for older ones.
    pub opsets: &'static [i64],
    /// One line for the table of supported operators.
    pub doc: &'static str,
    /// The attributes that it knows; any other is an error.
    pub attrs: &'static [&'static str],
    /// Rewrites it, from any opset that has it.
    pub upgrade: Rewriting,
    /// What it means, in f64: tests hold the rewritten graph against it.
    pub eval: fn(&Call<'_>) -> Result<Vec<Tensor>, String>,
    /// The cases on which it is tested.
    pub cases: fn() -> Vec<Case>,
}

/// An upgrade for operators whose older forms since opset 7 mean the same.
pub fn unchanged(_: &mut Upgrade<'_>) -> Result<(), String> {
    Ok(())
}

/// The MAC rule of operators that have no multiply-accumulates by convention.
pub fn no_macs(_: &Call<'_>) -> u64 {
    0
}

/// The output type of operators that keep their input's type.
pub fn same_as_input(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    Ok(vec![call.ty(0)?.clone()])
}

/// Applies a scalar function to every element of the first input.
pub fn map_elements(call: &Call<'_>, f: impl Fn(f64) -> f64) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    let y = x.floats()?.iter().map(|&value| f(value)).collect();
    Ok(vec![Tensor::float(x.dtype(), x.shape(), y)])
}

/// Requires an input of a float type.
pub fn expect_float(call: &Call<'_>, index: usize) -> Result<DType, String> {
    let dtype = call.ty(index)?.dtype;
    if dtype.is_float() { Ok(dtype) } else { Err(format!("input {index} must be a float tensor, found {dtype}")) }
}
