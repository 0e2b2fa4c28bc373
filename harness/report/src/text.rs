//! Numbers and names as text.

use evidence::Bound;
use tabled::builder::Builder;
use tabled::settings::Style;

/// Two decimals of a percentage, without the sign: `87.19`.
pub(crate) fn percent(proportion: f64) -> String {
    format!("{:.2}", 100.0 * proportion)
}

/// Both confidence limits as percentages: `86.52–87.84`.
pub(crate) fn limits(low: f64, high: f64) -> String {
    format!("{}–{}", percent(low), percent(high))
}

/// Both confidence limits of a difference in percentage points, which may be below 0: `-2.10 to 0.55`.
pub(crate) fn span(low: f64, high: f64) -> String {
    format!("{} to {}", percent(low), percent(high))
}

/// Three digits and a unit prefix: `12.5 M`.
pub(crate) fn short(count: Option<u64>) -> String {
    let Some(count) = count else { return "–".into() };
    let mut value = count as f64;
    for prefix in ["", " k", " M", " G"] {
        // 999.5 would round to 1000.
        if value < 999.5 || prefix == " G" {
            let decimals = if prefix.is_empty() || value >= 99.95 { 0 } else { 1 };
            return format!("{value:.decimals$}{prefix}");
        }
        value /= 1000.0;
    }
    unreachable!("the last prefix takes every value")
}

/// Four significant digits: `0.01234`, `71.26`, `1.234e-7`.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || !(1e-3..1e6).contains(&size) {
        return if size == 0.0 { "0".into() } else { format!("{value:.3e}") };
    }
    let before_the_point = size.log10().floor() as i32 + 1;
    format!("{value:.*}", usize::try_from(4 - before_the_point).unwrap_or(0))
}

/// Four significant digits and a unit prefix: `15.98 M`.
pub(crate) fn large(count: f64) -> String {
    match count {
        _ if count >= 1e9 => format!("{} G", number(count / 1e9)),
        _ if count >= 1e6 => format!("{} M", number(count / 1e6)),
        _ if count >= 1e3 => format!("{} k", number(count / 1e3)),
        _ => number(count),
    }
}

/// A value of a probe with the sign that says what it tells about the truth: `≥ 71.26`.
pub(crate) fn bounded(bound: Bound, value: Option<f64>) -> String {
    let sign = match bound {
        Bound::Lower => "≥ ",
        Bound::Upper => "≤ ",
        Bound::Estimate => "≈ ",
        Bound::Exact => "",
    };
    value.map_or("–".into(), |value| format!("{sign}{}", number(value)))
}

/// The same in words.
pub(crate) fn bound_name(bound: Bound) -> &'static str {
    match bound {
        Bound::Lower => "lower bound",
        Bound::Upper => "upper bound",
        Bound::Estimate => "estimate",
        Bound::Exact => "exact",
    }
}

/// An area under the ROC curve, of the samples themselves or one that an attack found, which is an upper bound: `AUC 0.9312`,
/// `AUC ≤ 0.7204`.
pub(crate) fn area(auc: f64, attacked: bool) -> String {
    format!("AUC {}", if attacked { bounded(Bound::Upper, Some(auc)) } else { number(auc) })
}

/// A name that cannot break a line or drive a terminal.
pub(crate) fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Text that Markdown shows as it is, in a table cell too.
pub(crate) fn markdown(text: &str) -> String {
    let mut escaped = String::new();
    for c in plain(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '\\' | '|' | '`' | '*' | '[' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Text that HTML shows as it is, in an element or a quoted attribute.
pub(crate) fn html(text: &str) -> String {
    let mut escaped = String::new();
    for c in plain(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// A word of a command line for a shell, in quotes where it needs some.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,".contains(c);
    match !word.is_empty() && !word.starts_with('-') && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// A table in Markdown, or that there is nothing in it.
pub(crate) fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Builder::default();
    table.push_record(header.iter().map(|name| markdown(name)));
    let mut empty = true;
    for row in rows {
        table.push_record(row.iter().map(|cell| markdown(cell)));
        empty = false;
    }
    match empty {
        true => "None.".into(),
        false => table.build().with(Style::markdown()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_three_digits() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1.0 k"),
            (30_730, "30.7 k"),
            (99_940, "99.9 k"),
            (99_960, "100 k"),
            (999_600, "1.0 M"),
            (12_501_632, "12.5 M"),
            (2_000_000_000, "2.0 G"),
            (5_000_000_000_000, "5000 G"),
        ];
        for (count, text) in cases {
            assert_eq!(short(Some(count)), text, "{count}");
        }
        assert_eq!(short(None), "–");
    }

    #[test]
    fn numbers_have_four_digits() {
        let cases = [
            (0.0, "0"),
            (71.263, "71.26"),
            (0.012_344, "0.01234"),
            (0.001, "0.001000"),
            (1.0, "1.000"),
            (999.96, "1000.0"),
            (12_345.6, "12346"),
            (0.000_999, "9.990e-4"),
            (1.234e-7, "1.234e-7"),
            (5e9, "5.000e9"),
            (-3.5, "-3.500"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text, "{value}");
        }
        assert_eq!((bounded(Bound::Lower, Some(2.0)), bounded(Bound::Estimate, None)), ("≥ 2.000".into(), "–".into()));
    }

    #[test]
    fn large_counts_have_four_digits_and_a_prefix() {
        let cases =
            [(15_979_008.0, "15.98 M"), (404e3, "404.0 k"), (2_278_986.0, "2.279 M"), (7.0, "7.000"), (2e9, "2.000 G")];
        for (count, text) in cases {
            assert_eq!(large(count), text);
        }
    }

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(plain("a\u{1b}[31m\nb"), "a\u{fffd}[31m\u{fffd}b");
        assert_eq!(markdown("a|b<c>`d`*"), "a\\|b&lt;c>\\`d\\`\\*");
        assert_eq!(html("<a href=\"x\">'&\u{7}"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;\u{fffd}");
    }

    #[test]
    fn percentages_have_two_decimals() {
        assert_eq!(percent(0.8719), "87.19");
        assert_eq!(limits(0.0, 1.0), "0.00–100.00");
        assert_eq!(span(-0.021, 0.0055), "-2.10 to 0.55");
    }
}
