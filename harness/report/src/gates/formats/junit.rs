use std::fmt::Write;

use evidence::{Decision, GateVerdict as Verdict};

use super::slashes;

/// JUnit XML: a test case for each gate on each model, in the classes of models. A gate that fails is a `failure`. One that is
/// inconclusive is an `error` of type `inconclusive`, so that it is not taken for a pass: nothing was shown. No time is told, since
/// nothing is timed.
///
/// Source: the elements and attributes of `junit-10.xsd` of Jenkins' xunit plugin, and of testmoapp/junitxml.
pub(super) fn render(verdict: &Verdict) -> String {
    let count = |decision| verdict.gates.iter().filter(|gate| gate.decision == decision).count();
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\"",
        verdict.gates.len(),
        count(Decision::Fail),
        count(Decision::Inconclusive)
    );
    let suite = escaped(&format!("gates of {}", verdict.suite));
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"tinyassay\" {counts}>\n  <testsuite name=\"{suite}\" {counts} \
         skipped=\"0\">\n"
    );
    for gate in &verdict.gates {
        let place = escaped(&format!("{}:{}", slashes(&gate.file), gate.line));
        let (name, class, message) = (escaped(&gate.gate), escaped(&gate.model), escaped(&gate.message));
        let _ = writeln!(text, "    <testcase name=\"{name}\" classname=\"{class}\">");
        match gate.decision {
            Decision::Pass => {}
            Decision::Fail => {
                let _ = writeln!(text, "      <failure message=\"{message}\" type=\"fail\">{place}</failure>");
            }
            Decision::Inconclusive => {
                let _ = writeln!(text, "      <error message=\"{message}\" type=\"inconclusive\">{place}</error>");
            }
        }
        let _ = writeln!(text, "      <system-out>{message} ({place})</system-out>\n    </testcase>");
    }
    text + "  </testsuite>\n</testsuites>\n"
}

/// Text that is text in XML 1.0, in attributes too: five characters, and none that XML does not have.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
