//! Gemm. Spec: <https://onnx.ai/onnx/operators/onnx__Gemm.html>. Opsets: 7, 9, 11, 13.

use super::broadcast::unbroadcast;
use super::product::{add_product, transposed};
use super::{Backward, Call, Case, CaseInput, Op, Vjp, expect_float, unchanged};
use crate::{Attrs, Error, Tensor, ValueId, ValueType};
use std::borrow::Cow;

pub(super) const OP: Op = Op {
    name: "Gemm",
    opsets: &[7, 9, 11, 13],
    doc: "alpha, beta, transposition of both factors, optional broadcast C; gradient to A, B and C",
    attrs: &["alpha", "beta", "transA", "transB"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Gemm", "Mul", "ReduceSum", "Reshape"]),
    macs,
    upgrade: unchanged,
    cases,
};

/// `Y = alpha · A' B' + beta · C` with `A'` `[m, k]` and `B'` `[k, n]`.
struct Gemm {
    m: usize,
    k: usize,
    n: usize,
    alpha: f32,
    beta: f32,
    trans_a: bool,
    trans_b: bool,
}

impl Gemm {
    fn read(attrs: &Attrs, a: &[usize], b: &[usize]) -> Result<Self, String> {
        let (&[a0, a1], &[b0, b1]) = (a, b) else {
            return Err(format!("both factors must be matrices, found {a:?} and {b:?}"));
        };
        let (trans_a, trans_b) = (attrs.get_int("transA", 0)? != 0, attrs.get_int("transB", 0)? != 0);
        let (m, k) = if trans_a { (a1, a0) } else { (a0, a1) };
        let (rows, n) = if trans_b { (b1, b0) } else { (b0, b1) };
        if k != rows {
            return Err(format!("{a:?} and {b:?} cannot be multiplied with transA {trans_a}, transB {trans_b}"));
        }
        let (alpha, beta) = (attrs.get_float("alpha", 1.0)?, attrs.get_float("beta", 1.0)?);
        Ok(Self { m, k, n, alpha, beta, trans_a, trans_b })
    }

    fn of(call: &Call<'_>) -> Result<Self, String> {
        Self::read(call.attrs, call.shape(0)?, call.shape(1)?)
    }
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    let dtype = expect_float(call, 0)?;
    let gemm = Gemm::of(call)?;
    if call.ty(1)?.dtype != dtype || call.has(2) && call.ty(2)?.dtype != dtype {
        return Err("all inputs must have the same type".to_owned());
    }
    if call.has(2) {
        steps(call.shape(2)?, gemm.m, gemm.n)?;
    }
    Ok(vec![ValueType::new(dtype, [gemm.m, gemm.n])])
}

/// The distances in C between rows and between columns of the result; 0 along a broadcast axis.
fn steps(c: &[usize], m: usize, n: usize) -> Result<(usize, usize), String> {
    let (rows, columns) = match *c {
        [] => (1, 1),
        [columns] => (1, columns),
        [rows, columns] => (rows, columns),
        _ => (usize::MAX, usize::MAX),
    };
    if (rows != 1 && rows != m) || (columns != 1 && columns != n) {
        return Err(format!("C {c:?} cannot be broadcast to [{m}, {n}]"));
    }
    Ok((if rows == 1 { 0 } else { columns }, usize::from(columns != 1)))
}

fn macs(call: &Call<'_>) -> u64 {
    Gemm::of(call).map_or(0, |gemm| (gemm.m * gemm.k * gemm.n) as u64)
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let gemm = Gemm::of(call)?;
    let (m, k, n) = (gemm.m, gemm.k, gemm.n);
    let (a, b) = (call.tensor(0)?.floats()?, call.tensor(1)?.floats()?);
    let a = if gemm.trans_a { Cow::Owned(transposed(k, m, a)) } else { Cow::Borrowed(a) };
    let b = if gemm.trans_b { Cow::Owned(transposed(n, k, b)) } else { Cow::Borrowed(b) };
    let mut y = vec![0.0; m * n];
    add_product(m, k, n, &a, &b, &mut y);
    let (alpha, beta) = (f64::from(gemm.alpha), f64::from(gemm.beta));
    y.iter_mut().for_each(|y| *y *= alpha);
    if call.has(2) {
        let c = call.tensor(2)?;
        let (row, column) = steps(c.shape(), m, n)?;
        let c = c.floats()?;
        y.iter_mut().enumerate().for_each(|(i, y)| *y += beta * c[i / n * row + i % n * column]);
    }
    Ok(vec![Tensor::float(call.tensor(0)?.dtype(), &[m, n], y)])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let gemm = Gemm::read(back.node.attrs(), &back.shape(0), &back.shape(1))
        .expect("shape inference has read the same attributes");
    let (a, b, cotangent) = (back.input(0), back.input(1), back.cotangent());
    let (trans_a, trans_b) = (gemm.trans_a, gemm.trans_b);
    let mut product = |left: ValueId, trans_left: bool, right: ValueId, trans_right: bool| {
        let attrs = Attrs::new().float("alpha", gemm.alpha);
        let attrs = attrs.int("transA", trans_left.into()).int("transB", trans_right.into());
        back.graph.add("Gemm", &[left, right], attrs)
    };
    let mut result = vec![None, None, None];
    if back.wants[0] {
        result[0] =
            Some(if trans_a { product(b, trans_b, cotangent, true)? } else { product(cotangent, false, b, !trans_b)? });
    }
    if back.wants[1] {
        result[1] =
            Some(if trans_b { product(cotangent, true, a, trans_a)? } else { product(a, !trans_a, cotangent, false)? });
    }
    if back.wants.get(2) == Some(&true) {
        result[2] = Some(bias_cotangent(back, gemm.beta)?);
    }
    Ok(result)
}

fn bias_cotangent(back: &mut Backward<'_>, beta: f32) -> Result<ValueId, Error> {
    let beta = back.scalar(beta.into());
    let cotangent = back.cotangent();
    let scaled = back.emit("Mul", &[cotangent, beta])?;
    let shape = back.shape(2);
    unbroadcast(back, scaled, &shape)
}

fn cases() -> Vec<Case> {
    let x = |shape: &[usize]| CaseInput::Random(shape.to_vec(), -1.0, 1.0);
    let w = |shape: &[usize]| CaseInput::RandomConstant(shape.to_vec(), -1.0, 1.0);
    let attrs = |trans_a, trans_b| Attrs::new().float("alpha", 0.5).int("transA", trans_a).int("transB", trans_b);
    vec![
        Case::new("plain", Attrs::new(), vec![x(&[3, 5]), x(&[5, 4])]).macs(60),
        Case::new("dense layer", Attrs::new().int("transB", 1), vec![x(&[3, 5]), w(&[4, 5]), w(&[4])]).macs(60),
        Case::new("transA", attrs(1, 0), vec![x(&[5, 3]), x(&[5, 4]), x(&[])]).macs(60),
        Case::new("transB", attrs(0, 1), vec![x(&[3, 5]), x(&[4, 5]), x(&[1, 4])]).macs(60),
        Case::new("both, beta", attrs(1, 1).float("beta", -2.0), vec![x(&[5, 3]), x(&[4, 5]), x(&[3, 1])]).macs(60),
        Case::new("whole C", Attrs::new(), vec![x(&[3, 5]), x(&[5, 4]), x(&[3, 4])]).macs(60),
        Case::new("C of one element", Attrs::new(), vec![x(&[3, 5]), w(&[5, 4]), x(&[1])]).macs(60),
        Case::new("absent C", Attrs::new(), vec![x(&[3, 5]), w(&[5, 4]), CaseInput::Absent]).macs(60),
    ]
}
