//! Development tasks: `cargo xtask check`, `cargo xtask accept`, `cargo xtask generate`.

mod accept;
mod check;
mod generate;
mod models;
mod ridge;

use anyhow::{Result, bail};
use std::path::PathBuf;

const USAGE: &str = "\
usage: cargo xtask TASK

  check              format, clippy, tests, docs and every generated file: what CI runs
  generate [--check] writes every generated file, or says which are stale
  models [--check]   solves and writes the models of the quickstart, or says which are stale
  accept [ID] [--small]
                     re-runs the long checks and writes reports/acceptance/<id>.json;
                     --small runs the form that CI runs and writes nothing";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    std::env::set_current_dir(root())?;
    match args.as_slice() {
        ["check"] => check::run(),
        ["accept", rest @ ..] => {
            let small = rest.contains(&"--small");
            accept::build()?;
            match rest.iter().filter(|arg| **arg != "--small").collect::<Vec<_>>().as_slice() {
                [] => accept::run(None, small),
                [id] => accept::run(Some(id), small),
                _ => bail!("accept takes one ID\n{USAGE}"),
            }
        }
        ["generate"] => generate::run(false),
        ["generate", "--check"] => generate::run(true),
        ["models"] => models::generate(false),
        ["models", "--check"] => models::generate(true),
        ["--help" | "-h" | "help"] | [] => {
            println!("{USAGE}");
            Ok(())
        }
        other => bail!("unknown task `{}`\n{USAGE}", other.join(" ")),
    }
}

/// The repository's root.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}
