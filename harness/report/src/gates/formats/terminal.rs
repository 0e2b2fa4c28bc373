use evidence::GateVerdict as Verdict;
use tabled::builder::Builder;
use tabled::settings::Style;

use crate::gates::words::{capital, tally};
use crate::text::plain;

/// A table of all gates, then a message for each.
pub(super) fn render(verdict: &Verdict) -> String {
    let mut table = Builder::default();
    table.push_record(["decision", "model", "asked"]);
    for gate in &verdict.gates {
        table.push_record([capital(gate.decision).to_owned(), plain(&gate.model), plain(&gate.gate)]);
    }
    let messages = verdict.gates.iter().map(|gate| {
        let [file, model, asked, message] =
            [&gate.file, &gate.model, &gate.gate, &gate.message].map(|text| plain(text));
        format!("{} {model}: {asked}\n  {message}\n  {file}:{}\n", capital(gate.decision), gate.line)
    });
    let messages: String = messages.collect();
    let tally = tally(verdict.gates.iter().map(|gate| gate.decision));
    format!("{}\n{messages}{}: {tally}\n", table.build().with(Style::rounded()), capital(verdict.decision))
}
