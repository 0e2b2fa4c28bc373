//! in-toto's predicate about tests, for those who know nothing of robustness: every gate is a test.

use evidence::{Decision, GateVerdict};
use serde_json::{Value, json};

use crate::SUITE;
use crate::attest::folder::Report;

/// What the predicate is: <https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md>.
pub(super) const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// A gate that is inconclusive is a warning.
pub(super) fn predicate(report: &Report, verdict: &GateVerdict) -> Value {
    let tests = |decision: Decision| -> Vec<String> {
        let gates = verdict.gates.iter().filter(|gate| gate.decision == decision);
        gates.map(|gate| format!("{}, model {}", gate.gate, gate.model)).collect()
    };
    json!({
        "result": match verdict.decision {
            Decision::Pass => "PASSED",
            Decision::Inconclusive => "WARNED",
            Decision::Fail => "FAILED",
        },
        "configuration": configuration(report),
        "passedTests": tests(Decision::Pass),
        "warnedTests": tests(Decision::Inconclusive),
        "failedTests": tests(Decision::Fail),
    })
}

/// What decided the numbers, as resource descriptors.
fn configuration(report: &Report) -> Vec<Value> {
    let results = &report.results;
    let (data, runtime) = (&results.dataset, &results.runtime);
    let suite = report.suite.map(|digest| {
        json!({ "name": SUITE, "digest": { "sha256": digest.to_string() }, "annotations": { "suite": results.suite } })
    });
    let rest = [
        json!({
            "name": "plan",
            "digest": { "sha256": results.plan_digest.to_string() },
            "annotations": { "suite": results.suite, "digest-of": "the canonical JSON of `plan` in results.json" },
        }),
        json!({
            "name": format!("data set {}, split {}", data.name, data.split),
            "digest": { "sha256": data.digest.to_string() },
            "annotations": { "samples": data.samples, "selection": data.selection },
        }),
        json!({
            "name": "tinyassay",
            "uri": format!("pkg:generic/tinyassay@{}", uri_part(&results.tinyassay)),
        }),
        json!({
            "name": "onnxruntime",
            "uri": format!("pkg:generic/onnxruntime@{}", uri_part(&runtime.onnxruntime)),
            "digest": { "sha256": runtime.library_sha256 },
            "annotations": {
                "provider": runtime.provider,
                "instruction-set": runtime.instruction_set,
                "optimisation": runtime.optimisation,
            },
        }),
    ];
    suite.into_iter().chain(rest).collect()
}

/// Text as a part of a URI.
pub(crate) fn uri_part(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
