//! The verb `train` from the outside: a small network on a few drawn signs, killed, resumed, registered and evaluated.

use crate::Test;
use crate::scratch::{Scratch, ensure, same};
use libtest_mimic::Failed;
use std::process::Stdio;
use std::time::{Duration, Instant};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("a_recipe_becomes_a_model_that_suites_evaluate", a_recipe_becomes_a_model_that_suites_evaluate),
    ("a_killed_training_resumes_to_the_same_model", a_killed_training_resumes_to_the_same_model),
    ("what_stops_a_training_is_said", what_stops_a_training_is_said),
];

const RECIPE: &str = "\
version: 1
architecture: { small-cnn: { filters: 4 } }
dataset: { name: signs32, split: train, samples: 256 }
augmentation: { crop: { padding: 2 }, flip: false }
objective: { fgsm-rs: { step_size: 10/255 } }
threat: { norm: linf, epsilon: 8/255 }
optimiser: { sgd: { momentum: 0.9, nesterov: true } }
weight_decay: { rate: 5e-4, on: weights }
learning_rate: 0.05
schedule: { cosine: { end: 0 } }
epochs: 4
batch_size: 32
seed: 3
threads: 2
evaluate: { split: test, samples: 64, every: 2, attack: pgd-20, probes: [kl-instability, lipschitz-l1-linf] }
export: { fold_batch_norm: true }
";

const SUITE: &str = "\
version: 1
name: trained
dataset: { name: signs32, split: test, samples: 64 }
models: [net]
threat: { norm: linf, epsilon: 8/255 }
attacks: [pgd-20]
seed: 3
";

fn scratch() -> Result<Scratch, Failed> {
    let scratch = Scratch::new()?;
    scratch.write("models/net/recipe.yaml", RECIPE)?;
    Ok(scratch)
}

fn a_recipe_becomes_a_model_that_suites_evaluate() -> Result<(), Failed> {
    let scratch = scratch()?;
    let dry = scratch.run(["train", "models/net", "--dry-run"])?;
    dry.expect(0, &["small-cnn { filters: 4 }", "4 epochs of 8 steps of 32 rows", "1 steps of 10/255, start uniform"])?;
    ensure(scratch.files("models/net")?.len() == 1, "a dry run writes nothing")?;
    scratch.run(["train", "models/net"])?.expect(0, &["epoch   4", "registered net in models/net"])?;
    scratch
        .run(["model", "verify", "net"])?
        .expect(0, &["net/recipe.yaml: verified", "net/metrics.jsonl: verified"])?;
    let manifest = scratch.read("models/net/manifest.yaml")?;
    for part in ["training:", "plan: ", "seed: 3", "epochs: 4", "threads: 2", "robust_accuracy:", "instruction_set:"] {
        ensure(manifest.contains(part), format!("the manifest says `{part}`:\n{manifest}"))?;
    }
    let metrics = scratch.read("models/net/metrics.jsonl")?;
    let lines: Vec<serde_json::Value> = metrics.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure(lines.len() == 4, "one line for each epoch")?;
    let measured: Vec<bool> = lines.iter().map(|line| line["evaluation"].is_object()).collect();
    ensure(measured == [false, true, false, true], format!("every second epoch is measured: {metrics}"))?;
    for plot in ["accuracy.svg", "instability.svg", "lipschitz.svg"] {
        ensure(scratch.read(&format!("models/net/{plot}"))?.starts_with("<svg"), format!("{plot} is a picture"))?;
    }
    // The same rows, seed and attack: the suite finds what the training measured.
    scratch.write("trained.yaml", SUITE)?;
    scratch.run(["run", "trained.yaml", "--out", "out"])?.expect(0, &["report: out"])?;
    let results = scratch.json("out/results.json")?;
    let last = &lines[3]["evaluation"];
    let model = &results["models"][0];
    ensure(model["clean_accuracy"] == last["natural_accuracy"], format!("{model} and {last}"))?;
    ensure(model["attacks"][0]["robust_accuracy"] == last["robust_accuracy"], format!("{model} and {last}"))?;
    let again = scratch.run(["model", "remove", "net"])?;
    again.expect(2, &["recipe.yaml"])
}

fn a_killed_training_resumes_to_the_same_model() -> Result<(), Failed> {
    let [undisturbed, killed] = [scratch()?, scratch()?];
    undisturbed.run(["train", "models/net"])?.expect(0, &["registered net"])?;
    let mut kills = 0;
    loop {
        let mut child =
            killed.command(["train", "models/net", "--resume"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // It dies soon after its next checkpoint, somewhere in the epoch that follows.
        let before = std::fs::read(killed.path("models/net/training/checkpoint")).unwrap_or_default();
        let started = Instant::now();
        let ended = loop {
            let now = std::fs::read(killed.path("models/net/training/checkpoint")).unwrap_or_default();
            if now != before || started.elapsed() > Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(5));
                child.kill()?;
                break child.wait()?.success();
            }
            if let Some(status) = child.try_wait()? {
                break status.success();
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        if ended {
            break;
        }
        kills += 1;
        ensure(kills <= 20, "a training makes headway however often it is killed")?;
    }
    ensure(kills > 0, "it was killed at least once")?;
    killed.run(["train", "models/net", "--resume"])?.expect(0, &["registered net"])?;
    let model = |scratch: &Scratch| {
        let mut files = scratch.files("models/net")?;
        files.retain(|name, _| !name.starts_with("training/"));
        Ok::<_, Failed>(files)
    };
    same("killed and resumed", &model(&undisturbed)?, &model(&killed)?)
}

fn what_stops_a_training_is_said() -> Result<(), Failed> {
    let scratch = scratch()?;
    let measured = RECIPE.lines().find(|line| line.starts_with("evaluate:")).ok_or("the recipe measures")?;
    scratch.edit("models/net/recipe.yaml", measured, "# nothing is measured")?;
    scratch.run(["train", "models/none"])?.expect(2, &["error: failed to find models/none"])?;
    scratch.run(["train", "models/net", "--epochs", "1"])?.expect(0, &["training/tryout", "for trying out"])?;
    ensure(!scratch.path("models/net/manifest.yaml").exists(), "a try-out is not registered in the model's place")?;
    scratch.run(["train", "models/net"])?.expect(0, &["registered net"])?;
    scratch.run(["train", "models/net"])?.expect(2, &["holds a training that has begun", "--resume"])?;
    let threads = scratch.run(["train", "models/net", "--resume", "--threads", "1"])?;
    threads.expect(2, &["`threads` is 1 here, and was 2 there", "hint:"])?;
    scratch.edit("models/net/recipe.yaml", "seed: 3", "seed: 4")?;
    scratch.run(["train", "models/net", "--resume"])?.expect(2, &["`plan` is ", "hint:"])?;
    scratch.edit("models/net/recipe.yaml", "batch_size", "batch_sise")?;
    let misspelt = scratch.run(["train", "models/net"])?;
    misspelt.expect(2, &["recipe.yaml:12:1: unknown key `batch_sise`", "hint: did you mean `batch_size`?"])?;
    scratch.edit("models/net/recipe.yaml", "batch_sise", "batch_size")?;
    scratch.edit("models/net/recipe.yaml", "learning_rate: 0.05", "learning_rate: 1e7")?;
    let checkpoint = scratch.path("models/net/training/checkpoint");
    let mut bytes = std::fs::read(&checkpoint)?;
    let diverged = scratch.run(["train", "models/net", "--work", "other"])?;
    diverged.expect(3, &["failed to complete the first epoch", "diverged at step", "hint: lower `learning_rate`"])?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&checkpoint, bytes)?;
    scratch.run(["train", "models/net", "--resume"])?.expect(2, &["the digest does not match"])
}
