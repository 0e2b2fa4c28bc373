//! `tinyassay model check`: can you evaluate my file?

use crate::args::CheckArgs;
use crate::exit::Exit;
use crate::places::Places;
use crate::{prepare, progress, table};
use anyhow::{Context, Result, bail};
use attack::Predictor;
use graph::check::{self, DirectionalCheck, ExecutorCheck, Splitmix};
use graph::{
    DType, Dim, Executor, ExternalData, Graph, Head, InputMap, Interpreter, Model, Quantize, Tensor, gradient_graph,
};
use ndarray::Array2;
use registry::FolderFiles;
use runtime::{ModelBytes, ModelSpec, OrtExecutor, OutputKind, ShippedModel};
use std::path::Path;

/// Rows of one batch of random inputs.
const ROWS: usize = 8;

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
    let bytes = read(places, &args.path)?;
    let label = args.path.display();
    let model = Model::parse(&bytes.model, &bytes).with_context(|| format!("failed to read {label}"))?;
    println!("{label}: ONNX IR {}, opset {}, written by {}", model.ir_version(), model.opset(), model.producer());
    let ops: Vec<String> = model.ops().iter().map(|(op, count)| format!("{op} {count}")).collect();
    println!("operators: {}", ops.join(", "));
    let unsupported = model.unsupported();
    if !unsupported.is_empty() {
        unsupported.iter().for_each(|problem| println!("  not supported: {problem}"));
        println!("can't be evaluated: {} nodes are not supported", unsupported.len());
        return Ok(Exit::Failed);
    }
    progress::runtime()?;
    match examine(&bytes, &model, args) {
        Ok(true) => {
            println!("can be evaluated");
            Ok(Exit::Pass)
        }
        Ok(false) => {
            println!("can't be evaluated as it is: see above");
            Ok(Exit::Failed)
        }
        Err(error) => {
            println!("can't be evaluated: {error:#}");
            Ok(Exit::Failed)
        }
    }
}

/// The bytes of an ONNX file, of a model folder, or of a registered model.
fn read(places: &Places, path: &Path) -> Result<ModelBytes> {
    if !path.is_file() {
        let name = path.to_str().context("the name is not UTF-8")?;
        return prepare::load(&places.registry().find_one(name)?);
    }
    let place = || format!("failed to read {}", path.display());
    let onnx = std::fs::read(path).with_context(place)?;
    let beside = Beside::new(path);
    let external = graph::external_locations(&onnx).with_context(place)?.into_iter().map(|location| {
        let bytes = beside.0.read(&location, 0, None).with_context(place)?;
        Ok((location, bytes.into()))
    });
    Ok(ModelBytes { external: external.collect::<Result<_>>()?, model: onnx.into() })
}

/// Whether everything holds that evaluation rests on; says what does not.
fn examine(bytes: &ModelBytes, model: &Model, args: &CheckArgs) -> Result<bool> {
    let graph = model.graph(ROWS)?;
    println!("multiply-accumulates of one row: {}", graph.macs() / ROWS as u64);
    let (classifier, cut) = graph::cut_softmax(&graph::fold_batch_norm(&graph)?)?;
    if let Some(cut) = &cut {
        println!("attacks see the logits: {cut} is cut");
    }
    let spec = spec(model, &graph)?;
    let range = [args.range[0], args.range[1]];
    let rows_are_independent = check_rows(bytes, &spec, &graph, range)?;
    let classifier = graph::prepend_input(&classifier, &spec.map)?;
    Ok(check_gradients(&classifier, range, args.inputs)? && rows_are_independent)
}

/// The file as it is: rows in its own layout and units.
fn spec(model: &Model, graph: &Graph) -> Result<ModelSpec> {
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
    let classes = graph.shape(graph.outputs()[0]).iter().skip(1).product();
    Ok(ModelSpec {
        input: input.name.clone(),
        map: InputMap { quantize, ..InputMap::identity(&row) },
        output: output.name.clone(),
        classes,
        kind: OutputKind::Logits,
    })
}

/// Whether ONNX Runtime's scores of a row are the same bits beside other rows and in another place.
fn check_rows(bytes: &ModelBytes, spec: &ModelSpec, graph: &Graph, range: [f64; 2]) -> Result<bool> {
    let mut shipped = ShippedModel::new(bytes, spec, ROWS)?;
    let row_len = spec.map.row_len();
    let x = Splitmix::new(2).tensor(&[ROWS, row_len], range[0], range[1]).to_f64();
    let x: Vec<f32> = x.iter().map(|x| *x as f32).collect();
    let together = Array2::from_shape_vec((ROWS, row_len), x.clone())?;
    let scores = shipped.predict(together.view())?;
    let mut independent = true;
    for row in 0..ROWS {
        let alone = shipped.predict(together.slice(ndarray::s![row..=row, ..]))?;
        let same = alone.row(0).iter().zip(scores.row(row)).all(|(a, b)| a.to_bits() == b.to_bits());
        independent &= same;
    }
    println!("rows {} each other", if independent { "do not influence" } else { "INFLUENCE" });
    let input = spec.map.apply(&x);
    let ty = graph.value(graph.inputs()[0]).ty().clone();
    let exact = Interpreter.run(graph, &[as_tensor(ty.dtype, &ty.shape, &input)])?.remove(0).to_f64();
    let largest = exact.iter().fold(0.0_f64, |most, value| most.max(value.abs())).max(f64::MIN_POSITIVE);
    let difference = scores.iter().zip(&exact).map(|(found, exact)| (f64::from(*found) - exact).abs());
    println!(
        "outputs differ from the f64 reference by {:.1e} of the largest",
        difference.fold(0.0, f64::max) / largest
    );
    Ok(independent)
}

fn as_tensor(dtype: DType, shape: &[usize], values: &[f32]) -> Tensor {
    if dtype.is_float() {
        Tensor::float(dtype, shape, values.iter().map(|value| f64::from(*value)).collect())
    } else {
        Tensor::int(dtype, shape, values.iter().map(|value| *value as i64).collect())
    }
}

/// Compares every head's gradient with central differences and with ONNX Runtime's float32.
fn check_gradients(classifier: &Graph, range: [f64; 2], inputs: usize) -> Result<bool> {
    let straight_through = classifier.nodes().iter().any(|node| node.op().name == "QuantizeLinear");
    let mut fine = true;
    let mut rows = Vec::new();
    for head in Head::ALL {
        let built = gradient_graph(classifier, *head)?;
        let mut program = OrtExecutor::default().compile(&built.graph)?;
        let mut random = Splitmix::new(1);
        let (mut differences, mut runtime) = (DirectionalCheck::default(), ExecutorCheck::default());
        for _ in 0..inputs.div_ceil(ROWS) {
            let x = random.tensor(&built.input().shape.clone(), range[0], range[1]);
            let weights = check::head_weights(classifier, *head, &x, &mut random)?;
            check::compare_executor(&mut runtime, &built, program.as_mut(), &x, &weights)?;
            if !straight_through {
                check::compare_differences(&mut differences, &built, &x, &weights, range, &mut random)?;
            }
        }
        fine &= straight_through || (differences.error <= 1e-6 && differences.rows > 0 && runtime.median() <= 1e-5);
        let told = match differences {
            _ if straight_through => "straight-through".to_owned(),
            DirectionalCheck { rows, skipped, error } => format!("{error:.1e} ({rows} rows, {skipped} at a kink)"),
        };
        let within = format!("{:.1} %", 100.0 * runtime.share_within(1e-2));
        rows.push([format!("{head:?}"), told, format!("{:.1e}", runtime.median()), within]);
    }
    let header = ["gradient of", "error against central differences", "ONNX Runtime f32: median", "within 1e-2"];
    println!("{}", table::render(header, rows));
    Ok(fine)
}
