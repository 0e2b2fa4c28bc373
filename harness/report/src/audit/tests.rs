use super::*;
use crate::document::{Block, Section, html, markdown, terminal, typst};
use crate::sample::{
    compared, detectors, example, latency, model, observations, paired, results, stored, with_corruptions, with_probes,
    with_static_cost,
};
use evidence::{Decision, Flag, GateResult, GateVerdict};

fn case(stored: &Stored) -> Case<'_> {
    Case {
        stored,
        folder: "reports/x",
        intended_use: None,
        files: &[],
        lineage: &[],
        integrity: Some(&[]),
        signatures: &[],
    }
}

/// All texts of a document with the title of the section that they are in.
fn texts(document: &Document) -> Vec<(String, String)> {
    fn visit(section: &Section, found: &mut Vec<(String, String)>) {
        let mut add = |text: String| found.push((section.title.clone(), text));
        for block in &section.blocks {
            match block {
                Block::Paragraph(text) | Block::Note(text) => add(text.characters()),
                Block::List(items) => items.iter().for_each(|item| add(item.characters())),
                Block::Table(table) => table.rows.iter().for_each(|row| {
                    add(row.iter().map(Text::characters).collect::<Vec<_>>().join(" | "));
                }),
                Block::Figure(figure) => add(figure.caption.characters()),
                Block::Commands(lines) => lines.iter().for_each(|line| add(line.clone())),
            }
        }
        section.sections.iter().for_each(|section| visit(section, found));
    }
    let mut found = Vec::new();
    document.sections.iter().for_each(|section| visit(section, &mut found));
    found
}

fn said(document: &Document, section: &str) -> String {
    let of = texts(document).into_iter().filter(|(title, _)| title == section).map(|(_, text)| text);
    of.collect::<Vec<_>>().join("\n")
}

fn gate(model: &str, decision: Decision) -> GateResult {
    GateResult {
        gate: "robust_accuracy of pgd-20 at least 0.4 (ci_low, 95 %)".to_owned(),
        metric: "robust_accuracy".to_owned(),
        model: model.to_owned(),
        decision,
        message: "0.6 [0.5, 0.7] against 0.4".to_owned(),
        measured: Some(0.6),
        ci_low: Some(0.497),
        ci_high: Some(0.697),
        threshold: Some(0.4),
        p: None,
        file: "suite.yaml".to_owned(),
        line: 12,
    }
}

/// Everything that a report can have.
fn full() -> Stored {
    let mut results = paired(&[("net", 80, 60), ("net-int8", 78, 65)]);
    results.models[0].attacks[0].flags.insert(Flag::StoodStill, 40);
    results.models[0].attacks[0].inconclusive = vec![Flag::StoodStill];
    results.models[0].probes = with_probes().models[1].probes.clone();
    results.models[0].corruptions = with_corruptions().models[1].corruptions.clone();
    results.models[1].cost = with_static_cost().models[1].cost.clone();
    let mut all = observations();
    all.latency = vec![latency()];
    let verdict =
        GateVerdict::of("resnet8-linf", vec![gate("net", Decision::Pass), gate("net-int8", Decision::Inconclusive)]);
    Stored { observations: Some(all), verdict: Some(verdict), suite: Some(b"version: 1\n".to_vec()), ..stored(results) }
}

#[test]
fn the_chapters_answer_in_order() {
    let document = audit(&case(&full())).unwrap();
    let titles: Vec<&str> = document.sections.iter().map(|section| section.title.as_str()).collect();
    let expected = [
        "Summary",
        "Purpose, intended use and threat model",
        "Artifacts and lineage",
        "Protocol",
        "Robustness",
        "Failure indicators",
        "Cost",
        "Gates and verdict",
        "What was not measured, and residual risk",
        "How to replay and verify",
        "Where frameworks ask for this",
    ];
    assert_eq!(titles, expected);
    let parts: Vec<&str> = document.sections[4].sections.iter().map(|part| part.title.as_str()).collect();
    assert_eq!(parts[..5], ["Domain", "Stability", "Sensitivity", "Relevance", "Reachability"]);
    for (item, _, chapters) in frameworks::ITEMS {
        chapters.iter().for_each(|chapter| assert!(titles.contains(chapter), "{item}: {chapter}"));
    }
}

#[test]
fn every_document_renders_and_no_section_is_empty() {
    fn holds(section: &Section) {
        assert!(!section.blocks.is_empty() || !section.sections.is_empty(), "{} is empty", section.title);
        for block in &section.blocks {
            if let Block::Table(table) = block {
                assert!(table.rows.iter().all(|row| row.len() == table.columns.len()), "{}", section.title);
            }
        }
        section.sections.iter().for_each(holds);
    }
    let all =
        [example(), with_probes(), with_static_cost(), with_corruptions(), compared(), detectors(), results(vec![])];
    let few = [results(vec![model("alone", 7, &[])]), paired(&[("a", 0, 0), ("b", 100, 100)])];
    for stored in all.into_iter().chain(few).map(stored).chain([full()]) {
        let document = audit(&case(&stored)).unwrap();
        document.sections.iter().for_each(holds);
        for target in [html, markdown, typst, terminal] {
            let text = target(&document);
            assert!(text.ends_with('\n') && !text.contains("NaN") && !text.contains("inf %"));
            assert_eq!(text, target(&audit(&case(&stored)).unwrap()));
        }
    }
}

#[test]
fn what_lacks_is_said_and_what_is_there_is_not_lacking() {
    let (bare, full) = (stored(results(vec![model("alone", 7, &[])])), full());
    let [bare, full] = [&bare, &full].map(|stored| said(&audit(&case(stored)).unwrap(), "Open in this run"));
    for head in [
        "Nothing is proven",
        "No attack",
        "Common corruptions",
        "Sensitivity",
        "Acceptance",
        "Fitness",
        "Latency and energy",
        "Classes",
    ] {
        assert!(bare.contains(&format!("{head}: ")), "{head} in {bare}");
    }
    for head in ["No attack", "Common corruptions", "Sensitivity", "Acceptance", "Latency and energy", "Classes"] {
        assert!(!full.contains(&format!("{head}: ")), "{head} in {full}");
    }
    for head in [
        "Nothing is proven",
        "Fitness",
        "Transfer",
        "Search without gradients",
        "Adaptive attacks",
        "Rare classes",
        "Inconclusive results",
    ] {
        assert!(full.contains(&format!("{head}: ")), "{head} in {full}");
    }
    let mut certified = paired(&[("a", 80, 60)]);
    (certified.models[0].attacks[0].certified, certified.models[0].attacks[0].unknown) = (10, 50);
    let document = audit(&case(&stored(certified))).unwrap();
    assert!(!said(&document, "Open in this run").contains("Nothing is proven"));
    assert!(said(&document, "Summary").contains("Certificates cover 10 rows"));
    let ends = said(&document, "Certified, attacked, unknown");
    assert!(ends.contains("20.00 % | 20.00 % | 10.00 % | 50.00 % | 100.00 %"), "{ends}");
}

#[test]
fn rows_that_do_not_add_up_are_named() {
    let mut damaged = paired(&[("a", 80, 60)]);
    damaged.models[0].attacks[0].unknown = 61;
    let document = audit(&case(&stored(damaged))).unwrap();
    let ends = said(&document, "Certified, attacked, unknown");
    assert!(
        ends.contains("the results are damaged") && ends.contains("a under pgd-20: [20, 20, 0, 61] of 100"),
        "{ends}"
    );
}

#[test]
fn the_purpose_is_quoted_with_its_source() {
    let none = audit(&case(&full())).unwrap();
    assert!(said(&none, "Intended use").starts_with("No intended use was stated"));
    let mut of_suite = full();
    of_suite.results.plan.insert("purpose".to_owned(), "Sorts parcels.\n\nNever people.".into());
    let document = audit(&case(&of_suite)).unwrap();
    let use_ = said(&document, "Intended use");
    assert!(use_.contains("as the suite says") && use_.contains("\nSorts parcels.\nNever people."), "{use_}");
    let document = audit(&Case { intended_use: Some("Something else."), ..case(&of_suite) }).unwrap();
    let use_ = said(&document, "Intended use");
    assert!(use_.contains("no part of the results") && !use_.contains("parcels"), "{use_}");
}

#[test]
fn twins_are_found_by_name_and_compared_on_the_same_rows() {
    let text = said(&audit(&case(&full())).unwrap(), "Quantized against float");
    assert!(text.contains("net → net-int8 | clean | 80.00 %") && text.contains("| -2.00 ("), "{text}");
    assert!(text.contains("| worst case |") && text.contains("| +5.00 ("), "{text}");
    let none =
        said(&audit(&case(&stored(paired(&[("net", 80, 60), ("int8", 70, 50)])))).unwrap(), "Quantized against float");
    assert!(none.starts_with("No pair"), "{none}");
}

#[test]
fn the_worst_class_is_the_worst() {
    let mut results = paired(&[("net", 80, 60)]);
    results.models[0].classes[1].correct = 5;
    let text = said(&audit(&case(&stored(results))).unwrap(), "By class");
    assert!(text.contains("net | odd | 10.00 % (") && text.contains("odd | 50 | 10.00 / 60.00"), "{text}");
}

#[test]
fn lineage_says_whether_it_is_the_same_model() {
    let stored = full();
    let of = |model: &str, found, facts: &[(&str, &str)], training_data| Lineage {
        model: model.to_owned(),
        found,
        facts: facts.iter().map(|(what, value)| ((*what).to_owned(), (*value).to_owned())).collect(),
        training_data,
    };
    let seen = Some(stored.results.dataset.digest);
    let lineage = [
        of("net", Found::Same, &[("licence", "MIT"), ("epochs", "20"), ("recipe", &"0a".repeat(32))], seen),
        of("net-int8", Found::Changed, &[], None),
        of("x", Found::Absent, &[], None),
    ];
    let text = said(&audit(&Case { lineage: &lineage, ..case(&stored) }).unwrap(), "Lineage");
    assert!(
        text.contains("net: licence MIT; epochs 20.")
            && text.contains(&format!("net | recipe | {}", "0a".repeat(32)))
            && text.contains("net-int8: a model of this name is registered with other files")
    );
    assert!(
        text.contains("x: not registered") && text.contains("the very rows that they were trained on: net."),
        "{text}"
    );
}

#[test]
fn a_changed_folder_and_signatures_are_said() {
    let stored = full();
    let document = audit(&case(&stored)).unwrap();
    assert!(said(&document, "Signatures").contains("Not signed") && said(&document, "Summary").contains("Not signed"));
    let (changed, signatures) = (["changed: results.json".to_owned()], ["attestation/x.dsse.json".to_owned()]);
    let document = audit(&Case { integrity: Some(&changed), signatures: &signatures, ..case(&stored) }).unwrap();
    assert!(said(&document, "Verification").contains("changed: results.json"));
    assert!(
        said(&document, "Signatures").contains("attestation/x.dsse.json")
            && said(&document, "Summary").contains("not what it was")
    );
    assert!(
        said(&document, "Suite, tool and runtime").contains("not the one that was run"),
        "the plan of the sample has no digest"
    );
    let document = audit(&Case { integrity: None, ..case(&stored) }).unwrap();
    assert!(said(&document, "Verification").contains("no SHA256SUMS"));
}

#[test]
fn verdict_flags_and_latency_are_told() {
    let document = audit(&case(&full())).unwrap();
    assert!(
        said(&document, "Summary").contains("Verdict: inconclusive, of 2 gates 0 failed, 1 inconclusive, 1 passed.")
    );
    assert!(said(&document, "Gates and verdict").contains("pass | net | robust_accuracy of pgd-20"));
    assert!(said(&document, "Inconclusive results").contains("net under pgd-20: stood-still on 40 rows"));
    assert!(said(&document, "Flags that were raised").contains("inconclusive from 1 % of the rows on"));
    let latency = said(&document, "Latency: latency-2t");
    assert!(
        latency.contains("Flag busy") && latency.contains("powersave") && latency.contains("2026-11-05T12:00:00Z"),
        "{latency}"
    );
}
