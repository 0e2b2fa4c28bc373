//! What a user sees for each thing that a recipe asks for and that is not there, and what a plan says.

use crate::recipe::reading_errors::GOOD;
use crate::{Plan, Recipe, plan};
use insta::assert_snapshot;
use registry::Datasets;

fn planned(text: &str) -> Result<Plan, String> {
    let recipe = Recipe::parse("models/my/recipe.yaml", text.as_bytes()).map_err(|error| error.to_string())?;
    plan(&recipe, &Datasets::open(None, "none"), &["kl-instability", "lipschitz-l1-linf"])
        .map_err(|error| error.to_string())
}

/// The complaint about the good recipe with one thing put wrong.
fn changed(good: &str, bad: &str) -> String {
    assert_eq!(GOOD.matches(good).count(), 1, "`{good}` must stand once in the good recipe");
    planned(&GOOD.replace(good, bad)).map(|_| ()).expect_err("the recipe is wrong")
}

fn all(complaints: &[(&str, String)]) -> String {
    complaints.iter().map(|(what, complaint)| format!("== {what}\n{complaint}\n\n")).collect()
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
        ("epsilon", changed("epsilon: 8/255", "epsilon: 8/0")),
        ("step size", changed("step_size: 2/255", "step_size: 0")),
        ("no such preset", changed("attack: pgd-20", "attack: pgd-21")),
        ("a preset for another epsilon", changed("attack: pgd-20", "attack: pgd-20-trades")),
        ("no such probe", changed("attack: pgd-20", "probes: [kl-instabilty]")),
        ("an option out of range", changed("filters: 4", "filters: 0")),
        ("no classifier", changed("{ small-cnn: { filters: 4 } }", "{ fc-autoencoder: {} }")),
    ]), @"");
}

#[test]
fn a_plan_names_every_number_and_pins_every_digest() {
    let plan = planned(GOOD).unwrap();
    let json = serde_json::to_value(&plan).unwrap();
    let lines: String = json.as_object().unwrap().iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
    assert_snapshot!(lines, @"");
    assert_eq!(plan.digest(), planned(GOOD).unwrap().digest());
    assert_eq!(plan.digest(), planned(&GOOD.replace("8/255", "16/510")).unwrap().digest());
    for (good, other) in [("seed: 1", "seed: 2"), ("beta: 6", "beta: 5"), ("samples: 640", "samples: 704")] {
        assert_ne!(plan.digest(), planned(&GOOD.replace(good, other)).unwrap().digest(), "{other}");
    }
}
