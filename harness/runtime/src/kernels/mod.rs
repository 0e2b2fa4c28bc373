//! Kernels of the operators of domain `ai.tinyassay`, registered with ONNX Runtime.
//!
//! Stock ONNX Runtime has no fast way to what a step of training needs: gradients of convolutions with respect to their
//! weights, normalisation by the statistics of the batch, depthwise convolutions whose weights are no constants. The
//! loops run on the threads of the session that calls them. A result has the same bits for any number of threads: every
//! sum is taken in one order, which depends on sizes and on the processor's instruction set alone.

#![allow(clippy::needless_range_loop, reason = "loops of fixed length by index are what stays in registers")]

mod attributes;
mod clip;
mod dense;
mod dense_weights;
mod depthwise;
mod norm;
mod norm_gradient;
mod operators;
mod pool;
mod simd;
mod split;
mod sum;
mod tile;
mod window;

#[cfg(test)]
mod tests;

use crate::{Error, env};
use attributes::Attributes;
use operators::{ENTRIES, Entry, Run};
use ort::operator::{
    ComputeContext, FromOpAttr, Kernel, KernelContext, Operator, OperatorDomain, OperatorInput, OperatorOutput,
    ShapeInferenceContext,
};
use ort::value::{DynTensorValueType, DynValue, Shape, SymbolicDimensions, TensorElementType, ValueType};
use pool::Pool;
use simd::Level;

/// The kernels, to be registered with a session, which keeps them.
///
/// Errors: ONNX Runtime is not there or refuses them.
pub(crate) fn domain() -> Result<OperatorDomain, Error> {
    env()?;
    let level = Level::best();
    let add = |domain: OperatorDomain, entry: &'static Entry| match entry.in_place {
        true => domain.add(Registered::<true> { entry, level }),
        false => domain.add(Registered::<false> { entry, level }),
    };
    let domain = OperatorDomain::new(graph::ops::DOMAIN).and_then(|domain| ENTRIES.iter().try_fold(domain, add));
    domain.map_err(|error| Error::ort("register kernels", &error))
}

/// Whether a file of our own imports the domain. The imports end a file that `graph::encode` wrote, and only there is
/// looked: a step of adversarial training opens sessions anew, of megabytes of weights.
pub(crate) fn are_in(file: &[u8]) -> bool {
    const IMPORTS: usize = 256;
    let name = graph::ops::DOMAIN.as_bytes();
    file[file.len().saturating_sub(IMPORTS)..].windows(name.len()).any(|bytes| bytes == name)
}

/// An operator, which may write its first output where its first input is.
struct Registered<const IN_PLACE: bool> {
    entry: &'static Entry,
    level: Level,
}

impl<const IN_PLACE: bool> Operator for Registered<IN_PLACE> {
    type Kernel<'attr> = Node;

    const INPLACES: &[(u32, u32)] = if IN_PLACE { &[(0, 0)] } else { &[] };

    fn name(&self) -> &str {
        self.entry.name
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        let required = (0..self.entry.inputs).map(|_| OperatorInput::required(TensorElementType::Float32));
        required.chain((0..self.entry.optional).map(|_| OperatorInput::optional(TensorElementType::Float32)))
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        (0..self.entry.outputs).map(|_| OperatorOutput::required(TensorElementType::Float32))
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Node> {
        let ints = |name: &str| context.get::<Vec<i64>>(name).unwrap_or_default();
        let attributes = Attributes {
            kernel_shape: ints("kernel_shape"),
            strides: ints("strides"),
            dilations: ints("dilations"),
            pads: ints("pads"),
            input_shape: ints("input_shape"),
            group: context.get("group").unwrap_or(1),
            epsilon: context.get("epsilon").unwrap_or(EPSILON),
            low: context.get("low").unwrap_or(f32::NEG_INFINITY),
            high: context.get("high").unwrap_or(f32::INFINITY),
        };
        Ok(Node { entry: self.entry, level: self.level, attributes })
    }

    /// Shapes that are known become known, so that ONNX Runtime can plan memory.
    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        let inputs: Option<Vec<Vec<usize>>> = context.inputs().iter().map(known).collect();
        let Some(inputs) = inputs else { return Ok(()) };
        let inputs: Vec<&[usize]> = inputs.iter().map(Vec::as_slice).collect();
        let shapes = (self.entry.shapes)(&attributes(context), &inputs).map_err(|reason| self.refused(&reason))?;
        for (index, shape) in shapes.iter().enumerate() {
            let shape: Shape = shape.iter().map(|&size| size as i64).collect();
            let dimension_symbols = SymbolicDimensions::empty(shape.len());
            context
                .set_output(index, &ValueType::Tensor { ty: TensorElementType::Float32, shape, dimension_symbols })?;
        }
        Ok(())
    }
}

/// What ONNX has where batch normalisation says nothing.
const EPSILON: f32 = 1e-5;

fn attributes(context: &ShapeInferenceContext) -> Attributes {
    fn get<T: FromOpAttr>(context: &ShapeInferenceContext, name: &str) -> Option<T> {
        context.attr(name).ok()
    }
    let ints = |name: &str| get::<Vec<i64>>(context, name).unwrap_or_default();
    Attributes {
        kernel_shape: ints("kernel_shape"),
        strides: ints("strides"),
        dilations: ints("dilations"),
        pads: ints("pads"),
        input_shape: ints("input_shape"),
        group: get(context, "group").unwrap_or(1),
        epsilon: get(context, "epsilon").unwrap_or(EPSILON),
        low: get(context, "low").unwrap_or(f32::NEG_INFINITY),
        high: get(context, "high").unwrap_or(f32::INFINITY),
    }
}

impl<const IN_PLACE: bool> Registered<IN_PLACE> {
    fn refused(&self, reason: &str) -> ort::Error {
        ort::Error::new(format!("{}: {reason}", self.entry.name))
    }
}

/// A shape without unknown dimensions.
fn known(ty: &ValueType) -> Option<Vec<usize>> {
    ty.tensor_shape()?.iter().map(|&size| usize::try_from(size).ok()).collect()
}

/// A node of a graph.
struct Node {
    entry: &'static Entry,
    level: Level,
    attributes: Attributes,
}

impl Kernel for Node {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let fail = |reason: &str| ort::Error::new(format!("{}: {reason}", self.entry.name));
        let values = (0..context.num_inputs()?)
            .map(|index| context.input(index)?.ok_or_else(|| fail("an input is missing")))
            .collect::<ort::Result<Vec<_>>>()?;
        let shapes: Option<Vec<Vec<usize>>> = values.iter().map(|value| known(value.dtype())).collect();
        let shapes = shapes.ok_or_else(|| fail("an input is not a tensor"))?;
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        let results = (self.entry.shapes)(&self.attributes, &shapes).map_err(|reason| fail(&reason))?;
        let mut outputs = results
            .into_iter()
            .enumerate()
            .map(|(index, shape)| context.output(index, shape)?.ok_or_else(|| fail("an output is missing")))
            .collect::<ort::Result<Vec<_>>>()?;
        let memory = |value: &DynValue| value.view().downcast::<DynTensorValueType>().map(|tensor| tensor.data_ptr());
        let first = memory(&outputs[0])?;
        let read = |index: usize| {
            let value = &values[index];
            // What the result overwrites is read there, and may not be borrowed twice.
            let overwritten = index == 0 && self.entry.in_place && memory(value)? == first;
            if overwritten { Ok(&[][..]) } else { value.try_extract_tensor::<f32>().map(|(_, data)| data) }
        };
        let inputs = (0..values.len()).map(read).collect::<ort::Result<Vec<_>>>()?;
        let mut outputs = outputs
            .iter_mut()
            .map(|value| value.try_extract_tensor_mut::<f32>().map(|(_, data)| data))
            .collect::<ort::Result<Vec<_>>>()?;
        let pool = Threads(context);
        let run =
            Run { level: self.level, pool: &pool, attributes: &self.attributes, shapes: &shapes, inputs: &inputs };
        (self.entry.run)(&run, &mut outputs);
        Ok(())
    }
}

/// The threads of the session that runs the node.
struct Threads<'a>(&'a ComputeContext);

impl Pool for Threads<'_> {
    fn each(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        // As many batches as tasks: each thread takes the next when it is done with one.
        if count < 2 || self.0.par_for(count, count, task).is_err() {
            (0..count).for_each(task);
        }
    }
}
