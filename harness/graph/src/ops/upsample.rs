//! Upsample, which Resize replaced. Spec: <https://onnx.ai/onnx/operators/onnx__Upsample.html>. Opsets: 7, 9 (scales become
//! an input).

use super::resize::from_asymmetric;
use super::{Call, Case, CaseInput, Rewrite, Upgrade};
use crate::{Attr, Attrs, Tensor};

pub(super) const REWRITE: Rewrite = Rewrite {
    name: "Upsample",
    opsets: &[7, 9],
    doc: "read as Resize (opsets up to 9)",
    attrs: &["mode", "scales"],
    upgrade,
    eval,
    cases: || {
        let x = || CaseInput::Random(vec![2, 3, 4, 2], -1.0, 1.0);
        let scales = CaseInput::Constant(Tensor::f32(&[4], [1.0, 1.0, 3.0, 2.0]));
        let attribute = Attr::Floats(vec![1.0, 1.0, 2.0, 1.5]);
        vec![
            Case::new("whole factors", Attrs::new(), vec![x(), scales]),
            Case::new("scales as an attribute", Attrs::new().with("scales", attribute), vec![x()]),
        ]
    },
};

fn upgrade(up: &mut Upgrade<'_>) -> Result<(), String> {
    let scales = match up.attrs.remove("scales") {
        Some(Attr::Floats(scales)) => {
            let scales = Tensor::f32(&[scales.len()], scales.iter().map(|&scale| scale.into()));
            up.graph.constant("scales", scales)
        }
        Some(_) => return Err("attribute `scales` must be a list of floats".to_owned()),
        None => up.inputs.get(1).copied().flatten().ok_or("input 1 is missing")?,
    };
    up.op = "Resize".to_owned();
    from_asymmetric(up, scales)
}

/// What Upsample means where it repeats elements, mode nearest: `y[i] = x[floor(i / scale)]`.
fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    let scales: Vec<f64> = match call.attrs.get("scales") {
        Some(Attr::Floats(scales)) => scales.iter().map(|&scale| scale.into()).collect(),
        _ => call.tensor(1)?.floats()?.to_vec(),
    };
    let shape: Vec<usize> = x.shape().iter().zip(&scales).map(|(&dim, scale)| (dim as f64 * scale) as usize).collect();
    let source = |flat: usize| {
        let (mut rest, mut stride, mut at) = (flat, 1, 0);
        for axis in (0..shape.len()).rev() {
            at += stride * ((rest % shape[axis]) as f64 / scales[axis]) as usize;
            rest /= shape[axis];
            stride *= x.shape()[axis];
        }
        at
    };
    let values = x.floats()?;
    let y = (0..shape.iter().product()).map(|flat| values[source(flat)]).collect();
    Ok(vec![Tensor::float(x.dtype(), &shape, y)])
}
