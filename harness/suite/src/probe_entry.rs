//! One entry of `probes`: the short name of a preset, or a probe with all its numbers.

use crate::probes::vocabulary;
use registry::yaml::Amount;
use registry::yaml::Located;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// One entry of `probes`.
#[derive(Clone, Debug)]
pub enum ProbeEntry {
    /// The short name of an exact setting: `lipschitz-l1-linf`.
    Preset(String),
    /// `kl-instability: { ... }`.
    KlInstability(KlInstabilityForm),
    /// `lipschitz-l1-linf: { ... }`.
    LipschitzL1Linf(LipschitzL1LinfForm),
    /// The long form of a probe that there is not, with its name.
    Unknown(Located<String>),
}

/// The divergence KL(f(x) || f(x')) of the class distributions at a sample and at a point of the ball, in nats.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "KlInstability")]
pub struct KlInstabilityForm {
    /// The entry's name in the report. Without it: `kl-instability`.
    #[serde(default)]
    pub name: Option<Located<String>>,
    /// What the ascent maximises.
    pub inner: KlInnerName,
    /// How many steps.
    #[schemars(range(min = 1))]
    pub steps: Located<u32>,
    /// The length of a step, in the units of epsilon.
    pub step_size: Located<Amount>,
    /// Where the ascent starts.
    pub start: ProbeStart,
    /// Which iterate counts.
    pub keep: ProbeKeep,
}

/// The largest l1 change of the logits over the l-inf change of the input, over all iterates of an ascent.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LipschitzL1Linf")]
pub struct LipschitzL1LinfForm {
    /// The entry's name in the report. Without it: `lipschitz-l1-linf`.
    #[serde(default)]
    pub name: Option<Located<String>>,
    /// What the ascent maximises. Every iterate counts.
    pub inner: RatioInnerName,
    /// How many steps.
    #[schemars(range(min = 1))]
    pub steps: Located<u32>,
    /// The length of a step, in the units of epsilon.
    pub step_size: Located<Amount>,
    /// Where the ascent starts.
    pub start: ProbeStart,
}

/// What the ascent of `kl-instability` maximises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KlInnerName {
    /// The cross-entropy of the right class, as the attack `pgd` does.
    CrossEntropy,
    /// The divergence itself.
    Kl,
}

/// What the ascent of `lipschitz-l1-linf` maximises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RatioInnerName {
    /// The ratio itself.
    Ratio,
    /// Its numerator alone.
    LogitDifference,
    /// The cross-entropy of the right class, as the attack `pgd` does.
    CrossEntropy,
}

/// Which iterate of a probe's path counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeKeep {
    /// The one with the largest value.
    Best,
    /// The last one.
    Last,
}

/// Where a probe's path starts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeStart {
    /// At the sample itself.
    None,
    /// At a point drawn uniformly from the part of the ball that is within the bounds of the input.
    Random,
    /// At a point drawn uniformly from the whole ball, then clipped to the bounds of the input.
    RandomClipped,
    /// At the sample, moved by a nearly normal draw of this deviation in each component, then clipped to the ball.
    Gaussian(Located<Amount>),
}

impl<'de> Deserialize<'de> for ProbeEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = ProbeEntry;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the name of a preset (`kl-instability`) or a probe with its numbers (`kl-instability: { ... }`)")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<ProbeEntry, E> {
        Ok(ProbeEntry::Preset(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ProbeEntry, A::Error> {
        let Some(name) = map.next_key::<Located<String>>()? else {
            return Err(A::Error::custom("an entry needs the name of a probe"));
        };
        let entry = match name.as_str() {
            "kl-instability" => ProbeEntry::KlInstability(map.next_value()?),
            "lipschitz-l1-linf" => ProbeEntry::LipschitzL1Linf(map.next_value()?),
            _ => map.next_value::<IgnoredAny>().map(|_| ProbeEntry::Unknown(name))?,
        };
        match map.next_key::<String>()? {
            None => Ok(entry),
            Some(second) => Err(A::Error::custom(format!("an entry holds one probe, and `{second}` is a second one"))),
        }
    }
}

impl JsonSchema for ProbeEntry {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Probe".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = |name: &str, form: Schema| {
            json_schema!({
                "type": "object", "properties": { name: form }, "required": [name], "additionalProperties": false
            })
        };
        let kl = long("kl-instability", generator.subschema_for::<KlInstabilityForm>());
        let lipschitz = long("lipschitz-l1-linf", generator.subschema_for::<LipschitzL1LinfForm>());
        json_schema!({
            "description": "The short name of a preset, or one probe with all its numbers.",
            "anyOf": [{ "enum": vocabulary().presets }, kl, lipschitz]
        })
    }
}
