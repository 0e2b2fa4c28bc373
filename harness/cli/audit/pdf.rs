//! From a Typst file to a PDF, with whichever Typst is there.

use anyhow::{Context, Result, bail};
use evidence::{SystemFiles, write_atomically};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The file that it is made from.
pub(super) const SOURCE: &str = "audit.typ";
/// The file that is made.
pub(super) const RESULT: &str = "audit.pdf";

/// Why there is none.
pub(super) const NOT_THERE: &str = "Typst is not installed; audit.typ is what it is made from";
/// How there would be one.
pub(super) const HINT: &str = "hint: `pip install typst`, or put the program typst on PATH, and run this again";

/// Of a PDF that is not complete yet; its name is that of a temporary file.
const PART: &str = ".audit.pdf.tmp";

/// What Python exits with where its package is not there.
const NO_PACKAGE: i32 = 64;
/// A module beside the report is not Typst's: what stands in the current folder is not imported.
const SCRIPT: &str = "\
import sys
sys.path = [path for path in sys.path if path]
try:
    import typst
except ImportError:
    sys.exit(64)
typst.compile(sys.argv[1], output=sys.argv[2], format='pdf', ignore_system_fonts=True)";

/// Makes the PDF beside its source; `None` where no Typst is there, and then no older PDF is left either.
///
/// Errors: whatever Typst says, or the file cannot be written.
pub(super) fn make(folder: &Path) -> Result<Option<PathBuf>> {
    let (result, part) = (folder.join(RESULT), folder.join(PART));
    remove(&result)?;
    // Nor is a link followed that somebody put there.
    remove(&part)?;
    // Fonts of Typst's own alone, and no time: the same bytes on every machine.
    let [typst, python] =
        [&["typst", "compile", "--ignore-system-fonts", "--format", "pdf"][..], &["python3", "-c", SCRIPT]].map(
            |words| {
                let mut command = Command::new(words[0]);
                command.args(&words[1..]).args([SOURCE, PART]).current_dir(folder).env("SOURCE_DATE_EPOCH", "0");
                command
            },
        );
    let Some(output) = first_there(typst, python)? else { return Ok(None) };
    if !output.status.success() {
        let _ = fs::remove_file(&part);
        let said = String::from_utf8_lossy(&output.stderr);
        let said: String =
            said.trim().chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect();
        bail!(
            "failed to make {}: typst says: {said}\nhint: Typst 0.13 or newer is needed; {SOURCE} is written",
            result.display()
        );
    }
    let bytes = fs::read(&part).with_context(|| format!("failed to read {}", part.display()))?;
    remove(&part)?;
    write_atomically(&SystemFiles, &result, &bytes)?;
    Ok(Some(result))
}

/// What the first of the two says that is installed.
fn first_there(mut typst: Command, mut python: Command) -> Result<Option<Output>> {
    match typst.output() {
        Ok(output) => return Ok(Some(output)),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).context("failed to run typst"),
    }
    match python.output() {
        Ok(output) if output.status.code() == Some(NO_PACKAGE) => Ok(None),
        Ok(output) => Ok(Some(output)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("failed to run python3"),
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
