//! A plan in a few lines, with what it costs at worst.

use crate::corruptions::{PlannedCorruption, PlannedSeverity};
use crate::plan::Plan;
use attack::Cost;
use serde::Serialize;
use serde_json::Value;

/// How often the judge looks at a row before any attack, at most: twice at the sample, whose scores have to be the same, and at four
/// points next to it.
pub const CLEAN_FORWARDS: u64 = 6;

/// What a plan does and costs, for a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The suite's name.
    pub suite: String,
    /// `signs32, split test, 500 samples`.
    pub data: String,
    /// `linf, epsilon 8/255`, and where the threat model says so `, on the grid k / 255` and
    /// `, 2000 forwards and 100 backwards a row at most`.
    pub threat: String,
    /// The attacks with every number.
    pub attacks: Vec<EntrySummary>,
    /// The probes with every number.
    pub probes: Vec<EntrySummary>,
    /// The corruptions in words: the name, then every number at each severity.
    pub corruptions: Vec<(String, String)>,
    /// Every model and what its checks cost.
    pub models: Vec<ModelSummary>,
    /// What all of it costs.
    pub total: Cost,
}

/// One attack or probe in words.
#[derive(Clone, Debug, PartialEq)]
pub struct EntrySummary {
    /// The entry's name.
    pub name: String,
    /// The attack's or probe's own id.
    pub id: &'static str,
    /// Every parameter with its value.
    pub parameters: Vec<(String, String)>,
}

/// One model and what its checks cost at worst: when it classifies every sample correctly and no attack succeeds.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSummary {
    /// The model's name.
    pub name: String,
    /// The cost of each attack on it, in the order of [`Plan::attacks_on`].
    pub attacks: Vec<Cost>,
    /// The cost of each probe, in the plan's order.
    pub probes: Vec<Cost>,
    /// Attacks, probes, corruptions and clean predictions together.
    pub total: Cost,
}

impl Plan {
    /// The plan in a few lines, with what it costs at worst.
    pub fn summary(&self) -> Summary {
        let models: Vec<ModelSummary> =
            self.models.iter().map(|m| self.model_summary(&m.name, m.output.classes)).collect();
        let total = models.iter().map(|model| model.total).fold(Cost::default(), Cost::plus);
        let samples = self.dataset.rows.len();
        Summary {
            suite: self.suite.name.clone(),
            data: format!("{}, split {}, {samples} samples", self.dataset.name, self.dataset.split),
            threat: {
                let grid = self.threat.grid.map(|levels| format!(", on the grid k / {levels}"));
                let budget = self.threat.budget.map(|budget| format!(", {budget} a row at most"));
                let more = [grid, budget].map(Option::unwrap_or_default).concat();
                format!("{}, epsilon {}{more}", self.threat.norm, self.threat.epsilon)
            },
            attacks: (self.attacks.iter())
                .map(|attack| EntrySummary::of(&attack.name, attack.spec.name(), &attack.spec))
                .collect(),
            probes: (self.probes.iter())
                .map(|probe| EntrySummary::of(&probe.name, probe.spec.name(), &probe.spec))
                .collect(),
            corruptions: self.corruptions.iter().map(|one| (one.name.clone(), in_words(one))).collect(),
            models,
            total,
        }
    }

    fn model_summary(&self, name: &str, classes: usize) -> ModelSummary {
        let rows = self.dataset.rows.len() as u64;
        let budget = self.threat.budget.unwrap_or_default();
        let attacks: Vec<Cost> = self.attacks_on(name).map(|attack| attack.cost(classes, budget).times(rows)).collect();
        let probes: Vec<Cost> = self.probes.iter().map(|probe| probe.spec.cost(classes).times(rows)).collect();
        let looks = CLEAN_FORWARDS + self.corrupted().count() as u64;
        let clean = Cost { judge_forwards: looks * rows, ..Cost::default() };
        let total = attacks.iter().chain(&probes).copied().fold(clean, Cost::plus);
        ModelSummary { name: name.to_owned(), total, attacks, probes }
    }
}

impl EntrySummary {
    fn of(name: &str, id: &'static str, spec: &impl Serialize) -> EntrySummary {
        let value = serde_json::to_value(spec).expect("an entry is JSON");
        let numbers = value.as_object().and_then(|tagged| tagged.values().next()?.as_object());
        let parameters = numbers.into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect();
        EntrySummary { name: name.to_owned(), id, parameters }
    }
}

/// Such as `severity 1 (deviation 0.04), 2 (deviation 0.06)`.
fn in_words(corruption: &PlannedCorruption) -> String {
    let severity = |one: &PlannedSeverity| {
        let numbers: Vec<String> = one.parameters.iter().map(|(name, value)| format!("{name} {value}")).collect();
        format!("{} ({})", one.severity, numbers.join(", "))
    };
    format!("severity {}", corruption.severities.iter().map(severity).collect::<Vec<_>>().join(", "))
}

/// A value as it is written in a suite: a choice with its number as `gaussian 0.001`, stages as
/// `apgd (steps 100, ...), then fab (steps 100, ...)`.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(stages) => stages.iter().map(text).collect::<Vec<_>>().join(", then "),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| match value {
                Value::Object(_) => format!("{key} ({})", text(value)),
                value => format!("{key} {}", text(value)),
            };
            fields.iter().map(field).collect::<Vec<_>>().join(", ")
        }
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::text;
    use serde_json::json;

    #[test]
    fn values_read_as_they_are_written() {
        let stages = json!([{ "apgd": { "loss": "dlr", "steps": 5 } }, { "fgsm": { "loss": "margin" } }]);
        assert_eq!(text(&stages), "apgd (loss dlr, steps 5), then fgsm (loss margin)");
        assert_eq!(text(&json!({ "gaussian": "0.001" })), "gaussian 0.001");
        assert_eq!((text(&json!(7)), text(&json!("2/255"))), ("7".into(), "2/255".into()));
    }
}
