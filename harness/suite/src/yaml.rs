//! The one module that knows the YAML library: text in, typed values with their places out.

use crate::error::Problem;
use crate::nearest::{list, suggestion};
use crate::source::Place;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize, Serializer};
use serde_saphyr::{Error, MessageFormatter, Spanned, UserMessageFormatter};
use std::borrow::Cow;
use std::ops::Deref;

/// A value and where it stands in the file.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub place: Place,
}

impl<T> Deref for Located<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::deserialize(deserializer)?;
        Ok(Located { value, place: place(referenced) })
    }
}

impl<T: Serialize> Serialize for Located<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// Reads one YAML document. Anchors and merges work within the library's budget; a second document is an error.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| problem(error.without_snippet()))
}

fn place(location: serde_saphyr::Location) -> Place {
    Place {
        line: location.line() as usize,
        column: location.column() as usize,
        length: location.span().len().min(1 << 20) as usize,
    }
}

fn problem(error: &Error) -> Problem {
    let problem = match error {
        Error::AliasError { error, .. } => self::problem(error),
        Error::SerdeUnknownField { field, expected, .. } => {
            Problem::new(format!("unknown key `{field}`")).hint(suggestion(field, expected))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            Problem::new(format!("unknown value `{variant}`, expected {}", one_of(expected)))
                .hint(suggestion(variant, expected))
        }
        Error::SerdeMissingField { field, .. } => Problem::new(format!("key `{field}` is missing in this mapping")),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            Problem::new(format!("key `{key}` is given twice")).hint("keep one of the two")
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            Problem::new(format!("expected {expected}, found {unexpected}"))
        }
        Error::InvalidScalar { ty, .. } => Problem::new(format!("expected {}", words_for(ty))),
        Error::Unexpected { expected, .. } => Problem::new(format!("expected {}", words_for(expected))),
        Error::NullIntoString { .. } => Problem::new("a value is missing"),
        Error::Eof { .. } => Problem::new("the file is empty or ends too early"),
        Error::Budget { .. } => Problem::new("values are nested too deeply, or there are too many, for a suite"),
        other => Problem::new(UserMessageFormatter.format_message(other)),
    };
    match error.location() {
        Some(location) => problem.at(place(location)),
        None => problem,
    }
}

/// The library names the types of Rust and the events of YAML; users write neither.
fn words_for(expected: &str) -> &str {
    match expected {
        "u64" => "a whole number, at least 0",
        "u32" => "a whole number from 0 to 4294967295",
        "f64" => "a number",
        "string scalar" => "a single value",
        "sequence start" => "a list (`[a, b]`, or a line `- a` for each entry)",
        "mapping start" => "a mapping (`key: value`)",
        other => other,
    }
}

fn one_of(words: &[&str]) -> String {
    format!("{}{}", if words.len() > 1 { "one of " } else { "" }, list(words))
}
