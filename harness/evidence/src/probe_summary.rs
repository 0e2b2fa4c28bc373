//! What the rows of one probe come to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{Block, Bound, Flag, ProbeColumns, ProbeResult, Smallest};

/// What `results.json` takes from the plan about one probe.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of ProbeResult")]
pub struct ProbeFacts {
    pub name: String,
    pub probe: String,
    pub about: String,
    pub units: String,
    pub bound: Bound,
    pub upper: Option<f64>,
    /// Whether the smallest values are the worst.
    pub falls: bool,
    /// Of a probe whose values are confidence less 1 where the row is right: in how many bins they are summed.
    pub bins: Option<u32>,
    pub revision: u32,
    pub parameters: BTreeMap<String, Value>,
}

/// The result of one probe, from its blocks in any order. The rows must be those of the clean predictions.
pub(crate) fn probe_result(
    facts: ProbeFacts,
    blocks: &[Block],
    clean: &BTreeMap<u64, bool>,
) -> Result<ProbeResult, String> {
    let values = values(blocks, clean)?;
    let columns: Vec<_> = blocks.iter().filter_map(Block::probe_columns).collect();
    let count = |column: fn(&ProbeColumns) -> &[u64]| -> u64 { columns.iter().flat_map(|c| column(c)).sum() };
    let mut flags: BTreeMap<Flag, u64> = BTreeMap::new();
    for flag in columns.iter().flat_map(|c| c.flags.iter().flatten()) {
        *flags.entry(*flag).or_default() += 1;
    }
    let measured: Vec<(u64, f64)> = values.iter().filter_map(|(row, value)| Some((*row, (*value)?))).collect();
    let largest = measured.iter().copied().reduce(|best, next| if next.1 > best.1 { next } else { best });
    let ProbeFacts { name, probe, about, units, bound, upper, falls, bins, revision, parameters } = facts;
    Ok(ProbeResult {
        name,
        probe,
        about,
        units,
        bound,
        upper,
        mean: mean(&measured),
        p95: percentile(&measured, 95),
        max: largest.map(|(_, value)| value),
        max_row: largest.map(|(row, _)| row),
        smallest: if falls { smallest(&measured) } else { None },
        ece: bins.and_then(|bins| calibration_error(&measured, bins)),
        measured: measured.len() as u64,
        total: values.len() as u64,
        flags,
        forwards: count(|c| &c.forwards),
        backwards: count(|c| &c.backwards),
        revision,
        parameters,
    })
}

/// The value of each row.
fn values(blocks: &[Block], clean: &BTreeMap<u64, bool>) -> Result<BTreeMap<u64, Option<f64>>, String> {
    let mut values = BTreeMap::new();
    for block in blocks {
        let columns = block.probe_columns().ok_or("a block of another kind among those of a probe")?;
        for (&row, &value) in block.rows.iter().zip(&columns.value) {
            if values.insert(row, value).is_some() {
                return Err(format!("row {row} comes twice"));
            }
        }
    }
    let rows: BTreeSet<_> = clean.keys().collect();
    match values.keys().find(|row| !rows.contains(row)) {
        Some(row) => Err(format!("row {row} has no clean prediction")),
        None if values.len() < rows.len() => Err(format!("{} rows of {}", values.len(), rows.len())),
        None => Ok(values),
    }
}

/// In the order of rows, so that the sum has the same bits however the blocks came.
fn mean(measured: &[(u64, f64)]) -> Option<f64> {
    let sum: f64 = measured.iter().map(|(_, value)| value).sum();
    (!measured.is_empty()).then(|| sum / measured.len() as f64)
}

fn smallest(measured: &[(u64, f64)]) -> Option<Smallest> {
    let (row, min) = measured.iter().copied().reduce(|best, next| if next.1 < best.1 { next } else { best })?;
    Some(Smallest { p5: percentile(measured, 5)?, min, row })
}

/// `sum over bins |sum over its rows (confidence - right)| / n`, from values that are confidence less 1 where the row is right.
/// A bin has the confidences in `((i - 1) / n, i / n]`.
///
/// Source: Guo et al. 2017, arXiv:1706.04599, eq. 5.
fn calibration_error(measured: &[(u64, f64)], bins: u32) -> Option<f64> {
    let mut sums = vec![0.0; bins as usize];
    for (_, value) in measured {
        let confidence = if *value <= 0.0 { value + 1.0 } else { *value };
        let bin = (confidence * f64::from(bins)).ceil() as usize;
        *sums.get_mut(bin.clamp(1, bins as usize) - 1)? += value;
    }
    let n = measured.len() as f64;
    (!measured.is_empty()).then(|| sums.iter().map(|sum: &f64| sum.abs()).sum::<f64>() / n)
}

/// The least value that at least `percent` of the values do not exceed (nearest rank).
fn percentile(measured: &[(u64, f64)], percent: usize) -> Option<f64> {
    let mut sorted: Vec<f64> = measured.iter().map(|(_, value)| *value).collect();
    sorted.sort_by(f64::total_cmp);
    nearest_rank(&sorted, percent)
}

/// The first of sorted values that at least `percent` of them do not exceed.
pub(crate) fn nearest_rank(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ProbeRow, keyed};
    use serde_json::json;

    fn row(row: u64, value: Option<f64>) -> ProbeRow {
        ProbeRow {
            row,
            value,
            step: value.map(|_| 3),
            zero_gradients: u32::from(row.is_multiple_of(10)),
            non_finite_gradients: 0,
            non_finite_logits: u32::from(value.is_none()),
            forwards: 21,
            backwards: 20,
        }
    }

    fn block(rows: std::ops::Range<u64>, value: impl Fn(u64) -> Option<f64>) -> Block {
        let rows: Vec<ProbeRow> = rows.map(|index| row(index, value(index))).collect();
        Block::probe(keyed(&json!(rows[0].row)).unwrap(), &rows).unwrap()
    }

    fn facts() -> ProbeFacts {
        ProbeFacts {
            name: "lip".into(),
            probe: "lipschitz".into(),
            about: "a ratio".into(),
            units: "logits".into(),
            bound: Bound::Lower,
            upper: Some(200.0),
            falls: false,
            bins: None,
            revision: 1,
            parameters: BTreeMap::new(),
        }
    }

    fn clean(rows: u64) -> BTreeMap<u64, bool> {
        (0..rows).map(|row| (row, true)).collect()
    }

    #[test]
    fn the_summary_is_that_of_the_values() {
        // 1 to 100, and twenty rows without a value.
        let value = |row: u64| (row < 100).then(|| (100 - row) as f64);
        let result = probe_result(facts(), &[block(0..120, value)], &clean(120)).unwrap();
        assert_eq!(
            (result.mean, result.p95, result.max, result.max_row),
            (Some(50.5), Some(95.0), Some(100.0), Some(0))
        );
        assert_eq!((result.measured, result.total, result.forwards, result.backwards), (100, 120, 2520, 2400));
        assert_eq!(result.flags, [(Flag::ZeroGradient, 12), (Flag::NonFiniteLogits, 20)].into());
    }

    /// Four rows in bins of a half: 0.9 right, 0.6 wrong, 0.8 right, 0.3 wrong. Above a half confidence adds up to 2.3 and accuracy
    /// to 2; below, to 0.3 and 0.
    #[test]
    fn calibration_is_summed_in_bins() {
        let values = [0.9 - 1.0, 0.6, 0.8 - 1.0, 0.3];
        let with = |bins| ProbeFacts { bins: Some(bins), ..facts() };
        let block = || block(0..4, |row| Some(values[row as usize]));
        let found = |bins| probe_result(with(bins), &[block()], &clean(4)).unwrap().ece.unwrap();
        assert!((found(2) - 0.6 / 4.0).abs() < 1e-12, "{}", found(2));
        // In one bin confidence is 2.6 and accuracy 2; in bins of a tenth every row has its own.
        assert!((found(1) - 0.6 / 4.0).abs() < 1e-12);
        assert!((found(10) - (0.1 + 0.6 + 0.2 + 0.3) / 4.0).abs() < 1e-12);
        assert_eq!(probe_result(facts(), &[block()], &clean(4)).unwrap().ece, None);
        // Where all confidences are at an edge they are in the bin below.
        let edge: Vec<(u64, f64)> = vec![(0, 0.5), (1, 0.5 - 1.0), (2, 1.0 - 1.0)];
        assert_eq!(calibration_error(&edge, 2), Some(0.0));
    }

    #[test]
    fn the_other_end_is_there_for_what_falls() {
        let value = |row: u64| (row < 100).then(|| (100 - row) as f64);
        let falls = ProbeFacts { falls: true, ..facts() };
        let result = probe_result(falls, &[block(0..120, value)], &clean(120)).unwrap();
        assert_eq!(result.smallest, Some(Smallest { p5: 5.0, min: 1.0, row: 99 }));
        assert_eq!(result.upper, Some(200.0));
        assert_eq!(probe_result(facts(), &[block(0..120, value)], &clean(120)).unwrap().smallest, None);
    }

    #[test]
    fn percentiles_are_values_that_occur() {
        for (count, expected) in [(1, 1.0), (2, 2.0), (19, 19.0), (20, 19.0), (21, 20.0), (100, 95.0), (101, 96.0)] {
            let measured: Vec<(u64, f64)> = (1..=count).map(|i| (i, i as f64)).collect();
            assert_eq!(percentile(&measured, 95), Some(expected), "{count}");
        }
        assert_eq!((percentile(&[], 95), mean(&[])), (None, None));
    }

    #[test]
    fn the_first_of_equals_is_the_largest_and_no_value_is_no_summary() {
        let result = probe_result(facts(), &[block(0..9, |row| Some((row % 3) as f64))], &clean(9)).unwrap();
        assert_eq!((result.max, result.max_row), (Some(2.0), Some(2)));
        let result = probe_result(facts(), &[block(0..9, |_| None)], &clean(9)).unwrap();
        assert_eq!((result.mean, result.p95, result.max_row, result.measured, result.total), (None, None, None, 0, 9));
    }

    #[test]
    fn the_order_of_blocks_does_not_matter() {
        let value = |row: u64| Some(1.0 / (row + 1) as f64);
        let (first, second) = (block(0..250, value), block(250..300, value));
        let of = |blocks: &[Block]| probe_result(facts(), blocks, &clean(300)).unwrap();
        assert_eq!(of(&[first.clone(), second.clone()]), of(&[second, first]));
    }

    #[test]
    fn rows_that_are_not_the_plans_are_refused() {
        let one = || block(0..10, |_| Some(1.0));
        let table = [
            (vec![one()], 11, "10 rows of 11"),
            (vec![one()], 9, "row 9 has no clean prediction"),
            (vec![one(), one()], 10, "row 0 comes twice"),
            (vec![], 1, "0 rows of 1"),
            (
                vec![Block::clean(keyed(&json!(1)).unwrap(), &[]).unwrap()],
                0,
                "a block of another kind among those of a probe",
            ),
        ];
        for (blocks, rows, reason) in table {
            assert_eq!(probe_result(facts(), &blocks, &clean(rows)).unwrap_err(), reason);
        }
    }

    #[test]
    fn columns_believe_nothing() {
        let rows = [row(0, Some(f64::INFINITY)), row(1, Some(-0.0)), row(2, Some(1.0 / 3.0))];
        let block = Block::probe(keyed(&json!("probe")).unwrap(), &rows).unwrap();
        let columns = block.probe_columns().unwrap();
        assert_eq!(columns.value, [None, Some(0.0), Some(1.0 / 3.0)]);
        assert_eq!(columns.step, [None, Some(3), Some(3)]);
        assert_eq!(Block::decode(block.encode().unwrap().as_bytes()).unwrap(), block);
        let bent = ProbeColumns { value: vec![None], step: vec![Some(1)], ..ProbeColumns::default() };
        assert!(bent.check(1).is_err());
        let bent = ProbeColumns { forwards: vec![1], backwards: vec![1], flags: vec![Vec::new()], ..bent };
        assert_eq!(
            bent.check(1).unwrap_err().to_string(),
            Error::Block("position 0 has a step, but no value".into()).to_string()
        );
    }

    use crate::Error;
}
