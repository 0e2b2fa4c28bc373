//! A leaderboard on the page: the table with its controls, the Pareto front, ranks and classes.

use std::fmt::Write;

use evidence::Results;
use serde_json::{Value as Json, json};

use super::{Section, parts};
use crate::board::{Board, Entry};
use crate::columns::{Better, Column, Unit, Value, columns};
use crate::text::{html, limits};
use crate::{Error, classes, pareto, ranks};

/// A leaderboard that is shown.
pub(crate) struct Shown<'a> {
    results: &'a Results,
    board: &'a Board<'a>,
    columns: Vec<Column>,
    /// Places of the columns of the front.
    axes: Vec<usize>,
    front: Vec<bool>,
    /// What follows the ids of this board, of several on one page.
    suffix: &'a str,
    /// Id of the column that the models are in the order of.
    sort: &'a str,
}

impl<'a> Shown<'a> {
    /// With the front of these columns, or the usual ones.
    ///
    /// Errors: [`Error::NoColumn`] for a column that is not there.
    pub(crate) fn new(
        results: &'a Results,
        board: &'a Board<'a>,
        suffix: &'a str,
        pareto: &[String],
    ) -> Result<Self, Error> {
        let columns = columns(board, results);
        let chosen = pareto::chosen(&columns, pareto)?;
        let front = pareto::front(&chosen);
        let axes = columns.iter().enumerate().filter(|(_, column)| chosen.iter().any(|one| one.id == column.id));
        let axes = axes.map(|(at, _)| at).collect();
        Ok(Self { results, board, axes, front, suffix, sort: "rank", columns })
    }

    /// Of a board that is in the order of another column.
    pub(crate) fn with_sort(self, sort: Option<&'a str>) -> Self {
        let known = sort.filter(|id| self.columns.iter().any(|column| column.id == *id));
        Self { sort: known.unwrap_or(self.sort), ..self }
    }

    /// The parts of the page that are about it.
    pub(crate) fn sections(&self) -> Vec<Section> {
        let section = |id: &str, title: &str, body: String| Section::new(&format!("{id}{}", self.suffix), title, body);
        let mut sections = vec![section("leaderboard", "Leaderboard", self.leaderboard())];
        if self.board.entries.len() > 1 {
            sections.push(section("pareto", "Pareto front", self.scatter()));
        }
        if let Some(ranking) = &self.results.ranking {
            let pairs: Vec<Vec<String>> =
                ranks::pairs(self.board, ranking).iter().map(|pair| ranks::cells(pair).to_vec()).collect();
            let table = parts::table("Pairs of models", &ranks::HEADER, &pairs, 2);
            let pairs =
                format!("<details><summary>Show {}</summary>\n{table}</details>", ranks::corrected_for(ranking));
            sections.push(section("ranks", "Ranks", parts::prose(&ranks::about(ranking)) + &pairs));
        }
        if let Some((header, rows)) = classes::cells(self.board) {
            let header: Vec<&str> = header.iter().map(String::as_str).collect();
            let table = parts::table("Accuracy by class", &header, &rows, 1);
            sections.push(section("classes", "Classes", parts::prose(classes::ABOUT) + &table));
        }
        sections
    }

    fn leaderboard(&self) -> String {
        format!(
            "<div class=\"board\">\n{}{}{}\n<p class=\"status\" role=\"status\"></p>\n{}\n\
             <script type=\"application/json\">{}</script>\n</div>",
            parts::doubted(self.board, &self.id("flags")),
            self.controls(),
            self.table(),
            self.explained(),
            embedded(&self.data())
        )
    }

    fn controls(&self) -> String {
        let boxes: String = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let checked = if column.is_minor { "" } else { " checked" };
                format!(
                    "<label><input type=\"checkbox\" data-column=\"{at}\"{checked}> {}</label>\n",
                    html(&column.title)
                )
            })
            .collect();
        format!(
            "<div class=\"controls js-only\">\n<label class=\"filter\">Filter models <input type=\"search\" autocomplete=\"off\" \
             spellcheck=\"false\"></label>\n<details class=\"choose\"><summary>Columns</summary><div>\n{boxes}</div></details>\n</div>\n"
        )
    }

    fn table(&self) -> String {
        let head: String = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let sort = match column.better {
                    _ if column.id != self.sort => "none",
                    Better::Lower => "ascending",
                    Better::Higher => "descending",
                };
                format!(
                    "<th scope=\"col\" class=\"num\" data-column=\"{at}\" aria-sort=\"{sort}\"><button type=\"button\" \
                     aria-describedby=\"{}\">{}</button></th>\n",
                    self.about_id(at),
                    html(&column.title)
                )
            })
            .collect();
        let rows: String = self.board.entries.iter().enumerate().map(|(row, entry)| self.row(row, entry)).collect();
        format!(
            "<div class=\"scroll\" role=\"region\" aria-label=\"Leaderboard\" tabindex=\"0\"><table class=\"leaderboard\">\n<thead><tr>\n\
             <th scope=\"col\" data-column=\"name\" aria-sort=\"none\"><button type=\"button\" aria-describedby=\"{}\">model</button></th>\n\
             {head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>",
            self.id("about-name")
        )
    }

    fn row(&self, row: usize, entry: &Entry<'_>) -> String {
        let on = if self.front[row] { " class=\"front\"" } else { "" };
        let mut text = format!(
            "<tr{on} data-row=\"{row}\"><th scope=\"row\">{}<span class=\"on-front\"> on the front</span></th>",
            html(&entry.model.name)
        );
        for (at, column) in self.columns.iter().enumerate() {
            let _ = write!(text, "<td class=\"num\" data-column=\"{at}\">{}</td>", cell(column, &column.values[row]));
        }
        text + "</tr>\n"
    }

    /// Every column in a sentence: what the tooltips say.
    fn explained(&self) -> String {
        let mut items = format!("<dt>model</dt><dd id=\"{}\">{NAME}</dd>\n", self.id("about-name"));
        for (at, column) in self.columns.iter().enumerate() {
            let _ = writeln!(
                items,
                "<dt>{}</dt><dd id=\"{}\">{}</dd>",
                html(&column.title),
                self.about_id(at),
                html(&column.about)
            );
        }
        format!(
            "{}\n<details><summary>What the columns say</summary>\n<dl class=\"wide\">\n{items}</dl></details>",
            parts::prose(READ)
        )
    }

    fn scatter(&self) -> String {
        let on: Vec<&str> = self
            .board
            .entries
            .iter()
            .zip(&self.front)
            .filter(|(_, on)| **on)
            .map(|(entry, _)| entry.model.name.as_str())
            .collect();
        let axes: Vec<&Column> = self.axes.iter().map(|at| &self.columns[*at]).collect();
        let options = |chosen: Option<&usize>| -> String {
            let option = |(at, column): (usize, &Column)| {
                let selected = if Some(&at) == chosen { " selected" } else { "" };
                format!("<option value=\"{at}\"{selected}>{}</option>", html(&column.title))
            };
            self.columns.iter().enumerate().skip(1).map(option).collect()
        };
        // The good end of costs is on the left, as in most such pictures.
        let (across, up) = match self.axes[..] {
            [] => (None, None),
            [only] => (Some(only), Some(only)),
            [first, second, ..] if self.columns[first].better == Better::Lower => (Some(first), Some(second)),
            [first, second, ..] => (Some(second), Some(first)),
        };
        format!(
            "{}<div class=\"scatter\" data-board=\"leaderboard{}\">\n<div class=\"controls js-only\">\n<label>Across <select data-axis=\"x\">{}</select></label>\n\
             <label>Up <select data-axis=\"y\">{}</select></label>\n</div>\n<p class=\"front-list\">On the front of <b>{}</b>: {}.</p>\n\
             <div class=\"plot\"></div>\n</div>",
            parts::prose(PARETO),
            self.suffix,
            options(across.as_ref()),
            options(up.as_ref()),
            html(&pareto::names(&axes)),
            html(&if on.is_empty() { "none".to_owned() } else { on.join(", ") }),
        )
    }

    fn data(&self) -> Json {
        let columns: Vec<Json> = self
            .columns
            .iter()
            .map(|column| {
                let kind = match column.unit {
                    Unit::Rank => "rank",
                    Unit::Share => "share",
                    Unit::Count | Unit::Bytes => "count",
                    Unit::Of(_) => "number",
                };
                json!({ "id": column.id, "title": column.title, "unit": column.unit_name(), "kind": kind,
                        "higher": column.better == Better::Higher })
            })
            .collect();
        let value = |value: &Value| json!([value.number, value.interval.map(|ci| ci.0), value.interval.map(|ci| ci.1)]);
        let models: Vec<Json> = self
            .board
            .entries
            .iter()
            .enumerate()
            .map(|(row, entry)| {
                let values: Vec<Json> = self.columns.iter().map(|column| value(&column.values[row])).collect();
                json!({ "name": crate::text::plain(&entry.model.name), "values": values })
            })
            .collect();
        json!({ "columns": columns, "models": models })
    }

    fn id(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }

    fn about_id(&self, column: usize) -> String {
        self.id(&format!("about-{column}"))
    }
}

const NAME: &str =
    "The registered name. A diamond marks models on the Pareto front of the columns that are chosen below.";

const READ: &str = "Robust accuracy is empirical: found by search, an upper bound on the true robust accuracy on these rows. Below a proportion \
                    its 95 % Clopper-Pearson interval, for the population that the rows were drawn from, drawn as a bar from 0 to 100 %. Models \
                    whose intervals overlap may still differ: they were evaluated on the same rows.";

const PARETO: &str = "A model is on the front if no other is at least as good in every chosen column and better in one. Point estimates decide, \
                      and intervals do not: a model just off the front may well belong on it.";

/// JSON that cannot end the element that it stands in.
fn embedded(data: &Json) -> String {
    data.to_string().replace('<', "\\u003c")
}

fn cell(column: &Column, value: &Value) -> String {
    let mut text = format!("<span class=\"v\">{}</span>", html(&column.text(value)));
    if value.is_doubted {
        text += "<span class=\"doubt\">inconclusive</span>";
    }
    if let (Some((low, high)), Some(number)) = (value.interval, value.number) {
        let _ = write!(
            text,
            "<span class=\"ci\">{}</span><span class=\"bar\" aria-hidden=\"true\" style=\"--l:{:.2}%;--w:{:.2}%;--v:{:.2}%\"></span>",
            limits(low, high),
            100.0 * low,
            100.0 * (high - low),
            100.0 * number
        );
    }
    if let Some(note) = &value.note {
        let _ = write!(text, "<span class=\"note\">{}</span>", html(note));
    }
    text
}
