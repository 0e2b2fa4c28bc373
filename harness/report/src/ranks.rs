//! How ranks come about: every pair of models on the same rows.

use evidence::{PairedTest, Ranking, Results};

use crate::board::Board;
use crate::text::{number, table};

/// More pairs than these are in `results.json` only.
const MOST_PAIRS: usize = 66;

/// The section of the report; `None` for results that compare nothing.
pub(crate) fn section(board: &Board, results: &Results) -> Option<String> {
    let ranking = results.ranking.as_ref()?;
    if ranking.pairs.len() > MOST_PAIRS {
        let count = ranking.pairs.len();
        return Some(format!("{}\n\nThere are {count} pairs; `results.json` lists them.", about(ranking)));
    }
    let rows = pairs(board, ranking).into_iter().map(|pair| cells(&pair).to_vec());
    Some(format!("{}\n\n{}", about(ranking), table(&HEADER, rows)))
}

/// The head of the table of pairs.
pub(crate) const HEADER: [&str; 9] =
    ["model", "against", "only the first", "only the second", "difference", "95 %", "p", "p (Holm)", "better"];

/// What ranks are, without markup.
pub(crate) fn about(ranking: &Ranking) -> String {
    let percent = number(100.0 * ranking.significance);
    let percent = percent.trim_end_matches(".000");
    format!(
        "A model's rank is 1 and the number of models that are significantly better: of the rows that only one of the two withstands \
         (or without attacks, gets right), so many more are the other's that chance would seldom do it. That is McNemar's exact test, \
         two-sided, on the same rows, with Holm's correction for {} at {percent} %. The pairs say which two can be told apart; two that \
         cannot need not be equal. A pair counts the attacks that both faced: one that a model guides is not tried on it. The difference is in percentage points of all rows, with Tango's 95 % \
         score interval of that pair alone, which need not agree with the corrected test.",
        corrected_for(ranking)
    )
}

/// `all 36 pairs`.
pub(crate) fn corrected_for(ranking: &Ranking) -> String {
    match ranking.pairs.len() {
        1 => "the one pair".to_owned(),
        count => format!("all {count} pairs"),
    }
}

/// A line for the screen and for lists.
pub(crate) fn short_about(ranking: &Ranking) -> String {
    format!(
        "Rank: 1 and the number of models that are significantly better on the same rows (McNemar's exact test, Holm-corrected at {} %).",
        number(100.0 * ranking.significance).trim_end_matches(".000")
    )
}

/// Every pair in the order of the board, the model that stands higher first.
pub(crate) fn pairs(board: &Board, ranking: &Ranking) -> Vec<PairedTest> {
    let place = |name: &str| board.entries.iter().position(|entry| entry.model.name == name);
    let mut pairs: Vec<PairedTest> = ranking.pairs.clone();
    for pair in &mut pairs {
        if place(&pair.a) > place(&pair.b) {
            turn(pair);
        }
    }
    pairs.sort_by_key(|pair| (place(&pair.a), place(&pair.b)));
    pairs
}

/// The same pair the other way round.
fn turn(pair: &mut PairedTest) {
    std::mem::swap(&mut pair.a, &mut pair.b);
    std::mem::swap(&mut pair.rows.only_a, &mut pair.rows.only_b);
    // Zero has one sign only.
    (pair.difference, pair.ci_low, pair.ci_high) = (0.0 - pair.difference, 0.0 - pair.ci_high, 0.0 - pair.ci_low);
}

/// One line of the table.
pub(crate) fn cells(pair: &PairedTest) -> [String; 9] {
    let points = |share: f64| format!("{:+.2}", 100.0 * share);
    let better = if pair.difference > 0.0 { &pair.a } else { &pair.b };
    [
        pair.a.clone(),
        pair.b.clone(),
        pair.rows.only_a.to_string(),
        pair.rows.only_b.to_string(),
        points(pair.difference),
        format!("{} to {}", points(pair.ci_low), points(pair.ci_high)),
        p_value(pair.p),
        p_value(pair.p_holm),
        if pair.is_significant() { better.clone() } else { "–".to_owned() },
    ]
}

fn p_value(p: f64) -> String {
    if p < 1e-4 { "≤ 0.0001".to_owned() } else { format!("{p:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::board;
    use crate::sample::{example, ranked};

    #[test]
    fn pairs_are_tested_and_the_higher_stands_first() {
        let results = ranked();
        let text = section(&board(&results), &results).unwrap();
        let (_, table) = text.split_once("\n\n").unwrap();
        insta::assert_snapshot!(table, @r##"
| model  | against | only the first | only the second | difference | 95 %             | p        | p (Holm) | better |
|--------|---------|----------------|-----------------|------------|------------------|----------|----------|--------|
| strong | middle  | 60             | 40              | +10.00     | +0.20 to +19.61  | 0.0569   | 0.0569   | –      |
| strong | weak    | 80             | 0               | +40.00     | +33.46 to +46.92 | ≤ 0.0001 | ≤ 0.0001 | strong |
| middle | weak    | 90             | 30              | +30.00     | +19.76 to +39.53 | ≤ 0.0001 | ≤ 0.0001 | middle |
"##);
        assert!(text.contains("all 3 pairs at 5 %"), "{text}");
        assert_eq!(section(&board(&example()), &example()), None);
    }

    #[test]
    fn turning_a_pair_twice_changes_nothing() {
        for pair in ranked().ranking.unwrap().pairs {
            let mut turned = pair.clone();
            turn(&mut turned);
            assert_eq!((turned.difference, turned.rows.only_a), (-pair.difference, pair.rows.only_b));
            assert!(turned.ci_low <= turned.difference && turned.difference <= turned.ci_high);
            turn(&mut turned);
            assert_eq!(turned, pair);
        }
    }

    #[test]
    fn small_p_values_are_a_limit() {
        assert_eq!([0.5, 1.0, 1e-4, 9.9e-5, 0.0].map(p_value), ["0.5000", "1.0000", "0.0001", "≤ 0.0001", "≤ 0.0001"]);
    }
}
