//! A report folder is verified, and whatever is bent in it is named.

use crate::Test;
use crate::scratch::{Ran, SUITE, Scratch, ensure, same};
use evidence::{Block, Digest, GateVerdict, Outcome, Results, Store, Verdict, Witnesses, keyed, witness_digest};
use evidence::{read_blocks, read_witnesses};
use libtest_mimic::Failed;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("an_honest_report_holds_and_nothing_is_touched", an_honest_report_holds_and_nothing_is_touched),
    ("a_flipped_bit_anywhere_is_named", a_flipped_bit_anywhere_is_named),
    ("whoever_mends_the_sums_is_caught_all_the_same", whoever_mends_the_sums_is_caught_all_the_same),
    ("results_follow_from_evidence_wherever_they_are_bent", results_follow_from_evidence_wherever_they_are_bent),
    ("sealed_forgeries_are_found_by_asking_the_model", sealed_forgeries_are_found_by_asking_the_model),
    ("a_hidden_success_is_found_by_executing_again", a_hidden_success_is_found_by_executing_again),
    ("what_is_not_here_is_told_as_not_checked", what_is_not_here_is_told_as_not_checked),
    ("another_runtime_may_differ_unless_strict", another_runtime_may_differ_unless_strict),
    ("a_signature_holds_every_file_and_itself", a_signature_holds_every_file_and_itself),
    ("samples_and_usage", samples_and_usage),
];

const MORE: &str = "\
curve: { epsilons: [4/255, 16/255] }
probes: [kl-instability]
corruptions: { names: [gaussian-noise, fog], severities: [1, 5] }
gates: [{ metric: clean_accuracy, at_least: 0.1, on: point }]
";

/// A report of all kinds of checks in `out`.
fn reported() -> Result<Scratch, Failed> {
    let scratch = Scratch::tiny()?;
    let suite =
        SUITE.replace("  - fgsm\n", "  - fgsm\n  - transfer: { name: through, from: [linear], attack: fgsm }\n");
    scratch.write("tiny.yaml", format!("{suite}{MORE}"))?;
    scratch.results(&[])?;
    Ok(scratch)
}

fn verify(scratch: &Scratch, options: &[&str]) -> Result<Ran, Failed> {
    scratch.run(["verify", "out"].iter().chain(options))
}

/// The list of digests as whoever may write the folder can write it.
fn mend_sums(scratch: &Scratch) -> Result<(), Failed> {
    let folder = scratch.path("out");
    Ok(std::fs::write(folder.join("SHA256SUMS"), report::sha256sums(&folder)?)?)
}

/// The files of the first block of each kind, and of a witness file.
fn evidence_of_each_kind(scratch: &Scratch) -> Result<Vec<(String, Block)>, Failed> {
    let mut kinds: Vec<(String, Block)> = Vec::new();
    for block in read_blocks(&scratch.path("out/evidence"))? {
        let kind = std::mem::discriminant(&block.outcome);
        if kinds.iter().all(|(_, other)| std::mem::discriminant(&other.outcome) != kind) {
            kinds.push((format!("evidence/{}.json", block.key), block.clone()));
        }
        if block.witnesses.is_some() && !kinds.iter().any(|(file, _)| file.ends_with(".witness")) {
            kinds.push((format!("evidence/{}.witness", block.key), block));
        }
    }
    ensure(kinds.len() == 5, "four kinds of blocks, and witnesses")?;
    Ok(kinds)
}

fn an_honest_report_holds_and_nothing_is_touched() -> Result<(), Failed> {
    let scratch = reported()?;
    let before = scratch.files("")?;
    let ran = verify(&scratch, &[])?;
    ran.expect(
        0,
        &[
            "suite.yaml has the digest that results.json records",
            "planning the suite again gives the same plan",
            "✓ models     2 files of 2 models",
            "split `test` of data set `tiny`, 600 rows",
            // Two slices of two models: clean, two attacks, a probe, two corruptions at two severities; a transfer on one of them.
            "the results need 34 blocks",
            "against what follows from evidence, plan and models",
            "files rendered again",
            "600 rows predicted again by 2 models",
            "judged again",
            "not signed: who made the report is not known",
            "none of 34 blocks was executed again",
            "all that was checked holds",
        ],
    )?;
    ensure(!ran.stdout.contains('✗'), ran.stdout)?;
    let again = verify(&scratch, &["--re-run", "all", "--jobs", "2", "--json", "found.json"])?;
    again.expect(0, &["34 of 34 blocks executed again"])?;
    ensure(!again.stdout.contains("were not executed"), again.stdout)?;
    let found = scratch.json("found.json")?;
    let executed = found["executed"].as_array().ok_or("a list of what was executed")?;
    ensure(
        executed.len() == 34 && executed.contains(&json!("gaussian-noise at severity 5 on conv, rows 250 to 299")),
        format!("{executed:?}"),
    )?;
    ensure(
        found["holds"] == true && found["steps"].as_array().is_some_and(|steps| steps.len() == 12),
        format!("{found}"),
    )?;
    std::fs::remove_file(scratch.path("found.json"))?;
    same("verify", &before, &scratch.files("")?)
}

fn flip(path: &Path, at: usize) -> Result<Vec<u8>, Failed> {
    let bytes = std::fs::read(path)?;
    let mut bent = bytes.clone();
    bent[at % bytes.len()] ^= 1;
    std::fs::write(path, bent)?;
    Ok(bytes)
}

fn a_flipped_bit_anywhere_is_named() -> Result<(), Failed> {
    let scratch = reported()?;
    let mut files: Vec<String> = scratch.files("out")?.into_keys().filter(|file| !file.contains("evidence/")).collect();
    for file in ["SHA256SUMS", "suite.yaml", "verdict.json", "report.html", "robustness.svg", "pictures/index.json"] {
        ensure(files.iter().any(|there| there == file), format!("no {file} in {files:?}"))?;
    }
    files.extend(evidence_of_each_kind(&scratch)?.into_iter().map(|(file, _)| file));
    let in_report = files.into_iter().map(|file| (format!("out/{file}"), file));
    let beside =
        ["models/linear/model.onnx", "raw/images", "raw/labels"].map(|file| (file.to_owned(), file.to_owned()));
    for (path, named) in in_report.chain(beside) {
        let path = scratch.path(path);
        let length = std::fs::metadata(&path)?.len() as usize;
        for at in [0, length / 2, length - 1] {
            let kept = flip(&path, at)?;
            let ran = verify(&scratch, &[])?;
            ran.expect(1, &["✗", &named])
                .map_err(|error| format!("{named} at {at}: {}", error.message().unwrap_or("")))?;
            std::fs::write(&path, kept)?;
        }
    }
    // A file that is gone, and one too many.
    let report = std::fs::read(scratch.path("out/report.md"))?;
    std::fs::remove_file(scratch.path("out/report.md"))?;
    scratch.write("out/more.txt", "more")?;
    verify(&scratch, &[])?.expect(1, &["✗ report.md: SHA256SUMS lists it", "✗ more.txt: it is there"])?;
    std::fs::remove_file(scratch.path("out/more.txt"))?;
    scratch.write("out/report.md", report)?;
    verify(&scratch, &[])?.expect(0, &[])
}

/// Where digests are the attacker's own, what stands behind them still tells.
fn whoever_mends_the_sums_is_caught_all_the_same() -> Result<(), Failed> {
    let scratch = reported()?;
    let mut files: Vec<(String, usize)> = Vec::new();
    for (file, text) in scratch.files("out")? {
        // Of observations only the form can be held against anything: the name of a field.
        let at = if file == "observations.json" { text.len() - 3 } else { text.len() / 2 };
        if !file.contains("evidence/") && file != "SHA256SUMS" {
            files.push((file, at));
        }
    }
    files.extend(evidence_of_each_kind(&scratch)?.into_iter().map(|(file, _)| (file, 99)));
    for (file, at) in files {
        let path = scratch.path("out").join(&file);
        let kept = flip(&path, at)?;
        mend_sums(&scratch)?;
        let ran = verify(&scratch, &[])?;
        ensure(ran.stdout.contains("✓ files"), "the sums are mended")?;
        ran.expect(1, &["✗", &file]).map_err(|error| format!("{file}: {}", error.message().unwrap_or("")))?;
        std::fs::write(&path, kept)?;
    }
    // A gate that never was, and a decision that nobody took.
    let kept = scratch.read("out/verdict.json")?;
    let forged = GateVerdict::from_json(&kept)?.gates.into_iter().take(1).collect();
    for verdict in [GateVerdict::of("tiny", Vec::new()), GateVerdict::of("tiny", forged)] {
        scratch.write("out/verdict.json", verdict.to_json()?)?;
        mend_sums(&scratch)?;
        verify(&scratch, &[])?.expect(1, &["✗ verdict.json: its gates do not end so on these results"])?;
    }
    scratch.write("out/verdict.json", kept)?;
    // The word of whoever ran it, of which the help and the output say that nothing holds it but a signature.
    let observations = scratch.json("out/observations.json")?;
    let seconds = format!("\"wall_seconds\": {}", observations["wall_seconds"]);
    let text = scratch.read("out/observations.json")?;
    scratch.write("out/observations.json", text.replacen(&seconds, "\"wall_seconds\": 1.5", 1))?;
    mend_sums(&scratch)?;
    verify(&scratch, &[])?.expect(0, &["what observations.json says of times, host and latencies"])?;
    // A registered file with a manifest to fit: another model than the report is about.
    let kept = flip(&scratch.path("models/linear/model.onnx"), 400)?;
    let bent = std::fs::read(scratch.path("models/linear/model.onnx"))?;
    let digests = [&kept, &bent].map(|bytes| Digest::of(bytes).to_string());
    scratch.edit("models/linear/manifest.yaml", &digests[0], &digests[1])?;
    verify(&scratch, &[])?.expect(1, &["models/linear/manifest.yaml: model `linear` has digest"])
}

/// Every number of the results is worked out again, wherever it stands.
fn results_follow_from_evidence_wherever_they_are_bent() -> Result<(), Failed> {
    let scratch = reported()?;
    let honest = scratch.read("out/results.json")?;
    let whole: Value = serde_json::from_str(&honest)?;
    let mut places = Vec::new();
    leaves(&whole, &mut String::new(), &mut places);
    // The version is what the program calls itself. Every seventh is enough: the table is long.
    places.retain(|place| place != "/tinyassay");
    for place in places.iter().step_by(places.len() / 40 + 1) {
        let mut bent = whole.clone();
        let leaf = bent.pointer_mut(place).ok_or("a place is there")?;
        *leaf = match &*leaf {
            Value::Number(number) if number.is_u64() => json!(number.as_u64().unwrap_or(0) + 1),
            Value::Number(number) => json!(number.as_f64().unwrap_or(0.0) * 0.5 + 0.125),
            Value::Bool(is) => json!(!*is),
            Value::String(text) => json!(format!("{text}0")),
            _ => json!("null"),
        };
        let text = match Results::from_json(&bent.to_string()) {
            Ok(results) => results.to_json()?,
            Err(_) => bent.to_string(),
        };
        scratch.write("out/results.json", text)?;
        mend_sums(&scratch)?;
        verify(&scratch, &[])?
            .expect(1, &["✗ results.json"])
            .map_err(|error| format!("{place}: {}", error.message().unwrap_or("")))?;
    }
    Ok(())
}

fn leaves(value: &Value, path: &mut String, found: &mut Vec<String>) {
    let end = path.len();
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                path.push('/');
                path.push_str(&name.replace('~', "~0").replace('/', "~1"));
                leaves(value, path, found);
                path.truncate(end);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                path.push_str(&format!("/{index}"));
                leaves(value, path, found);
                path.truncate(end);
            }
        }
        _ => found.push(path.clone()),
    }
}

/// Puts a block in the place of the one with its key, sealed anew, and has results and report written from it: what a forger
/// with this very program can do.
fn forge(scratch: &Scratch, block: Block, witnesses: Option<&Witnesses>) -> Result<(), Failed> {
    if witnesses.is_none() {
        let _ = std::fs::remove_file(scratch.path(format!("out/evidence/{}.witness", block.key)));
    }
    Store::open(&scratch.path("out/evidence"), None)?.save(block, witnesses)?;
    let options: &[&str] = if witnesses.is_none() { &["--no-witnesses"] } else { &[] };
    scratch.results(options).map(drop)
}

/// The first block of an attack that broke something, with its witnesses.
fn broken(scratch: &Scratch) -> Result<(Block, Witnesses), Failed> {
    let folder = scratch.path("out/evidence");
    for block in read_blocks(&folder)? {
        if let Some(witnesses) = read_witnesses(&folder, &block)? {
            return Ok((block, witnesses));
        }
    }
    Err("an attack breaks something".into())
}

fn sealed_forgeries_are_found_by_asking_the_model() -> Result<(), Failed> {
    let scratch = reported()?;
    let folder = scratch.path("out/evidence");
    let honest = scratch.files("out")?;
    let restore = || -> Result<(), Failed> {
        std::fs::remove_dir_all(scratch.path("out"))?;
        honest.iter().try_for_each(|(file, bytes)| scratch.write(&format!("out/{file}"), bytes))
    };
    let clean =
        read_blocks(&folder)?.into_iter().find(|block| block.clean_columns().is_some()).ok_or("clean blocks")?;
    let file = format!("evidence/{}.json", clean.key);
    let bend = |change: fn(&mut evidence::CleanColumns)| {
        let mut block = clean.clone();
        if let Outcome::Clean(columns) = &mut block.outcome {
            change(columns);
        }
        block
    };
    // A margin is in no result, and a class that is none of the label's is as wrong as another.
    forge(&scratch, bend(|columns| columns.margin[0] = Some(0.5)), None)?;
    verify(&scratch, &[])?.expect(1, &[&file, "predicts it as"])?;
    restore()?;
    let relabelled = bend(|columns| {
        for at in [0, 1] {
            columns.label[at] = (columns.label[at] + 1) % 3;
            columns.prediction[at] = (columns.prediction[at] + 1) % 3;
        }
    });
    forge(&scratch, relabelled, None)?;
    verify(&scratch, &[])?.expect(1, &[&file, "in the data"])?;
    restore()?;

    let (block, witnesses) = broken(&scratch)?;
    let file = format!("evidence/{}.json", block.key);
    let mut bent = block.clone();
    if let Outcome::Attack(columns) = &mut bent.outcome {
        let at = columns.distance.iter().position(Option::is_some).ok_or("a distance")?;
        columns.distance[at] = Some(1e-3);
    }
    forge(&scratch, bent, Some(&witnesses))?;
    verify(&scratch, &[])?.expect(1, &[&file, "away, and the block says 0.001"])?;
    restore()?;

    // A witness that any model would fall for.
    let mut far = Witnesses::new(witnesses.values(0).len());
    let first = witnesses.rows()[0];
    for (row, values) in witnesses.iter() {
        let moved: Vec<f32> = values.iter().map(|value| if row == first { 1.0 - value } else { *value }).collect();
        far.push(row, &moved)?;
    }
    let mut bent = block.clone();
    if let Outcome::Attack(columns) = &mut bent.outcome {
        let at = block.rows.iter().position(|row| *row == first).ok_or("the row is in the block")?;
        columns.witness[at] = Some(witness_digest(far.values(0)));
    }
    forge(&scratch, bent, Some(&far))?;
    verify(&scratch, &[])?.expect(1, &[&file, "is not in the ball of its row"])
}

/// That nothing was found on a row is a claim that no file can show: only looking again does.
fn a_hidden_success_is_found_by_executing_again() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.results(&[])?;
    let (block, witnesses) = broken(&scratch)?;
    let file = format!("evidence/{}.json", block.key);
    let first = witnesses.rows()[0];
    let mut others = Witnesses::new(witnesses.values(0).len());
    for (row, values) in witnesses.iter().filter(|(row, _)| *row != first) {
        others.push(row, values)?;
    }
    let mut bent = block.clone();
    if let Outcome::Attack(columns) = &mut bent.outcome {
        let at = block.rows.iter().position(|row| *row == first).ok_or("the row is in the block")?;
        ensure(columns.verdict[at] == Verdict::Attacked, "it was broken")?;
        columns.verdict[at] = Verdict::Unknown;
        (columns.witness[at], columns.adversarial_class[at], columns.distance[at]) = (None, None, None);
        (columns.found[at], columns.confirmed[at]) = (0, 0);
        columns.flags[at].clear();
    }
    let before = scratch.json("out/results.json")?;
    forge(&scratch, bent, Some(&others))?;
    ensure(before["models"] != scratch.json("out/results.json")?["models"], "a model looks better than it is")?;
    verify(&scratch, &[])?.expect(0, &["what attacks did not find", "none of 12 blocks was executed again"])?;
    let ran = verify(&scratch, &["--re-run", "all"])?;
    ran.expect(1, &["✗ re-run", &file, &format!("`attack.verdict` of row {first} is \"unknown\", and \"attacked\"")])?;
    // Nor does it help to name another version of the program.
    let folder = scratch.path("out/evidence");
    let mut older = read_blocks(&folder)?.into_iter().find(|found| found.key == block.key).ok_or("it is there")?;
    older.key_material["graph_revision"] = 0.into();
    older.key = keyed(&older.key_material)?.key;
    for kind in ["json", "witness"] {
        std::fs::remove_file(folder.join(format!("{}.{kind}", block.key)))?;
    }
    Store::open(&folder, None)?.save(older, Some(&others))?;
    mend_sums(&scratch)?;
    verify(&scratch, &["--re-run", "all"])?.expect(1, &["✗ re-run", "the block names another version of the program"])
}

fn what_is_not_here_is_told_as_not_checked() -> Result<(), Failed> {
    let scratch = reported()?;
    let results = scratch.read("out/results.json")?;
    // Old reports keep no suite; it may lie where suites lie.
    std::fs::remove_file(scratch.path("out/suite.yaml"))?;
    mend_sums(&scratch)?;
    verify(&scratch, &[])?.expect(0, &["suite not kept in the report", "there is no suite to plan"])?;
    verify(&scratch, &["--suite", "tiny.yaml"])?.expect(0, &["tiny.yaml has the digest", "predicted again"])?;
    scratch.edit("tiny.yaml", "seed: 3", "seed: 4")?;
    verify(&scratch, &["--suite", "tiny.yaml"])?.expect(1, &["tiny.yaml: its digest is not that of the suite"])?;
    std::fs::rename(scratch.path("models"), scratch.path("gone"))?;
    let ran = verify(&scratch, &["--re-run", "all"])?;
    ran.expect(
        0,
        &["model `conv`: it is not registered here", "against what follows from evidence and its own plan", "– re-run"],
    )?;
    std::fs::rename(scratch.path("raw"), scratch.path("away"))?;
    verify(&scratch, &[])?.expect(0, &["data set `tiny`: its files are not here"])?;
    // A number that follows from evidence is caught even so.
    let mut bent: Results = Results::from_json(&results)?;
    bent.models[0].attacks[0].attacked += 1;
    scratch.write("out/results.json", bent.to_json()?)?;
    mend_sums(&scratch)?;
    verify(&scratch, &[])?.expect(1, &["results.json: `models[0].attacks[0].attacked` is"])?;
    // Words for a terminal, and numbers that no plan has.
    let hostile = results.replace("\"linear\"", "\"\\u001b[2Jlinear\"").replace("\"rows\"", "\"\\u202erows\"");
    scratch.write("out/results.json", hostile)?;
    let ran = verify(&scratch, &[])?;
    ran.expect(1, &["results.json"])?;
    ensure(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), ran.stdout)
}

/// The same report as another runtime would have made it, with one margin that is another there.
fn another_runtime_may_differ_unless_strict() -> Result<(), Failed> {
    let scratch = reported()?;
    let folder = scratch.path("out/evidence");
    let elsewhere = scratch.path("elsewhere");
    let store = Store::open(&elsewhere, None)?;
    let mut bent_file = String::new();
    for mut block in read_blocks(&folder)? {
        let witnesses = read_witnesses(&folder, &block)?;
        block.key_material["runtime"]["instruction_set"] = "of another machine".into();
        block.key = keyed(&block.key_material)?.key;
        if let (Outcome::Clean(columns), true) = (&mut block.outcome, bent_file.is_empty()) {
            columns.margin[0] = columns.margin[0].map(|margin| margin + 1e-6);
            bent_file = format!("evidence/{}.json", block.key);
        }
        store.save(block, witnesses.as_ref())?;
    }
    std::fs::remove_dir_all(&folder)?;
    std::fs::rename(&elsewhere, &folder)?;
    let mut stored = report::Stored::read(&scratch.path("out"))?;
    stored.results.runtime.instruction_set = "of another machine".into();
    let contents = report::Contents {
        results: &stored.results,
        observations: stored.observations.as_ref().ok_or("a run writes observations")?,
        training: stored.training.as_ref(),
        suite: stored.suite.as_deref().ok_or("a run keeps its suite")?,
        verdict: stored.verdict.as_ref(),
        pictures: &stored.pictures,
    };
    report::write_folder(&scratch.path("out"), &contents, &evidence::SystemFiles)?;
    let said = ["instruction_set \"of another machine\" there", &*bent_file, "(margin"];
    verify(&scratch, &["--re-run", "all"])?.expect(0, &said)?;
    verify(&scratch, &["--strict"])?.expect(1, &said)
}

fn a_signature_holds_every_file_and_itself() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.results(&["--samples", "20"])?;
    for key in ["mine", "theirs"] {
        scratch.run(["key", "new", key])?.expect(0, &[])?;
    }
    let signed = ["--key", "mine.pub"];
    verify(&scratch, &signed)?.expect(1, &["✗ attestation", "the report is not signed"])?;
    scratch.run(["attest", "out", "--key", "mine"])?.expect(0, &[])?;
    verify(&scratch, &[])?.expect(0, &["1 signed statement in attestation/: name with --key"])?;
    verify(&scratch, &signed)?.expect(0, &["✓ signature  1 signed statement with mine.pub"])?;
    verify(&scratch, &["--key", "theirs.pub"])?.expect(1, &["✗ attestation/robustness.dsse.json"])?;
    let envelope = scratch.path("out/attestation/robustness.dsse.json");
    let length = std::fs::metadata(&envelope)?.len() as usize;
    for at in (0..length).step_by(length / 12).chain([length - 2]) {
        let kept = flip(&envelope, at)?;
        verify(&scratch, &signed)?
            .expect(1, &["✗ attestation/robustness.dsse.json"])
            .map_err(|error| format!("byte {at}: {}", error.message().unwrap_or("")))?;
        std::fs::write(&envelope, kept)?;
    }
    scratch.write("out/attestation/more.txt", "beside")?;
    verify(&scratch, &[])?.expect(1, &["✗ attestation/more.txt"])?;
    std::fs::remove_file(scratch.path("out/attestation/more.txt"))?;
    // A statement that somebody took away.
    let kept = std::fs::read(&envelope)?;
    std::fs::rename(&envelope, scratch.path("robustness.dsse.json"))?;
    verify(&scratch, &signed)?.expect(1, &["the report is not signed"])?;
    std::fs::write(&envelope, kept)?;
    // What nothing else holds.
    let text = scratch.read("out/observations.json")?;
    let seconds = format!("\"wall_seconds\": {}", scratch.json("out/observations.json")?["wall_seconds"]);
    scratch.write("out/observations.json", text.replacen(&seconds, "\"wall_seconds\": 1.5", 1))?;
    mend_sums(&scratch)?;
    verify(&scratch, &signed)?.expect(1, &["✓ files", "✗ attestation/robustness.dsse.json"])
}

fn samples_and_usage() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.results(&["--samples", "260"])?;
    let executed = |options: &[&str]| -> Result<Value, Failed> {
        let json: PathBuf = scratch.path("found.json");
        let found = json.to_str().ok_or("a path that is not UTF-8")?;
        verify(&scratch, &[options, &["--json", found]].concat())?
            .expect(0, &["of 260 samples", "blocks executed again"])?;
        Ok(scratch.json("found.json")?["executed"].clone())
    };
    let drawn = executed(&["--re-run", "3"])?;
    ensure(drawn.as_array().is_some_and(|names| names.len() == 3), format!("{drawn}"))?;
    ensure(drawn == executed(&["--re-run", "3"])?, "the results decide")?;
    let seeded = executed(&["--re-run", "25%", "--seed", "7"])?;
    ensure(seeded.as_array().is_some_and(|names| names.len() == 3), format!("{seeded}"))?;
    executed(&["--re-run", "5%", "--seed", "random"])?;
    for (options, said) in [
        (&["--re-run", "0"][..], "expected a share such as 5%"),
        (&["--re-run", "some"], "expected a share such as 5%"),
        (&["--seed", "7"], "--re-run"),
        (&["--json", "out/found.json"], "in which nothing is written"),
        (&["--key", "missing.pub"], "missing.pub"),
    ] {
        verify(&scratch, options)?.expect(2, &[said])?;
    }
    scratch.run(["verify", "models"])?.expect(2, &["there is no report in models", "hint: "])?;
    scratch.run(["verify", "nowhere"])?.expect(2, &["there is no report in nowhere"])
}
