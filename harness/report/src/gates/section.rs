use evidence::{Decision, GateVerdict as Verdict};

use super::words::{capital, tally};
use crate::text::table;

/// The section of `report.md`, without its heading.
pub(crate) fn section(verdict: &Verdict) -> String {
    let rows = verdict.gates.iter().map(|gate| {
        let decision = capital(gate.decision).to_lowercase();
        vec![decision, gate.model.clone(), gate.gate.clone(), gate.message.clone()]
    });
    format!(
        "**{}.** {}. {MEANS}\n\n{}",
        capital(verdict.decision),
        tally(verdict.gates.iter().map(|gate| gate.decision)),
        table(&["decision", "model", "asked", "why"], rows)
    )
}

/// What the three decisions mean, for every form that has room for it.
pub(super) const MEANS: &str = "\
A gate passes if what it asks for was shown, fails if the opposite was shown, and is inconclusive if neither was: the threshold lies \
between the confidence limits, or the search is not to be trusted.";

/// How a decision is read by who wants to go on: the first gates that do not pass come first.
pub(super) fn urgency(decision: Decision) -> u8 {
    match decision {
        Decision::Fail => 0,
        Decision::Inconclusive => 1,
        Decision::Pass => 2,
    }
}
