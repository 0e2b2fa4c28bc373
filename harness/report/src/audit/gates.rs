use evidence::{Decision, GateResult};

use super::Case;
use crate::document::{Section, Table, Text};
use crate::text::number;

const TITLE: &str = "Gates and verdict";

/// A decision as it is written.
pub(super) fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Pass => "pass",
        Decision::Inconclusive => "inconclusive",
        Decision::Fail => "fail",
    }
}

pub(super) fn chapter(case: &Case<'_>) -> Section {
    let section = Section::new(TITLE);
    let Some(verdict) = &case.stored.verdict else {
        return section.paragraph(
            "No gates were set, so there is no verdict. What accuracy is enough was not decided before the measurement, and cannot be \
             read off it.",
        );
    };
    let rows = verdict.gates.iter().map(|gate: &GateResult| {
        let value = |value: Option<f64>| value.map_or("–".to_owned(), number);
        let limits = match (gate.ci_low, gate.ci_high) {
            (None, None) => "–".to_owned(),
            (low, high) => format!("{} to {}", value(low), value(high)),
        };
        vec![
            Text::default().strong(word(gate.decision)),
            gate.model.clone().into(),
            gate.gate.clone().into(),
            value(gate.measured).into(),
            limits.into(),
            value(gate.threshold).into(),
        ]
    });
    let header = ["measured", "limits", "threshold"];
    let table = Table::new(&["decision", "model", "gate"], &header).rows(rows.collect::<Vec<_>>());
    let messages = verdict.gates.iter().map(|gate| {
        let place = format!("{}:{}", gate.file, gate.line);
        Text::default().strong(gate.model.clone()).plain(format!(": {} (", gate.message)).code(place).plain(")")
    });
    section
        .paragraph(
            Text::from("The verdict is ")
                .strong(word(verdict.decision))
                .plain(": it fails if a gate fails, otherwise it is inconclusive if a gate is, otherwise it passes."),
        )
        .table(table)
        .list(messages.collect())
}
