//! How many bytes of activations are alive while a network runs, in the file's order of nodes and in a better one.
//!
//! A buffer lives from the step that first writes it to the last that reads it; the graph's inputs are there from the start,
//! its outputs until the end. Constants are not activations. What runtimes for microcontrollers do without copies is done
//! without here: views share their input's buffer, and elementwise operators, which are fused into what comes before them,
//! overwrite an input that nobody else reads. The sum of what is alive is a lower bound for any allocator: one that cannot
//! move buffers may need more.

mod order;

use crate::{Graph, Node, ValueId};
use order::{Search, best};

/// What to count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryRules {
    /// Every element is a byte, and quantizers and casts are no steps of their own. Otherwise elements are as wide as the
    /// graph has them.
    pub int8: bool,
    /// Depthwise convolutions that keep their input's shape overwrite it, channel by channel, with one plane of one channel
    /// beside it. Lin et al. 2020, arXiv:2007.10319.
    pub in_place_depthwise: bool,
}

/// What is alive while one node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryStep {
    /// The node, by its position in [`Graph::nodes`].
    pub node: usize,
    /// All that is alive, the node's inputs and outputs among it.
    pub bytes: u64,
}

/// The memory of a graph's activations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// In the order of the graph.
    pub file: Vec<MemoryStep>,
    /// In the best order that was found.
    pub best: Vec<MemoryStep>,
    /// Whether no order is better.
    pub is_optimal: bool,
    /// What some step needs in any order: its own inputs and outputs. No order's peak is lower.
    pub lower_bound: u64,
}

impl Memory {
    /// The most bytes that are alive at once.
    pub fn peak(steps: &[MemoryStep]) -> u64 {
        steps.iter().map(|step| step.bytes).max().unwrap_or(0)
    }
}

/// What a graph asks of memory: steps that read and write buffers.
#[derive(Debug, Clone, Default)]
struct Problem {
    /// Bytes of each buffer.
    bytes: Vec<u64>,
    /// Whether it is there from the start.
    given: Vec<bool>,
    /// Whether it stays until the end.
    kept: Vec<bool>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Default)]
struct Step {
    node: usize,
    reads: Vec<usize>,
    writes: Vec<usize>,
    /// Bytes beside its buffers.
    scratch: u64,
    /// Steps that have to come before it.
    after: Vec<usize>,
}

/// Operators whose output is their input's bytes.
const VIEWS: &[&str] = &["Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"];
/// What has no step of its own where every element is a byte.
const CONVERSIONS: &[&str] = &["Cast", "DequantizeLinear", "QuantizeLinear"];
/// Operators that give for each element of one input a number of its own, whatever constants stand beside it.
const ELEMENTWISE: &[&str] = &[
    "Add",
    "BatchNormalization",
    "Clip",
    "Div",
    "Elu",
    "Erf",
    "Exp",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Max",
    "Min",
    "Mish",
    "Mul",
    "Neg",
    "PRelu",
    "Pow",
    "Relu",
    "Selu",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Sub",
    "Tanh",
];

impl Graph {
    /// The memory that its activations take. Read the model at a batch of 1 for one row.
    pub fn memory(&self, rules: MemoryRules) -> Memory {
        let problem = self.memory_problem(rules);
        let file: Vec<usize> = (0..problem.steps.len()).collect();
        let Search { order, is_optimal } = best(&problem);
        Memory {
            file: problem.timeline(&file),
            best: problem.timeline(&order),
            is_optimal,
            lower_bound: problem.lower_bound(),
        }
    }

    fn memory_problem(&self, rules: MemoryRules) -> Problem {
        let mut buffers = Buffers::of(self, rules);
        let mut problem = Problem::default();
        let mut writers: Vec<Option<usize>> = vec![None; self.values().len()];
        for (index, node) in self.nodes().iter().enumerate() {
            let inputs: Vec<ValueId> = activations(self, node).collect();
            if is_view(node, rules) {
                // Whoever reads the view waits for what writes it.
                writers[node.outputs()[0].index()] = inputs.first().and_then(|input| writers[input.index()]);
                continue;
            }
            let after = inputs.iter().filter_map(|input| writers[input.index()]).collect();
            node.outputs().iter().for_each(|output| writers[output.index()] = Some(problem.steps.len()));
            let mut reads: Vec<usize> = inputs.iter().map(|&input| buffers.root(input)).collect();
            let mut writes: Vec<usize> = node.outputs().iter().map(|&output| buffers.root(output)).collect();
            for list in [&mut reads, &mut writes] {
                list.sort_unstable();
                list.dedup();
            }
            let scratch = if buffers.overwrites_planes[index] { self.plane_bytes(node, rules) } else { 0 };
            problem.steps.push(Step { node: index, reads, writes, scratch, after });
        }
        let roots: Vec<usize> = self.ids().map(|id| buffers.root(id)).collect();
        problem.bytes = vec![0; roots.len()];
        (problem.given, problem.kept) = (vec![false; roots.len()], vec![false; roots.len()]);
        for (id, &root) in self.ids().zip(&roots).filter(|(id, _)| self.value(*id).data().is_none()) {
            problem.bytes[root] = problem.bytes[root].max(self.value_bytes(id, rules));
            problem.given[root] |= self.inputs().contains(&id);
            problem.kept[root] |= self.outputs().contains(&id);
        }
        problem
    }

    fn value_bytes(&self, id: ValueId, rules: MemoryRules) -> u64 {
        let value = self.value(id);
        let width = if rules.int8 { 1 } else { value.dtype().bytes() };
        (value.ty().len() * width) as u64
    }

    /// One plane of one channel of a node's output.
    fn plane_bytes(&self, node: &Node, rules: MemoryRules) -> u64 {
        let output = node.outputs()[0];
        let channels = self.shape(output).get(1).copied().unwrap_or(1).max(1);
        self.value_bytes(output, rules) / channels as u64
    }
}

/// The inputs of a node that are computed.
fn activations<'a>(graph: &'a Graph, node: &'a Node) -> impl Iterator<Item = ValueId> + 'a {
    node.inputs().iter().flatten().copied().filter(|&id| graph.value(id).data().is_none())
}

fn is_view(node: &Node, rules: MemoryRules) -> bool {
    let op = node.op().name;
    VIEWS.contains(&op) || (rules.int8 && CONVERSIONS.contains(&op))
}

/// Which values share a buffer.
struct Buffers {
    parents: Vec<usize>,
    /// By node: whether it is a depthwise convolution that overwrites its input.
    overwrites_planes: Vec<bool>,
}

impl Buffers {
    fn of(graph: &Graph, rules: MemoryRules) -> Self {
        let parents = (0..graph.values().len()).collect();
        let mut buffers = Self { parents, overwrites_planes: vec![false; graph.nodes().len()] };
        for node in graph.nodes().iter().filter(|node| is_view(node, rules)) {
            if let Some(input) = activations(graph, node).next() {
                buffers.join(input, node.outputs()[0]);
            }
        }
        // Who reads a buffer, the views not counted; an output of the graph counts as read once more.
        let mut readers = vec![0; graph.values().len()];
        for node in graph.nodes().iter().filter(|node| !is_view(node, rules)) {
            let mut read: Vec<usize> = activations(graph, node).map(|input| buffers.root(input)).collect();
            read.sort_unstable();
            read.dedup();
            read.into_iter().for_each(|root| readers[root] += 1);
        }
        graph.outputs().iter().for_each(|&output| readers[buffers.root(output)] += 1);
        let roots: Vec<usize> = graph.ids().map(|id| buffers.root(id)).collect();
        for (index, node) in graph.nodes().iter().enumerate().filter(|(_, node)| !is_view(node, rules)) {
            let [input] = activations(graph, node).collect::<Vec<_>>()[..] else { continue };
            let output = node.outputs()[0];
            let same = graph.value(input).ty() == graph.value(output).ty() && node.outputs().len() == 1;
            if !same || readers[roots[input.index()]] != 1 {
                continue;
            }
            let by_planes = rules.in_place_depthwise && is_depthwise(graph, node, input);
            if by_planes || ELEMENTWISE.contains(&node.op().name) {
                buffers.join(input, output);
                buffers.overwrites_planes[index] = by_planes;
            }
        }
        buffers
    }

    fn root(&mut self, id: ValueId) -> usize {
        let mut at = id.index();
        while self.parents[at] != at {
            self.parents[at] = self.parents[self.parents[at]];
            at = self.parents[at];
        }
        at
    }

    fn join(&mut self, one: ValueId, other: ValueId) {
        let (one, other) = (self.root(one), self.root(other));
        self.parents[other] = one;
    }
}

/// Whether a node convolves every channel for itself.
fn is_depthwise(graph: &Graph, node: &Node, input: ValueId) -> bool {
    let channels = graph.shape(input).get(1).copied().unwrap_or(0) as i64;
    node.op().name == "Conv" && channels > 1 && node.attrs().get_int("group", 1) == Ok(channels)
}

impl Problem {
    /// What is alive at each step of an order.
    fn timeline(&self, order: &[usize]) -> Vec<MemoryStep> {
        let mut alive = Alive::at_start(self);
        let step = |&step: &usize| MemoryStep { node: self.steps[step].node, bytes: alive.run(self, step) };
        order.iter().map(step).collect()
    }

    fn lower_bound(&self) -> u64 {
        let step = |step: &Step| {
            let mut buffers = [&step.reads[..], &step.writes].concat();
            buffers.sort_unstable();
            buffers.dedup();
            buffers.into_iter().map(|buffer| self.bytes[buffer]).sum::<u64>() + step.scratch
        };
        self.steps.iter().map(step).max().unwrap_or(0)
    }
}

/// The buffers that are alive between two steps.
#[derive(Debug, Clone)]
struct Alive {
    /// By buffer: how many steps still read it.
    readers: Vec<usize>,
    /// By buffer: whether it has been written.
    written: Vec<bool>,
    bytes: u64,
}

impl Alive {
    fn at_start(problem: &Problem) -> Self {
        let mut readers = vec![0; problem.bytes.len()];
        problem.steps.iter().flat_map(|step| &step.reads).for_each(|&buffer| readers[buffer] += 1);
        let mut alive = Self { readers, written: problem.given.clone(), bytes: 0 };
        let buffers = 0..problem.bytes.len();
        alive.bytes = buffers.filter(|&buffer| alive.has(problem, buffer)).map(|buffer| problem.bytes[buffer]).sum();
        alive
    }

    fn has(&self, problem: &Problem, buffer: usize) -> bool {
        self.written[buffer] && (self.readers[buffer] > 0 || problem.kept[buffer])
    }

    /// Runs a step; returns what is alive meanwhile.
    fn run(&mut self, problem: &Problem, step: usize) -> u64 {
        let Step { reads, writes, scratch, .. } = &problem.steps[step];
        let fresh: Vec<usize> = writes.iter().copied().filter(|&buffer| !self.written[buffer]).collect();
        let meanwhile = self.bytes + fresh.iter().map(|&buffer| problem.bytes[buffer]).sum::<u64>() + scratch;
        let mut touched = [&reads[..], writes].concat();
        touched.sort_unstable();
        touched.dedup();
        let before: u64 = self.bytes_of(problem, &touched);
        fresh.iter().for_each(|&buffer| self.written[buffer] = true);
        reads.iter().for_each(|&buffer| self.readers[buffer] -= 1);
        self.bytes = self.bytes - before + self.bytes_of(problem, &touched);
        meanwhile
    }

    fn bytes_of(&self, problem: &Problem, buffers: &[usize]) -> u64 {
        buffers.iter().filter(|&&buffer| self.has(problem, buffer)).map(|&buffer| problem.bytes[buffer]).sum()
    }
}

#[cfg(test)]
mod tests;
