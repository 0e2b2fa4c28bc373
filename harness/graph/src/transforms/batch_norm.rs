use super::rewrite::Rewrite;
use crate::{Attrs, Error, Graph, Node, Tensor, ValueId};
use std::collections::HashMap;

/// Folds every batch normalisation into the layer before it, where that is a Conv, ConvTranspose, Gemm or MatMul with
/// constant weights whose result nothing else uses. Others stay as they are.
///
/// The new weights are computed in f64 and rounded once, so results differ from the file's by float rounding.
/// Errors: none for a valid graph but those of building one.
pub fn fold_batch_norm(graph: &Graph) -> Result<Graph, Error> {
    let mut uses: HashMap<ValueId, usize> = HashMap::new();
    let inputs = graph.nodes().iter().flat_map(Node::inputs).flatten();
    inputs.chain(graph.outputs()).for_each(|&id| *uses.entry(id).or_insert(0) += 1);
    let layers: HashMap<ValueId, &Node> = graph.nodes().iter().map(|node| (node.outputs()[0], node)).collect();
    let mut folded: HashMap<ValueId, (Layer, ValueId)> = HashMap::new();
    let mut gone: Vec<ValueId> = Vec::new();
    for norm in graph.nodes().iter().filter(|node| node.op().name == "BatchNormalization") {
        let Some(x) = norm.inputs()[0].filter(|x| uses[x] == 1) else { continue };
        if let Some(layer) = layers.get(&x).and_then(|layer| fold(graph, layer, norm)) {
            folded.insert(x, (layer, norm.outputs()[0]));
            gone.push(norm.outputs()[0]);
        }
    }
    let mut rewrite = Rewrite::new(graph);
    for node in graph.nodes() {
        let output = node.outputs()[0];
        if let Some((layer, place)) = folded.remove(&output) {
            let x = rewrite.at(node.inputs()[0].expect("a layer has an input"));
            let weights = rewrite.graph.constant(&format!("{}_folded_weights", node.name()), layer.weights);
            let bias = rewrite.graph.constant(&format!("{}_folded_bias", node.name()), layer.bias);
            let inputs = [x, weights, bias].map(Some);
            let new = rewrite.graph.add_node(node.name(), layer.op, &inputs, layer.attrs, 1)?;
            rewrite.place(place, new[0]);
        } else if !gone.contains(&output) {
            rewrite.copy(node)?;
        }
    }
    Ok(rewrite.finish())
}

/// A layer with a batch normalisation in its weights.
struct Layer {
    op: &'static str,
    attrs: Attrs,
    weights: Tensor,
    bias: Tensor,
}

/// Per channel: `y = x * scale + shift`.
struct Affine {
    scale: Vec<f64>,
    shift: Vec<f64>,
}

fn affine(graph: &Graph, norm: &Node) -> Option<Affine> {
    let parameter = |index: usize| {
        let id = norm.inputs().get(index).copied().flatten()?;
        graph.value(id).data()?.floats().ok()
    };
    let (gamma, beta, mean, variance) = (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
    if norm.attrs().get_int("training_mode", 0) != Ok(0) || norm.outputs().len() != 1 {
        return None;
    }
    let epsilon = f64::from(norm.attrs().get_float("epsilon", 1e-5).ok()?);
    let scale: Vec<f64> =
        gamma.iter().zip(variance).map(|(gamma, variance)| gamma / (variance + epsilon).sqrt()).collect();
    let shift = beta.iter().zip(mean).zip(&scale).map(|((beta, mean), scale)| beta - mean * scale).collect();
    Some(Affine { scale, shift })
}

fn fold(graph: &Graph, layer: &Node, norm: &Node) -> Option<Layer> {
    let affine = affine(graph, norm)?;
    let constant = |index: usize| graph.value(layer.inputs().get(index).copied().flatten()?).data();
    let (weights, bias) = (constant(1)?, constant(2));
    if layer.inputs().get(2).is_some_and(|id| id.is_some() && bias.is_none()) {
        return None;
    }
    let channels = affine.scale.len();
    let bias: Vec<f64> = match bias {
        None => vec![0.0; channels],
        Some(bias) if bias.len() == 1 => vec![bias.floats().ok()?[0]; channels],
        Some(bias) if bias.shape().last() == Some(&bias.len()) => bias.floats().ok()?.to_vec(),
        Some(_) => return None,
    };
    if channels == 0 || bias.len() != channels {
        return None;
    }
    let attrs = layer.attrs();
    let group = usize::try_from(attrs.get_int("group", 1).ok()?).ok()?;
    // How far apart the weights of neighbouring output channels lie, and which factors come on top.
    let (op, attrs, [alpha, beta], channel): (_, _, _, Box<dyn Fn(usize) -> usize>) = match layer.op().name {
        "Conv" => {
            let size = weights.len() / channels;
            ("Conv", attrs.clone(), [1.0; 2], Box::new(move |index| index / size))
        }
        "ConvTranspose" => {
            let [inputs, outputs, kernel @ ..] = weights.shape() else { return None };
            let (inputs, outputs, size) = (inputs / group, *outputs, kernel.iter().product::<usize>());
            let channel = move |index| index / (size * outputs * inputs) * outputs + index / size % outputs;
            ("ConvTranspose", attrs.clone(), [1.0; 2], Box::new(channel))
        }
        "Gemm" => {
            let factors = [attrs.get_float("alpha", 1.0).ok()?, attrs.get_float("beta", 1.0).ok()?];
            let mut kept = attrs.clone();
            kept.remove("alpha");
            kept.remove("beta");
            let size = if attrs.get_int("transB", 0) == Ok(0) { 1 } else { weights.len() / channels };
            ("Gemm", kept, factors.map(f64::from), Box::new(move |index| index / size % channels))
        }
        "MatMul" if weights.shape().len() == 2 && graph.shape(layer.outputs()[0]).len() == 2 => {
            ("Gemm", Attrs::new(), [1.0; 2], Box::new(move |index| index % channels))
        }
        _ => return None,
    };
    let scaled = weights.floats().ok()?.iter().enumerate();
    let scaled = scaled.map(|(index, weight)| weight * alpha * affine.scale[channel(index)]).collect();
    let shifted = bias.iter().zip(&affine.scale).zip(&affine.shift);
    let shifted = shifted.map(|((bias, scale), shift)| bias * beta * scale + shift).collect();
    let dtype = weights.dtype();
    Some(Layer {
        op,
        attrs,
        weights: Tensor::float(dtype, weights.shape(), scaled).rounded(),
        bias: Tensor::float(dtype, &[channels], shifted).rounded(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Interpreter, ValueType};

    /// Values that differ from each other, between -1 and 1, and round to f32.
    fn varied(shape: &[usize], seed: usize) -> Tensor {
        let count = shape.iter().product::<usize>();
        Tensor::f32(shape, (0..count).map(|index| ((index * 37 + seed * 11) % 64) as f64 / 32.0 - 1.0))
    }

    fn input(graph: &mut Graph, shape: &[usize]) -> ValueId {
        graph.input("x", ValueType::new(DType::F32, shape))
    }

    fn norm(graph: &mut Graph, x: ValueId, channels: usize) -> ValueId {
        let parameter = |graph: &mut Graph, seed| graph.constant("parameter", varied(&[channels], seed));
        let [gamma, beta, mean] = [1, 2, 3].map(|seed| parameter(graph, seed));
        let variance =
            graph.constant("variance", Tensor::f32(&[channels], (0..channels).map(|index| 0.5 + index as f64)));
        let attrs = Attrs::new().float("epsilon", 0.125);
        graph.add("BatchNormalization", &[x, gamma, beta, mean, variance], attrs).unwrap()
    }

    fn run(graph: &Graph) -> Vec<f64> {
        let x = varied(graph.shape(graph.inputs()[0]), 5);
        Interpreter.run(graph, &[x]).unwrap().remove(0).to_f64()
    }

    /// A layer with these constants after `x`, then a batch normalisation: folds into one node with the same results.
    fn check(op: &str, x: &[usize], constants: &[&[usize]], attrs: Attrs, channels: usize) {
        let mut graph = Graph::new("layer");
        let mut inputs = vec![input(&mut graph, x)];
        let constants = constants.iter().enumerate().map(|(seed, shape)| varied(shape, seed));
        inputs.extend(constants.collect::<Vec<_>>().into_iter().map(|tensor| graph.constant("w", tensor)));
        let layer = graph.add(op, &inputs, attrs).unwrap();
        let y = norm(&mut graph, layer, channels);
        graph.rename(y, "y");
        graph.set_outputs(vec![y]);
        let folded = fold_batch_norm(&graph).unwrap();
        assert_eq!(folded.nodes().len(), 1, "{op}");
        assert_eq!(folded.value(folded.outputs()[0]).name(), "y");
        let largest = run(&graph).iter().zip(run(&folded)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        // Weights are rounded to f32 once; sums of at most 18 products of magnitude 2 at most.
        assert!(largest < 1e-5, "{op}: {largest}");
    }

    #[test]
    fn every_kind_of_layer_folds_to_the_same_function() {
        let group = |count| Attrs::new().int("group", count);
        check("Conv", &[2, 3, 4, 4], &[&[4, 3, 2, 2]], Attrs::new(), 4);
        check("Conv", &[2, 4, 4, 4], &[&[6, 2, 3, 3], &[6]], group(2), 6);
        check("Conv", &[2, 2, 5], &[&[3, 2, 2], &[3]], Attrs::new(), 3);
        check("ConvTranspose", &[2, 3, 4, 4], &[&[3, 4, 2, 2], &[4]], Attrs::new(), 4);
        check("ConvTranspose", &[2, 4, 3, 3], &[&[4, 3, 2, 2]], group(2), 6);
        check("Gemm", &[2, 3], &[&[3, 4], &[4]], Attrs::new().float("alpha", 0.5).float("beta", 2.0), 4);
        check("Gemm", &[2, 3], &[&[4, 3], &[1, 4]], Attrs::new().int("transB", 1), 4);
        check("Gemm", &[3, 2], &[&[3, 4], &[1]], Attrs::new().int("transA", 1), 4);
        check("MatMul", &[2, 3], &[&[3, 4]], Attrs::new(), 4);
    }

    /// A Conv, then a batch normalisation, with something between them or beside.
    fn stays(build: impl FnOnce(&mut Graph, ValueId) -> (ValueId, Vec<ValueId>)) {
        let mut graph = Graph::new("stays");
        let x = input(&mut graph, &[1, 2, 4, 4]);
        let weights = graph.constant("w", varied(&[3, 2, 2, 2], 1));
        let conv = graph.add("Conv", &[x, weights], Attrs::new()).unwrap();
        let (between, mut outputs) = build(&mut graph, conv);
        outputs.push(norm(&mut graph, between, 3));
        graph.set_outputs(outputs);
        let folded = fold_batch_norm(&graph).unwrap();
        assert_eq!(folded.nodes().len(), graph.nodes().len());
        assert_eq!(run(&folded), run(&graph));
    }

    #[test]
    fn what_others_use_or_change_stays() {
        stays(|_, conv| (conv, vec![conv]));
        stays(|graph, conv| (graph.add("Relu", &[conv], Attrs::new()).unwrap(), vec![]));
        stays(|graph, conv| (conv, vec![graph.add("Relu", &[conv], Attrs::new()).unwrap()]));
    }

    #[test]
    fn a_bias_per_row_stays() {
        let mut graph = Graph::new("rows");
        let x = input(&mut graph, &[3, 2]);
        let [weights, bias] = [&[2, 3][..], &[3, 1]].map(|shape| graph.constant("w", varied(shape, 1)));
        let layer = graph.add("Gemm", &[x, weights, bias], Attrs::new()).unwrap();
        let y = norm(&mut graph, layer, 3);
        graph.set_outputs(vec![y]);
        assert_eq!(fold_batch_norm(&graph).unwrap().nodes().len(), 2);
    }
}
