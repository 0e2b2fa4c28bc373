use evidence::{Digest, Results};
use serde_json::Value;

use super::{Case, Found, Lineage};
use crate::document::{Figure, Section, Table, Text};

pub(super) const TITLE: &str = "Artifacts and lineage";

pub(super) fn chapter(case: &Case<'_>) -> Section {
    Section::new(TITLE)
        .paragraph(
            "What was evaluated, by digest (SHA-256). A file with another digest is another file, and nothing here is about it.",
        )
        .section(models(case.results()))
        .section(lineage(case))
        .section(data(case.results()))
        .section(tools(case))
}

fn models(results: &Results) -> Section {
    let planned = |name: &str| -> Option<&Value> {
        results.plan.get("models")?.as_array()?.iter().find(|model| model["name"] == name)
    };
    let mut table = Table::new(&["model", "file", "SHA-256"], &[]);
    for model in &results.models {
        let files = planned(&model.name).and_then(|planned| planned["files"].as_object());
        let mut name = Text::from(model.name.clone());
        for (file, digest) in files.into_iter().flatten() {
            let digest = digest.as_str().unwrap_or("not stated");
            table.push([std::mem::take(&mut name), file.clone().into(), Text::default().code(digest)]);
        }
        table.push([name, "all files together".into(), Text::default().code(model.digest.to_string())]);
    }
    let notes = results.models.iter().flat_map(|model| model.notes.iter().map(move |note| (model, note)));
    let notes: Vec<Text> =
        notes.map(|(model, note)| Text::default().strong(model.name.clone()).plain(format!(": {note}"))).collect();
    let section = match table.rows.is_empty() {
        true => Section::new("Models").paragraph("None."),
        false => Section::new("Models").table(table),
    };
    match notes.is_empty() {
        true => section,
        false => {
            section.paragraph("How the files were read for the attacks; the judge runs them unmodified:").list(notes)
        }
    }
}

fn lineage(case: &Case<'_>) -> Section {
    let section = Section::new("Lineage").paragraph(
        "What the manifests of the registered models say of their origin. The provider wrote it; this document checks only that the \
         registered files are those of the report.",
    );
    if case.lineage.is_empty() {
        return section.note("No registry was at hand, so nothing is known of where the models come from.");
    }
    let line = |of: &Lineage| {
        let name = Text::default().strong(of.model.clone());
        match of.found {
            Found::Absent => {
                name.plain(": not registered where this document was made; nothing is known of its origin.")
            }
            Found::Changed => name.plain(
                ": a model of this name is registered with other files, so its manifest says nothing of this one.",
            ),
            Found::Same if of.facts.is_empty() => name.plain(": registered, without any statement of origin."),
            Found::Same => {
                let facts = of.facts.iter().filter(|(_, value)| !is_digest(value));
                let facts: Vec<String> = facts.map(|(what, value)| format!("{what} {value}")).collect();
                name.plain(format!(": {}.", facts.join("; ").trim_end_matches('.')))
            }
        }
    };
    let data = case.results().dataset.digest;
    let seen = case.lineage.iter().filter(|of| of.training_data == Some(data)).map(|of| of.model.as_str());
    let seen: Vec<&str> = seen.collect();
    let section = section.list(case.lineage.iter().map(line).collect());
    let section = match seen.is_empty() {
        true => section,
        false => section.note(format!(
            "Evaluated on the very rows that they were trained on: {}. Their accuracies say nothing of other rows.",
            seen.join(", ")
        )),
    };
    let mut digests = Table::new(&["model", "what", "SHA-256"], &[]);
    for of in case.lineage.iter().filter(|of| of.found == Found::Same) {
        let mut name = Text::from(of.model.clone());
        for (what, value) in of.facts.iter().filter(|(_, value)| is_digest(value)) {
            digests.push([std::mem::take(&mut name), what.clone().into(), Text::default().code(value.clone())]);
        }
    }
    let section = section.table(digests);
    section.figure(case.stored.training.as_ref().map(|figure| Figure {
        file: "audit-training.svg".to_owned(),
        svg: figure.svg.clone(),
        caption: "What each training measured after its epochs, on the rows, with the attack and with the probes of its recipe. \
                  Nothing of it is measured again here, so that the last points need not be the numbers of this report."
            .into(),
    }))
}

/// Whether it is a SHA-256 in hexadecimal digits, which stands in a table.
fn is_digest(value: &str) -> bool {
    value.len() == 64 && value.chars().all(|c| c.is_ascii_hexdigit())
}

fn data(results: &Results) -> Section {
    let data = &results.dataset;
    let table = Table::new(&["what", "value"], &[]).rows([
        [Text::from("data set"), data.name.clone().into()],
        ["split".into(), data.split.clone().into()],
        ["rows".into(), format!("{}: {}", data.samples, data.selection).into()],
        [
            "classes".into(),
            if data.classes.is_empty() { "not recorded".into() } else { data.classes.join(", ").into() },
        ],
        ["licence".into(), data.licence.clone().unwrap_or_else(|| "not stated".to_owned()).into()],
        ["SHA-256".into(), Text::default().code(data.digest.to_string())],
    ]);
    Section::new("Data").table(table)
}

fn tools(case: &Case<'_>) -> Section {
    let results = case.results();
    let runtime = &results.runtime;
    let text = |key: &str| results.plan.get("suite").and_then(|suite| suite.get(key)?.as_str()).unwrap_or("not stated");
    let table = Table::new(&["what", "value"], &[]).rows([
        [Text::from("suite"), text("name").into()],
        ["suite, SHA-256".into(), Text::default().code(text("digest"))],
        ["plan, SHA-256".into(), Text::default().code(results.plan_digest.to_string())],
        ["Tinyassay".into(), results.tinyassay.clone().into()],
        ["ONNX Runtime".into(), format!("{}, provider {}", runtime.onnxruntime, runtime.provider).into()],
        ["its library, SHA-256".into(), Text::default().code(runtime.library_sha256.clone())],
        ["instruction set".into(), runtime.instruction_set.clone().into()],
        ["optimisation".into(), runtime.optimisation.clone().into()],
    ]);
    let kept = match &case.stored.suite {
        None => Text::from("The suite's file is not in the report folder: this version of Tinyassay did not keep it."),
        Some(bytes) if Digest::of(bytes).to_string() == text("digest") => Text::from(
            "The suite's file in the report folder has the digest of the plan: it is what the run was asked for.",
        ),
        Some(_) => Text::default()
            .strong("The suite's file in the report folder is not the one that was run")
            .plain(": its digest is another."),
    };
    let section = Section::new("Suite, tool and runtime").table(table).paragraph(kept).paragraph(
        "The plan holds every number that decides a result, and its digest is in the results. The same plan on the same runtime \
         identity gives the same results byte for byte.",
    );
    let files: Vec<[Text; 2]> = case
        .files
        .iter()
        .map(|(name, digest)| [name.clone().into(), Text::default().code(digest.to_string())])
        .collect();
    match files.is_empty() {
        true => section,
        false => section
            .paragraph("This document is made from these files of the report folder:")
            .table(Table::new(&["file", "SHA-256"], &[]).rows(files)),
    }
}
