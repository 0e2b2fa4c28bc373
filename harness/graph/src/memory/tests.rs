use super::*;
use crate::check::Splitmix;
use crate::{Attrs, DType, Tensor, ValueType};

const PLAIN: MemoryRules = MemoryRules { int8: false, in_place_depthwise: false };
const INT8: MemoryRules = MemoryRules { int8: true, in_place_depthwise: false };
const DEPTHWISE: MemoryRules = MemoryRules { int8: true, in_place_depthwise: true };

/// A graph in the making, whose activations are `[1, C, 4, 4]`: a channel has 16 elements.
struct Net(Graph);

impl Net {
    fn new(channels: usize) -> (Self, ValueId) {
        let mut graph = Graph::new("net");
        let x = graph.input("x", ValueType::new(DType::F32, [1, channels, 4, 4]));
        (Self(graph), x)
    }

    fn conv(&mut self, x: ValueId, channels: usize, group: usize) -> ValueId {
        let inputs = self.0.shape(x)[1] / group;
        let w = self.0.constant("w", Tensor::f32(&[channels, inputs, 1, 1], vec![0.5; channels * inputs]));
        self.0.add("Conv", &[x, w], Attrs::new().int("group", group as i64)).unwrap()
    }

    fn op(&mut self, op: &str, inputs: &[ValueId]) -> ValueId {
        self.0.add(op, inputs, Attrs::new()).unwrap()
    }

    fn memory(mut self, outputs: &[ValueId], rules: MemoryRules) -> Memory {
        self.0.set_outputs(outputs.to_vec());
        self.0.memory(rules)
    }
}

fn bytes(steps: &[MemoryStep]) -> Vec<u64> {
    steps.iter().map(|step| step.bytes).collect()
}

#[test]
fn a_chain_holds_the_input_and_the_output_of_each_step() {
    for (rules, width) in [(PLAIN, 4), (INT8, 1)] {
        let (mut net, x) = Net::new(3);
        let y = net.conv(x, 8, 1);
        let y = net.op("Relu", &[y]);
        let y = net.conv(y, 5, 1);
        let y = net.op("Flatten", &[y]);
        let memory = net.memory(&[y], rules);
        // 3 and 8 channels; the 8 alone, overwritten; 8 and 5. The view has no step.
        let expected = [11, 8, 13].map(|channels| channels * 16 * width);
        assert_eq!(bytes(&memory.file), expected);
        assert_eq!(memory.file.iter().map(|step| step.node).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(
            (Memory::peak(&memory.best), memory.lower_bound, memory.is_optimal),
            (expected[2], expected[2], true)
        );
    }
}

#[test]
fn a_residual_holds_what_is_added_until_it_is() {
    let (mut net, x) = Net::new(4);
    let x = net.conv(x, 6, 1);
    let y = net.conv(x, 6, 1);
    let y = net.op("Relu", &[y]);
    let y = net.conv(y, 6, 1);
    let y = net.op("Add", &[x, y]);
    let memory = net.memory(&[y], INT8);
    // The shortcut has 6 channels and is there from the second convolution on; a sum of two activations is new.
    assert_eq!(bytes(&memory.file), [10, 12, 12, 18, 18].map(|channels| channels * 16));
    // The last convolution needs 12 for itself, and the sum 18.
    assert_eq!((memory.lower_bound, memory.is_optimal), (18 * 16, true));
}

#[test]
fn a_depthwise_convolution_may_overwrite_its_input() {
    let block = || {
        let (mut net, x) = Net::new(4);
        let y = net.conv(x, 24, 1);
        let y = net.conv(y, 24, 24);
        let y = net.op("Relu", &[y]);
        let y = net.conv(y, 4, 1);
        let y = net.op("Add", &[x, y]);
        (net, y)
    };
    let (net, y) = block();
    assert_eq!(bytes(&net.memory(&[y], INT8).file), [28, 52, 28, 32, 12].map(|channels| channels * 16));
    let (net, y) = block();
    // One plane of 16 beside the 24 channels that it changes and the 4 of the shortcut.
    let memory = net.memory(&[y], DEPTHWISE);
    assert_eq!(bytes(&memory.file), [28, 29, 28, 32, 12].map(|channels| channels * 16));
    assert_eq!(Memory::peak(&memory.best), 32 * 16);
}

#[test]
fn what_two_steps_read_is_not_overwritten_and_outputs_stay() {
    let (mut net, x) = Net::new(2);
    let y = net.conv(x, 3, 1);
    let relu = net.op("Relu", &[y]);
    let sum = net.op("Add", &[y, relu]);
    let memory = net.memory(&[sum, relu], INT8);
    assert_eq!(bytes(&memory.file), [5, 6, 9].map(|channels| channels * 16));
}

#[test]
fn quantizers_are_no_steps_of_a_file_of_bytes() {
    let mut graph = Graph::new("quantized");
    let x = graph.input("x", ValueType::new(DType::F32, [1, 8]));
    let (scale, zero) = (graph.scalar(DType::F32, 0.5), graph.constant("zero", Tensor::int(DType::I8, &[], vec![0])));
    let q = graph.add("QuantizeLinear", &[x, scale, zero], Attrs::new()).unwrap();
    let real = graph.add("DequantizeLinear", &[q, scale, zero], Attrs::new()).unwrap();
    let w = graph.constant("w", Tensor::f32(&[8, 3], vec![0.5; 24]));
    let y = graph.add("MatMul", &[real, w], Attrs::new()).unwrap();
    graph.set_outputs(vec![y]);
    assert_eq!(bytes(&graph.memory(INT8).file), [8 + 3]);
    // As it stands it holds floats and bytes.
    assert_eq!(bytes(&graph.memory(PLAIN).file), [32 + 8, 8 + 32, 32 + 12]);
}

/// Two branches, each of which swells before it is summed up.
#[test]
fn an_order_of_branches_may_be_better_than_the_files() {
    let (mut net, x) = Net::new(1);
    let wide = [net.conv(x, 20, 1), net.conv(x, 20, 1)];
    let narrow = wide.map(|wide| net.conv(wide, 1, 1));
    let y = net.op("Add", &narrow);
    let memory = net.memory(&[y], INT8);
    assert_eq!(Memory::peak(&memory.file), (20 + 20 + 1) * 16);
    // One branch to its end: input, its sum, and the other wide one with what it becomes.
    assert_eq!((Memory::peak(&memory.best), memory.is_optimal), ((1 + 1 + 20) * 16, true));
    assert_eq!(memory.lower_bound, 21 * 16);
}

/// All orders that a graph allows.
fn every_order(problem: &Problem, order: &mut Vec<usize>, least: &mut u64) {
    if order.len() == problem.steps.len() {
        *least = (*least).min(Memory::peak(&problem.timeline(order)));
        return;
    }
    for step in 0..problem.steps.len() {
        if !order.contains(&step) && problem.steps[step].after.iter().all(|before| order.contains(before)) {
            order.push(step);
            every_order(problem, order, least);
            order.pop();
        }
    }
}

#[test]
fn the_best_order_of_random_graphs_is_that_of_all() {
    let mut better = 0;
    for seed in 0..400 {
        let mut random = Splitmix::new(seed);
        let mut draw = |many: usize| (random.uniform(0.0, many as f64) as usize).min(many - 1);
        let (mut net, x) = Net::new(1 + draw(4));
        let (mut values, mut read) = (vec![x], vec![false]);
        for _ in 0..6 {
            let from = draw(values.len());
            read[from] = true;
            let y = net.conv(values[from], 1 + draw(12), 1);
            values.push(if draw(3) == 0 { net.op("Relu", &[y]) } else { y });
            read.push(false);
        }
        let last: Vec<ValueId> = values.iter().zip(read).filter(|(_, read)| !read).map(|(id, _)| *id).collect();
        let y = net.0.add("Concat", &last, Attrs::new().int("axis", 1)).unwrap();
        net.0.set_outputs(vec![y]);
        let (graph, _) = net.0.pruned();
        let problem = graph.memory_problem(INT8);
        let (mut least, memory) = (u64::MAX, graph.memory(INT8));
        every_order(&problem, &mut Vec::new(), &mut least);
        assert_eq!((Memory::peak(&memory.best), memory.is_optimal), (least, true), "seed {seed}");
        assert!(memory.lower_bound <= least && least <= Memory::peak(&memory.file));
        better += usize::from(least < Memory::peak(&memory.file));
        // The order has every step once, each after those that it needs.
        let mut done: Vec<usize> = memory.best.iter().map(|step| step.node).collect();
        done.sort_unstable();
        assert_eq!(done, problem.steps.iter().map(|step| step.node).collect::<Vec<_>>());
    }
    assert!(better > 15, "a better order in {better} graphs");
}

/// More branches than the search looks at, and so many that each state is large: it ends, and is no worse than the file.
#[test]
fn where_orders_are_too_many_the_search_ends() {
    for branches in [24, 300] {
        let (mut net, x) = Net::new(1);
        let ends: Vec<ValueId> = (0..branches)
            .map(|branch| {
                let y = net.conv(x, 30 + branch % 5, 1);
                let y = net.conv(y, 40 - branch % 7, 1);
                net.conv(y, 2, 1)
            })
            .collect();
        let y = net.0.add("Concat", &ends, Attrs::new().int("axis", 1)).unwrap();
        let memory = net.memory(&[y], INT8);
        assert!(Memory::peak(&memory.best) <= Memory::peak(&memory.file), "{branches}");
        assert!(memory.lower_bound <= Memory::peak(&memory.best), "{branches}");
        let steps =
            |steps: &[MemoryStep]| steps.iter().map(|step| step.node).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(steps(&memory.best), steps(&memory.file), "{branches}");
    }
}
