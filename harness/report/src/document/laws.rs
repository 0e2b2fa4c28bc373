//! Text is text in every target: what it holds changes nothing of the markup around it.

use super::{Block, Column, Document, Figure, Section, Table, Text, html, markdown, terminal, typst};

const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "</title></style><img src=x onerror=alert(1)>",
    "\" onload=\"alert(1)",
    "' x='&amp;&#x3c;",
    "a|b||c",
    "`a` ``b`` ```",
    "**bold** _it_ ~~gone~~ $x$ # h",
    "[link](javascript:alert(1)) ![i](http://x/y.png)",
    "http://example.com www.example.com :smile: @someone #1",
    "\\\\ \\\" \\",
    "\") #panic(\"x\") \"",
    "#read(\"/etc/passwd\") $ @ref <label> // comment /* */",
    "\u{1b}[31mred\u{7}\r\n- item\n# head\n| a |",
    "\u{202e}reversed\u{2066}",
    "- item",
    "1. item",
    "=====",
    "> quote",
    "    code",
    "]]> <!-- -->",
    "é – ∞ ≤ 日本語 🙂",
    "",
];

/// One of everything, with `text` wherever text can be.
fn document(text: &str) -> Document {
    let all = || Text::from(text).code(text).strong(text).emphasis(text);
    let column = |is_number| Column { name: text.to_owned(), is_number };
    let table = Table { columns: vec![column(false), column(true)], rows: vec![vec![all(), Text::from(text)]] };
    let figure = Figure { file: "a.svg".to_owned(), svg: "<svg/>".to_owned(), caption: all() };
    let part = Section::new(text).paragraph(all()).note(all()).list(vec![Text::from(text), all()]);
    let chapter =
        Section::new(text).table(table).figure(Some(figure)).commands(vec![text.to_owned(), "true".to_owned()]);
    Document { title: text.to_owned(), about: vec![all()], sections: vec![chapter.section(part)] }
}

/// The tags, and the text that is between them as a browser reads it.
fn read_html(page: &str) -> (Vec<String>, String) {
    let (mut tags, mut text, mut rest) = (Vec::new(), String::new(), page);
    while let Some(at) = rest.find('<') {
        text += &rest[..at];
        let end = rest[at..].find('>').unwrap() + at;
        // The picture's description is text too.
        let tag = &rest[at..end];
        let (name, alternative) =
            tag.split_once(" alt=\"").map_or((tag, ""), |(a, b)| (a, b.split_once('"').unwrap().0));
        text += alternative;
        tags.push(name.to_owned());
        rest = &rest[end + 1..];
    }
    let names = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    (tags, names.iter().fold(text, |text, (name, c)| text.replace(name, c)))
}

#[test]
fn html_has_the_same_tags_whatever_the_text() {
    let (tags, _) = read_html(&html(&document("x")));
    for text in HOSTILE.iter().filter(|text| !text.is_empty()) {
        let (found, read) = read_html(&html(&document(text)));
        assert_eq!(found, tags, "{text}");
        assert!(read.contains(&super::text::shown(text)), "{text}");
    }
}

/// The file without the insides of its string literals, and these.
fn read_typst(file: &str) -> (String, Vec<String>) {
    let (mut outside, mut strings, mut rest) = (String::new(), Vec::new(), file.chars());
    while let Some(c) = rest.next() {
        outside.push(c);
        if c != '"' {
            continue;
        }
        let mut string = String::new();
        loop {
            match rest.next().expect("a literal ends") {
                '"' => break,
                '\\' => match rest.next().expect("something is escaped") {
                    'n' => string.push('\n'),
                    c => string.push(c),
                },
                c => string.push(c),
            }
        }
        strings.push(string);
    }
    (outside, strings)
}

#[test]
fn typst_has_the_same_code_whatever_the_text() {
    let (code, _) = read_typst(&typst(&document("x")));
    for text in HOSTILE.iter().filter(|text| !text.is_empty()) {
        let (found, strings) = read_typst(&typst(&document(text)));
        assert_eq!(found, code, "{text}");
        let shown = super::text::shown(text);
        assert!(strings.iter().any(|string| string.replace('\u{200b}', "") == shown), "{text}");
    }
}

/// The file without what is in code spans, and with a letter for what a backslash protects.
fn read_markdown(file: &str) -> String {
    let (mut markup, chars) = (String::new(), file.chars().collect::<Vec<_>>());
    let run = |from: usize| chars[from..].iter().take_while(|c| **c == '`').count();
    let mut at = 0;
    while at < chars.len() {
        match chars[at] {
            '\\' => {
                markup.push('x');
                at += 2;
            }
            '`' => {
                let fence = run(at);
                let mut end = at + fence;
                while end < chars.len() && run(end) != fence {
                    end += run(end).max(1);
                }
                assert!(end < chars.len(), "a code span ends: {file}");
                markup.push('`');
                at = end + fence;
            }
            c => {
                markup.push(c);
                at += 1;
            }
        }
    }
    markup
}

#[test]
fn markdown_has_the_same_markup_whatever_the_text() {
    let marks = |file: &str| -> Vec<String> {
        let of_line = |line: &str| -> String {
            let first = line.split(' ').next().filter(|word| word.chars().all(|c| "#->+=.)0123456789".contains(c)));
            let marks: String = line.chars().filter(|c| "`*_[]<>&|~$#@".contains(*c)).collect();
            format!("{} {marks}", first.unwrap_or_default())
        };
        read_markdown(file).lines().map(of_line).collect()
    };
    let expected = marks(&markdown(&document("x")));
    for text in HOSTILE.iter().filter(|text| !text.is_empty()) {
        let file = markdown(&document(text));
        assert_eq!(marks(&file), expected, "{text}\n{file}");
        for address in ["http://", "www.", "!["] {
            let own = if address == "![" { 1 } else { 0 };
            assert_eq!(read_markdown(&file).matches(address).count(), own, "{text}");
        }
    }
}

#[test]
fn every_target_takes_anything_and_ends_its_last_line() {
    for text in HOSTILE {
        for target in [html, markdown, typst, terminal] {
            let rendered = target(&document(text));
            assert!(rendered.ends_with('\n') && !rendered.ends_with("\n\n"), "{text}");
            assert!(!rendered.contains(['\u{1b}', '\u{7}', '\r', '\u{202e}']), "{text}");
            assert_eq!(rendered, target(&document(text)));
        }
    }
    for target in [html, markdown, typst, terminal] {
        assert!(target(&Document::default()).ends_with('\n'));
    }
}

#[test]
fn every_block_is_somewhere_in_every_target() {
    let words = ["aaa", "bbb", "ccc", "ddd", "eee", "fff"];
    let section = Section {
        title: words[0].to_owned(),
        blocks: vec![
            Block::Paragraph(words[1].into()),
            Block::Note(words[2].into()),
            Block::List(vec![words[3].into()]),
            Block::Table(Table::new(&[words[4]], &["n"]).rows([["1", "2"]])),
            Block::Commands(vec![words[5].to_owned()]),
        ],
        sections: Vec::new(),
    };
    let document = Document { title: "t".to_owned(), about: Vec::new(), sections: vec![section] };
    for target in [html, markdown, typst, terminal] {
        let text = target(&document);
        words.iter().for_each(|word| assert!(text.contains(word), "{word} in {text}"));
    }
}
