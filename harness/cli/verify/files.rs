//! Every file against `SHA256SUMS`.

use super::step::{Step, count};
use report::{Mismatch, SUMS};
use std::path::Path;

/// Whether the folder is what its list of digests says. Whoever may write the folder may write the list too.
pub(super) fn check(folder: &Path) -> Step {
    let mut step = Step::new("files");
    let listed = std::fs::read_to_string(folder.join(SUMS)).map_or(0, |text| text.lines().count());
    match report::verify(folder) {
        Ok(mismatches) => {
            step.checked = format!("{} against {SUMS}", count(listed, "file"));
            step.wrong = mismatches.into_iter().map(told).collect();
        }
        Err(error) => step.wrong.push(format!("{SUMS}: failed to {error}")),
    }
    step
}

fn told(mismatch: Mismatch) -> String {
    match mismatch {
        Mismatch::Changed(file) => format!("{file}: its digest is not the one in {SUMS}"),
        Mismatch::Missing(file) => format!("{file}: {SUMS} lists it, and it is not there"),
        Mismatch::Unlisted(file) => format!("{file}: it is there, and {SUMS} does not list it"),
    }
}
