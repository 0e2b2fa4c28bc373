//! GatherND and ScatterND, each the adjoint of the other. Specs: <https://onnx.ai/onnx/operators/onnx__GatherND.html>,
//! `ScatterND`. Opsets: 11, 12 (batch_dims), 13, 16 (reduction), 18.

use super::axes::bounded;
use super::axis_map::pick;
use super::binary::{expect_inputs, same_dtype};
use super::elements::{reduction, scatter_into_zeros, scattered, zeros};
use super::gather::position;
use super::{Backward, Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Error, Tensor, ValueId, ValueType};

pub(super) const GATHER: Op = Op {
    name: "GatherND",
    opsets: &[11, 12, 13],
    doc: "one slice per index, any batch_dims",
    attrs: &["batch_dims"],
    infer: |call| {
        expect_inputs(call, 2)?;
        Ok(vec![ValueType::new(call.ty(0)?.dtype, bounded(Slices::gathered(call)?.output(call)?)?)])
    },
    eval: |call| {
        let slices = Slices::gathered(call)?;
        let sources: Vec<_> = slices.positions(call)?.into_iter().map(Some).collect();
        Ok(vec![pick(call.tensor(0)?, &slices.output(call)?, &sources, None)])
    },
    vjp: Vjp::Rule(gather_vjp, &["Cast", "Concat", "ScatterND"]),
    macs: no_macs,
    upgrade: unchanged,
    cases: gather_cases,
};
pub(super) const SCATTER: Op = Op {
    name: "ScatterND",
    opsets: &[11, 13, 16, 18],
    doc: "reductions none, add, mul, min and max; gradients for none (each position written once) and add",
    attrs: &["reduction"],
    infer: |call| {
        expect_inputs(call, 3)?;
        same_dtype(call, 0, 2)?;
        reduction(call.attrs)?;
        let wanted = Slices::scattered(call)?.output(call)?;
        if call.shape(2)? != wanted {
            return Err(format!("the updates must have shape {wanted:?}, found {:?}", call.shape(2)?));
        }
        Ok(vec![call.ty(0)?.clone()])
    },
    eval: |call| Ok(vec![scattered(call, &Slices::scattered(call)?.positions(call)?)?]),
    vjp: Vjp::Rule(scatter_vjp, &["GatherND", "ScatterND"]),
    macs: no_macs,
    upgrade: unchanged,
    cases: scatter_cases,
};

/// What the indices name: slices of the data behind its first `batch + depth` axes.
struct Slices {
    /// Leading axes that data and indices share.
    batch: usize,
    /// Axes that an index picks from.
    depth: usize,
}

impl Slices {
    fn gathered(call: &Call<'_>) -> Result<Self, String> {
        let batch = call.attrs.get_int("batch_dims", 0)?;
        let axes = call.shape(0)?.len().min(call.shape(1)?.len());
        let batch = usize::try_from(batch).ok().filter(|&batch| batch < axes);
        Self::read(call, batch.ok_or_else(|| format!("attribute `batch_dims` must be 0 to {axes}, exclusive"))?)
    }

    fn scattered(call: &Call<'_>) -> Result<Self, String> {
        Self::read(call, 0)
    }

    fn read(call: &Call<'_>, batch: usize) -> Result<Self, String> {
        let (ty, data) = (call.ty(1)?, call.shape(0)?);
        if ty.dtype != DType::I64 {
            return Err(format!("input 1 must be int64, found {}", ty.dtype));
        }
        let depth = *ty.shape.last().ok_or("the indices must have at least one axis")?;
        let fits = depth > 0 && batch + depth <= data.len();
        if !fits || ty.shape.len() <= batch || data[..batch] != ty.shape[..batch] {
            return Err(format!("indices {:?} do not fit data {data:?} behind {batch} batch axes", ty.shape));
        }
        let slices = Self { batch, depth };
        if call.tensor(1).is_ok() {
            slices.bases(call)?;
        }
        Ok(slices)
    }

    /// The shape of all slices together.
    fn output(&self, call: &Call<'_>) -> Result<Vec<usize>, String> {
        let indices = call.shape(1)?;
        Ok([&indices[..indices.len() - 1], &call.shape(0)?[self.batch + self.depth..]].concat())
    }

    /// The number of each slice, counted through the data.
    fn bases(&self, call: &Call<'_>) -> Result<Vec<usize>, String> {
        let (data, indices) = (call.shape(0)?, call.tensor(1)?.integers()?);
        let batches: usize = data[..self.batch].iter().product();
        let per_batch = (indices.len() / self.depth).checked_div(batches).unwrap_or(0);
        let picked = &data[self.batch..][..self.depth];
        let base = |(at, index): (usize, &[i64])| {
            let step = |base, (&index, &size): (&i64, &usize)| Ok(base * size + position(index, size)?);
            index.iter().zip(picked).try_fold(at / per_batch, step)
        };
        indices.chunks(self.depth).enumerate().map(base).collect()
    }

    /// For each element of the slices, in row-major order, the element of the data.
    fn positions(&self, call: &Call<'_>) -> Result<Vec<usize>, String> {
        let inner: usize = call.shape(0)?[self.batch + self.depth..].iter().product();
        Ok(self.bases(call)?.into_iter().flat_map(|base| base * inner..(base + 1) * inner).collect())
    }
}

fn constant_indices(back: &Backward<'_>) -> Result<(), Error> {
    if back.wants[1] { Err(back.refuse("the indices depend on the input")) } else { Ok(()) }
}

fn gather_vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    constant_indices(back)?;
    let batch = back.ask(Slices::gathered)?.batch;
    let (cotangent, mut indices, shape) = (back.cotangent(), back.input(1), back.shape(0));
    if batch > 0 {
        // A scatter has no batch axes: their numbers stand in front of every index.
        let mut numbers = back.shape(1);
        *numbers.last_mut().expect("shape inference has checked the indices") = batch;
        let numbers = back.graph.constant("batch", own_positions(&numbers));
        indices = back.graph.add("Concat", &[numbers, indices], Attrs::new().int("axis", -1))?;
    }
    Ok(vec![Some(scatter_into_zeros(back, "ScatterND", Attrs::new(), &shape, indices, cotangent)?), None])
}

/// A tensor of this shape: at `[i, j, …, axis]` the coordinate on that axis.
fn own_positions(shape: &[usize]) -> Tensor {
    let (&axes, outer) = shape.split_last().expect("there are at least two axes");
    let count: usize = outer.iter().product();
    let coordinate = |flat: usize, axis: usize| {
        let inner: usize = outer[axis + 1..].iter().product();
        (flat / inner % outer[axis]) as i64
    };
    let data = (0..count).flat_map(|flat| (0..axes).map(move |axis| coordinate(flat, axis)));
    Tensor::int(DType::I64, shape, data.collect())
}

fn scatter_vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    constant_indices(back)?;
    let reduction = back.ask(|call| Ok(reduction(call.attrs)?.to_owned()))?;
    let (cotangent, indices) = (back.cotangent(), back.input(1));
    let to_data = match reduction.as_str() {
        "add" => Some(cotangent),
        "none" if back.wants[0] => {
            let shape = back.shape(2);
            let zeros = zeros(back, &shape);
            Some(back.emit("ScatterND", &[cotangent, indices, zeros])?)
        }
        "none" => None,
        _ => return Err(back.refuse(&format!("reduction `{reduction}`"))),
    };
    let to_updates = match back.wants[2] {
        true => Some(back.emit("GatherND", &[cotangent, indices])?),
        false => None,
    };
    Ok(vec![to_data, None, to_updates])
}

fn indices(shape: &[usize], data: &[i64]) -> Tensor {
    Tensor::int(DType::I64, shape, data.to_vec())
}

fn gather_cases() -> Vec<Case> {
    use CaseInput::{Constant, Fed, Random};
    let case = |name, batch, shape: &[usize], index: CaseInput| {
        let attrs = if batch > 0 { Attrs::new().int("batch_dims", batch) } else { Attrs::new() };
        Case::new(name, attrs, vec![Random(shape.to_vec(), -1.0, 1.0), index])
    };
    vec![
        case("elements", 0, &[3, 2], Constant(indices(&[2, 2], &[0, 1, 2, -1]))),
        case("slices, one twice", 0, &[3, 2, 2], Constant(indices(&[3, 1], &[2, 0, 2]))),
        case("one element", 0, &[3, 2], Constant(indices(&[2], &[1, 1]))),
        case("a matrix of slices", 0, &[3, 2, 2], Constant(indices(&[2, 1, 2], &[0, 0, 2, 1]))),
        case("indices that are fed", 0, &[3, 2], Fed(indices(&[2, 1], &[2, 2]))),
        case("a batch", 1, &[2, 3, 2], Constant(indices(&[2, 1], &[2, 0]))),
        case("a batch of several, fed", 1, &[2, 3, 2], Fed(indices(&[2, 3, 1], &[2, 0, 2, 1, 1, 0]))),
        case("two batch axes", 2, &[2, 2, 3], Constant(indices(&[2, 2, 1], &[2, 0, 1, -1]))),
        Case::new("integers", Attrs::new(), vec![Fed(Tensor::ints([7, 8])), Constant(indices(&[1, 1], &[1]))]),
    ]
}

fn scatter_cases() -> Vec<Case> {
    use CaseInput::{Constant, Fed, Random};
    let case = |name, attrs, index, updates: &[usize]| {
        let random = |shape: &[usize]| Random(shape.to_vec(), -1.0, 1.0);
        Case::new(name, attrs, vec![random(&[4, 2]), Constant(index), random(updates)])
    };
    let add = || Attrs::new().text("reduction", "add");
    let ints = vec![Fed(Tensor::ints([1, 2, 3])), Constant(indices(&[2, 1], &[1, 1])), Fed(Tensor::ints([10, 20]))];
    vec![
        case("rows, each once", Attrs::new(), indices(&[2, 1], &[3, 0]), &[2, 2]),
        case("elements, each once", Attrs::new(), indices(&[2, 2], &[3, 0, -4, 1]), &[2]),
        case("adds", add(), indices(&[3, 1], &[1, 0, 1]), &[3, 2]),
        case("adds elements", add(), indices(&[1, 3, 2], &[1, 0, 1, 0, 2, 1]), &[1, 3]),
        Case::new("integers", add(), ints),
    ]
}
