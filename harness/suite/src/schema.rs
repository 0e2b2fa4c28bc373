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

    #[test]
    fn the_schema_knows_every_key_and_says_what_it_means() {
        let schema: Value = serde_json::from_str(&schema_json()).expect("a schema is JSON");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["additionalProperties"], false);
        let described = |properties: &Value| -> Vec<String> {
            let properties = properties.as_object().expect("properties are a mapping");
            assert!(
                properties.values().all(|p| p.get("description").is_some() || p.get("$ref").is_some()),
                "{properties:?}"
            );
            properties.keys().cloned().collect()
        };
        let keys = ["attacks", "dataset", "models", "name", "probes", "published", "seed", "threat", "version"];
        assert_eq!(described(&schema["properties"]), keys);
        let published = described(&schema["$defs"]["PublishedModel"]["properties"]);
        assert!(published.contains(&"params_without_bn".to_owned()), "{published:?}");
        let pgd = ["keep", "loss", "name", "restarts", "start", "step_size", "steps", "targets"];
        assert_eq!(described(&schema["$defs"]["Pgd"]["properties"]), pgd);
        assert_eq!(schema["$defs"]["Pgd"]["required"].as_array().map(Vec::len), Some(6));
    }

    /// A key that the table of attacks or probes knows and the long form does not would be a setting that nobody can choose.
    #[test]
    fn every_attack_and_probe_has_a_long_form_with_all_its_parameters() {
        let schema: Value = serde_json::from_str(&schema_json()).expect("a schema is JSON");
        let check = |kind: &str, name: &str, parameters: &[&str]| {
            let forms = schema["$defs"][kind]["anyOf"].as_array().expect("there are forms");
            let form = forms.iter().find_map(|form| form["properties"][name]["$ref"].as_str());
            let def = form.and_then(|form| form.rsplit('/').next()).unwrap_or_else(|| panic!("no form for {name}"));
            for parameter in parameters {
                let property = &schema["$defs"][def]["properties"][parameter];
                assert!(property.is_object(), "`{name}` has no key `{parameter}`");
            }
        };
        for attack in attack::ATTACKS {
            check("Attack", attack.name, &attack.parameters.iter().map(|one| one.name).collect::<Vec<_>>());
        }
        for probe in probe::PROBES {
            check("Probe", probe.name, &probe.parameters.iter().map(|one| one.name).collect::<Vec<_>>());
        }
    }
}
