//! Bad input and bad luck: each is a clear error that names the place, or a run that resumes as if nothing had been.

use crate::Test;
use crate::scratch::{self, SUITE, Scratch, ensure, proto, same};
use libtest_mimic::Failed;
use std::process::Stdio;
use std::time::{Duration, Instant};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("truncated_protobuf", truncated_protobuf),
    ("cyclic_protobuf", cyclic_protobuf),
    ("unknown_op_is_named_with_its_node", unknown_op_is_named_with_its_node),
    ("wrong_digest", wrong_digest),
    ("external_data_outside_the_folder", external_data_outside_the_folder),
    ("nan_weights", nan_weights),
    ("input_shape_is_not_the_manifests", input_shape_is_not_the_manifests),
    ("misspelt_keys", misspelt_keys),
    ("suites_that_ask_for_what_cannot_be", suites_that_ask_for_what_cannot_be),
    ("no_gradient_through_an_operator", no_gradient_through_an_operator),
    ("declared_softmax_that_is_none", declared_softmax_that_is_none),
    ("a_flipped_bit_in_any_block", a_flipped_bit_in_any_block),
    ("a_write_that_fails_in_mid_file", a_write_that_fails_in_mid_file),
    ("killed_and_resumed", killed_and_resumed),
    ("two_suites_in_one_folder", two_suites_in_one_folder),
    ("two_runs_at_once_in_one_folder", two_runs_at_once_in_one_folder),
    ("no_pip", no_pip),
    ("no_network", no_network),
    ("no_library_where_ort_dylib_path_points", no_library_where_ort_dylib_path_points),
    ("no_other_provider", no_other_provider),
];

/// A manifest for `file` with the digest that it has.
fn register(scratch: &Scratch, name: &str, onnx: &[u8]) -> Result<(), Failed> {
    scratch.write(&format!("models/{name}/model.onnx"), onnx)?;
    let digest = registry::Digest::of(onnx);
    let manifest = format!(
        "name: {name}\nfiles:\n  model.onnx: {digest}\n\
         input: {{ name: input, dtype: float32, layout: NCHW, shape: [1, 4, 4], range: [0, 1] }}\n\
         output: {{ name: logits, kind: logits, classes: 3 }}\ndataset: tiny\n"
    );
    scratch.write(&format!("models/{name}/manifest.yaml"), manifest)
}

/// A folder where the suite `tiny.yaml` asks for the model `bad` alone.
fn with_bad(onnx: &[u8]) -> Result<Scratch, Failed> {
    let scratch = Scratch::new()?;
    scratch.add_tiny_data()?;
    scratch.write("tiny.yaml", SUITE.replace("linear, conv", "bad"))?;
    register(&scratch, "bad", onnx)?;
    Ok(scratch)
}

/// Both ways in refuse the file: `model check` of it, and a run of a suite that names it.
fn refused(onnx: &[u8], check_code: i32, parts: &[&str]) -> Result<(), Failed> {
    let scratch = with_bad(onnx)?;
    scratch.run(["model", "check", "models/bad/model.onnx"])?.expect(check_code, parts)?;
    let named: Vec<&str> = ["model `bad`"].iter().chain(parts).copied().collect();
    scratch.run(["run", "tiny.yaml"])?.expect(2, &named)?;
    ensure(!scratch.path("reports").exists(), "a run that was refused left a report folder")
}

fn truncated_protobuf() -> Result<(), Failed> {
    let whole = scratch::conv()?;
    for length in [whole.len() - 1, whole.len() / 2, 40, 1] {
        refused(&whole[..length], 2, &["decode ONNX"]).map_err(|failed| at(&format!("{length} bytes"), failed))?;
    }
    let nothing = with_bad(b"")?;
    nothing.run(["run", "tiny.yaml"])?.expect(2, &["model `bad`"])?;
    nothing.run(["model", "add", "nowhere.onnx", "--dataset", "tiny"])?.expect(2, &["nowhere.onnx"])
}

fn cyclic_protobuf() -> Result<(), Failed> {
    let nodes = [
        proto::node(&["input", "late"], &["early"], "first", "Add"),
        proto::node(&["early"], &["late"], "second", "Relu"),
        proto::node(&["late"], &["logits"], "third", "GlobalAveragePool"),
    ];
    refused(&proto::model(&nodes, &[]), 2, &["cycle", "`first`"])?;
    let own = [proto::node(&["input", "logits"], &["logits"], "ouroboros", "Add")];
    refused(&proto::model(&own, &[]), 2, &["cycle", "`ouroboros`"])
}

fn unknown_op_is_named_with_its_node() -> Result<(), Failed> {
    let nodes = [
        proto::node(&["input"], &["strange"], "blocks/1/act", "Hardmax"),
        proto::node(&["strange"], &["logits"], "pool", "GlobalAveragePool"),
    ];
    let onnx = proto::model(&nodes, &[]);
    refused(&onnx, 1, &["node `blocks/1/act`", "operator `Hardmax` is not supported"])?;
    let scratch = with_bad(&onnx)?;
    scratch.run(["run", "tiny.yaml", "--dry-run"])?.expect(2, &["`blocks/1/act`", "`Hardmax`"])
}

fn wrong_digest() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let mut bytes = scratch::linear()?;
    *bytes.last_mut().ok_or("no bytes")? ^= 1;
    scratch.write("models/linear/model.onnx", &bytes)?;
    let found = registry::Digest::of(&bytes).to_string();
    let parts = ["models/linear/model.onnx", &found, "the manifest pins"];
    scratch.run(["run", "tiny.yaml"])?.expect(2, &parts)?;
    scratch.run(["model", "verify"])?.expect(1, &["linear/model.onnx: FAILED", "conv/model.onnx: verified"])?;
    scratch.run(["model", "show", "linear"])?.expect(2, &parts)?;
    let scratch = Scratch::tiny()?;
    scratch.write("raw/labels", "other labels")?;
    scratch.run(["run", "tiny.yaml"])?.expect(2, &["tiny.yaml:3:", "raw/labels", "SHA-256"])?;
    scratch.run(["data", "verify", "tiny"])?.expect(1, &["tiny/labels: FAILED", "tiny/images: verified"])
}

fn external_data_outside_the_folder() -> Result<(), Failed> {
    let model = |location: &str| {
        let nodes = [
            proto::node(&["input"], &["row"], "flatten", "Flatten"),
            proto::node(&["row", "weights"], &["logits"], "dense", "MatMul"),
        ];
        proto::model(&nodes, &[proto::external("weights", &[16, 3], location)])
    };
    let weights = [0u8; 16 * 3 * 4];
    let outside = tempfile::NamedTempFile::new()?;
    std::fs::write(outside.path(), weights)?;
    let absolute = outside.path().to_str().ok_or("a path that is not UTF-8")?;
    for location in [absolute, "../secret", "sub/../../secret", "link", "sub/link"] {
        let scratch = with_bad(&model(location))?;
        scratch.write("models/secret", weights)?;
        scratch.write("models/bad/sub/weights", weights)?;
        #[cfg(unix)]
        for link in ["models/bad/link", "models/bad/sub/link"] {
            std::os::unix::fs::symlink(outside.path(), scratch.path(link))?;
        }
        let parts = [location];
        let failed = |failed| at(location, failed);
        scratch.run(["run", "tiny.yaml"])?.expect(2, &["model `bad`", location]).map_err(failed)?;
        scratch.run(["model", "check", "models/bad/model.onnx"])?.expect(2, &parts).map_err(failed)?;
        let add = ["model", "add", "models/bad/model.onnx", "--name", "added", "--dataset", "tiny"];
        scratch.run(add)?.expect(2, &parts).map_err(failed)?;
        ensure(!scratch.path("models/added").exists(), format!("{location}: a refused model was registered"))?;
    }
    let short = with_bad(&model("weights.bin"))?;
    short.write("models/bad/weights.bin", &weights[..100])?;
    let add = ["model", "add", "models/bad/model.onnx", "--name", "added", "--dataset", "tiny"];
    short.run(add)?.expect(2, &["`weights`"])?;
    short.write("models/bad/weights.bin", weights)?;
    short.run(add)?.expect(0, &["registered added"])?;
    short.run(["model", "verify", "added"])?.expect(0, &["added/weights.bin: verified"])?;
    short.write("models/added/weights.bin", [1u8; 16 * 3 * 4])?;
    short.edit("tiny.yaml", "bad", "added")?;
    short.run(["run", "tiny.yaml"])?.expect(2, &["weights.bin", "SHA-256"])
}

fn nan_weights() -> Result<(), Failed> {
    let scratch = with_bad(&scratch::not_a_number()?)?;
    scratch.run(["run", "tiny.yaml"])?.expect(2, &["model `bad`", "`weights`", "NaN"])?;
    ensure(!scratch.path("reports/tiny/results.json").exists(), "results of a model that is not finite")?;
    scratch.run(["model", "check", "models/bad/model.onnx"])?.expect(2, &["`weights`", "NaN"])
}

fn input_shape_is_not_the_manifests() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.edit("models/linear/manifest.yaml", "shape: [1, 4, 4]", "shape: [1, 4, 5]")?;
    scratch.run(["run", "tiny.yaml"])?.expect(2, &["tiny.yaml:4:", "`linear`", "[1, 4, 5]", "[1, 4, 4]"])?;
    let nodes = [proto::node(&["input"], &["logits"], "pool", "GlobalAveragePool")];
    refused(&proto::model(&nodes, &[]), 1, &["logits"])?;
    let scratch = Scratch::tiny()?;
    scratch.edit("models/linear/manifest.yaml", "name: input", "name: inptu")?;
    scratch.run(["run", "tiny.yaml"])?.expect(2, &["model `linear`", "`inptu`", "`input`"])?;
    let scratch = Scratch::tiny()?;
    scratch.edit("models/linear/manifest.yaml", "classes: 3", "classes: 4")?;
    scratch.run(["run", "tiny.yaml"])?.expect(2, &["`linear`", "3", "4"])
}

fn misspelt_keys() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.write("key.yaml", SUITE.replace("attacks:", "attaks:"))?;
    let parts = ["key.yaml:6:1", "`attaks`", "hint: did you mean `attacks`?"];
    scratch.run(["run", "key.yaml"])?.expect(2, &parts)?;
    scratch.write("inner.yaml", SUITE.replace("step_size", "stepsize"))?;
    scratch
        .run(["run", "inner.yaml"])?
        .expect(2, &["inner.yaml:8:", "`stepsize`", "hint: did you mean `step_size`?"])?;
    scratch.write("preset.yaml", SUITE.replace("- fgsm\n", "- fsgm\n"))?;
    scratch.run(["run", "preset.yaml"])?.expect(2, &["preset.yaml:7:", "`fsgm`", "hint: did you mean `fgsm`?"])?;
    scratch.write("probes.yaml", format!("{SUITE}probes: [lipschits]\n"))?;
    scratch.run(["run", "probes.yaml"])?.expect(2, &["probes.yaml:10:10", "there is no probe `lipschits`"])?;
    scratch.write("cost.yaml", format!("{SUITE}cost: [mac]\n"))?;
    scratch.run(["run", "cost.yaml"])?.expect(2, &["cost.yaml:10:8", "`mac`", "hint: did you mean `macs`?"])?;
    scratch.write("gates.yaml", format!("{SUITE}gates: []\n"))?;
    scratch.run(["run", "gates.yaml"])?.expect(2, &["gates.yaml:10:8", "`gates`"])?;
    scratch.write("twice.yaml", format!("{SUITE}seed: 4\n"))?;
    scratch.run(["run", "twice.yaml"])?.expect(2, &["twice.yaml:10:1", "`seed`"])?;
    scratch.edit("models/linear/manifest.yaml", "layout:", "lay_out:")?;
    scratch.run(["run", "tiny.yaml"])?.expect(2, &["models/linear/manifest.yaml:", "lay_out"])
}

fn suites_that_ask_for_what_cannot_be() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let cases: &[(&str, &str, &[&str])] = &[
        ("8/255 }", "-1 }", &[":5:32", "`-1`", "negative"]),
        ("8/255 }", "8/0 }", &[":5:32", "`8/0`"]),
        ("8/255 }", "eight }", &[":5:32", "`eight`"]),
        ("linf", "l3", &[":5:17", "`l3`"]),
        ("[linear, conv]", "[linear, linear]", &[":4:", "`linear`", "twice"]),
        ("[linear, conv]", "[linaer]", &[":4:", "`linaer`", "hint: did you mean `linear`?"]),
        ("[linear, conv]", "[\"res*\"]", &[":4:", "`res*`"]),
        ("[linear, conv]", "[../elsewhere]", &[":4:", "../elsewhere"]),
        ("[linear, conv]", "[]", &[":4:", "`models`"]),
        ("pgd-5x2", "fgsm", &[":8:", "two attacks are named `fgsm`", "hint:"]),
        ("restarts: 2", "restarts: 0", &[":8:", "`restarts`"]),
        ("steps: 5", "steps: 5.5", &[":8:34", "whole number"]),
        ("samples: 300", "samples: 601", &[":3:", "601", "600"]),
        ("samples: 300", "samples: 0", &[":3:", "`samples`"]),
        ("name: tiny,", "name: tinny,", &[":3:", "`tinny`", "hint: did you mean `tiny`?"]),
        ("split: test", "split: train", &[":3:", "`train`", "test"]),
        ("name: tiny,", "name: cifar10,", &[":3:", "TINYASSAY_DATA is not set", "hint: https://"]),
        ("version: 1", "version: 2", &[":1:10", "version 2"]),
        ("name: tiny\n", "name: ../tiny\n", &[":2:", "../tiny"]),
        ("seed: 3", "seed: -3", &[":9:7", "whole number, at least 0"]),
    ];
    let mut wrong = Vec::new();
    for (from, to, parts) in cases {
        ensure(SUITE.contains(from), format!("the suite has no `{from}`"))?;
        scratch.write("bad.yaml", SUITE.replacen(from, to, 1))?;
        let parts: Vec<&str> = parts.iter().copied().chain(["bad.yaml"]).collect();
        if let Err(failed) = scratch.run(["run", "bad.yaml"])?.expect(2, &parts) {
            wrong.push(at(to, failed).message().unwrap_or_default().to_owned());
        }
    }
    scratch.run(["run", "nowhere.yaml"])?.expect(2, &["nowhere.yaml"])?;
    scratch.write("binary.yaml", [0xff, 0xfe, 0])?;
    scratch.run(["run", "binary.yaml"])?.expect(2, &["binary.yaml"])?;
    ensure(wrong.is_empty(), wrong.join("\n\n"))?;
    ensure(!scratch.path("reports").exists(), "a suite that was refused left a report folder")
}

fn no_gradient_through_an_operator() -> Result<(), Failed> {
    let scratch = with_bad(&scratch::rounding()?)?;
    let parts = ["model `bad`", "no gradient through `Cast`", "node `the-cast-0`"];
    scratch.run(["run", "tiny.yaml", "--dry-run"])?.expect(2, &parts)?;
    scratch.run(["model", "check", "models/bad/model.onnx"])?.expect(1, &["can't be evaluated", parts[1]])
}

fn declared_softmax_that_is_none() -> Result<(), Failed> {
    let scratch = with_bad(&scratch::linear()?)?;
    scratch.edit("models/bad/manifest.yaml", "kind: logits", "kind: softmax")?;
    scratch.run(["run", "tiny.yaml"])?.expect(2, &["model `bad`", "softmax"])
}

fn a_flipped_bit_in_any_block() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.results(&[])?;
    let wanted = scratch.outcome("out")?;
    let evidence: Vec<&String> = wanted.keys().filter(|name| name.starts_with("evidence/")).collect();
    for (number, name) in evidence.iter().enumerate() {
        let mut bytes = wanted[*name].clone();
        let middle = bytes.len() * (1 + number % 7) / 8;
        bytes[middle] ^= 1 << (number % 8);
        scratch.write(&format!("out/{name}"), bytes)?;
        let ran = scratch.run(["run", "tiny.yaml", "--out", "out"])?;
        let key = name.trim_start_matches("evidence/").split('.').next().unwrap_or_default();
        ran.expect(0, &["warning: ", &format!("{key}.json"), "set aside as", "computed again"])
            .map_err(|failed| at(name, failed))?;
        same(&format!("after a flipped bit in {name}"), &wanted, &scratch.outcome("out")?)?;
        let observations = scratch.json("out/observations.json")?;
        ensure(
            observations["blocks_damaged"].as_array().is_some_and(|list| list.len() == 1),
            "damage is not observed",
        )?;
    }
    let aside = scratch.files("out/evidence/damaged")?;
    ensure(aside.len() >= evidence.len(), format!("{} files were set aside", aside.len()))?;
    scratch.run(["run", "tiny.yaml", "--out", "out"])?.expect(0, &[])?;
    ensure(scratch.json("out/observations.json")?["blocks_computed"] == 0, "a mended folder computes again")
}

/// A file-size limit makes writes fail after so many KiB, as a full disk does.
#[cfg(unix)]
fn a_write_that_fails_in_mid_file() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.results(&[])?;
    let wanted = scratch.outcome("out")?;
    let program = env!("CARGO_BIN_EXE_tinyassay");
    let mut failures = 0;
    for blocks in [0, 2, 4, 8, 12, 16, 24, 32] {
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec {program} run tiny.yaml --out limited");
        let ran = std::process::Command::new("sh")
            .current_dir(scratch.path("."))
            .env_remove("TINYASSAY_DATA")
            .args(["-c", &limited])
            .output()?;
        let ran = scratch::Ran::from(ran);
        if ran.code == Some(0) {
            break;
        }
        failures += 1;
        ran.expect(3, &["write limited/", "File too large", "run the same command again to resume"])?;
        for (name, bytes) in scratch.files("limited").unwrap_or_default() {
            let known = wanted.get(&name).ok_or_else(|| ran.failed(&format!("{name} stayed behind")))?;
            ensure(known == &bytes, format!("{name} has other bytes after a failed write"))?;
        }
    }
    ensure(failures >= 2, format!("only {failures} limits made a write fail"))?;
    scratch.run(["run", "tiny.yaml", "--out", "limited"])?.expect(0, &[])?;
    same("after failed writes", &wanted, &scratch.outcome("limited")?)
}

#[cfg(not(unix))]
fn a_write_that_fails_in_mid_file() -> Result<(), Failed> {
    Ok(())
}

fn killed_and_resumed() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let long = SUITE.replace("steps: 5,", "steps: 60,").replace("samples: 300", "samples: 600");
    scratch.write("tiny.yaml", long)?;
    scratch.results(&["--jobs", "1"])?;
    let wanted = scratch.outcome("out")?;
    let mut kills = 0;
    for round in 0.. {
        let mut command = scratch.command(["run", "tiny.yaml", "--out", "killed"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let deadline = Instant::now() + Duration::from_millis(60 + 25 * round);
        let ended = loop {
            match child.try_wait()? {
                Some(status) => break Some(status),
                None if Instant::now() > deadline => break None,
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        let Some(status) = ended else {
            child.kill()?;
            child.wait()?;
            kills += 1;
            ensure(kills < 400, "no run ended by itself")?;
            continue;
        };
        ensure(status.success(), format!("a resumed run failed: {status}"))?;
        break;
    }
    ensure(kills > 0, "no run was killed before it ended")?;
    same(&format!("killed {kills} times"), &wanted, &scratch.outcome("killed")?)
}

fn two_suites_in_one_folder() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.write("other.yaml", SUITE.replace("name: tiny\n", "name: other\n").replace("8/255", "4/255"))?;
    let alone = scratch.results(&[])?;
    scratch.run(["run", "other.yaml", "--out", "out"])?.expect(0, &[])?;
    let other = scratch.json("out/results.json")?;
    ensure(other["suite"] == "other" && other["threat"]["epsilon"] == "4/255", "results are not the last suite's")?;
    let again = scratch.results(&[])?;
    ensure(alone == again, "another suite in the folder changed the results")?;
    ensure(scratch.json("out/observations.json")?["blocks_computed"] == 0, "blocks of the first suite were lost")
}

fn two_runs_at_once_in_one_folder() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.results(&[])?;
    let wanted = scratch.outcome("out")?;
    let start = || {
        let mut command = scratch.command(["run", "tiny.yaml", "--out", "shared"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    };
    let children = [start()?, start()?, start()?];
    for child in children {
        scratch::Ran::from(child.wait_with_output()?).expect(0, &[])?;
    }
    same("three runs at once", &wanted, &scratch.outcome("shared")?)
}

fn no_pip() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let mut command = scratch.command(["run", "tiny.yaml"]);
    command.env("PATH", "").env("TINYASSAY_CACHE", scratch.path("cache"));
    command.env_remove("ORT_DYLIB_PATH").env_remove("TINYASSAY_OFFLINE");
    let parts = ["python3 -m pip install --target", "export ORT_DYLIB_PATH=", "hint: install pip"];
    scratch::Ran::from(command.output()?).expect(2, &parts)?;
    ensure(!scratch.path("reports").exists(), "a run without ONNX Runtime left a report folder")
}

fn no_network() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    for (verb, code) in [(["run", "tiny.yaml"].as_slice(), 2), (&["doctor"], 1), (&["model", "check", "linear"], 2)] {
        let mut command = scratch.command(verb);
        command.env("TINYASSAY_OFFLINE", "1").env("TINYASSAY_CACHE", scratch.path("cache"));
        command.env_remove("ORT_DYLIB_PATH");
        let parts = ["TINYASSAY_OFFLINE is set", "python3 -m pip install --target"];
        scratch::Ran::from(command.output()?).expect(code, &parts)?;
    }
    Ok(())
}

fn no_library_where_ort_dylib_path_points() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let mut command = scratch.command(["run", "tiny.yaml"]);
    command.env("ORT_DYLIB_PATH", scratch.path("none.so"));
    scratch::Ran::from(command.output()?).expect(2, &["ORT_DYLIB_PATH names", "none.so", "hint: "])?;
    scratch.write("text.so", "no library")?;
    let mut command = scratch.command(["run", "tiny.yaml"]);
    command.env("ORT_DYLIB_PATH", scratch.path("text.so"));
    scratch::Ran::from(command.output()?).expect(2, &["load ONNX Runtime from", "text.so"])
}

/// Without a driver nothing is downloaded for a GPU, and nothing falls back to the CPU.
fn no_other_provider() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    if std::path::Path::new("/proc/driver/nvidia/version").exists() {
        return Ok(());
    }
    for verb in [["run", "tiny.yaml"].as_slice(), &["model", "check", "linear"], &["doctor", "--self-check"]] {
        let mut command = scratch.command(verb);
        command.args(["--provider", "cuda"]).env("TINYASSAY_CACHE", scratch.path("cache"));
        let parts = ["failed to use provider `cuda`: there is no NVIDIA driver", "libcuda.so.1", "hint: "];
        scratch::Ran::from(command.output()?).expect(2, &parts)?;
    }
    ensure(!scratch.path("cache").exists(), "ONNX Runtime was fetched for a GPU that is not there")?;
    ensure(!scratch.path("reports").exists(), "a refused provider left a report folder")
}

/// The failure with what it was about.
fn at(what: &str, failed: Failed) -> Failed {
    format!("{what}: {}", failed.message().unwrap_or("failed")).into()
}
