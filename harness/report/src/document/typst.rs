use std::fmt::Write;

use super::outline::outline;
use super::text::shown;
use super::{Block, Document, Figure, Span, Table, Text};

/// The document as a Typst file that needs no other: `typst compile` makes the same PDF of it every time.
///
/// All text is in string literals of Typst's code, where only a backslash and a quote mean something.
pub fn typst(document: &Document) -> String {
    let mut file = format!(
        "#set document(title: {}, date: none)\n{PREAMBLE}\n#block(below: 1.2em, text(20pt, weight: \"bold\", {}))\n",
        string(&document.title),
        string(&document.title)
    );
    for line in &document.about {
        let _ = writeln!(file, "#block(above: .5em, below: .5em, text(9pt, fill: dim, {}))", spans(line, 0));
    }
    file += "#line(length: 100%, stroke: 1.5pt + mark)\n";
    let sections = outline(document);
    if sections.len() > 1 {
        file += "#outline(depth: 1, title: none)\n";
    }
    for placed in sections {
        let _ = writeln!(file, "#heading(level: {}, {})", placed.depth(), string(&placed.section.title));
        placed.section.blocks.iter().for_each(|one| block(one, &mut file));
    }
    file
}

const PREAMBLE: &str = "\
#let mark = rgb(\"#0b5c8a\")
#let dim = rgb(\"#5b6675\")
#set page(paper: \"a4\", margin: (x: 19mm, top: 20mm, bottom: 22mm), numbering: \"1 / 1\")
#set text(font: (\"Libertinus Serif\", \"New Computer Modern\", \"DejaVu Sans Mono\"), size: 10.5pt, lang: \"en\")
#set par(justify: false, leading: .62em)
#set heading(numbering: \"1.1\")
#show heading: set block(above: 1.5em, below: .8em, sticky: true)
#show heading.where(level: 1): set text(15pt, fill: mark)
#show figure.caption: set align(left)
#show figure.caption: set text(9pt, fill: dim)
#show raw: set text(font: \"DejaVu Sans Mono\", size: .9em)
#let note(body) = block(width: 100%, inset: 8pt, radius: 2pt, fill: rgb(\"#fdf5ec\"), stroke: (left: 3pt + rgb(\"#b4540a\")), body)
#let sheet(size, columns, align, head, ..cells) = block(width: 100%, above: 1em, below: 1.2em, {
  set text(size)
  set par(leading: .5em)
  table(
    columns: columns, align: align, inset: (x: 4.5pt, y: 3.5pt),
    stroke: (x, y) => if y == 0 { (bottom: .9pt) } else { (bottom: .3pt + luma(200)) },
    table.header(..head), ..cells,
  )
})";

fn block(block: &Block, file: &mut String) {
    let _ = match block {
        Block::Paragraph(text) => writeln!(file, "#par({})", spans(text, LONGEST_WORD)),
        Block::Note(text) => writeln!(file, "#note({})", spans(text, LONGEST_WORD)),
        Block::List(items) => {
            let items: Vec<String> = items.iter().map(|item| spans(item, LONGEST_WORD)).collect();
            writeln!(file, "#list({})", items.join(", "))
        }
        Block::Table(table) => writeln!(file, "{}", rows(table)),
        Block::Figure(Figure { svg, caption, .. }) => writeln!(
            file,
            "#figure(placement: auto, image(bytes({}), format: \"svg\", width: 88%), caption: {}, numbering: none)",
            string_of(svg),
            spans(caption, LONGEST_WORD)
        ),
        Block::Commands(lines) => {
            let lines: Vec<String> = lines.iter().map(|line| string(line)).collect();
            writeln!(
                file,
                "#block(width: 100%, inset: 7pt, radius: 2pt, fill: luma(244), text(8.5pt, raw(({},).join(\"\\n\"), block: true)))",
                lines.join(", ")
            )
        }
    };
}

/// Longer words may be broken, so that no table and no line is wider than the page.
const LONGEST_WORD: usize = 40;

fn rows(table: &Table) -> String {
    let (size, longest) = match table.columns.len() {
        0..=4 => ("8.5pt", 30),
        5..=7 => ("7.8pt", 20),
        8..=9 => ("7pt", 14),
        _ => ("6.2pt", 12),
    };
    let each = |of: &dyn Fn(bool) -> &'static str| {
        table.columns.iter().map(|column| of(column.is_number)).collect::<Vec<_>>().join(", ")
    };
    let heads: Vec<String> =
        table.columns.iter().map(|column| format!("strong({})", string(&breakable(&column.name, longest)))).collect();
    let cells = table.rows.iter().map(|row| {
        let cells: Vec<String> = row.iter().map(|cell| spans(cell, longest)).collect();
        format!("  {},\n", cells.join(", "))
    });
    format!(
        "#sheet({size}, ({},), ({},), ({},),\n{})",
        each(&|_| "auto"),
        each(&|is_number| if is_number { "right" } else { "left" }),
        heads.join(", "),
        cells.collect::<String>()
    )
}

/// A text as an expression; words longer than `longest` may be broken, and none where that is 0.
fn spans(text: &Text, longest: usize) -> String {
    let span = |span: &Span| {
        let text = string(&breakable(span.text(), longest));
        match span {
            Span::Plain(_) => text,
            Span::Code(_) => format!("raw({text})"),
            Span::Strong(_) => format!("strong({text})"),
            Span::Emphasis(_) => format!("emph({text})"),
        }
    };
    match text.spans() {
        [] => "[]".to_owned(),
        [one] => span(one),
        several => format!("{{ {} }}", several.iter().map(span).collect::<Vec<_>>().join("; ")),
    }
}

/// Lets lines break after every `longest` characters in which there is no space or hyphen. Digests are kept whole, to be copied.
fn breakable(text: &str, longest: usize) -> String {
    let is_digest = text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit());
    if longest == 0 || is_digest {
        return text.to_owned();
    }
    let (mut out, mut run) = (String::new(), 0);
    for c in text.chars() {
        run = if c.is_whitespace() || c == '-' { 0 } else { run + 1 };
        out.push(c);
        if run >= longest || (run > 3 && matches!(c, '_' | '/' | '.')) && longest < 30 {
            out.push('\u{200b}');
            run = 0;
        }
    }
    out
}

fn string(text: &str) -> String {
    string_of(&shown(text))
}

/// A string literal with these very characters.
fn string_of(text: &str) -> String {
    let mut literal = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(literal, "\\u{{{:x}}}", u32::from(c));
            }
            c => literal.push(c),
        }
    }
    literal + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_break_and_digests_do_not() {
        let digest = "0123456789abcdef".repeat(4);
        assert_eq!(breakable(&digest, 10), digest);
        assert_eq!(breakable("abcdefghij-klm nop", 5), "abcde\u{200b}fghij\u{200b}-klm nop");
        assert_eq!(breakable("a very-long-name of words", 10), "a very-long-name of words");
    }

    #[test]
    fn literals_hold_every_character() {
        assert_eq!(string_of("a\"\\\n\u{1}é"), "\"a\\\"\\\\\\n\\u{1}é\"");
    }
}
