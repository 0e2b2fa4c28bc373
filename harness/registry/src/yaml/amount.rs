//! Exact numbers.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// A number kept as it was written, so that `8/255` is that fraction and no rounding of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount(pub String);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Amount)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "An exact number: a fraction (`8/255`) or a decimal (`0.031`, `1e-3`).",
            "anyOf": [
                { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?(/[0-9]+)?$" },
                { "type": "number", "minimum": 0 }
            ]
        })
    }
}
