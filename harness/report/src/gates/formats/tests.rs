use super::*;
use crate::gates::sample::{HOSTILE, hostile, many, verdict};
use insta::assert_snapshot;
use serde_json::Value;
use std::collections::BTreeSet;

fn render(name: &str, verdict: &Verdict) -> String {
    (verdict_format(name).expect("a format").render)(verdict).expect("it renders")
}

#[test]
fn every_format_renders_every_verdict_and_ends_its_last_line() {
    let names: BTreeSet<_> = VERDICT_FORMATS.iter().map(|format| format.name).collect();
    assert_eq!(names.len(), VERDICT_FORMATS.len());
    for format in VERDICT_FORMATS {
        assert!(!format.about.is_empty());
        for verdict in [verdict(), hostile(), many(300), Verdict::of("none", Vec::new())] {
            let text = render(format.name, &verdict);
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{}: {text}", format.name);
            assert_eq!(text, render(format.name, &verdict), "{}", format.name);
            let driven = text.chars().any(|c| c.is_control() && c != '\n');
            assert!(!driven, "{}: control characters go no further", format.name);
        }
    }
}

/// A hostile text has as many lines, cells and elements as a tame one.
#[test]
fn hostile_texts_add_nothing() {
    let tame = {
        let mut tame = hostile();
        tame.suite = "suite".into();
        for gate in &mut tame.gates {
            gate.metric = "no metric".into();
            (gate.file, gate.model, gate.gate) = ("file".into(), "model".into(), "gate".into());
            gate.message = "message".into();
        }
        tame
    };
    for format in VERDICT_FORMATS {
        let [ours, theirs] = [&tame, &hostile()].map(|verdict| render(format.name, verdict));
        assert_eq!(ours.lines().count(), theirs.lines().count(), "{}: {theirs}", format.name);
    }
    let xml = render("junit", &hostile());
    let count = |text: &str| xml.matches(text).count();
    let elements = ["<testsuites ", "<testsuite ", "<testcase ", "<failure ", "<error ", "<system-out>"].map(count);
    assert_eq!(elements, [1, 1, 3, 1, 1, 3]);
    let closing = ["</", "/>", "<"].map(count);
    // A declaration, and every element opened and closed.
    assert_eq!(closing, [10, 0, 21]);
    assert!(!xml.contains('\u{fffe}') && !xml.contains("]]>") && !xml.contains("-->"));
    let annotations = render("annotations", &hostile());
    assert!(annotations.lines().all(|line| line.starts_with("::") && line.matches("::").count() >= 2), "{annotations}");
    let first = annotations.lines().next().expect("a line");
    let (properties, _) = first[2..].split_once("::").expect("a message");
    assert_eq!(properties.matches(',').count(), 2, "{properties}");
    let summary = render("summary", &hostile());
    let rows: Vec<&str> = summary.lines().filter(|line| line.starts_with('|')).collect();
    assert!(rows.iter().all(|row| row.replace("\\|", "").matches('|').count() == 5), "{summary}");
}

/// What GitHub's toolkit undoes: the text comes back.
#[test]
fn annotations_come_back() {
    let decoded = |text: &str| {
        text.replace("%2C", ",").replace("%3A", ":").replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
    };
    let text = render("annotations", &hostile());
    let first = text.lines().next().expect("a line");
    let (properties, message) =
        first.strip_prefix("::error ").and_then(|rest| rest.split_once("::")).expect("a command");
    let title = properties.rsplit_once("title=").expect("a title").1;
    let kept: String =
        HOSTILE.chars().map(|c| if c.is_control() && !"\r\n".contains(c) { '\u{fffd}' } else { c }).collect();
    assert!(decoded(title).starts_with(&kept) && decoded(message).contains("::error::,:"), "{first}");
}

#[test]
fn sarif_has_what_code_scanning_reads() {
    let texts = [verdict(), hostile(), many(6000)].map(|verdict| render("sarif", &verdict));
    let [plain, hostile, many] = texts.map(|text| serde_json::from_str::<Value>(&text).expect("JSON"));
    for (sarif, count) in [(&plain, 2), (&hostile, 2), (&many, 5000)] {
        let run = &sarif["runs"][0];
        assert_eq!((&sarif["version"], sarif["runs"].as_array().map(Vec::len)), (&"2.1.0".into(), Some(1)));
        let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
        let ids: BTreeSet<&str> = rules.iter().filter_map(|rule| rule["id"].as_str()).collect();
        assert_eq!(ids.len(), rules.len());
        let told = |rule: &Value| {
            ["shortDescription", "fullDescription", "help"].iter().all(|key| rule[key]["text"].is_string())
        };
        assert!(rules.iter().all(told));
        let results = run["results"].as_array().expect("results");
        assert_eq!(results.len(), count);
        for result in results {
            assert!(["error", "warning"].contains(&result["level"].as_str().unwrap_or_default()), "{result}");
            let place = &result["locations"][0]["physicalLocation"];
            assert!(place["region"]["startLine"].as_u64() >= Some(1), "{result}");
            let uri = place["artifactLocation"]["uri"].as_str().expect("a uri");
            let fine = |c: char| c.is_ascii_alphanumeric() || "-._~/%".contains(c);
            assert!(uri.starts_with("suites/") && uri.chars().all(fine), "{uri}");
            if let Some(index) = result["ruleIndex"].as_u64() {
                assert_eq!(rules[index as usize]["id"], result["ruleId"]);
            }
        }
        let prints: BTreeSet<String> =
            results.iter().map(|result| result["partialFingerprints"]["primaryLocationLineHash"].to_string()).collect();
        assert!(prints.len() == count || *sarif == hostile, "every alert is its own");
    }
    assert_eq!(plain["runs"][0]["results"][0]["level"], "error", "what fails comes first");
    let left = &many["runs"][0]["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
    assert_eq!(left, "1000 gates left out: a run has at most 5000 results");
    assert!(plain["runs"][0].get("invocations").is_none());
}

#[test]
fn the_summary_stays_within_its_bytes_and_says_what_is_left_out() {
    let verdict = many(10_000);
    for limit in [SUMMARY_LIMIT, 100_000, 5_000] {
        let text = verdict_summary(&verdict, limit);
        assert!(text.len() <= limit && text.len() > limit / 2, "{} of {limit}", text.len());
        let shown = text.matches("| model-").count();
        let left = format!("{} gates left out", 10_001 - shown);
        assert!(text.contains(&left), "{shown} of {limit}");
    }
    assert_eq!(verdict_summary(&verdict, 100), "");
    assert!(!verdict_summary(&self::verdict(), SUMMARY_LIMIT).contains("left out"));
}

#[test]
fn formats_of_one_verdict() {
    assert_snapshot!(render("terminal", &verdict()), @r##"
    ╭──────────────┬───────┬───────────────────────────────────────────────────────╮
    │ decision     │ model │ asked                                                 │
    ├──────────────┼───────┼───────────────────────────────────────────────────────┤
    │ PASS         │ net   │ clean_accuracy at least 0.3 (point)                   │
    │ INCONCLUSIVE │ small │ robust_accuracy of pgd-20 at least 0.4 (ci_low, 95 %) │
    │ FAIL         │ net   │ robust_accuracy of pgd-20 at least 0.4 (ci_low, 95 %) │
    ╰──────────────┴───────┴───────────────────────────────────────────────────────╯
    PASS net: clean_accuracy at least 0.3 (point)
      measured 31.2 %; asked is at least 30 %
      suites/my gate.yaml:12
    INCONCLUSIVE small: robust_accuracy of pgd-20 at least 0.4 (ci_low, 95 %)
      measured 39 %: more samples would tell
      suites/my gate.yaml:12
    FAIL net: robust_accuracy of pgd-20 at least 0.4 (ci_low, 95 %)
      measured 31.2 %; asked is a lower limit ≥ 40 %
      suites/my gate.yaml:12
    FAIL: 3 gates checked: 1 passed, 1 failed, 1 inconclusive
    "##);
    assert_snapshot!(render("annotations", &verdict()), @r##"
    ::error file=suites/my gate.yaml,line=12,title=net%3A robust_accuracy of pgd-20 at least 0.4 (ci_low%2C 95 %25)::measured 31.2 %25; asked is a lower limit ≥ 40 %25
    ::warning file=suites/my gate.yaml,line=12,title=small%3A robust_accuracy of pgd-20 at least 0.4 (ci_low%2C 95 %25)::measured 39 %25: more samples would tell
    ::notice title=gates of ci-gate::3 gates checked: 1 passed, 1 failed, 1 inconclusive
    "##);
    assert_snapshot!(render("junit", &verdict()), @r##"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="tinyassay" tests="3" failures="1" errors="1">
      <testsuite name="gates of ci-gate" tests="3" failures="1" errors="1" skipped="0">
        <testcase name="clean_accuracy at least 0.3 (point)" classname="net">
          <system-out>measured 31.2 %; asked is at least 30 % (suites/my gate.yaml:12)</system-out>
        </testcase>
        <testcase name="robust_accuracy of pgd-20 at least 0.4 (ci_low, 95 %)" classname="small">
          <error message="measured 39 %: more samples would tell" type="inconclusive">suites/my gate.yaml:12</error>
          <system-out>measured 39 %: more samples would tell (suites/my gate.yaml:12)</system-out>
        </testcase>
        <testcase name="robust_accuracy of pgd-20 at least 0.4 (ci_low, 95 %)" classname="net">
          <failure message="measured 31.2 %; asked is a lower limit ≥ 40 %" type="fail">suites/my gate.yaml:12</failure>
          <system-out>measured 31.2 %; asked is a lower limit ≥ 40 % (suites/my gate.yaml:12)</system-out>
        </testcase>
      </testsuite>
    </testsuites>
    "##);
    assert_snapshot!(render("summary", &verdict()), @r##"
    ## ❌ gates of ci-gate: fail

    3 gates checked: 1 passed, 1 failed, 1 inconclusive. A gate passes if what it asks for was shown, fails if the opposite was shown, and is inconclusive if neither was: the threshold lies between the confidence limits, or the search is not to be trusted.

    | decision        | model | asked                                                 | why                                            |
    |-----------------|-------|-------------------------------------------------------|------------------------------------------------|
    | ❌ fail         | net   | robust_accuracy of pgd-20 at least 0.4 (ci_low, 95 %) | measured 31.2 %; asked is a lower limit ≥ 40 % |
    | ⚠️ inconclusive | small | robust_accuracy of pgd-20 at least 0.4 (ci_low, 95 %) | measured 39 %: more samples would tell         |
    | ✅ pass         | net   | clean_accuracy at least 0.3 (point)                   | measured 31.2 %; asked is at least 30 %        |
    "##);
    let sarif: Value = serde_json::from_str(&render("sarif", &verdict())).expect("JSON");
    assert_snapshot!(format!("{:#}", sarif["runs"][0]["results"][0]), @r##"
    {
      "level": "error",
      "locations": [
        {
          "physicalLocation": {
            "artifactLocation": {
              "uri": "suites/my%20gate.yaml",
              "uriBaseId": "%SRCROOT%"
            },
            "region": {
              "startLine": 12
            }
          }
        }
      ],
      "message": {
        "text": "net: robust_accuracy of pgd-20 at least 0.4 (ci_low, 95 %). measured 31.2 %; asked is a lower limit ≥ 40 %"
      },
      "partialFingerprints": {
        "primaryLocationLineHash": "538d014528e4c402:1"
      },
      "ruleId": "robust_accuracy",
      "ruleIndex": 1
    }
    "##);
}
