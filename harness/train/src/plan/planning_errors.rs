//! What a user sees for each thing that a recipe asks for and that is not there, and what a plan says.

use crate::recipe::reading_errors::GOOD;
use crate::{Plan, Probes, Recipe, plan};
use insta::assert_snapshot;
use registry::Datasets;
use registry::yaml::list;
use std::fs;
use std::path::Path;

fn planned(text: &str) -> Result<Plan, String> {
    let recipe = Recipe::parse("models/my/recipe.yaml", text.as_bytes()).map_err(|error| error.to_string())?;
    let names = ["kl-instability", "lipschitz-l1-linf"];
    let probes = Probes { names: &names, resolve: &|_, threat| Ok(threat.epsilon.to_string().into()) };
    plan(&recipe, &Datasets::open(None, "none"), probes).map_err(|error| error.to_string())
}

/// The complaint about the good recipe with one thing put wrong.
fn changed(good: &str, bad: &str) -> String {
    assert_eq!(GOOD.matches(good).count(), 1, "`{good}` must stand once in the good recipe");
    planned(&GOOD.replace(good, bad)).map(|_| ()).expect_err("the recipe is wrong")
}

/// One text out of all complaints, without the names of presets, which change with every new one.
fn all(complaints: &[(&str, String)]) -> String {
    let presets: Vec<&str> = attack::PRESETS.iter().map(|preset| preset.name).collect();
    let text: String = complaints.iter().map(|(what, complaint)| format!("== {what}\n{complaint}\n\n")).collect();
    text.replace(&list(&presets), "(presets)")
}

#[test]
fn complaints() {
    assert_snapshot!(all(&[
        ("no such data", changed("name: signs32", "name: sings32")),
        ("no such split", changed("split: train", "split: trian")),
        ("too many rows", changed("samples: 640", "samples: 6400")),
        ("data that are not there", changed("name: signs32", "name: cifar10")),
        ("a batch above the data", changed("batch_size: 64", "batch_size: 641")),
        ("no threat", changed("threat: { norm: linf, epsilon: 8/255 }\n", "")),
        ("a norm to measure in only", changed("norm: linf", "norm: l1")),
        ("epsilon", changed("epsilon: 8/255", "epsilon: 8/0")),
        ("step size", changed("step_size: 2/255", "step_size: 0")),
        ("no such preset", changed("attack: pgd-20", "attack: pgd-21")),
        ("a preset for another epsilon", changed("attack: pgd-20", "attack: pgd-20-trades")),
        ("no such probe", changed("attack: pgd-20", "probes: [kl-instabilty]")),
        ("an option out of range", changed("filters: 4", "filters: 0")),
        ("no classifier", changed("{ small-cnn: { filters: 4 } }", "{ fc-autoencoder: {} }")),
    ]), @r"
    == no such data
    plan models/my/recipe.yaml:3:18: there is no data set `sings32`
      |
    3 | dataset: { name: sings32, split: train, samples: 640 }
      |                  ^^^^^^^
    hint: did you mean `signs32`?

    == no such split
    plan models/my/recipe.yaml:3:34: data set `signs32` has no split `trian`
      |
    3 | dataset: { name: signs32, split: trian, samples: 640 }
      |                                  ^^^^^
    hint: did you mean `train`?

    == too many rows
    plan models/my/recipe.yaml:3:50: 6400 samples are asked for, and split `train` of `signs32` has 4000
      |
    3 | dataset: { name: signs32, split: train, samples: 6400 }
      |                                                  ^^^^

    == data that are not there
    plan models/my/recipe.yaml:3:18: data set `cifar10` cannot be used: failed to open data set `cifar10`: TINYASSAY_DATA is not set
      |
    3 | dataset: { name: cifar10, split: train, samples: 640 }
      |                  ^^^^^^^
    hint: https://www.cs.toronto.edu/~kriz/cifar.html has cifar-10-binary.tar.gz; unpack it in a folder and set TINYASSAY_DATA to that folder

    == a batch above the data
    plan models/my/recipe.yaml:13:13: `batch_size` is 641, and there are 640 rows
       |
    13 | batch_size: 641
       |             ^^^
    hint: a batch is at most as large as the data

    == no threat
    plan models/my/recipe.yaml:5:12: an adversarial objective needs to know how far an input may be moved, and `threat` is missing
      |
    5 | objective: { trades: { beta: 6, steps: 10, step_size: 2/255, start: { gaussian: 0.001 } } }
      |            ^
    hint: add `threat: { norm: linf, epsilon: 8/255 }`

    == a norm to measure in only
    plan models/my/recipe.yaml:5:12: an adversarial objective moves inputs in linf or l2, and `threat` is in l1
      |
    5 | objective: { trades: { beta: 6, steps: 10, step_size: 2/255, start: { gaussian: 0.001 } } }
      |            ^
    hint: train in another norm; suites measure in l1 too

    == epsilon
    read models/my/recipe.yaml:6:32: `8/0`: its denominator is zero
      |
    6 | threat: { norm: linf, epsilon: 8/0 }
      |                                ^^^

    == step size
    plan models/my/recipe.yaml:5:55: `step_size` is 0, and must be more
      |
    5 | objective: { trades: { beta: 6, steps: 10, step_size: 0, start: { gaussian: 0.001 } } }
      |                                                       ^

    == no such preset
    plan models/my/recipe.yaml:15:58: there is no preset `pgd-21`
       |
    15 | evaluate: { split: test, samples: 200, every: 1, attack: pgd-21 }
       |                                                          ^^^^^^
    hint: the presets are (presets)

    == a preset for another epsilon
    plan models/my/recipe.yaml:15:58: failed to set up `pgd-20-trades`: it is defined for linf and epsilon 0.031; found linf and 8/255
       |
    15 | evaluate: { split: test, samples: 200, every: 1, attack: pgd-20-trades }
       |                                                          ^^^^^^^^^^^^^

    == no such probe
    plan models/my/recipe.yaml:15:59: there is no probe `kl-instabilty`
       |
    15 | evaluate: { split: test, samples: 200, every: 1, probes: [kl-instabilty] }
       |                                                           ^^^^^^^^^^^^^
    hint: did you mean `kl-instability`?

    == an option out of range
    plan models/my/recipe.yaml:2:15: the network does not fit data set `signs32`: failed to build small-cnn: `filters` must be 1 to 1024, found 0
      |
    2 | architecture: { small-cnn: { filters: 0 } }
      |               ^
    hint: the published network is small-cnn { filters: 16 }

    == no classifier
    plan models/my/recipe.yaml:2:15: `fc-autoencoder` gives back its input, and only classifiers can be trained yet
      |
    2 | architecture: { fc-autoencoder: {} }
      |               ^
    ");
}

#[test]
fn a_plan_names_every_number_and_pins_every_digest() {
    let plan = planned(GOOD).unwrap();
    let json = serde_json::to_value(&plan).unwrap();
    let lines: String = json.as_object().unwrap().iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
    assert_snapshot!(lines, @r#"
    architecture: {"small-cnn":{"filters":4}}
    augmentation: {"crop_padding":4,"flip":false}
    batch_size: 64
    classes: 10
    clip_norm: null
    dataset: {"digest":"c3170f4194fa64c70d7344eec7de0a49ef25e508e9aba8f274132d650eeae948","name":"signs32","rows":640,"split":"train"}
    evaluation: {"attack":{"name":"pgd-20","revision":1,"spec":{"pgd":{"keep":"best","loss":"cross-entropy","restarts":1,"start":"random","step_size":"2/255","steps":20,"targets":"none"}}},"dataset":{"digest":"21d5cb59dc7a574e9b1b4e6c8dfd6a54ce65a94571059762f4b1b5ad5f8cdb74","name":"signs32","rows":200,"split":"test"},"every":1,"probes":[]}
    export: {"fold_batch_norm":true}
    input: [3,32,32]
    learning_rate: {"epochs":10,"peak":0.05,"schedule":{"cosine":{"end":0.0}},"steps_per_epoch":10,"warmup_epochs":1}
    objective: {"trades":{"beta":6.0,"inner":{"start":{"gaussian":"0.001"},"step_size":"2/255","steps":10}}}
    optimiser: {"sgd":{"momentum":0.9,"nesterov":true}}
    seed: "1"
    statistics_momentum: 0.1
    threat: {"epsilon":"8/255","norm":"linf"}
    weight_decay: {"all":false,"rate":0.0002}
    "#);
    assert_eq!(plan.digest(), planned(GOOD).unwrap().digest());
    assert_eq!(plan.digest(), planned(&GOOD.replace("8/255", "16/510")).unwrap().digest());
    for (good, other) in [("seed: 1", "seed: 2"), ("beta: 6", "beta: 5"), ("samples: 640", "samples: 704")] {
        assert_ne!(plan.digest(), planned(&GOOD.replace(good, other)).unwrap().digest(), "{other}");
    }
}

/// Every recipe of the repository is right; those whose data are there can be planned.
#[test]
fn the_recipes_of_the_repository() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let datasets = Datasets::open(std::env::var_os("TINYASSAY_DATA").map(Into::into), "none");
    let names = ["kl-instability", "kl-instability-max", "lipschitz-l1-linf"];
    let probes = Probes { names: &names, resolve: &|name, _| Ok(name.into()) };
    let folders = fs::read_dir(&models).expect("there are models").map(|entry| entry.expect("an entry").path());
    for path in folders.map(|folder| folder.join("recipe.yaml")).filter(|path| path.is_file()) {
        let recipe = Recipe::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let first = "# yaml-language-server: $schema=../recipe.schema.json\n";
        assert!(recipe.source().text().starts_with(first), "{} begins with {first}", path.display());
        let dataset = &recipe.document().dataset;
        if datasets.missing(&dataset.name).is_ok_and(|missing| missing.is_none()) {
            plan(&recipe, &datasets, probes).unwrap_or_else(|error| panic!("{error}"));
        }
    }
    let guide = fs::read_to_string(models.join("README.md")).expect("there is a guide");
    let example = guide.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("it has an example");
    Recipe::parse("README.md", example.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    for objective in ["standard", "fgsm-rs", "pgd", "trades", "mart"] {
        assert!(guide.contains(&format!("| `{objective}: {{")), "the guide tells of `{objective}`");
    }
}
