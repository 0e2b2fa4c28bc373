//! BatchNormTrain: normalisation by the statistics of the batch, as batch normalisation does in training.
//!
//! Inputs `x` `[N, C, …]`, `scale` `[C]`, `bias` `[C]`; outputs `y` `[N, C, …]`, `mean` `[C]`, `var` `[C]`, the biased
//! variance. `y = (x - mean) / √(var + epsilon) · scale + bias`.

use super::{reduce, reshape, zeros_like};
use crate::ops::{Backward, Call, Case, CaseInput, Op, Vjp, expect_float, no_macs, unchanged};
use crate::{Attrs, Error, Graph, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "BatchNormTrain",
    opsets: &[1],
    doc: "batch normalisation by the statistics of the batch, which are outputs too",
    attrs: &["epsilon"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Add", "BatchNormTrainGrad", "Div", "Mul", "Reshape", "Sub"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    let dtype = expect_float(call, 0)?;
    let x = call.ty(0)?;
    let [_, channels, ..] = x.shape[..] else {
        return Err(format!("the input must be [N, C, …], found {:?}", x.shape));
    };
    call.attrs.get_float("epsilon", 1e-5)?;
    if call.inputs.len() != 3 || call.outputs != 3 || x.is_empty() {
        return Err("takes 3 inputs with elements and has 3 outputs".to_owned());
    }
    let statistic = ValueType::new(dtype, [channels]);
    for index in 1..3 {
        if *call.ty(index)? != statistic {
            return Err(format!("input {index} must be {statistic:?}, found {:?}", call.ty(index)?));
        }
    }
    Ok(vec![x.clone(), statistic.clone(), statistic])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, scale, bias) = (call.tensor(0)?, call.tensor(1)?.floats()?, call.tensor(2)?.floats()?);
    let epsilon = f64::from(call.attrs.get_float("epsilon", 1e-5)?);
    let channels = scale.len();
    let mean = channel_means(x, |_, x| x)?;
    let variance = channel_means(x, |channel, x| (x - mean[channel]).powi(2))?;
    let pixels: usize = x.shape()[2..].iter().product();
    let y = x.floats()?.iter().enumerate().map(|(at, x)| {
        let channel = at / pixels % channels;
        (x - mean[channel]) / (variance[channel] + epsilon).sqrt() * scale[channel] + bias[channel]
    });
    let y = Tensor::float(x.dtype(), x.shape(), y.collect());
    let statistic = |data| Tensor::float(x.dtype(), &[channels], data);
    Ok(vec![y, statistic(mean), statistic(variance)])
}

/// The mean over each channel of a function of the channel and the element.
fn channel_means(x: &Tensor, of: impl Fn(usize, f64) -> f64) -> Result<Vec<f64>, String> {
    let (channels, pixels) = (x.shape()[1], x.shape()[2..].iter().product::<usize>());
    let mut sums = vec![0.0; channels];
    for (plane, x) in x.floats()?.chunks(pixels).enumerate() {
        let channel = plane % channels;
        sums[channel] += x.iter().map(|&x| of(channel, x)).sum::<f64>();
    }
    let count = (x.shape()[0] * pixels) as f64;
    Ok(sums.into_iter().map(|sum| sum / count).collect())
}

/// The shape that makes a vector of channels broadcast over `[N, C, …]`.
pub(super) fn column(x: &[usize]) -> Vec<usize> {
    let mut shape = vec![1; x.len() - 1];
    shape[0] = x[1];
    shape
}

/// Every axis of `[N, C, …]` but that of the channels.
pub(super) fn all_but_channels(x: &[usize]) -> impl Iterator<Item = usize> + use<> {
    (0..x.len()).filter(|&axis| axis != 1)
}

/// Two passes: the variance is the mean square of what is centred, so that no digits cancel.
pub(super) fn expand(graph: &mut Graph, attrs: &Attrs, inputs: &[ValueId]) -> Result<Vec<ValueId>, Error> {
    let &[x, scale, bias] = inputs else { unreachable!("shape inference has checked the inputs") };
    let (shape, dtype) = (graph.shape(x).to_vec(), graph.value(x).dtype());
    let epsilon = attrs.get_float("epsilon", 1e-5).expect("shape inference has read it");
    let column = column(&shape);
    let plain = Attrs::new;
    let mean = reduce(graph, "ReduceMean", x, all_but_channels(&shape))?;
    let mean_column = reshape(graph, mean, &column)?;
    let centred = graph.add("Sub", &[x, mean_column], plain())?;
    let square = graph.add("Mul", &[centred, centred], plain())?;
    let variance = reduce(graph, "ReduceMean", square, all_but_channels(&shape))?;
    let epsilon = graph.scalar(dtype, epsilon.into());
    let sum = graph.add("Add", &[variance, epsilon], plain())?;
    let deviation = graph.add("Sqrt", &[sum], plain())?;
    let factor = graph.add("Div", &[scale, deviation], plain())?;
    let (factor, bias) = (reshape(graph, factor, &column)?, reshape(graph, bias, &column)?);
    let scaled = graph.add("Mul", &[centred, factor], plain())?;
    let y = graph.add("Add", &[scaled, bias], plain())?;
    Ok(vec![y, mean, variance])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (x, scale, mean, variance) = (back.input(0), back.input(1), back.output(1), back.output(2));
    let mut results = match back.cotangents[0] {
        Some(dy) => {
            let inputs = [dy, x, scale, mean, variance].map(Some);
            back.graph.add_node("", "BatchNormTrainGrad", &inputs, back.node.attrs().clone(), 3)?
        }
        None => (0..3).map(|index| zeros_like(back.graph, back.node.inputs()[index].expect("checked"))).collect(),
    };
    if let Some(cotangent) = back.cotangents[1] {
        let share = share(back, cotangent, 1.0)?;
        results[0] = back.emit("Add", &[results[0], share])?;
    }
    if let Some(cotangent) = back.cotangents[2] {
        let share = share(back, cotangent, 2.0)?;
        let shape = column(&back.shape(0));
        let mean = reshape(back.graph, mean, &shape)?;
        let centred = back.emit("Sub", &[x, mean])?;
        let product = back.emit("Mul", &[centred, share])?;
        results[0] = back.emit("Add", &[results[0], product])?;
    }
    Ok(results.into_iter().map(Some).collect())
}

/// What each element has of a statistic's cotangent, `factor · cotangent / count`, to broadcast over `x`.
fn share(back: &mut Backward<'_>, cotangent: ValueId, factor: f64) -> Result<ValueId, Error> {
    let shape = back.shape(0);
    let count = shape.iter().product::<usize>() / shape[1];
    let count = back.graph.scalar(back.graph.value(cotangent).dtype(), count as f64 / factor);
    let share = back.emit("Div", &[cotangent, count])?;
    reshape(back.graph, share, &column(&shape))
}

fn cases() -> Vec<Case> {
    let case = |name, attrs, x: &[usize]| {
        let random = |shape: &[usize], low, high| CaseInput::Random(shape.to_vec(), low, high);
        let inputs = vec![random(x, -2.0, 2.0), random(&x[1..2], 0.5, 2.0), random(&x[1..2], -1.0, 1.0)];
        Case { outputs: 3, ..Case::new(name, attrs, inputs) }
    };
    vec![
        case("images", Attrs::new().float("epsilon", 1e-3), &[3, 4, 3, 2]),
        case("sequences", Attrs::new(), &[2, 3, 4]),
        case("features", Attrs::new().float("epsilon", 0.5), &[5, 3]),
    ]
}
