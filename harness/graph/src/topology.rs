//! The order of a file's nodes: every value defined once, before it is used.

use crate::Error;
use crate::file_node::FileNode;
use crate::model::Port;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

/// The nodes in topological order; a file that is in order stays in its own.
///
/// Errors: a name is defined twice, a value is defined nowhere, or the nodes form a cycle.
pub(crate) fn sorted(nodes: Vec<FileNode>, given: &[&str], outputs: &[Port]) -> Result<Vec<FileNode>, Error> {
    let producers = producers(&nodes, given)?;
    check_defined(&nodes, given, &producers, outputs)?;
    let order = order(&nodes, &producers);
    if order.len() < nodes.len() {
        return Err(cycle(&nodes, &producers, &order));
    }
    let mut slots: Vec<Option<FileNode>> = nodes.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|index| slots[index].take()).collect())
}

fn refuse(reason: String) -> Error {
    Error::Graph(format!("read the graph: {reason}"))
}

/// By value name, the index of the node that computes it.
fn producers(nodes: &[FileNode], given: &[&str]) -> Result<HashMap<String, usize>, Error> {
    let mut names = HashSet::new();
    if let Some(name) = given.iter().find(|name| !names.insert(**name)) {
        return Err(refuse(format!("there are two inputs `{name}`")));
    }
    let mut producers = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for output in node.outputs.iter().flatten() {
            if !names.insert(output) {
                return Err(refuse(format!("value `{output}`, an output of node `{}`, is defined twice", node.name)));
            }
            producers.insert(output.clone(), index);
        }
    }
    Ok(producers)
}

fn check_defined(
    nodes: &[FileNode],
    given: &[&str],
    producers: &HashMap<String, usize>,
    outputs: &[Port],
) -> Result<(), Error> {
    let given: HashSet<&str> = given.iter().copied().collect();
    let defined = |name: &str| given.contains(name) || producers.contains_key(name);
    for node in nodes {
        if let Some(missing) = node.inputs.iter().flatten().find(|input| !defined(input)) {
            return Err(refuse(format!("value `{missing}`, an input of node `{}`, is defined nowhere", node.name)));
        }
    }
    if outputs.is_empty() {
        return Err(refuse("it has no outputs".to_owned()));
    }
    let mut names = HashSet::new();
    for output in outputs {
        if !defined(&output.name) {
            return Err(refuse(format!("output `{}` is defined nowhere", output.name)));
        }
        if !names.insert(&output.name) {
            return Err(refuse(format!("there are two outputs `{}`", output.name)));
        }
    }
    Ok(())
}

/// Kahn's algorithm, always the earliest node of the file that is ready. Nodes on or behind a cycle are left out.
fn order(nodes: &[FileNode], producers: &HashMap<String, usize>) -> Vec<usize> {
    let mut waiting = vec![0_usize; nodes.len()];
    let mut consumers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        for producer in node.inputs.iter().flatten().filter_map(|input| producers.get(input)) {
            waiting[index] += 1;
            consumers[*producer].push(index);
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..nodes.len()).filter(|&index| waiting[index] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for &consumer in &consumers[index] {
            waiting[consumer] -= 1;
            if waiting[consumer] == 0 {
                ready.push(Reverse(consumer));
            }
        }
    }
    order
}

/// Walks from a node that could not be ordered to its producers until one comes twice: that one is on the cycle.
fn cycle(nodes: &[FileNode], producers: &HashMap<String, usize>, ordered: &[usize]) -> Error {
    let done: HashSet<usize> = ordered.iter().copied().collect();
    let mut at = (0..nodes.len()).find(|index| !done.contains(index)).expect("a node is left");
    let mut seen = HashSet::new();
    while seen.insert(at) {
        let mut inputs = nodes[at].inputs.iter().flatten().filter_map(|input| producers.get(input));
        at = *inputs.find(|producer| !done.contains(producer)).expect("a node that is left waits for another");
    }
    refuse(format!("node `{}` is part of a cycle: it needs its own output", nodes[at].name))
}
