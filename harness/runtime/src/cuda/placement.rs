use crate::Error;
use ort::AsPointer;
use ort::session::Session;
use ort::sys::{OrtEpAssignedNode, OrtEpAssignedSubgraph, OrtStatusPtr};
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::ptr;

/// The session option that makes ONNX Runtime remember where it places nodes.
pub(super) const RECORD: &str = "session.record_ep_graph_assignment_info";

/// Where ONNX Runtime placed the nodes of a session: for each provider, its operators and how many nodes each has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Placement(BTreeMap<String, BTreeMap<String, usize>>);

impl Placement {
    /// The number of nodes on a provider.
    pub(crate) fn on(&self, provider: &str) -> usize {
        self.0.get(provider).map_or(0, |ops| ops.values().sum())
    }

    /// What is not on the GPU, such as "Shape (2 nodes)"; empty where everything is.
    pub(crate) fn elsewhere(&self) -> String {
        let ops = self.0.iter().filter(|(provider, _)| *provider != "CUDAExecutionProvider").flat_map(|(_, ops)| ops);
        let told = ops.map(|(op, count)| format!("{op} ({count} node{})", if *count == 1 { "" } else { "s" }));
        told.collect::<Vec<_>>().join(", ")
    }
}

/// Asks where the nodes of a session were placed. It must have been opened with [`RECORD`].
///
/// Errors: ONNX Runtime does not say.
#[allow(unsafe_code)]
pub(crate) fn placement(session: &Session) -> Result<Placement, Error> {
    let api = ort::api();
    let mut found = Placement::default();
    let (mut parts, mut count) = (ptr::null::<*const OrtEpAssignedSubgraph>(), 0);
    // SAFETY: The session lives through this function, and what it answers with belongs to it.
    ask(unsafe { (api.Session_GetEpGraphAssignmentInfo)(session.ptr(), &mut parts, &mut count) })?;
    // SAFETY: ONNX Runtime answered with `count` pointers.
    for &part in unsafe { slice(parts, count) } {
        // SAFETY: `part` comes from the session.
        let provider = text(|out| unsafe { (api.EpAssignedSubgraph_GetEpName)(part, out) })?;
        let ops = found.0.entry(provider).or_default();
        let (mut nodes, mut count) = (ptr::null::<*const OrtEpAssignedNode>(), 0);
        // SAFETY: As above.
        ask(unsafe { (api.EpAssignedSubgraph_GetNodes)(part, &mut nodes, &mut count) })?;
        // SAFETY: As above.
        for &node in unsafe { slice(nodes, count) } {
            // SAFETY: As above.
            let op = text(|out| unsafe { (api.EpAssignedNode_GetOperatorType)(node, out) })?;
            *ops.entry(op).or_default() += 1;
        }
    }
    Ok(found)
}

/// # Safety
/// `start` is null or points to `count` elements that outlive the result.
#[allow(unsafe_code)]
unsafe fn slice<'a, T>(start: *const T, count: usize) -> &'a [T] {
    if start.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: It is what the caller promises.
    unsafe { std::slice::from_raw_parts(start, count) }
}

#[allow(unsafe_code)]
fn ask(status: OrtStatusPtr) -> Result<(), Error> {
    // SAFETY: The status comes from a call of the interface.
    let result = unsafe { ort::Error::result_from_status(status) };
    result.map_err(|error| Error::ort("ask where nodes run", &error))
}

/// A text that belongs to the session.
#[allow(unsafe_code)]
fn text(get: impl FnOnce(*mut *const c_char) -> OrtStatusPtr) -> Result<String, Error> {
    let mut start = ptr::null();
    ask(get(&mut start))?;
    if start.is_null() {
        return Ok(String::new());
    }
    // SAFETY: It ends in a zero and lives as long as the session, which outlives this call.
    Ok(unsafe { CStr::from_ptr(start) }.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use graph::{Attrs, DType, Graph, ValueType};

    #[test]
    fn the_runtime_says_where_nodes_run() {
        let mut graph = Graph::new("two nodes");
        let x = graph.input("x", ValueType::new(DType::F32, [4, 3]));
        let y = graph.add("Softmax", &[x], Attrs::new().int("axis", 1)).unwrap();
        let z = graph.add("ReduceSum", &[y], Attrs::new().int("keepdims", 0)).unwrap();
        graph.set_outputs(vec![z]);
        let builder = Session::builder(crate::env().unwrap().environment()).unwrap();
        let session =
            builder.with_config_entry(RECORD, "1").unwrap().commit_from_memory(&graph::encode(&graph)).unwrap();
        let found = placement(&session).unwrap();
        assert_eq!((found.on("CPUExecutionProvider"), found.on("CUDAExecutionProvider")), (2, 0));
        assert_eq!(found.elsewhere(), "ReduceSum (1 node), Softmax (1 node)");
    }
}
