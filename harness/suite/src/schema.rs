//! The JSON schema of suites, for editors.

use crate::document::Document;
use schemars::generate::SchemaSettings;

/// The JSON schema (draft 2020-12) of a suite, as it stands in `suites/schema.json`.
pub fn schema_json() -> String {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Document>();
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// The keys of a mapping, each with a description.
    fn described(properties: &Value) -> Vec<String> {
        let properties = properties.as_object().expect("properties are a mapping");
        let told = |property: &Value| property.get("description").is_some() || property.get("$ref").is_some();
        assert!(properties.values().all(told), "{properties:?}");
        properties.keys().cloned().collect()
    }

    #[test]
    fn the_schema_knows_every_key_and_says_what_it_means() {
        let schema: Value = serde_json::from_str(&schema_json()).expect("a schema is JSON");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["additionalProperties"], false);
        let keys = [
            "attacks",
            "corruptions",
            "cost",
            "curve",
            "dataset",
            "gates",
            "models",
            "name",
            "probes",
            "published",
            "purpose",
            "seed",
            "threat",
            "version",
        ];
        assert_eq!(described(&schema["properties"]), keys);
        let published = described(&schema["$defs"]["PublishedModel"]["properties"]);
        assert!(published.contains(&"params_without_bn".to_owned()), "{published:?}");
        let pgd = ["keep", "loss", "name", "restarts", "start", "step_size", "steps", "targets"];
        assert_eq!(described(&schema["$defs"]["Pgd"]["properties"]), pgd);
        assert_eq!(schema["$defs"]["Pgd"]["required"].as_array().map(Vec::len), Some(6));
    }

    /// What a long form asks for is what its attack or probe is made of.
    #[test]
    fn every_long_form_can_have_a_name() {
        let schema: Value = serde_json::from_str(&schema_json()).expect("a schema is JSON");
        let check = |kind: &str, name: &str| {
            let forms = schema["$defs"][kind]["anyOf"].as_array().expect("there are forms");
            let form = forms.iter().find_map(|form| form["properties"][name]["$ref"].as_str());
            let def = form.and_then(|form| form.rsplit('/').next()).unwrap_or_else(|| panic!("no form for {name}"));
            let def = &schema["$defs"][def];
            assert!(described(&def["properties"]).contains(&"name".to_owned()), "`{name}` can't be named");
            assert_eq!(def["additionalProperties"], false, "`{name}` takes keys that it does not know");
        };
        attack::ATTACKS.iter().for_each(|attack| check("Attack", attack.name));
        probe::PROBES.iter().for_each(|probe| check("Probe", probe.name));
        check("Cost", "latency");
    }
}
