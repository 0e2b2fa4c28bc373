//! MatMul. Spec: <https://onnx.ai/onnx/operators/onnx__MatMul.html>. Opsets: 1, 9, 13.

use super::broadcast::{broadcast, unbroadcast};
use super::product::add_product;
use super::reshape::reshape_to;
use super::{Backward, Call, Case, CaseInput, Op, Vjp, expect_float, unchanged};
use crate::{Attrs, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "MatMul",
    opsets: &[7, 9, 13],
    doc: "numpy's rule: batches broadcast, vectors on either side; gradient to both factors",
    attrs: &[],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["MatMul", "ReduceSum", "Reshape", "Transpose"]),
    macs,
    upgrade: unchanged,
    cases,
};

/// The resolved sizes: `[…a_batch, m, k]` times `[…b_batch, k, n]`.
struct MatMul {
    /// The factors' shapes with vectors made matrices.
    a: Vec<usize>,
    b: Vec<usize>,
    m: usize,
    k: usize,
    n: usize,
    batch: Vec<usize>,
    /// The shape of the result, without the axes that were added to vectors.
    output: Vec<usize>,
}

impl MatMul {
    fn read(a: &[usize], b: &[usize]) -> Result<Self, String> {
        if a.is_empty() || b.is_empty() {
            return Err("a factor is a scalar".to_owned());
        }
        let left = if a.len() == 1 { vec![1, a[0]] } else { a.to_vec() };
        let right = if b.len() == 1 { vec![b[0], 1] } else { b.to_vec() };
        let (a_batch, &[m, k]) = left.split_at(left.len() - 2) else { unreachable!("both are matrices") };
        let (b_batch, &[rows, n]) = right.split_at(right.len() - 2) else { unreachable!("both are matrices") };
        if k != rows {
            return Err(format!("{a:?} and {b:?} cannot be multiplied"));
        }
        let batch = broadcast(a_batch, b_batch)?;
        let mut output = batch.clone();
        output.extend((a.len() > 1).then_some(m));
        output.extend((b.len() > 1).then_some(n));
        Ok(Self { m, k, n, batch, output, a: left, b: right })
    }

    fn of(call: &Call<'_>) -> Result<Self, String> {
        Self::read(call.shape(0)?, call.shape(1)?)
    }

    /// The result's shape with the axes that were added to vectors.
    fn full(&self) -> Vec<usize> {
        self.batch.iter().copied().chain([self.m, self.n]).collect()
    }
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    let dtype = expect_float(call, 0)?;
    if call.ty(1)?.dtype != dtype {
        return Err(format!("the factors are {dtype} and {}", call.ty(1)?.dtype));
    }
    Ok(vec![ValueType::new(dtype, MatMul::of(call)?.output)])
}

fn macs(call: &Call<'_>) -> u64 {
    MatMul::of(call).map_or(0, |sizes| (sizes.full().iter().product::<usize>() * sizes.k) as u64)
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let sizes = MatMul::of(call)?;
    let (m, k, n) = (sizes.m, sizes.k, sizes.n);
    let (a, b) = (call.tensor(0)?.floats()?, call.tensor(1)?.floats()?);
    let mut y = vec![0.0; sizes.full().iter().product()];
    if sizes.b.len() == 2 {
        add_product(a.len().checked_div(k).unwrap_or(0), k, n, a, b, &mut y);
    } else {
        let starts = matrices(&sizes.a, &sizes.batch).into_iter().zip(matrices(&sizes.b, &sizes.batch));
        for (index, (a_at, b_at)) in starts.enumerate() {
            add_product(m, k, n, &a[a_at * m * k..], &b[b_at * k * n..], &mut y[index * m * n..][..m * n]);
        }
    }
    Ok(vec![Tensor::float(call.tensor(0)?.dtype(), &sizes.output, y)])
}

/// Which of a factor's matrices each matrix of the result takes.
fn matrices(factor: &[usize], batch: &[usize]) -> Vec<usize> {
    let own = &factor[..factor.len() - 2];
    let skipped = batch.len() - own.len();
    (0..batch.iter().product())
        .map(|index: usize| {
            let (mut rest, mut at, mut step) = (index, 0, 1);
            for (axis, &size) in batch.iter().enumerate().rev() {
                if axis >= skipped {
                    let own = own[axis - skipped];
                    at += if own == 1 { 0 } else { rest % size * step };
                    step *= own;
                }
                rest /= size;
            }
            at
        })
        .collect()
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (a_shape, b_shape) = (back.shape(0), back.shape(1));
    let sizes = MatMul::read(&a_shape, &b_shape).expect("shape inference has read the same shapes");
    let cotangent = back.cotangent();
    let cotangent = reshape_to(back, cotangent, &sizes.full())?;
    let mut result = vec![None, None];
    if back.wants[0] {
        let right = transposed_factor(back, 1, &sizes.b)?;
        let product = back.emit("MatMul", &[cotangent, right])?;
        let product = unbroadcast(back, product, &sizes.a)?;
        result[0] = Some(reshape_to(back, product, &a_shape)?);
    }
    if back.wants[1] {
        let left = transposed_factor(back, 0, &sizes.a)?;
        let product = back.emit("MatMul", &[left, cotangent])?;
        let product = unbroadcast(back, product, &sizes.b)?;
        result[1] = Some(reshape_to(back, product, &b_shape)?);
    }
    Ok(result)
}

fn transposed_factor(back: &mut Backward<'_>, index: usize, shape: &[usize]) -> Result<ValueId, Error> {
    let factor = back.input(index);
    let factor = reshape_to(back, factor, shape)?;
    let rank = shape.len() as i64;
    back.graph.add("Transpose", &[factor], Attrs::new().ints("perm", (0..rank - 2).chain([rank - 1, rank - 2])))
}

fn cases() -> Vec<Case> {
    let x = |shape: &[usize]| CaseInput::Random(shape.to_vec(), -1.0, 1.0);
    let case = |name, a: &[usize], b: &[usize]| Case::new(name, Attrs::new(), vec![x(a), x(b)]);
    vec![
        case("matrices", &[3, 5], &[5, 4]).macs(60),
        case("a batch of rows", &[2, 3, 5], &[5, 4]).macs(120),
        case("batches", &[2, 3, 5], &[2, 5, 4]).macs(120),
        case("batches that broadcast", &[2, 1, 3, 5], &[3, 5, 4]).macs(360),
        case("a matrix times batches", &[3, 5], &[2, 5, 4]).macs(120),
        case("attention scores", &[2, 2, 3, 4], &[2, 2, 4, 3]).macs(2 * 2 * 3 * 4 * 3),
        case("both sides stretch", &[2, 1, 3, 5], &[1, 3, 5, 2]).macs(2 * 3 * 3 * 5 * 2),
        case("one key for all heads", &[2, 3, 2, 4], &[2, 1, 4, 2]).macs(2 * 3 * 2 * 4 * 2),
        case("vector times matrix", &[5], &[5, 4]).macs(20),
        case("matrix times vector", &[3, 5], &[5]).macs(15),
        case("vector times vector", &[5], &[5]).macs(5),
        case("vector times batches", &[5], &[2, 5, 4]).macs(40),
        case("batches times vector", &[2, 3, 5], &[5]).macs(30),
        Case::new("dense layer", Attrs::new(), vec![x(&[3, 5]), CaseInput::RandomConstant(vec![5, 4], -1.0, 1.0)])
            .macs(60),
    ]
}
