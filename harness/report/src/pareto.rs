//! Which models no other is better than, in every respect that counts.

use crate::Error;
use crate::board::Board;
use crate::columns::Column;

/// What the front is about where nobody says: robustness, or accuracy without attacks, against computation.
const DEFAULT: [&[&str]; 2] = [&["worst-case", "clean"], &["macs", "params"]];

/// Whether each model is on the Pareto front of these columns: no other is at least as good in all of them and better in one. A model
/// without a number in one of them is not compared. Point estimates decide: intervals do not.
pub(crate) fn front(columns: &[&Column]) -> Vec<bool> {
    let models = columns.first().map_or(0, |column| column.values.len());
    let is_known = |model: usize| columns.iter().all(|column| column.values[model].number.is_some());
    let dominates = |a: usize, b: usize| {
        let orders: Vec<_> =
            columns.iter().map(|column| column.standing(&column.values[a], &column.values[b])).collect();
        orders.iter().all(|order| order.is_le()) && orders.iter().any(|order| order.is_lt())
    };
    (0..models)
        .map(|model| is_known(model) && !(0..models).any(|other| is_known(other) && dominates(other, model)))
        .collect()
}

/// The columns of these ids; the default ones that are there for none.
///
/// Errors: [`Error::NoColumn`] for an id that no column has.
pub(crate) fn chosen<'a>(columns: &'a [Column], ids: &[String]) -> Result<Vec<&'a Column>, Error> {
    match ids.is_empty() {
        true => Ok(usual(columns)),
        false => ids.iter().map(|id| by_id(columns, id)).collect(),
    }
}

/// The columns that the front is about where nobody says: those of them that are there.
pub(crate) fn usual(columns: &[Column]) -> Vec<&Column> {
    let first = |wanted: &&[&str]| wanted.iter().find_map(|id| columns.iter().find(|column| column.id == *id));
    DEFAULT.iter().filter_map(first).collect()
}

/// Who is on the front, in a sentence; `None` where there is nothing to compare.
pub(crate) fn line(board: &Board, columns: &[&Column]) -> Option<String> {
    if board.entries.len() < 2 || columns.is_empty() {
        return None;
    }
    let front = front(columns);
    let on: Vec<&str> =
        board.entries.iter().zip(front).filter(|(_, on)| *on).map(|(entry, _)| entry.model.name.as_str()).collect();
    Some(format!(
        "Pareto front of {}, by point estimates: {}.",
        names(columns),
        if on.is_empty() { "none".into() } else { on.join(", ") }
    ))
}

/// The column of this id. Errors: [`Error::NoColumn`], with those that there are.
pub(crate) fn by_id<'a>(columns: &'a [Column], id: &str) -> Result<&'a Column, Error> {
    let known = || columns.iter().map(|column| column.id.as_str()).collect::<Vec<_>>().join(", ");
    columns.iter().find(|column| column.id == id).ok_or_else(|| Error::NoColumn { id: id.to_owned(), known: known() })
}

/// `worst case, MACs`.
pub(crate) fn names(columns: &[&Column]) -> String {
    columns.iter().map(|column| column.title.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::board;
    use crate::columns::{Better, Unit, Value, columns};
    use crate::sample::example;
    use evidence::Bound;

    fn column(better: Better, numbers: &[Option<f64>]) -> Column {
        let value = |number: &Option<f64>| Value {
            number: *number,
            interval: None,
            bound: Bound::Exact,
            note: None,
            is_doubted: false,
        };
        Column {
            id: "x".into(),
            title: "x".into(),
            about: "x.".into(),
            unit: Unit::Count,
            better,
            is_minor: false,
            values: numbers.iter().map(value).collect(),
        }
    }

    #[test]
    fn nobody_on_the_front_is_dominated_and_everybody_else_is() {
        // Every pair of numbers from 0 to 3, twice, and one without a number.
        let pairs: Vec<(u32, u32)> = (0..32).map(|at| (at % 16 / 4, at % 4)).collect();
        let numbers = |of: fn(&(u32, u32)) -> u32| -> Vec<Option<f64>> {
            pairs.iter().map(|pair| Some(f64::from(of(pair)))).chain([None]).collect()
        };
        let (high, low) =
            (column(Better::Higher, &numbers(|pair| pair.0)), column(Better::Lower, &numbers(|pair| pair.1)));
        let front = front(&[&high, &low]);
        let on: Vec<(u32, u32)> = pairs.iter().zip(&front).filter(|(_, on)| **on).map(|(pair, _)| *pair).collect();
        assert_eq!(on, [(3, 0), (3, 0)]);
        assert_eq!(front.last(), Some(&false), "no number, no place");
    }

    #[test]
    fn trade_offs_are_all_on_the_front() {
        let accuracy = column(Better::Higher, &[Some(0.9), Some(0.8), Some(0.7), Some(0.6)]);
        let cost = column(Better::Lower, &[Some(9.0), Some(8.0), Some(8.0), Some(1.0)]);
        assert_eq!(front(&[&accuracy, &cost]), [true, true, false, true]);
        assert_eq!(front(&[&accuracy]), [true, false, false, false]);
        assert!(front(&[]).is_empty());
    }

    #[test]
    fn columns_are_chosen_by_name() {
        let results = example();
        let board = board(&results);
        let columns = columns(&board, &results);
        assert_eq!(names(&chosen(&columns, &[]).unwrap()), "worst case, MACs");
        assert_eq!(names(&chosen(&columns, &["clean".into(), "pgd-20".into()]).unwrap()), "clean, pgd-20");
        let error = chosen(&columns, &["speed".into()]).unwrap_err().to_string();
        assert!(error.contains("`speed`") && error.contains("clean, fgsm, pgd-20, worst-case"), "{error}");
    }
}
