//! Models that guide attacks on others: a name alone does not say which network that was.

use std::collections::BTreeMap;

use serde_json::Value;

/// The digest of the model of this name in a plan, whether it is evaluated or only guides; `None` where there is none.
pub(crate) fn digest<'a>(plan: &'a BTreeMap<String, Value>, name: &str) -> Option<&'a Value> {
    let sections = ["models", "sources"].into_iter().filter_map(|section| plan.get(section)?.as_array());
    sections.flatten().find(|model| model["name"] == name).map(|model| &model["digest"])
}

/// The attacks of a plan, each with the digest of the model that guides it where that is another.
pub(crate) fn attacks(plan: &BTreeMap<String, Value>) -> Vec<Value> {
    let mut attacks = plan.get("attacks").and_then(Value::as_array).cloned().unwrap_or_default();
    for attack in &mut attacks {
        let Some(digest) = attack["source"].as_str().and_then(|name| digest(plan, name)).cloned() else { continue };
        if let Some(attack) = attack.as_object_mut() {
            attack.insert("source_digest".to_owned(), digest);
        }
    }
    attacks
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn attacks_say_which_network_guides_them() {
        let plan = json!({
            "models": [{ "name": "a", "digest": "1" }],
            "sources": [{ "name": "b", "digest": "2" }],
            "attacks": [{ "name": "fgsm" }, { "name": "x", "source": "a" }, { "name": "y", "source": "b" }, { "name": "z", "source": "c" }],
        });
        let plan: BTreeMap<String, Value> = serde_json::from_value(plan).unwrap();
        let digests: Vec<Value> = attacks(&plan).iter().map(|attack| attack["source_digest"].clone()).collect();
        assert_eq!(digests, [Value::Null, json!("1"), json!("2"), Value::Null]);
    }
}
