//! Accuracy class by class.

use evidence::{ClassResult, ModelResult};

use crate::board::Board;
use crate::columns::class_name;
use crate::text::{percent, table};

/// More classes than these are in `results.json` only.
const MOST: usize = 20;

/// What the numbers are, without markup.
pub(crate) const ABOUT: &str = "\
Of the rows of each class, in percent: those that the model gets right, and behind the slash those that withstand every listed attack, \
an upper bound. The worst of each model stands first: a mean over classes can hide it. Classes have fewer rows than the whole, so their \
numbers are less certain; the worst one is the worst of several, and so too pessimistic a guess for new rows.";

/// The section of the report; `None` for results that do not know the classes.
pub(crate) fn section(board: &Board) -> Option<String> {
    let (header, rows) = cells(board)?;
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    Some(format!("{ABOUT}\n\n{}", table(&header, rows.into_iter())))
}

/// Head and lines of the table: a line for each class, a column for each model.
pub(crate) fn cells(board: &Board) -> Option<(Vec<String>, Vec<Vec<String>>)> {
    let models: Vec<&ModelResult> =
        board.entries.iter().map(|entry| entry.model).filter(|model| !model.classes.is_empty()).collect();
    let mut names: Vec<(String, u64)> = Vec::new();
    for class in models.iter().flat_map(|model| &model.classes) {
        let name = class_name(class);
        if !names.iter().any(|(known, _)| *known == name) {
            names.push((name, class.total));
        }
    }
    if names.is_empty() {
        return None;
    }
    let header = ["class", "rows"].map(str::to_owned).into_iter().chain(models.iter().map(|model| model.name.clone()));
    let worst = models.iter().map(|model| worst(model));
    let worst = [vec!["worst".to_owned(), String::new()], worst.collect()].concat();
    let classes = names.iter().take(MOST).map(|(name, rows)| {
        let cell = |model: &&ModelResult| {
            let class = model.classes.iter().find(|class| class_name(class) == *name);
            class.map_or("–".to_owned(), share)
        };
        [name.clone(), rows.to_string()].into_iter().chain(models.iter().map(cell)).collect()
    });
    let mut rows: Vec<Vec<String>> = std::iter::once(worst).chain(classes).collect();
    if names.len() > MOST {
        let more = format!("{} more: see results.json", names.len() - MOST);
        rows.push([vec![more], vec![String::new(); models.len() + 1]].concat());
    }
    Some((header.collect(), rows))
}

/// `92.00 / 70.80`.
fn share(class: &ClassResult) -> String {
    let of = |count: u64| percent(count as f64 / class.total.max(1) as f64);
    let robust = class.robust.map(|robust| format!(" / {}", of(robust))).unwrap_or_default();
    of(class.correct) + &robust
}

/// The least share of each of the two, which need not be of one class.
fn worst(model: &ModelResult) -> String {
    let least = |of: fn(&ClassResult) -> Option<u64>| {
        let shares = model.classes.iter().filter(|class| class.total > 0);
        shares.filter_map(|class| Some(of(class)? as f64 / class.total as f64)).min_by(f64::total_cmp).map(percent)
    };
    let robust = least(|class| class.robust).map(|robust| format!(" / {robust}")).unwrap_or_default();
    least(|class| Some(class.correct)).unwrap_or("–".into()) + &robust
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::board;
    use crate::sample::{example, ranked};

    #[test]
    fn a_line_for_each_class_and_the_worst_first() {
        let results = ranked();
        let text = section(&board(&results)).unwrap();
        let (_, table) = text.split_once("\n\n").unwrap();
        insta::assert_snapshot!(table, @r##"
| class | rows | strong         | middle         | weak           |
|-------|------|----------------|----------------|----------------|
| worst |      | 90.00 / 40.00  | 90.00 / 20.00  | 90.00 / 0.00   |
| cat   | 100  | 90.00 / 40.00  | 90.00 / 20.00  | 90.00 / 0.00   |
| dog   | 100  | 100.00 / 70.00 | 100.00 / 70.00 | 100.00 / 30.00 |
"##);
        assert_eq!(section(&board(&example())), None);
    }
}
