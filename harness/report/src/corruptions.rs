//! Accuracy under common corruptions, where the suite asked for it.

use evidence::{CorruptionResult, CorruptionResults};

use crate::board::Board;
use crate::text::{limits, markdown, percent, table};

const ABOUT: &str = "\
Accuracy of the registered file on corrupted rows, in percent, with its 95 % interval, counted on these rows: neither an \
upper nor a lower bound, and no worst case, since nothing is searched for. Severity 1 is the mildest. *Mean* is over the \
severities of a row of the table. The corruptions are in the spirit of CIFAR-10-C, with its numbers, and are not its files: accuracies \
on these are others.";

/// The head of the leaderboard's column.
pub(crate) const COLUMN: &str = "corrupted, mean";

/// What that column says, without markup.
pub(crate) const LEGEND: &str =
    "the mean accuracy over all corruptions and severities, measured on these rows; no worst case and no bound";

/// The section of the report; `None` without corruptions.
pub(crate) fn section(board: &Board) -> Option<String> {
    let mut models = Vec::new();
    let mut all: Vec<&CorruptionResult> = Vec::new();
    for entry in &board.entries {
        let Some(results) = &entry.model.corruptions else { continue };
        models.push(format!("### {}\n\n{}\n\n{}", markdown(&entry.model.name), means(results), cells(results)));
        let new = results.corruptions.iter().filter(|one| all.iter().all(|known| known.name != one.name));
        all.extend(new.collect::<Vec<_>>());
    }
    let line =
        |one: &CorruptionResult| format!("- **{}** ({}): {}", markdown(&one.name), numbers(one), markdown(&one.about));
    let lines: Vec<String> = all.into_iter().map(line).collect();
    (!models.is_empty()).then(|| format!("{ABOUT}\n\n{}\n\n{}", lines.join("\n"), models.join("\n\n")))
}

/// The mean of a model for the leaderboard.
pub(crate) fn mean(results: Option<&CorruptionResults>) -> String {
    results.map_or("–".into(), |results| format!("{} %", percent(results.mean_accuracy)))
}

fn means(results: &CorruptionResults) -> String {
    let relative = results.relative_accuracy.map_or("–".into(), |share| format!("{} %", percent(share)));
    format!("Mean accuracy {} %; relative to the clean accuracy {relative}.", percent(results.mean_accuracy))
}

/// Corruption by severity.
fn cells(results: &CorruptionResults) -> String {
    let cells = || results.corruptions.iter().flat_map(|one| &one.severities);
    let mut severities: Vec<u32> = cells().map(|cell| cell.severity).collect();
    severities.sort_unstable();
    severities.dedup();
    let heads: Vec<String> = severities.iter().map(|severity| format!("severity {severity}")).collect();
    let header: Vec<&str> = ["corruption", "mean"].into_iter().chain(heads.iter().map(String::as_str)).collect();
    let rows = results.corruptions.iter().map(|one| {
        let cell = |severity: &u32| {
            let found = one.severities.iter().find(|cell| cell.severity == *severity);
            found.map_or("–".to_owned(), |cell| {
                format!("{} ({})", percent(cell.accuracy), limits(cell.ci_low, cell.ci_high))
            })
        };
        [one.name.clone(), percent(one.mean_accuracy)].into_iter().chain(severities.iter().map(cell)).collect()
    });
    table(&header, rows)
}

/// Such as `deviation 0.04, 0.06`.
fn numbers(one: &CorruptionResult) -> String {
    let names = one.severities.first().into_iter().flat_map(|cell| cell.parameters.keys());
    let values = |name: &String| {
        let values = one.severities.iter().filter_map(|cell| cell.parameters.get(name)).map(f64::to_string);
        format!("{} {}", markdown(name), values.collect::<Vec<_>>().join(", "))
    };
    names.map(values).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::board;
    use crate::sample::{example, with_corruptions};

    #[test]
    fn every_model_has_a_table_of_corruption_by_severity() {
        insta::assert_snapshot!(section(&board(&with_corruptions())).unwrap(), @r"
        Accuracy of the registered file on corrupted rows, in percent, with its 95 % interval, counted on these rows: neither an upper nor a lower bound, and no worst case, since nothing is searched for. Severity 1 is the mildest. *Mean* is over the severities of a row of the table. The corruptions are in the spirit of CIFAR-10-C, with its numbers, and are not its files: accuracies on these are others.

        - **contrast** (kept 0.75, 0.15): What contrast does.
        - **jpeg** (quality 80, 40): What jpeg does.

        ### resnet8-cifar10

        Mean accuracy 60.00 %; relative to the clean accuracy 68.82 %.

        | corruption | mean  | severity 1          | severity 5          |
        |------------|-------|---------------------|---------------------|
        | contrast   | 65.00 | 80.00 (79.20–80.78) | 50.00 (49.02–50.98) |
        | jpeg       | 55.00 | 70.00 (69.09–70.90) | 40.00 (39.04–40.97) |
        ");
        assert_eq!(section(&board(&example())), None);
    }

    #[test]
    fn models_without_corruptions_have_a_dash() {
        let results = with_corruptions();
        let means: Vec<String> = results.models.iter().map(|model| mean(model.corruptions.as_ref())).collect();
        assert_eq!(means, ["–", "60.00 %"]);
    }
}
