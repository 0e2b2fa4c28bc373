use super::outline::outline;
use super::text::shown;
use super::{Block, Document, Figure, Span, Table, Text};

/// The document as GitHub's Markdown. Pictures are files beside it, under the names that they have.
pub fn markdown(document: &Document) -> String {
    let mut blocks = vec![format!("# {}", escaped(&document.title))];
    blocks.extend(document.about.iter().map(paragraph));
    for placed in outline(document) {
        let marks = "#".repeat(placed.depth() + 1);
        blocks.push(format!("{marks} {} {}", placed.number(), escaped(&placed.section.title)));
        blocks.extend(placed.section.blocks.iter().map(block));
    }
    blocks.join("\n\n") + "\n"
}

fn block(block: &Block) -> String {
    match block {
        Block::Paragraph(text) => paragraph(text),
        Block::Note(text) => format!("> **Note.** {}", spans(text, false)),
        Block::List(items) => {
            let items = items.iter().map(|item| format!("- {}", begun(&spans(item, false))));
            items.collect::<Vec<_>>().join("\n")
        }
        Block::Table(table) => rows(table),
        Block::Figure(Figure { file, caption, .. }) => {
            format!("![{}]({file})\n\n{}", escaped(&caption.characters()), paragraph(caption))
        }
        Block::Commands(lines) => {
            let lines: Vec<String> = lines.iter().map(|line| shown(line)).collect();
            let fence = "`".repeat(longest_run(&lines.join("\n")).max(2) + 1);
            format!("{fence}sh\n{}\n{fence}", lines.join("\n"))
        }
    }
}

fn paragraph(text: &Text) -> String {
    begun(&spans(text, false))
}

fn rows(table: &Table) -> String {
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let heads = line(table.columns.iter().map(|column| escaped(&column.name)).collect());
    let rule = line(table.columns.iter().map(|c| if c.is_number { "---:" } else { "---" }.to_owned()).collect());
    let rows = table.rows.iter().map(|row| line(row.iter().map(|cell| spans(cell, true)).collect()));
    [heads, rule].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

fn spans(text: &Text, in_table: bool) -> String {
    let span = |span: &Span| match span {
        Span::Plain(text) => escaped(text),
        Span::Code(text) => code(text, in_table),
        Span::Strong(text) => around("**", text),
        Span::Emphasis(text) => around("*", text),
    };
    text.spans().iter().map(span).collect()
}

/// Emphasis begins and ends at a character that is no space, as Markdown wants it.
fn around(mark: &str, text: &str) -> String {
    let inner = text.trim();
    let at = text.len() - text.trim_start().len();
    let (before, after) = (&text[..at], &text[(at + inner.len()).min(text.len())..]);
    if inner.is_empty() {
        escaped(text)
    } else {
        format!("{}{mark}{}{mark}{}", escaped(before), escaped(inner), escaped(after))
    }
}

/// A code span: its fence is longer than any run of backticks in it.
fn code(text: &str, in_table: bool) -> String {
    let text = shown(text);
    // In a table a bar ends the cell, in code too, unless a backslash stands before it; elsewhere code has no escapes.
    let text = if in_table { text.replace('|', "\\|") } else { text };
    let fence = "`".repeat(longest_run(&text) + 1);
    let gap = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{gap}{text}{gap}{fence}")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Text that is no markup wherever it stands, but for the beginning of a block.
fn escaped(text: &str) -> String {
    let text = shown(text);
    let mut escaped = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let is_markup = match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '$' | '#' | '@' | '^' => true,
            // An address or a name of a picture: no space follows the colon.
            ':' => rest.peek().is_some_and(|next| !next.is_whitespace()),
            '!' => rest.peek() == Some(&'['),
            '.' => ends_like_an_address(&escaped),
            _ => false,
        };
        escaped.extend(is_markup.then_some('\\'));
        escaped.push(c);
    }
    escaped
}

fn ends_like_an_address(text: &str) -> bool {
    text.chars().rev().take(3).filter(|c| c.eq_ignore_ascii_case(&'w')).count() == 3
}

/// A block whose beginning makes it no list, heading, rule or code.
fn begun(text: &str) -> String {
    let text = text.trim_start();
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    match text[digits..].chars().next() {
        Some('.' | ')') if digits > 0 => format!("{}\\{}", &text[..digits], &text[digits..]),
        Some('-' | '+' | '=' | ':') if digits == 0 => format!("\\{text}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_ends_where_its_text_ends() {
        let cases =
            [("plain", "`plain`"), ("a`b", "``a`b``"), ("`", "`` ` ``"), ("a|b\\", "`a|b\\`"), ("``a", "``` ``a ```")];
        for (text, expected) in cases {
            assert_eq!(code(text, false), expected);
        }
        assert_eq!(code("a|b", true), "`a\\|b`");
    }

    #[test]
    fn the_beginning_of_a_block_is_text() {
        let cases = [
            ("- a", "\\- a"),
            ("12. a", "12\\. a"),
            ("12.5 a", "12\\.5 a"),
            ("    a", "a"),
            ("# a", "\\# a"),
            ("+", "\\+"),
        ];
        for (text, expected) in cases {
            assert_eq!(paragraph(&Text::from(text)), expected, "{text}");
        }
    }

    #[test]
    fn emphasis_has_no_space_at_its_ends() {
        assert_eq!(around("**", " a* "), " **a\\*** ");
        assert_eq!(around("*", "  "), "  ");
    }

    #[test]
    fn addresses_are_no_links() {
        assert_eq!(escaped("a row. http://a.b, wWw.c.d, :+1:"), "a row. http\\://a.b, wWw\\.c.d, \\:+1:");
    }
}
