//! `tinyassay model check`: can you evaluate my file?

use crate::args::CheckArgs;
use crate::exit::Exit;
use crate::places::Places;
use crate::{prepare, progress, table};
use anyhow::{Context, Result, bail, ensure};
use attack::Predictor;
use graph::check::{self, DirectionalCheck, ExecutorCheck, Splitmix};
use graph::{
    DType, Dim, Executor, ExternalData, Graph, Head, InputMap, Interpreter, Model, Quantize, Tensor, gradient_graph,
};
use ndarray::{Array2, s};
use registry::{FolderFiles, InputSpec};
use runtime::{ModelBytes, ModelSpec, OrtExecutor, OutputKind, Prepared, Provider};
use std::collections::BTreeSet;
use std::path::Path;

/// What a check allows.
struct Limits {
    /// How far the scores of a file may be from the f64 reference, relative to the largest of them.
    outputs: f64,
    /// How far a directional derivative in f64 may be from a central difference.
    differences: f64,
    /// How far the median gradient of ONNX Runtime may be from that in f64.
    runtime: f64,
}

/// In float32: hundreds of its units for the sums of a network.
const SINGLE: Limits = Limits { outputs: 1e-4, differences: 1e-6, runtime: 1e-5 };
/// In half precision, which rounds every step, and every constant of a gradient rule, to 5e-4.
const HALF: Limits = Limits { outputs: 3e-2, differences: 5e-3, runtime: 5e-2 };

impl Limits {
    fn of(graph: &Graph) -> &'static Self {
        let half = graph.values().iter().any(|value| matches!(value.dtype(), DType::F16 | DType::BF16));
        if half { &HALF } else { &SINGLE }
    }
}

/// External data beside an ONNX file.
pub(crate) struct Beside(FolderFiles);

impl Beside {
    /// The files in the folder of `onnx`.
    pub(crate) fn new(onnx: &Path) -> Self {
        let folder = onnx.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self(FolderFiles::new(folder))
    }
}

impl ExternalData for Beside {
    fn read(&self, location: &str, offset: u64, length: Option<u64>) -> Result<Vec<u8>, String> {
        self.0.read(location, offset, length).map_err(|error| error.to_string())
    }
}

/// Reads the file, lists its operators, runs it, and checks rows and gradients. The exit code says whether it can be
/// evaluated.
///
/// Errors: the file can't be read, or is no ONNX model.
pub(crate) fn run(places: &Places, args: &CheckArgs) -> Result<Exit> {
    ensure!(args.inputs > 0, "--inputs must be at least 1");
    let (bytes, declared) = read(places, &args.path)?;
    let label = args.path.display();
    let model = Model::parse(&bytes.model, &bytes).with_context(|| format!("failed to read {label}"))?;
    println!("{label}: ONNX IR {}, opset {}, written by {}", model.ir_version(), model.opset(), model.producer());
    let ops: Vec<String> = model.ops().iter().map(|(op, count)| format!("{op} {count}")).collect();
    println!("operators: {}", ops.join(", "));
    let unsupported = model.unsupported();
    if !unsupported.is_empty() {
        let texts: Vec<String> = unsupported.iter().map(ToString::to_string).collect();
        let split = texts.iter().map(|text| text.split_once('\n').map_or((text.as_str(), None), |(a, b)| (a, Some(b))));
        let (problems, hints): (Vec<&str>, Vec<Option<&str>>) = split.unzip();
        problems.iter().for_each(|problem| println!("  not supported: {problem}"));
        let hints: BTreeSet<&str> = hints.into_iter().flatten().collect();
        hints.iter().for_each(|hint| println!("{hint}"));
        println!("can't be evaluated: {} nodes are not supported", unsupported.len());
        return Ok(Exit::Failed);
    }
    let provider = Provider::from(args.provider);
    progress::runtime(provider)?;
    let spec = match spec(&model) {
        Ok(spec) => spec,
        Err(error) => {
            println!("can't be evaluated: {error:#}");
            return Ok(Exit::Failed);
        }
    };
    let range = range(args, &spec, declared.as_ref())?;
    let failures = examine(bytes, &model, spec, range, args).unwrap_or_else(|error| vec![format!("{error:#}")]);
    failures.iter().for_each(|failure| println!("can't be evaluated: {failure}"));
    if failures.is_empty() {
        println!("can be evaluated");
    }
    Ok(if failures.is_empty() { Exit::Pass } else { Exit::Failed })
}

/// The bytes of an ONNX file, of a model folder, or of a registered model, with what a manifest says of the input.
fn read(places: &Places, path: &Path) -> Result<(ModelBytes, Option<InputSpec>)> {
    if !path.is_file() {
        let name = path.to_str().context("the name is not UTF-8")?;
        ensure!(
            path.exists() || places.models.join(name).exists() || name.contains(['*', '?', '[']),
            "no such file, folder or registered model: {name}"
        );
        let registered = places.registry().find_one(name)?;
        return Ok((prepare::load(&registered)?, Some(registered.manifest.input)));
    }
    let place = || format!("failed to read {}", path.display());
    let onnx = std::fs::read(path).with_context(place)?;
    let beside = Beside::new(path);
    let external = graph::external_locations(&onnx).with_context(place)?.into_iter().map(|location| {
        let bytes = beside.0.read(&location, 0, None).with_context(place)?;
        Ok((location, bytes.into()))
    });
    Ok((ModelBytes { external: external.collect::<Result<_>>()?, model: onnx.into() }, None))
}

/// Between which numbers random inputs lie, in the units of the file's input.
fn range(args: &CheckArgs, spec: &ModelSpec, declared: Option<&InputSpec>) -> Result<[f64; 2]> {
    if let Some(range) = &args.range {
        let [low, high] = [range[0], range[1]];
        ensure!(low < high && (high - low).is_finite(), "--range must be two finite numbers, the lower first");
        return Ok([low, high]);
    }
    if let Some((low, high)) = spec.map.quantize.and_then(|quantize| quantize.dtype.int_range()) {
        return Ok([low as f64, high as f64]);
    }
    let Some(InputSpec { range, mean, std, .. }) = declared else { return Ok([0.0, 1.0]) };
    let (mean, std) = (mean.clone().unwrap_or(vec![0.0]), std.clone().unwrap_or(vec![1.0]));
    let channels = mean.len().max(std.len());
    let of = |factors: &[f64], channel: usize| factors[if factors.len() == 1 { 0 } else { channel }];
    let ends = (0..channels)
        .flat_map(|channel| range.unwrap_or([0.0, 1.0]).map(|end| (end - of(&mean, channel)) / of(&std, channel)));
    Ok(ends.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], end| [low.min(end), high.max(end)]))
}

/// Prepares the file as a run does, and compares its scores and gradients. Returns what does not hold.
///
/// Errors: it can't be prepared.
fn examine(
    bytes: ModelBytes,
    model: &Model,
    spec: ModelSpec,
    range: [f64; 2],
    args: &CheckArgs,
) -> Result<Vec<String>> {
    let provider = Provider::from(args.provider);
    let prepared = Prepared::new(bytes, spec, &[], provider)?;
    println!("multiply-accumulates of one row: {}", prepared.macs());
    println!("rows do not influence each other");
    prepared.notes().iter().for_each(|note| println!("note: {note}"));
    let mut failures = check_outputs(&prepared, model, range)?;
    failures.extend(check_gradients(&prepared, range, args.inputs, provider)?);
    Ok(failures)
}

/// The file as it is: rows in its own layout and units.
fn spec(model: &Model) -> Result<ModelSpec> {
    let ([input], [output]) = (model.inputs(), model.outputs()) else {
        bail!("expected one input and one output, found {} and {}", model.inputs().len(), model.outputs().len());
    };
    let row: Vec<usize> = input
        .dims
        .iter()
        .skip(1)
        .map(|dim| match dim {
            Dim::Fixed(size) => Ok(*size),
            Dim::Symbolic(name) => bail!("input `{}` has the open dimension `{name}` besides the batch", input.name),
        })
        .collect::<Result<_>>()?;
    let quantize = (!input.dtype.is_float()).then_some(Quantize { scale: 1.0, zero_point: 0, dtype: input.dtype });
    let (graph, _) = model.smallest()?;
    let folded = graph::fold_batch_norm(&graph)?;
    let ends_in = |cut: Option<graph::OutputCut>| cut.is_some_and(|cut| cut.node.is_some());
    let outputs = graph.shape(graph.outputs()[0]).iter().skip(1).product();
    let (kind, classes) = match outputs {
        1 if ends_in(graph::cut_sigmoid(&folded)?.1) => (OutputKind::Sigmoid, 2),
        _ if ends_in(graph::cut_softmax(&folded)?.1) => (OutputKind::Softmax, outputs),
        _ => (OutputKind::Logits, outputs),
    };
    ensure!(
        classes >= 2,
        "output `{}` has {classes} score per row: a classifier has 2 or more, or one sigmoid",
        output.name
    );
    Ok(ModelSpec {
        input: input.name.clone(),
        map: InputMap { quantize, ..InputMap::identity(&row) },
        output: output.name.clone(),
        classes,
        kind,
    })
}

/// Compares the scores of the registered bytes with those of the graph in f64; quantized files may round another way.
fn check_outputs(prepared: &Prepared, model: &Model, range: [f64; 2]) -> Result<Vec<String>> {
    let (rows, map) = (prepared.micro_batch(), &prepared.spec().map);
    let x = Splitmix::new(2).tensor(&[rows, map.row_len()], range[0], range[1]).to_f64();
    let x: Vec<f32> = x.iter().map(|x| *x as f32).collect();
    let input = map.apply(&x);
    let mut scores = prepared.predictor()?.predict(Array2::from_shape_vec((rows, map.row_len()), x)?.view())?;
    if prepared.spec().kind == OutputKind::Sigmoid {
        // Beside 0.5, which the judge compares with.
        scores = scores.slice_move(s![.., 1..]);
    }
    let graph = model.graph(rows)?;
    let ty = graph.value(graph.inputs()[0]).ty().clone();
    let exact = Interpreter.run(&graph, &[as_tensor(ty.dtype, &ty.shape, &input)])?.remove(0).to_f64();
    let largest = exact.iter().fold(0.0_f64, |most, value| most.max(value.abs())).max(f64::MIN_POSITIVE);
    let differences = scores.iter().zip(&exact).map(|(found, exact)| (f64::from(*found) - exact).abs() / largest);
    let worst = differences.fold(0.0_f64, |worst, error| if worst.is_nan() || error <= worst { worst } else { error });
    println!("outputs differ from the f64 reference by {worst:.1e} of the largest");
    let quantized = graph.nodes().iter().any(|node| node.op().name == "QuantizeLinear");
    let allowed = Limits::of(&graph).outputs;
    Ok(if quantized || worst <= allowed {
        Vec::new()
    } else {
        vec![format!("outputs differ from the f64 reference by {worst:.1e} of the largest, allowed is {allowed:.0e}")]
    })
}

fn as_tensor(dtype: DType, shape: &[usize], values: &[f32]) -> Tensor {
    if dtype.is_float() {
        Tensor::float(dtype, shape, values.iter().map(|value| f64::from(*value)).collect())
    } else {
        Tensor::int(dtype, shape, values.iter().map(|value| *value as i64).collect())
    }
}

/// Compares the gradient of every head that has enough classes with central differences and with what ONNX Runtime computes.
///
/// Through quantisation there is no derivative to compare with: there some row's gradient must be finite and not zero.
fn check_gradients(prepared: &Prepared, range: [f64; 2], inputs: usize, provider: Provider) -> Result<Vec<String>> {
    let classifier = prepared.classifier();
    let straight_through = classifier.nodes().iter().any(|node| node.op().name == "QuantizeLinear");
    let limits = Limits::of(classifier);
    let mut failures = Vec::new();
    let mut rows = Vec::new();
    let classes = prepared.spec().classes;
    for head in Head::ALL.iter().filter(|head| head.least_classes() <= classes) {
        let built = gradient_graph(classifier, *head)?;
        let mut program = OrtExecutor::on(provider).compile(&provider.profile().lower(&built.graph)?)?;
        let mut random = Splitmix::new(1);
        let (mut differences, mut runtime) = (DirectionalCheck::default(), ExecutorCheck::default());
        let mut useful = false;
        for _ in 0..inputs.div_ceil(built.rows.max(1)) {
            let x = random.tensor(&built.input().shape.clone(), range[0], range[1]);
            let weights = check::head_weights(classifier, *head, &x, &mut random)?;
            check::compare_executor(&mut runtime, &built, program.as_mut(), &x, &weights)?;
            if straight_through {
                useful |= has_gradient(&program.run(&[x, weights])?[2], built.rows);
            } else {
                check::compare_differences(&mut differences, &built, &x, &weights, range, &mut random)?;
            }
        }
        let mut require = |holds: bool, otherwise: String| {
            if !holds {
                failures.push(format!("gradient of {head:?}: {otherwise}"));
            }
        };
        let (error, median) = (differences.error, runtime.median());
        if straight_through {
            require(useful, "zero or not finite on every row".to_owned());
        } else {
            // A ratio bends between the differences.
            let bend = if matches!(head, Head::Dlr | Head::DlrTargeted) { 10.0 } else { 1.0 };
            let allowed = bend * limits.differences;
            require(error <= allowed, format!("{error:.1e} from central differences, allowed is {allowed:.0e}"));
            let text = format!("ONNX Runtime's median error is {median:.1e}, allowed is {:.0e}", limits.runtime);
            require(median <= limits.runtime, text);
        }
        let told = match differences {
            _ if straight_through => "straight-through".to_owned(),
            // A deep net of random weights can have a kink within every step of every row, which says nothing against it.
            DirectionalCheck { rows: 0, skipped, .. } => format!("can't tell (all {skipped} rows at a kink)"),
            DirectionalCheck { rows, skipped, error } => format!("{error:.1e} ({rows} rows, {skipped} at a kink)"),
        };
        let within = format!("{:.1} %", 100.0 * runtime.share_within(1e-2));
        rows.push([format!("{head:?}"), told, format!("{median:.1e}"), within]);
    }
    let header = ["gradient of", "error against central differences", "ONNX Runtime: median", "within 1e-2"];
    println!("{}", table::render(header, rows));
    Ok(failures)
}

/// Whether some row's gradient is finite and not zero.
fn has_gradient(gradient: &Tensor, rows: usize) -> bool {
    let elements = gradient.to_f64();
    let row_len = (elements.len() / rows.max(1)).max(1);
    elements.chunks(row_len).any(|row| row.iter().all(|g| g.is_finite()) && row.iter().any(|g| *g != 0.0))
}
