//! The only place that knows which YAML library is used: text in, typed values with their places out.
//!
//! A complaint carries `file:line:column`, the line itself with a mark, and for a misspelt key or value the nearest one
//! that is allowed. Manifests, suites and recipes are all read here.

mod excerpt;
mod located;
mod nearest;
mod problem;
mod source;

pub use located::Located;
pub use nearest::{list, nearest, suggestion};
pub use problem::{Complaint, Problem};
pub use source::{Place, Source};

use crate::Error;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_saphyr::{Error as SaphyrError, MessageFormatter, UserMessageFormatter};
use std::path::Path;

/// Reads `text`, which came from `place`, a path for messages.
///
/// Errors: [`Error::Yaml`].
pub fn parse<T: DeserializeOwned>(place: &str, text: &str) -> Result<T, Error> {
    let source = Source::new(Path::new(place), text.as_bytes())?;
    document(source.text()).map_err(|problem| Error::Yaml(Box::new(problem.read_from(&source))))
}

/// Reads one YAML document. Anchors and merges work within the library's budget; a second document is an error.
///
/// Errors: what is wrong and where, to be placed in its file by the caller.
pub fn document<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| said(error.without_snippet()))
}

/// Writes `value` as YAML.
///
/// Errors: [`Error::Invalid`] naming `place` where the value has no YAML form.
pub fn to_string<T: Serialize>(place: &str, value: &T) -> Result<String, Error> {
    serde_saphyr::to_string(value).map_err(|error| Error::invalid(place, error))
}

/// Writes a list on one line, `[a, b]`; for `serialize_with`.
pub(crate) fn on_one_line<T: Serialize, S: Serializer>(list: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serde_saphyr::FlowSeq(list).serialize(serializer)
}

fn said(error: &SaphyrError) -> Problem {
    let problem = match error {
        SaphyrError::AliasError { error, .. } => said(error),
        SaphyrError::SerdeUnknownField { field, expected, .. } => {
            Problem::new(format!("unknown key `{field}`")).hint(suggestion(field, expected))
        }
        SaphyrError::SerdeUnknownVariant { variant, expected, .. } => {
            Problem::new(format!("unknown value `{variant}`, expected {}", one_of(expected)))
                .hint(suggestion(variant, expected))
        }
        SaphyrError::SerdeMissingField { field, .. } => {
            Problem::new(format!("key `{field}` is missing in this mapping"))
        }
        SaphyrError::DuplicateMappingKey { key: Some(key), .. } => {
            Problem::new(format!("key `{key}` is given twice")).hint("keep one of the two")
        }
        SaphyrError::SerdeInvalidType { unexpected, expected, .. }
        | SaphyrError::SerdeInvalidValue { unexpected, expected, .. } => {
            Problem::new(format!("expected {expected}, found {unexpected}"))
        }
        SaphyrError::InvalidScalar { ty, .. } => Problem::new(format!("expected {}", words_for(ty))),
        SaphyrError::Unexpected { expected, .. } => Problem::new(format!("expected {}", words_for(expected))),
        SaphyrError::NullIntoString { .. } => Problem::new("a value is missing"),
        SaphyrError::Eof { .. } => Problem::new("the file is empty or ends too early"),
        SaphyrError::Budget { .. } => {
            Problem::new("values are nested too deeply, or there are too many, for a file of this kind")
        }
        other => Problem::new(UserMessageFormatter.format_message(other)),
    };
    match error.location() {
        Some(location) => problem.at(location.into()),
        None => problem,
    }
}

/// The library names the types of Rust and the events of YAML; users write neither.
fn words_for(expected: &str) -> &str {
    match expected {
        "u64" => "a whole number, at least 0",
        "u32" => "a whole number from 0 to 4294967295",
        "f64" | "floating point" => "a number",
        "string scalar" => "a single value",
        "sequence start" => "a list (`[a, b]`, or a line `- a` for each entry)",
        "mapping start" => "a mapping (`key: value`)",
        other => other,
    }
}

fn one_of(words: &[&str]) -> String {
    format!("{}{}", if words.len() > 1 { "one of " } else { "" }, list(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        name: String,
        #[serde(default)]
        layout: Option<String>,
    }

    fn message(text: &str) -> String {
        parse::<Sample>("m.yaml", text).expect_err("the text is wrong").to_string()
    }

    #[test]
    fn a_misspelt_key_is_shown_with_its_place_and_the_nearest_key() {
        let text = message("name: a\nlayot: NHWC\n");
        assert_eq!(
            text,
            "read m.yaml:2:1: unknown key `layot`\n  |\n2 | layot: NHWC\n  | ^^^^^\nhint: did you mean `layout`?"
        );
    }

    #[test]
    fn other_errors_have_a_place_too() {
        assert!(
            message("name: a\nname: b\n").contains("m.yaml:2:1: key `name` is given twice"),
            "{}",
            message("name: a\nname: b\n")
        );
        assert!(message("layout: NHWC\n").contains("key `name` is missing in this mapping"));
        assert!(message("name: [a\n").starts_with("read m.yaml:"));
        assert!(message("").starts_with("read m.yaml:1:1"));
    }

    #[test]
    fn a_far_word_is_told_what_there_is() {
        assert!(message("name: a\nzzzzzzzz: 1\n").ends_with("hint: known here: `name`, `layout`"));
        let sample = parse::<Sample>("m", "name: a\nlayout: b").unwrap();
        assert_eq!((sample.name.as_str(), sample.layout.as_deref()), ("a", Some("b")));
    }
}
