use evidence::{Better, Decision, Digest, GateResult, GateVerdict as Verdict, Metric};
use serde_json::{Value, json};

use super::slashes;
use crate::gates::section::urgency;
use crate::gates::words::counted;
use crate::text::plain;

/// GitHub shows as many results of a run, and reads five times as many.
///
/// Source: GitHub, "SARIF support for code scanning", validating your SARIF file.
const MOST_RESULTS: usize = 5000;

/// SARIF 2.1.0: a result for each gate that does not pass, at its line; an alert closes once its gate passes. A failure is an `error`,
/// an inconclusive gate a `warning`. Rules are metrics.
///
/// Source: OASIS, Static Analysis Results Interchange Format 2.1.0.
pub(super) fn render(verdict: &Verdict) -> String {
    let mut gates: Vec<_> = verdict.gates.iter().filter(|gate| gate.decision != Decision::Pass).collect();
    gates.sort_by_key(|gate| urgency(gate.decision));
    let left = gates.len().saturating_sub(MOST_RESULTS);
    gates.truncate(MOST_RESULTS);
    let rules: Vec<Value> = Metric::DOCS.iter().map(|doc| rule(doc.metric)).collect();
    let results: Vec<Value> = gates.iter().map(|gate| result(gate)).collect();
    let mut run = json!({
        "tool": { "driver": {
            "name": "Tinyassay",
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": rules,
        } },
        "automationDetails": { "id": format!("tinyassay/{}/", plain(&verdict.suite)) },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": { "%SRCROOT%": { "description": { "text": "The root of the repository." } } },
        "results": results,
    });
    if left > 0 {
        let text = format!("{} left out: a run has at most {MOST_RESULTS} results", counted(left, "gate"));
        run["invocations"] = json!([{
            "executionSuccessful": true,
            "toolExecutionNotifications": [{ "level": "warning", "message": { "text": text } }],
        }]);
    }
    let schema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
    let whole = json!({ "$schema": schema, "version": "2.1.0", "runs": [run] });
    format!("{whole:#}\n")
}

fn rule(metric: Metric) -> Value {
    let doc = metric.doc();
    let better = match doc.better {
        Better::Higher => "more is better",
        Better::Lower => "less is better",
        Better::Depends => "which direction is better depends on what is measured",
    };
    let text = format!("{}. In: {}; {better}.", capitalised(doc.reads), doc.unit);
    json!({
        "id": doc.id,
        "name": capitalised(doc.id).replace('_', " "),
        "shortDescription": { "text": format!("A gate on {} does not pass", doc.id) },
        "fullDescription": { "text": text },
        "help": { "text": format!("{text} The message says what was measured, what was asked, and what to do.") },
        "defaultConfiguration": { "level": "error" },
        "properties": { "tags": ["robustness"] },
    })
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

fn result(gate: &GateResult) -> Value {
    let level = if gate.decision == Decision::Fail { "error" } else { "warning" };
    // The same gate on the same model is the same alert, wherever its line moves.
    let identity = Digest::of(format!("{}\n{}", gate.gate, gate.model).as_bytes()).to_string();
    let index = Metric::named(&gate.metric).map(|metric| metric as usize);
    let mut result = json!({
        "ruleId": plain(&gate.metric),
        "level": level,
        "message": { "text": format!("{}: {}. {}", plain(&gate.model), plain(&gate.gate), plain(&gate.message)) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&gate.file), "uriBaseId": "%SRCROOT%" },
            "region": { "startLine": gate.line.max(1) },
        } }],
        "partialFingerprints": { "primaryLocationLineHash": format!("{}:1", &identity[..16]) },
    });
    if let Some(index) = index {
        result["ruleIndex"] = index.into();
    }
    result
}

/// A relative reference: forward slashes, and everything but letters, digits and `-._~/` in per cent of its bytes.
fn uri(path: &str) -> String {
    let path = slashes(path);
    let encoded = path.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    });
    encoded.collect()
}
