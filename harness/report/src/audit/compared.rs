//! Models beside each other on the same rows.

use evidence::SIGNIFICANCE;

use super::Case;
use crate::document::{Section, Table, Text};
use crate::text::{number, span};

/// More pairs than this fill pages; the results have them all.
const MOST_PAIRS: usize = 45;

pub(super) fn section(case: &Case<'_>) -> Section {
    let section = Section::new("Comparison of the models");
    let Some(ranking) = &case.results().ranking else {
        let why = match case.results().models.len() {
            0 | 1 => "There is one model, and nothing to compare it with here.",
            _ => {
                "The results were made by a version that did not compare models row by row. Overlapping intervals do not mean that \
                  models are equal: they were evaluated on the same rows."
            }
        };
        return section.paragraph(why);
    };
    let mut pairs: Vec<_> = ranking.pairs.iter().collect();
    pairs.sort_by(|a, b| a.p_holm.total_cmp(&b.p_holm));
    let rows = pairs.iter().take(MOST_PAIRS).map(|pair| {
        let word = match pair.is_significant() {
            false => "cannot be told apart".to_owned(),
            true if pair.difference > 0.0 => format!("{} is better", pair.a),
            true => format!("{} is better", pair.b),
        };
        [
            pair.a.clone(),
            pair.b.clone(),
            format!("{:+.2} ({})", 100.0 * pair.difference, span(pair.ci_low, pair.ci_high)),
            pair.rows.only_a.to_string(),
            pair.rows.only_b.to_string(),
            number(pair.p_holm),
            word,
        ]
        .map(Text::from)
    });
    let header = ["difference, points", "only a", "only b", "p (Holm)"];
    let table = Table::new(&["a", "b"], &header).and_words("").rows(rows.collect::<Vec<_>>());
    let left_out = pairs.len().saturating_sub(MOST_PAIRS);
    let section = section
        .paragraph(format!(
            "On the same rows: the share that a gets right under every attack that both faced less that of b, in percentage points, with Tango's 95 % \
             interval of the pair alone; rows that only one gets; and McNemar's exact two-sided p-value after Holm's correction over \
             all {} pairs. Below {SIGNIFICANCE} one is called better.",
            ranking.pairs.len()
        ))
        .table(table);
    match left_out {
        0 => section,
        n => section.paragraph(format!("{n} more pairs, all with larger p-values, are in results.json.")),
    }
}
