//! Leaderboards of several reports in the forms that people and machines read.

mod html;
mod json;
mod markdown;

use evidence::Results;

use crate::board::{Board, board};
use crate::columns::{Column, Value, columns};
use crate::formats::{csv, terminal};
use crate::merge::Merged;
use crate::{Error, pareto};

/// What a user chooses of a leaderboard.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// The columns of the Pareto front, by id; the usual ones without any.
    pub pareto: Vec<String>,
    /// The column that orders the models, by id; by rank where nobody says.
    pub sort: Option<String>,
}

/// A form that leaderboards take.
pub struct BoardFormat {
    /// What a user calls it.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// A pure function.
    pub render: fn(&[Merged], &Choice) -> Result<String, Error>,
}

/// All forms of leaderboards.
pub const BOARD_FORMATS: &[BoardFormat] = &[
    BoardFormat { name: "terminal", about: "for the screen", render: screen },
    BoardFormat { name: "markdown", about: "for people, with the parameters of every check", render: markdown::render },
    BoardFormat { name: "csv", about: "a line for each model, for spreadsheets", render: sheet },
    BoardFormat { name: "json", about: "every column and every pair, for machines", render: json::render },
    BoardFormat { name: "html", about: "one page that needs nothing but a browser", render: html::render },
];

/// Refuses columns that no board has.
fn check(merged: &[Merged], choice: &Choice) -> Result<(), Error> {
    let all: Vec<Vec<Column>> = merged.iter().map(|one| columns(&board(&one.results), &one.results)).collect();
    for id in choice.pareto.iter().chain(&choice.sort) {
        if !all.iter().flatten().any(|column| column.id == *id) {
            let mut known: Vec<&str> = Vec::new();
            for column in all.iter().flatten() {
                if !known.contains(&column.id.as_str()) {
                    known.push(&column.id);
                }
            }
            return Err(Error::NoColumn { id: id.clone(), known: known.join(", ") });
        }
    }
    Ok(())
}

/// A board in the order that was chosen, where it has that column.
fn sorted<'a>(results: &'a Results, choice: &Choice) -> Board<'a> {
    let mut board = board(results);
    let columns = columns(&board, results);
    if let Some(column) = choice.sort.as_ref().and_then(|id| columns.iter().find(|column| column.id == *id)) {
        let mut entries: Vec<(&Value, _)> = column.values.iter().zip(std::mem::take(&mut board.entries)).collect();
        entries.sort_by(|a, b| column.standing(a.0, b.0));
        board.entries = entries.into_iter().map(|(_, entry)| entry).collect();
    }
    board
}

/// Those of the chosen ids that this board has.
fn present(columns: &[Column], choice: &Choice) -> Vec<String> {
    let is_there = |id: &&String| columns.iter().any(|column| column.id == **id);
    choice.pareto.iter().filter(is_there).cloned().collect()
}

/// `signs32 test, 500 rows; linf within 2/255`.
fn asked(results: &Results) -> String {
    let (data, threat) = (&results.dataset, &results.threat);
    let budget = threat.budget.as_ref().map(|budget| format!("; {budget} a row at most")).unwrap_or_default();
    format!("{} {}, {} rows; {} within {}{budget}", data.name, data.split, data.samples, threat.norm, threat.epsilon)
}

fn screen(merged: &[Merged], choice: &Choice) -> Result<String, Error> {
    check(merged, choice)?;
    let mut text = Vec::new();
    for one in merged {
        let board = sorted(&one.results, choice);
        let columns = columns(&board, &one.results);
        let front = pareto::chosen(&columns, &present(&columns, choice))?;
        text.push(terminal::shown(&one.results, &board, &front));
    }
    Ok(text.join("\n"))
}

/// One table of all boards: a column that one of them lacks is empty there.
fn sheet(merged: &[Merged], choice: &Choice) -> Result<String, Error> {
    check(merged, choice)?;
    let mut header: Vec<String> = Vec::new();
    let mut lines: Vec<(String, Vec<String>, Vec<String>)> = Vec::new();
    for one in merged {
        let mut table = csv::table(&sorted(&one.results, choice), &one.results).into_iter();
        let titles = table.next().unwrap_or_default();
        for title in &titles {
            if !header.contains(title) {
                header.push(title.clone());
            }
        }
        let asked = csv::text(&asked(&one.results));
        lines.extend(table.map(|line| (asked.clone(), titles.clone(), line)));
    }
    let line = |(asked, titles, cells): &(String, Vec<String>, Vec<String>)| {
        let cell = |title: &String| titles.iter().position(|one| one == title).map_or("", |at| cells[at].as_str());
        let cells: Vec<&str> = std::iter::once(asked.as_str()).chain(header.iter().map(cell)).collect();
        cells.join(",") + "\r\n"
    };
    let head = std::iter::once("board").chain(header.iter().map(String::as_str)).collect::<Vec<_>>().join(",");
    Ok(format!("{head}\r\n{}", lines.iter().map(line).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::{Source, merge};
    use crate::sample::{example, ranked, with_probes};

    /// Two questions: the second is asked by two reports.
    pub(super) fn two() -> Vec<Merged> {
        let source = |name: &str, link: Option<&str>, results| Source {
            name: name.into(),
            link: link.map(str::to_owned),
            results,
        };
        let sources = [
            source("animals", Some("animals/report.md"), ranked()),
            source("resnet", None, example()),
            source("resnet-probes", Some("resnet-probes/report.md"), with_probes()),
        ];
        merge(&sources).unwrap()
    }

    fn choice(pareto: &[&str], sort: Option<&str>) -> Choice {
        Choice { pareto: pareto.iter().map(|id| (*id).to_owned()).collect(), sort: sort.map(str::to_owned) }
    }

    #[test]
    fn every_form_has_every_model_once_and_refuses_columns_that_are_nowhere() {
        let merged = two();
        for format in BOARD_FORMATS {
            let text = (format.render)(&merged, &Choice::default()).unwrap();
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{}", format.name);
            for model in merged.iter().flat_map(|one| &one.results.models) {
                assert!(text.contains(&model.name), "{}: {}", format.name, model.name);
            }
            let error = (format.render)(&merged, &choice(&["speed"], None)).unwrap_err().to_string();
            assert!(error.contains("`speed`") && error.contains("fgsm"), "{error}");
            assert!((format.render)(&merged, &choice(&[], Some("speed"))).is_err());
            // The column of one board only.
            assert!((format.render)(&merged, &choice(&["fgsm", "clean"], Some("fgsm"))).is_ok(), "{}", format.name);
            assert!((format.render)(&[], &Choice::default()).is_ok());
        }
    }

    #[test]
    fn models_are_sorted_by_the_chosen_column() {
        let merged = two();
        let order = |sort| {
            let board = sorted(&merged[0].results, &choice(&[], sort));
            board.entries.iter().map(|entry| entry.model.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(order(None), ["strong", "middle", "weak"]);
        assert_eq!(order(Some("macs")), ["weak", "strong", "middle"]);
        assert_eq!(order(Some("fgsm")), order(None), "a column of another board");
    }

    #[test]
    fn every_line_of_the_sheet_has_as_many_cells() {
        let text = sheet(&two(), &Choice::default()).unwrap();
        // No name of the sample needs quotes but the question, which has one comma.
        let counts: Vec<usize> = text.lines().map(|line| line.replace(", ", " ").matches(',').count()).collect();
        assert_eq!(counts.len(), 1 + 3 + 2);
        assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    }
}
