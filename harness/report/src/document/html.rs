use std::fmt::Write;

use super::outline::{Placed, outline};
use super::text::shown;
use super::{Block, Document, Figure, Span, Table, Text};

/// One page that needs nothing else: no script, no network, pictures in it, ready to print.
pub fn html(document: &Document) -> String {
    let title = escaped(&document.title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n<main>\n<header>\n<h1>{title}</h1>\n"
    );
    document.about.iter().for_each(|line| page += &format!("<p>{}</p>\n", spans(line)));
    let sections = outline(document);
    page += "</header>\n";
    page += &contents(&sections);
    for placed in &sections {
        let (level, anchor, number) = (placed.depth() + 1, placed.anchor(), placed.number());
        let heading = escaped(&placed.section.title);
        let _ = writeln!(page, "<h{level} id=\"{anchor}\"><span class=\"number\">{number}</span>{heading}</h{level}>");
        placed.section.blocks.iter().for_each(|one| block(one, &mut page));
    }
    page + "</main>\n</body>\n</html>\n"
}

fn contents(sections: &[Placed<'_>]) -> String {
    let chapters = sections.iter().filter(|placed| placed.depth() == 1);
    let line = |placed: &Placed<'_>| {
        format!("<li><a href=\"#{}\">{}</a></li>\n", placed.anchor(), escaped(&placed.section.title))
    };
    let lines: String = chapters.map(line).collect();
    if lines.is_empty() { lines } else { format!("<nav>\n<ol>\n{lines}</ol>\n</nav>\n") }
}

fn block(block: &Block, page: &mut String) {
    let _ = match block {
        Block::Paragraph(text) => writeln!(page, "<p>{}</p>", spans(text)),
        Block::Note(text) => writeln!(page, "<p class=\"note\">{}</p>", spans(text)),
        Block::List(items) => {
            let items: String = items.iter().map(|item| format!("<li>{}</li>\n", spans(item))).collect();
            writeln!(page, "<ul>\n{items}</ul>")
        }
        Block::Table(table) => writeln!(page, "{}", rows(table)),
        Block::Figure(Figure { svg, caption, .. }) => {
            let (alternative, caption) = (escaped(&caption.characters()), spans(caption));
            writeln!(
                page,
                "<figure><img alt=\"{alternative}\" src=\"{}\"><figcaption>{caption}</figcaption></figure>",
                data_uri(svg)
            )
        }
        Block::Commands(lines) => {
            let lines: Vec<String> = lines.iter().map(|line| escaped(line)).collect();
            writeln!(page, "<pre><code>{}</code></pre>", lines.join("\n"))
        }
    };
}

fn rows(table: &Table) -> String {
    let class = |at: usize| if table.columns[at].is_number { " class=\"n\"" } else { "" };
    let heads = table.columns.iter().enumerate();
    let heads: String =
        heads.map(|(at, column)| format!("<th scope=\"col\"{}>{}</th>", class(at), escaped(&column.name))).collect();
    let row = |row: &Vec<Text>| {
        let cells = row.iter().enumerate();
        let cells: String = cells.map(|(at, cell)| format!("<td{}>{}</td>", class(at), spans(cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = table.rows.iter().map(row).collect();
    let wide = if table.columns.len() > 7 { " wide" } else { "" };
    format!(
        "<div class=\"table{wide}\" tabindex=\"0\"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>"
    )
}

fn spans(text: &Text) -> String {
    let span = |span: &Span| {
        let text = escaped(span.text());
        match span {
            Span::Plain(_) => text,
            Span::Code(_) => format!("<code>{text}</code>"),
            Span::Strong(_) => format!("<strong>{text}</strong>"),
            Span::Emphasis(_) => format!("<em>{text}</em>"),
        }
    };
    text.spans().iter().map(span).collect()
}

/// Text that is no markup, between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in shown(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A picture as an address: as an image its scripts do not run and it loads nothing.
fn data_uri(svg: &str) -> String {
    let mut uri = "data:image/svg+xml,".to_owned();
    for byte in svg.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => uri.push(char::from(byte)),
            byte => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

const STYLE: &str = "\
:root { color-scheme: light; --ink: #1c2430; --dim: #5b6675; --line: #d5dae1; --soft: #f4f6f8; --mark: #0b5c8a; }
* { box-sizing: border-box; }
html { font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', 'DejaVu Sans', sans-serif; color: var(--ink); \
background: #fff; }
body { margin: 0; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem 5rem; }
p, ul, ol, h2, h3, h4 { max-width: 46rem; overflow-wrap: anywhere; }
header { border-bottom: 3px solid var(--mark); margin-bottom: 1.5rem; }
header p { color: var(--dim); margin: .3rem 0; overflow-wrap: anywhere; }
header p:last-child { margin-bottom: 1.2rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .8rem; overflow-wrap: anywhere; }
h2 { font-size: 1.4rem; margin: 3rem 0 .8rem; padding-top: .6rem; border-top: 1px solid var(--line); break-after: avoid; }
h3 { font-size: 1.12rem; margin: 2rem 0 .5rem; break-after: avoid; }
h4 { font-size: 1rem; margin: 1.5rem 0 .4rem; break-after: avoid; }
.number { color: var(--mark); margin-right: .7em; font-variant-numeric: tabular-nums; }
nav { background: var(--soft); padding: .8rem 1.2rem; border-radius: 6px; }
nav ol { margin: 0; padding-left: 1.6rem; columns: 2; column-gap: 2rem; }
a { color: var(--mark); }
code, pre { font-family: ui-monospace, 'Liberation Mono', 'DejaVu Sans Mono', monospace; font-size: .86em; }
code { overflow-wrap: anywhere; }
pre { background: var(--soft); padding: .8rem 1rem; border-radius: 6px; overflow-x: auto; }
pre code { overflow-wrap: normal; }
.note { border-left: 4px solid #b4540a; background: #fdf5ec; padding: .6rem .9rem; border-radius: 0 6px 6px 0; }
.table { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .86rem; line-height: 1.4; }
.wide table { font-size: .78rem; }
th { text-align: left; vertical-align: bottom; border-bottom: 2px solid var(--ink); padding: .3rem .7rem; }
td { vertical-align: top; border-bottom: 1px solid var(--line); padding: .3rem .7rem; overflow-wrap: break-word; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; }
td.n { white-space: nowrap; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
figure { margin: 1.2rem 0; break-inside: avoid; }
figure img { max-width: 100%; height: auto; }
figcaption { color: var(--dim); font-size: .88rem; max-width: 46rem; }
@media (max-width: 40rem) { nav ol { columns: 1; } main { padding: 1.5rem 1rem 3rem; } }
@media print {
  html { font-size: 9.5pt; }
  main { max-width: none; padding: 0; }
  p, ul, ol, h2, h3, h4 { max-width: none; }
  .table { overflow: visible; }
  table { font-size: 7.6pt; }
  .wide table { font-size: 6.6pt; }
  th, td { padding: .2rem .35rem; overflow-wrap: anywhere; }
  td.n, th.n { white-space: normal; overflow-wrap: normal; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  a { color: inherit; text-decoration: none; }
  @page { size: A4; margin: 18mm 16mm; }
}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_an_address_that_says_the_same() {
        let uri = data_uri("<svg a=\"1\">é</svg>\n");
        assert_eq!(uri, "data:image/svg+xml,%3Csvg%20a%3D%221%22%3E%C3%A9%3C%2Fsvg%3E%0A");
    }
}
