use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};

use super::outline::outline;
use super::text::shown;
use super::{Block, Document, Table, Text};

/// Characters of a line of running text.
const WIDTH: usize = 100;
/// Characters of a line of words in a table.
const CELL: usize = 44;

/// The document for a terminal: tables in frames, text in lines, no pictures.
pub fn terminal(document: &Document) -> String {
    let mut blocks = vec![shown(&document.title)];
    blocks.extend(document.about.iter().map(|line| wrapped(line, "", WIDTH)));
    for placed in outline(document) {
        let title = shown(&placed.section.title);
        blocks.push(format!("{title}\n{}", "-".repeat(title.chars().count())));
        blocks.extend(placed.section.blocks.iter().filter_map(block));
    }
    blocks.join("\n\n") + "\n"
}

fn block(block: &Block) -> Option<String> {
    Some(match block {
        Block::Paragraph(text) => wrapped(text, "", WIDTH),
        Block::Note(text) => wrapped(&Text::from("Note: ").then(text.clone()), "  ", WIDTH),
        Block::List(items) => items.iter().map(|item| wrapped(item, "- ", WIDTH)).collect::<Vec<_>>().join("\n"),
        Block::Table(table) => rows(table),
        Block::Figure(_) => return None,
        Block::Commands(lines) => lines.iter().map(|line| format!("  {}", shown(line))).collect::<Vec<_>>().join("\n"),
    })
}

fn rows(table: &Table) -> String {
    let mut builder = Builder::default();
    builder.push_record(table.columns.iter().map(|column| shown(&column.name)));
    for row in &table.rows {
        let cells = row.iter().zip(&table.columns);
        builder.push_record(cells.map(|(cell, column)| match column.is_number {
            true => shown(&cell.characters()),
            false => wrapped(cell, "", CELL),
        }));
    }
    let mut framed = builder.build();
    framed.with(Style::rounded());
    for (at, _) in table.columns.iter().enumerate().filter(|(_, column)| column.is_number) {
        framed.modify(Columns::one(at), Alignment::right());
    }
    framed.to_string()
}

/// Lines of at most `width` characters where words allow it; the first begins with `first`, the others are indented as much.
fn wrapped(text: &Text, first: &str, width: usize) -> String {
    let indent = " ".repeat(first.len());
    let (mut lines, mut line, mut begun) = (Vec::new(), first.to_owned(), false);
    for word in shown(&text.characters()).split(' ').filter(|word| !word.is_empty()) {
        if begun && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            begun = false;
        }
        line.extend(begun.then_some(' '));
        line += word;
        begun = true;
    }
    lines.push(line);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_not_wider_than_they_may_be() {
        let text = Text::from("word ".repeat(60));
        let lines = wrapped(&text, "- ", WIDTH);
        assert!(lines.lines().all(|line| line.chars().count() <= WIDTH) && lines.starts_with("- word"));
        assert!(lines.lines().skip(1).all(|line| line.starts_with("  word")));
        assert_eq!(lines.matches("word").count(), 60);
    }
}
