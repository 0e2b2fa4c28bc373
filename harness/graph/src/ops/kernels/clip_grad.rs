//! ClipGrad: the gradient of clipping, and of ReLU.
//!
//! Inputs `dy` and `y`, the clipped value, of one shape; attributes `low` and `high`, infinite where they are absent; output
//! `dx`: `dy` where `low < y < high`, else zero. Only lowering writes it.

use super::zeros_like;
use crate::ops::{Backward, Call, Case, CaseInput, Op, Vjp, expect_float, no_macs, unchanged};
use crate::{Attrs, DType, Error, Graph, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "ClipGrad",
    opsets: &[1],
    doc: "the gradient of Clip and Relu, zero at the bounds",
    attrs: &["high", "low"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["ClipGrad"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

/// The bounds, infinite where they are absent.
pub(super) fn bounds(attrs: &Attrs) -> Result<(f64, f64), String> {
    let (low, high) = (attrs.get_float("low", f32::NEG_INFINITY)?, attrs.get_float("high", f32::INFINITY)?);
    if low <= high { Ok((low.into(), high.into())) } else { Err(format!("the bounds are {low} and {high}")) }
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_float(call, 0)?;
    bounds(call.attrs)?;
    if call.inputs.len() != 2 || call.ty(0)? != call.ty(1)? {
        return Err("takes dy and y of one type".to_owned());
    }
    Ok(vec![call.ty(0)?.clone()])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (dy, y) = (call.tensor(0)?.floats()?, call.tensor(1)?.floats()?);
    let (low, high) = bounds(call.attrs)?;
    let dx = dy.iter().zip(y).map(|(&dy, &y)| if low < y && y < high { dy } else { 0.0 });
    Ok(vec![Tensor::float(call.ty(0)?.dtype, call.shape(0)?, dx.collect())])
}

pub(super) fn expand(graph: &mut Graph, attrs: &Attrs, inputs: &[ValueId]) -> Result<Vec<ValueId>, Error> {
    let dtype = graph.value(inputs[0]).dtype();
    let Some(mask) = mask(graph, attrs, inputs[1], dtype)? else { return Ok(vec![inputs[0]]) };
    Ok(vec![graph.add("Mul", &[inputs[0], mask], Attrs::new())?])
}

/// 1 where a value lies between the bounds, else 0; `None` without bounds.
fn mask(graph: &mut Graph, attrs: &Attrs, y: ValueId, dtype: DType) -> Result<Option<ValueId>, Error> {
    let (low, high) = bounds(attrs).expect("shape inference has read them");
    let mut inside = None;
    for (test, bound) in [("Greater", low), ("Less", high)] {
        if bound.is_finite() {
            let bound = graph.scalar(dtype, bound);
            let within = graph.add(test, &[y, bound], Attrs::new())?;
            inside = Some(match inside {
                Some(inside) => graph.add("And", &[inside, within], Attrs::new())?,
                None => within,
            });
        }
    }
    let Some(inside) = inside else { return Ok(None) };
    let mask = graph.cast(inside, dtype)?;
    graph.mark_mask(mask);
    Ok(Some(mask))
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (y, cotangent, attrs) = (back.input(1), back.cotangent(), back.node.attrs().clone());
    let mut results = vec![None; 2];
    if back.wants[0] {
        results[0] = Some(back.graph.add("ClipGrad", &[cotangent, y], attrs)?);
    }
    if back.wants[1] {
        // It only chooses.
        results[1] = Some(zeros_like(back.graph, y));
    }
    Ok(results)
}

fn cases() -> Vec<Case> {
    let case = |name, attrs| {
        let random = |low, high| CaseInput::Random(vec![2, 3, 4], low, high);
        Case::new(name, attrs, vec![random(-1.0, 1.0), random(-1.0, 8.0)])
    };
    let none = Attrs::new;
    vec![
        case("ReLU", none().float("low", 0.0)),
        case("ReLU6", none().float("low", 0.0).float("high", 6.0)),
        case("an upper bound", none().float("high", 2.5)),
        case("no bounds", none()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_pass_nothing_and_must_be_in_order() {
        let mut graph = Graph::new("test");
        let [dy, y] = [1.0, 0.0].map(|first| graph.constant("c", Tensor::f32(&[3], [first, 0.5, 6.0])));
        let attrs = |low, high| Attrs::new().float("low", low).float("high", high);
        let dx = graph.add("ClipGrad", &[dy, y], attrs(0.0, 6.0)).unwrap();
        assert_eq!(graph.value(dx).data().unwrap().to_f64(), [0.0, 0.5, 0.0]);
        assert!(graph.add("ClipGrad", &[dy, y], attrs(1.0, 0.0)).is_err());
    }
}
