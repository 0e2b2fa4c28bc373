//! The parts of the page that are prose, lists and tables.

use std::fmt::Write;

use evidence::{Decision, Flag, GateVerdict, ModelResult, Results};

use crate::board::{Board, doubts};
use crate::text::{html, plain, quoted};
use crate::{Merged, Picture, checks};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A table. `text_columns` are those from the left that hold no numbers.
pub(super) fn table(label: &str, header: &[&str], rows: &[Vec<String>], text_columns: usize) -> String {
    let class = |index: usize| if index < text_columns { "" } else { " class=\"num\"" };
    let head: String = header
        .iter()
        .enumerate()
        .map(|(at, name)| format!("<th scope=\"col\"{}>{}</th>", class(at), html(name)))
        .collect();
    let row = |cells: &Vec<String>| {
        let cell = |(at, cell): (usize, &String)| match at {
            0 => format!("<th scope=\"row\">{}</th>", html(cell)),
            _ => format!("<td{}>{}</td>", class(at), html(cell)),
        };
        format!("<tr>{}</tr>\n", cells.iter().enumerate().map(cell).collect::<String>())
    };
    format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"{}\" tabindex=\"0\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{}</tbody>\n\
         </table></div>",
        html(label),
        rows.iter().map(row).collect::<String>()
    )
}

/// A paragraph.
pub(super) fn prose(text: &str) -> String {
    format!("<p class=\"prose\">{}</p>", html(text))
}

/// A paragraph of ours that is written for Markdown: emphasis and code lose their marks.
pub(super) fn markdown_prose(text: &str) -> String {
    prose(&text.replace(['*', '`'], ""))
}

/// What an attacker may do, and on which rows that was tried.
pub(crate) fn threat(results: &Results) -> String {
    let (data, threat) = (&results.dataset, &results.threat);
    let norm = norm(&threat.norm);
    let grid = threat.grid.as_ref().map(|grid| format!(", on the grid {grid}")).unwrap_or_default();
    let budget = threat.budget.as_ref().map(|budget| format!(", with at most {budget} for a row")).unwrap_or_default();
    let licence = data.licence.as_ref().map(|licence| format!(" Licence: {licence}.")).unwrap_or_default();
    let text = format!(
        "An attacker who knows the model may change every input by at most {} in the {norm} norm ({}){grid}{budget}. Tried on {} rows of {} \
         ({} split): {}.{licence}",
        threat.epsilon, threat.units, data.samples, data.name, data.split, data.selection
    );
    format!("<p class=\"lead\">{}</p>", html(&text))
}

fn norm(name: &str) -> &str {
    match name {
        "linf" => "L∞",
        "l1" => "L1",
        "l2" => "L2",
        other => other,
    }
}

/// The few numbers that say what this is about.
pub(super) fn facts(results: &Results) -> String {
    let attacks = results.models.iter().map(|model| model.attacks.len()).max().unwrap_or(0);
    let probes = results.models.iter().map(|model| model.probes.len()).max().unwrap_or(0);
    let facts = [
        ("models", results.models.len().to_string()),
        ("rows", results.dataset.samples.to_string()),
        ("attacks", attacks.to_string()),
        ("probes", probes.to_string()),
        ("radius", format!("{} {}", norm(&results.threat.norm), results.threat.epsilon)),
    ];
    let known = facts.iter().filter(|(_, value)| value != "0");
    let fact = |(name, value): &(&str, String)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", html(value));
    format!("<dl class=\"facts\">{}</dl>", known.map(fact).collect::<String>())
}

/// What the gates say.
pub(super) fn verdict(verdict: &GateVerdict) -> String {
    let mut text = format!(
        "<p class=\"verdict {}\">{} <span>{}</span></p>\n<ul class=\"gates\">\n",
        word(verdict.decision),
        mark(verdict.decision),
        word(verdict.decision)
    );
    for gate in &verdict.gates {
        let _ = writeln!(
            text,
            "<li><strong class=\"{0}\">{1} {0}</strong> <b>{2}</b>: {3}<br><small>{4} ({5}, line {6})</small></li>",
            word(gate.decision),
            mark(gate.decision),
            html(&gate.model),
            html(&gate.gate),
            html(&gate.message),
            html(&gate.file),
            gate.line
        );
    }
    text + "</ul>"
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Pass => "pass",
        Decision::Inconclusive => "inconclusive",
        Decision::Fail => "fail",
    }
}

fn mark(decision: Decision) -> &'static str {
    match decision {
        Decision::Pass => "<span aria-hidden=\"true\">✓</span>",
        Decision::Inconclusive => "<span aria-hidden=\"true\">?</span>",
        Decision::Fail => "<span aria-hidden=\"true\">✕</span>",
    }
}

/// Results that should not be believed as they stand.
pub(super) fn doubted(board: &Board, flags: &str) -> String {
    let lines: String = doubts(board)
        .iter()
        .map(|doubt| {
            let attack = doubt.attack.map(|attack| format!(" under {attack}")).unwrap_or_default();
            format!("<li>{}</li>", html(&format!("{}{attack}: {}", doubt.model, doubt.reasons())))
        })
        .collect();
    match lines.is_empty() {
        true => String::new(),
        false => format!(
            "<div class=\"callout\"><p><strong>Inconclusive.</strong> The truth may lie far below these numbers; see \
             <a href=\"#{flags}\">Flags</a>.</p><ul>{lines}</ul></div>"
        ),
    }
}

/// Every flag that was raised, and what to think of it.
pub(crate) fn flags(board: &Board) -> String {
    let mut items = String::new();
    for doc in Flag::DOCS {
        let mut raised = Vec::new();
        for entry in &board.entries {
            let model = &entry.model;
            raised.extend(model.flags.get(&doc.flag).map(|rows| format!("{rows} rows of {}", model.name)));
            let attacks = entry.attacks.iter().flatten().map(|attack| (&attack.name, &attack.flags));
            let probes = entry.probes.iter().flatten().map(|probe| (&probe.name, &probe.flags));
            raised.extend(attacks.chain(probes).filter_map(|(check, flags)| {
                Some(format!("{} rows of {} under {check}", flags.get(&doc.flag)?, model.name))
            }));
        }
        if raised.is_empty() {
            continue;
        }
        let _ = writeln!(
            items,
            "<dt>{}</dt><dd><p>{}.</p><p><b>Raised if</b> {}. <b>Means:</b> {}. <b>Do:</b> {}.</p></dd>",
            html(doc.name),
            html(&raised.join("; ")),
            html(doc.raised_if),
            html(doc.means),
            html(doc.advice)
        );
    }
    if items.is_empty() { prose("None raised.") } else { format!("<dl class=\"wide\">\n{items}</dl>") }
}

/// What every check did.
pub(crate) fn checks(models: &[ModelResult]) -> String {
    let rows: Vec<Vec<String>> = checks::lines(models).into_iter().map(|line| line.to_vec()).collect();
    table("Checks and their parameters", &checks::HEADER, &rows, 4)
}

/// What was evaluated, by digest, and what computed the numbers.
pub(super) fn digests(results: &Results, board: &Board) -> String {
    let mut items = String::new();
    for entry in &board.entries {
        let model = entry.model;
        let notes: String = model.notes.iter().map(|note| format!("<br><small>note: {}</small>", html(note))).collect();
        let _ = writeln!(
            items,
            "<dt>{}</dt><dd><code>{}</code><br><small>{} of {} rows correct, {} on a tie</small>{notes}</dd>",
            html(&model.name),
            model.digest,
            model.correct,
            model.total,
            model.ties
        );
    }
    let runtime = &results.runtime;
    let runtime = format!(
        "Tinyassay {}, ONNX Runtime {} ({}, {}, optimisation {})",
        results.tinyassay, runtime.onnxruntime, runtime.provider, runtime.instruction_set, runtime.optimisation
    );
    let more = [
        (format!("data set {}", results.dataset.name), results.dataset.digest.to_string()),
        ("plan".to_owned(), results.plan_digest.to_string()),
        ("library of ONNX Runtime".to_owned(), results.runtime.library_sha256.clone()),
    ];
    for (name, digest) in more {
        let _ = writeln!(items, "<dt>{}</dt><dd><code>{}</code></dd>", html(&name), html(&digest));
    }
    format!("<dl class=\"wide\">\n{items}</dl>\n{}", prose(&format!("Computed by {runtime}.")))
}

/// What was evaluated in which reports, and what computed the numbers.
pub(crate) fn origins(merged: &Merged, board: &Board) -> String {
    let models = board.entries.iter().map(|entry| (entry.model.name.clone(), entry.model.digest.to_string()));
    let data = (format!("data set {}", merged.results.dataset.name), merged.results.dataset.digest.to_string());
    let reports = merged.reports.iter().map(|report| {
        (
            format!("report {}: suite {}, Tinyassay {}", report.name, report.suite, report.tinyassay),
            format!("plan {}", report.plan),
        )
    });
    let item =
        |(name, digest): (String, String)| format!("<dt>{}</dt><dd><code>{}</code></dd>\n", html(&name), html(&digest));
    let items: String = models.chain([data]).chain(reports).map(item).collect();
    let runtimes = merged.runtimes.iter().map(|runtime| {
        prose(&format!(
            "Computed by ONNX Runtime {} ({}, {}).",
            runtime.onnxruntime, runtime.provider, runtime.instruction_set
        ))
    });
    format!("<dl class=\"wide\">\n{items}</dl>\n{}", runtimes.collect::<String>())
}

/// What to type.
pub(super) fn again(results: &Results) -> String {
    let suite = quoted(&plain(&format!("{}.yaml", results.suite)));
    let command = format!("tinyassay run {suite} --samples {} --out again", results.dataset.samples);
    format!(
        "<pre><code>{}</code></pre>\n{}",
        html(&command),
        prose(
            "On the same runtime identity results.json is the same byte for byte. The suite is in suite.yaml beside this page, every number \
             that decided the run in report.md and results.json, and sha256sum -c SHA256SUMS checks the files of the folder."
        )
    )
}

/// Rows, and what attacks made of them: the first beside all others.
pub(super) fn pictures(pictures: &[Picture]) -> String {
    let figure = |picture: &Picture| {
        format!(
            "<figure><img alt=\"{0}\" src=\"data:image/png;base64,{1}\"><figcaption><b>{0}</b> {2}</figcaption></figure>\n",
            html(&picture.title),
            STANDARD.encode(&picture.png),
            html(&picture.caption)
        )
    };
    let (first, rest) = pictures.split_at(pictures.len().min(1));
    let [first, rest] = [first, rest].map(|some| some.iter().map(figure).collect::<String>());
    format!("<div class=\"pictures\">\n{first}<div>\n{rest}</div></div>")
}

/// A picture in SVG that was read from a file: as an image, where it can run no script.
pub(super) fn svg_image(svg: &str, alt: &str) -> String {
    format!(
        "<figure class=\"paper\"><img alt=\"{}\" src=\"data:image/svg+xml;base64,{}\"></figure>\n",
        html(alt),
        STANDARD.encode(svg.as_bytes())
    )
}
