//! One page that needs nothing but a browser: no network, no other file, and without scripts still a document.

mod board;
mod chart;
pub(crate) mod parts;

use evidence::Results;

use crate::board::board;
use crate::text::html;
use crate::{Beside, Error, Figure};

pub(crate) use board::Shown;

/// A part of the page.
pub(crate) struct Section {
    /// Its anchor; unique on the page.
    pub(crate) id: String,
    /// Its heading, without markup.
    pub(crate) title: String,
    /// What stands below the heading.
    pub(crate) body: String,
}

impl Section {
    pub(crate) fn new(id: &str, title: &str, body: String) -> Self {
        Self { id: id.to_owned(), title: title.to_owned(), body }
    }
}

/// `report.html`.
pub(super) fn render(results: &Results, beside: Beside<'_>) -> Result<String, Error> {
    let mut sections = Vec::new();
    let board = board(results);
    sections.extend(beside.verdict.map(|verdict| Section::new("verdict", "Verdict", parts::verdict(verdict))));
    sections.extend(Shown::new(results, &board, "", &[])?.sections());
    sections.extend(chart::curves(results, &board).map(|body| Section::new("curves", "Robustness curves", body)));
    if let Some(figure) = beside.training {
        let body = parts::svg_image(&figure.svg, "Measures over the epochs of training") + &parts::markdown_prose(Figure::ABOUT);
        sections.push(Section::new("training", "Training", body));
    }
    if !beside.pictures.is_empty() {
        sections.push(Section::new("pictures", "Pictures", parts::pictures(beside.pictures)));
    }
    sections.extend([
        Section::new("flags", "Flags", parts::flags(&board)),
        Section::new("checks", "Checks and their parameters", parts::checks(&results.models)),
        Section::new("models", "Models and digests", parts::digests(results, &board)),
        Section::new("again", "How to run it again", parts::again(results)),
    ]);
    let lead = parts::threat(results);
    Ok(page(&results.suite, &format!("{lead}{}", parts::facts(results)), &sections))
}

/// The whole page. `lead` is markup.
pub(crate) fn page(title: &str, lead: &str, sections: &[Section]) -> String {
    let title = html(title);
    let links: String =
        sections.iter().map(|section| format!("<li><a href=\"#{}\">{}</a></li>", section.id, html(&section.title))).collect();
    let main: String = sections
        .iter()
        .map(|Section { id, title, body }| {
            format!("<section id=\"{id}\" aria-labelledby=\"{id}-h\">\n<h2 id=\"{id}-h\">{}</h2>\n{body}\n</section>\n", html(title))
        })
        .collect();
    let first = sections.iter().find(|section| section.id.starts_with("leaderboard")).map_or("main", |section| &section.id);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"Tinyassay\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#{first}\">Skip to the leaderboard</a>\n\
         <header class=\"top\">\n<div class=\"bar-top\"><p class=\"brand\">Tinyassay</p>\
         <button type=\"button\" id=\"theme\" class=\"js-only\" aria-pressed=\"false\">Dark</button></div>\n\
         <h1>{title}</h1>\n{lead}\n<nav aria-label=\"Sections\"><ul>{links}</ul></nav>\n</header>\n\
         <main id=\"main\">\n{main}</main>\n\
         <div id=\"tip\" role=\"tooltip\" hidden></div>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

/// Nothing is fetched from anywhere; style and script are those of the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{example, figure, model, pictures, ranked, results, verdict, with_probes};
    use std::collections::BTreeSet;

    fn full(results: &Results) -> String {
        let (figure, verdict, pictures) = (figure(), verdict(), pictures());
        let beside =
            Beside { training: Some(&figure), latency: &[], verdict: Some(&verdict), pictures: &pictures };
        render(results, beside).unwrap()
    }

    /// The page without style and script, which are files of their own.
    fn document(results: &Results) -> String {
        full(results).replace(STYLE, "STYLE\n").replace(SCRIPT, "SCRIPT\n")
    }

    #[test]
    fn the_page() {
        insta::assert_snapshot!(document(&ranked()), @r##""##);
    }

    /// Every attribute of this name, in order.
    fn attributes<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
        let start = format!(" {name}=\"");
        text.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
    }

    #[test]
    fn anchors_and_descriptions_lead_somewhere_once() {
        for results in [ranked(), example(), with_probes()] {
            let text = document(&results);
            let ids = attributes(&text, "id");
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
            let links = attributes(&text, "href").into_iter().map(|link| link.strip_prefix('#').unwrap());
            let more = ["aria-describedby", "aria-labelledby", "for"].into_iter().flat_map(|name| attributes(&text, name));
            for target in links.chain(more) {
                assert!(ids.contains(&target), "{target}");
            }
        }
    }

    #[test]
    fn nothing_comes_from_elsewhere() {
        let text = full(&ranked());
        for source in attributes(&text, "src") {
            assert!(source.starts_with("data:image/"), "{source}");
        }
        for part in ["http://", "https://", "@import", "url(", "innerHTML", "eval("] {
            let found = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!found.contains(part), "{part}");
        }
        assert!(text.contains("default-src 'none'"));
    }

    #[test]
    fn hostile_names_stay_text() {
        let evil = "</script><script>alert(1)</script><img src=x onerror='x'>\"&";
        let mut results = results(vec![model(evil, 5, &[(evil, 3)]), model("b", 5, &[(evil, 3)])]);
        (results.suite, results.dataset.name) = (evil.to_owned(), evil.to_owned());
        results.models[0].notes.push(evil.to_owned());
        results.models[0].attacks[0].parameters.insert(evil.to_owned(), evil.into());
        let tags = |text: &str, tag: &str| text.matches(tag).count();
        let (text, other) = (document(&results), document(&ranked()));
        assert_eq!(tags(&text, "<script"), tags(&other, "<script"));
        assert_eq!(tags(&text, "</script"), tags(&other, "</script"));
        assert!(!text.contains("<img src=x") && text.contains("&lt;img src=x onerror=&#39;x&#39;&gt;"));
    }
}
