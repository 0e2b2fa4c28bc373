//! One entry of `attacks`: the short name of a preset, or an attack with all its numbers.

use crate::attacks::vocabulary;
use registry::yaml::Amount;
use registry::yaml::Located;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// One entry of `attacks`.
#[derive(Clone, Debug)]
pub enum Entry {
    /// The short name of an exact, published setting: `pgd-20`.
    Preset(String),
    /// `fgsm: { ... }`.
    Fgsm(FgsmForm),
    /// `pgd: { ... }`.
    Pgd(PgdForm),
    /// The long form of an attack that there is not, with its name.
    Unknown(Located<String>),
}

/// The fast gradient sign method: one step of epsilon along the gradient.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Fgsm")]
pub struct FgsmForm {
    /// The entry's name in the report. Without it: `fgsm`.
    #[serde(default)]
    pub name: Option<Located<String>>,
    /// The loss that the step ascends.
    pub loss: LossName,
    /// The classes to steer towards. Without it: `none`.
    #[serde(default)]
    pub targets: Targets,
}

/// Projected gradient descent: many small steps, each projected back into the ball.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Pgd")]
pub struct PgdForm {
    /// The entry's name in the report. Without it: `pgd`.
    #[serde(default)]
    pub name: Option<Located<String>>,
    /// How many steps.
    #[schemars(range(min = 1))]
    pub steps: Located<u32>,
    /// The length of a step, in the units of epsilon.
    pub step_size: Located<Amount>,
    /// Where the first step starts.
    pub start: StartName,
    /// How many times the search starts over; 1 is a single run.
    #[schemars(range(min = 1))]
    pub restarts: Located<u32>,
    /// The loss that the steps ascend.
    pub loss: LossName,
    /// Which iterate of a run counts.
    pub keep: KeepName,
    /// The classes to steer towards. Without it: `none`.
    #[serde(default)]
    pub targets: Targets,
}

/// A loss. Attacks maximise it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LossName {
    /// The cross-entropy of the right class (of the target, negated, where there are targets).
    CrossEntropy,
    /// The largest wrong logit minus the right one (the target's minus the right one, where there are targets).
    Margin,
}

/// Where a run starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StartName {
    /// At the sample itself.
    None,
    /// At a point drawn uniformly from the part of the ball that is within the bounds of the input.
    Random,
    /// At a point drawn uniformly from the whole ball, then clipped to the bounds of the input.
    RandomClipped,
}

/// Which iterate of a run counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeepName {
    /// Every one that looks misclassified, and the one with the highest loss.
    Best,
    /// The last one only.
    Last,
}

/// Which classes an attack steers towards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Targets {
    /// Away from the right class, wherever that leads.
    #[default]
    None,
    /// Towards the class that the model finds least likely.
    LeastLikely,
    /// Towards every wrong class in turn.
    Each,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the name of a preset (`pgd-20`) or an attack with its numbers (`pgd: { ... }`)")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Entry, E> {
        Ok(Entry::Preset(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let Some(name) = map.next_key::<Located<String>>()? else {
            return Err(A::Error::custom("an entry needs the name of an attack"));
        };
        let entry = match name.as_str() {
            "fgsm" => Entry::Fgsm(map.next_value()?),
            "pgd" => Entry::Pgd(map.next_value()?),
            _ => map.next_value::<IgnoredAny>().map(|_| Entry::Unknown(name))?,
        };
        match map.next_key::<String>()? {
            None => Ok(entry),
            Some(second) => Err(A::Error::custom(format!("an entry holds one attack, and `{second}` is a second one"))),
        }
    }
}

impl JsonSchema for Entry {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Attack".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (fgsm, pgd) = (generator.subschema_for::<FgsmForm>(), generator.subschema_for::<PgdForm>());
        let long = |name: &str, form: Schema| {
            json_schema!({
                "type": "object", "properties": { name: form }, "required": [name], "additionalProperties": false
            })
        };
        json_schema!({
            "description": "The short name of a preset, or one attack with all its numbers.",
            "anyOf": [{ "enum": vocabulary().presets }, long("fgsm", fgsm), long("pgd", pgd)]
        })
    }
}
