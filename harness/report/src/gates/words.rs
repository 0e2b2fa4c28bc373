//! Numbers of verdicts as text, exact enough that two which differ do not look the same.

use evidence::{Decision, Metric};

/// Six decimals at most, none that says nothing: `0.312`, `13000000`, `1.5e-9`.
pub(super) fn exact(value: f64) -> String {
    if value != 0.0 && (value.abs() < 1e-4 || value.abs() >= 1e15) {
        return format!("{value:e}");
    }
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A value of a metric: shares in per cent, `31.2 %`.
pub(super) fn value(metric: Metric, value: f64) -> String {
    match metric.doc().unit == Metric::CleanAccuracy.doc().unit {
        true => percent(value),
        false => exact(value),
    }
}

/// Four decimals of a percentage at most: `31.2 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", points(share))
}

/// A difference of shares in percentage points, four decimals at most: `-5.4`.
pub(super) fn points(difference: f64) -> String {
    let text = format!("{:.4}", 100.0 * difference);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A decision in capitals, which no colour is needed for.
pub(super) fn capital(decision: Decision) -> &'static str {
    match decision {
        Decision::Pass => "PASS",
        Decision::Inconclusive => "INCONCLUSIVE",
        Decision::Fail => "FAIL",
    }
}

/// `1 gate`, `2 gates`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// How many of these pass, fail and neither, in one sentence.
pub(super) fn tally(decisions: impl Iterator<Item = Decision>) -> String {
    let mut counts = [0_usize; 3];
    decisions.for_each(|decision| counts[decision as usize] += 1);
    let [pass, inconclusive, fail] = counts;
    format!(
        "{} checked: {pass} passed, {fail} failed, {inconclusive} inconclusive",
        counted(pass + inconclusive + fail, "gate")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_differ_look_different() {
        let table = [
            (0.312, "0.312"),
            (13e6, "13000000"),
            (0.0, "0"),
            (1.5e-9, "1.5e-9"),
            (-2.5, "-2.5"),
            (1.0 / 3.0, "0.333333"),
        ];
        table.iter().for_each(|(number, text)| assert_eq!(exact(*number), *text));
        assert_eq!((value(Metric::WorstCase, 0.312), value(Metric::Macs, 100.0)), ("31.2 %".into(), "100".into()));
        assert_ne!(percent(0.399_999), percent(0.4));
        assert_eq!((points(-0.054), points(-1e-9)), ("-5.4".into(), "0".into()));
        assert_eq!((percent(0.0), percent(1.0)), ("0 %".into(), "100 %".into()));
    }
}
