//! How well what is found on one model fools another.

use evidence::AttackResult;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};

use crate::board::{Board, Entry};
use crate::text::{markdown, percent, plain, table};

const ABOUT: &str = "\
Robust accuracy in percent of the models of the columns against attacks that the models of the rows guide: the lower, the more \
transfers. Every proposal is put before the attacked model, and the first that fools it counts, so that each number is an upper bound. \
On the diagonal: the same attack guided by the model itself.";

/// One attack, from every source to every model.
struct Matrix<'a> {
    attack: &'a str,
    sources: Vec<&'a str>,
    targets: Vec<&'a str>,
    /// A row for each source.
    cells: Vec<Vec<Option<f64>>>,
}

/// One matrix for each attack that is transferred, in the order of the leaderboard.
fn matrices<'a>(board: &Board<'a>) -> Vec<Matrix<'a>> {
    let transfers = |entry: &'_ Entry<'a>| -> Vec<(&'a str, &'a str, &'a AttackResult)> {
        let attacks = entry.attacks.iter().flatten();
        attacks.filter_map(|attack| Some((stem(attack)?, attack.source.as_deref()?, *attack))).collect()
    };
    let mut found: Vec<Matrix<'a>> = Vec::new();
    for (attack, source, _) in board.entries.iter().flat_map(transfers) {
        let matrix = match found.iter().position(|matrix| matrix.attack == attack) {
            Some(place) => &mut found[place],
            None => {
                let targets = board.entries.iter().map(|entry| entry.model.name.as_str()).collect();
                found.push(Matrix { attack, sources: Vec::new(), targets, cells: Vec::new() });
                found.last_mut().expect("it was just pushed")
            }
        };
        if !matrix.sources.contains(&source) {
            matrix.sources.push(source);
        }
    }
    for matrix in &mut found {
        matrix.sources.sort_unstable();
        matrix
            .sources
            .sort_by_key(|source| matrix.targets.iter().position(|target| target == source).unwrap_or(usize::MAX));
        let cell = |source: &str, entry: &Entry<'a>| {
            let own = entry.model.name == source;
            let attacks = entry.attacks.iter().flatten();
            let mut of_source = attacks.filter(|attack| match &attack.source {
                None => own && attack.name == matrix.attack,
                Some(other) => other == source && stem(attack) == Some(matrix.attack),
            });
            of_source.next().map(|attack| attack.robust_accuracy)
        };
        let row = |source: &&str| board.entries.iter().map(|entry| cell(source, entry)).collect();
        matrix.cells = matrix.sources.iter().map(row).collect();
    }
    found
}

/// The attack's name without its source.
fn stem(attack: &AttackResult) -> Option<&str> {
    attack.name.strip_suffix(attack.source.as_deref()?)?.strip_suffix("-from-")
}

fn cell(accuracy: &Option<f64>) -> String {
    accuracy.map_or("–".to_owned(), percent)
}

/// The section of the report; `None` without a transfer.
pub(crate) fn section(board: &Board<'_>) -> Option<String> {
    let each = |matrix: &Matrix<'_>| {
        let header: Vec<&str> = ["guided by"].into_iter().chain(matrix.targets.iter().copied()).collect();
        let rows = matrix.sources.iter().zip(&matrix.cells);
        let rows =
            rows.map(|(source, cells)| std::iter::once((*source).to_owned()).chain(cells.iter().map(cell)).collect());
        format!("### {}\n\n{}", markdown(matrix.attack), table(&header, rows))
    };
    let tables: Vec<String> = matrices(board).iter().map(each).collect();
    (!tables.is_empty()).then(|| format!("{ABOUT}\n\n{}", tables.join("\n\n")))
}

/// The same for a terminal.
pub(crate) fn terminal(board: &Board<'_>) -> Option<String> {
    let each = |matrix: &Matrix<'_>| {
        let mut table = Builder::default();
        table.push_record(
            std::iter::once("guided by".to_owned()).chain(matrix.targets.iter().map(|target| plain(target))),
        );
        for (source, cells) in matrix.sources.iter().zip(&matrix.cells) {
            table.push_record(std::iter::once(plain(source)).chain(cells.iter().map(cell)));
        }
        let mut table = table.build();
        table.with(Style::rounded()).modify(Columns::new(1..), Alignment::right());
        let attack = plain(matrix.attack);
        format!("\n{attack}, transferred: robust accuracy (%) of the models of the columns, at most\n{table}\n")
    };
    let tables: Vec<String> = matrices(board).iter().map(each).collect();
    (!tables.is_empty()).then(|| tables.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::board;
    use crate::leaderboard;
    use crate::sample::{example, model, results};
    use evidence::Results;

    /// Two models that attack each other, and a third that only attacks.
    fn transferred() -> Results {
        let names = [
            ("a", [("pgd-20", 5000), ("pgd-20-from-b", 7000), ("pgd-20-from-twin", 5100)]),
            ("b", [("pgd-20", 4000), ("pgd-20-from-a", 6000), ("pgd-20-from-twin", 6500)]),
        ];
        let mut results = results(names.iter().map(|(name, attacks)| model(name, 9000, attacks)).collect());
        for attack in results.models.iter_mut().flat_map(|model| &mut model.attacks) {
            attack.source = attack.name.strip_prefix("pgd-20-from-").map(str::to_owned);
        }
        results
    }

    #[test]
    fn rows_are_sources_and_columns_are_what_they_attack() {
        let results = transferred();
        insta::assert_snapshot!(section(&board(&results)).unwrap(), @r"
        Robust accuracy in percent of the models of the columns against attacks that the models of the rows guide: the lower, the more transfers. Every proposal is put before the attacked model, and the first that fools it counts, so that each number is an upper bound. On the diagonal: the same attack guided by the model itself.

        ### pgd-20

        | guided by | a     | b     |
        |-----------|-------|-------|
        | a         | 50.00 | 60.00 |
        | b         | 70.00 | 40.00 |
        | twin      | 51.00 | 65.00 |
        ");
        assert_eq!((section(&board(&example())), terminal(&board(&example()))), (None, None));
    }

    #[test]
    fn the_leaderboard_has_no_column_for_each_source() {
        let text = leaderboard(&transferred());
        assert!(!text.contains("from-") && text.contains("pgd-20, transferred") && text.contains("twin"), "{text}");
    }
}
