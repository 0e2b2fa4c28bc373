//! Small ONNX files for tests, written by hand: symbolic batches, external data and other forms that our own writer
//! never makes.

use crate::inferred::field;

/// The value of an attribute.
#[derive(Clone)]
pub(crate) enum Ints {
    One(u64),
    List(Vec<u64>),
}

/// A file in the making.
#[derive(Clone)]
pub(crate) struct File {
    graph: Vec<u8>,
}

pub(crate) const FLOAT: u64 = 1;
pub(crate) const UINT8: u64 = 2;
pub(crate) const INT8: u64 = 3;
pub(crate) const INT32: u64 = 6;
pub(crate) const BOOL: u64 = 9;
pub(crate) const DOUBLE: u64 = 11;

fn number(field: u8, mut value: u64) -> Vec<u8> {
    let mut bytes = vec![field << 3];
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

impl File {
    pub(crate) fn new() -> Self {
        Self { graph: field(2, b"handmade") }
    }

    /// Dimensions that are numbers are fixed, others symbolic.
    fn port(kind: u8, name: &str, dtype: u64, dims: &[&str]) -> Vec<u8> {
        let dim = |dim: &&str| match dim.parse() {
            Ok(value) => field(1, &number(1, value)),
            Err(_) => field(1, &field(2, dim.as_bytes())),
        };
        let shape: Vec<u8> = dims.iter().flat_map(dim).collect();
        let tensor = [number(1, dtype), field(2, &shape)].concat();
        field(kind, &[field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat())
    }

    pub(crate) fn input(mut self, name: &str, dtype: u64, dims: &[&str]) -> Self {
        self.graph.extend(Self::port(11, name, dtype, dims));
        self
    }

    pub(crate) fn output(mut self, name: &str, dtype: u64, dims: &[&str]) -> Self {
        self.graph.extend(Self::port(12, name, dtype, dims));
        self
    }

    pub(crate) fn node(self, op: &str, inputs: &[&str], output: &str) -> Self {
        self.node_with(op, inputs, output, &[])
    }

    /// A node with integer attributes. An operator of another domain has it in front, with a point between.
    pub(crate) fn node_with(mut self, op: &str, inputs: &[&str], output: &str, attributes: &[(&str, Ints)]) -> Self {
        let (domain, op) = op.rsplit_once('.').unwrap_or(("", op));
        let mut node: Vec<u8> = inputs.iter().flat_map(|input| field(1, input.as_bytes())).collect();
        node.extend([field(2, output.as_bytes()), field(3, output.as_bytes()), field(4, op.as_bytes())].concat());
        node.extend(field(7, domain.as_bytes()));
        for (name, ints) in attributes {
            let (content, kind) = match ints {
                Ints::One(value) => (number(3, *value), 2),
                Ints::List(values) => (values.iter().flat_map(|&value| number(8, value)).collect(), 7),
            };
            node.extend(field(
                5,
                &[field(1, name.as_bytes()), content, [&[0xa0, 0x01][..], &[kind]].concat()].concat(),
            ));
        }
        self.graph.extend(field(1, &node));
        self
    }

    fn tensor(mut self, name: &str, dtype: u64, dims: &[usize], content: Vec<u8>) -> Self {
        let mut tensor: Vec<u8> = dims.iter().flat_map(|&dim| number(1, dim as u64)).collect();
        tensor.extend([number(2, dtype), field(8, name.as_bytes()), content].concat());
        self.graph.extend(field(5, &tensor));
        self
    }

    pub(crate) fn floats(self, name: &str, dims: &[usize], values: &[f32]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, FLOAT, dims, field(9, &raw))
    }

    pub(crate) fn int8(self, name: &str, value: i8) -> Self {
        self.integers(name, INT8, &[], &[value.into()])
    }

    /// A tensor of an integer type of 8 or 32 bits, or of booleans.
    pub(crate) fn integers(self, name: &str, dtype: u64, dims: &[usize], values: &[i64]) -> Self {
        let width = if dtype == INT32 { 4 } else { 1 };
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()[..width].to_vec()).collect();
        self.tensor(name, dtype, dims, field(9, &raw))
    }

    pub(crate) fn external(self, name: &str, dims: &[usize], location: &str) -> Self {
        let entry = [field(1, b"location"), field(2, location.as_bytes())].concat();
        self.tensor(name, FLOAT, dims, [field(13, &entry), number(14, 1)].concat())
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        let opset = [field(1, b""), number(2, 13)].concat();
        let contributed = [field(1, b"com.microsoft"), number(2, 1)].concat();
        [number(1, 8), field(8, &opset), field(8, &contributed), field(7, &self.graph)].concat()
    }
}
