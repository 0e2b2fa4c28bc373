use crate::{Attrs, DType, Error, Graph, Tensor, ValueId, ValueType};

/// From the data set's canonical tensor to what the file wants: units, layout, quantization.
///
/// [`InputMap::apply`] on the host and [`prepend_input`] in a graph do the same arithmetic in f32: times scale, plus
/// offset, each rounded, then moved, then quantized.
#[derive(Debug, Clone, PartialEq)]
pub struct InputMap {
    /// Row shape of the data set, without the batch.
    pub canonical: Vec<usize>,
    /// Row shape that the file wants: the permuted canonical shape, or any other with as many elements.
    pub model: Vec<usize>,
    /// The canonical row axes in the order of the model.
    pub permutation: Vec<usize>,
    /// Model units = canonical units * `scale` + `offset`: one number, or one per channel.
    pub scale: Vec<f32>,
    /// See `scale`.
    pub offset: Vec<f32>,
    /// The canonical row axis of the channels, where `scale` or `offset` is per channel.
    pub channel_axis: usize,
    /// How the file's integer input is quantized.
    pub quantize: Option<Quantize>,
}

/// `saturate(round_half_even(x / scale) + zero_point)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantize {
    /// Model units per integer step.
    pub scale: f32,
    /// The integer that stands for zero.
    pub zero_point: i64,
    /// The integer type.
    pub dtype: DType,
}

impl InputMap {
    /// The map that changes nothing.
    pub fn identity(row: &[usize]) -> Self {
        Self {
            canonical: row.to_vec(),
            model: row.to_vec(),
            permutation: (0..row.len()).collect(),
            scale: vec![1.0],
            offset: vec![0.0],
            channel_axis: 0,
            quantize: None,
        }
    }

    /// The number of elements of a row.
    pub fn row_len(&self) -> usize {
        self.canonical.iter().product()
    }

    /// What is wrong with the map, if anything.
    ///
    /// Errors: the shapes do not agree, the permutation is none, the channels are not as many as the factors, or the
    /// quantization has no integer type or no positive scale.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Graph(format!("map the input: {reason}")));
        let mut axes = self.permutation.clone();
        axes.sort_unstable();
        if !axes.into_iter().eq(0..self.canonical.len()) {
            return refuse(format!("{:?} is no permutation of {} axes", self.permutation, self.canonical.len()));
        }
        if self.row_len() != self.model.iter().product::<usize>() {
            return refuse(format!("a row of shape {:?} does not fit the model's {:?}", self.canonical, self.model));
        }
        let channels = self.canonical.get(self.channel_axis).copied().unwrap_or(1);
        for (name, factors) in [("scale", &self.scale), ("offset", &self.offset)] {
            if factors.len() != 1 && factors.len() != channels {
                return refuse(format!("{name} must have 1 or {channels} entries, found {}", factors.len()));
            }
            if let Some(wrong) = factors.iter().find(|factor| !factor.is_finite()) {
                return refuse(format!("{name} must be finite, found {wrong}"));
            }
        }
        match self.quantize {
            Some(Quantize { scale, .. }) if !(scale.is_finite() && scale > 0.0) => {
                refuse(format!("the quantization scale must be positive, found {scale}"))
            }
            Some(Quantize { zero_point, dtype, .. }) => match dtype.int_range() {
                Some((low, high)) if (low..=high).contains(&zero_point) => Ok(()),
                Some(_) => refuse(format!("zero point {zero_point} is not a value of {dtype}")),
                None => refuse(format!("the quantized type must be an integer type, found {dtype}")),
            },
            None => Ok(()),
        }
    }

    /// Rows in the model's layout and units; integers where the map quantizes.
    ///
    /// Shapes: `rows` `[n * row_len]`, returns the same.
    /// Panics: `rows` is not whole rows, or [`InputMap::check`] would refuse the map.
    pub fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let row_len = self.row_len();
        assert_eq!(rows.len() % row_len.max(1), 0, "whole rows of {row_len}");
        let (scales, offsets) = (self.acts(&self.scale, 1.0), self.acts(&self.offset, 0.0));
        let moves = !self.permutation.is_sorted();
        if !(moves || scales || offsets || self.quantize.is_some()) {
            return rows.to_vec();
        }
        let inner: usize = self.canonical.iter().skip(self.channel_axis + 1).product();
        let channels = self.canonical.get(self.channel_axis).copied().unwrap_or(1);
        let factor =
            |factors: &[f32], index: usize| factors[if factors.len() == 1 { 0 } else { index / inner % channels }];
        let convert = |index: usize, x: f32| {
            let x = if scales { x * factor(&self.scale, index) } else { x };
            let x = if offsets { x + factor(&self.offset, index) } else { x };
            self.quantize.map_or(x, |quantize| quantize.apply(x))
        };
        let source = self.source();
        let mut mapped = Vec::with_capacity(rows.len());
        for row in rows.chunks_exact(row_len.max(1)) {
            mapped.extend(source.iter().map(|&index| convert(index, row[index])));
        }
        mapped
    }

    /// For each element of a model row, its place in the canonical row.
    fn source(&self) -> Vec<usize> {
        let mut source = vec![0];
        for &axis in &self.permutation {
            let stride: usize = self.canonical[axis + 1..].iter().product();
            let steps = self.canonical[axis];
            source = source.iter().flat_map(|base| (0..steps).map(move |step| base + step * stride)).collect();
        }
        source
    }

    /// Whether factors do anything; where they do not, host and graph both leave the step out.
    fn acts(&self, factors: &[f32], neutral: f32) -> bool {
        factors.iter().any(|&factor| factor != neutral)
    }
}

impl Quantize {
    fn apply(self, x: f32) -> f32 {
        let (low, high) = self.dtype.int_range().expect("the map has been checked");
        let level = f64::from((x / self.scale).round_ties_even()) + self.zero_point as f64;
        level.clamp(low as f64, high as f64) as f32
    }
}

/// Puts the map in front of a graph: the new input `x` `[N, canonical…]` is float32 and in canonical units.
///
/// Quantization becomes a QuantizeLinear node, whose gradient is straight through.
/// Errors: the map is not valid, or the graph has not exactly one input `[N, model…]` of the type that the map gives.
pub fn prepend_input(graph: &Graph, map: &InputMap) -> Result<Graph, Error> {
    map.check()?;
    let batch = check_input(graph, map)?;
    let wanted = graph.value(graph.inputs()[0]).ty();
    let mut new = Graph::new(graph.name());
    let shape = |row: &[usize]| -> Vec<usize> { std::iter::once(batch).chain(row.iter().copied()).collect() };
    let mut x = new.input("x", ValueType::new(DType::F32, shape(&map.canonical)));
    for (op, factors, neutral) in [("Mul", &map.scale, 1.0), ("Add", &map.offset, 0.0)] {
        if map.acts(factors, neutral) {
            let factors = new.constant("input_map", per_channel(map, factors));
            x = new.add(op, &[x, factors], Attrs::new())?;
        }
    }
    if !map.permutation.is_sorted() {
        let axes = std::iter::once(0).chain(map.permutation.iter().map(|axis| *axis as i64 + 1));
        x = new.add("Transpose", &[x], Attrs::new().ints("perm", axes))?;
    }
    if new.shape(x)[1..] != map.model {
        let target = new.constant("row_shape", Tensor::ints(shape(&map.model).iter().map(|&dim| dim as i64)));
        x = new.add("Reshape", &[x, target], Attrs::new())?;
    }
    if let Some(quantize) = map.quantize {
        x = add_quantizer(&mut new, x, quantize)?;
    } else if wanted.dtype != DType::F32 {
        x = new.add("Cast", &[x], Attrs::new().int("to", wanted.dtype.onnx().into()))?;
    }
    let map = new.append(graph, &[x])?;
    new.set_outputs(graph.outputs().iter().map(|id| map[id]).collect());
    Ok(new)
}

fn check_input(graph: &Graph, map: &InputMap) -> Result<usize, Error> {
    let refuse = |reason: String| Err(Error::Graph(format!("map the input: {reason}")));
    let &[input] = graph.inputs() else {
        return refuse(format!("the graph must have one input, found {}", graph.inputs().len()));
    };
    let ty = graph.value(input).ty();
    let fits = match map.quantize {
        Some(quantize) => ty.dtype == quantize.dtype,
        None => ty.dtype.is_float(),
    };
    match ty.shape.split_first() {
        Some((&batch, row)) if fits && row == map.model => Ok(batch),
        _ => {
            let gives = map.quantize.map_or("a float tensor".to_owned(), |quantize| quantize.dtype.to_string());
            let (name, dtype) = (graph.value(input).name(), ty.dtype);
            refuse(format!("it gives {gives} with rows {:?}, input `{name}` is {dtype}{:?}", map.model, ty.shape))
        }
    }
}

fn per_channel(map: &InputMap, factors: &[f32]) -> Tensor {
    let mut shape = vec![1; map.canonical.len() + 1];
    if factors.len() > 1 {
        shape[map.channel_axis + 1] = factors.len();
    }
    Tensor::f32(&shape, factors.iter().map(|&factor| factor.into()))
}

fn add_quantizer(graph: &mut Graph, x: ValueId, quantize: Quantize) -> Result<ValueId, Error> {
    let scale = graph.constant("input_scale", Tensor::scalar(quantize.scale.into()));
    let zero = Tensor::int(quantize.dtype, &[], vec![quantize.zero_point]);
    let zero = graph.constant("input_zero_point", zero);
    graph.add("QuantizeLinear", &[x, scale, zero], Attrs::new())
}

#[cfg(test)]
mod tests {
    use super::super::testing::run_in_f32;
    use super::*;
    use crate::Interpreter;
    use proptest::prelude::*;

    /// A graph that hands its input `[N, row…]` through, so that its output is what a map gives.
    fn pass(dtype: DType, batch: usize, row: &[usize]) -> Graph {
        let mut graph = Graph::new("pass");
        let shape: Vec<usize> = std::iter::once(batch).chain(row.iter().copied()).collect();
        let x = graph.input("x", ValueType::new(dtype, shape));
        let y = graph.add("Identity", &[x], Attrs::new()).unwrap();
        graph.set_outputs(vec![y]);
        graph
    }

    fn check(map: &InputMap, rows: &[f32]) -> Vec<f32> {
        map.check().unwrap();
        let batch = rows.len() / map.row_len();
        let dtype = map.quantize.map_or(DType::F32, |quantize| quantize.dtype);
        let graph = prepend_input(&pass(dtype, batch, &map.model), map).unwrap();
        let input = graph.value(graph.inputs()[0]);
        assert_eq!((input.name(), input.dtype()), ("x", DType::F32));
        let x = Tensor::f32(input.shape(), rows.iter().map(|&value| value.into()));
        let host = map.apply(rows);
        let found: Vec<f32> =
            run_in_f32(&graph, &[x]).remove(0).to_f64().into_iter().map(|value| value as f32).collect();
        assert_eq!(found, host);
        host
    }

    fn image() -> InputMap {
        InputMap { model: vec![2, 2, 3], permutation: vec![1, 2, 0], ..InputMap::identity(&[3, 2, 2]) }
    }

    #[test]
    fn the_identity_changes_nothing() {
        let map = InputMap::identity(&[2, 3]);
        let rows: Vec<f32> = (0..12).map(|value| value as f32).collect();
        assert_eq!(check(&map, &rows), rows);
        assert_eq!(prepend_input(&pass(DType::F32, 2, &[2, 3]), &map).unwrap().nodes().len(), 1);
    }

    #[test]
    fn channels_move_to_the_end() {
        let rows: Vec<f32> = (0..24).map(|value| value as f32).collect();
        assert_eq!(check(&image(), &rows)[..6], [0.0, 4.0, 8.0, 1.0, 5.0, 9.0]);
        assert_eq!(check(&image(), &rows)[12..15], [12.0, 16.0, 20.0]);
    }

    #[test]
    fn factors_are_per_channel_of_the_canonical_tensor() {
        let map = InputMap { scale: vec![2.0, 1.0, 0.5], offset: vec![0.0, 1.0, -1.0], ..image() };
        let y = check(&map, &[1.0; 12]);
        assert_eq!(y[..6], [2.0, 2.0, -0.5, 2.0, 2.0, -0.5]);
        let mixed = InputMap { scale: vec![3.0], ..map };
        assert_eq!(check(&mixed, &[1.0; 12])[..3], [3.0, 4.0, 2.0]);
    }

    #[test]
    fn rows_are_reshaped_where_the_model_wants_another_form() {
        let map = InputMap { model: vec![12, 1], ..InputMap::identity(&[3, 2, 2]) };
        let rows: Vec<f32> = (0..12).map(|value| value as f32).collect();
        assert_eq!(check(&map, &rows), rows);
    }

    #[test]
    fn every_pixel_comes_back_exactly() {
        let map = InputMap { scale: vec![255.0], ..InputMap::identity(&[256]) };
        let pixels: Vec<f32> = (0..=255_u8).map(|pixel| f32::from(pixel) / 255.0).collect();
        assert_eq!(check(&map, &pixels), (0..=255_u8).map(f32::from).collect::<Vec<f32>>());
    }

    #[test]
    fn quantization_rounds_half_to_even_and_saturates() {
        let quantize = Some(Quantize { scale: 0.5, zero_point: -3, dtype: DType::I8 });
        let map = InputMap { quantize, ..InputMap::identity(&[8]) };
        let rows = [0.0, 0.25, 0.75, -0.25, 1.25, 1e9, -1e9, 65.4];
        assert_eq!(check(&map, &rows), [-3.0, -3.0, -1.0, -3.0, -1.0, 127.0, -128.0, 127.0]);
        let pixel = Some(Quantize { scale: 1.0, zero_point: -128, dtype: DType::I8 });
        let map = InputMap { quantize: pixel, scale: vec![255.0], ..InputMap::identity(&[256]) };
        let pixels: Vec<f32> = (0..=255_u8).map(|pixel| f32::from(pixel) / 255.0).collect();
        assert_eq!(check(&map, &pixels), (0..=255).map(|pixel| (pixel - 128) as f32).collect::<Vec<f32>>());
    }

    #[test]
    fn half_precision_inputs_are_cast() {
        let map = InputMap::identity(&[2]);
        let graph = prepend_input(&pass(DType::F16, 1, &[2]), &map).unwrap();
        let y = Interpreter.run(&graph, &[Tensor::f32(&[1, 2], [0.5, 1.0])]).unwrap();
        assert_eq!(y[0].dtype(), DType::F16);
    }

    #[test]
    fn maps_that_make_no_sense_are_refused() {
        let quantize =
            |scale, zero_point, dtype| InputMap { quantize: Some(Quantize { scale, zero_point, dtype }), ..image() };
        let wrong = [
            InputMap { permutation: vec![0, 1], ..image() },
            InputMap { permutation: vec![0, 1, 1], ..image() },
            InputMap { model: vec![2, 2, 4], ..image() },
            InputMap { scale: vec![], ..image() },
            InputMap { scale: vec![1.0, 2.0], ..image() },
            InputMap { offset: vec![1.0; 4], ..image() },
            InputMap { offset: vec![f32::NAN], ..image() },
            quantize(0.0, 0, DType::I8),
            quantize(f32::NAN, 0, DType::I8),
            quantize(1.0, 128, DType::I8),
            quantize(1.0, 0, DType::F32),
        ];
        for map in wrong {
            assert!(map.check().is_err(), "{map:?}");
        }
        let graphs = [pass(DType::F32, 1, &[2, 2, 4]), pass(DType::I8, 1, &[2, 2, 3]), Graph::new("no input")];
        for graph in graphs {
            assert!(prepend_input(&graph, &image()).is_err(), "{graph:?}");
        }
    }

    proptest! {
        /// Host and graph agree bit for bit, whatever the numbers. Steps are powers of two, because the reference kernel
        /// divides in f64, host and ONNX Runtime in f32.
        #[test]
        fn host_and_graph_agree(
            rows in prop::collection::vec(-4.0_f32..4.0, 24),
            scale in prop::collection::vec(0.01_f32..300.0, 3),
            offset in prop::collection::vec(-200.0_f32..200.0, 3),
            step in (-8..3).prop_map(|power| 2.0_f32.powi(power)),
            zero_point in -128_i64..=127,
            quantized: bool,
        ) {
            let quantize = quantized.then_some(Quantize { scale: step, zero_point, dtype: DType::I8 });
            check(&InputMap { scale, offset, quantize, ..image() }, &rows);
        }
    }
}
