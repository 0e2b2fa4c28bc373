//! From the entries of `cost` to the costs that a report shows and the latencies that are measured.

use crate::attacks;
use crate::entry::{Entry, Kind};
use crate::latency::{LatencyForm, PRESETS, PlannedLatency};
use crate::long_form::LongForm;
use crate::models::PlannedModel;
use crate::probes;
use crate::suite::check_name;
use crate::vocabulary::Vocabulary;
use registry::yaml::{Located, Problem};
use schemars::SchemaGenerator;
use serde::{Deserialize, Deserializer, Serialize};

/// A cost that follows from the file alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StaticCost {
    /// Multiply-accumulates.
    Macs,
    /// Parameters.
    Params,
    /// Bytes of the weights as the file has them.
    WeightBytes,
    /// Bytes of the weights at int8.
    Int8Bytes,
    /// The most bytes of activations that are alive at once.
    PeakMemory,
    /// Bytes of flash memory.
    Flash,
}

impl StaticCost {
    /// Every static cost with its name in suites.
    pub const ALL: &[(StaticCost, &str)] = &[
        (StaticCost::Macs, "macs"),
        (StaticCost::Params, "params"),
        (StaticCost::WeightBytes, "weight-bytes"),
        (StaticCost::Int8Bytes, "int8-bytes"),
        (StaticCost::PeakMemory, "peak-memory"),
        (StaticCost::Flash, "flash"),
    ];

    /// Its name in suites.
    pub fn name(self) -> &'static str {
        // The table is in the order of the enum, which a test holds.
        Self::ALL[self as usize].1
    }
}

/// What a suite wants to know about cost. No outcome of a check depends on it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedCost {
    /// Static costs, in the order of the suite.
    #[serde(rename = "static", skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<StaticCost>,
    /// Latencies that are measured after all checks, in the order of the suite.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub latency: Vec<PlannedLatency>,
}

/// The entries of `cost`.
#[derive(Clone, Debug)]
pub struct Costs;

impl Kind for Costs {
    type Form = LatencyForm;
    const NAME: &'static str = "cost";
    const ONE: &'static str = "a cost";
    const PRESET: &'static str = "macs";
    const LONG: &'static str = "latency";

    fn presets() -> Vec<&'static str> {
        StaticCost::ALL.iter().map(|(_, name)| *name).chain(PRESETS.iter().map(|(name, ..)| *name)).collect()
    }

    fn long() -> Vec<&'static str> {
        vec![Costs::LONG]
    }

    fn read<'de, D: Deserializer<'de>>(_: &str, form: D) -> Result<LatencyForm, D::Error> {
        LatencyForm::deserialize(form)
    }

    fn forms(generator: &mut SchemaGenerator) -> Vec<LongForm> {
        vec![LongForm { name: Costs::LONG.to_owned(), form: generator.subschema_for::<LatencyForm>() }]
    }
}

/// Checks every value that can be judged alone.
pub(crate) fn check(entries: &Located<Vec<Located<Entry<Costs>>>>) -> Result<(), Problem> {
    if entries.is_empty() {
        return Err(Problem::new("`cost` is empty; leave it out to ask for none").at(entries.place));
    }
    let forms = entries.iter().filter_map(|entry| match &entry.value {
        Entry::Long(_, form) => Some(form),
        Entry::Preset(_) | Entry::Unknown(_) => None,
    });
    forms.into_iter().try_for_each(LatencyForm::check)
}

/// Sorts the entries into costs of the file and measurements, each with a name that no other entry has.
pub(crate) fn cost(entries: &[Located<Entry<Costs>>], models: &[PlannedModel]) -> Result<PlannedCost, Problem> {
    let mut planned = PlannedCost { columns: Vec::new(), latency: Vec::new() };
    for entry in entries {
        let (name, place) = entry.own_name(entry.place, Costs::LONG);
        let column = StaticCost::ALL.iter().find(|(_, of)| matches!(&entry.value, Entry::Preset(name) if name == of));
        match column {
            Some((column, _)) if planned.columns.contains(column) => {
                return Err(Problem::new(format!("`{name}` is listed twice")).at(place));
            }
            Some((column, _)) => planned.columns.push(*column),
            None => {
                check_name(&name, "name of a cost").map_err(|problem| problem.at(place))?;
                let latency = latency(entry, &name, models).map_err(|problem| problem.at(entry.place))?;
                if planned.latency.iter().any(|other| other.name == name) {
                    return Err(Problem::new(format!("two costs are named `{name}`"))
                        .hint("give one of them another name, with `name:` in its long form")
                        .at(place));
                }
                planned.latency.push(latency);
            }
        }
    }
    Ok(planned)
}

fn latency(entry: &Entry<Costs>, name: &str, models: &[PlannedModel]) -> Result<PlannedLatency, Problem> {
    match entry {
        Entry::Long(_, form) => form.planned(name, models),
        Entry::Preset(preset) => {
            PlannedLatency::preset(preset).ok_or_else(|| vocabulary().no_preset(preset, &meant(preset)))
        }
        Entry::Unknown(name) => Err(vocabulary().no_long_form(name, &meant(name)).at(name.place)),
    }
}

fn vocabulary() -> Vocabulary {
    Vocabulary::of::<Costs>("knows", &[])
}

/// The section that a name which is no cost may belong to.
fn meant(name: &str) -> Vocabulary {
    let attacks = attacks::vocabulary();
    let known = attacks.presets.iter().chain(&attacks.long).any(|known| *known == name);
    if known { attacks } else { probes::vocabulary() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planning::{World, changed};
    use crate::{Plan, Suite};
    use serde_json::json;

    const LONG: &str = "latency: { name: two, windows: 3, seconds: 0, iterations: 7, warm_ups: 1, threads: 2, batch: 1, reference: ten }";

    fn with(entries: &str) -> String {
        changed("seed:", &format!("cost: [{entries}]\nseed:"))
    }

    #[test]
    fn names_are_those_of_the_table() {
        for (at, (cost, name)) in StaticCost::ALL.iter().enumerate() {
            assert_eq!((*cost as usize, cost.name()), (at, *name));
            assert_eq!(serde_json::to_value(cost).expect("a cost is JSON"), *name);
        }
        let all = Costs::presets();
        assert!(all.iter().all(|name| all.iter().filter(|other| other == &name).count() == 1), "{all:?}");
    }

    #[test]
    fn costs_are_planned_in_their_order_with_every_number() {
        let world = World::new();
        let plan = world.plan(&with(&format!("flash, {LONG}, macs, latency, latency-quick")));
        let expected = json!({
            "static": ["flash", "macs"],
            "latency": [
                { "name": "two", "windows": 3, "seconds": 0, "iterations": 7, "warm_ups": 1, "threads": 2, "batch": 1, "reference": "ten" },
                { "name": "latency", "windows": 5, "seconds": 10, "iterations": 10, "warm_ups": 10, "threads": 1, "batch": 1 },
                { "name": "latency-quick", "windows": 5, "seconds": 1, "iterations": 10, "warm_ups": 10, "threads": 1, "batch": 1 },
            ]
        });
        assert_eq!(serde_json::to_value(&plan).expect("a plan is JSON")["cost"], expected);
        let all = StaticCost::ALL.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
        let columns = world.plan(&with(&all)).cost.expect("there are costs").columns;
        assert_eq!(columns, StaticCost::ALL.iter().map(|(cost, _)| *cost).collect::<Vec<_>>());
    }

    /// So that evidence of suites without the section, and their plans, stay what they are.
    #[test]
    fn they_decide_nothing() {
        let world = World::new();
        let (with, without) = (world.plan(&with(&format!("macs, {LONG}"))), world.plan(&changed("seed:", "seed:")));
        let json = |plan: &Plan| {
            let mut json = serde_json::to_value(plan).expect("a plan is JSON");
            json["suite"]["digest"].take();
            json
        };
        let (mut changed, plain) = (json(&with), json(&without));
        assert!(plain.get("cost").is_none());
        changed.as_object_mut().expect("an object").remove("cost");
        assert_eq!(changed, plain);
        let keys = |plan: &Plan| {
            let (model, slice) = (&plan.models[0], &plan.slices[0]);
            let attack = serde_json::to_string(&plan.check_key_material(model, &plan.attacks[1], slice));
            (attack.expect("a key"), serde_json::to_string(&plan.prediction_key_material(model, slice)).expect("a key"))
        };
        assert_eq!(keys(&with), keys(&without));
    }

    #[test]
    fn what_is_wrong_is_said_with_the_place() {
        let world = World::new();
        let table = [
            ("mac", "there is no cost `mac`", "hint: did you mean `macs`?"),
            ("banana", "there is no cost `banana`", "hint: this version knows `macs`"),
            ("energy: { joules: 3 }", "there is no cost `energy`", "the long forms of `latency`"),
            ("macs: {}", "`macs` is a preset", "hint: write `- macs`"),
            ("latency-quick: { windows: 3 }", "`latency-quick` is a preset", "hint: write `- latency-quick`"),
            ("pgd-20", "`pgd-20` is an attack, not a cost", "hint: list it under `attacks`"),
            ("kl-instability", "`kl-instability` is a probe, not a cost", "hint: list it under `probes`"),
            ("macs, flash, macs", "`macs` is listed twice", ""),
            ("latency, latency", "two costs are named `latency`", "hint: give one of them another name"),
            (&format!("{LONG}, {LONG}"), "two costs are named `two`", "hint: give one of them another name"),
            (&LONG.replace("name: two", "name: a/b"), "name of a cost \"a/b\" is not a name", "hint: a name has"),
            (&LONG.replace("ten }", "tne }"), "this suite has no model `tne`", "hint: did you mean `ten`?"),
            (
                &LONG.replace("ten }", "resnet }"),
                "this suite has no model `resnet`",
                "hint: its models are `ten`, `two`",
            ),
        ];
        for (entries, message, hint) in table {
            let error = world.try_plan(&with(entries)).expect_err(entries);
            assert!(
                error.starts_with("plan ./suites/my.yaml:11:") && error.contains(message) && error.contains(hint),
                "{entries}: {error}"
            );
        }
    }

    #[test]
    fn numbers_are_judged_when_the_suite_is_read() {
        let table = [
            ("windows: 3", "windows: 0", "`windows` is 0, allowed are 1 to 1000"),
            ("windows: 3", "windows: 1001", "`windows` is 1001"),
            ("windows: 3", "windows: -1", ""),
            ("windows: 3", "windows: 2.5", ""),
            ("windows: 3, ", "", "windows"),
            ("seconds: 0", "seconds: 4000", "`seconds` is 4000, allowed are 0 to 600"),
            ("iterations: 7", "iterations: 0", "`iterations` is 0, allowed are 1 to"),
            ("warm_ups: 1", "warm_ups: 10000000", "`warm_ups` is 10000000"),
            ("threads: 2", "threads: 0", "`threads` is 0"),
            ("batch: 1", "batch: 8", "hint: latency is that of one row"),
            ("warm_ups: 1", "warm_up: 1", "hint: did you mean `warm_ups`?"),
        ];
        for (good, bad, part) in table {
            let text = with(&LONG.replace(good, bad));
            let error = Suite::parse("my.yaml", text.as_bytes()).expect_err(bad).to_string();
            assert!(error.starts_with("read my.yaml:11:") && error.contains(part), "{bad}: {error}");
        }
        let error = Suite::parse("my.yaml", with("").as_bytes()).expect_err("empty").to_string();
        assert!(error.contains("`cost` is empty"), "{error}");
    }
}
