//! Words and numbers that several chapters share.

use std::collections::BTreeMap;

use evidence::{AttackResult, CONFIDENCE, ModelResult, ProbeResult, Results, clopper_pearson};
use serde_json::Value;

use crate::plan_table;
use crate::text::{limits, percent};

/// `87.19 % (86.52–87.84)`.
pub(super) fn share(share: f64, low: f64, high: f64) -> String {
    format!("{} % ({})", percent(share), limits(low, high))
}

/// The same of counts, with the interval worked out; without it where the counts cannot be.
pub(super) fn counted(count: u64, total: u64) -> String {
    if total == 0 || count > total {
        return format!("{count} of {total}");
    }
    let interval = clopper_pearson(count, total, CONFIDENCE);
    share(count as f64 / total as f64, interval.low, interval.high)
}

/// Percentages of parts that make a whole, with two decimals, which add up to 100.00: each is rounded down, and the hundredths
/// that lack go to those that lost most. `None` where the parts are not the whole.
pub(super) fn split(parts: &[u64], total: u64) -> Option<Vec<String>> {
    let sum: u128 = parts.iter().map(|part| u128::from(*part)).sum();
    if total == 0 || sum != u128::from(total) {
        return None;
    }
    let whole = u128::from(total);
    let mut hundredths: Vec<u128> = parts.iter().map(|part| u128::from(*part) * 10_000 / whole).collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(u128::from(parts[*at]) * 10_000 % whole));
    let lack = 10_000 - hundredths.iter().sum::<u128>();
    order.into_iter().take(lack as usize).for_each(|at| hundredths[at] += 1);
    Some(hundredths.iter().map(|h| format!("{}.{:02} %", h / 100, h % 100)).collect())
}

/// Every number of a check: `keep best, steps 20`.
pub(super) fn parameters(parameters: &BTreeMap<String, Value>) -> String {
    let lines = plan_table::lines(parameters).into_iter().map(|(name, value)| format!("{name} {value}"));
    let text = lines.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "no parameters".to_owned() } else { text }
}

/// The attacks of all models, each name once, in order.
pub(super) fn attacks(results: &Results) -> Vec<&AttackResult> {
    let mut found: Vec<&AttackResult> = Vec::new();
    for attack in results.models.iter().flat_map(|model| &model.attacks) {
        if found.iter().all(|known| known.name != attack.name) {
            found.push(attack);
        }
    }
    found
}

/// The probes of all models, each name once, in order.
pub(super) fn probes(results: &Results) -> Vec<&ProbeResult> {
    let mut found: Vec<&ProbeResult> = Vec::new();
    for probe in results.models.iter().flat_map(|model| &model.probes) {
        if found.iter().all(|known| known.name != probe.name) {
            found.push(probe);
        }
    }
    found
}

/// Each attack on each model.
pub(super) fn each_attack(results: &Results) -> impl Iterator<Item = (&ModelResult, &AttackResult)> {
    results.models.iter().flat_map(|model| model.attacks.iter().map(move |attack| (model, attack)))
}

/// Each probe on each model.
pub(super) fn each_probe(results: &Results) -> impl Iterator<Item = (&ModelResult, &ProbeResult)> {
    results.models.iter().flat_map(|model| model.probes.iter().map(move |probe| (model, probe)))
}

/// `1 row`, `2 rows`.
pub(super) fn some(count: u64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// `linf` as a reader writes it.
pub(super) fn norm(name: &str) -> &str {
    match name {
        "linf" => "L∞",
        "l1" => "L1",
        "l2" => "L2",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_whole_add_up() {
        for (parts, total) in
            [(vec![1, 1, 1], 3), (vec![0, 7], 7), (vec![333, 333, 334, 0], 1000), (vec![1, 2, 3, 1], 7)]
        {
            let shown = split(&parts, total).unwrap();
            let hundredths = |text: &String| text.replace(['.', ' ', '%'], "").parse::<u64>().unwrap();
            assert_eq!(shown.iter().map(hundredths).sum::<u64>(), 10_000, "{shown:?}");
            for (part, text) in parts.iter().zip(&shown) {
                assert!((hundredths(text) as f64 - 1e4 * *part as f64 / total as f64).abs() < 1.0, "{text}");
            }
        }
        assert_eq!(split(&[1, 1, 1], 3).unwrap(), ["33.34 %", "33.33 %", "33.33 %"]);
        assert_eq!((split(&[1, 1], 3), split(&[0], 0), split(&[u64::MAX, 1], 0)), (None, None, None));
    }

    #[test]
    fn counts_that_cannot_be_have_no_interval() {
        assert_eq!((counted(3, 2), counted(0, 0)), ("3 of 2".to_owned(), "0 of 0".to_owned()));
        assert_eq!(counted(10, 10), "100.00 % (69.15–100.00)");
    }
}
