//! `tinyassay audit`: one document about a report, for a reviewer.

mod lineage;
mod pdf;

use crate::exit::Exit;
use crate::places::Places;
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use evidence::{Digest, SystemFiles, write_atomically};
use report::audit::Case;
use report::document::{Document, html, markdown, typst};
use report::{SUITE, Stored, VERDICT};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tinyassay audit reports/quickstart           all of them, in reports/quickstart-audit/
  tinyassay audit quickstart --format html --out review         one page, review/audit.html
  tinyassay audit quickstart --intended-use 'Sorts parcels on a belt. Not for road traffic.'

The document says what was measured, how, and with what result: purpose and threat model, artifacts
by digest, protocol with every number, results with intervals by the properties of ISO/IEC 24029-2,
failure indicators, cost, gates, what was not measured, and how to replay and verify. Results alone
decide what it says; the lineage comes from the models that are registered here, and only where
their digests are those of the report. The intended use belongs into the suite, as its key
`purpose`, where the plan's digest covers it.

The PDF is made by Typst 0.13 or newer: the program typst, or Python's package of that name (pip
install typst). Without either audit.typ is written, and `typst compile audit.typ` makes the PDF
elsewhere. The same report gives the same bytes.")]
pub(crate) struct AuditArgs {
    /// The folder of a report, or its name in reports/
    report: PathBuf,
    /// Where the documents go [default: the report's folder with `-audit` at its end]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Which documents
    #[arg(long, value_enum, default_value_t = Form::All)]
    format: Form,
    /// What the models are for, in place of what the suite says
    #[arg(long, value_name = "TEXT")]
    intended_use: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// One page, to read and to print
    Html,
    /// Text, with figures in files beside it
    Markdown,
    /// The Typst file, and the PDF where Typst is installed
    Pdf,
    /// All of them
    All,
}

/// Reads a report and writes the documents.
///
/// Errors: there is no report, it cannot be read, the folder is not ours to write to; for `--format pdf`, that Typst is not there;
/// whatever Typst says.
pub(crate) fn run(args: &AuditArgs) -> Result<Exit> {
    let places = Places::from_env();
    let folder = places.report(&args.report);
    let stored = Stored::read(&folder)?;
    let out = args.out.clone().unwrap_or_else(|| beside(&folder));
    check(&out, &folder)?;
    let lineage = lineage::lineage(&stored.results, &places.registry());
    let (files, integrity, signatures) = (files(&folder)?, integrity(&folder), signatures(&folder));
    let name = folder.to_string_lossy();
    let case = Case {
        stored: &stored,
        folder: &name,
        intended_use: args.intended_use.as_deref().filter(|text| !text.trim().is_empty()),
        files: &files,
        lineage: &lineage,
        integrity: integrity.as_deref(),
        signatures: &signatures,
    };
    let document = report::audit::audit(&case)?;
    fs::create_dir_all(&out).with_context(|| format!("failed to create {}", out.display()))?;
    write(&document, &out, args.format)
}

fn write(document: &Document, out: &Path, form: Form) -> Result<Exit> {
    let put = |name: &str, text: &str| -> Result<()> {
        write_atomically(&SystemFiles, &out.join(name), text.as_bytes())?;
        println!("{}", out.join(name).display());
        Ok(())
    };
    let wanted = |one: Form| form == one || form == Form::All;
    if wanted(Form::Html) {
        put("audit.html", &html(document))?;
    }
    if wanted(Form::Markdown) {
        document.figures().into_iter().try_for_each(|figure| put(&figure.file, &figure.svg))?;
        put("audit.md", &markdown(document))?;
    }
    if wanted(Form::Pdf) {
        put(pdf::SOURCE, &typst(document))?;
        match pdf::make(out)? {
            Some(path) => println!("{}", path.display()),
            None if form == Form::All => println!("no PDF: {}\n{}", pdf::NOT_THERE, pdf::HINT),
            None => bail!("failed to make {}: {}\n{}", pdf::RESULT, pdf::NOT_THERE, pdf::HINT),
        }
    }
    Ok(Exit::Pass)
}

/// `reports/x-audit` for `reports/x`.
fn beside(folder: &Path) -> PathBuf {
    let name = folder.file_name().map_or("report".into(), |name| name.to_string_lossy().into_owned());
    folder.with_file_name(format!("{name}-audit"))
}

/// A document in the report's folder would be a file that its list of digests does not know.
fn check(out: &Path, report: &Path) -> Result<()> {
    let [out_path, report_path] =
        [out, report].map(|path| fs::canonicalize(path).or_else(|_| std::path::absolute(path)));
    if out_path?.starts_with(report_path?) || out.join("results.json").exists() {
        bail!(
            "{} is a report, and its SHA256SUMS would no longer hold with more files in it\nhint: give another folder with --out",
            out.display()
        );
    }
    Ok(())
}

/// Digests of what the document is made from.
fn files(folder: &Path) -> Result<Vec<(String, Digest)>> {
    let names = ["results.json", "observations.json", SUITE, VERDICT];
    let there = names.into_iter().filter(|name| folder.join(name).exists());
    let digest = |name: &str| -> Result<(String, Digest)> {
        let bytes =
            fs::read(folder.join(name)).with_context(|| format!("failed to read {}", folder.join(name).display()))?;
        Ok((name.to_owned(), Digest::of(&bytes)))
    };
    there.map(digest).collect()
}

/// How the folder differs from its list; `None` where there is none that can be read.
fn integrity(folder: &Path) -> Option<Vec<String>> {
    let line = |mismatch: report::Mismatch| match mismatch {
        report::Mismatch::Changed(name) => format!("changed: {name}"),
        report::Mismatch::Missing(name) => format!("missing: {name}"),
        report::Mismatch::Unlisted(name) => format!("not listed: {name}"),
    };
    Some(report::verify(folder).ok()?.into_iter().map(line).collect())
}

/// Signed statements in the folder, by name.
fn signatures(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("attestation")).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> =
        names.filter(|name| name.ends_with(".dsse.json")).map(|name| format!("attestation/{name}")).collect();
    names.sort();
    names
}
