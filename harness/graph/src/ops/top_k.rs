//! TopK. Spec: <https://onnx.ai/onnx/operators/onnx__TopK.html>. Opsets: 1, 10 (k becomes an input), 11 (largest, sorted).

use super::axes::{axis, dimension, flag};
use super::axis_map::pick;
use super::binary::expect_inputs;
use super::elements::scatter_sum;
use super::{Backward, Call, Case, CaseInput, Op, Upgrade, Vjp, no_macs};
use crate::{Attr, Attrs, DType, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "TopK",
    opsets: &[7, 10, 11, 24],
    doc: "constant k, sorted, of equal elements the first; gradient through the values, no gradient through the indices",
    attrs: &["axis", "largest", "sorted"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Cast", "ScatterElements"]),
    macs: no_macs,
    upgrade,
    cases,
};

fn the_axis(call: &Call<'_>) -> Result<usize, String> {
    axis(call.attrs.get_int("axis", -1)?, call.shape(0)?.len())
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 2)?;
    if call.outputs != 2 {
        return Err(format!("has {} outputs, values and indices are both needed", call.outputs));
    }
    if !flag(call, "sorted", true)? {
        return Err("attribute `sorted` must be 1: without it the order is open".to_owned());
    }
    let &[k] = call.ints(1)?.ok_or("input 1 is missing")? else { return Err("k must be one integer".to_owned()) };
    let (axis, dtype, mut shape) = (the_axis(call)?, call.ty(0)?.dtype, call.shape(0)?.to_vec());
    if dtype == DType::Bool {
        return Err("input 0 must hold numbers".to_owned());
    }
    if dimension(k)? > shape[axis] {
        return Err(format!("has k {k} for an axis of size {}", shape[axis]));
    }
    shape[axis] = dimension(k)?;
    Ok(vec![ValueType::new(dtype, shape.clone()), ValueType::new(DType::I64, shape)])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, axis, types) = (call.tensor(0)?, the_axis(call)?, infer(call)?);
    let (size, k) = (x.shape()[axis], types[0].shape[axis]);
    let (outer, inner): (usize, usize) = (x.shape()[..axis].iter().product(), x.shape()[axis + 1..].iter().product());
    let (values, largest) = (x.to_f64(), flag(call, "largest", true)?);
    let mut sources = vec![None; outer * k * inner];
    let mut indices = vec![0; sources.len()];
    for (before, after) in (0..outer).flat_map(|before| (0..inner).map(move |after| (before, after))) {
        let source = |at: usize| (before * size + at) * inner + after;
        for (rank, &at) in ranked(size, largest, |at| values[source(at)]).iter().take(k).enumerate() {
            let to = (before * k + rank) * inner + after;
            (sources[to], indices[to]) = (Some(source(at)), at as i64);
        }
    }
    let results = [pick(x, &types[0].shape, &sources, None), Tensor::int(DType::I64, &types[1].shape, indices)];
    Ok(results.into())
}

/// The positions by value, of equal ones the first first. NaN counts as the largest number, since sorting wants an order.
fn ranked(size: usize, largest: bool, value: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..size).collect();
    let ascending = |&a: &usize, &b: &usize| {
        let (a, b) = (value(a), value(b));
        a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    };
    order.sort_by(|a, b| if largest { ascending(b, a) } else { ascending(a, b) });
    order
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let Some(cotangent) = back.cotangents[0] else {
        return Err(back.refuse("its indices are piecewise constant"));
    };
    let indices = back.output(1);
    back.graph.mark_mask(indices);
    let (axis, shape) = (back.ask(the_axis)?, back.shape(0));
    Ok(vec![Some(scatter_sum(back, &shape, axis, indices, cotangent)?), None])
}

fn upgrade(up: &mut Upgrade<'_>) -> Result<(), String> {
    up.outputs = 2;
    if up.opset < 10 {
        let k = match up.attrs.remove("k") {
            Some(Attr::Int(k)) => k,
            _ => return Err("attribute `k` must be an integer".to_owned()),
        };
        up.set_input(1, Tensor::ints([k]), "k");
    }
    Ok(())
}

fn cases() -> Vec<Case> {
    use CaseInput::{Constant, Fed, Random};
    let case = |name, attrs, x, k| Case { outputs: 2, ..Case::new(name, attrs, vec![x, Constant(Tensor::ints([k]))]) };
    let random = |shape: &[usize]| Random(shape.to_vec(), -1.0, 1.0);
    let ties = || Fed(Tensor::f32(&[2, 4], [1.0, 2.0, 2.0, 0.0, 0.0, 0.0, -1.0, 3.0]));
    vec![
        case("the last axis", Attrs::new(), random(&[2, 5]), 2),
        case("the middle axis", Attrs::new().int("axis", 1), random(&[2, 4, 3]), 2),
        case("the smallest", Attrs::new().int("largest", 0).int("axis", 0), random(&[5, 2]), 2),
        case("all", Attrs::new(), random(&[4]), 4),
        case("ties", Attrs::new(), ties(), 2),
        case("ties, the smallest", Attrs::new().int("largest", 0), ties(), 3),
        case("integers", Attrs::new(), Fed(Tensor::ints([3, 9, 9, 4])), 3),
    ]
}

#[cfg(test)]
mod tests {
    use super::ranked;

    #[test]
    fn what_is_not_a_number_has_a_rank_too() {
        let values: Vec<f64> = (0..100).map(|i| if i % 3 == 0 { f64::NAN } else { f64::from(i * 37 % 100) }).collect();
        let order = ranked(values.len(), true, |at| values[at]);
        let numbers = order.iter().position(|&at| !values[at].is_nan()).unwrap();
        assert!(order[numbers..].windows(2).all(|pair| values[pair[0]] > values[pair[1]]), "{order:?}");
        assert_eq!(order[..numbers].len(), 34);
    }
}
