//! BatchNormTrainGrad: the way back through [`BatchNormTrain`](super::batch_norm_train), through its statistics too.
//!
//! Inputs `dy`, `x` `[N, C, …]`, `scale`, `mean`, `var` `[C]`; outputs `dx` `[N, C, …]`, `dscale`, `dbias` `[C]`. With
//! `r = 1 / √(var + epsilon)`, `n = (x - mean) r` and the `count` of elements a channel has:
//! `dbias = Σ dy`, `dscale = Σ dy n`, `dx = scale r (dy - dbias / count - n dscale / count)`.

use super::batch_norm_train::{all_but_channels, column};
use super::{reduce, reshape, through_expansion};
use crate::ops::{Backward, Call, Case, CaseInput, Op, Vjp, expect_float, no_macs, unchanged};
use crate::{Attrs, Error, Graph, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "BatchNormTrainGrad",
    opsets: &[1],
    doc: "the gradient of BatchNormTrain to its three inputs",
    attrs: &["epsilon"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Add", "Div", "Expand", "Mul", "Neg", "ReduceSum", "Reshape", "Sqrt", "Sub"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    let dtype = expect_float(call, 0)?;
    let (dy, x) = (call.ty(0)?, call.ty(1)?);
    let [_, channels, ..] = x.shape[..] else {
        return Err(format!("the input must be [N, C, …], found {:?}", x.shape));
    };
    call.attrs.get_float("epsilon", 1e-5)?;
    if call.inputs.len() != 5 || call.outputs != 3 || x.is_empty() || dy != x {
        return Err(format!("takes 5 inputs and has 3 outputs; dy is {dy:?}, x {x:?}"));
    }
    let statistic = ValueType::new(dtype, [channels]);
    for index in 2..5 {
        if *call.ty(index)? != statistic {
            return Err(format!("input {index} must be {statistic:?}, found {:?}", call.ty(index)?));
        }
    }
    Ok(vec![x.clone(), statistic.clone(), statistic])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let float = |index: usize| call.tensor(index)?.floats();
    let (dy, x, scale, mean, variance) = (float(0)?, float(1)?, float(2)?, float(3)?, float(4)?);
    let epsilon = f64::from(call.attrs.get_float("epsilon", 1e-5)?);
    let (shape, dtype) = (call.shape(0)?, call.ty(0)?.dtype);
    let (channels, pixels) = (scale.len(), shape[2..].iter().product::<usize>());
    let count = (shape[0] * pixels) as f64;
    let inverse: Vec<f64> = variance.iter().map(|variance| (variance + epsilon).sqrt().recip()).collect();
    let channel = |at: usize| at / pixels % channels;
    let normal = |at: usize| (x[at] - mean[channel(at)]) * inverse[channel(at)];
    let (mut dscale, mut dbias) = (vec![0.0; channels], vec![0.0; channels]);
    for (at, dy) in dy.iter().enumerate() {
        dscale[channel(at)] += dy * normal(at);
        dbias[channel(at)] += dy;
    }
    let dx = dy.iter().enumerate().map(|(at, dy)| {
        let c = channel(at);
        scale[c] * inverse[c] * (dy - dbias[c] / count - normal(at) * dscale[c] / count)
    });
    let dx = Tensor::float(dtype, shape, dx.collect());
    let statistic = |data| Tensor::float(dtype, &[channels], data);
    Ok(vec![dx, statistic(dscale), statistic(dbias)])
}

pub(super) fn expand(graph: &mut Graph, attrs: &Attrs, inputs: &[ValueId]) -> Result<Vec<ValueId>, Error> {
    let &[dy, x, scale, mean, variance] = inputs else { unreachable!("shape inference has checked the inputs") };
    let (shape, dtype) = (graph.shape(x).to_vec(), graph.value(x).dtype());
    let epsilon = attrs.get_float("epsilon", 1e-5).expect("shape inference has read it");
    let column = column(&shape);
    let plain = Attrs::new;
    let mean = reshape(graph, mean, &column)?;
    let centred = graph.add("Sub", &[x, mean], plain())?;
    let epsilon = graph.scalar(dtype, epsilon.into());
    let sum = graph.add("Add", &[variance, epsilon], plain())?;
    let deviation = graph.add("Sqrt", &[sum], plain())?;
    let dbias = reduce(graph, "ReduceSum", dy, all_but_channels(&shape))?;
    let product = graph.add("Mul", &[dy, centred], plain())?;
    let along = reduce(graph, "ReduceSum", product, all_but_channels(&shape))?;
    let dscale = graph.add("Div", &[along, deviation], plain())?;
    // All that is left is per channel: dx = factor · (dy - shift - centred · slope).
    let count = graph.scalar(dtype, (shape.iter().product::<usize>() / shape[1]) as f64);
    let factor = graph.add("Div", &[scale, deviation], plain())?;
    let shift = graph.add("Div", &[dbias, count], plain())?;
    let slope = graph.add("Div", &[dscale, count], plain())?;
    let slope = graph.add("Div", &[slope, deviation], plain())?;
    let [factor, shift, slope] = [factor, shift, slope].map(|vector| reshape(graph, vector, &column));
    let stretch = graph.add("Mul", &[centred, slope?], plain())?;
    let rest = graph.add("Sub", &[dy, shift?], plain())?;
    let rest = graph.add("Sub", &[rest, stretch], plain())?;
    let dx = graph.add("Mul", &[rest, factor?], plain())?;
    Ok(vec![dx, dscale, dbias])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    through_expansion(back, expand)
}

fn cases() -> Vec<Case> {
    let case = |name, attrs, x: &[usize]| {
        let random = |shape: &[usize], low, high| CaseInput::Random(shape.to_vec(), low, high);
        let statistics = [(0.5, 2.0), (-0.5, 0.5), (0.5, 2.0)].map(|(low, high)| random(&x[1..2], low, high));
        let inputs = [random(x, -1.0, 1.0), random(x, -2.0, 2.0)].into_iter().chain(statistics).collect();
        Case { outputs: 3, ..Case::new(name, attrs, inputs) }
    };
    vec![
        case("images", Attrs::new().float("epsilon", 1e-3), &[3, 4, 3, 2]),
        case("sequences", Attrs::new(), &[2, 3, 4]),
        case("features", Attrs::new().float("epsilon", 0.5), &[5, 3]),
    ]
}
