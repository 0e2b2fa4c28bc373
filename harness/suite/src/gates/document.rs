//! The keys of gates, as they are written.

use evidence::{Flag, Metric, On};
use registry::yaml::Located;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;

/// A file of gates: what `tinyassay gate REPORT --gates FILE` holds a report against.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Gates", extend("$id" = "gates.schema.json"))]
pub struct GatesDocument {
    /// The version of this format. It is 1.
    #[schemars(extend("const" = 1))]
    pub version: Located<u64>,
    /// What must hold.
    #[schemars(length(min = 1))]
    pub gates: Located<Vec<Located<GateForm>>>,
}

/// What must hold of a metric of some models: one of `at_least`, `at_most`, `max_drop` and `flags`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Gate")]
pub struct GateForm {
    /// What is asked about.
    #[schemars(schema_with = "metrics")]
    pub metric: Located<String>,
    /// The models that it must hold for: names, or globs over them. Without it: all that the metric can be asked of.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub models: Option<Located<Vec<Located<String>>>>,
    /// The name of an attack.
    #[serde(default)]
    pub attack: Option<Located<String>>,
    /// The name of a probe.
    #[serde(default)]
    pub probe: Option<Located<String>>,
    /// The name of a corruption.
    #[serde(default)]
    pub corruption: Option<Located<String>>,
    /// The name of a measurement of latency with a reference. Without it: the only one.
    #[serde(default)]
    pub latency: Option<Located<String>>,
    /// Of `worst_class_accuracy`: under every listed attack instead of clean.
    #[serde(default)]
    pub robust: Option<Located<bool>>,
    /// The least allowed value.
    #[serde(default)]
    pub at_least: Option<Located<f64>>,
    /// The largest allowed value.
    #[serde(default)]
    pub at_most: Option<Located<f64>>,
    /// How far below that of the baseline the share of rows may be, from 0 to 1.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub max_drop: Option<Located<f64>>,
    /// What `max_drop` is compared with.
    #[serde(default)]
    pub baseline: Option<Located<BaselineForm>>,
    /// What is held against the threshold. Without it: `ci_low` for `at_least`, `ci_high` for `at_most`, `point` where there is no
    /// interval.
    #[serde(default)]
    #[schemars(schema_with = "ons")]
    pub on: Option<Located<On>>,
    /// The confidence of the interval, between 0 and 1. Without it: 0.95.
    #[serde(default)]
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub confidence: Option<Located<f64>>,
    /// Of `flags`: those that must be absent, or `none` for all.
    #[serde(default)]
    pub flags: Option<Located<FlagsForm>>,
}

/// What a model is compared with, on the same rows under the same attacks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Baseline")]
pub struct BaselineForm {
    /// Another report's folder, relative to this file. Without it: the same report, or, without a model too, what `--baseline` names.
    #[serde(default)]
    pub report: Option<Located<String>>,
    /// The model in it. Without it: the one of the same name.
    #[serde(default)]
    pub model: Option<Located<String>>,
}

/// Flags that must be absent.
#[derive(Clone, Debug)]
pub enum FlagsForm {
    /// None may be there.
    None,
    /// These may not be there.
    These(Vec<Located<String>>),
}

impl<'de> Deserialize<'de> for FlagsForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlagsVisitor)
    }
}

struct FlagsVisitor;

impl<'de> Visitor<'de> for FlagsVisitor {
    type Value = FlagsForm;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("`none`, or a list of the flags that must be absent")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<FlagsForm, E> {
        match word {
            "none" => Ok(FlagsForm::None),
            other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<FlagsForm, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = list.next_element()? {
            names.push(name);
        }
        Ok(FlagsForm::These(names))
    }
}

impl JsonSchema for FlagsForm {
    fn schema_name() -> Cow<'static, str> {
        "Flags".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = Flag::DOCS.iter().map(|doc| doc.name).collect();
        json_schema!({
            "description": "`none`, or the flags that must be absent.",
            "anyOf": [{ "const": "none" }, { "type": "array", "minItems": 1, "items": { "enum": names } }]
        })
    }
}

/// Every metric with what it reads.
fn metrics(_: &mut SchemaGenerator) -> Schema {
    let each = Metric::DOCS
        .iter()
        .map(|doc| json_schema!({ "const": doc.id, "description": format!("{} ({})", doc.reads, doc.unit) }));
    json_schema!({ "oneOf": each.collect::<Vec<_>>() })
}

fn ons(_: &mut SchemaGenerator) -> Schema {
    let names = [On::Point, On::CiLow, On::CiHigh].map(On::name);
    json_schema!({ "enum": names })
}
