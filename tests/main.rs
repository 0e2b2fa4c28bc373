//! Tests of the whole program, in one binary.
//!
//! A test that needs data sets which are not there is skipped by name, with the reason; ONNX Runtime that can't be had
//! is a failure, with the remedy. The test of the page in a browser needs Chromium, and is skipped in the same way.

mod attack_show;
mod attacks;
mod attest;
mod audit;
mod browser;
mod cli;
mod compare;
mod comparison;
mod corruptions;
mod detectors;
mod gates;
mod golden;
mod hostile;
mod latency;
mod leaderboard;
mod page;
mod probes;
mod reference;
mod scratch;
mod sigmoid;
mod tidy;
mod training;
mod verify;

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::PathBuf;

type Test = fn() -> Result<(), Failed>;

fn main() {
    let args = Arguments::from_args();
    let groups = [
        ("attack_show", attack_show::TESTS),
        ("attacks", attacks::TESTS),
        ("attest", attest::TESTS),
        ("audit", audit::TESTS),
        ("cli", cli::TESTS),
        ("compare", compare::TESTS),
        ("comparison", comparison::TESTS),
        ("corruptions", corruptions::TESTS),
        ("detectors", detectors::TESTS),
        ("gates", gates::TESTS),
        ("golden", golden::TESTS),
        ("hostile", hostile::TESTS),
        ("latency", latency::TESTS),
        ("leaderboard", leaderboard::TESTS),
        ("probes", probes::TESTS),
        ("sigmoid", sigmoid::TESTS),
        ("tidy", tidy::TESTS),
        ("training", training::TESTS),
        ("verify", verify::TESTS),
    ];
    let mut trials = Vec::new();
    for (group, tests) in groups {
        trials.extend(tests.iter().map(|(name, test)| Trial::test(format!("{group}::{name}"), *test)));
    }
    let data = std::env::var_os("TINYASSAY_DATA").is_some_and(|path| !path.is_empty());
    let note = if data { "" } else { " (needs TINYASSAY_DATA)" };
    for (name, test) in reference::TESTS {
        trials.push(Trial::test(format!("reference::{name}{note}"), *test).with_ignored_flag(!data));
    }
    if !data && !args.list {
        let names: Vec<&str> = reference::TESTS.iter().map(|(name, _)| *name).collect();
        eprintln!("skipped, TINYASSAY_DATA is not set: {}", names.join(", "));
    }
    let browser = browser::installed().is_some();
    let note = if browser { "" } else { " (needs chromium)" };
    for (name, test) in page::TESTS {
        trials.push(Trial::test(format!("page::{name}{note}"), *test).with_ignored_flag(!browser));
    }
    if !browser && !args.list {
        eprintln!("skipped, there is no chromium on PATH: page_in_a_browser");
    }
    libtest_mimic::run(&args, trials).exit();
}

/// The repository's root.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
