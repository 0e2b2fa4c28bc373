//! Two reports beside each other through the whole program.

use crate::Test;
use crate::scratch::{Scratch, ensure};
use libtest_mimic::Failed;
use serde_json::Value;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("a_report_has_no_regression_against_itself", a_report_has_no_regression_against_itself),
    ("what_is_worse_one_way_is_better_the_other", what_is_worse_one_way_is_better_the_other),
    ("other_rows_are_shown_without_a_test", other_rows_are_shown_without_a_test),
    ("what_cannot_be_compared_is_refused", what_cannot_be_compared_is_refused),
];

fn json(scratch: &Scratch, a: &str, b: &str) -> Result<Value, Failed> {
    let ran = scratch.run(["compare", a, b, "--format", "json"])?;
    ran.expect(0, &[])?;
    Ok(serde_json::from_str(&ran.stdout)?)
}

fn a_report_has_no_regression_against_itself() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.results(&[])?;
    scratch
        .run(["compare", "out", "out", "--fail-on-regression"])?
        .expect(0, &["cannot be told apart", "The same in both"])?;
    let found = json(&scratch, "out", "out")?;
    let checks = found["checks"].as_array().ok_or("no checks")?;
    // Clean, two attacks and the worst case of two models.
    ensure(checks.len() == 8, format!("{checks:?}"))?;
    ensure(
        checks.iter().all(|check| check["test"]["difference"] == 0.0 && check["test"]["p_holm"] == 1.0),
        "no difference",
    )?;
    ensure(found["agreements"].as_array().is_some_and(|all| all.iter().all(|of| of["agrees"] == true)), "all agrees")
}

/// Two models, each alone in its report: paired whatever their names.
fn what_is_worse_one_way_is_better_the_other() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    for name in ["linear", "conv"] {
        scratch.write("tiny.yaml", crate::scratch::SUITE.replace("[linear, conv]", &format!("[{name}]")))?;
        scratch.run(["run", "tiny.yaml", "--out", name])?.expect(0, &[])?;
    }
    let (forth, back) = (json(&scratch, "linear", "conv")?, json(&scratch, "conv", "linear")?);
    let [linear, conv] = ["linear", "conv"].map(|name| scratch.json(&format!("{name}/results.json")));
    let (linear, conv) = (linear?["models"][0].clone(), conv?["models"][0].clone());
    let number = |value: &Value| value.as_f64().ok_or("no number");
    let clean = |found: &Value| {
        found["checks"].as_array().and_then(|all| all.iter().find(|of| of["check"] == "clean").cloned())
    };
    let difference = number(&conv["clean_accuracy"])? - number(&linear["clean_accuracy"])?;
    for (found, sign) in [(&forth, 1.0), (&back, -1.0)] {
        let check = clean(found).ok_or("no clean check")?;
        ensure((number(&check["test"]["difference"])? - sign * difference).abs() < 1e-12, format!("{check}"))?;
        let first = found["checks"][0]["word"].clone();
        ensure(found["regressions"] == 0 || first == "regression", "regressions come first")?;
    }
    ensure(
        forth["regressions"] == back["improvements"] && forth["improvements"] == back["regressions"],
        format!("{forth}"),
    )?;
    ensure(difference.abs() > 0.2, format!("these two differ by {difference}"))?;
    for (found, a, b) in [(&forth, "linear", "conv"), (&back, "conv", "linear")] {
        let code = i32::from(found["regressions"] != 0);
        scratch.run(["compare", a, b, "--fail-on-regression"])?.expect(code, &[])?;
        scratch.run(["compare", a, b])?.expect(0, &["→"])?;
    }
    scratch.run(["compare", "linear", "conv", "--format", "markdown", "--out", "change.md"])?.expect(0, &[])?;
    let text = scratch.read("change.md")?;
    ensure(text.starts_with("# tiny against tiny\n") && text.contains("linear → conv"), text)
}

fn other_rows_are_shown_without_a_test() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.results(&[])?;
    scratch.run(["run", "tiny.yaml", "--out", "few", "--samples", "50"])?.expect(0, &[])?;
    let ran = scratch.run(["compare", "out", "few", "--fail-on-regression"])?;
    ran.expect(3, &["not compared", "the first 300 by index", "the first 50 by index", "inconclusive: 8 of"])?;
    let found = json(&scratch, "out", "few")?;
    let checks = found["checks"].as_array().ok_or("no checks")?;
    ensure(checks.iter().all(|check| check.get("test").is_none() && check["candidate"]["total"] == 50), "no test")
}

fn what_cannot_be_compared_is_refused() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.results(&[])?;
    scratch.run(["compare", "out", "nowhere"])?.expect(2, &["there is no results.json"])?;
    scratch.run(["compare", "out", "out", "--map", "linear"])?.expect(2, &["OLD=NEW"])?;
    scratch
        .run(["compare", "out", "out", "--map", "linear=none"])?
        .expect(2, &["the candidate has no model `none`"])?;
    let mut results = scratch.json("out/results.json")?;
    results["models"][0]["correct"] = (results["models"][0]["correct"].as_u64().ok_or("no count")? - 1).into();
    scratch.write("out/results.json", results.to_string())?;
    scratch.run(["compare", "out", "out"])?.expect(2, &["damaged"])
}
