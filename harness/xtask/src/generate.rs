//! Files that are written by code: the one list of them.

use anyhow::{Context, Result, bail};
use report::{BOARD_FORMATS, Choice, Source, Stored};
use std::path::{Path, PathBuf};

/// A generated text file: its path and what writes it.
type Generated = (&'static str, fn() -> Result<String>);

/// Every generated text file.
const FILES: &[Generated] = &[
    ("suites/schema.json", || Ok(suite::schema_json())),
    ("suites/gates.schema.json", || Ok(suite::gates_schema_json())),
    ("models/recipe.schema.json", || Ok(train::recipe::schema_json())),
    ("harness/graph/OPERATORS.md", || Ok(operators())),
    ("reports/LEADERBOARD.md", leaderboard),
];

/// Writes every generated file, or with `check` only compares.
///
/// Errors: a file can't be written; with `check`, a file is stale (all are named).
pub(crate) fn run(check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for (path, content) in FILES {
        let wanted = content().with_context(|| format!("generate {path}"))?;
        let found = std::fs::read_to_string(Path::new(path)).unwrap_or_default();
        if found == wanted {
            continue;
        }
        if check {
            stale.push(*path);
        } else {
            std::fs::write(path, wanted).with_context(|| format!("write {path}"))?;
            println!("wrote {path}");
        }
    }
    if !stale.is_empty() {
        bail!("stale: {}; run `cargo xtask generate` and commit", stale.join(", "));
    }
    Ok(())
}

/// The leaderboard of all reports that are kept, as `tinyassay leaderboard` writes it.
fn leaderboard() -> Result<String> {
    let entries = std::fs::read_dir("reports").context("read reports")?;
    let mut folders: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    folders.retain(|folder| folder.join("results.json").exists());
    folders.sort();
    let source = |folder: &PathBuf| -> Result<Source> {
        let name = folder.file_name().and_then(|name| name.to_str()).context("a report whose name is not UTF-8")?;
        let link = Some(format!("{name}/report.md"));
        Ok(Source { name: name.to_owned(), link, results: Stored::read(folder)?.results })
    };
    let sources = folders.iter().map(source).collect::<Result<Vec<_>>>()?;
    let markdown = BOARD_FORMATS.iter().find(|format| format.name == "markdown").context("no format for people")?;
    Ok((markdown.render)(&report::merge(&sources)?, &Choice::default())?)
}

/// The page of supported operators.
fn operators() -> String {
    format!(
        "# Operators\n\nWhat Tinyassay reads from ONNX files of opsets 7 to 24 and differentiates. Any other operator is an error \
         when a model is\nprepared, never a zero gradient. `tinyassay model check FILE` names what a file needs.\n\nUnder opsets stand the versions that are read, by the opset that brought each; 7 also stands for older ones.\n\n{}",
        graph::supported_ops_table()
    )
}
