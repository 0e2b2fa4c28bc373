//! The line that a complaint is about, with a mark under the place.

use super::source::Place;

/// At most this many characters of a line are shown, so that a file on one endless line still gives a readable message.
const WIDTH: usize = 100;

/// ```text
///   |
/// 9 |   - pgd: { stepz: 40 }
///   |            ^^^^^
/// ```
pub(super) fn excerpt(text: &str, place: Place) -> String {
    let line: Vec<char> = text.lines().nth(place.line.saturating_sub(1)).unwrap_or_default().chars().collect();
    let at = place.column.saturating_sub(1).min(line.len());
    let from = if line.len() <= WIDTH { 0 } else { at.saturating_sub(WIDTH / 2).min(line.len() - WIDTH) };
    let to = line.len().min(from + WIDTH);
    let (cut, uncut) = (if from > 0 { "..." } else { "" }, if to < line.len() { "..." } else { "" });
    let shown: String = line[from..to].iter().map(|&c| visible(c)).collect();
    let shown = format!("{cut}{shown}{uncut}");
    let indent = " ".repeat(cut.len() + at - from);
    let marks = "^".repeat(place.length.clamp(1, (to - at).max(1)));
    let number = place.line;
    let gutter = " ".repeat(number.to_string().len());
    format!("{gutter} |\n{number} | {}\n{gutter} | {indent}{marks}", shown.trim_end())
}

/// A character that takes one column and cannot steer a terminal.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, line: usize, column: usize, length: usize) -> String {
        excerpt(text, Place { line, column, length })
    }

    #[test]
    fn the_mark_is_under_the_place() {
        let text = shown("a: 1\n\tseed: é\u{1b} x\n", 2, 8, 99);
        assert_eq!(text, "  |\n2 |  seed: é\u{fffd} x\n  |        ^^^^");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = "[".repeat(100_000);
        let shown = shown(&text, 1, 50_000, 3);
        assert!(shown.lines().all(|l| l.chars().count() < WIDTH + 20), "{shown}");
        assert!(shown.ends_with(" ^^^"));
    }

    #[test]
    fn a_place_outside_the_text_does_no_harm() {
        for (line, column, length) in [(0, 0, 0), (9, 9, 9), (1, 99, 1), (usize::MAX, usize::MAX, usize::MAX)] {
            assert!(shown("a: 1", line, column, length).ends_with('^'));
        }
    }
}
