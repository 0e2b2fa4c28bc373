use std::collections::BTreeMap;

use serde_json::Value;

/// Longer lists of numbers are in `results.json`.
const LONGEST_LIST: usize = 24;

/// The plan as lines of path and value: every number that decided the run, by name.
pub(crate) fn lines(plan: &BTreeMap<String, Value>) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for (name, value) in plan {
        flatten(name, value, &mut lines);
    }
    lines
}

fn flatten(path: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, value)| flatten(&format!("{path}.{name}"), value, lines));
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().enumerate().for_each(|(i, item)| flatten(&format!("{path}.{i}"), item, lines));
        }
        Value::Array(items) if items.len() > LONGEST_LIST => {
            let [first, last] = [items.first(), items.last()].map(|item| scalar(item.unwrap_or(&Value::Null)));
            lines.push((path.into(), format!("{} values, {first} to {last}: see results.json", items.len())));
        }
        Value::Array(items) => lines.push((path.into(), items.iter().map(scalar).collect::<Vec<_>>().join(", "))),
        value => lines.push((path.into(), scalar(value))),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".into(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_number_has_a_path() {
        let plan = json!({
            "attacks": [{ "name": "pgd-20", "steps": 20, "target": null }, { "name": "fgsm" }],
            "mean": [0.5, 0.25],
            "rows": (0..30).collect::<Vec<_>>(),
            "seed": "0",
            "threat": { "epsilon": "8/255", "options": {} },
        });
        let lines = lines(&serde_json::from_value(plan).unwrap());
        let expected = [
            ("attacks.0.name", "pgd-20"),
            ("attacks.0.steps", "20"),
            ("attacks.0.target", "none"),
            ("attacks.1.name", "fgsm"),
            ("mean", "0.5, 0.25"),
            ("rows", "30 values, 0 to 29: see results.json"),
            ("seed", "0"),
            ("threat.epsilon", "8/255"),
            ("threat.options", "{}"),
        ];
        assert_eq!(lines, expected.map(|(path, value)| (path.to_owned(), value.to_owned())));
    }
}
