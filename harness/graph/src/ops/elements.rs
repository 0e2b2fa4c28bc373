//! GatherElements and ScatterElements, each the adjoint of the other. Specs:
//! <https://onnx.ai/onnx/operators/onnx__ScatterElements.html>, `GatherElements`. Opsets: 11, 13, 16 (reduction), 18.

use super::axes::axis;
use super::axis_map::pick;
use super::binary::{expect_inputs, same_dtype, wrapped};
use super::gather::{expect_index, position};
use super::{Backward, Call, Case, CaseInput, Op, Rewrite, Upgrade, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Data, Error, Tensor, ValueId, ValueType};

pub(super) const GATHER: Op = Op {
    name: "GatherElements",
    opsets: &[11, 13],
    doc: "one element per index",
    attrs: &["axis"],
    infer: |call| {
        expect_inputs(call, 2)?;
        check_indices(call)?;
        Ok(vec![ValueType::new(call.ty(0)?.dtype, call.shape(1)?)])
    },
    eval: |call| {
        let x = call.tensor(0)?;
        let targets: Vec<_> = targets(call)?.into_iter().map(Some).collect();
        Ok(vec![pick(x, call.shape(1)?, &targets, None)])
    },
    vjp: Vjp::Rule(gather_vjp, &["Cast", "ScatterElements"]),
    macs: no_macs,
    upgrade: unchanged,
    cases: gather_cases,
};
pub(super) const SCATTER: Op = Op {
    name: "ScatterElements",
    opsets: &[11, 13, 16, 18],
    doc: "reductions none, add, mul, min and max; gradients for none (each position written once) and add",
    attrs: &["axis", "reduction"],
    infer: scatter_infer,
    eval: |call| Ok(vec![scattered(call, &targets(call)?)?]),
    vjp: Vjp::Rule(scatter_vjp, &["GatherElements", "ScatterElements"]),
    macs: no_macs,
    upgrade: unchanged,
    cases: scatter_cases,
};

pub(super) const OLD_SCATTER: Rewrite = Rewrite {
    name: "Scatter",
    opsets: &[9],
    doc: "read as ScatterElements (opsets up to 10)",
    attrs: &["axis"],
    upgrade: from_scatter,
    eval: |call| (SCATTER.eval)(call),
    cases: || {
        let inputs = |index| {
            let indices = CaseInput::Constant(Tensor::int(DType::I64, &[2, 1], index));
            let updates = CaseInput::RandomConstant(vec![2, 1], -1.0, 1.0);
            vec![CaseInput::Random(vec![2, 3], -1.0, 1.0), indices, updates]
        };
        vec![
            Case::new("rows", Attrs::new(), inputs(vec![1, 0])),
            Case::new("columns", Attrs::new().int("axis", 1), inputs(vec![2, -1])),
        ]
    },
};

fn from_scatter(up: &mut Upgrade<'_>) -> Result<(), String> {
    up.op = SCATTER.name.to_owned();
    Ok(())
}

fn the_axis(call: &Call<'_>) -> Result<usize, String> {
    axis(call.attrs.get_int("axis", 0)?, call.shape(0)?.len())
}

fn check_indices(call: &Call<'_>) -> Result<(), String> {
    expect_index(call, 1)?;
    let (axis, shape, indices) = (the_axis(call)?, call.shape(0)?, call.shape(1)?);
    let fits = |at: usize| at == axis || indices[at] <= shape[at];
    if indices.len() != shape.len() || !(0..shape.len()).all(fits) {
        return Err(format!("indices of shape {indices:?} do not fit data of shape {shape:?} on axis {axis}"));
    }
    if let Ok(constant) = call.tensor(1) {
        constant.integers()?.iter().try_for_each(|&index| position(index, shape[axis]).map(drop))?;
    }
    Ok(())
}

/// For each index, in row-major order, the element of the data that it names.
fn targets(call: &Call<'_>) -> Result<Vec<usize>, String> {
    let (axis, shape, within) = (the_axis(call)?, call.shape(0)?, call.shape(1)?);
    let name = |(flat, &index): (usize, &i64)| {
        let index = position(index, shape[axis])?;
        let (mut rest, mut stride, mut target) = (flat, 1, 0);
        for at in (0..shape.len()).rev() {
            target += stride * if at == axis { index } else { rest % within[at] };
            rest /= within[at];
            stride *= shape[at];
        }
        Ok(target)
    };
    call.tensor(1)?.integers()?.iter().enumerate().map(name).collect()
}

/// The reduction that a scatter names.
///
/// Errors: it is not known.
pub(super) fn reduction(attrs: &Attrs) -> Result<&str, String> {
    let reduction = attrs.get_text("reduction", "none")?;
    let known = ["none", "add", "mul", "min", "max"].contains(&reduction);
    if known { Ok(reduction) } else { Err(format!("attribute `reduction`: `{reduction}` is not known")) }
}

fn scatter_infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 3)?;
    check_indices(call)?;
    same_dtype(call, 0, 2)?;
    reduction(call.attrs)?;
    if call.shape(1)? != call.shape(2)? {
        return Err(format!("indices have shape {:?}, updates {:?}", call.shape(1)?, call.shape(2)?));
    }
    Ok(vec![call.ty(0)?.clone()])
}

/// The data with each update reduced into its target.
///
/// Errors: data and updates differ in type.
pub(super) fn scattered(call: &Call<'_>, targets: &[usize]) -> Result<Tensor, String> {
    let (x, updates, reduction) = (call.tensor(0)?, call.tensor(2)?, reduction(call.attrs)?);
    Ok(match (x.data(), updates.data()) {
        (Data::Float(values), Data::Float(updates)) => {
            let mut values = values.clone();
            for (&at, &update) in targets.iter().zip(updates) {
                values[at] = match reduction {
                    "add" => values[at] + update,
                    "mul" => values[at] * update,
                    "min" => values[at].min(update),
                    "max" => values[at].max(update),
                    _ => update,
                };
            }
            Tensor::float(x.dtype(), x.shape(), values)
        }
        (Data::Int(values), Data::Int(updates)) => {
            let mut values = values.clone();
            for (&at, &update) in targets.iter().zip(updates) {
                let reduced = match reduction {
                    "add" => values[at].wrapping_add(update),
                    "mul" => values[at].wrapping_mul(update),
                    "min" => values[at].min(update),
                    "max" => values[at].max(update),
                    _ => update,
                };
                values[at] = wrapped(x.dtype(), reduced);
            }
            Tensor::int(x.dtype(), x.shape(), values)
        }
        _ => return Err("data and updates must be of one type".to_owned()),
    })
}

/// Adds a constant of zeros of the cotangent's type.
pub(super) fn zeros(back: &mut Backward<'_>, shape: &[usize]) -> ValueId {
    let dtype = back.graph.value(back.cotangent()).dtype();
    back.graph.constant("zeros", Tensor::float(dtype, shape, vec![0.0; shape.iter().product()]))
}

fn axis_attr(back: &Backward<'_>) -> Result<Attrs, Error> {
    Ok(Attrs::new().int("axis", back.ask(the_axis)? as i64))
}

/// Emits the sum of each position's updates, zero where there is none: a tensor of this shape and the updates' type.
///
/// Errors: inference refuses a node.
pub(super) fn scatter_sum(
    back: &mut Backward<'_>,
    shape: &[usize],
    axis: usize,
    indices: ValueId,
    updates: ValueId,
) -> Result<ValueId, Error> {
    let attrs = Attrs::new().int("axis", axis as i64);
    scatter_into_zeros(back, "ScatterElements", attrs, shape, indices, updates)
}

/// Emits a scatter that adds updates to zeros: a tensor of this shape and the updates' type.
///
/// Half precision is summed in float32: ONNX Runtime adds in no smaller type.
/// Errors: inference refuses a node.
pub(super) fn scatter_into_zeros(
    back: &mut Backward<'_>,
    op: &str,
    attrs: Attrs,
    shape: &[usize],
    indices: ValueId,
    updates: ValueId,
) -> Result<ValueId, Error> {
    let dtype = back.graph.value(updates).dtype();
    let wide = if matches!(dtype, DType::F16 | DType::BF16) { DType::F32 } else { dtype };
    let zeros = Tensor::float(wide, shape, vec![0.0; shape.iter().product()]);
    let zeros = back.graph.constant("zeros", zeros);
    let updates = back.graph.cast(updates, wide)?;
    let sums = back.graph.add(op, &[zeros, indices, updates], attrs.text("reduction", "add"))?;
    back.graph.cast(sums, dtype)
}

fn gather_vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    if back.wants[1] {
        return Err(back.refuse("the indices depend on the input"));
    }
    let (cotangent, indices, shape) = (back.cotangent(), back.input(1), back.shape(0));
    let axis = back.ask(the_axis)?;
    Ok(vec![Some(scatter_sum(back, &shape, axis, indices, cotangent)?), None])
}

fn scatter_vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    if back.wants[1] {
        return Err(back.refuse("the indices depend on the input"));
    }
    let reduction = back.ask(|call| Ok(reduction(call.attrs)?.to_owned()))?;
    let (cotangent, indices, attrs) = (back.cotangent(), back.input(1), axis_attr(back)?);
    let to_data = match reduction.as_str() {
        "add" => Some(cotangent),
        "none" if back.wants[0] => {
            let shape = back.shape(1);
            let zeros = zeros(back, &shape);
            Some(back.graph.add("ScatterElements", &[cotangent, indices, zeros], attrs.clone())?)
        }
        "none" => None,
        _ => return Err(back.refuse(&format!("reduction `{reduction}`"))),
    };
    let to_updates = match back.wants[2] {
        true => Some(back.graph.add("GatherElements", &[cotangent, indices], attrs)?),
        false => None,
    };
    Ok(vec![to_data, None, to_updates])
}

fn indices(shape: &[usize], data: &[i64]) -> CaseInput {
    CaseInput::Constant(Tensor::int(DType::I64, shape, data.to_vec()))
}

fn gather_cases() -> Vec<Case> {
    let case = |name, attrs, indices| Case::new(name, attrs, vec![CaseInput::Random(vec![3, 3], -1.0, 1.0), indices]);
    vec![
        case("default axis", Attrs::new(), indices(&[2, 3], &[1, 2, 0, 2, 0, 0])),
        case("a negative axis and index", Attrs::new().int("axis", -1), indices(&[2, 4], &[0, -1, 1, 1, 2, 0, 0, 0])),
    ]
}

fn scatter_cases() -> Vec<Case> {
    let case = |name, attrs, index| {
        let random = |shape| CaseInput::Random(shape, -1.0, 1.0);
        Case::new(name, attrs, vec![random(vec![3, 3]), index, random(vec![2, 2])])
    };
    let once = || indices(&[2, 2], &[0, 2, 1, -3]);
    let twice = || indices(&[2, 2], &[1, 2, 1, 2]);
    let data = CaseInput::Fed(Tensor::ints([1, 2, 3]));
    let updates = CaseInput::Fed(Tensor::ints([10, 20]));
    vec![
        case("each once", Attrs::new(), once()),
        case("each once on axis 1", Attrs::new().int("axis", 1), once()),
        case("adds", Attrs::new().text("reduction", "add"), twice()),
        case(
            "adds on a negative axis",
            Attrs::new().int("axis", -1).text("reduction", "add"),
            indices(&[2, 2], &[0, 0, 2, 2]),
        ),
        Case::new("integers", Attrs::new().text("reduction", "add"), vec![data, indices(&[2], &[1, 1]), updates]),
    ]
}
