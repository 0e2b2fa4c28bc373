use crate::Tensor;
use std::collections::BTreeMap;

/// One attribute of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Attr {
    /// An integer.
    Int(i64),
    /// A float, exact in f64.
    Float(f32),
    /// Text.
    Text(String),
    /// A list of integers.
    Ints(Vec<i64>),
    /// A list of floats.
    Floats(Vec<f32>),
    /// A tensor.
    Tensor(Tensor),
}

/// The attributes of a node, by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attrs(BTreeMap<String, Attr>);

impl Attrs {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// These attributes and one more.
    pub fn with(mut self, name: &str, attr: Attr) -> Self {
        self.set(name, attr);
        self
    }

    /// These attributes and one more, a list of integers.
    pub fn ints(self, name: &str, values: impl IntoIterator<Item = i64>) -> Self {
        self.with(name, Attr::Ints(values.into_iter().collect()))
    }

    /// These attributes and one more, an integer.
    pub fn int(self, name: &str, value: i64) -> Self {
        self.with(name, Attr::Int(value))
    }

    /// These attributes and one more, a float.
    pub fn float(self, name: &str, value: f32) -> Self {
        self.with(name, Attr::Float(value))
    }

    /// These attributes and one more, text.
    pub fn text(self, name: &str, value: &str) -> Self {
        self.with(name, Attr::Text(value.to_owned()))
    }

    /// Adds or replaces an attribute.
    pub fn set(&mut self, name: &str, attr: Attr) {
        self.0.insert(name.to_owned(), attr);
    }

    /// Takes an attribute out.
    pub fn remove(&mut self, name: &str) -> Option<Attr> {
        self.0.remove(name)
    }

    /// An attribute, if it is there.
    pub fn get(&self, name: &str) -> Option<&Attr> {
        self.0.get(name)
    }

    /// All attributes in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attr)> {
        self.0.iter().map(|(name, attr)| (name.as_str(), attr))
    }

    /// An integer attribute, or `default` where it is absent.
    ///
    /// Errors: the attribute is there with another type.
    pub fn get_int(&self, name: &str, default: i64) -> Result<i64, String> {
        match self.get(name) {
            None => Ok(default),
            Some(Attr::Int(value)) => Ok(*value),
            Some(other) => Err(wrong_type(name, "an integer", other)),
        }
    }

    /// A float attribute, or `default` where it is absent.
    ///
    /// Errors: the attribute is there with another type.
    pub fn get_float(&self, name: &str, default: f32) -> Result<f32, String> {
        match self.get(name) {
            None => Ok(default),
            Some(Attr::Float(value)) => Ok(*value),
            Some(other) => Err(wrong_type(name, "a float", other)),
        }
    }

    /// A text attribute, or `default` where it is absent.
    ///
    /// Errors: the attribute is there with another type.
    pub fn get_text<'a>(&'a self, name: &str, default: &'a str) -> Result<&'a str, String> {
        match self.get(name) {
            None => Ok(default),
            Some(Attr::Text(value)) => Ok(value),
            Some(other) => Err(wrong_type(name, "text", other)),
        }
    }

    /// A list of integers, if it is there.
    ///
    /// Errors: the attribute is there with another type.
    pub fn get_ints(&self, name: &str) -> Result<Option<&[i64]>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Attr::Ints(values)) => Ok(Some(values)),
            Some(other) => Err(wrong_type(name, "a list of integers", other)),
        }
    }
}

fn wrong_type(name: &str, wanted: &str, found: &Attr) -> String {
    format!("attribute `{name}` must be {wanted}, found {found:?}")
}
