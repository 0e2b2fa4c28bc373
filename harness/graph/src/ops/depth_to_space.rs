//! DepthToSpace and SpaceToDepth, in mode DCR each the adjoint of the other. Specs:
//! <https://onnx.ai/onnx/operators/onnx__DepthToSpace.html>, `SpaceToDepth`. Opsets: 1, 11 (mode), 13.

use super::axis_map::{pick, sources, strides, whole};
use super::binary::expect_inputs;
use super::reshape::reshape_to;
use super::transpose::{inverse, transpose};
use super::{Backward, Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Error, Tensor, ValueId, ValueType};

pub(super) const DEPTH_TO_SPACE: Op = Op {
    name: "DepthToSpace",
    opsets: &[7, 11, 13],
    doc: "modes DCR and CRD",
    attrs: &["blocksize", "mode"],
    infer: |call| infer(call, depth_to_space(call)?),
    eval: |call| eval(call, depth_to_space(call)?),
    vjp: Vjp::Rule(depth_to_space_vjp, &["Reshape", "SpaceToDepth", "Transpose"]),
    macs: no_macs,
    upgrade: unchanged,
    cases: depth_to_space_cases,
};
pub(super) const SPACE_TO_DEPTH: Op = Op {
    name: "SpaceToDepth",
    opsets: &[7, 13],
    doc: "the inverse of DepthToSpace in mode DCR",
    attrs: &["blocksize"],
    infer: |call| infer(call, space_to_depth(call)?),
    eval: |call| eval(call, space_to_depth(call)?),
    vjp: Vjp::Rule(
        |back| {
            let (cotangent, attrs) = (back.cotangent(), back.node.attrs().clone());
            Ok(vec![Some(back.graph.add("DepthToSpace", &[cotangent], attrs)?)])
        },
        &["DepthToSpace"],
    ),
    macs: no_macs,
    upgrade: unchanged,
    cases: space_to_depth_cases,
};

/// Both are a reshape to six axes, a permutation of them, and a reshape to four.
struct Shuffle {
    apart: [usize; 6],
    permutation: [usize; 6],
    output: [usize; 4],
}

/// The four dimensions of the input and the size of a block.
fn sizes(call: &Call<'_>) -> Result<([usize; 4], usize), String> {
    let shape = call.shape(0)?;
    let four = shape.try_into().map_err(|_| format!("the input must be [N, C, H, W], found {shape:?}"))?;
    let block = call.attrs.get_int("blocksize", 0)?;
    let size = u16::try_from(block).ok().filter(|&block| block > 0);
    Ok((four, size.ok_or_else(|| format!("attribute `blocksize` must be positive, found {block}"))?.into()))
}

fn depth_to_space(call: &Call<'_>) -> Result<Shuffle, String> {
    let ([n, c, h, w], block) = sizes(call)?;
    let depth = c / (block * block);
    if depth * block * block != c {
        return Err(format!("{c} channels are not a multiple of {block}²"));
    }
    let (apart, permutation) = match call.attrs.get_text("mode", "DCR")? {
        "DCR" => ([n, block, block, depth, h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, depth, block, block, h, w], [0, 1, 4, 2, 5, 3]),
        other => return Err(format!("mode `{other}` is not one of DCR, CRD")),
    };
    Ok(Shuffle { apart, permutation, output: [n, depth, h * block, w * block] })
}

fn space_to_depth(call: &Call<'_>) -> Result<Shuffle, String> {
    let ([n, c, h, w], block) = sizes(call)?;
    if h % block != 0 || w % block != 0 {
        return Err(format!("an image of {h} x {w} cannot be cut into blocks of {block}"));
    }
    let (rows, columns) = (h / block, w / block);
    let output = [n, c * block * block, rows, columns];
    Ok(Shuffle { apart: [n, c, rows, block, columns, block], permutation: [0, 3, 5, 1, 2, 4], output })
}

fn infer(call: &Call<'_>, shuffle: Shuffle) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 1)?;
    Ok(vec![ValueType::new(call.ty(0)?.dtype, shuffle.output)])
}

fn eval(call: &Call<'_>, shuffle: Shuffle) -> Result<Vec<Tensor>, String> {
    let strides = strides(&shuffle.apart);
    let maps = shuffle.permutation.map(|axis| whole(shuffle.apart[axis]));
    let strides = shuffle.permutation.map(|axis| strides[axis]);
    Ok(vec![pick(call.tensor(0)?, &shuffle.output, &sources(&maps, &strides), None)])
}

fn depth_to_space_vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let cotangent = back.cotangent();
    let (block, mode) =
        back.ask(|call| Ok((call.attrs.get_int("blocksize", 0)?, call.attrs.get_text("mode", "DCR")?.to_owned())))?;
    if mode == "DCR" {
        let attrs = Attrs::new().int("blocksize", block);
        return Ok(vec![Some(back.graph.add("SpaceToDepth", &[cotangent], attrs)?)]);
    }
    let (shuffle, shape) = (back.ask(depth_to_space)?, back.shape(0));
    let permuted = shuffle.permutation.map(|axis| shuffle.apart[axis]);
    let x = reshape_to(back, cotangent, &permuted)?;
    let x = transpose(back, x, &inverse(&shuffle.permutation))?;
    Ok(vec![Some(reshape_to(back, x, &shape)?)])
}

fn case(name: &'static str, shape: &[usize], attrs: Attrs) -> Case {
    Case::new(name, attrs, vec![CaseInput::Random(shape.to_vec(), -1.0, 1.0)])
}

fn bytes(name: &'static str, shape: &[usize]) -> Case {
    let ints = Tensor::int(DType::U8, shape, (0..shape.iter().product::<usize>() as i64).collect());
    Case::new(name, Attrs::new().int("blocksize", 2), vec![CaseInput::Fed(ints)])
}

fn depth_to_space_cases() -> Vec<Case> {
    let block = |size| Attrs::new().int("blocksize", size);
    vec![
        case("by default", &[2, 8, 2, 3], block(2)),
        case("depth first", &[1, 9, 2, 1], block(3).text("mode", "DCR")),
        case("columns first", &[2, 8, 2, 3], block(2).text("mode", "CRD")),
        case("nothing", &[1, 2, 2, 3], block(1)),
        bytes("bytes", &[1, 4, 1, 2]),
    ]
}

fn space_to_depth_cases() -> Vec<Case> {
    let block = |size| Attrs::new().int("blocksize", size);
    vec![
        case("blocks of two", &[2, 2, 4, 6], block(2)),
        case("blocks of three", &[1, 2, 3, 6], block(3)),
        bytes("bytes", &[1, 1, 2, 4]),
    ]
}
