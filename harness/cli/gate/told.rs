//! Where a verdict goes: the terminal, files, and GitHub Actions.

use super::TellArgs;
use anyhow::{Context, Result};
use evidence::{Decision, GateVerdict, SystemFiles, write_atomically};
use report::{SUMMARY_LIMIT, annotations, verdict_format, verdict_summary};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

/// Prints the verdict and writes it in every form that is asked for.
///
/// Errors: a file cannot be written.
pub(crate) fn tell(verdict: &GateVerdict, args: &TellArgs) -> Result<()> {
    let render = |name: &str| -> Result<String> {
        let format = verdict_format(name).context("the format is in the table")?;
        Ok((format.render)(verdict)?)
    };
    print!("{}", render("terminal")?);
    let files = [("junit", &args.junit), ("sarif", &args.sarif), ("summary", &args.summary), ("json", &args.json)];
    for (name, path) in files {
        if let Some(path) = path {
            write_atomically(&SystemFiles, path, render(name)?.as_bytes())?;
            println!("{name}: {}", path.display());
        }
    }
    if args.github || variable("GITHUB_ACTIONS").is_some() {
        print!("{}", annotations(verdict));
        if let Some(path) = variable("GITHUB_STEP_SUMMARY") {
            let there = std::fs::metadata(&path).map_or(0, |file| file.len());
            let room = SUMMARY_LIMIT.saturating_sub(usize::try_from(there).unwrap_or(SUMMARY_LIMIT));
            append(&path, &verdict_summary(verdict, room))?;
        }
        if let Some(path) = variable("GITHUB_OUTPUT") {
            append(&path, &format!("decision={}\n", word(verdict.decision)))?;
        }
    }
    Ok(())
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Pass => "pass",
        Decision::Inconclusive => "inconclusive",
        Decision::Fail => "fail",
    }
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty() && value != "false").map(PathBuf::from)
}

/// Steps of a job share these files, so nothing that is there is replaced.
fn append(path: &Path, text: &str) -> Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("failed to write {}", path.display()))
}

/// A path as a repository knows it: from its root, or else the current folder, with forward slashes. One outside of both stays as
/// it was named.
pub(super) fn shown(path: &Path) -> String {
    let root = variable("GITHUB_WORKSPACE").or_else(|| std::env::current_dir().ok());
    let inside = root.and_then(|root| {
        let (root, path) = (root.canonicalize().ok()?, path.canonicalize().ok()?);
        Some(path.strip_prefix(root).ok()?.to_path_buf())
    });
    let named = inside.unwrap_or_else(|| path.to_path_buf());
    let parts = named.components().filter(|part| *part != Component::CurDir);
    let parts: Vec<String> = parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    parts.join("/").replacen("//", "/", 1)
}
