use crate::{Error, env, kernels};
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

/// One single-threaded session on the CPU. `external` holds the files that the model's tensors may live in.
///
/// Errors: ONNX Runtime is not there or refuses the model.
#[expect(clippy::result_large_err, reason = "the binding hands its builder back with the error")]
pub(crate) fn open(
    bytes: &[u8],
    external: &[(String, Arc<[u8]>)],
    optimisation: Optimisation,
) -> Result<Session, Error> {
    let environment = env()?.environment();
    let level = match optimisation {
        Optimisation::Default | Optimisation::Own => GraphOptimizationLevel::All,
        Optimisation::Off => GraphOptimizationLevel::Disable,
    };
    let refused = |error: ort::Error<SessionBuilder>| Error::ort("configure a session", &error);
    let builder = Session::builder(environment).map_err(|error| Error::ort("configure a session", &error))?;
    // Left alone, the binding asks for the most efficient device, which need not be the CPU.
    let mut builder = builder
        .with_auto_device(AutoDevicePolicy::PreferCPU)
        .and_then(|builder| builder.with_intra_threads(1))
        .and_then(|builder| builder.with_inter_threads(1))
        .and_then(|builder| builder.with_intra_op_spinning(false))
        .and_then(|builder| builder.with_inter_op_spinning(false))
        .and_then(|builder| builder.with_optimization_level(level))
        .and_then(|builder| builder.with_quant_qdq(optimisation == Optimisation::Default))
        .map_err(refused)?;
    if optimisation != Optimisation::Default && kernels::are_in(bytes) {
        builder = builder.with_operators(kernels::domain()?).map_err(refused)?;
    }
    for (name, bytes) in external {
        builder = builder.with_external_initializer_file_in_memory(name, Arc::clone(bytes)).map_err(refused)?;
    }
    builder.commit_from_memory(bytes).map_err(|error| Error::ort("open a session", &error))
}
