//! Gates of small suites: what they become, and what is said of each mistake.

use super::{Gates, Measurable, gates_schema_json};
use crate::planning::{World, changed};
use crate::{Plan, Suite};
use evidence::{Flag, Limit, Metric, On, Rule};
use serde_json::{Value, json};

const REST: &str = "\
probes:
  - kl-instability
  - clever
corruptions: { names: [fog], severities: [1] }
cost: [latency-quick, latency: { name: pair, windows: 3, seconds: 0, iterations: 7, warm_ups: 1, threads: 1, batch: 1, reference: ten }]
";
/// The line that gates begin on.
const LINE: usize = 17;

/// The suite with more sections and these gates, one on a line.
fn with(gates: &[&str]) -> String {
    let gates: String = gates.iter().map(|gate| format!("  - {gate}\n")).collect();
    changed("seed:", &format!("{REST}gates:\n{gates}seed:"))
}

#[test]
fn gates_are_planned_with_every_number() {
    let plan = World::new().plan(&with(&[
        "{ metric: clean_accuracy, at_least: 0.9 }",
        "{ metric: robust_accuracy, attack: pgd-20, at_least: 0.4, on: point, models: [two] }",
        "{ metric: worst_case, max_drop: 0.02, baseline: { model: ten }, confidence: 0.9 }",
        "{ metric: worst_case, max_drop: 0.02, baseline: { report: ../reports/a }, models: [\"t*\"] }",
        "{ metric: worst_class_accuracy, robust: true, at_most: 0.5 }",
        "{ metric: latency_ratio, at_most: 1.1 }",
        "{ metric: flags, flags: [unconfirmed, tie], attack: fgsm }",
        "{ metric: corrupted_accuracy, corruption: fog, at_least: 0.2 }",
        "{ metric: probe, probe: kl-instability, at_most: 3 }",
        "{ metric: macs, at_most: 13e6, models: [ten, ten] }",
    ]));
    let found = serde_json::to_value(&plan).expect("a plan is JSON")["gates"].take();
    let both = json!(["ten", "two"]);
    let expected = json!([
        { "metric": "clean_accuracy", "models": both,
          "rule": { "at_least": { "threshold": 0.9, "on": "ci_low", "confidence": 0.95 } } },
        { "metric": "robust_accuracy", "of": "pgd-20", "models": ["two"], "rule": { "at_least": { "threshold": 0.4, "on": "point" } } },
        { "metric": "worst_case", "models": ["two"],
          "rule": { "max_drop": { "allowed": 0.02, "confidence": 0.9, "baseline": { "model": "ten" } } } },
        { "metric": "worst_case", "models": both,
          "rule": { "max_drop": { "allowed": 0.02, "confidence": 0.95, "baseline": { "report": "../reports/a" } } } },
        { "metric": "worst_class_accuracy", "robust": true, "models": both,
          "rule": { "at_most": { "threshold": 0.5, "on": "ci_high", "confidence": 0.95 } } },
        { "metric": "latency_ratio", "of": "pair", "models": ["two"], "rule": { "at_most": { "threshold": 1.1, "on": "point" } } },
        { "metric": "flags", "of": "fgsm", "models": both, "rule": { "absent": ["tie", "unconfirmed"] } },
        { "metric": "corrupted_accuracy", "of": "fog", "models": both, "rule": { "at_least": { "threshold": 0.2, "on": "point" } } },
        { "metric": "probe", "of": "kl-instability", "models": both, "rule": { "at_most": { "threshold": 3.0, "on": "point" } } },
        { "metric": "macs", "models": ["ten"], "rule": { "at_most": { "threshold": 13e6, "on": "point" } } },
    ]);
    assert_eq!(found, expected);
    let lines: Vec<u64> = plan.gates.iter().map(|gate| gate.line).collect();
    assert_eq!(lines, (LINE as u64..).take(10).collect::<Vec<_>>());
}

/// So that evidence of suites without the section, and their plans, stay what they are.
#[test]
fn they_decide_nothing_that_runs() {
    let world = World::new();
    let with = world.plan(&with(&["{ metric: clean_accuracy, at_least: 0.9 }"]));
    let without = world.plan(&changed("seed:", &format!("{REST}seed:")));
    let json = |plan: &Plan| {
        let mut json = serde_json::to_value(plan).expect("a plan is JSON");
        json["suite"]["digest"].take();
        json
    };
    let (mut changed, plain) = (json(&with), json(&without));
    assert!(plain.get("gates").is_none());
    changed.as_object_mut().expect("an object").remove("gates");
    assert_eq!(changed, plain);
    let keys = |plan: &Plan| {
        let (model, slice) = (&plan.models[0], &plan.slices[0]);
        let attack = serde_json::to_string(&plan.check_key_material(model, &plan.attacks[1], slice));
        (attack.expect("a key"), serde_json::to_string(&plan.prediction_key_material(model, slice)).expect("a key"))
    };
    assert_eq!(keys(&with), keys(&without));
}

/// Every metric, with every default, in the one form that it must take.
#[test]
fn limits_are_held_against_thresholds_unless_the_point_is() {
    let world = World::new();
    for doc in Metric::DOCS.iter().filter(|doc| doc.metric != Metric::Flags) {
        let of = match doc.metric {
            Metric::RobustAccuracy => ", attack: fgsm",
            Metric::Probe => ", probe: kl-instability",
            _ => "",
        };
        for (key, on) in [("at_least", On::CiLow), ("at_most", On::CiHigh)] {
            let plan = world.plan(&with(&[&format!("{{ metric: {}{of}, {key}: 0.5 }}", doc.id)]));
            let (Rule::AtLeast(limit) | Rule::AtMost(limit)) = &plan.gates[0].rule else { panic!("{}", doc.id) };
            let (on, confidence) = if doc.interval { (on, Some(0.95)) } else { (On::Point, None) };
            assert_eq!(*limit, Limit { threshold: 0.5, on, confidence }, "{}", doc.id);
        }
        let drop = with(&[&format!("{{ metric: {}{of}, max_drop: 0.5, baseline: {{}} }}", doc.id)]);
        assert_eq!(Suite::parse("my.yaml", drop.as_bytes()).is_ok(), doc.paired, "{}", doc.id);
    }
    let none = world.plan(&with(&["{ metric: flags, flags: none }"]));
    assert_eq!(none.gates[0].rule, Rule::Absent(Flag::DOCS.iter().map(|doc| doc.flag).collect()));
}

#[test]
fn what_is_not_there_is_said_with_the_line() {
    let world = World::new();
    let table = [
        (
            "metric: robust_accuracy, attack: pdg-20, at_least: 0.1",
            "there is no attack `pdg-20`",
            "did you mean `pgd-20`",
        ),
        ("metric: robust_accuracy, attack: clever, at_least: 0.1", "there is no attack `clever`", "known here: `fgsm`"),
        ("metric: flags, flags: none, attack: banana", "there is no attack `banana`", ""),
        ("metric: probe, probe: clever, at_most: 1", "no gate may rest on an estimate", "hint: ask about"),
        ("metric: probe, probe: klever, at_most: 1", "there is no probe `klever`", "did you mean `clever`"),
        ("metric: corrupted_accuracy, corruption: frog, at_least: 0", "there is no corruption `frog`", "`fog`"),
        (
            "metric: latency_ratio, latency: latency-quick, at_most: 1",
            "is compared with no reference",
            "reference: NAME",
        ),
        ("metric: latency_ratio, latency: pari, at_most: 1", "there is no latency `pari`", "did you mean `pair`"),
        ("metric: latency_ratio, at_most: 1, models: [ten]", "cannot be asked itself", ""),
        ("metric: macs, at_most: 1, models: [tne]", "there is no model `tne`", "did you mean `ten`"),
        ("metric: macs, at_most: 1, models: [\"x*\"]", "`x*` finds no model", "`ten`, `two`"),
        ("metric: macs, at_most: 1, models: []", "`models` is empty", ""),
        ("metric: worst_case, max_drop: 0, baseline: { model: tne }", "there is no model `tne`", "did you mean `ten`"),
        ("metric: worst_case, max_drop: 0, baseline: { model: ten }, models: [\"te*\"]", "`te*` finds no model", ""),
    ];
    for (gate, message, hint) in table {
        let error = world.try_plan(&with(&[&format!("{{ {gate} }}")])).expect_err(gate);
        let placed = error.starts_with(&format!("plan ./suites/my.yaml:{LINE}:"));
        assert!(placed && error.contains(message) && error.contains(hint), "{gate}: {error}");
    }
    let twice = ["{ metric: macs, at_most: 1, models: [ten] }", "{ at_most: 1.0, metric: macs }"];
    let error = world.try_plan(&with(&twice)).expect_err("the same twice");
    assert!(
        error.starts_with("plan ./suites/my.yaml:18:") && error.contains("the same of `ten`: macs at most 1 (point)"),
        "{error}"
    );
    let apart = ["{ metric: macs, at_most: 1, models: [ten] }", "{ at_most: 1.0, metric: macs, models: [two] }"];
    assert_eq!(world.plan(&with(&apart)).gates.len(), 2);
    let bare = world.try_plan(&changed("seed:", "gates: [{ metric: latency_ratio, at_most: 1 }]\nseed:"));
    let bare = bare.expect_err("no latency")
        + &world
            .try_plan(&changed("seed:", "gates: [{ metric: corrupted_accuracy, at_least: 0 }]\nseed:"))
            .expect_err("no corruption");
    assert!(bare.contains("no latency is measured here") && bare.contains("no corruption is run here"), "{bare}");
}

#[test]
fn what_is_wrong_alone_is_said_when_the_file_is_read() {
    let table = [
        (
            "metric: robust_acuracy, at_least: 0.1",
            "there is no metric `robust_acuracy`",
            "did you mean `robust_accuracy`",
        ),
        ("metric: banana, at_least: 0.1", "there is no metric `banana`", "known here: `clean_accuracy`"),
        ("metric: clean_accuracy", "what must hold of `clean_accuracy` is not said", "`max_drop`"),
        ("metric: macs", "what must hold of `macs` is not said", "add one of `at_least` or `at_most`"),
        ("metric: macs, at_least: 1, at_most: 2", "`at_most` is a second one beside `at_least`", "two gates"),
        ("metric: worst_case, at_most: 1, max_drop: 0.1", "`max_drop` is a second one", ""),
        ("metric: macs, at_most: 1, on: ci_high", "`macs` has no confidence interval", "leave `on` out"),
        ("metric: macs, at_most: 1, confidence: 0.9", "`confidence` decides nothing as `macs`", ""),
        ("metric: worst_case, at_most: 1, on: point, confidence: 0.9", "`confidence` decides nothing with", ""),
        ("metric: worst_case, at_most: 1, confidence: 1", "`confidence` is 1, allowed", "0.95"),
        ("metric: worst_case, at_most: 1, confidence: 95", "`confidence` is 95", "0.95"),
        ("metric: worst_case, at_most: 1, confidence: .nan", "`confidence` is NaN", ""),
        ("metric: worst_case, at_most: 40", "`at_most` is 40, allowed are 0 to 1", "40 % is written 0.4"),
        ("metric: worst_case, at_most: -1", "`at_most` is -1, allowed are 0 to 1", ""),
        ("metric: macs, at_most: .inf", "`at_most` is inf, which is no threshold", ""),
        ("metric: worst_case, max_drop: 2, baseline: {}", "`max_drop` is 2, allowed are 0 to 1", "2 % is written 0.02"),
        ("metric: worst_case, max_drop: 0.1", "what `max_drop` is compared with is not said", "add `baseline:"),
        ("metric: worst_case, max_drop: 0.1, baseline: {}, on: ci_low", "`on` says nothing about `max_drop`", ""),
        ("metric: worst_case, max_drop: 0.1, baseline: { report: \" \" }", "`report` is empty", ""),
        ("metric: worst_case, at_least: 0.1, baseline: {}", "`baseline` says nothing about `at_least`", "`max_drop`"),
        ("metric: macs, max_drop: 0.1, baseline: {}", "row by row on `macs`", "`worst_case`"),
        ("metric: robust_accuracy, at_least: 0.1", "is of one attack, and none is named", "add `attack: NAME`"),
        ("metric: macs, at_most: 1, attack: fgsm", "`attack` says nothing about `macs`", ""),
        ("metric: worst_case, at_most: 1, robust: true", "`robust` says nothing about `worst_case`", ""),
        ("metric: macs, at_most: 1, flags: none", "`flags` says nothing about `macs`", "a gate of its own"),
        ("metric: flags", "which flags must be absent is not said", "flags: none"),
        ("metric: flags, flags: []", "`flags` is empty", ""),
        ("metric: flags, flags: [ties]", "there is no flag `ties`", "did you mean `tie`"),
        ("metric: flags, flags: [tie, tie]", "`tie` is listed twice", ""),
        ("metric: flags, flags: all", "expected `none`, or a list of the flags", ""),
        ("metric: flags, flags: none, at_most: 1", "`at_most` says nothing about `flags`", ""),
        ("metric: macs, at_mots: 1", "unknown key `at_mots`", "did you mean `at_most`"),
        ("metric: worst_case, at_most: 1, on: ci_lo", "unknown value `ci_lo`", "did you mean `ci_low`"),
    ];
    for (gate, message, hint) in table {
        let gate = format!("{{ {gate} }}");
        let of_its_own = format!("version: 1\ngates:\n  - {gate}\n");
        let suite = Suite::parse("my.yaml", with(&[&gate]).as_bytes()).expect_err(&gate).to_string();
        let file = Gates::parse("my.yaml", of_its_own.as_bytes()).expect_err(&gate).to_string();
        for (error, line) in [(suite, LINE), (file, 3)] {
            let placed = error.starts_with(&format!("read my.yaml:{line}:"));
            assert!(placed && error.contains(message) && error.contains(hint), "{gate}: {error}");
        }
    }
    let error =
        Suite::parse("my.yaml", changed("seed:", "gates: []\nseed:").as_bytes()).expect_err("empty").to_string();
    assert!(error.contains("`gates` is empty"), "{error}");
}

#[test]
fn a_file_of_gates_is_read_as_the_section_is() {
    let known =
        Measurable { models: vec!["net".into()], attacks: vec![("pgd-20".into(), None)], ..Measurable::default() };
    let text = b"version: 1\ngates:\n- metric: clean_accuracy\n  at_least: 0.5\n- metric: robust_accuracy\n  attack: pgd-20\n  at_least: 0.4\n";
    let gates = Gates::parse("gates.yaml", text).expect("good").resolve(&known).expect("all is there");
    let told: Vec<(u64, String)> = gates.iter().map(|gate| (gate.line, gate.to_string())).collect();
    let expected = [
        (3, "clean_accuracy at least 0.5 (ci_low, 95 %)".to_owned()),
        (5, "robust_accuracy of pgd-20 at least 0.4 (ci_low, 95 %)".to_owned()),
    ];
    assert_eq!(told, expected);
    let suite = with(&["{ metric: clean_accuracy, at_least: 0.5 }"]);
    let from_suite = Gates::parse("my.yaml", suite.as_bytes()).expect("a suite").resolve(&known).expect("all is there");
    assert_eq!(from_suite[0].rule, gates[0].rule);
    let error = |text: &str| Gates::parse("g.yaml", text.as_bytes()).expect_err(text).to_string();
    let table = [
        (changed("seed:", "seed:"), "this suite has no gates"),
        ("version: 2\ngates: [{ metric: macs, at_most: 1 }]\n".into(), "version 2 of the format"),
        ("version: 1\n".into(), "key `gates` is missing"),
        ("version: 1\nsuite: a\ngates: []\n".into(), "unknown key `suite`"),
        ("- 1\n".into(), "expected a mapping"),
        (String::new(), ""),
    ];
    table.iter().for_each(|(text, message)| assert!(error(text).contains(message), "{text}: {}", error(text)));
    let error =
        Gates::parse("g.yaml", text).expect("good").resolve(&Measurable::default()).expect_err("nothing is there");
    assert!(error.to_string().starts_with("plan g.yaml:3:"), "{error}");
}

#[test]
fn the_schema_names_every_metric() {
    let schema: Value = serde_json::from_str(&gates_schema_json()).expect("a schema is JSON");
    let gate = &schema["$defs"]["Gate"];
    let metrics = gate["properties"]["metric"]["oneOf"].as_array().expect("metrics");
    let ids: Vec<&str> = metrics.iter().filter_map(|metric| metric["const"].as_str()).collect();
    assert_eq!(ids, Metric::DOCS.iter().map(|doc| doc.id).collect::<Vec<_>>());
    let told = |property: &Value| property.get("description").is_some() || property.get("$ref").is_some();
    assert!(gate["properties"].as_object().expect("keys").values().all(told), "{gate}");
    assert_eq!((&gate["additionalProperties"], &gate["required"]), (&json!(false), &json!(["metric"])));
}
