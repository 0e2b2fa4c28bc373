use evidence::{Latency, LatencyFlag};

use super::Case;
use crate::document::{Section, Table, Text};
use crate::latency as shown;
use crate::static_cost::{COLUMNS, is_known};
use crate::text::number;

const TITLE: &str = "Cost";

pub(super) fn chapter(case: &Case<'_>) -> Section {
    let section = Section::new(TITLE)
        .paragraph("What one inference costs. None of these numbers decides a result of robustness.")
        .section(of_the_file(case));
    match &case.stored.observations {
        Some(observed) if !observed.latency.is_empty() => observed
            .latency
            .iter()
            .fold(section, |section, measured| section.section(latency(measured, &observed.started_at))),
        _ => section.section(Section::new("Latency").paragraph("It was not measured, here or on a device.")),
    }
}

fn of_the_file(case: &Case<'_>) -> Section {
    let results = case.results();
    let count = |count: Option<u64>| count.map_or("–".to_owned(), |count| count.to_string());
    let rows = results.models.iter().map(|model| {
        let counts = [model.macs, model.parameters, model.params_without_bn].map(count);
        std::iter::once(model.name.clone()).chain(counts)
    });
    let header = ["MACs", "parameters", "parameters without batch norm"];
    let section = Section::new("Known from the file")
        .paragraph(
            "MACs: multiply-accumulates of convolutions and dense layers. Parameters: elements of all initializers.",
        )
        .table(Table::new(&["model"], &header).rows(rows));
    if !is_known(results) {
        return section.paragraph("Flash and memory were not worked out.");
    }
    let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    let rows = results
        .models
        .iter()
        .map(|model| std::iter::once(model.name.clone()).chain(COLUMNS.iter().map(|column| column.of(model))));
    let legend = COLUMNS.iter().map(|column| Text::default().strong(column.name).plain(format!(": {}", column.about)));
    section.table(Table::new(&["model"], &names).rows(rows)).list(legend.collect())
}

fn latency(measured: &Latency, started_at: &str) -> Section {
    let rows = measured.models.iter().map(|model| {
        let ratio = model.ratio.map_or("–".to_owned(), |ratio| number(ratio.median));
        [
            model.model.clone(),
            shown::time(model.latency_ns),
            shown::time(model.p50_ns as f64),
            shown::time(model.p90_ns as f64),
            shown::time(model.p99_ns as f64),
            model.inferences.to_string(),
            format!("{:.1} %", 100.0 * model.spread),
            ratio,
            shown::names(&model.flags, ", "),
        ]
    });
    let header = ["latency", "p50", "p90", "p99", "inferences", "spread", "ratio"];
    let table = Table::new(&["model"], &header).and_words("flags").rows(rows);
    let reference = measured.reference.as_ref().map_or(String::new(), |name| format!(" Ratios are to {name}."));
    let facts = vec![
        Text::default().strong("Protocol").plain(format!(
            ": {}. The input was {}.{reference}",
            shown::protocol(measured.protocol),
            measured.input
        )),
        Text::default().strong("Machine").plain(format!(": {}", shown::machine(&measured.machine))),
        Text::default().strong("Idleness").plain(format!(": {}", shown::idleness(measured))),
        Text::default().strong("When").plain(format!(": in the run that started at {started_at}")),
    ];
    let raised = LatencyFlag::DOCS.iter().filter(|doc| {
        measured.flags.contains(&doc.flag) || measured.models.iter().any(|model| model.flags.contains(&doc.flag))
    });
    let raised = raised.map(|doc| Text::from("Flag ").strong(doc.name).plain(format!(": {}.", doc.about)));
    Section::new(format!("Latency: {}", measured.name))
        .note("Observed once, on this machine, and no part of what the results' digest covers. On a device it is another number.")
        .list(facts)
        .table(table)
        .list(raised.collect())
}
