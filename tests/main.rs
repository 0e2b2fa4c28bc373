//! Tests of the whole program, in one binary.
//!
//! A test that needs data sets which are not there is skipped by name, with the reason; ONNX Runtime that can't be had
//! is a failure, with the remedy.

mod tidy;

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::PathBuf;

type Test = fn() -> Result<(), Failed>;

fn main() {
    let args = Arguments::from_args();
    let mut trials = Vec::new();
    for (group, tests) in [("tidy", tidy::TESTS)] {
        trials.extend(tests.iter().map(|(name, test)| Trial::test(format!("{group}::{name}"), *test)));
    }
    libtest_mimic::run(&args, trials).exit();
}

/// The repository's root.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
