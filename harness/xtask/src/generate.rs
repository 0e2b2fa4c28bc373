//! Files that are written by code: the one list of them.

use anyhow::{Context, Result, bail};
use std::path::Path;

/// A generated text file: its path and what writes it.
type Generated = (&'static str, fn() -> String);

/// Every generated text file.
const FILES: &[Generated] = &[
    ("suites/schema.json", suite::schema_json),
    ("suites/gates.schema.json", suite::gates_schema_json),
    ("models/recipe.schema.json", train::recipe::schema_json),
    ("harness/graph/OPERATORS.md", operators),
];

/// Writes every generated file, or with `check` only compares.
///
/// Errors: a file can't be written; with `check`, a file is stale (all are named).
pub(crate) fn run(check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for (path, content) in FILES {
        let wanted = content();
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

/// The page of supported operators.
fn operators() -> String {
    format!(
        "# Operators\n\nWhat Tinyassay reads from ONNX files of opsets 7 to 24 and differentiates. Any other operator is an error \
         when a model is\nprepared, never a zero gradient. `tinyassay model check FILE` names what a file needs.\n\nUnder opsets stand the versions that are read, by the opset that brought each; 7 also stands for older ones.\n\n{}",
        graph::supported_ops_table()
    )
}
