//! From `corruptions` to corruptions with every number.

use crate::plan::Plan;
use probe::{CORRUPTIONS, MOST_SEVERE, corruption};
use registry::yaml::{Located, Problem, list, nearest};
use registry::{DataUnits, Dataset, Layout};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The word for all corruptions.
const ALL: &str = "all";

/// The section: `all`, a list of names, or `{ names: ..., severities: [...] }`.
#[derive(Clone, Debug)]
pub struct CorruptionsSection {
    names: Names,
    severities: Option<Located<Vec<Located<u32>>>>,
}

/// Which corruptions.
#[derive(Clone, Debug)]
enum Names {
    All,
    These(Vec<Located<String>>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LongForm {
    names: Names,
    #[serde(default)]
    severities: Option<Located<Vec<Located<u32>>>>,
}

/// One corruption of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedCorruption {
    /// Its id.
    pub name: String,
    /// The revision of its pictures.
    pub revision: u32,
    /// Whether it draws random numbers, so that the seed decides too.
    pub random: bool,
    /// Each severity, in rising order.
    pub severities: Vec<PlannedSeverity>,
}

/// One severity of a corruption.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedSeverity {
    /// From 1 to 5.
    pub severity: u32,
    /// Every number of the corruption there.
    pub parameters: BTreeMap<String, f64>,
}

/// What the data must be like, for a message.
const PICTURES: &str =
    "corruptions are defined on pictures of 1 or 3 channels in `units: unit`, of layout NCHW or NHWC";

/// Looks every name up and gives it its numbers.
///
/// Errors: there is no such corruption or severity, one comes twice, or the data are no pictures.
pub(crate) fn corruptions(
    section: &Located<CorruptionsSection>,
    data: &Dataset,
) -> Result<Vec<PlannedCorruption>, Problem> {
    check_data(data).map_err(|found| {
        Problem::new(format!("`{}` cannot be corrupted: {found}", data.name)).hint(PICTURES).at(section.place)
    })?;
    let names = names(&section.value.names)?;
    let severities = severities(section.value.severities.as_ref())?;
    let planned = names.into_iter().map(|name| {
        let entry = corruption(name).ok_or_else(|| Problem::new(format!("there is no corruption `{name}`")))?;
        let cells = severities.iter().map(|&severity| {
            let numbers = entry.numbers(severity).map_err(|error| Problem::new(format!("failed to {error}")))?;
            let parameters = numbers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            Ok(PlannedSeverity { severity, parameters })
        });
        let severities = cells.collect::<Result<_, Problem>>()?;
        Ok(PlannedCorruption { name: name.to_owned(), revision: entry.revision, random: entry.random, severities })
    });
    planned.collect::<Result<_, Problem>>().map_err(|problem| problem.at(section.place))
}

fn check_data(data: &Dataset) -> Result<(), String> {
    if data.domain.units == DataUnits::Raw {
        return Err("its values are in units of their own, which are no pixels".to_owned());
    }
    let channels = match (data.layout, &data.shape[..]) {
        (Layout::Nchw, &[channels, _, _]) | (Layout::Nhwc, &[_, _, channels]) => channels,
        _ => return Err(format!("its rows are {:?}, which are no pictures", data.shape)),
    };
    match channels {
        1 | 3 => Ok(()),
        _ => Err(format!("its rows have {channels} channels")),
    }
}

fn names(names: &Names) -> Result<Vec<&str>, Problem> {
    let known: Vec<&str> = CORRUPTIONS.iter().map(|corruption| corruption.name).collect();
    let asked = match names {
        Names::All => return Ok(known),
        Names::These(names) => names,
    };
    for (index, name) in asked.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            let all = format!("there are {}", list(&known));
            let hint = match nearest(name, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`? {all}"),
                None => all,
            };
            return Err(Problem::new(format!("there is no corruption `{}`", name.value)).hint(hint).at(name.place));
        }
        if asked[..index].iter().any(|other| other.value == name.value) {
            return Err(Problem::new(format!("corruption `{}` is listed twice", name.value)).at(name.place));
        }
    }
    Ok(asked.iter().map(|name| name.as_str()).collect())
}

/// In rising order.
fn severities(asked: Option<&Located<Vec<Located<u32>>>>) -> Result<Vec<u32>, Problem> {
    let Some(asked) = asked else { return Ok((1..=MOST_SEVERE).collect()) };
    if asked.is_empty() {
        return Err(Problem::new("`severities` is empty; leave it out for all").at(asked.place));
    }
    let mut severities = Vec::new();
    for severity in &asked.value {
        let refuse = |message: String| Err(Problem::new(message).at(severity.place));
        match severity.value {
            value if !(1..=MOST_SEVERE).contains(&value) => {
                return refuse(format!("severity {value} is not in 1 to {MOST_SEVERE}"));
            }
            value if severities.contains(&value) => return refuse(format!("severity {value} is listed twice")),
            value => severities.push(value),
        }
    }
    severities.sort_unstable();
    Ok(severities)
}

impl CorruptionsSection {
    /// Whether it asks for none.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(&self.names, Names::These(names) if names.is_empty())
    }
}

impl Plan {
    /// Every corruption with one of its severities, in the order of the plan.
    pub fn corrupted(&self) -> impl Iterator<Item = (&PlannedCorruption, &PlannedSeverity)> {
        self.corruptions.iter().flat_map(|one| one.severities.iter().map(move |severity| (one, severity)))
    }
}

impl<'de> Deserialize<'de> for CorruptionsSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SectionVisitor)
    }
}

struct SectionVisitor;

impl<'de> Visitor<'de> for SectionVisitor {
    type Value = CorruptionsSection;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("`all`, a list of corruptions, or `{ names: ..., severities: [...] }`")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<CorruptionsSection, E> {
        Ok(CorruptionsSection { names: NamesVisitor.visit_str(word)?, severities: None })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<CorruptionsSection, A::Error> {
        Ok(CorruptionsSection { names: NamesVisitor.visit_seq(seq)?, severities: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CorruptionsSection, A::Error> {
        let LongForm { names, severities } = LongForm::deserialize(MapAccessDeserializer::new(map))?;
        Ok(CorruptionsSection { names, severities })
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("`all` or a list of corruptions")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Names, E> {
        match word {
            ALL => Ok(Names::All),
            word => Err(E::custom(format!("`{word}` is not `all`, and a list is written `[{word}]`"))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Names, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = seq.next_element()? {
            names.push(name);
        }
        Ok(Names::These(names))
    }
}

impl JsonSchema for CorruptionsSection {
    fn schema_name() -> Cow<'static, str> {
        "Corruptions".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let known: Vec<&str> = CORRUPTIONS.iter().map(|corruption| corruption.name).collect();
        let names = json_schema!({ "anyOf": [
            { "const": ALL },
            { "type": "array", "items": { "enum": known }, "minItems": 1, "uniqueItems": true }
        ] });
        let severity = json_schema!({ "type": "integer", "minimum": 1, "maximum": MOST_SEVERE });
        json_schema!({
            "description": "`all`, a list of corruptions, or both names and severities.",
            "anyOf": [names, {
                "type": "object",
                "properties": {
                    "names": { "description": "`all` or a list of corruptions.", "anyOf": names.get("anyOf") },
                    "severities": {
                        "description": "Severities from 1, the mildest, to 5. Without it: all five.",
                        "type": "array", "items": severity, "minItems": 1, "uniqueItems": true
                    }
                },
                "required": ["names"],
                "additionalProperties": false
            }]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planning::{World, changed};
    use crate::{Plan, Suite};
    use serde_json::{Value, json};

    fn with(section: &str) -> String {
        changed("seed:", &format!("corruptions: {section}\nseed:"))
    }

    fn json_of(value: &impl Serialize) -> Value {
        serde_json::to_value(value).expect("it is JSON")
    }

    #[test]
    fn every_number_of_every_corruption_is_in_the_plan() {
        let world = World::new();
        let all = world.plan(&with("all"));
        assert_eq!(all.corruptions.len(), CORRUPTIONS.len());
        for (planned, known) in all.corruptions.iter().zip(CORRUPTIONS) {
            assert_eq!((planned.name.as_str(), planned.revision), (known.name, known.revision));
            let severities: Vec<u32> = planned.severities.iter().map(|at| at.severity).collect();
            assert_eq!(severities, [1, 2, 3, 4, 5]);
            for (at, parameter) in
                known.parameters.iter().flat_map(|one| planned.severities.iter().map(move |at| (at, one)))
            {
                assert_eq!(at.parameters[parameter.name], parameter.values[at.severity as usize - 1]);
            }
        }
        assert_eq!(json_of(&world.plan(&with("{ names: all }")))["corruptions"], json_of(&all)["corruptions"]);
        let some = world.plan(&with("{ names: [jpeg, contrast], severities: [5, 1] }"));
        assert_eq!(
            json_of(&some)["corruptions"],
            json!([
                { "name": "jpeg", "revision": 1, "random": false, "severities": [
                    { "severity": 1, "parameters": { "quality": 80.0 } }, { "severity": 5, "parameters": { "quality": 40.0 } },
                ] },
                { "name": "contrast", "revision": 1, "random": false, "severities": [
                    { "severity": 1, "parameters": { "kept": 0.75 } }, { "severity": 5, "parameters": { "kept": 0.15 } },
                ] },
            ])
        );
        assert_eq!(
            some.corrupted().map(|(one, at)| (one.name.as_str(), at.severity)).collect::<Vec<_>>(),
            [("jpeg", 1), ("jpeg", 5), ("contrast", 1), ("contrast", 5)]
        );
        assert_eq!(json_of(&world.plan(&with("[jpeg, fog]")))["corruptions"][1]["name"], "fog");
    }

    #[test]
    fn keys_hold_what_decides_the_pictures_and_the_seed_only_where_it_does() {
        let world = World::new();
        let of = |plan: &Plan, corruption: usize, slice: usize| {
            let one = &plan.corruptions[corruption];
            json_of(&plan.corruption_key_material(&plan.models[0], one, &one.severities[1], &plan.slices[slice]))
        };
        let text = with("[gaussian-noise, jpeg]");
        let (plan, reseeded) = (world.plan(&text), world.plan(&text.replace("seed: 18446744073709551615", "seed: 3")));
        let mut key = of(&plan, 0, 2);
        assert_eq!(key["prediction"].take(), json_of(&plan.prediction_key_material(&plan.models[0], &plan.slices[2])));
        assert_eq!(
            key,
            json!({ "prediction": null, "corruption": "gaussian-noise", "corruption_revision": 1, "severity": 2,
                    "parameters": { "deviation": 0.06 }, "seed": "18446744073709551615" })
        );
        assert_ne!(of(&plan, 0, 0), of(&reseeded, 0, 0));
        assert_eq!(of(&plan, 1, 0), of(&reseeded, 1, 0), "no random number decides what JPEG loses");
    }

    /// So that reports and blocks from before there were corruptions stay what they are.
    #[test]
    fn a_plan_without_corruptions_does_not_mention_them_and_one_with_them_keeps_the_other_keys() {
        let world = World::new();
        let (with, without) = (world.plan(&with("all")), world.plan(&changed("samples: 600", "samples: 600 ")));
        assert!(json_of(&without).get("corruptions").is_none());
        let key = |plan: &Plan| json_of(&plan.check_key_material(&plan.models[0], &plan.attacks[1], &plan.slices[0]));
        assert_eq!(key(&with), key(&without));
        let judged = |plan: &Plan| plan.summary().models[0].total.judge_forwards;
        assert_eq!(judged(&with) - judged(&without), 600 * 5 * CORRUPTIONS.len() as u64);
        let told = with.summary().corruptions;
        assert_eq!(told[6].1, "severity 1 (added 0.05), 2 (added 0.1), 3 (added 0.15), 4 (added 0.2), 5 (added 0.3)");
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let world = World::new();
        for (section, expected) in [
            (
                "[gausian-noise]",
                &["my.yaml:11:15: there is no corruption `gausian-noise`", "did you mean `gaussian-noise`?"][..],
            ),
            ("[frost]", &["there is no corruption `frost`", "there are `gaussian-noise`"]),
            ("[fog, jpeg, fog]", &["my.yaml:11:26: corruption `fog` is listed twice"]),
            ("{ names: all, severities: [0] }", &["my.yaml:11:41: severity 0 is not in 1 to 5"]),
            ("{ names: all, severities: [1, 6] }", &["severity 6 is not in 1 to 5"]),
            ("{ names: all, severities: [2, 2] }", &["severity 2 is listed twice"]),
            ("{ names: all, severities: [] }", &["`severities` is empty"]),
        ] {
            let complaint = world.try_plan(&with(section)).expect_err(section);
            expected.iter().for_each(|part| assert!(complaint.contains(part), "{complaint}"));
        }
        for (section, expected) in [
            ("[]", "`corruptions` is empty"),
            ("{ names: [] }", "`corruptions` is empty"),
            ("every", "`every` is not `all`"),
            ("{ names: every }", "`every` is not `all`"),
            ("{ severities: [1] }", "key `names` is missing"),
            ("{ names: all, severity: [1] }", "unknown key `severity`"),
            ("{ names: all, severities: [one] }", "a whole number"),
            ("7", "`all`, a list of corruptions"),
        ] {
            let complaint = Suite::parse("suites/my.yaml", with(section).as_bytes()).expect_err(section).to_string();
            assert!(complaint.contains(expected) && complaint.starts_with("read suites/my.yaml:11:"), "{complaint}");
        }
    }

    #[test]
    fn only_pictures_can_be_corrupted() {
        let world = World::new();
        world.raw_data("scale: 0.5\nzero_point: 0");
        world.model(
            "raw",
            "{ name: x, layout: NCHW, shape: [1, 2, 2], units: raw, dtype: float32 }",
            "{ name: y, kind: logits, classes: 2 }",
            "own",
        );
        let suite = with("all")
            .replace("[ten, two]", "[raw]")
            .replace("name: signs32, split: test, samples: 600", "name: own, split: test, samples: 2");
        let complaint = world.try_plan(&suite).expect_err("raw data are no pictures");
        assert!(complaint.contains("`own` cannot be corrupted: its values are in units of their own"), "{complaint}");
        assert!(
            complaint.contains("my.yaml:11:14") && complaint.contains("hint: corruptions are defined on"),
            "{complaint}"
        );
        let mut data = world.plan(&with("all")).data;
        for (layout, shape, found) in [
            (Layout::Nchw, vec![3, 32, 32], None),
            (Layout::Nhwc, vec![32, 32, 1], None),
            (Layout::Nhwc, vec![3, 32, 32], Some("32 channels")),
            (Layout::Nchw, vec![2, 8, 8], Some("2 channels")),
            (Layout::Flat, vec![3072], Some("no pictures")),
        ] {
            (data.layout, data.shape) = (layout, shape);
            let complaint = check_data(&data).err();
            assert_eq!(complaint.is_some(), found.is_some(), "{complaint:?}");
            assert!(found.is_none_or(|part| complaint.is_some_and(|complaint| complaint.contains(part))));
        }
    }
}
