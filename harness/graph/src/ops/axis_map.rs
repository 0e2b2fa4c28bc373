//! Operators that copy elements axis by axis: an axis map says, for each output position on an axis, which input
//! position it shows. Slice, Pad, Expand and broadcasting are axis maps; here are their kernel and their adjoint.

use super::Backward;
use super::elements::scatter_sum;
use crate::{Attrs, Data, Error, Tensor, ValueId};

/// For each output position on one axis the input position, or `None` for the fill value.
pub(super) type AxisMap = Vec<Option<usize>>;

/// The map that keeps an axis.
pub(super) fn whole(size: usize) -> AxisMap {
    (0..size).map(Some).collect()
}

/// Row-major strides.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// For each output element, in row-major order, the input element: the maps' positions times the input's strides.
pub(super) fn sources(maps: &[AxisMap], strides: &[usize]) -> AxisMap {
    let mut flat = vec![Some(0)];
    for (map, stride) in maps.iter().zip(strides) {
        flat = flat.iter().flat_map(|&base| map.iter().map(move |&at| Some(base? + at? * stride))).collect();
    }
    flat
}

/// The elements at `sources`, in a new shape; `fill` stands where there is no source.
///
/// Panics: a source is `None` and there is no fill of the tensor's type.
pub(super) fn pick(x: &Tensor, shape: &[usize], sources: &[Option<usize>], fill: Option<&Tensor>) -> Tensor {
    let no_fill = "an element without a source has a fill value of the same type";
    match x.data() {
        Data::Float(values) => {
            let fill = fill.and_then(|fill| fill.floats().ok()?.first().copied());
            let data = sources.iter().map(|at| at.map_or_else(|| fill.expect(no_fill), |at| values[at]));
            Tensor::float(x.dtype(), shape, data.collect())
        }
        Data::Int(values) => {
            let fill = fill.and_then(|fill| fill.integers().ok()?.first().copied());
            let data = sources.iter().map(|at| at.map_or_else(|| fill.expect(no_fill), |at| values[at]));
            Tensor::int(x.dtype(), shape, data.collect())
        }
    }
}

/// Applies one map per axis.
pub(super) fn remap(x: &Tensor, maps: &[AxisMap], fill: Option<&Tensor>) -> Tensor {
    let shape: Vec<usize> = maps.iter().map(Vec::len).collect();
    pick(x, &shape, &sources(maps, &strides(x.shape())), fill)
}

/// Emits the adjoint of one axis map without fill: sends every cotangent back to the position it was read from.
///
/// Where no position is read twice that is a Gather with the inverse map, its gaps reading from an appended zero;
/// else it is a ScatterElements that adds.
/// Errors: inference refuses a node.
pub(super) fn adjoint(
    back: &mut Backward<'_>,
    cotangent: ValueId,
    axis: usize,
    map: &[usize],
    size: usize,
) -> Result<ValueId, Error> {
    if map.iter().copied().eq(0..size) {
        return Ok(cotangent);
    }
    let gap = map.len();
    let mut inverse = vec![gap; size];
    let mut once = true;
    for (output, &input) in map.iter().enumerate() {
        once &= inverse[input] == gap;
        inverse[input] = output;
    }
    if once { gather_back(back, cotangent, axis, &inverse) } else { scatter_back(back, cotangent, axis, map, size) }
}

fn gather_back(back: &mut Backward<'_>, cotangent: ValueId, axis: usize, inverse: &[usize]) -> Result<ValueId, Error> {
    let mut shape = back.graph.shape(cotangent).to_vec();
    let mut source = cotangent;
    if inverse.contains(&shape[axis]) {
        shape[axis] = 1;
        let dtype = back.graph.value(cotangent).dtype();
        let zeros = Tensor::float(dtype, &shape, vec![0.0; shape.iter().product()]);
        let zeros = back.graph.constant("zeros", zeros);
        source = back.graph.add("Concat", &[cotangent, zeros], Attrs::new().int("axis", axis as i64))?;
    }
    let indices = back.graph.constant("indices", Tensor::ints(inverse.iter().map(|&at| at as i64)));
    back.graph.add("Gather", &[source, indices], Attrs::new().int("axis", axis as i64))
}

fn scatter_back(
    back: &mut Backward<'_>,
    cotangent: ValueId,
    axis: usize,
    map: &[usize],
    size: usize,
) -> Result<ValueId, Error> {
    let mut shape = back.graph.shape(cotangent).to_vec();
    let inner: usize = shape[axis + 1..].iter().product();
    let len: usize = shape.iter().product();
    let at = |flat: usize| map[flat / inner % map.len()] as i64;
    let indices = Tensor::int(crate::DType::I64, &shape, (0..len).map(at).collect());
    let indices = back.graph.constant("indices", indices);
    shape[axis] = size;
    scatter_sum(back, &shape, axis, indices, cotangent)
}
