//! HardSwish, Mish and Swish: the input times a gate. ONNX Runtime 1.31 has no kernels for them, so that reading splits
//! them. Specs: <https://onnx.ai/onnx/operators/onnx__HardSwish.html> and its kin. Opsets: 14, 22 (HardSwish), 18, 22
//! (Mish), 24 (Swish).

use super::elementwise::{far, number, sigmoid};
use super::{Case, CaseInput, Rewrite, Upgrade, map_elements};
use crate::{Attrs, ValueId};

pub(super) const HARD_SWISH: Rewrite = Rewrite {
    name: "HardSwish",
    opsets: &[14, 22],
    doc: "read as x times HardSigmoid of slope 1/6",
    attrs: &[],
    upgrade: |up| {
        up.take(1, &[])?;
        gate(up, |up, x| up.node("HardSigmoid", &[x], Attrs::new().float("alpha", 1.0 / 6.0).float("beta", 0.5)))
    },
    eval: |call| map_elements(call, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
    cases: || cases(&[]),
};
pub(super) const MISH: Rewrite = Rewrite {
    name: "Mish",
    opsets: &[18, 22],
    doc: "read as x · tanh(ln(1 + e^x))",
    attrs: &[],
    upgrade: |up| {
        up.take(1, &[])?;
        gate(up, |up, x| {
            let soft = up.node("Softplus", &[x], Attrs::new())?;
            up.node("Tanh", &[soft], Attrs::new())
        })
    },
    eval: |call| map_elements(call, |x| x * (x.max(0.0) + (-x.abs()).exp().ln_1p()).tanh()),
    cases: || cases(&[]),
};
pub(super) const SWISH: Rewrite = Rewrite {
    name: "Swish",
    opsets: &[24],
    doc: "read as x · sigmoid(alpha · x)",
    attrs: &["alpha"],
    upgrade: |up| {
        let alpha = up.take(1, &["alpha"])?.get_float("alpha", 1.0)?;
        gate(up, |up, mut x| {
            if alpha != 1.0 {
                let alpha = up.graph.scalar(up.graph.value(x).dtype(), alpha.into());
                x = up.node("Mul", &[x, alpha], Attrs::new())?;
            }
            up.node("Sigmoid", &[x], Attrs::new())
        })
    },
    eval: |call| {
        let alpha = number(call, "alpha", 1.0)?;
        map_elements(call, |x| x * sigmoid(alpha * x))
    },
    cases: || cases(&[("a small alpha", 0.5), ("a negative alpha", -2.0)]),
};

/// Makes the node the product of its input and what `gate` makes of it.
fn gate(
    up: &mut Upgrade<'_>,
    gate: impl FnOnce(&mut Upgrade<'_>, ValueId) -> Result<ValueId, String>,
) -> Result<(), String> {
    let x = up.input(0)?;
    let dtype = up.graph.value(x).dtype();
    if !dtype.is_float() {
        return Err(format!("input 0 must be a float tensor, found {dtype}"));
    }
    let gate = gate(up, x)?;
    up.become_node("Mul", &[x, gate]);
    Ok(())
}

/// By default, with large inputs, and with each alpha.
fn cases(alphas: &[(&'static str, f32)]) -> Vec<Case> {
    let random = || vec![CaseInput::Random(vec![2, 3, 4], -5.0, 5.0)];
    let mut cases = vec![Case::new("by default", Attrs::new(), random()), far()];
    cases.extend(alphas.iter().map(|&(name, alpha)| Case::new(name, Attrs::new().float("alpha", alpha), random())));
    cases
}
