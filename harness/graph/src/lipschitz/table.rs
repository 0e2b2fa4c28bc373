//! The rules, one line for each operator of [`OPS`](crate::ops::OPS), in its order.

use super::change::Norms;
use super::rules::{Effect, Site};
use super::{convolution, dense, gate, linear, pool, reduce, scalar};
use crate::ops::Call;

/// How an operator is bounded.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// A function of each element on its own with this Lipschitz constant.
    Constant(f64),
    /// The same, by its attributes.
    Scalar(fn(&Call<'_>) -> Result<f64, String>),
    /// Anything else: for each output its effect, or why there is none.
    Of(fn(&Site<'_>) -> Result<Vec<Effect>, String>),
    /// Why there is no bound.
    Refused(&'static str),
}

use Rule::{Constant, Of, Refused, Scalar};

const STEPS: Rule = Refused("has steps: no Lipschitz constant");
const STEEP: Rule = Refused("its slope has no bound: no Lipschitz constant");
const UNKNOWN: Rule = Refused("no rule bounds its slope");

pub(super) const RULES: &[(&str, Rule)] = &[
    ("Abs", Constant(1.0)),
    ("Acos", STEEP),
    ("Acosh", STEEP),
    ("Add", Of(linear::sum)),
    ("And", STEPS),
    ("ArgMax", STEPS),
    ("ArgMin", STEPS),
    ("Asin", STEEP),
    ("Asinh", Constant(1.0)),
    ("Atan", Constant(1.0)),
    ("Atanh", STEEP),
    ("AveragePool", Of(pool::average)),
    ("BatchNormalization", Of(linear::batch_normalization)),
    ("Cast", Of(linear::cast)),
    ("Ceil", STEPS),
    ("Celu", Scalar(scalar::celu)),
    ("Clip", Of(linear::clip)),
    ("Concat", Of(linear::join)),
    ("ConstantOfShape", STEPS),
    ("Conv", Of(convolution::conv)),
    ("ConvTranspose", Of(convolution::conv_transpose)),
    ("Cos", Constant(1.0)),
    ("Cosh", STEEP),
    ("CumSum", Of(reduce::cumulative)),
    ("DepthToSpace", Of(linear::copies)),
    ("DequantizeLinear", STEPS),
    ("Div", Of(linear::quotient)),
    ("Dropout", Of(linear::dropout)),
    ("Einsum", UNKNOWN),
    ("Elu", Scalar(scalar::elu)),
    ("Equal", STEPS),
    ("Erf", Scalar(scalar::erf)),
    ("Exp", STEEP),
    ("Expand", Of(linear::copies)),
    ("EyeLike", STEPS),
    ("Flatten", Constant(1.0)),
    ("Floor", STEPS),
    ("Gather", Of(linear::copies)),
    ("GatherElements", Of(linear::copies)),
    ("GatherND", Of(linear::copies)),
    ("Gelu", Scalar(scalar::gelu)),
    ("Gemm", Of(dense::gemm)),
    ("GlobalAveragePool", Of(reduce::mean)),
    ("GlobalMaxPool", Of(reduce::largest)),
    ("Greater", STEPS),
    ("GreaterOrEqual", STEPS),
    ("HardSigmoid", Scalar(scalar::hard_sigmoid)),
    ("Identity", Constant(1.0)),
    ("InstanceNormalization", Of(reduce::instance_normalization)),
    ("IsInf", STEPS),
    ("IsNaN", STEPS),
    ("LRN", UNKNOWN),
    ("LayerNormalization", Of(reduce::layer_normalization)),
    ("LeakyRelu", Scalar(scalar::leaky_relu)),
    ("Less", STEPS),
    ("LessOrEqual", STEPS),
    ("Log", STEEP),
    ("LogSoftmax", Of(reduce::log_softmax)),
    ("MatMul", Of(dense::matmul)),
    ("Max", Of(linear::join)),
    ("MaxPool", Of(pool::max)),
    ("Mean", Of(linear::mean)),
    ("Min", Of(linear::join)),
    ("Mod", STEPS),
    ("Mul", Of(gate::product)),
    ("Neg", Constant(1.0)),
    ("NonZero", STEPS),
    ("Not", STEPS),
    ("OneHot", STEPS),
    ("Or", STEPS),
    ("PRelu", Of(linear::prelu)),
    ("Pad", Of(linear::copies)),
    ("Pow", STEEP),
    ("QuantizeLinear", STEPS),
    ("Range", STEPS),
    ("Reciprocal", STEEP),
    ("ReduceL1", Of(reduce::sum)),
    ("ReduceL2", Of(reduce::euclidean)),
    ("ReduceLogSum", STEEP),
    ("ReduceLogSumExp", Of(reduce::largest)),
    ("ReduceMax", Of(reduce::largest)),
    ("ReduceMean", Of(reduce::mean)),
    ("ReduceMin", Of(reduce::largest)),
    ("ReduceProd", STEEP),
    ("ReduceSum", Of(reduce::sum)),
    ("ReduceSumSquare", STEEP),
    ("Relu", Constant(1.0)),
    ("Reshape", Constant(1.0)),
    ("Resize", Of(linear::resize)),
    ("Round", STEPS),
    ("ScatterElements", UNKNOWN),
    ("ScatterND", UNKNOWN),
    ("Selu", Scalar(scalar::selu)),
    ("Shape", STEPS),
    ("Sigmoid", Constant(0.25)),
    ("Sign", STEPS),
    ("Sin", Constant(1.0)),
    ("Sinh", STEEP),
    ("Size", STEPS),
    ("Slice", Of(linear::copies)),
    // The Jacobian diag(p) - p pᵀ has rows whose absolute values sum to 2 p (1 - p), and is symmetric.
    ("Softmax", Constant(0.5)),
    ("Softplus", Constant(1.0)),
    ("Softsign", Constant(1.0)),
    ("SpaceToDepth", Of(linear::copies)),
    ("Split", Of(linear::copies)),
    ("Sqrt", STEEP),
    ("Squeeze", Constant(1.0)),
    ("Sub", Of(linear::sum)),
    ("Sum", Of(linear::sum)),
    ("Tan", STEEP),
    ("Tanh", Constant(1.0)),
    ("ThresholdedRelu", Scalar(scalar::thresholded_relu)),
    ("Tile", Of(linear::copies)),
    ("TopK", Of(linear::top_k)),
    ("Transpose", Constant(1.0)),
    ("Trilu", Of(linear::copies)),
    ("Unsqueeze", Constant(1.0)),
    ("Where", Of(linear::choice)),
    ("Xor", STEPS),
];

/// The effect on each output of a node.
///
/// Errors: why there is none.
pub(super) fn effects(site: &Site<'_>) -> Result<Vec<Effect>, String> {
    let name = site.node.op().name;
    let rule = RULES.iter().find(|(op, _)| *op == name).map_or(UNKNOWN, |(_, rule)| *rule);
    let constant = match rule {
        Refused(reason) => return Err(reason.to_owned()),
        Of(rule) => return rule(site),
        Constant(constant) => constant,
        Scalar(rule) => rule(&site.call)?,
    };
    site.only_first()?;
    Ok(vec![Effect::first(Norms::same(constant))])
}
