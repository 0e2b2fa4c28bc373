use super::device::{Held, memory};
use crate::{Error, Provider};
use ort::session::{IoBinding, Session};
use ort::value::{DynValue, Tensor};

/// A session and its binding, which is empty between runs: see the invariant of the module above.
#[derive(Debug)]
pub(super) struct Bound {
    session: Session,
    binding: IoBinding,
}

impl Bound {
    pub(super) fn new(session: Session) -> Result<Self, Error> {
        let binding = session.create_binding().map_err(|error| Error::ort("bind a session", &error))?;
        Ok(Self { session, binding })
    }

    /// Runs on the tensors of `inputs`, which are shared and not changed. `outputs` are names, and whether the tensor
    /// stays on the provider's device; they come back in this order, each in a buffer of its own or, where the graph
    /// passes an input through, in the input's.
    ///
    /// Errors: a run fails, or a tensor is not where it should be.
    pub(super) fn run(
        &mut self,
        provider: Provider,
        inputs: &[(&str, Held)],
        outputs: &[(&str, bool)],
    ) -> Result<Vec<Held>, Error> {
        let result = self.run_unchecked(provider, inputs, outputs);
        // Nothing may be left that a later run would write to.
        self.binding.clear();
        let values = result.map_err(|error| Error::ort("run a program", &error))?;
        let check = |(value, &(name, stays)): (DynValue, &(&str, bool))| {
            let tensor: Tensor<f32> = value.downcast().map_err(|error| Error::ort("read a tensor", &error))?;
            let found = Held::new(tensor);
            if stays && !found.is_on(provider) {
                let reason = format!("output `{name}` did not stay on the device of provider `{provider}`");
                return Err(Error::Program(reason));
            }
            Ok(found)
        };
        values.into_iter().zip(outputs).map(check).collect()
    }

    fn run_unchecked(
        &mut self,
        provider: Provider,
        inputs: &[(&str, Held)],
        outputs: &[(&str, bool)],
    ) -> Result<Vec<DynValue>, ort::Error> {
        for (name, tensor) in inputs {
            self.binding.bind_input(*name, tensor.tensor())?;
        }
        for &(name, stays) in outputs {
            let place = memory(if stays { provider } else { Provider::Cpu })?;
            self.binding.bind_output_to_device(name, &place)?;
        }
        let mut found = self.session.run_binding(&self.binding)?;
        let take = |&(name, _): &(&str, bool)| {
            found.remove(name).ok_or_else(|| ort::Error::new(format!("the run gave no output `{name}`")))
        };
        outputs.iter().map(take).collect()
    }
}
