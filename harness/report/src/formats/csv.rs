//! The leaderboard for spreadsheets: a line for each model, every number a column.

use evidence::{AttackResult, ProbeResult, Results};

use crate::board::{Board, board, worst_end};
use crate::columns::columns;
use crate::text::plain;

/// `leaderboard.csv`. Shares are proportions in `[0, 1]`; an empty cell is a number that there is none of.
///
/// Source: RFC 4180.
pub(super) fn render(results: &Results) -> String {
    let lines = table(&board(results), results);
    lines.iter().map(|line| line.join(",") + "\r\n").collect()
}

/// Head and lines, each cell escaped.
pub(crate) fn table(board: &Board, results: &Results) -> Vec<Vec<String>> {
    let mut header = ["model", "digest"].map(text).to_vec();
    let mut lines: Vec<Vec<String>> = board
        .entries
        .iter()
        .map(|entry| vec![text(&entry.model.name), text(&entry.model.digest.to_string())])
        .collect();
    for column in columns(board, results) {
        header.push(text(&format!("{} [{}]", column.id, column.unit_name())));
        let has_interval = column.values.iter().any(|value| value.interval.is_some());
        if has_interval {
            header.extend(
                ["ci_low", "ci_high"].map(|end| text(&format!("{} {end} [{}]", column.id, column.unit_name()))),
            );
        }
        for (line, value) in lines.iter_mut().zip(&column.values) {
            line.push(cell(value.number));
            if has_interval {
                line.extend([cell(value.interval.map(|ci| ci.0)), cell(value.interval.map(|ci| ci.1))]);
            }
        }
    }
    let mut add = |title: String, cells: Vec<String>| {
        header.push(text(&title));
        lines.iter_mut().zip(cells).for_each(|(line, cell)| line.push(cell));
    };
    let entries = &board.entries;
    add("rows [count]".into(), entries.iter().map(|entry| entry.model.total.to_string()).collect());
    add("correct [count]".into(), entries.iter().map(|entry| entry.model.correct.to_string()).collect());
    for (index, name) in board.attacks.iter().enumerate() {
        for (count, of) in COUNTS {
            let cells =
                entries.iter().map(|entry| entry.attacks[index].map_or(String::new(), |attack| of(attack).to_string()));
            add(format!("{name} {count} [count]"), cells.collect());
        }
    }
    for (index, probe) in board.probes.iter().enumerate() {
        for (end, of) in ENDS {
            let cells = entries.iter().map(|entry| cell(entry.probes[index].and_then(of)));
            add(format!("{} {end} [{}]", probe.name, probe.units), cells.collect());
        }
    }
    std::iter::once(header).chain(lines).collect()
}

type Count = (&'static str, fn(&AttackResult) -> u64);

const COUNTS: [Count; 6] = [
    ("wrong", |attack| attack.wrong),
    ("attacked", |attack| attack.attacked),
    ("certified", |attack| attack.certified),
    ("unknown", |attack| attack.unknown),
    ("forwards", |attack| attack.forwards),
    ("backwards", |attack| attack.backwards),
];

type End = (&'static str, fn(&ProbeResult) -> Option<f64>);

const ENDS: [End; 2] = [("worst 5 %", |probe| worst_end(probe).0), ("worst", |probe| worst_end(probe).1)];

fn cell(number: Option<f64>) -> String {
    number.map_or(String::new(), |number| number.to_string())
}

/// A text that no spreadsheet takes for a formula, quoted where it must be.
pub(crate) fn text(text: &str) -> String {
    let text = plain(text);
    let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    let text = format!("{guard}{text}");
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{example, model, ranked, results, with_probes};

    #[test]
    fn a_line_for_each_model() {
        let text = render(&ranked()).replace("\r\n", "\n");
        insta::assert_snapshot!(text, @r##"
model,digest,rank [rank],clean [share],clean ci_low [share],clean ci_high [share],pgd-20 [share],pgd-20 ci_low [share],pgd-20 ci_high [share],worst-case [share],worst-case ci_low [share],worst-case ci_high [share],worst-class [share],worst-class-robust [share],macs [count],macs-torchprofile [count],params [count],params-without-bn [count],rows [count],correct [count],pgd-20 wrong [count],pgd-20 attacked [count],pgd-20 certified [count],pgd-20 unknown [count],pgd-20 forwards [count],pgd-20 backwards [count]
strong,eda15ce4834ac303532bc6973df5ff8a5deb75d7dfceb9fc2cdf1bb450a01cf5,1,0.95,0.90997245,0.97576584,0.55,0.4782493,0.62024642,0.55,0.4782493,0.62024642,0.9,0.4,12501632,12501696,78666,77706,200,190,10,80,0,110,3800,3800
middle,a4888af4e46c129c695ee32775a8c233f113c82e7cd4e6fd3cbb1fda5659f36a,1,0.95,0.90997245,0.97576584,0.45,0.37975358,0.5217507,0.45,0.37975358,0.5217507,0.9,0.2,20000000,12501696,78666,77706,200,190,10,100,0,90,3800,3800
weak,481ba4019c9d2710c3386537382592c093ef02bf5b056c30237b3d92b0e19a1d,3,0.95,0.90997245,0.97576584,0.15,0.10354951,0.20715871,0.15,0.10354951,0.20715871,0.9,0,1000000,12501696,78666,77706,200,190,10,160,0,30,3800,3800
"##);
    }

    /// The cells of a file by the rules of RFC 4180.
    fn parse(file: &str) -> Vec<Vec<String>> {
        let (mut lines, mut line, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
        let mut chars = file.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
                '"' => quoted = !quoted,
                ',' if !quoted => line.push(std::mem::take(&mut cell)),
                '\r' if !quoted => {}
                '\n' if !quoted => {
                    line.push(std::mem::take(&mut cell));
                    lines.push(std::mem::take(&mut line));
                }
                c => cell.push(c),
            }
        }
        lines
    }

    #[test]
    fn names_come_back_and_are_no_formulas() {
        let names = ["a,b", "say \"x\"", "=1+1", "+x", "-x", "@x", "\tx", "line\nbreak", "plain"];
        let results = results(names.iter().map(|name| model(name, 5, &[(name, 3)])).collect());
        let lines = parse(&render(&results));
        assert_eq!(lines.len(), 1 + names.len());
        let found: Vec<&str> = lines[1..].iter().map(|line| line[0].as_str()).collect();
        let expected = ["'+x", "'-x", "'=1+1", "'@x", "a,b", "line\u{fffd}break", "plain", "say \"x\"", "\u{fffd}x"];
        let mut sorted = found.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected);
        assert!(lines.iter().all(|line| line.len() == lines[0].len()));
    }

    #[test]
    fn numbers_come_back_exactly() {
        for results in [example(), with_probes()] {
            let lines = parse(&render(&results));
            let at = |title: &str| lines[0].iter().position(|name| name == title).unwrap();
            for line in &lines[1..] {
                let model = results.models.iter().find(|model| model.name == line[0]).unwrap();
                assert_eq!(line[at("clean [share]")].parse(), Ok(model.clean_accuracy));
                assert_eq!(line[at("pgd-20 ci_high [share]")].parse(), Ok(model.attacks[1].ci_high));
                assert_eq!(line[at("pgd-20 attacked [count]")].parse(), Ok(model.attacks[1].attacked));
                assert_eq!(
                    line[at("params [count]")],
                    model.parameters.map_or(String::new(), |count| count.to_string())
                );
            }
        }
    }
}
