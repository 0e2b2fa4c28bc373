use evidence::CorruptionResult;

use super::Case;
use super::wording::{attacks, each_attack, each_probe, parameters, probes};
use crate::document::{Section, Table, Text};
use crate::text::{bound_name, number};

pub(super) const TITLE: &str = "Protocol";

const JUDGE: &str = "\
An attack only proposes. The judge is the registered file, unmodified, at default optimisation: it checks that a proposal is inside the \
ball, inside the bounds and a number, predicts, and confirms or rejects it. Clean accuracy comes from the same judge. Every attack is \
tried on all rows that the judge classifies correctly; rows that are wrong before any attack count as not robust.";

pub(super) fn chapter(case: &Case<'_>) -> Section {
    let results = case.results();
    let seed = results.plan.get("seed").and_then(|seed| seed.as_str()).unwrap_or("not stated");
    Section::new(TITLE)
        .paragraph(JUDGE)
        .paragraph(format!(
            "All randomness comes from the seed {seed}, by attack, row and restart; a result does not depend on the order of work, on \
             threads or on an interruption. Numbers below are those of the plan; none is a default that was left unsaid."
        ))
        .section(attack_parameters(case))
        .section(spent(case))
        .section(probe_parameters(case))
        .section(corruptions(case))
}

fn attack_parameters(case: &Case<'_>) -> Section {
    let line = |attack: &evidence::AttackResult| {
        let stages: Vec<&str> = attack.stages.iter().map(|stage| stage.name.as_str()).collect();
        let stages = if stages.is_empty() {
            String::new()
        } else {
            format!(" Its attacks, one after the other: {}.", stages.join(", "))
        };
        let source = attack.source.as_ref().map_or(String::new(), |source| format!(" Guided by {source}."));
        Text::default().strong(attack.name.clone()).plain(format!(
            " (revision {}): {}.{stages}{source}",
            attack.revision,
            parameters(&attack.parameters)
        ))
    };
    let lines: Vec<Text> = attacks(case.results()).into_iter().map(line).collect();
    match lines.is_empty() {
        true => Section::new("Attacks").note("There was no attack."),
        false => Section::new("Attacks").list(lines),
    }
}

fn spent(case: &Case<'_>) -> Section {
    let rows = each_attack(case.results()).map(|(model, attack)| {
        let tried = attack.total.saturating_sub(attack.wrong);
        let a_row = |count: u64| number(count as f64 / tried.max(1) as f64);
        [
            model.name.clone(),
            attack.name.clone(),
            tried.to_string(),
            attack.forwards.to_string(),
            attack.backwards.to_string(),
            attack.judge_forwards.to_string(),
            a_row(attack.forwards),
            a_row(attack.backwards),
        ]
    });
    let numbers = ["rows tried", "forwards", "backwards", "judge", "forwards a row", "backwards a row"];
    let table = Table::new(&["model", "attack"], &numbers).rows(rows);
    Section::new("What the attacks spent")
        .paragraph(
            "Counted in rows, not planned: a search ends where it succeeds. Judge: forwards of the registered file.",
        )
        .table(table)
}

fn probe_parameters(case: &Case<'_>) -> Section {
    let line = |probe: &evidence::ProbeResult| {
        Text::default().strong(probe.name.clone()).plain(format!(
            " (revision {}, {}, {}): {} Parameters: {}.",
            probe.revision,
            probe.units,
            bound_name(probe.bound),
            sentence(&probe.about),
            parameters(&probe.parameters)
        ))
    };
    let lines: Vec<Text> = probes(case.results()).into_iter().map(line).collect();
    let rows = each_probe(case.results()).map(|(model, probe)| {
        let counts = [probe.measured, probe.forwards, probe.backwards].map(|count| count.to_string());
        [model.name.clone(), probe.name.clone()].into_iter().chain(counts)
    });
    let table = Table::new(&["model", "probe"], &["rows measured", "forwards", "backwards"]).rows(rows);
    match lines.is_empty() {
        true => Section::new("Probes").paragraph("There was no probe of sensitivity."),
        false => Section::new("Probes").list(lines).table(table),
    }
}

fn corruptions(case: &Case<'_>) -> Section {
    let mut all: Vec<&CorruptionResult> = Vec::new();
    let results = case.results().models.iter().filter_map(|model| model.corruptions.as_ref());
    for one in results.flat_map(|results| &results.corruptions) {
        if all.iter().all(|known| known.name != one.name) {
            all.push(one);
        }
    }
    let line = |one: &&CorruptionResult| {
        let numbers = |at: &evidence::SeverityResult| {
            let numbers: Vec<String> = at.parameters.iter().map(|(name, value)| format!("{name} {value}")).collect();
            format!("severity {}: {}", at.severity, numbers.join(", "))
        };
        let severities: Vec<String> = one.severities.iter().map(numbers).collect();
        Text::default().strong(one.name.clone()).plain(format!(
            " (revision {}): {} {}.",
            one.revision,
            sentence(&one.about),
            severities.join("; ")
        ))
    };
    match all.is_empty() {
        true => Section::new("Common corruptions").paragraph("There were none."),
        false => Section::new("Common corruptions").list(all.iter().map(line).collect()),
    }
}

/// With a full stop at its end.
fn sentence(text: &str) -> String {
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}
