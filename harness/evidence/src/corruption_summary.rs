//! What the rows of the corruptions of one model come to.

use std::collections::BTreeMap;

use crate::summary::proportion;
use crate::{Block, CorruptionResult, CorruptionResults, SeverityResult};

/// What `results.json` takes from the plan about one corruption at all its severities.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of CorruptionResult")]
pub struct CorruptionFacts {
    pub name: String,
    pub about: String,
    pub revision: u32,
    /// Each severity with its numbers.
    pub severities: Vec<(u32, BTreeMap<String, f64>)>,
}

/// The results of all corruptions, from the blocks of each severity of each, in their order; `None` without any. The rows
/// must be those of the clean predictions, of which so many are right.
pub(crate) fn corruption_results(
    facts: Vec<CorruptionFacts>,
    blocks: &[Vec<Block>],
    clean: &BTreeMap<u64, bool>,
    correct: u64,
) -> Result<Option<CorruptionResults>, (String, String)> {
    let wanted: usize = facts.iter().map(|corruption| corruption.severities.len()).sum();
    if blocks.len() != wanted {
        let reason = format!("blocks of {} corruptions and severities for {wanted}", blocks.len());
        return Err(("corruptions".to_owned(), reason));
    }
    let mut blocks = blocks.iter();
    let mut results = Vec::new();
    for CorruptionFacts { name, about, revision, severities } in facts {
        let mut cells = Vec::new();
        for ((severity, parameters), blocks) in severities.into_iter().zip(&mut blocks) {
            let correct = count(blocks, clean).map_err(|reason| (format!("{name} at severity {severity}"), reason))?;
            let total = clean.len() as u64;
            let (accuracy, ci_low, ci_high) = proportion(correct, total);
            cells.push(SeverityResult { severity, parameters, accuracy, ci_low, ci_high, correct, total });
        }
        results.push(CorruptionResult { name, about, revision, mean_accuracy: mean(&cells), severities: cells });
    }
    if results.is_empty() {
        return Ok(None);
    }
    let all: Vec<SeverityResult> = results.iter().flat_map(|corruption| &corruption.severities).cloned().collect();
    let clean_accuracy = proportion(correct, clean.len() as u64).0;
    let mean_accuracy = mean(&all);
    let relative_accuracy = (correct > 0).then(|| mean_accuracy / clean_accuracy);
    Ok(Some(CorruptionResults { mean_accuracy, relative_accuracy, corruptions: results }))
}

/// How many rows are right.
fn count(blocks: &[Block], clean: &BTreeMap<u64, bool>) -> Result<u64, String> {
    let mut rows = BTreeMap::new();
    for block in blocks {
        let columns = block.corruption_columns().ok_or("a block of another kind among those of a corruption")?;
        for (&row, &correct) in block.rows.iter().zip(&columns.predictions.correct) {
            if !clean.contains_key(&row) {
                return Err(format!("row {row} has no clean prediction"));
            }
            if rows.insert(row, correct).is_some() {
                return Err(format!("row {row} comes twice"));
            }
        }
    }
    match rows.len() == clean.len() {
        true => Ok(rows.values().filter(|correct| **correct).count() as u64),
        false => Err(format!("{} rows of {}", rows.len(), clean.len())),
    }
}

/// All have as many rows, so that the mean of accuracies is that of rows: one division of whole numbers.
fn mean(cells: &[SeverityResult]) -> f64 {
    let sum = |count: fn(&SeverityResult) -> u64| cells.iter().map(count).sum::<u64>();
    sum(|cell| cell.correct) as f64 / sum(|cell| cell.total).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CleanRow, Digest, Error, keyed};
    use serde_json::json;

    fn block(rows: std::ops::Range<u64>, right: impl Fn(u64) -> bool) -> Block {
        let row = |row| CleanRow { prediction: u32::from(!right(row)), ..CleanRow::right(row) };
        let rows: Vec<CleanRow> = rows.map(row).collect();
        let keyed = keyed(&json!(["corruption", rows.first().map(|row| row.row)])).unwrap();
        Block::corruption(keyed, &rows, Digest::of(b"pictures")).unwrap()
    }

    fn facts(name: &str, severities: &[u32]) -> CorruptionFacts {
        let severities = severities.iter().map(|severity| (*severity, [("kept".to_owned(), 0.5)].into())).collect();
        CorruptionFacts { name: name.into(), about: "what it does.".into(), revision: 1, severities }
    }

    fn clean(rows: u64) -> BTreeMap<u64, bool> {
        (0..rows).map(|row| (row, row % 5 > 0)).collect()
    }

    #[test]
    fn accuracies_are_counted_and_their_mean_is_that_of_rows() {
        let cells = [2, 4, 10].map(|period| vec![block(0..100, move |row| row % period == 0)]);
        let facts = vec![facts("fog", &[1, 5]), facts("jpeg", &[3])];
        let results = corruption_results(facts, &cells, &clean(100), 80).unwrap().unwrap();
        let [fog, jpeg] = &results.corruptions[..] else { panic!("two corruptions") };
        let of = |result: &CorruptionResult| {
            result
                .severities
                .iter()
                .map(|cell| (cell.severity, cell.correct, cell.total, cell.accuracy))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(fog), [(1, 50, 100, 0.5), (5, 25, 100, 0.25)]);
        assert_eq!(of(jpeg), [(3, 10, 100, 0.1)]);
        assert_eq!((fog.mean_accuracy, jpeg.mean_accuracy, results.mean_accuracy), (75.0 / 200.0, 0.1, 85.0 / 300.0));
        assert_eq!(results.relative_accuracy, Some(85.0 / 300.0 / 0.8));
        assert!(fog.severities.iter().all(|cell| cell.ci_low <= cell.accuracy && cell.accuracy <= cell.ci_high));
    }

    #[test]
    fn nothing_asked_is_nothing_told_and_no_right_row_has_no_ratio() {
        assert_eq!(corruption_results(vec![], &[], &clean(10), 8).unwrap(), None);
        let wrong = corruption_results(vec![facts("fog", &[1])], &[vec![block(0..10, |_| false)]], &clean(10), 0);
        let wrong = wrong.unwrap().unwrap();
        assert_eq!((wrong.mean_accuracy, wrong.relative_accuracy), (0.0, None));
    }

    #[test]
    fn the_order_of_blocks_does_not_matter_and_rows_that_are_not_the_plans_are_refused() {
        let (first, second) = (block(0..250, |row| row < 9), block(250..300, |row| row > 270));
        let of = |blocks: Vec<Block>, rows| corruption_results(vec![facts("fog", &[2])], &[blocks], &clean(rows), 1);
        assert_eq!(of(vec![first.clone(), second.clone()], 300), of(vec![second.clone(), first.clone()], 300));
        let another = Block::clean(keyed(&json!(1)).unwrap(), &[]).unwrap();
        for (blocks, rows, reason) in [
            (vec![first.clone()], 300, "250 rows of 300"),
            (vec![first.clone(), second.clone()], 299, "row 299 has no clean prediction"),
            (vec![first.clone(), first.clone()], 250, "row 0 comes twice"),
            (vec![another], 0, "a block of another kind among those of a corruption"),
        ] {
            assert_eq!(of(blocks, rows).unwrap_err(), ("fog at severity 2".to_owned(), reason.to_owned()));
        }
        let few = corruption_results(vec![facts("fog", &[1, 2])], &[vec![first]], &clean(250), 1).unwrap_err();
        assert_eq!(few.1, "blocks of 1 corruptions and severities for 2");
    }

    #[test]
    fn blocks_come_back_exactly_and_believe_nothing() {
        let block = block(0..3, |row| row > 0);
        assert_eq!(Block::decode(block.encode().unwrap().as_bytes()).unwrap(), block);
        assert!(block.clean_columns().is_none() && block.corruption_columns().is_some());
        let columns = block.corruption_columns().unwrap().clone();
        assert!(columns.check(3).is_ok());
        assert!(matches!(columns.check(4), Err(Error::Block(_))));
    }
}
