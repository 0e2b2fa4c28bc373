//! Where two JSON values differ.

use serde_json::Value;

/// One place where they do.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference {
    /// Such as `models[0].name`.
    pub(super) path: String,
    /// The indices of lists on the way.
    pub(super) indices: Vec<usize>,
    pub(super) left: Value,
    pub(super) right: Value,
}

/// A value takes at most so many characters of a message.
const LONGEST: usize = 60;

/// All places, in the order of the values; where a whole object or list is on one side only, that is one place.
pub(super) fn all(left: &Value, right: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    let root = Difference { path: String::new(), indices: Vec::new(), left: Value::Null, right: Value::Null };
    compare(left, right, &root, &mut found);
    found
}

fn compare(left: &Value, right: &Value, at: &Difference, found: &mut Vec<Difference>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
            for name in names {
                let dot = if at.path.is_empty() { "" } else { "." };
                let path = format!("{}{dot}{name}", at.path);
                let (a, b) = (a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null));
                compare(a, b, &Difference { path, ..at.clone() }, found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for index in 0..a.len().max(b.len()) {
                let mut indices = at.indices.clone();
                indices.push(index);
                let path = format!("{}[{index}]", at.path);
                let (a, b) = (a.get(index).unwrap_or(&Value::Null), b.get(index).unwrap_or(&Value::Null));
                compare(a, b, &Difference { path, indices, ..at.clone() }, found);
            }
        }
        _ if left == right => {}
        _ => found.push(Difference { left: left.clone(), right: right.clone(), ..at.clone() }),
    }
}

/// A value as it is shown in a message.
pub(super) fn shown(value: &Value) -> String {
    if value.is_null() {
        return "nothing".to_owned();
    }
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_place_is_found_with_its_path() {
        let left = json!({ "a": [1, { "b": 2, "c": null }], "d": "x", "e": 1 });
        assert_eq!(all(&left, &left), []);
        let right = json!({ "a": [1, { "b": 3 }, 4], "d": "y", "f": {} });
        let found = all(&left, &right);
        let paths: Vec<&str> = found.iter().map(|one| one.path.as_str()).collect();
        // What is null on one side and not there on the other is the same to a reader of these files.
        assert_eq!(paths, ["a[1].b", "a[2]", "d", "e", "f"]);
        assert_eq!((&found[0].indices, &found[0].left, &found[0].right), (&vec![1], &json!(2), &json!(3)));
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let text = shown(&json!("ä".repeat(200)));
        assert!(text.ends_with('…') && text.chars().count() == LONGEST + 1);
        assert_eq!(shown(&json!(0.1)), "0.1");
    }
}
