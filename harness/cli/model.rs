//! `tinyassay model`: the registry of models.

use crate::args::{AddModelArgs, ModelVerb};
use crate::attest::{self, VerifyModelArgs};
use crate::exit::Exit;
use crate::places::Places;
use crate::{model_build, model_check, model_profile, prepare, table};
use anyhow::{Context, Result, bail, ensure};
use graph::{DType, Dim, Model, Port};
use registry::{DataUnits, ElementType, InputSpec, Layout, NewModel, OutputKind, OutputSpec, RegisteredModel, Units};
use report::attest::PublicKey;

/// Runs one verb.
///
/// Errors: a name that is not registered, a manifest or file that can't be read, a file that is no ONNX model.
pub(crate) fn run(verb: ModelVerb) -> Result<Exit> {
    let places = Places::from_env();
    match verb {
        ModelVerb::Add(args) => add(&places, *args),
        ModelVerb::List => list(&places),
        ModelVerb::Show { name } => show(&places, &name),
        ModelVerb::Profile(args) => model_profile::run(&places, &args),
        ModelVerb::Verify(args) => verify(&places, args),
        ModelVerb::Sign(args) => attest::sign_model(&places, &args),
        ModelVerb::Remove { name } => {
            places.registry().remove(&name)?;
            println!("removed {name}");
            Ok(Exit::Pass)
        }
        ModelVerb::Check(args) => model_check::run(&places, &args),
        ModelVerb::Build(args) => model_build::run(&args),
    }
}

fn add(places: &Places, args: AddModelArgs) -> Result<Exit> {
    let path = &args.path;
    let place = || path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {}", place()))?;
    let external = graph::external_locations(&bytes).with_context(|| format!("failed to read {}", place()))?;
    let model =
        Model::parse(&bytes, &model_check::Beside::new(path)).with_context(|| format!("failed to read {}", place()))?;
    let ([input], [output]) = (model.inputs(), model.outputs()) else {
        bail!(
            "{}: expected one input and one output, found {} and {}",
            place(),
            model.inputs().len(),
            model.outputs().len()
        );
    };
    let stem = path.file_stem().and_then(|stem| stem.to_str()).map(|stem| stem.replace('_', "-"));
    let name = args.name.clone().or(stem).context("the file has no name; give one with --name")?;
    let facts = NewModel {
        name: name.clone(),
        input: input_spec(places, &args, input)?,
        output: output_spec(&args, input, output)?,
        dataset: Some(args.dataset),
        licence: Some(args.licence),
        provenance: Some(args.provenance),
    };
    let registered = places.registry().add(path, &external, facts)?;
    println!("registered {name} in {} with digest {}", registered.folder.display(), registered.digest);
    let unsupported = model.unsupported();
    for problem in &unsupported {
        eprintln!("warning: {problem}");
    }
    if !unsupported.is_empty() {
        eprintln!("hint: such a model can't be evaluated by this version; see `tinyassay model check {name}`");
    }
    Ok(Exit::Pass)
}

fn input_spec(places: &Places, args: &AddModelArgs, port: &Port) -> Result<InputSpec> {
    let dataset = places.datasets().manifest(&args.dataset)?;
    let raw = dataset.units == DataUnits::Raw;
    let shape = row_shape(port)?;
    Ok(InputSpec {
        name: port.name.clone(),
        dtype: element_type(port.dtype)?,
        layout: match args.layout.as_deref() {
            Some("NHWC") => Layout::Nhwc,
            Some("NCHW") => Layout::Nchw,
            Some(_) => Layout::Flat,
            None => guess_layout(&shape, dataset.layout),
        },
        shape,
        range: match &args.range {
            Some(range) => Some([range[0], range[1]]),
            None => (!raw).then_some([0.0, 1.0]),
        },
        mean: args.mean.clone(),
        std: args.std.clone(),
        scale: args.scale,
        zero_point: args.zero_point,
        units: raw.then_some(Units::Raw),
    })
}

fn output_spec(args: &AddModelArgs, input: &Port, port: &Port) -> Result<OutputSpec> {
    let shape = row_shape(port)?;
    let outputs: usize = shape.iter().product();
    let (kind, classes) = match args.output_kind.as_str() {
        "softmax" => (OutputKind::Softmax, outputs),
        "sigmoid" => {
            ensure!(outputs == 1, "`{}` has {outputs} probabilities a row; a sigmoid output has one", port.name);
            (OutputKind::Sigmoid, 2)
        }
        "score" => {
            check_reconstruction(args, &row_shape(input)?, &shape)?;
            (OutputKind::Score, 2)
        }
        _ => (OutputKind::Logits, outputs),
    };
    ensure!(
        args.threshold.is_none() || kind == OutputKind::Score,
        "--threshold belongs to --output-kind score, and this is {}",
        args.output_kind
    );
    Ok(OutputSpec { name: port.name.clone(), kind, classes, threshold: args.threshold, labels: args.labels.clone() })
}

fn check_reconstruction(args: &AddModelArgs, input: &[usize], output: &[usize]) -> Result<()> {
    ensure!(
        output == input,
        "--output-kind score needs a reconstruction in the shape of the input: its rows are {input:?}, those of the output \
         {output:?}\nhint: a file that gives the score itself is not supported; export the autoencoder"
    );
    ensure!(
        args.threshold.is_some(),
        "--output-kind score needs --threshold, the mean squared error above which a row is anomalous\nhint: a high percentile \
         of the errors of normal rows is usual"
    );
    Ok(())
}

/// Channels are the short side: 1 or 3 last means NHWC, else what the data set has.
fn guess_layout(shape: &[usize], dataset: Layout) -> Layout {
    match shape {
        [1 | 3, _, _] => Layout::Nchw,
        [_, _, 1 | 3] => Layout::Nhwc,
        [_, _, _] => dataset,
        _ => Layout::Flat,
    }
}

fn row_shape(port: &Port) -> Result<Vec<usize>> {
    let rest = port.dims.get(1..).unwrap_or_default();
    rest.iter()
        .map(|dim| match dim {
            Dim::Fixed(size) => Ok(*size),
            Dim::Symbolic(name) => {
                bail!("`{}` has the open dimension `{name}` besides the batch; export it fixed", port.name)
            }
        })
        .collect()
}

fn element_type(dtype: DType) -> Result<ElementType> {
    Ok(match dtype {
        DType::F32 => ElementType::Float32,
        DType::F16 => ElementType::Float16,
        DType::I8 => ElementType::Int8,
        DType::U8 => ElementType::Uint8,
        other => bail!("an input of type {other} is not supported; float32, float16, int8 and uint8 are"),
    })
}

fn list(places: &Places) -> Result<Exit> {
    let models = places.registry().list()?;
    if models.is_empty() {
        println!("no models in {}; register one with `tinyassay model add`", places.models.display());
        return Ok(Exit::Pass);
    }
    let rows = models.iter().map(|(name, model)| match model {
        Ok(model) => {
            let manifest = &model.manifest;
            let dtype = prepare::dtype(manifest.input.dtype).to_string();
            let dataset = manifest.dataset.clone().unwrap_or_default();
            [name.clone(), dataset, dtype, manifest.output.classes.to_string(), short(model)]
        }
        Err(error) => [name.clone(), format!("failed to {error}"), String::new(), String::new(), String::new()],
    });
    println!("{}", table::render(["model", "data set", "input", "classes", "digest"], rows));
    Ok(Exit::Pass)
}

fn short(model: &RegisteredModel) -> String {
    model.digest.to_string().chars().take(12).collect()
}

fn show(places: &Places, name: &str) -> Result<Exit> {
    let registered = places.registry().find_one(name)?;
    let manifest = registered.folder.join("manifest.yaml");
    print!("{}", std::fs::read_to_string(&manifest).with_context(|| format!("failed to read {}", manifest.display()))?);
    let bytes = prepare::load(&registered)?;
    let model = Model::parse(&bytes.model, &bytes).with_context(|| format!("failed to read model `{name}`"))?;
    println!("# digest: {}", registered.digest);
    println!("# ONNX IR {}, opset {}, written by {}", model.ir_version(), model.opset(), model.producer());
    println!("# parameters: {}", model.parameters());
    match model.graph(1) {
        Ok(graph) => println!("# MACs of one row (convolutions and dense layers, no bias): {}", graph.macs()),
        Err(error) => println!("# can't be evaluated: {error}"),
    }
    Ok(Exit::Pass)
}

fn verify(places: &Places, args: VerifyModelArgs) -> Result<Exit> {
    let registry = places.registry();
    let keys: Vec<PublicKey> = args.key.iter().map(|path| PublicKey::read(path)).collect::<Result<_, _>>()?;
    let names = if args.names.is_empty() { vec!["*".to_owned()] } else { args.names };
    let found: Result<Vec<_>, _> = names.iter().map(|name| registry.find(name)).collect();
    let models: Vec<RegisteredModel> = found?.into_iter().flatten().collect();
    let mut exit = Exit::Pass;
    for model in models {
        let verification = registry.verify(&model.folder.to_string_lossy())?;
        for check in &verification.files {
            match &check.state {
                registry::FileState::Verified => println!("{}/{}: verified", model.manifest.name, check.name),
                registry::FileState::Failed(error) => {
                    println!("{}/{}: FAILED to {error}", model.manifest.name, check.name);
                    exit = Exit::Failed;
                }
            }
        }
        for extra in &verification.extra {
            println!("{}/{extra}: not listed in the manifest", model.manifest.name);
        }
        if !attest::verify_model(&model, &keys)? {
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}
