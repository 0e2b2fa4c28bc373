use super::{artifacts, indicators, limits, protocol, purpose, replay, robustness};
use crate::document::{Section, Table, Text};

const TITLE: &str = "Where frameworks ask for this";

/// Framework, item in our words, the chapters.
pub(super) const ITEMS: &[(&str, &str, &[&str])] = &[
    ("NIST AI RMF, MEASURE 1.1", "say which risks are measured, and which are not", &[purpose::TITLE, limits::TITLE]),
    ("NIST AI RMF, MEASURE 2.1", "document test sets, metrics and tools", &[artifacts::TITLE, protocol::TITLE]),
    ("NIST AI RMF, MEASURE 2.5", "show validity, and the limits of generalising", &[robustness::TITLE, limits::TITLE]),
    ("NIST AI RMF, MEASURE 2.6", "evaluate safety and the risk that is left", &[robustness::TITLE, limits::TITLE]),
    ("NIST AI RMF, MEASURE 2.7", "evaluate security and resilience", &[purpose::TITLE, robustness::TITLE]),
    (
        "NIST AI RMF, MEASURE 2.13",
        "evaluate whether the measurements themselves work",
        &[indicators::TITLE, replay::TITLE],
    ),
    ("NIST AI RMF, MEASURE 3", "track risks over time: `tinyassay compare` of two reports", &[replay::TITLE]),
    (
        "EU AI Act, Art. 15(1)",
        "an appropriate level of accuracy, robustness and cybersecurity",
        &[robustness::TITLE, limits::TITLE],
    ),
    ("EU AI Act, Art. 15(3)", "declare levels and metrics of accuracy", &[robustness::TITLE, protocol::TITLE]),
    (
        "EU AI Act, Art. 15(4)",
        "resilience to errors, faults and inconsistencies; here only common corruptions, where they were tried",
        &[robustness::TITLE],
    ),
    (
        "EU AI Act, Art. 15(5)",
        "resistance to adversarial examples; not to poisoning or attacks on confidentiality",
        &[robustness::TITLE, limits::TITLE],
    ),
    (
        "ISO/IEC TR 24029-1",
        "statistical and empirical methods; formal ones only where rows are certified",
        &[protocol::TITLE, robustness::TITLE],
    ),
    ("ISO/IEC 24029-2", "domain, stability, sensitivity, relevance, reachability", &[robustness::TITLE]),
];

pub(super) fn chapter() -> Section {
    let rows = ITEMS.iter().map(|(item, asks, chapters)| {
        let paraphrased = asks.split('`').enumerate().fold(Text::default(), |text, (at, part)| match at % 2 {
            0 => text.plain(part),
            _ => text.code(part),
        });
        [Text::from(*item), paraphrased, chapters.join("; ").into()]
    });
    Section::new(TITLE)
        .paragraph(
            "Which chapter has what a framework asks for. The items are paraphrased, and may be paraphrased wrongly: read the texts \
             themselves. This is a help for finding things, neither a claim of conformity nor legal advice.",
        )
        .table(Table::new(&["item", "asks to (paraphrased)", "chapter"], &[]).rows(rows))
}
