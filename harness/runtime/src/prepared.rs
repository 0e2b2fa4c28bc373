use crate::file_logits::FileLogits;
use crate::frozen::Compiled;
use crate::micro_batch::micro_batch;
use crate::oracle::GradientOracle;
use crate::rows;
use crate::session::{self, Opening, Optimisation};
use crate::{Error, Provider, ShippedModel, TimedModel};
use attack::LossHead;
use graph::{Attrs, Cost, DType, ExternalData, Graph, InputMap, Lipschitz, Model, OutputCut};
use ndarray::ArrayView1;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a model's output is declared to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OutputKind {
    /// Unnormalised scores.
    Logits,
    /// Probabilities; attacks see the logits before them.
    Softmax,
    /// One probability `p` a row, of the second of two classes; attacks see the logits `(0, z)` of the sigmoid's input `z`.
    ///
    /// The judge's scores are `(0.5, p)`: the second class is predicted if `p > 0.5`, and `p = 0.5` is a tie. What an integer
    /// output stands for is what its last QuantizeLinear says.
    Sigmoid,
    /// A reconstruction `f(x)` of the input `x`, in its shape. The score of a row is the mean of `(x - f(x))²` over its
    /// elements; above the threshold a row is of the second of two classes, anomalous.
    ///
    /// The judge's scores are `(threshold, score)`: a score that equals the threshold is a tie, and the row normal. `x` is what
    /// the file is given and `f(x)` what it gives, integers as what they stand for: those of the input by the input map,
    /// those of the output by the file's last QuantizeLinear. Differences, squares and their sum, in the order of the elements,
    /// are computed in f64, and the mean is rounded to float32. Attacks see the logits of [`graph::append_score`].
    Score {
        /// Positive, and no denormal number.
        threshold: f32,
    },
}

/// How a model is to be used: what its manifest says, resolved against the data set.
#[derive(Debug, Clone)]
pub struct ModelSpec {
    /// The input's name.
    pub input: String,
    /// From canonical rows to what the input takes.
    pub map: InputMap,
    /// The output's name.
    pub output: String,
    /// The number of classes.
    pub classes: usize,
    /// What the output is.
    pub kind: OutputKind,
}

impl ModelSpec {
    /// Whether it gives a row one number that a threshold makes a class of: how anomalous the row is.
    pub fn scores_rows(&self) -> bool {
        matches!(self.kind, OutputKind::Score { .. })
    }

    /// How many numbers the file gives for a row.
    ///
    /// Errors: a single probability or score cannot tell so many classes apart.
    pub(crate) fn outputs(&self) -> Result<usize, Error> {
        let declared = match (self.kind, self.classes) {
            (OutputKind::Logits | OutputKind::Softmax, classes) => return Ok(classes),
            (OutputKind::Sigmoid, 2) => return Ok(1),
            (OutputKind::Score { .. }, 2) => return Ok(self.map.row_len()),
            (OutputKind::Sigmoid, _) => "sigmoid",
            (OutputKind::Score { .. }, _) => "a score",
        };
        let (output, classes) = (&self.output, self.classes);
        let text = format!("output `{output}` is declared {declared}, which tells 2 classes apart, not {classes}");
        Err(Error::Model(text))
    }
}

/// The bytes of a model, as they are registered.
#[derive(Debug, Clone)]
pub struct ModelBytes {
    /// The ONNX file.
    pub model: Arc<[u8]>,
    /// The files that its tensors may live in, by the name that it uses.
    pub external: Vec<(String, Arc<[u8]>)>,
}

impl ModelBytes {
    /// A model without external data.
    pub fn new(model: impl Into<Arc<[u8]>>) -> Self {
        Self { model: model.into(), external: Vec::new() }
    }
}

impl ExternalData for ModelBytes {
    fn read(&self, location: &str, offset: u64, length: Option<u64>) -> Result<Vec<u8>, String> {
        let file = self.external.iter().find(|(name, _)| name == location);
        let (_, bytes) = file.ok_or_else(|| format!("`{location}` is not among the model's registered files"))?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = match length {
            Some(length) => offset.checked_add(length).and_then(|end| usize::try_from(end).ok()).unwrap_or(usize::MAX),
            None => bytes.len(),
        };
        let slice = bytes.get(start..end);
        slice
            .map(<[u8]>::to_vec)
            .ok_or_else(|| format!("`{location}` has {} bytes, wanted {start}..{end}", bytes.len()))
    }
}

/// A model that is ready to be judged and attacked: parsed, checked, and differentiated for every loss that is needed.
///
/// Built once per model and shared by all workers, each of which opens its own sessions.
#[derive(Debug, Clone)]
pub struct Prepared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bytes: ModelBytes,
    spec: ModelSpec,
    /// The batch of the judge's runs: the micro-batch, or 1 where a row's last bits depend on its place.
    judge_batch: usize,
    cost: Cost,
    parameters: u64,
    ops: BTreeMap<String, usize>,
    output_cut: Option<OutputCut>,
    notes: Vec<String>,
    classifier: Graph,
    smallest: Graph,
    compiled: Arc<Compiled>,
    file_logits: Option<Arc<FileLogits>>,
}

impl Prepared {
    /// Reads a model and builds the gradient graph of every head.
    ///
    /// Errors: everything that can be known before a run: the provider is not available, the bytes are no model, an
    /// operator is not supported or has no gradient, the model is not what `spec` says, rows influence each other, ONNX
    /// Runtime refuses the model or a graph made from it.
    pub fn new(bytes: ModelBytes, spec: ModelSpec, heads: &[LossHead], provider: Provider) -> Result<Self, Error> {
        provider.require()?;
        let model = Model::parse(&bytes.model, &bytes)?;
        let mut notes = Vec::new();
        let batched = batched(&model, &spec, provider, &mut notes)?;
        let Batched { classifier, smallest, output_cut, cost } = batched;
        let compiled = Compiled::new(&classifier, heads, provider, &mut notes)?;
        let judge_batch = judge_batch(&bytes, &spec, &model, batch_of(&classifier), provider, &mut notes)?;
        let file_logits = FileLogits::of(&model, &bytes, &spec, output_cut.as_ref(), judge_batch, provider);
        let file_logits = noted(file_logits, &mut notes);
        let prepared = Self(Arc::new(Inner {
            judge_batch,
            file_logits,
            cost,
            parameters: model.parameters(),
            ops: model.ops(),
            output_cut,
            notes,
            compiled: Arc::new(compiled),
            classifier,
            smallest,
            bytes,
            spec,
        }));
        let compiled = &prepared.0.compiled;
        for own in std::iter::once(&compiled.logits).chain(compiled.gradients.values()) {
            session::open(own, &Opening::new(provider, Optimisation::Own))?;
        }
        Ok(prepared)
    }

    /// A judge: the registered bytes, unmodified.
    ///
    /// Errors: as [`ShippedModel::new`].
    pub fn predictor(&self) -> Result<ShippedModel, Error> {
        ShippedModel::new(&self.0.bytes, &self.0.spec, self.0.judge_batch, self.0.compiled.provider)
    }

    /// The registered bytes at batch 1 with one row, in a session of its own: what latency is measured on.
    ///
    /// Errors: as [`TimedModel::new`].
    pub fn timed(&self, row: ArrayView1<'_, f32>, threads: usize) -> Result<TimedModel, Error> {
        TimedModel::new(&self.0.bytes, &self.0.spec, row, threads, self.0.compiled.provider)
    }

    /// An oracle of its own for one worker, whose logits are those that it differentiates; its sessions are opened when they
    /// are first needed.
    ///
    /// Errors: ONNX Runtime cannot be loaded.
    pub fn oracle(&self) -> Result<GradientOracle, Error> {
        crate::env()?;
        Ok(GradientOracle::new(Arc::clone(&self.0.compiled), None))
    }

    /// The same for attacks: where no gradient is asked for, the logits of a quantized file come from the file itself.
    ///
    /// Errors: ONNX Runtime cannot be loaded.
    pub fn attack_oracle(&self) -> Result<GradientOracle, Error> {
        crate::env()?;
        Ok(GradientOracle::new(Arc::clone(&self.0.compiled), self.0.file_logits.clone()))
    }

    /// Whether attacks that ask for no gradient read the logits of the file itself.
    pub fn has_file_logits(&self) -> bool {
        self.0.file_logits.is_some()
    }

    /// The classifier from canonical rows to logits, at the micro-batch: what the oracle differentiates.
    pub fn classifier(&self) -> &Graph {
        &self.0.classifier
    }

    /// The operator norms of the layers of that classifier, for bounds on its Lipschitz constants: from canonical rows to logits,
    /// of the fewest rows that the file takes, which is nearly always one. It takes as long as some runs of the model.
    pub fn lipschitz(&self) -> Lipschitz<'_> {
        self.0.smallest.lipschitz()
    }

    /// How the model is used.
    pub fn spec(&self) -> &ModelSpec {
        &self.0.spec
    }

    /// The number of rows in every run.
    pub fn micro_batch(&self) -> usize {
        self.0.compiled.micro_batch
    }

    /// Multiply-accumulates of one row: convolutions and dense layers, no bias, no pooling.
    pub fn macs(&self) -> u64 {
        self.0.cost.macs
    }

    /// What one row costs, in every convention. Batch normalisation that the file has is not folded for this.
    pub fn cost(&self) -> Cost {
        self.0.cost
    }

    /// The number of elements of all initializers.
    pub fn parameters(&self) -> u64 {
        self.0.parameters
    }

    /// The operators of the file and how often each occurs.
    pub fn ops(&self) -> &BTreeMap<String, usize> {
        &self.0.ops
    }

    /// The number of nodes of the file.
    pub fn nodes(&self) -> usize {
        self.0.ops.values().sum()
    }

    /// What was cut from the end for the attacks: a softmax or sigmoid, quantizers, or both.
    pub fn output_cut(&self) -> Option<&OutputCut> {
        self.0.output_cut.as_ref()
    }

    /// What a report should say about how the model is attacked.
    pub fn notes(&self) -> &[String] {
        &self.0.notes
    }
}

/// A classifier at the batch size that it is attacked at.
struct Batched {
    classifier: Graph,
    /// The same at the fewest rows that the file takes.
    smallest: Graph,
    output_cut: Option<OutputCut>,
    /// Of one row.
    cost: Cost,
}

/// Reads the model at its micro-batch, and makes sure that rows stay apart there.
///
/// A file with a fixed batch of 1 is read at others where that changes nothing, and row by row where it does. One with
/// another fixed batch can't be read at a second size: there the judge's rows, of the same file, speak for the graph's.
fn batched(model: &Model, spec: &ModelSpec, provider: Provider, notes: &mut Vec<String>) -> Result<Batched, Error> {
    let read = |graph: &Graph, notes: &mut Vec<String>| classifier(&select_output(graph, spec)?, spec, notes);
    let (graph, rows) = model.smallest()?;
    let smallest = select_output(&graph, spec)?;
    let of_all = smallest.cost();
    let one = |macs: u64| macs / rows as u64;
    let cost = Cost { macs: one(of_all.macs), macs_torchprofile: one(of_all.macs_torchprofile), ..of_all };
    let (small, output_cut) = read(&graph, notes)?;
    let at_small = Batched { classifier: small.clone(), smallest: small, output_cut, cost };
    let fixed = model.fixed_batch();
    let micro_batch = micro_batch(&smallest, provider);
    if fixed.is_some_and(|rows| rows > 1) || micro_batch == rows {
        return Ok(at_small);
    }
    let at_micro_batch = model.graph(micro_batch).map_err(Error::from).and_then(|graph| {
        let (classifier, _) = read(&graph, &mut Vec::new())?;
        // The reference is slow: it looks at the CPU's batch. At a GPU's the registered file is looked at by the judge.
        let reference = graph::micro_batch(&smallest);
        let agree = if reference == micro_batch {
            rows::agree(&classifier, &at_small.classifier, spec)?
        } else {
            rows::agree(&read(&model.graph(reference)?, &mut Vec::new())?.0, &at_small.classifier, spec)?
        };
        Ok((classifier, agree))
    });
    let reason = match at_micro_batch {
        Ok((classifier, true)) => return Ok(Batched { classifier, ..at_small }),
        Ok((_, false)) => {
            format!("rows influence each other: at a batch of {micro_batch} a row's logits are not those at {rows}")
        }
        Err(error) if fixed.is_none() => return Err(error),
        Err(error) => error.to_string(),
    };
    if fixed.is_none() {
        return Err(Error::Model(reason));
    }
    notes.push(format!("attacks run one row at a time, as the file's fixed batch of 1 can't be widened: {reason}"));
    Ok(at_small)
}

/// The batch at which the registered bytes give every row the same scores, whatever stands beside it.
///
/// Some kernels of ONNX Runtime sum in an order that depends on where a row lies in memory. Where the graph keeps rows
/// apart, which was checked when it was read at the micro-batch, such a file is judged one row at a time.
/// Errors: the model is not what `spec` says, a run fails, or rows influence each other.
fn judge_batch(
    bytes: &ModelBytes,
    spec: &ModelSpec,
    model: &Model,
    micro_batch: usize,
    provider: Provider,
    notes: &mut Vec<String>,
) -> Result<usize, Error> {
    let mut check = |batch| {
        let mut judge = ShippedModel::new(bytes, spec, batch, provider)?;
        rows::check_judge(&mut judge, spec)?;
        for note in judge.notes() {
            if !notes.contains(note) {
                notes.push(note.clone());
            }
        }
        Ok(())
    };
    match check(micro_batch) {
        Ok(()) => Ok(micro_batch),
        Err(Error::Model(reason)) if model.fixed_batch().is_none() && micro_batch > 1 => {
            check(1)?;
            notes.push(format!("the file is judged one row at a time, though its graph keeps rows apart: {reason}"));
            Ok(1)
        }
        Err(error) => Err(error),
    }
}

/// The logits of a quantized file by its own integers, after a note that says so, or why there are none.
fn noted(found: Result<Option<FileLogits>, Error>, notes: &mut Vec<String>) -> Option<Arc<FileLogits>> {
    match found {
        Ok(None) => None,
        Ok(Some(logits)) => {
            notes.push("searches without gradients see the logits that the file's own integers give".to_owned());
            Some(Arc::new(logits))
        }
        // The file itself can be run; only that value can't be had of it.
        Err(reason) => {
            notes.push(format!(
                "searches without gradients see the logits of the gradient graph, not the file's: {reason}"
            ));
            None
        }
    }
}

fn batch_of(classifier: &Graph) -> usize {
    classifier.shape(classifier.inputs()[0])[0]
}

/// The model with the declared output alone, after checking that the declared input is the only one.
fn select_output(graph: &Graph, spec: &ModelSpec) -> Result<Graph, Error> {
    let names = |ids: &[graph::ValueId]| {
        ids.iter().map(|&id| format!("`{}`", graph.value(id).name())).collect::<Vec<_>>().join(", ")
    };
    match graph.inputs() {
        &[input] if graph.value(input).name() == spec.input => {}
        inputs => {
            let (wanted, found) = (&spec.input, names(inputs));
            return Err(Error::Model(format!("its one input must be `{wanted}`, its inputs are {found}")));
        }
    }
    let output = graph.outputs().iter().copied().find(|&id| graph.value(id).name() == spec.output);
    let Some(output) = output else {
        let (wanted, found) = (&spec.output, names(graph.outputs()));
        return Err(Error::Model(format!("it has no output `{wanted}`, its outputs are {found}")));
    };
    let mut selected = graph.clone();
    selected.set_outputs(vec![output]);
    Ok(selected.pruned().0)
}

/// Canonical float rows to float logits `[N, K]`.
fn classifier(forward: &Graph, spec: &ModelSpec, notes: &mut Vec<String>) -> Result<(Graph, Option<OutputCut>), Error> {
    let folded = graph::fold_batch_norm(forward)?;
    check_outputs(&folded, spec)?;
    let (mut graph, cut) = match spec.kind {
        OutputKind::Logits | OutputKind::Softmax => graph::cut_softmax(&folded)?,
        OutputKind::Sigmoid => graph::cut_sigmoid(&folded)?,
        OutputKind::Score { threshold } => (graph::append_score(&folded, threshold, spec.map.quantize)?, None),
    };
    note_output(spec, cut.as_ref(), notes)?;
    flatten_output(&mut graph, spec)?;
    Ok((graph::prepend_input(&graph.pruned().0, &spec.map)?, cut))
}

fn note_output(spec: &ModelSpec, cut: Option<&OutputCut>, notes: &mut Vec<String>) -> Result<(), Error> {
    let output = &spec.output;
    let activation = cut.is_some_and(|cut| cut.node.is_some());
    let declared = match spec.kind {
        OutputKind::Logits | OutputKind::Score { .. } => None,
        OutputKind::Softmax => Some("softmax"),
        OutputKind::Sigmoid => Some("sigmoid"),
    };
    if let Some(declared) = declared.filter(|_| !activation) {
        let text = format!("output `{output}` is declared {declared}, but the graph does not end in one");
        return Err(Error::Model(text));
    }
    notes.extend(cut.map(|cut| format!("attacks see the logits: {cut} was cut")));
    if spec.kind == OutputKind::Sigmoid {
        notes
            .push(format!("output `{output}` is one probability p: class 1 is predicted if p > 0.5, p = 0.5 is a tie"));
    }
    if let OutputKind::Score { threshold } = spec.kind {
        notes.push(format!(
            "output `{output}` is a reconstruction: the score of a row is its mean squared difference from the input; class 1 is \
             predicted if it is above {threshold}, equality is a tie and class 0"
        ));
        notes.push("attacks see the root of the score, in thresholds, as a logit".to_owned());
    }
    if spec.kind == OutputKind::Logits && activation {
        notes.push(format!("output `{output}` is declared logits, but it is the output of a softmax"));
    }
    Ok(())
}

/// Whether the file gives as many numbers for a row as its declared kind and classes have.
fn check_outputs(graph: &Graph, spec: &ModelSpec) -> Result<(), Error> {
    let outputs = spec.outputs()?;
    let (name, classes, shape) = (&spec.output, spec.classes, graph.shape(graph.outputs()[0]));
    let rows = graph.shape(graph.inputs()[0])[0];
    let input = graph.shape(graph.inputs()[0]);
    let found = shape.iter().skip(1).product::<usize>();
    let fits = match spec.kind {
        OutputKind::Logits | OutputKind::Softmax => shape.len() >= 2,
        OutputKind::Sigmoid => true,
        OutputKind::Score { .. } => shape == input,
    };
    if shape.first() == Some(&rows) && found == outputs && fits {
        return Ok(());
    }
    Err(Error::Model(match spec.kind {
        OutputKind::Sigmoid => format!(
            "output `{name}` is declared sigmoid, one probability a row, at batch {rows} the file gives {shape:?}; several \
             probabilities a row, each of a label of its own, are not supported"
        ),
        OutputKind::Score { .. } => format!(
            "output `{name}` is declared a score, so it has to be a reconstruction in the input's shape {input:?}, the file \
             gives {shape:?}\nhint: a file that gives the score itself is not supported; export the autoencoder"
        ),
        OutputKind::Logits | OutputKind::Softmax => {
            format!("output `{name}` is declared with {classes} classes, at batch {rows} the file gives {shape:?}")
        }
    }))
}

/// Makes the output `[N, K]` in float32.
fn flatten_output(graph: &mut Graph, spec: &ModelSpec) -> Result<(), Error> {
    let mut output = graph.outputs()[0];
    let name = &spec.output;
    let (dtype, shape) = (graph.value(output).dtype(), graph.shape(output).to_vec());
    if !dtype.is_float() {
        return Err(Error::Model(format!("output `{name}` is {dtype}, which has no gradient")));
    }
    if shape.len() > 2 {
        output = graph.add("Flatten", &[output], Attrs::new().int("axis", 1))?;
    }
    if dtype != DType::F32 {
        output = graph.add("Cast", &[output], Attrs::new().int("to", DType::F32.onnx().into()))?;
    }
    graph.set_outputs(vec![output]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handmade::{FLOAT, File, Ints};

    fn read(file: File, provider: Provider) -> Result<Batched, Error> {
        let map = InputMap::identity(&[4]);
        let (input, output) = ("in".to_owned(), "out".to_owned());
        let spec = ModelSpec { input, map, output, classes: 3, kind: OutputKind::Logits };
        let bytes = ModelBytes::new(file.bytes());
        batched(&Model::parse(&bytes.model, &bytes)?, &spec, provider, &mut Vec::new())
    }

    fn file(batch: &str) -> File {
        let file = File::new().input("in", FLOAT, &[batch, "4"]).output("out", FLOAT, &[batch, "3"]);
        file.floats("w", &[4, 3], &[0.5, -1.0, 0.25, 1.5, -0.75, 0.125, -0.5, 1.0, 2.0, -0.25, 0.75, -1.5])
    }

    #[test]
    fn a_gpu_reads_the_same_classifier_at_more_rows() {
        for batch in ["N", "1"] {
            let rows = Provider::ALL.iter().map(|&provider| {
                let found = read(file(batch).node("MatMul", &["in", "w"], "out"), provider).unwrap();
                (batch_of(&found.classifier), found.cost.macs)
            });
            assert_eq!(rows.collect::<Vec<_>>(), [(64, 12), (256, 12)], "{batch}");
        }
    }

    #[test]
    fn rows_that_influence_each_other_are_refused_for_a_gpu_too() {
        let axes = [("axes", Ints::List(vec![0])), ("keepdims", Ints::One(1))];
        let file = file("N").node_with("ReduceMean", &["in"], "mean", &axes).node("Sub", &["in", "mean"], "centred");
        let text = read(file.node("MatMul", &["centred", "w"], "out"), Provider::Cuda).err().unwrap().to_string();
        assert!(text.contains("rows influence each other"), "{text}");
    }
}
