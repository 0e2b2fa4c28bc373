//! Keys, signed reports, signed models and exports through the whole program.

use crate::Test;
use crate::scratch::{Scratch, ensure};
use libtest_mimic::Failed;
use report::attest::{PublicKey, disagreements, verify_envelope};
use serde_json::Value;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("help_teaches_by_examples", help_teaches_by_examples),
    ("a_signed_report_is_verified_and_a_changed_one_is_not", a_signed_report_is_verified_and_a_changed_one_is_not),
    ("gates_become_tests_that_are_signed", gates_become_tests_that_are_signed),
    ("a_signed_model_is_verified_and_a_changed_one_is_not", a_signed_model_is_verified_and_a_changed_one_is_not),
    ("keys_are_kept_to_their_owner", keys_are_kept_to_their_owner),
    ("a_report_is_exported_the_same_again", a_report_is_exported_the_same_again),
];

fn help_teaches_by_examples() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let cases: &[(&[&str], &[&str])] = &[
        (&["attest"], &["<REPORT>", "--key <FILE>", "test-result.dsse.json", "robustness.dsse.json"]),
        (&["key", "new"], &["<FILE>", "--force", "FILE.pub"]),
        (&["export"], &["<REPORT>", "--format <NAME>", "--model <NAME>", "--out <FILE>", "--date", "huggingface-eval"]),
        (&["model", "sign"], &["<NAME>", "--key <FILE>", "model_signing verify key"]),
        (&["model", "verify"], &["[NAMES]", "--key <FILE>"]),
    ];
    for (verb, parts) in cases {
        let usage = format!("Usage: tinyassay {}", verb.join(" "));
        let parts: Vec<&str> = parts.iter().copied().chain(["Examples:", usage.as_str()]).collect();
        scratch.run(verb.iter().chain(&["--help"]))?.expect(0, &parts)?;
    }
    scratch.run(["--help"])?.expect(0, &["  attest ", "  key ", "  export "])?;
    scratch.run(["model", "--help"])?.expect(0, &["  sign "])
}

/// A report in `out`, and the key `k` with its public half.
fn report() -> Result<Scratch, Failed> {
    let scratch = Scratch::tiny()?;
    scratch.results(&[])?;
    scratch.run(["key", "new", "k"])?.expect(0, &["private key: k", "public key:  k.pub"])?;
    Ok(scratch)
}

fn a_signed_report_is_verified_and_a_changed_one_is_not() -> Result<(), Failed> {
    let scratch = report()?;
    let sums = scratch.read("out/SHA256SUMS")?;
    let ran = scratch.run(["attest", "out", "--key", "k"])?;
    ran.expect(
        0,
        &["wrote out/attestation/robustness.dsse.json", "no test-result.dsse.json", "neither passed nor failed"],
    )?;
    ensure(sums == scratch.read("out/SHA256SUMS")?, "what is signed stays as it is")?;
    ensure(!scratch.path("out/attestation/test-result.dsse.json").exists(), "without gates there are no tests")?;
    let text = scratch.read("out/attestation/robustness.dsse.json")?;
    let key = PublicKey::read(&scratch.path("k.pub"))?;
    ensure(ran.stdout.contains(&key.id()), "the key is named")?;
    let attested = verify_envelope(&text, std::slice::from_ref(&key))?;
    ensure(attested.signers.len() == 1 && attested.signers[0].keyid == key.id(), "the key signed it")?;
    ensure(
        attested.statement.predicate["results"] == scratch.json("out/results.json")?,
        "the results are word for word",
    )?;
    let names: Vec<&str> = attested.statement.subjects.iter().map(|subject| subject.name.as_str()).collect();
    ensure(names == ["results.json", "linear/model.onnx", "conv/model.onnx"], format!("{names:?}"))?;
    let differ = disagreements(&scratch.path("out"), &attested.statement)?;
    ensure(differ.is_empty(), format!("{differ:?}"))?;
    // The digests of the models are those of the files.
    let digest = evidence::Digest::of(&std::fs::read(scratch.path("models/conv/model.onnx"))?).to_string();
    ensure(attested.statement.subjects[2].digest["sha256"] == digest, "the model's digest is that of its file")?;
    // Run again, the report is another one (its observations are), and nobody has signed it.
    scratch.results(&[])?;
    ensure(!scratch.path("out/attestation/robustness.dsse.json").exists(), "a new report is not signed")?;
    scratch.run(["attest", "out", "--key", "k"])?.expect(0, &[])?;
    scratch.edit("out/results.json", "\"suite\": \"tiny\"", "\"suite\": \"tony\"")?;
    let attested = verify_envelope(&scratch.read("out/attestation/robustness.dsse.json")?, &[key])?;
    let differ = disagreements(&scratch.path("out"), &attested.statement)?.join("\n");
    ensure(differ.contains("`results.json` is not what was signed"), differ)?;
    scratch
        .run(["attest", "out", "--key", "k"])?
        .expect(2, &["SHA256SUMS", "`results.json` and 0 others differ", "hint: run the suite again"])?;
    scratch.run(["attest", "models", "--key", "k"])?.expect(2, &["failed to", "SHA256SUMS"])
}

const VERDICT: &str = r#"{
  "schema_version": 1,
  "suite": "tiny",
  "decision": "inconclusive",
  "gates": [{
    "gate": "clean_accuracy at least 0.9",
    "metric": "clean_accuracy",
    "model": "linear",
    "decision": "inconclusive",
    "message": "too few samples",
    "file": "tiny.yaml",
    "line": 3
  }]
}
"#;

fn gates_become_tests_that_are_signed() -> Result<(), Failed> {
    let scratch = report()?;
    scratch.write("out/verdict.json", VERDICT)?;
    scratch.write("out/SHA256SUMS", report::sha256sums(&scratch.path("out"))?)?;
    scratch.run(["attest", "out", "--key", "k"])?.expect(0, &["wrote out/attestation/test-result.dsse.json"])?;
    let text = scratch.read("out/attestation/test-result.dsse.json")?;
    let attested = verify_envelope(&text, &[PublicKey::read(&scratch.path("k.pub"))?])?;
    let predicate = &attested.statement.predicate;
    ensure(predicate["result"] == "WARNED", format!("{predicate}"))?;
    ensure(predicate["warnedTests"][0] == "clean_accuracy at least 0.9, model linear", format!("{predicate}"))?;
    let suite = evidence::Digest::of(scratch.read("tiny.yaml")?.as_bytes()).to_string();
    ensure(predicate["configuration"][0]["digest"]["sha256"] == suite.as_str(), "the suite is the file of the run")?;
    scratch.write("out/secret.txt", scratch.read("k")?)?;
    scratch.run(["attest", "out", "--key", "k"])?.expect(2, &["out/secret.txt", "private key"])
}

fn a_signed_model_is_verified_and_a_changed_one_is_not() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    for key in ["k", "other"] {
        scratch.run(["key", "new", key])?.expect(0, &[])?;
    }
    let sign = || scratch.run(["model", "sign", "conv", "--key", "k"]);
    let verify = |key: &str| scratch.run(["model", "verify", "conv", "--key", key]);
    verify("k.pub")?.expect(1, &["conv: FAILED: it is not signed"])?;
    sign()?.expect(0, &["wrote models/conv/model.sig, which signs manifest.yaml, model.onnx"])?;
    let good = verify("k.pub")?;
    good.expect(0, &["conv/model.onnx: verified", "conv/model.sig: signed by key", "2 files"])?;
    ensure(!good.stdout.contains("not listed"), "a signature is no stranger")?;
    scratch.run(["model", "verify"])?.expect(0, &["conv/model.sig: not checked"])?;
    scratch.run(["model", "verify", "conv", "--key", "other.pub", "--key", "k.pub"])?.expect(0, &["signed by key"])?;
    verify("other.pub")?.expect(1, &["conv/model.sig: FAILED to verify the signature: no key that was given"])?;
    verify("k")?.expect(2, &["it is a private key", "FILE.pub"])?;
    scratch.run(["model", "verify", "--key", "k.pub"])?.expect(1, &["linear: FAILED: it is not signed"])?;

    // Facts in the manifest count as the bytes of the model do.
    let manifest = scratch.read("models/conv/manifest.yaml")?;
    scratch.edit("models/conv/manifest.yaml", "licence: unknown", "licence: MIT")?;
    verify("k.pub")?
        .expect(1, &["conv/model.onnx: verified", "conv/manifest.yaml: FAILED: it is not what was signed"])?;
    scratch.write("models/conv/manifest.yaml", manifest)?;
    scratch.write("models/conv/extra.bin", "extra")?;
    verify("k.pub")?.expect(1, &["conv/extra.bin: FAILED: it was not signed"])?;
    std::fs::remove_file(scratch.path("models/conv/extra.bin"))?;
    let bytes = std::fs::read(scratch.path("models/conv/model.onnx"))?;
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    scratch.write("models/conv/model.onnx", flipped)?;
    verify("k.pub")?
        .expect(1, &["conv/model.onnx: FAILED to verify", "conv/model.onnx: FAILED: it is not what was signed"])?;
    sign()?.expect(2, &["the manifest pins"])?;
    scratch.write("models/conv/model.onnx", bytes)?;

    let signature = scratch.read("models/conv/model.sig")?;
    let envelope: Value = serde_json::from_str(&signature)?;
    let payload = envelope["dsseEnvelope"]["payload"].as_str().ok_or("no payload")?;
    let changed = signature.replace(payload, &payload.replacen('e', "f", 1));
    scratch.write("models/conv/model.sig", changed)?;
    verify("k.pub")?.expect(1, &["conv/model.sig: FAILED to verify the signature"])?;
    scratch.write("models/conv/model.sig", "{}")?;
    verify("k.pub")?.expect(1, &["conv/model.sig: FAILED to read model signature: `mediaType` is null"])?;

    scratch.write("models/conv/notes.txt", scratch.read("k")?)?;
    sign()?.expect(2, &["notes.txt", "private key"])?;
    std::fs::remove_file(scratch.path("models/conv/notes.txt"))?;
    sign()?.expect(0, &[])?;
    scratch.run(["model", "remove", "conv"])?.expect(0, &["removed conv"])
}

fn keys_are_kept_to_their_owner() -> Result<(), Failed> {
    let scratch = report()?;
    scratch.run(["key", "new", "k"])?.expect(2, &["use key k: it is there already", "--force"])?;
    let (before, public) = (scratch.read("k")?, scratch.read("k.pub")?);
    scratch.run(["key", "new", "k", "--force"])?.expect(0, &[])?;
    ensure(scratch.read("k")? != before && scratch.read("k.pub")? != public, "both halves are new")?;
    for place in ["out/k", "out/evidence/k", "models/conv/k"] {
        scratch.run(["key", "new", place, "--force"])?.expect(2, &["hint: keep keys where nothing is published"])?;
        ensure(!scratch.path(place).exists(), place)?;
    }
    scratch.run(["attest", "out", "--key", "k.pub"])?.expect(2, &["k.pub"])?;
    #[cfg(unix)]
    {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(scratch.path("k"))?.permissions().mode();
        ensure(mode & 0o777 == 0o600, format!("{mode:o}"))?;
        std::fs::set_permissions(scratch.path("k"), Permissions::from_mode(0o640))?;
        scratch.run(["attest", "out", "--key", "k"])?.expect(2, &["mode 0640", "hint: `chmod 600 k`"])?;
        scratch.run(["model", "sign", "conv", "--key", "k"])?.expect(2, &["hint: `chmod 600 k`"])?;
    }
    let files = scratch.files("out")?;
    let secret = |bytes: &[u8]| bytes.windows(11).any(|window| window == b"PRIVATE KEY");
    ensure(!files.values().any(|bytes| secret(bytes)), "no key is in the report")
}

fn a_report_is_exported_the_same_again() -> Result<(), Failed> {
    let scratch = report()?;
    let results = scratch.json("out/results.json")?;
    let accuracy = results["models"][1]["worst_case"]["robust_accuracy"].to_string();
    for export in report::export::EXPORTS {
        let args = ["export", "out", "--format", export.name];
        let one = scratch.run(args)?;
        one.expect(0, &[&accuracy, "linear", "conv"])?;
        scratch.run(args.iter().chain(&["--out", "file"]))?.expect(0, &["wrote file"])?;
        ensure(one.stdout == scratch.read("file")?, export.name)?;
        let alone = scratch.run(args.iter().chain(&["--model", "conv"]))?;
        alone.expect(0, &[&accuracy])?;
        ensure(!alone.stdout.contains("\"linear\""), format!("{}: {}", export.name, alone.stdout))?;
        scratch.run(args.iter().chain(&["--model", "none"]))?.expect(2, &["hint: it has linear, conv"])?;
        scratch.run(args.iter().chain(&["--date", "today"]))?.expect(2, &["2026-11-05T12:00:00Z"])?;
    }
    let bom = scratch.run(["export", "out", "--format", "cyclonedx"])?;
    let bom: Value = serde_json::from_str(&bom.stdout)?;
    let digest = evidence::Digest::of(&std::fs::read(scratch.path("models/linear/model.onnx"))?).to_string();
    ensure(bom["components"][0]["hashes"][0]["content"] == digest.as_str(), "the hash is that of the file")?;
    ensure(bom["components"][0]["licenses"][0]["license"]["name"] == "unknown", "the licence is the manifest's")?;
    // A model that is registered no more has no licence, and that is said.
    std::fs::remove_dir_all(scratch.path("models/linear"))?;
    scratch
        .run(["export", "out", "--format", "cyclonedx"])?
        .expect(0, &["not registered here as they were reported: linear"])?;
    scratch.run(["export", "nowhere", "--format", "cyclonedx"])?.expect(2, &["nowhere", "there is no results.json"])
}
