use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::Error;

/// The media type of statements in envelopes.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

const TYPE: &str = "https://in-toto.io/Statement/v1";

/// An in-toto Statement v1: something that is said of files.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The files.
    pub subjects: Vec<Subject>,
    /// What the predicate is, as a URI.
    pub predicate_type: String,
    /// What is said.
    pub predicate: Value,
}

/// A file that a statement is about, known by its digests alone: the name is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// What it is called.
    pub name: String,
    /// Digests in hexadecimal, by algorithm: `sha256`.
    pub digest: BTreeMap<String, String>,
}

impl Subject {
    /// A file of this name with this SHA-256 digest.
    pub fn new(name: impl Into<String>, sha256: impl ToString) -> Self {
        Self { name: name.into(), digest: [("sha256".to_owned(), sha256.to_string())].into() }
    }
}

impl Statement {
    /// The text that is signed.
    pub fn to_json(&self) -> String {
        let subjects = self.subjects.iter().map(|subject| json!({ "name": subject.name, "digest": subject.digest }));
        let statement = json!({
            "_type": TYPE,
            "subject": subjects.collect::<Vec<_>>(),
            "predicateType": self.predicate_type,
            "predicate": self.predicate,
        });
        statement.to_string()
    }

    /// Reads a statement, whose bytes must have been verified. Fields that in-toto does not name are ignored, as it demands.
    ///
    /// Errors: [`Error::Signed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| refuse(error.to_string()))?;
        match value["_type"].as_str() {
            Some(TYPE) => {}
            found => return Err(refuse(format!("`_type` is {found:?}, expected `{TYPE}`"))),
        }
        let subjects = value["subject"].as_array().filter(|list| !list.is_empty());
        let subjects = subjects.ok_or_else(|| refuse("`subject` is no list, or empty"))?;
        let predicate_type = value["predicateType"].as_str().ok_or_else(|| refuse("`predicateType` is no text"))?;
        Ok(Self {
            subjects: subjects.iter().map(subject).collect::<Result<_, _>>()?,
            predicate_type: predicate_type.to_owned(),
            predicate: value["predicate"].clone(),
        })
    }
}

fn subject(value: &Value) -> Result<Subject, Error> {
    let name = value["name"].as_str().unwrap_or_default().to_owned();
    let digest = value["digest"].as_object().and_then(digests);
    let digest = digest.ok_or_else(|| refuse(format!("subject `{name}` has no `digest` in text")))?;
    Ok(Subject { name, digest })
}

fn digests(object: &Map<String, Value>) -> Option<BTreeMap<String, String>> {
    let digests = object.iter().map(|(name, digest)| Some((name.clone(), digest.as_str()?.to_owned())));
    digests.collect::<Option<BTreeMap<_, _>>>().filter(|digests| !digests.is_empty())
}

fn refuse(reason: impl Into<String>) -> Error {
    Error::Signed { what: "statement", reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> Statement {
        Statement {
            subjects: vec![Subject::new("a\u{1b}\"b", "00ff"), Subject::new("c", "11")],
            predicate_type: "https://example.com/x".to_owned(),
            predicate: json!({ "value": 0.1, "text": "\u{e4}" }),
        }
    }

    #[test]
    fn a_statement_comes_back() {
        assert_eq!(Statement::parse(statement().to_json().as_bytes()).unwrap(), statement());
        insta::assert_snapshot!(statement().to_json(), @r#"{"_type":"https://in-toto.io/Statement/v1","predicate":{"text":"ä","value":0.1},"predicateType":"https://example.com/x","subject":[{"digest":{"sha256":"00ff"},"name":"a\u001b\"b"},{"digest":{"sha256":"11"},"name":"c"}]}"#);
    }

    #[test]
    fn what_is_no_statement_is_refused() {
        let good: Value = serde_json::from_str(&statement().to_json()).unwrap();
        let changes = [
            ("/_type", json!("https://in-toto.io/Statement/v0.1")),
            ("/_type", Value::Null),
            ("/subject", json!([])),
            ("/subject", json!(7)),
            ("/subject/0", json!("a")),
            ("/subject/0/digest", json!({})),
            ("/subject/0/digest", json!({ "sha256": 7 })),
            ("/predicateType", json!(7)),
        ];
        for (place, value) in changes {
            let mut bad = good.clone();
            *bad.pointer_mut(place).unwrap() = value;
            assert!(Statement::parse(bad.to_string().as_bytes()).is_err(), "{bad}");
        }
        for bytes in [b"".as_slice(), b"[]", b"\xff", b"{}"] {
            assert!(Statement::parse(bytes).is_err());
        }
        let mut more = good;
        more["more"] = 7.into();
        assert_eq!(Statement::parse(more.to_string().as_bytes()).unwrap(), statement());
    }
}
