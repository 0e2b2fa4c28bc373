//! Gates through the whole program: verdicts, exit codes, and the forms for people and CI servers.

use crate::scratch::{SUITE, Scratch, ensure};
use crate::{Test, root};
use libtest_mimic::Failed;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("trained_models_pass_fail_and_are_inconclusive", trained_models_pass_fail_and_are_inconclusive),
    ("a_run_ends_with_its_gates", a_run_ends_with_its_gates),
    ("reports_are_compared_with_released_ones", reports_are_compared_with_released_ones),
    ("github_gets_annotations_summary_and_output", github_gets_annotations_summary_and_output),
    ("what_cannot_be_judged_is_an_error", what_cannot_be_judged_is_an_error),
    ("the_guide_has_every_metric", the_guide_has_every_metric),
];

/// One-step attacks on three trained classifiers of signs: the released one, a copy of it, and one that was trained without attacks.
fn trained_models_pass_fail_and_are_inconclusive() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    for (name, of) in
        [("released", "signs32-cnn-trades"), ("copy", "signs32-cnn-trades"), ("worse", "signs32-cnn-standard")]
    {
        let file = root().join("models").join(of).join("model.onnx");
        let file = file.to_string_lossy().into_owned();
        scratch.run(["model", "add", &file, "--name", name, "--dataset", "signs32"])?.expect(0, &[])?;
    }
    let suite = "version: 1\nname: s\ndataset: { name: signs32, split: test, samples: 1000 }\nmodels: [released, copy, worse]\n\
                 threat: { norm: linf, epsilon: 4/255 }\nattacks: [fgsm]\nseed: 0\n";
    scratch.write("s.yaml", suite)?;
    let gate = |model: &str| {
        let gates = format!(
            "version: 1\ngates:\n  - {{ metric: robust_accuracy, attack: fgsm, max_drop: 0.02, baseline: {{ model: released }}, models: [{model}] }}\n"
        );
        scratch.write("gates.yaml", gates)?;
        scratch.run(["gate", "r", "--gates", "gates.yaml", "--json", "v.json"])
    };
    scratch.run(["run", "s.yaml", "--out", "r"])?.expect(0, &[])?;
    gate("copy")?
        .expect(0, &["PASS: 1 gate checked: 1 passed", "a drop of 0 percentage points", "McNemar's p = 1)"])?;
    gate("worse")?.expect(1, &["FAIL: 1 gate checked", "tinyassay attack show"])?;
    let p = scratch.json("v.json")?["gates"][0]["p"].as_f64().ok_or("no p")?;
    ensure(p < 1e-6, format!("truly worse, with p = {p}"))?;
    scratch.run(["run", "s.yaml", "--out", "r", "--samples", "100"])?.expect(0, &[])?;
    gate("copy")?.expect(3, &["INCONCLUSIVE: 1 gate checked", "more samples would tell"])
}

fn with_gates(gates: &str) -> String {
    format!("{SUITE}gates:\n{gates}")
}

fn a_run_ends_with_its_gates() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let table = [
        ("  - { metric: clean_accuracy, at_least: 0 }\n", 0, "PASS"),
        ("  - { metric: clean_accuracy, at_least: 0 }\n  - { metric: macs, at_most: 1 }\n", 1, "FAIL"),
        (
            "  - { metric: worst_case, max_drop: 0.001, baseline: { model: linear }, models: [linear] }\n",
            3,
            "INCONCLUSIVE",
        ),
    ];
    let mut plain = None;
    for (gates, code, word) in table {
        scratch.write("tiny.yaml", with_gates(gates))?;
        let ran = scratch.run([
            "run",
            "tiny.yaml",
            "--out",
            "out",
            "--junit",
            "g.xml",
            "--sarif",
            "g.sarif",
            "--summary",
            "g.md",
        ])?;
        ran.expect(code, &[word, "report: out", "junit: g.xml", "sarif: g.sarif", "summary: g.md"])?;
        ensure(
            plain.is_none() || scratch.json("out/observations.json")?["blocks_computed"] == 0,
            "gates decide no block",
        )?;
        plain = Some(());
        let verdict = scratch.json("out/verdict.json")?;
        ensure(
            verdict["decision"] == word.to_lowercase() && verdict["gates"][0]["file"] == "suite.yaml",
            verdict.to_string(),
        )?;
        ensure(scratch.read("out/SHA256SUMS")?.contains("verdict.json"), "the verdict is listed")?;
        ensure(scratch.read("out/report.md")?.contains(&format!("## Gates\n\n**{word}.**")), "the report tells")?;
        ensure(
            scratch.read("g.xml")?.contains("<testsuites") && scratch.read("g.md")?.starts_with("## "),
            "files are written",
        )?;
        let sarif = scratch.json("g.sarif")?;
        let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        let line = SUITE.lines().count() as u64 + if code == 1 { 3 } else { 2 };
        let placed = place["artifactLocation"]["uri"] == "tiny.yaml" && place["region"]["startLine"] == line;
        ensure(code == 0 || placed, format!("{place}"))?;
        // The report's own suite says the same again.
        scratch.run(["gate", "out"])?.expect(code, &[word, "out/suite.yaml:"])?;
    }
    scratch
        .run(["run", "tiny.yaml", "--out", "out", "--dry-run"])?
        .expect(0, &["  gate    worst_case at most 0.001 below linear"])?;
    scratch.write("tiny.yaml", SUITE)?;
    scratch.run(["run", "tiny.yaml", "--out", "out"])?.expect(0, &[])?;
    ensure(!scratch.path("out/verdict.json").exists(), "a verdict goes with its gates")?;
    scratch.run(["run", "tiny.yaml", "--out", "out", "--junit", "g.xml"])?.expect(2, &["the suite has no gates"])?;
    scratch.run(["gate", "out"])?.expect(2, &["this suite has no gates", "out/suite.yaml"])
}

fn reports_are_compared_with_released_ones() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.run(["run", "tiny.yaml", "--out", "released"])?.expect(0, &[])?;
    let gate = "  - { metric: worst_case, max_drop: 0.5, baseline: { report: ../released }, models: [linear] }\n";
    scratch.write("suites/tiny.yaml", with_gates(gate))?;
    scratch.run(["run", "suites/tiny.yaml", "--out", "out"])?.expect(0, &["below ../released", "PASS"])?;
    // The suite in the report does not know where it was; the one that was run does.
    scratch.run(["gate", "out"])?.expect(2, &["no longer knows where it was", "--baseline"])?;
    scratch.run(["gate", "out", "--gates", "suites/tiny.yaml"])?.expect(0, &["PASS"])?;
    scratch.run(["gate", "out", "--baseline", "released"])?.expect(0, &["below released"])?;
    scratch.write("suites/tiny.yaml", with_gates(gate).replace("{ report: ../released }", "{}"))?;
    scratch.run(["gate", "out", "--gates", "suites/tiny.yaml"])?.expect(2, &["--baseline DIR"])?;
    scratch.run(["gate", "out", "--gates", "suites/tiny.yaml", "--baseline", "released"])?.expect(0, &["PASS"])?;
    // Other rows, and another attack: no verdict, and a run does not begin.
    scratch.run(["run", "tiny.yaml", "--out", "fewer", "--samples", "200"])?.expect(0, &[])?;
    scratch.write("other.yaml", SUITE.replace("steps: 5", "steps: 4"))?;
    scratch.run(["run", "other.yaml", "--out", "other"])?.expect(0, &[])?;
    for (folder, part) in
        [("fewer", "`dataset.rows` is"), ("other", "`attacks.pgd-5x2.spec.pgd.steps` is 5 here and 4 there")]
    {
        scratch.run(["gate", "out", "--gates", "suites/tiny.yaml", "--baseline", folder])?.expect(2, &[part])?;
        let ran = scratch.run(["run", "suites/tiny.yaml", "--out", "new", "--baseline", folder])?;
        ran.expect(2, &[part, "hint: run the same suite"])?;
        ensure(!scratch.path("new").exists(), "the run did not begin")?;
    }
    scratch
        .run(["gate", "out", "--gates", "suites/tiny.yaml", "--baseline", "raw"])?
        .expect(2, &["there is no results.json"])
}

fn github_gets_annotations_summary_and_output() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.write("suites/tiny.yaml", with_gates("  - { metric: macs, at_most: 1 }\n"))?;
    scratch.run(["run", "suites/tiny.yaml", "--out", "out"])?.expect(1, &[])?;
    scratch.write("summary.md", "# Before\n")?;
    let mut command = scratch.command(["gate", "out", "--gates", "suites/tiny.yaml"]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", scratch.path(""));
    command.env("GITHUB_STEP_SUMMARY", scratch.path("summary.md")).env("GITHUB_OUTPUT", scratch.path("output"));
    let ran: crate::scratch::Ran = command.output()?.into();
    let line = SUITE.lines().count() + 2;
    ran.expect(
        1,
        &[&format!("::error file=suites/tiny.yaml,line={line},title=linear%3A macs at most 1 (point)::measured ")],
    )?;
    let summary = scratch.read("summary.md")?;
    ensure(summary.starts_with("# Before\n## ❌ gates of tiny: fail"), summary)?;
    ensure(scratch.read("output")? == "decision=fail\n", "the output is written")?;
    // A step's summary has at most 1 MiB, what is there already counted.
    let most = 1 << 20;
    scratch.write("summary.md", "x".repeat(most - 100))?;
    command.output()?;
    ensure(scratch.read("summary.md")?.len() <= most, "the summary is within its limit")
}

fn what_cannot_be_judged_is_an_error() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.run(["gate", "nowhere"])?.expect(2, &["there is no results.json", "hint: "])?;
    scratch.run(["run", "tiny.yaml", "--out", "out"])?.expect(0, &[])?;
    let table = [
        ("gates: [{ metric: robust_accuracy, attack: pgd-5x3, at_least: 0 }]", "did you mean `pgd-5x2`"),
        ("gates: [{ metric: latency_ratio, at_most: 1 }]", "no latency is measured here"),
        ("gates: [{ metric: probe, probe: x, at_most: 1 }]", "there is no probe `x`"),
        ("gates: [{ metric: macs, at_most: 1, models: [nobody] }]", "there is no model `nobody`"),
        ("gates: []", "`gates` is empty"),
        ("gates: [{ metric: macs, at_most: 1, \"a\\u001bb\": 1 }]", "unknown key"),
    ];
    for (text, part) in table {
        scratch.write("g.yaml", format!("version: 1\n{text}\n"))?;
        scratch.run(["gate", "out", "--gates", "g.yaml"])?.expect(2, &["g.yaml:2:", part])?;
    }
    scratch.write("g.yaml", "version: 1\ngates: [{ metric: macs, at_most: 1e9 }]\n")?;
    scratch.run(["gate", "out", "--gates", "g.yaml", "--baseline", "out"])?.expect(2, &["--baseline says nothing"])?;
    scratch.run(["gate", "out", "--gates", "g.yaml", "--junit", "no/folder/g.xml"])?.expect(2, &["no/folder"])?;
    // Gates that were put into the report's suite later are not the run's.
    scratch.write("out/suite.yaml", with_gates("  - { metric: macs, at_most: 1e9 }\n"))?;
    scratch.run(["gate", "out"])?.expect(2, &["is not the suite that the results come from"])?;
    scratch.edit("out/results.json", "\"robust\": ", "\"robust\": 9")?;
    scratch.write("g.yaml", "version: 1\ngates: [{ metric: worst_case, at_least: 0.1 }]\n")?;
    scratch.run(["gate", "out", "--gates", "g.yaml"])?.expect(2, &["contradict themselves", "g.yaml:2"])
}

/// suites/README.md has a row for each metric, as the table in the code says it.
fn the_guide_has_every_metric() -> Result<(), Failed> {
    let guide = std::fs::read_to_string(root().join("suites/README.md"))?;
    let yes = |holds: bool| if holds { "yes" } else { "" };
    let rows = evidence::Metric::DOCS.iter().map(|doc| {
        let [interval, paired] = [doc.interval, doc.paired].map(yes);
        format!("| `{}` | {} | {} | {interval} | {paired} |", doc.id, doc.reads, doc.unit)
    });
    let missing: Vec<String> = rows.filter(|row| !guide.lines().any(|line| line == row)).collect();
    ensure(missing.is_empty(), format!("suites/README.md, section Gates: add\n{}", missing.join("\n")))
}
