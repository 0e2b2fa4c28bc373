//! Common corruptions through the whole program.

use crate::Test;
use crate::scratch::{SUITE, Scratch, ensure};
use libtest_mimic::Failed;
use serde_json::Value;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("they_leave_all_else_alone", they_leave_all_else_alone),
    ("jobs_interruptions_and_company_change_nothing", jobs_interruptions_and_company_change_nothing),
    ("counts_add_up_and_reports_say_what_a_number_is", counts_add_up_and_reports_say_what_a_number_is),
    ("files_of_severities_are_data_sets_with_ranges_of_rows", files_of_severities_are_data_sets_with_ranges_of_rows),
];

const SECTION: &str = "corruptions: { names: [gaussian-noise, contrast, jpeg], severities: [1, 5] }\n";

fn with(section: &str) -> Result<Scratch, Failed> {
    let scratch = Scratch::tiny()?;
    scratch.write("tiny.yaml", format!("{SUITE}{section}"))?;
    Ok(scratch)
}

fn list<'a>(value: &'a Value, field: &str) -> Result<&'a Vec<Value>, Failed> {
    value[field].as_array().ok_or_else(|| format!("no list `{field}` in {value}").into())
}

fn they_leave_all_else_alone() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let mut without = scratch.results(&[])?;
    ensure(
        !scratch.read("out/results.json")?.contains("corruption"),
        "results without corruptions do not mention them",
    )?;
    let computed = scratch.json("out/observations.json")?["blocks_computed"].clone();
    scratch.write("tiny.yaml", format!("{SUITE}{SECTION}"))?;
    let mut with = scratch.results(&[])?;
    let observations = scratch.json("out/observations.json")?;
    ensure(observations["blocks_reused"] == computed, "all other blocks are found again")?;
    // Two models, three corruptions, two severities, two blocks of 300 rows.
    ensure(observations["blocks_computed"] == 24, "the blocks of corruptions are new")?;
    for model in with["models"].as_array_mut().into_iter().flatten() {
        let removed = model.as_object_mut().and_then(|model| model.remove("corruptions"));
        ensure(
            removed.is_some_and(|results| results["corruptions"].as_array().is_some_and(|l| l.len() == 3)),
            "three",
        )?;
    }
    ensure(with["models"].take() == without["models"].take(), "the rest of a model's results is the same")
}

fn jobs_interruptions_and_company_change_nothing() -> Result<(), Failed> {
    let scratch = with(SECTION)?;
    scratch.run_in_every_way()?;
    let together = scratch.json("one/results.json")?;
    let alone = SUITE.replace("linear, conv", "conv");
    scratch.write("tiny.yaml", format!("{alone}corruptions: {{ names: [jpeg], severities: [5] }}\n"))?;
    let alone = scratch.results(&[])?;
    let cell = |results: &Value, model: usize, corruption: usize, severity: usize| {
        results["models"][model]["corruptions"]["corruptions"][corruption]["severities"][severity].clone()
    };
    let found = cell(&alone, 0, 0, 0);
    ensure(found["total"] == 300 && found == cell(&together, 1, 2, 1), "a corruption alone has the same numbers")
}

fn counts_add_up_and_reports_say_what_a_number_is() -> Result<(), Failed> {
    let scratch = with("corruptions: all\n")?;
    scratch.run(["run", "tiny.yaml", "--dry-run"])?.expect(
        0,
        &["corruption  gaussian-noise: severity 1 (deviation 0.04)", "corruption  jpeg: severity 1 (quality 80)"],
    )?;
    let ran = scratch.run(["run", "tiny.yaml", "--out", "out"])?;
    ran.expect(0, &["corrupted", "no worst case and no bound"])?;
    let report = scratch.read("out/report.md")?;
    for part in ["| corrupted, mean |", "## Common corruptions", "| gaussian-noise ", "severity 5", "no worst case"] {
        ensure(report.contains(part), format!("report.md has no `{part}`"))?;
    }
    for model in list(&scratch.json("out/results.json")?, "models")? {
        let results = &model["corruptions"];
        let (mut correct, mut total) = (0, 0);
        for corruption in list(results, "corruptions")? {
            ensure(list(corruption, "severities")?.len() == 5, format!("{corruption}"))?;
            for cell in list(corruption, "severities")? {
                let number = |field: &str| cell[field].as_f64().ok_or_else(|| format!("no `{field}` in {cell}"));
                let (accuracy, low, high) = (number("accuracy")?, number("ci_low")?, number("ci_high")?);
                ensure(low <= accuracy && accuracy <= high && cell["total"] == 300, format!("{cell}"))?;
                correct += cell["correct"].as_u64().ok_or("a count")?;
                total += 300;
            }
        }
        let (mean, clean) = (results["mean_accuracy"].as_f64(), model["clean_accuracy"].as_f64());
        ensure(mean == Some(correct as f64 / f64::from(total)), format!("{results}"))?;
        let relative = mean.zip(clean).map(|(mean, clean)| mean / clean);
        ensure(results["relative_accuracy"].as_f64() == relative, format!("{results}"))?;
    }
    scratch.write("tiny.yaml", format!("{SUITE}corruptions: [rain]\n"))?;
    scratch.run(["run", "tiny.yaml"])?.expect(2, &["there is no corruption `rain`", "hint: there are `gaussian-noise`"])
}

/// Files laid out as those of CIFAR-10-C, made of the pictures of `tiny` itself, so that the truth is known: the first
/// severity is the clean set and the second has every label wrong.
fn files_of_severities_are_data_sets_with_ranges_of_rows() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let rows = crate::scratch::tiny_rows();
    let count = rows.len();
    let pixels: Vec<u8> = rows.iter().chain(&rows).flat_map(|(pixels, _)| *pixels).collect();
    let wrong = rows.iter().map(|(_, label)| (label + 1) % 3);
    let labels: Vec<u8> = rows.iter().map(|(_, label)| *label).chain(wrong).collect();
    let array = |shape: &str, elements: &[u8]| {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), elements].concat()
    };
    scratch.write("raw/gaussian_noise.npy", array(&format!("({}, 4, 4, 1)", 2 * count), &pixels))?;
    scratch.write("raw/labels.npy", array(&format!("({},)", 2 * count), &labels))?;
    let ranges = format!("severity-1=0..{count},severity-2={count}..{}", 2 * count);
    let add = |name: &str, ranges: &str| {
        let files = ["raw/gaussian_noise.npy", "raw/labels.npy"];
        let facts = ["--format", "npy", "--layout", "NHWC", "--shape", "4,4,1", "--rows", ranges];
        scratch.run(["data", "add", name].into_iter().chain(facts).chain(files))
    };
    add("noisy", &ranges)?.expect(0, &["registered data set noisy"])?;
    add("late", "severity-1=0..9999")?.expect(2, &["rows 0..9999 were asked for"])?;
    add("odd", "0..9")?.expect(2, &["SPLIT=START..END"])?;
    scratch.run(["data", "list"])?.expect(0, &["noisy", "severity-1 600, severity-2 600"])?;
    scratch.run(["data", "verify", "noisy"])?.expect(0, &["labels.npy: verified"])?;
    let clean = scratch.results(&["--samples", "600"])?["models"][0]["correct"].clone();
    let linear = scratch.path("raw/linear.onnx");
    let linear = linear.to_str().ok_or("a path that is not UTF-8")?;
    scratch
        .run(["model", "add", linear, "--name", "again", "--dataset", "noisy", "--layout", "NCHW"])?
        .expect(0, &["registered again"])?;
    let mut correct = Vec::new();
    for split in ["severity-1", "severity-2"] {
        let suite = SUITE
            .replace("linear, conv", "again")
            .replace("name: tiny, split: test", &format!("name: noisy, split: {split}"));
        scratch.write("tiny.yaml", suite.replace("samples: 300", "samples: 600"))?;
        correct.push(scratch.results(&[])?["models"][0]["correct"].clone());
    }
    ensure(correct[0] == clean, format!("{} of the first severity, {clean} of the same pictures", correct[0]))?;
    let (right, wrong) = (correct[0].as_u64().ok_or("a count")?, correct[1].as_u64().ok_or("a count")?);
    ensure(right + wrong <= count as u64, format!("{right} right and {wrong} called right by wrong labels"))
}
