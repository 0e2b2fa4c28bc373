//! The audit report through the whole program.

use crate::Test;
use crate::scratch::{Ran, SUITE, Scratch, ensure, same};
use libtest_mimic::Failed;
use std::process::Command;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("the_document_has_its_chapters_and_is_the_same_twice", the_document_has_its_chapters_and_is_the_same_twice),
    ("verdicts_add_up_to_a_hundred", verdicts_add_up_to_a_hundred),
    ("the_purpose_is_in_the_plan_and_decides_nothing", the_purpose_is_in_the_plan_and_decides_nothing),
    ("lineage_is_told_of_the_very_files_alone", lineage_is_told_of_the_very_files_alone),
    ("a_report_is_left_as_it_is", a_report_is_left_as_it_is),
    ("the_pdf_is_what_typst_makes_or_the_remedy_is_said", the_pdf_is_what_typst_makes_or_the_remedy_is_said),
];

const CHAPTERS: &[&str] = &[
    "Summary",
    "Purpose, intended use and threat model",
    "Artifacts and lineage",
    "Protocol",
    "Robustness",
    "Domain",
    "Stability",
    "Sensitivity",
    "Relevance",
    "Reachability",
    "Failure indicators",
    "Cost",
    "Gates and verdict",
    "What was not measured, and residual risk",
    "How to replay and verify",
    "Where frameworks ask for this",
];

/// Runs `audit` without any Typst.
fn audit(scratch: &Scratch, options: &[&str]) -> Result<Ran, Failed> {
    Ok(scratch.command(["audit"].iter().chain(options)).env("PATH", "").output()?.into())
}

fn report() -> Result<Scratch, Failed> {
    let scratch = Scratch::tiny()?;
    scratch.results(&[])?;
    Ok(scratch)
}

fn the_document_has_its_chapters_and_is_the_same_twice() -> Result<(), Failed> {
    let scratch = report()?;
    for folder in ["one", "two"] {
        audit(&scratch, &["out", "--out", folder])?.expect(0, &["audit.html", "audit.md", "audit.typ", "no PDF"])?;
    }
    same("again", &scratch.files("one")?, &scratch.files("two")?)?;
    let documents = ["html", "md", "typ"].map(|ending| scratch.read(&format!("one/audit.{ending}")));
    for document in documents {
        let document = document?;
        for chapter in CHAPTERS {
            ensure(document.contains(chapter), format!("no `{chapter}` in {}", &document[..80]))?;
        }
        // The models, their digests, every attack, and what was not done.
        let results = scratch.json("out/results.json")?;
        for model in results["models"].as_array().ok_or("no models")? {
            for part in ["name", "digest"] {
                ensure(
                    document.contains(model[part].as_str().ok_or("no text")?),
                    format!("no {part} of {}", model["name"]),
                )?;
            }
        }
        for part in ["pgd-5x2", "Nothing is proven", "No intended use was stated", "Not signed"] {
            ensure(document.contains(part), format!("no `{part}`"))?;
        }
        ensure(document.contains("tinyassay verify out"), "how to verify")?;
    }
    let html = scratch.read("one/audit.html")?;
    ensure(
        !html.contains("<script") && !html.contains("http://") && !html.contains("https://"),
        "the page loads nothing",
    )
}

/// Every line of the table of verdicts, read from the document as it is shown.
fn verdicts_add_up_to_a_hundred() -> Result<(), Failed> {
    let scratch = report()?;
    audit(&scratch, &["out", "--out", "a", "--format", "markdown"])?.expect(0, &[])?;
    let text = scratch.read("a/audit.md")?;
    let table = text.split("Certified, attacked, unknown").nth(1).ok_or("no table")?;
    let rows = table.lines().filter(|line| line.starts_with("| linear") || line.starts_with("| conv"));
    let mut seen = 0;
    for row in rows.take(4) {
        let cells: Vec<f64> = row.split('|').filter_map(|cell| cell.trim().strip_suffix(" %")?.parse().ok()).collect();
        let hundredths: i64 = cells[..4].iter().map(|cell| (100.0 * cell).round() as i64).sum();
        ensure(cells.len() == 5 && hundredths == 10_000 && cells[4] == 100.0, row)?;
        seen += 1;
    }
    ensure(seen == 4, format!("two attacks on two models, and {seen} rows"))
}

fn the_purpose_is_in_the_plan_and_decides_nothing() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let without = scratch.results(&[])?;
    scratch.write("tiny.yaml", format!("{SUITE}purpose: |\n  Sorts parcels.\n  Never for people.\n"))?;
    let with = scratch.results(&[])?;
    ensure(scratch.json("out/observations.json")?["blocks_computed"] == 0, "every block is found again")?;
    ensure(with["models"] == without["models"] && without["plan"].get("purpose").is_none(), "no number moves")?;
    ensure(with["plan"]["purpose"] == "Sorts parcels.\nNever for people.", format!("{}", with["plan"]["purpose"]))?;
    audit(&scratch, &["out", "--out", "a", "--format", "markdown"])?.expect(0, &[])?;
    let text = scratch.read("a/audit.md")?;
    ensure(text.contains("\n\nSorts parcels.\n\nNever for people.\n\n") && text.contains("as the suite says"), text)?;
    let other = ["out", "--out", "a", "--format", "markdown", "--intended-use", "<b>Other</b> | use"];
    audit(&scratch, &other)?.expect(0, &[])?;
    let text = scratch.read("a/audit.md")?;
    ensure(text.contains("\n\n\\<b\\>Other\\</b\\> \\| use\n\n") && !text.contains("Sorts parcels"), text)?;
    scratch.write("tiny.yaml", format!("{SUITE}purpose: ' '\n"))?;
    scratch.run(["run", "tiny.yaml", "--dry-run"])?.expect(2, &["`purpose` is empty"])
}

fn lineage_is_told_of_the_very_files_alone() -> Result<(), Failed> {
    let scratch = report()?;
    scratch.edit("models/linear/manifest.yaml", "provenance: unknown", "provenance: weights made by hand")?;
    scratch.run(["model", "remove", "conv"])?.expect(0, &[])?;
    let text = |scratch: &Scratch| -> Result<String, Failed> {
        audit(scratch, &["out", "--out", "a", "--format", "markdown"])?.expect(0, &[])?;
        scratch.read("a/audit.md")
    };
    let told = text(&scratch)?;
    ensure(told.contains("provenance weights made by hand") && told.contains("**conv**: not registered"), &told)?;
    scratch.run(["model", "remove", "linear"])?.expect(0, &[])?;
    scratch.add_model("linear", &crate::scratch::saturated()?, &["--provenance", "another"])?;
    let told = text(&scratch)?;
    ensure(told.contains("registered with other files") && !told.contains("provenance another"), told)
}

fn a_report_is_left_as_it_is() -> Result<(), Failed> {
    let scratch = report()?;
    let before = scratch.files("out")?;
    for folder in ["out", "out/audit", "./out/../out/x"] {
        audit(&scratch, &["out", "--out", folder])?.expect(2, &["SHA256SUMS", "--out"])?;
    }
    audit(&scratch, &["out"])?.expect(0, &["out-audit"])?;
    same("the report", &before, &scratch.files("out")?)?;
    let changed = scratch.read("out/report.md")? + " ";
    scratch.write("out/report.md", changed)?;
    audit(&scratch, &["out"])?.expect(0, &[])?;
    ensure(scratch.read("out-audit/audit.md")?.contains("changed: report.md"), "a change is told")?;
    audit(&scratch, &["nowhere"])?.expect(2, &["there is no results.json", "hint: "])?;
    scratch.write("out/results.json", "{")?;
    audit(&scratch, &["out"])?.expect(2, &["results.json"])
}

/// Programs in the place of Typst: one that copies, one that refuses.
fn the_pdf_is_what_typst_makes_or_the_remedy_is_said() -> Result<(), Failed> {
    let scratch = report()?;
    let pdf = ["out", "--out", "a", "--format", "pdf"];
    audit(&scratch, &pdf)?.expect(2, &["Typst is not installed", "pip install typst"])?;
    ensure(
        scratch.path("a/audit.typ").exists() && !scratch.path("a/audit.pdf").exists(),
        "what it is made from is there",
    )?;
    if !cfg!(unix) {
        return Ok(());
    }
    let with = |program: &str| -> Result<Ran, Failed> {
        scratch.write("bin/typst", program)?;
        let made = Command::new("chmod").arg("+x").arg(scratch.path("bin/typst")).status()?;
        ensure(made.success(), "chmod")?;
        let path = scratch.path("bin");
        Ok(scratch.command(["audit"].iter().chain(&pdf)).env("PATH", path).output()?.into())
    };
    with("#!/bin/sh\n[ \"$SOURCE_DATE_EPOCH\" = 0 ] || exit 9\n/bin/cp \"$5\" \"$6\"\n")?.expect(0, &["audit.pdf"])?;
    ensure(scratch.read("a/audit.pdf")? == scratch.read("a/audit.typ")?, "the program made it")?;
    with("#!/bin/sh\necho 'no such font' >&2\nexit 1\n")?.expect(2, &["typst says: no such font", "0.13"])?;
    ensure(!scratch.path("a/audit.pdf").exists(), "no older one is left")?;
    ensure(scratch.files("a")?.len() == 1, "and nothing half made")
}
