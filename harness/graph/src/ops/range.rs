//! Range. Spec: <https://onnx.ai/onnx/operators/onnx__Range.html>. Opset: 11.

use super::axes::bounded;
use super::binary::{expect_inputs, same_dtype};
use super::{Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Data, Tensor, ValueType};

pub(super) const OP: Op = Op {
    name: "Range",
    opsets: &[11],
    doc: "start, limit and delta must be constant, so that the result is",
    attrs: &[],
    infer: |call| {
        expect_inputs(call, 3)?;
        (1..3).try_for_each(|index| same_dtype(call, 0, index).map(drop))?;
        if call.ty(0)?.dtype == DType::Bool {
            return Err("has no meaning for booleans".to_owned());
        }
        Ok(vec![ValueType::new(call.ty(0)?.dtype, [len(call)?])])
    },
    eval: |call| {
        let (len, start) = (len(call)?, call.tensor(0)?);
        let dtype = start.dtype();
        Ok(vec![match (start.data(), call.tensor(2)?.data()) {
            (Data::Float(start), Data::Float(delta)) => {
                Tensor::float(dtype, &[len], (0..len).map(|at| start[0] + at as f64 * delta[0]).collect())
            }
            (Data::Int(start), Data::Int(delta)) => {
                // Every element lies between start and limit, its distance to start may not fit.
                let element = |at: i64| start[0].wrapping_add(at.wrapping_mul(delta[0]));
                Tensor::int(dtype, &[len], (0..len as i64).map(element).collect())
            }
            _ => return Err("start and delta must be of one type".to_owned()),
        }])
    },
    vjp: Vjp::Constant,
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn len(call: &Call<'_>) -> Result<usize, String> {
    let scalar = |index| {
        let tensor = call.tensor(index)?;
        if tensor.len() == 1 { Ok(tensor) } else { Err(format!("input {index} must be one number")) }
    };
    let (start, limit, delta) = (scalar(0)?, scalar(1)?, scalar(2)?);
    let count = match (start.data(), limit.data(), delta.data()) {
        (Data::Float(start), Data::Float(limit), Data::Float(delta)) => ((limit[0] - start[0]) / delta[0]).ceil(),
        (Data::Int(start), Data::Int(limit), Data::Int(delta)) if delta[0] != 0 => {
            let (span, step) = (i128::from(limit[0]) - i128::from(start[0]), i128::from(delta[0]));
            (span / step + i128::from(span % step != 0 && (span > 0) == (step > 0))) as f64
        }
        _ => f64::NAN,
    };
    if !count.is_finite() {
        return Err("delta must be a number other than 0 of the type of start and limit".to_owned());
    }
    Ok(bounded(vec![count as usize])?[0])
}

fn cases() -> Vec<Case> {
    let constant = |tensor| CaseInput::Constant(tensor);
    let case = |name, dtype, numbers: [i64; 3]| {
        let inputs = numbers.map(|number| constant(Tensor::int(dtype, &[], vec![number])));
        Case::new(name, Attrs::new(), inputs.to_vec())
    };
    let floats = [1.0, 2.2, 0.5].map(|number| constant(Tensor::scalar(number)));
    vec![
        case("up", DType::I64, [2, 9, 3]),
        case("down", DType::I64, [5, -2, -2]),
        case("exactly to the limit", DType::I32, [0, 4, 2]),
        case("nothing", DType::I64, [3, 3, 1]),
        case("away from the limit", DType::I32, [3, 5, -1]),
        Case::new("floats", Attrs::new(), floats.to_vec()),
    ]
}
