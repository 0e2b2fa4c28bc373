/// What can go wrong between a file's bytes and a graph that runs.
///
/// Every message is a lower-case fragment that follows "failed to …" and names the node where there is one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The bytes are not an ONNX model that can be read.
    #[error("decode ONNX: {0}")]
    Decode(String),
    /// An operator, operator set or form of it that Tinyassay does not support.
    #[error("node `{node}`: operator `{op}` is not supported: {reason}")]
    Unsupported {
        /// The node's name in the file.
        node: String,
        /// The operator.
        op: String,
        /// What exactly is not supported.
        reason: String,
    },
    /// A node's attributes or inputs contradict its operator's specification.
    #[error("node `{node}` ({op}): {reason}")]
    Node {
        /// The node's name in the file.
        node: String,
        /// The operator.
        op: String,
        /// What was found and what was allowed.
        reason: String,
    },
    /// A gradient would have to pass a node that has none.
    #[error("node `{node}`: no gradient through `{op}`: {reason}")]
    NoGradient {
        /// The node's name in the file.
        node: String,
        /// The operator.
        op: String,
        /// Why there is none.
        reason: String,
    },
    /// External data that is missing, too short or outside the model's folder.
    #[error("external data of tensor `{tensor}`: {reason}")]
    External {
        /// The tensor's name in the file.
        tensor: String,
        /// What was found and what was allowed.
        reason: String,
    },
    /// The graph as a whole is not valid: a cycle, a missing value, a duplicate name.
    #[error("{0}")]
    Graph(String),
}
