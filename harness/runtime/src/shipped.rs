use crate::session::{self, Opening, Optimisation};
use crate::{Error, ModelBytes, ModelSpec, OutputKind, Provider, cuda, inferred, value};
use attack::{OracleError, Predictor};
use graph::{DType, Model};
use ndarray::{Array2, ArrayView2, Axis};
use ort::session::{Session, SessionInputValue, SessionOutputs};
use ort::value::{DynValue, Outlet};

/// The registered bytes, unmodified, at ONNX Runtime's default optimisation: what the judge asks.
///
/// Rows are canonical; the input map is applied on the host. Every run has the same batch size, the file's own where
/// it has one, and the rows that are missing are copies of the first: so a row's scores do not depend on its neighbours.
#[derive(Debug)]
pub struct ShippedModel {
    session: Session,
    spec: ModelSpec,
    dtype: DType,
    batch: usize,
    /// Scale and zero point of an integer output that has to be read as what it stands for.
    stands_for: Option<(f32, i64)>,
    notes: Vec<String>,
}

impl ShippedModel {
    /// Opens the model on a provider. `batch` is the batch size for files that leave it open.
    ///
    /// Errors: ONNX Runtime or the provider is not there, it refuses the model or has no kernel for any of its nodes, or
    /// the model is not what `spec` says.
    pub fn new(bytes: &ModelBytes, spec: &ModelSpec, batch: usize, provider: Provider) -> Result<Self, Error> {
        Self::with_threads(bytes, spec, batch, provider, 1)
    }

    /// The same with threads that share the work of one operator.
    pub(crate) fn with_threads(
        bytes: &ModelBytes,
        spec: &ModelSpec,
        batch: usize,
        provider: Provider,
        threads: usize,
    ) -> Result<Self, Error> {
        spec.map.check()?;
        let default = Opening::new(provider, Optimisation::Default);
        let opening = Opening { external: &bytes.external, threads, ..default };
        let session = session::open(&bytes.model, &opening)?;
        let notes = placement_notes(&session, provider)?;
        let input = find("input", &spec.input, session.inputs())?;
        if let Some(other) = session.inputs().iter().find(|other| other.name() != spec.input) {
            let (name, other) = (&spec.input, other.name());
            return Err(Error::Model(format!("it needs input `{other}` besides `{name}`, one input is supported")));
        }
        let (dtype, shape) = tensor_type("input", input)?;
        check_input_type(spec, dtype)?;
        let fixed = check_input_shape(spec, &shape)?;
        let output = find("output", &spec.output, session.outputs())?;
        let (scores, shape) = tensor_type("output", output)?;
        check_output_type(spec, scores)?;
        check_output_shape(spec, &shape)?;
        let stands_for = match spec.kind {
            OutputKind::Sigmoid | OutputKind::Score { .. } if !scores.is_float() => {
                Some(integer_scale(bytes, spec, scores)?)
            }
            _ => None,
        };
        Ok(Self { session, spec: spec.clone(), dtype, batch: fixed.unwrap_or(batch.max(1)), stands_for, notes })
    }

    /// The batch size of every run.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// What a report should say about where the file runs.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What the file is given for these rows, of which there are at least one and at most a batch.
    ///
    /// Errors: ONNX Runtime refuses it.
    pub(crate) fn input(&self, rows: ArrayView2<'_, f32>) -> Result<DynValue, Error> {
        let padding = std::iter::repeat_n(rows.row(0), self.batch - rows.nrows());
        let mut canonical: Vec<f32> = Vec::with_capacity(self.batch * rows.ncols());
        for row in rows.rows().into_iter().chain(padding) {
            canonical.extend(row);
        }
        let shape: Vec<usize> = std::iter::once(self.batch).chain(self.spec.map.model.iter().copied()).collect();
        value::floats_to_ort(self.dtype, &shape, &self.spec.map.apply(&canonical))
    }

    /// One run of the file on such an input, whose outputs are not looked at.
    ///
    /// Errors: the run fails.
    pub(crate) fn run(&mut self, input: &DynValue) -> Result<(), Error> {
        run(&mut self.session, &self.spec.input, input).map(drop)
    }

    fn scores(&mut self, rows: ArrayView2<'_, f32>) -> Result<Vec<f32>, Error> {
        let input = self.input(rows)?;
        // A model whose output is its input gives a view of the caller's buffer: the input must outlive the reading.
        let outputs = run(&mut self.session, &self.spec.input, &input)?;
        let name = &self.spec.output;
        let output = outputs.get(name).ok_or_else(|| Error::Model(format!("a run gave no output `{name}`")))?;
        let (_, shape) = value::tensor_type(output)?;
        let mut scores = Vec::new();
        value::extend_f32(output, &mut scores)?;
        let (batch, outputs) = (self.batch, self.spec.outputs()?);
        if scores.len() != batch * outputs || shape.first() != Some(&batch) {
            return Err(Error::Model(format!("output `{name}` must be [{batch}, {outputs}], a run gave {shape:?}")));
        }
        scores.truncate(rows.nrows() * outputs);
        Ok(match self.spec.kind {
            OutputKind::Logits | OutputKind::Softmax => scores,
            OutputKind::Sigmoid => {
                // As DequantizeLinear gives it. Beside 1 - p, which is rounded, numbers close to 0.5 would tie.
                let (scale, zero_point) = self.stands_for.unwrap_or((1.0, 0));
                scores.into_iter().flat_map(|p| [0.5, (p - zero_point as f32) * scale]).collect()
            }
            OutputKind::Score { threshold } => {
                // What the file was given, rounded to its type.
                let mut given = Vec::new();
                value::extend_f32(&input, &mut given)?;
                let quantize = self.spec.map.quantize.map(|quantize| (quantize.scale, quantize.zero_point));
                let rows = given.chunks(outputs).zip(scores.chunks(outputs));
                rows.flat_map(|(x, y)| [threshold, reconstruction_error((x, quantize), (y, self.stands_for))]).collect()
            }
        })
    }
}

impl Predictor for ShippedModel {
    /// Scores that are NaN are passed on: what to do with such a row is for the caller to say.
    ///
    /// Errors: a run fails, or rows have another length.
    fn predict(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError> {
        let row_len = self.spec.map.row_len();
        if x.ncols() != row_len {
            return Err(OracleError(format!("predict: rows must have {row_len} elements, found {}", x.ncols())));
        }
        let mut scores = Vec::with_capacity(x.nrows() * self.spec.classes);
        for chunk in x.axis_chunks_iter(Axis(0), self.batch) {
            scores.extend(self.scores(chunk).map_err(|error| OracleError(error.to_string()))?);
        }
        Ok(Array2::from_shape_vec((x.nrows(), self.spec.classes), scores).expect("one score per row and class"))
    }
}

fn run<'a>(session: &'a mut Session, name: &str, input: &DynValue) -> Result<SessionOutputs<'a>, Error> {
    let inputs: Vec<(&str, SessionInputValue<'_>)> = vec![(name, input.into())];
    session.run(inputs).map_err(|error| Error::ort("run the model", &error))
}

/// The mean squared difference of two rows, each with scale and zero point where it holds integers: in f64, in the order of
/// the elements, and at last rounded to float32.
fn reconstruction_error(x: (&[f32], Option<(f32, i64)>), y: (&[f32], Option<(f32, i64)>)) -> f32 {
    let real = |value: f32, integer: Option<(f32, i64)>| {
        let (scale, zero_point) = integer.unwrap_or((1.0, 0));
        (f64::from(value) - zero_point as f64) * f64::from(scale)
    };
    let squares = x.0.iter().zip(y.0).map(|(&a, &b)| (real(a, x.1) - real(b, y.1)).powi(2));
    (squares.sum::<f64>() / x.0.len() as f64) as f32
}

/// A file of others may hold nodes that a GPU has no kernel for: they run on the CPU, and the report says so.
fn placement_notes(session: &Session, provider: Provider) -> Result<Vec<String>, Error> {
    if provider == Provider::Cpu {
        return Ok(Vec::new());
    }
    let elsewhere = cuda::placement(session)?.elsewhere();
    let note =
        || format!("of the registered file these nodes run on the CPU, as `{provider}` has no kernel: {elsewhere}");
    Ok(if elsewhere.is_empty() { Vec::new() } else { vec![note()] })
}

fn find<'a>(kind: &str, name: &str, outlets: &'a [Outlet]) -> Result<&'a Outlet, Error> {
    outlets.iter().find(|outlet| outlet.name() == name).ok_or_else(|| {
        let names: Vec<String> = outlets.iter().map(|outlet| format!("`{}`", outlet.name())).collect();
        Error::Model(format!("it has no {kind} `{name}`, its {kind}s are {}", names.join(", ")))
    })
}

fn tensor_type(kind: &str, outlet: &Outlet) -> Result<(DType, Vec<Option<usize>>), Error> {
    let ty = outlet.dtype();
    let dtype = ty.tensor_type().and_then(value::dtype);
    let (Some(dtype), Some(shape)) = (dtype, ty.tensor_shape()) else {
        return Err(Error::Model(format!("{kind} `{}` is {ty}, which is not supported", outlet.name())));
    };
    Ok((dtype, inferred::dims(shape)))
}

fn check_input_type(spec: &ModelSpec, found: DType) -> Result<(), Error> {
    let input = &spec.input;
    match &spec.map.quantize {
        Some(quantize) if quantize.dtype != found => {
            Err(Error::Model(format!("input `{input}` is declared {}, the file has {found}", quantize.dtype)))
        }
        None if !found.is_float() => Err(Error::Model(format!(
            "input `{input}` is declared float, the file has {found}: it needs scale and zero point"
        ))),
        _ => Ok(()),
    }
}

/// Checks the input and returns the file's own batch size, where it has one.
fn check_input_shape(spec: &ModelSpec, found: &[Option<usize>]) -> Result<Option<usize>, Error> {
    let (name, row) = (&spec.input, &spec.map.model);
    let fits = |(wanted, found): (&usize, &Option<usize>)| found.is_none_or(|found| found == *wanted);
    match found {
        [batch, dims @ ..] if dims.len() == row.len() && row.iter().zip(dims).all(fits) && *batch != Some(0) => {
            Ok(*batch)
        }
        _ => Err(Error::Model(format!("input `{name}` is declared as rows of {row:?}, the file has {}", shown(found)))),
    }
}

/// Scores are compared as float32, so every value of the output's type must be one.
fn check_output_type(spec: &ModelSpec, found: DType) -> Result<(), Error> {
    match found {
        DType::F64 | DType::I32 | DType::U32 | DType::I64 => Err(Error::Model(format!(
            "output `{}` is {found}, which rounds when scores are compared as float32: export it as float32",
            spec.output
        ))),
        _ => Ok(()),
    }
}

fn check_output_shape(spec: &ModelSpec, found: &[Option<usize>]) -> Result<(), Error> {
    let (name, outputs) = (&spec.output, spec.outputs()?);
    let product: Option<usize> = found.iter().skip(1).copied().product();
    if found.is_empty() || product.is_none_or(|product| product == outputs) {
        return Ok(());
    }
    let declared = match spec.kind {
        OutputKind::Sigmoid => "as one probability a row".to_owned(),
        OutputKind::Score { .. } => format!("as a reconstruction of {outputs} elements"),
        OutputKind::Logits | OutputKind::Softmax => format!("with {outputs} classes"),
    };
    Err(Error::Model(format!("output `{name}` is declared {declared}, the file has {}", shown(found))))
}

/// What the integers of the output stand for: the file's last QuantizeLinear says it.
fn integer_scale(bytes: &ModelBytes, spec: &ModelSpec, dtype: DType) -> Result<(f32, i64), Error> {
    let (mut graph, _) = Model::parse(&bytes.model, bytes)?.smallest()?;
    let output = graph.outputs().iter().copied().find(|&id| graph.value(id).name() == spec.output);
    graph.set_outputs(output.into_iter().collect());
    graph::output_scale(&graph).ok_or_else(|| {
        let output = &spec.output;
        Error::Model(format!(
            "output `{output}` is {dtype}, and no QuantizeLinear at the end says what its integers stand for\nhint: export it \
             with one scale and zero point for the whole output, or with a float output"
        ))
    })
}

fn shown(shape: &[Option<usize>]) -> String {
    let dims: Vec<String> = shape.iter().map(|dim| dim.map_or("N".to_owned(), |dim| dim.to_string())).collect();
    format!("[{}]", dims.join(", "))
}
