//! The JSON schema of recipes, for editors.

use super::Document;
use schemars::generate::SchemaSettings;

/// The JSON schema (draft 2020-12) of a recipe, as it stands in `models/recipe.schema.json`.
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
        assert_eq!(schema["additionalProperties"], false);
        let objects = schema["$defs"].as_object().expect("there are definitions").values().chain([&schema]);
        for object in objects {
            for (name, property) in object["properties"].as_object().into_iter().flatten() {
                let told = property.get("description").is_some() || property.get("$ref").is_some();
                assert!(told || property.get("enum").is_some(), "`{name}` has no description: {property}");
            }
        }
        for objective in ["standard", "fgsm-rs", "pgd", "trades", "mart"] {
            assert!(schema["$defs"]["Objective"].to_string().contains(&format!("\"{objective}\"")), "{objective}");
        }
    }
}
