use crate::{Error, Provider, cuda, env, kernels};
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::{AutoDevicePolicy, GraphOptimizationLevel, SessionBuilder};
use std::sync::Arc;

/// How far ONNX Runtime may rewrite a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Optimisation {
    /// Its default, for files of others.
    Default,
    /// The same without its treatment of quantisation, for graphs of our own. There it would quantise anew, per tensor,
    /// the float weights that constant folding left between quantised activations: on the int8 ResNet-8 this changes
    /// the prediction of 4 % of the images.
    Own,
    /// Not at all.
    Off,
}

/// How a session is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) provider: Provider,
    /// Threads that share the work of one node; they never spin.
    pub(crate) threads: usize,
    pub(crate) optimisation: Optimisation,
    /// The files that the model's tensors may live in.
    pub(crate) external: &'a [(String, Arc<[u8]>)],
}

impl Opening<'_> {
    /// In one thread, and without external files.
    pub(crate) fn new(provider: Provider, optimisation: Optimisation) -> Self {
        Self { provider, threads: 1, optimisation, external: &[] }
    }
}

/// Opens a session that runs where `opening` says and nowhere else.
///
/// Errors: ONNX Runtime or the provider is not there, it refuses the model, or a graph of our own would not run on the
/// provider in full.
#[expect(clippy::result_large_err, reason = "the binding hands its builder back with the error")]
pub(crate) fn open(bytes: &[u8], opening: &Opening<'_>) -> Result<Session, Error> {
    let environment = env()?.environment();
    opening.provider.require()?;
    let level = match opening.optimisation {
        Optimisation::Default | Optimisation::Own => GraphOptimizationLevel::All,
        Optimisation::Off => GraphOptimizationLevel::Disable,
    };
    let refused = |error: ort::Error<SessionBuilder>| Error::ort("configure a session", &error);
    let builder = Session::builder(environment).map_err(|error| Error::ort("configure a session", &error))?;
    // Left alone, the binding asks for the most efficient device, which need not be the CPU.
    let mut builder = builder
        .with_auto_device(AutoDevicePolicy::PreferCPU)
        .and_then(|builder| builder.with_intra_threads(opening.threads))
        .and_then(|builder| builder.with_inter_threads(1))
        .and_then(|builder| builder.with_intra_op_spinning(false))
        .and_then(|builder| builder.with_inter_op_spinning(false))
        .and_then(|builder| builder.with_optimization_level(level))
        .and_then(|builder| builder.with_quant_qdq(opening.optimisation == Optimisation::Default))
        .map_err(refused)?;
    let own = opening.optimisation != Optimisation::Default;
    if opening.provider == Provider::Cuda {
        builder = cuda::register(builder).map_err(|error| cuda::unavailable(error.to_string()))?;
        if own {
            // It warns of nodes that are elsewhere, which is an error below.
            builder = builder.with_log_level(LogLevel::Error).map_err(refused)?;
        }
    }
    if own && kernels::are_in(bytes) {
        builder = builder.with_operators(kernels::domain()?).map_err(refused)?;
    }
    for (name, bytes) in opening.external {
        builder = builder.with_external_initializer_file_in_memory(name, Arc::clone(bytes)).map_err(refused)?;
    }
    let session = builder.commit_from_memory(bytes).map_err(|error| Error::ort("open a session", &error))?;
    if opening.provider == Provider::Cuda {
        cuda::check_placement(&session, own)?;
    }
    Ok(session)
}
