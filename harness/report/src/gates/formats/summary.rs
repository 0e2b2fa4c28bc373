use evidence::{Decision, GateVerdict as Verdict};

use crate::gates::section::{MEANS, urgency};
use crate::gates::words::{capital, counted, tally};
use crate::text::{markdown, table};

/// The bytes that the summary of one step may have.
///
/// Source: GitHub, "Workflow commands for GitHub Actions", step isolation and limits: 1 MiB.
pub const LIMIT: usize = 1 << 20;

/// The summary in at most so many bytes: what fails first, and a sentence on what was left out. Empty where not even that fits.
pub fn within(verdict: &Verdict, limit: usize) -> String {
    let head = format!(
        "## {} gates of {}: {}\n\n{}. {MEANS}\n",
        mark(verdict.decision),
        markdown(&verdict.suite),
        capital(verdict.decision).to_lowercase(),
        tally(verdict.gates.iter().map(|gate| gate.decision)),
    );
    let mut gates: Vec<_> = verdict.gates.iter().collect();
    gates.sort_by_key(|gate| urgency(gate.decision));
    let row = |gate: &&evidence::GateResult| {
        let decision = format!("{} {}", mark(gate.decision), capital(gate.decision).to_lowercase());
        vec![decision, gate.model.clone(), gate.gate.clone(), gate.message.clone()]
    };
    let whole = |shown: usize| {
        let left = gates.len() - shown;
        let left = match left {
            0 => String::new(),
            _ => format!(
                "\n{} left out: a summary has at most {limit} bytes. `tinyassay gate` prints them all.\n",
                counted(left, "gate")
            ),
        };
        let rows = gates[..shown].iter().map(row);
        format!("{head}\n{}\n{left}", table(&["decision", "model", "asked", "why"], rows))
    };
    let all = whole(gates.len());
    if all.len() <= limit {
        return all;
    }
    // Columns are padded to their widest cell, so that rows cannot be counted by their own bytes.
    let (mut fits, mut exceeds) = (0, gates.len());
    while exceeds - fits > 1 {
        let middle = fits + (exceeds - fits) / 2;
        if whole(middle).len() <= limit {
            fits = middle;
        } else {
            exceeds = middle;
        }
    }
    let text = whole(fits);
    if text.len() <= limit { text } else { String::new() }
}

fn mark(decision: Decision) -> &'static str {
    match decision {
        Decision::Pass => "✅",
        Decision::Inconclusive => "⚠️",
        Decision::Fail => "❌",
    }
}
