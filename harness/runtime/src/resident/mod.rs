//! Compiled graphs some of whose outputs become inputs of later runs and stay where the provider keeps them.
//!
//! State lives in a [`Device`], under names that several programs may share: what one program's output leaves there,
//! another program's input finds. Everything else goes in and out as host numbers that are copied.
//!
//! The binding's own `run_binding` is unsound in safe code: two owned values over one buffer, written to while they are
//! read. It can't be reached through this module, by one invariant: **a tensor is written once, before it enters a
//! device, and never again.** Every run binds its carried outputs to a place that is allocated in that run, takes the
//! tensors out, and clears the binding before anything else can run, so that ONNX Runtime keeps no buffer to write to
//! again. A tensor of a device is only ever replaced, not changed, and no reference to one leaves this module.

mod bound;
mod device;

pub use device::Device;

use crate::session::{self, Opening, Optimisation};
use crate::{Error, Provider};
use bound::Bound;
use device::Held;
use graph::{DType, Graph, ValueId};
use std::collections::BTreeSet;

/// A compiled graph whose carried outputs stay on its device. All inputs and outputs are float32.
#[derive(Debug)]
pub struct ResidentProgram {
    bound: Bound,
    device: Device,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
}

#[derive(Debug)]
struct Input {
    name: String,
    shape: Vec<usize>,
    /// The device's tensor that it reads where a run gives no numbers.
    slot: String,
}

#[derive(Debug)]
struct Output {
    name: String,
    /// The device's tensor that it becomes; `None` for one that is copied to the host.
    slot: Option<String>,
}

/// The outputs of one run that are not carried.
#[derive(Debug, Clone, PartialEq)]
pub struct Outputs(Vec<(String, Vec<f32>)>);

impl Outputs {
    /// The elements of an output.
    ///
    /// Errors: the program has no such output, or carries it.
    pub fn get(&self, name: &str) -> Result<&[f32], Error> {
        let found = self.0.iter().find(|(found, _)| found == name);
        found.map(|(_, values)| values.as_slice()).ok_or_else(|| no_such("output", name, self.names()))
    }

    /// The only element of an output.
    ///
    /// Errors: as [`Outputs::get`], or it has another number of elements.
    pub fn scalar(&self, name: &str) -> Result<f32, Error> {
        match self.get(name)? {
            &[value] => Ok(value),
            values => Err(refuse(format!("output `{name}` has {} elements, expected one", values.len()))),
        }
    }

    /// Takes the elements of an output out.
    ///
    /// Errors: as [`Outputs::get`].
    pub fn take(&mut self, name: &str) -> Result<Vec<f32>, Error> {
        let index = self.0.iter().position(|(found, _)| found == name);
        let index = index.ok_or_else(|| no_such("output", name, self.names()))?;
        Ok(self.0.swap_remove(index).1)
    }

    /// The names of the outputs that are there.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl ResidentProgram {
    /// Compiles a graph on a device of its own. Each pair of `carried` is an output and the input that it becomes.
    ///
    /// `threads` share the work of one node on the CPU and never spin. The graph is run as it is: lowered for the
    /// provider by the caller.
    /// Errors: the provider is not available or refuses the graph, a name is not there or used twice, shapes of a pair
    /// differ, or something is not float32.
    pub fn open(graph: &Graph, provider: Provider, threads: usize, carried: &[(&str, &str)]) -> Result<Self, Error> {
        let inputs = named(graph, graph.inputs())?;
        for (_, input) in carried {
            if !inputs.iter().any(|(name, _)| name == input) {
                return Err(no_such("input", input, inputs.iter().map(|(name, _)| name.as_str())));
            }
        }
        Self::open_on(&Device::new(provider)?, graph, threads, carried)
    }

    /// As [`ResidentProgram::open`], on a device that other programs share. Each pair of `carried` is an output and the
    /// tensor of the device that it becomes; an input reads the tensor of its own name, or what [`read_from`] says.
    ///
    /// Errors: as [`ResidentProgram::open`].
    ///
    /// [`read_from`]: ResidentProgram::read_from
    pub fn open_on(device: &Device, graph: &Graph, threads: usize, carried: &[(&str, &str)]) -> Result<Self, Error> {
        let inputs = named(graph, graph.inputs())?;
        let outputs = named(graph, graph.outputs())?;
        let mut slots = BTreeSet::new();
        for &(output, slot) in carried {
            let found = outputs.iter().find(|(name, _)| name == output);
            let (_, shape) =
                found.ok_or_else(|| no_such("output", output, outputs.iter().map(|(name, _)| name.as_str())))?;
            if carried.iter().filter(|(other, _)| *other == output).count() > 1 || !slots.insert(slot) {
                return Err(refuse(format!("output `{output}` or what it becomes, `{slot}`, is carried twice")));
            }
            let reader = inputs.iter().find(|(name, _)| name == slot);
            if let Some((_, wanted)) = reader.filter(|(_, wanted)| wanted != shape) {
                return Err(refuse(format!(
                    "output `{output}` is {shape:?} and can't become input `{slot}` {wanted:?}"
                )));
            }
        }
        let opening = Opening { threads, ..Opening::new(device.provider(), Optimisation::Own) };
        let session = session::open(&graph::encode(graph), &opening)?;
        let slot_of =
            |name: &str| carried.iter().find(|(output, _)| *output == name).map(|(_, slot)| (*slot).to_owned());
        let as_input = |(name, shape): (String, Vec<usize>)| Input { slot: name.clone(), name, shape };
        Ok(Self {
            bound: Bound::new(session)?,
            device: device.clone(),
            inputs: inputs.into_iter().map(as_input).collect(),
            outputs: outputs.into_iter().map(|(name, _)| Output { slot: slot_of(&name), name }).collect(),
        })
    }

    /// The device that holds its state.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Makes an input read another tensor of the device than the one of its own name.
    ///
    /// Errors: there is no such input.
    pub fn read_from(&mut self, input: &str, slot: &str) -> Result<(), Error> {
        let index = self.input(input)?;
        self.inputs[index].slot = slot.to_owned();
        Ok(())
    }

    /// Puts numbers where an input is read from, for this run and those after it.
    ///
    /// Errors: there is no such input, it has another length, or the device has no room.
    pub fn set(&mut self, input: &str, values: &[f32]) -> Result<(), Error> {
        let Input { shape, slot, .. } = &self.inputs[self.input(input)?];
        check_length(input, shape, values)?;
        self.device.put(slot, shape, values)
    }

    /// The numbers that an input would be read from, copied to the host. Later runs don't change them.
    ///
    /// Errors: there is no such input, or nothing was put there.
    pub fn get(&self, input: &str) -> Result<Vec<f32>, Error> {
        self.device.get(&self.inputs[self.input(input)?].slot)
    }

    /// Runs the graph. Inputs that are not given are read from the device; of the outputs, those that are carried
    /// replace what the device had, and the others are copied to the host. NaN and infinities are passed on.
    ///
    /// Errors: a name is not there or given twice, a length is wrong, an input has no numbers, or the run fails; the
    /// device then keeps what it had.
    pub fn run(&mut self, inputs: &[(&str, &[f32])]) -> Result<Outputs, Error> {
        for (index, &(name, values)) in inputs.iter().enumerate() {
            check_length(name, &self.inputs[self.input(name)?].shape, values)?;
            if inputs[..index].iter().any(|(other, _)| *other == name) {
                return Err(refuse(format!("input `{name}` is given twice")));
            }
        }
        // Programs that share a device run one after the other.
        let mut held = self.device.lock();
        let feeds = self.inputs.iter().map(|input| {
            let given = inputs.iter().find(|(name, _)| *name == input.name);
            let tensor = match given {
                Some((_, values)) => Held::host(&input.shape, values)?,
                None => held.read(&input.name, &input.slot, &input.shape)?,
            };
            Ok((input.name.as_str(), tensor))
        });
        let feeds: Vec<(&str, Held)> = feeds.collect::<Result<_, Error>>()?;
        let wanted: Vec<(&str, bool)> =
            self.outputs.iter().map(|output| (output.name.as_str(), output.slot.is_some())).collect();
        let found = self.bound.run(self.device.provider(), &feeds, &wanted)?;
        let mut host = Vec::new();
        let mut carried = Vec::new();
        for (output, tensor) in self.outputs.iter().zip(found) {
            match &output.slot {
                Some(slot) => carried.push((slot, tensor)),
                None => host.push((output.name.clone(), tensor.to_host()?)),
            }
        }
        carried.into_iter().for_each(|(slot, tensor)| held.replace(slot, tensor));
        Ok(Outputs(host))
    }

    fn input(&self, name: &str) -> Result<usize, Error> {
        let index = self.inputs.iter().position(|input| input.name == name);
        index.ok_or_else(|| no_such("input", name, self.inputs.iter().map(|input| input.name.as_str())))
    }
}

/// Names and shapes of float32 values.
fn named(graph: &Graph, ids: &[ValueId]) -> Result<Vec<(String, Vec<usize>)>, Error> {
    let values = ids.iter().map(|&id| {
        let value = graph.value(id);
        if value.dtype() != DType::F32 {
            return Err(refuse(format!("`{}` is {}, which does not stay on a device", value.name(), value.dtype())));
        }
        Ok((value.name().to_owned(), graph.shape(id).to_vec()))
    });
    values.collect()
}

fn check_length(name: &str, shape: &[usize], values: &[f32]) -> Result<(), Error> {
    let (wanted, found) = (shape.iter().product::<usize>(), values.len());
    if wanted == found {
        return Ok(());
    }
    Err(refuse(format!("input `{name}` is {shape:?}, {wanted} numbers, found {found}")))
}

fn no_such<'a>(kind: &str, name: &str, names: impl Iterator<Item = &'a str>) -> Error {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    refuse(format!("there is no {kind} `{name}`, the {kind}s are {}", names.join(", ")))
}

fn refuse(reason: String) -> Error {
    Error::Program(reason)
}

#[cfg(test)]
mod tests;
