use super::{check_length, refuse};
use crate::{Error, Provider, env};
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::value::Tensor;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Named float32 tensors in the memory of one provider, shared by the programs that were opened on it.
///
/// A clone is another handle to the same tensors.
#[derive(Debug, Clone)]
pub struct Device {
    provider: Provider,
    slots: Arc<Mutex<Slots>>,
}

impl Device {
    /// A device without tensors.
    ///
    /// Errors: the provider is not available.
    pub fn new(provider: Provider) -> Result<Self, Error> {
        env()?;
        provider.require()?;
        Ok(Self { provider, slots: Arc::default() })
    }

    /// The provider whose memory it is.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Puts a tensor there, in the place of what has that name.
    ///
    /// Errors: the shape does not hold as many numbers, or there is no room.
    pub fn put(&self, name: &str, shape: &[usize], values: &[f32]) -> Result<(), Error> {
        check_length(name, shape, values)?;
        let tensor = Held::host(shape, values)?.on(self.provider)?;
        self.lock().replace(name, tensor);
        Ok(())
    }

    /// A copy of a tensor's numbers.
    ///
    /// Errors: there is none of that name.
    pub fn get(&self, name: &str) -> Result<Vec<f32>, Error> {
        let tensor = self.lock().find(name)?.clone();
        tensor.to_host()
    }

    /// Takes a tensor away. Nothing happens where there is none.
    pub fn remove(&self, name: &str) {
        self.lock().0.remove(name);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Slots> {
        // Tensors are replaced whole: a panic leaves nothing half done.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
pub(super) struct Slots(BTreeMap<String, Held>);

impl Slots {
    /// The tensor that an input of this shape reads.
    pub(super) fn read(&self, input: &str, slot: &str, shape: &[usize]) -> Result<Held, Error> {
        let tensor = self.find(slot).map_err(|_| {
            refuse(format!("input `{input}` has no numbers: they were not given, and `{slot}` was never set"))
        })?;
        let found = tensor.shape();
        if found != shape {
            return Err(refuse(format!("input `{input}` is {shape:?}, the device's `{slot}` is {found:?}")));
        }
        Ok(tensor.clone())
    }

    pub(super) fn replace(&mut self, name: &str, tensor: Held) {
        self.0.insert(name.to_owned(), tensor);
    }

    fn find(&self, name: &str) -> Result<&Held, Error> {
        self.0.get(name).ok_or_else(|| refuse(format!("the device has no `{name}`")))
    }
}

/// A tensor that ONNX Runtime owns and that nothing writes to any more. A clone is another handle to it.
#[derive(Debug, Clone)]
pub(super) struct Held(Arc<Tensor<f32>>);

impl Held {
    pub(super) fn new(tensor: Tensor<f32>) -> Self {
        Self(Arc::new(tensor))
    }

    /// A copy of the caller's numbers in host memory. ONNX Runtime owns it, so that a graph that passes it through
    /// keeps it alive.
    pub(super) fn host(shape: &[usize], values: &[f32]) -> Result<Self, Error> {
        let fail = |error: ort::Error| Error::ort("make a tensor", &error);
        let mut tensor = Tensor::<f32>::new(&Allocator::default(), shape.to_vec()).map_err(fail)?;
        tensor.extract_tensor_mut().1.copy_from_slice(values);
        Ok(Self::new(tensor))
    }

    /// The same numbers in the memory of a provider.
    fn on(self, provider: Provider) -> Result<Self, Error> {
        if self.is_on(provider) {
            return Ok(self);
        }
        self.copy(provider)
    }

    fn copy(&self, provider: Provider) -> Result<Self, Error> {
        let copy = self.0.to(allocation_device(provider), 0);
        copy.map(Self::new).map_err(|error| Error::ort("copy a tensor to another device", &error))
    }

    /// A copy of its numbers.
    pub(super) fn to_host(&self) -> Result<Vec<f32>, Error> {
        if self.0.memory_info().is_cpu_accessible() {
            return Ok(self.0.extract_tensor().1.to_vec());
        }
        Ok(self.copy(Provider::Cpu)?.0.extract_tensor().1.to_vec())
    }

    pub(super) fn is_on(&self, provider: Provider) -> bool {
        self.0.memory_info().allocation_device() == allocation_device(provider)
    }

    pub(super) fn tensor(&self) -> &Tensor<f32> {
        &self.0
    }

    fn shape(&self) -> Vec<usize> {
        self.0.shape().iter().map(|&dim| dim as usize).collect()
    }
}

/// The name of a provider's memory.
fn allocation_device(provider: Provider) -> AllocationDevice<'static> {
    match provider {
        Provider::Cpu => AllocationDevice::CPU,
        Provider::Cuda => AllocationDevice::CUDA,
    }
}

/// The memory of a provider, as sessions name it.
pub(super) fn memory(provider: Provider) -> Result<MemoryInfo<'static>, ort::Error> {
    MemoryInfo::new(allocation_device(provider), 0, AllocatorType::Device, MemoryType::Default)
}
