use evidence::Bound;

use super::{CheckPair, Comparison, Share, Word};
use crate::document::{Document, Section, Table, Text};
use crate::text::{bounded, large, limits, number, percent, span};

/// The comparison for people: regressions first.
pub fn document(comparison: &Comparison) -> Document {
    let [baseline, candidate] = &comparison.suites;
    Document {
        title: format!("{candidate} against {baseline}"),
        about: vec![verdict(comparison)],
        sections: [
            Some(checks(comparison)),
            measures(comparison),
            latency(comparison),
            only(comparison),
            Some(agreement(comparison)),
        ]
        .into_iter()
        .flatten()
        .collect(),
    }
}

/// The sentence that most readers want.
fn verdict(comparison: &Comparison) -> Text {
    let count = |word, one: &str, several: &str| match comparison.count(word) {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {several}")),
    };
    let parts = [
        count(Word::Regression, "regression", "regressions"),
        count(Word::Improvement, "improvement", "improvements"),
        count(
            Word::Undecided,
            "difference that cannot be told from chance",
            "differences that cannot be told from chance",
        ),
        count(Word::NotCompared, "check that is not compared", "checks that are not compared"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let paired = format!("{} of models; ", counted(comparison.models.len(), "pair", "pairs"));
    Text::from(paired).strong(parts.join(", ")).plain(".")
}

fn counted(n: usize, one: &str, several: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { several })
}

const HOW: &str = "\
Shares of rows in percent with 95 % Clopper-Pearson intervals; under attack they are upper bounds on the true robust accuracy. The \
difference is candidate less baseline in percentage points, with Tango's 95 % interval for the same rows. p is McNemar's exact \
two-sided test after Holm's correction over all tests of this comparison; below 0.05 a difference is called a regression or an \
improvement. Rows that only one gets count both ways: a difference of 0 may hide many.";

fn checks(comparison: &Comparison) -> Section {
    let header = ["baseline", "candidate", "difference", "p (Holm)", "only baseline", "only candidate"];
    let rows = comparison.checks.iter().map(|check| {
        let name = comparison.models[check.pair].name();
        let doubts = if check.doubts.is_empty() { "" } else { " (inconclusive)" };
        let mut cells =
            vec![Text::default().strong(check.word().name()).plain(doubts), name.into(), check.check.clone().into()];
        cells.extend([share(&check.baseline), share(&check.candidate)].map(Text::from));
        match &check.test {
            Ok(test) => cells.extend(
                [
                    format!("{:+.2} ({})", 100.0 * test.difference, span(test.interval.low, test.interval.high)),
                    number(test.p_holm),
                    test.rows.only_b.to_string(),
                    test.rows.only_a.to_string(),
                ]
                .map(Text::from),
            ),
            Err(_) => cells.extend(["–"; 4].map(Text::from)),
        }
        cells
    });
    let table = Table::new(&["result", "model", "check"], &header).rows(rows.collect::<Vec<_>>());
    let section = Section::new("Checks").paragraph(HOW).table(table);
    let doubted = comparison.checks.iter().filter(|check| !check.doubts.is_empty());
    let doubted = doubted.map(|check| {
        Text::from(format!("{}, {}: ", comparison.models[check.pair].name(), check.check)).code(check.doubts.join(", "))
    });
    let doubted: Vec<Text> = doubted.collect();
    let section = match doubted.is_empty() {
        true => section,
        false => section
            .note("Flags make these inconclusive in at least one report: the truth may lie far below the number.")
            .list(doubted),
    };
    section
        .list(reasons(&comparison.checks).into_iter().map(|reason| format!("Not compared: {reason}.").into()).collect())
}

fn reasons(checks: &[CheckPair]) -> Vec<String> {
    let mut reasons: Vec<String> = checks.iter().filter_map(|check| check.test.as_ref().err().cloned()).collect();
    reasons.dedup();
    reasons
}

fn share(of: &Share) -> String {
    format!("{} ({})", percent(of.share), limits(of.ci_low, of.ci_high))
}

fn measures(comparison: &Comparison) -> Option<Section> {
    let rows = comparison.measures.iter().map(|of| {
        let values = [of.baseline, of.candidate].map(|value| match of.bound {
            Bound::Exact => large(value),
            bound => bounded(bound, Some(value)),
        });
        let ratio = of.ratio().map_or("–".to_owned(), number);
        let names = [comparison.models[of.pair].name(), of.name.clone(), of.units.clone()];
        names.into_iter().chain(values).chain([ratio])
    });
    let table = Table::new(&["model", "measure", "units"], &["baseline", "candidate", "ratio"]).rows(rows);
    let about = "No test is made of these. ≥ is a lower bound on the truth, ≈ an estimate; a ratio of two bounds bounds nothing.";
    (!comparison.measures.is_empty()).then(|| Section::new("Probes and costs").paragraph(about).table(table))
}

fn latency(comparison: &Comparison) -> Option<Section> {
    let rows = comparison.latency.iter().map(|of| {
        let milliseconds = [of.baseline_ns, of.candidate_ns].map(|ns| format!("{} ms", number(ns / 1e6)));
        let machine = if of.is_same_machine { "the same" } else { "another, or other settings" };
        let words = [of.name.clone(), comparison.models[of.pair].name(), machine.to_owned(), of.flags.join(", ")];
        words.into_iter().chain(milliseconds).chain([of.ratio().map_or("–".to_owned(), number)])
    });
    let table =
        Table::new(&["measurement", "model", "machine", "flags"], &["baseline", "candidate", "ratio"]).rows(rows);
    let about = "Observed in two runs, at two times: a machine that was busier, warmer or slower then changes the ratio as a slower \
                 model does. To compare latencies measure both in turns: ";
    let about = Text::from(about).code("tinyassay latency OLD NEW --reference OLD").plain(".");
    (!comparison.latency.is_empty()).then(|| Section::new("Latency").note(about).table(table))
}

fn only(comparison: &Comparison) -> Option<Section> {
    let [baseline, candidate] = &comparison.only;
    let lines = [("baseline", baseline), ("candidate", candidate)];
    let lines = lines.into_iter().flat_map(|(of, names)| names.iter().map(move |name| (of, name)));
    let lines: Vec<Text> = lines.map(|(of, name)| Text::default().emphasis(of).plain(format!(": {name}"))).collect();
    (!lines.is_empty()).then(|| Section::new("In one of them only").list(lines))
}

fn agreement(comparison: &Comparison) -> Section {
    let section = Section::new("Whether the runs are comparable");
    let differ: Vec<_> = comparison.agreements.iter().filter(|of| !of.agrees()).collect();
    let same = comparison.agreements.iter().filter(|of| of.agrees()).map(|of| of.what).collect::<Vec<_>>().join(", ");
    let section = if same.is_empty() { section } else { section.paragraph(format!("The same in both: {same}.")) };
    let rows = differ.iter().map(|of| [of.what, &of.baseline, &of.candidate, of.otherwise]);
    let table = Table::new(&["differs", "baseline", "candidate", "what follows"], &[]).rows(rows);
    let files = comparison.models.iter().filter(|pair| pair.is_same_file).count();
    let section = match files {
        0 => section,
        n => section.paragraph(format!("{} of the very same files.", counted(n, "pair is", "pairs are"))),
    };
    section.table(table)
}
