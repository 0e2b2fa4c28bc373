use evidence::{Decision, GateVerdict as Verdict};

use super::slashes;
use crate::gates::section::urgency;
use crate::gates::words::tally;

/// Workflow commands: an error for each gate that fails, a warning for each that is inconclusive, and a notice of the whole. GitHub
/// shows the first ten of each kind of a step, so what fails comes first.
///
/// Source: GitHub, "Workflow commands for GitHub Actions", with the escapes of its toolkit's `command.ts`.
pub fn render(verdict: &Verdict) -> String {
    let mut gates: Vec<_> = verdict.gates.iter().collect();
    gates.sort_by_key(|gate| urgency(gate.decision));
    let each = gates.into_iter().filter_map(|gate| {
        let command = match gate.decision {
            Decision::Fail => "error",
            Decision::Inconclusive => "warning",
            Decision::Pass => return None,
        };
        let title = property(&format!("{}: {}", gate.model, gate.gate));
        let file = property(&slashes(&gate.file));
        Some(format!("::{command} file={file},line={},title={title}::{}\n", gate.line.max(1), data(&gate.message)))
    });
    let tally = tally(verdict.gates.iter().map(|gate| gate.decision));
    let whole = format!("::notice title={}::{}\n", property(&format!("gates of {}", verdict.suite)), data(&tally));
    each.chain([whole]).collect()
}

/// What follows the second pair of colons.
fn data(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '%' => "%25".to_owned(),
        '\r' => "%0D".to_owned(),
        '\n' => "%0A".to_owned(),
        // The log is a terminal.
        c if c.is_control() => '\u{fffd}'.to_string(),
        c => c.to_string(),
    });
    escaped.collect()
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
