use evidence::Flag;

use super::Case;
use super::wording::{each_attack, each_probe, some};
use crate::board::{board, doubts};
use crate::document::{Section, Text};

pub(super) const TITLE: &str = "Failure indicators";

pub(super) fn chapter(case: &Case<'_>) -> Section {
    let section = Section::new(TITLE).paragraph(
        "Signs that a search was weak, that gradients are masked, or that a verdict hangs by a thread. They are raised row by row; with \
         enough rows a result is inconclusive: the truth may lie far below the number, and no gate passes on it.",
    );
    section.section(inconclusive(case)).section(raised(case))
}

fn inconclusive(case: &Case<'_>) -> Section {
    let board = board(case.results());
    let lines = doubts(&board).into_iter().map(|doubt| {
        let under = doubt.attack.map_or("in all that is measured on it".to_owned(), |attack| format!("under {attack}"));
        Text::default().strong(doubt.model).plain(format!(" {under}: {}", doubt.reasons()))
    });
    let lines: Vec<Text> = lines.collect();
    match lines.is_empty() {
        true => Section::new("Inconclusive results").paragraph("None: no flag has enough rows."),
        false => Section::new("Inconclusive results").list(lines),
    }
}

fn raised(case: &Case<'_>) -> Section {
    let results = case.results();
    let line = |doc: &evidence::FlagDoc| {
        let count = |of: Option<&u64>, place: String| Some(format!("{} {place}", some(*of?, "row")));
        let clean = results.models.iter().filter_map(|m| count(m.flags.get(&doc.flag), format!("of {}", m.name)));
        let attacked = each_attack(results).filter_map(|(m, attack)| {
            count(attack.flags.get(&doc.flag), format!("of {} under {}", m.name, attack.name))
        });
        let probed = each_probe(results)
            .filter_map(|(m, probe)| count(probe.flags.get(&doc.flag), format!("of {} in {}", m.name, probe.name)));
        let places: Vec<String> = clean.chain(attacked).chain(probed).collect();
        let decides = match doc.inconclusive_from {
            None => "never makes a result inconclusive by itself".to_owned(),
            Some(0.0) => "one row makes a result inconclusive".to_owned(),
            Some(share) => format!("inconclusive from {} % of the rows on", 100.0 * share),
        };
        (!places.is_empty()).then(|| {
            Text::default().strong(doc.name).plain(format!(
                ": {}. Raised if {}. It means: {}. What to do: {}. Weight: {decides}.",
                places.join("; "),
                doc.raised_if,
                doc.means,
                doc.advice
            ))
        })
    };
    let lines: Vec<Text> = Flag::DOCS.iter().filter_map(line).collect();
    let names: Vec<&str> = Flag::DOCS.iter().map(|doc| doc.name).collect();
    let section = Section::new("Flags that were raised");
    match lines.is_empty() {
        true => section.paragraph(format!("None, of these: {}.", names.join(", "))),
        false => section.list(lines).paragraph(format!("Looked for: {}.", names.join(", "))),
    }
}
