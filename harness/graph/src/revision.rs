/// Revision of what this crate emits. It is part of the keys of evidence: raise it whenever a gradient graph changes, so
/// that blocks of another emitter are not taken for those of this one.
pub const REVISION: u32 = 2;

#[cfg(test)]
mod tests {
    use super::REVISION;
    use crate::check::Splitmix;
    use crate::{Attrs, DType, Graph, Head, Profile, Tensor, ValueType, encode, gradient_graph};

    /// The gradient graphs of this revision. A head that joins changes no other's graphs, so it has a line of its own.
    const DIGESTS: &[(u32, &[Head], u64)] = &[
        (2, &[Head::CrossEntropy, Head::Margin, Head::Linear], 0x7ca4_c9c4_55a2_2cb0),
        (2, &[Head::Kl], 0xac57_b5c2_b213_4ca3),
        (2, &[Head::Dlr, Head::DlrTargeted], 0x232a_5cd6_042c_4297),
    ];

    /// A small convolutional net with a residual, a pool, a quantizer and a dense layer.
    fn network() -> Graph {
        let mut random = Splitmix::new(1);
        let mut graph = Graph::new("network");
        let x = graph.input("x", ValueType::new(DType::F32, [2, 3, 8, 8]));
        let w = graph.constant("w", random.tensor(&[4, 3, 3, 3], -1.0, 1.0));
        let v = graph.constant("v", random.tensor(&[4, 1, 3, 3], -1.0, 1.0));
        let d = graph.constant("d", random.tensor(&[5, 16], -1.0, 1.0));
        let same = || Attrs::new().ints("pads", [1, 1, 1, 1]);
        let mut add = |op: &str, inputs: &[_], attrs| graph.add(op, inputs, attrs).unwrap();
        let y = add("Conv", &[x, w], same().ints("strides", [2, 2]));
        let y = add("Relu", &[y], Attrs::new());
        let z = add("Conv", &[y, v], same().int("group", 4));
        let y = add("Add", &[y, z], Attrs::new());
        let y = add("MaxPool", &[y], Attrs::new().ints("kernel_shape", [2, 2]).ints("strides", [2, 2]));
        let scale = graph.scalar(DType::F32, 0.1);
        let zero = graph.constant("zero", Tensor::int(DType::U8, &[], vec![3]));
        let q = graph.add("QuantizeLinear", &[y, scale, zero], Attrs::new()).unwrap();
        let y = graph.add("DequantizeLinear", &[q, scale, zero], Attrs::new()).unwrap();
        let y = graph.add("Flatten", &[y], Attrs::new()).unwrap();
        let y = graph.add("Gemm", &[y, d], Attrs::new().int("transB", 1)).unwrap();
        graph.set_outputs(vec![y]);
        graph
    }

    /// FNV-1a: enough to notice a change.
    fn digest(bytes: &[u8], seed: u64) -> u64 {
        bytes.iter().fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }

    #[test]
    fn what_is_emitted_changes_with_its_revision_only() {
        let network = network();
        let now = || DIGESTS.iter().filter(|(revision, _, _)| *revision == REVISION);
        for (_, heads, pinned) in now() {
            let forms = heads.iter().flat_map(|head| Profile::ALL.iter().map(move |profile| (head, profile)));
            let found = forms.fold(0xcbf2_9ce4_8422_2325, |hash, (head, profile)| {
                let graph = gradient_graph(&network, *head).unwrap().graph;
                digest(&encode(&profile.lower(&graph).unwrap()), hash)
            });
            assert_eq!(*pinned, found, "graphs of {heads:?} changed: raise REVISION and pin {found:#018x} for it");
        }
        let pinned: Vec<Head> = now().flat_map(|(_, heads, _)| heads.iter().copied()).collect();
        assert_eq!(pinned, Head::ALL, "every head is pinned");
    }
}
