//! The only place that knows which YAML library is used.
//!
//! Errors carry `file:line:column`, the line itself with a mark, and for a misspelt key or value the nearest one that
//! is allowed.

use crate::Error;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

/// Reads `text`, which came from `place`, a path for messages.
///
/// Errors: [`Error::Yaml`].
pub fn parse<T: DeserializeOwned>(place: &str, text: &str) -> Result<T, Error> {
    serde_saphyr::from_str(text).map_err(|error| {
        let (line, column) = match error.location() {
            Some(location) => (location.line().max(1) as usize, location.column().max(1) as usize),
            None => (1, 1),
        };
        let message = error.without_snippet().to_string();
        let reason = message.rsplit_once(" at line ").map_or(message.as_str(), |(reason, _)| reason).to_owned();
        let hint = nearest_allowed(&reason).map(|key| format!("did you mean `{key}`?")).unwrap_or_default();
        Error::Yaml { place: format!("{place}:{line}:{column}"), reason, excerpt: excerpt(text, line, column), hint }
    })
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

fn excerpt(text: &str, line: usize, column: usize) -> String {
    const WIDEST: usize = 160;
    let source: String = text.lines().nth(line - 1).unwrap_or_default().chars().take(WIDEST).collect();
    let margin = " ".repeat(line.to_string().len());
    format!("{margin} |\n{line} | {source}\n{margin} | {}^", " ".repeat(column.min(WIDEST) - 1))
}

/// The allowed word nearest to the one found, from serde's "unknown field `x`, expected one of a, b".
fn nearest_allowed(reason: &str) -> Option<String> {
    let (found, allowed) = reason.split_once("expected ")?;
    let found = found.split('`').nth(1)?;
    let allowed = allowed.trim_start_matches("one of ").split([',', ' ']).map(|word| word.trim_matches('`'));
    let (distance, word) = allowed
        .filter(|word| !word.is_empty())
        .map(|word| (edit_distance(&found.to_lowercase(), &word.to_lowercase()), word))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= found.chars().count().div_ceil(2).min(3)).then(|| word.to_owned())
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
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
            "read m.yaml:2:1: unknown field `layot`, expected one of name, layout\n  |\n2 | layot: NHWC\n  | ^\nhint: did you mean `layout`?"
        );
    }

    #[test]
    fn other_errors_have_a_place_too() {
        assert!(
            message("name: a\nname: b\n").contains("m.yaml:2:1: duplicate mapping key"),
            "{}",
            message("name: a\nname: b\n")
        );
        assert!(message("layout: NHWC\n").contains("missing field `name`"));
        assert!(message("name: [a\n").starts_with("read m.yaml:"));
        assert!(message("").starts_with("read m.yaml:1:1"));
    }

    #[test]
    fn a_far_word_gives_no_hint() {
        assert!(!message("name: a\nzzzzzzzz: 1\n").contains("hint"));
        let sample = parse::<Sample>("m", "name: a\nlayout: b").unwrap();
        assert_eq!((sample.name.as_str(), sample.layout.as_deref()), ("a", Some("b")));
    }
}
