//! What a user sees for each mistake in a recipe that can be found in the file alone.

use crate::Recipe;
use insta::assert_snapshot;

pub(crate) const GOOD: &str = "\
version: 1
architecture: { small-cnn: { filters: 4 } }
dataset: { name: signs32, split: train, samples: 640 }
augmentation: { crop: { padding: 4 }, flip: false }
objective: { trades: { beta: 6, steps: 10, step_size: 2/255, start: { gaussian: 0.001 } } }
threat: { norm: linf, epsilon: 8/255 }
optimiser: { sgd: { momentum: 0.9, nesterov: true } }
weight_decay: { rate: 2e-4, on: weights }
learning_rate: 0.05
schedule: { cosine: { end: 0 } }
warmup_epochs: 1
epochs: 10
batch_size: 64
seed: 1
evaluate: { split: test, samples: 200, every: 1, attack: pgd-20 }
export: { fold_batch_norm: true }
";

fn complaint(bytes: &[u8]) -> String {
    Recipe::parse("models/my/recipe.yaml", bytes).expect_err("the recipe is wrong").to_string()
}

/// The complaint about the good recipe with one thing put wrong.
fn changed(good: &str, bad: &str) -> String {
    assert_eq!(GOOD.matches(good).count(), 1, "`{good}` must stand once in the good recipe");
    complaint(GOOD.replace(good, bad).as_bytes())
}

fn all(complaints: &[(&str, String)]) -> String {
    complaints.iter().map(|(what, complaint)| format!("== {what}\n{complaint}\n\n")).collect()
}

#[test]
fn the_good_recipe_is_good() {
    Recipe::parse("recipe.yaml", GOOD.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    for (good, other) in [
        ("{ trades: { beta: 6, steps: 10, step_size: 2/255, start: { gaussian: 0.001 } } }", "{ standard: {} }"),
        ("start: { gaussian: 0.001 }", "start: uniform"),
        ("{ cosine: { end: 0 } }", "constant"),
        ("{ cosine: { end: 0 } }", "{ steps: { after_epochs: [5, 8], factor: 0.1 } }"),
        ("{ sgd: { momentum: 0.9, nesterov: true } }", "{ adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } }"),
    ] {
        let text = GOOD.replace(good, other);
        assert_ne!(text, GOOD);
        Recipe::parse("recipe.yaml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn keys() {
    assert_snapshot!(all(&[
        ("misspelt", changed("batch_size", "batchsize")),
        ("misspelt in an objective", changed("beta: 6", "betta: 6")),
        ("missing", changed("seed: 1\n", "")),
        ("missing in an objective", changed("steps: 10, ", "")),
        ("twice", changed("seed: 1", "seed: 1\nseed: 2")),
        ("no such objective", changed("trades:", "tardes:")),
        ("no such architecture", changed("small-cnn:", "smal-cnn:")),
        ("no such option", changed("filters: 4", "filtres: 4")),
        ("no such optimiser", changed("sgd:", "lion:")),
        ("no such schedule", changed("{ cosine: { end: 0 } }", "cosin")),
        ("a schedule without its numbers", changed("{ cosine: { end: 0 } }", "cosine")),
        ("no such start", changed("{ gaussian: 0.001 }", "normal")),
    ]), @r"
    == misspelt
    read models/my/recipe.yaml:13:1: unknown key `batchsize`
       |
    13 | batchsize: 64
       | ^^^^^^^^^
    hint: did you mean `batch_size`?

    == misspelt in an objective
    read models/my/recipe.yaml:5:24: unknown key `betta`
      |
    5 | objective: { trades: { betta: 6, steps: 10, step_size: 2/255, start: { gaussian: 0.001 } } }
      |                        ^^^^^
    hint: did you mean `beta`?

    == missing
    read models/my/recipe.yaml:15:1: key `seed` is missing in this mapping
       |
    15 | export: { fold_batch_norm: true }
       | ^^^^^^

    == missing in an objective
    read models/my/recipe.yaml:5:51: key `steps` is missing in this mapping
      |
    5 | objective: { trades: { beta: 6, step_size: 2/255, start: { gaussian: 0.001 } } }
      |                                                   ^^^^^

    == twice
    read models/my/recipe.yaml:15:1: key `seed` is given twice
       |
    15 | seed: 2
       | ^^^^
    hint: keep one of the two

    == no such objective
    read models/my/recipe.yaml:5:14: unknown value `tardes`, expected one of `standard`, `fgsm-rs`, `pgd`, `trades`, `mart`
      |
    5 | objective: { tardes: { beta: 6, steps: 10, step_size: 2/255, start: { gaussian: 0.001 } } }
      |              ^^^^^^
    hint: did you mean `trades`?

    == no such architecture
    read models/my/recipe.yaml:2:17: unknown value `smal-cnn`, expected one of `mobilenet-tiny`, `resnet8`, `ds-cnn`, `mobilenet-v1`, `fc-autoencoder`, `small-cnn`
      |
    2 | architecture: { smal-cnn: { filters: 4 } }
      |                 ^^^^^^^^
    hint: did you mean `small-cnn`?

    == no such option
    read models/my/recipe.yaml:2:30: unknown key `filtres`
      |
    2 | architecture: { small-cnn: { filtres: 4 } }
      |                              ^^^^^^^
    hint: did you mean `filters`?

    == no such optimiser
    read models/my/recipe.yaml:7:14: unknown value `lion`, expected one of `sgd`, `adam`, `adamw`
      |
    7 | optimiser: { lion: { momentum: 0.9, nesterov: true } }
      |              ^^^^
    hint: known here: `sgd`, `adam`, `adamw`

    == no such schedule
    read models/my/recipe.yaml:10:11: unknown value `cosin`, expected one of `constant`, `steps`, `cosine`, `linear`
       |
    10 | schedule: cosin
       |           ^^^^^
    hint: did you mean `cosine`?

    == a schedule without its numbers
    read models/my/recipe.yaml:11:1: expected a mapping (`key: value`)
       |
    11 | warmup_epochs: 1
       | ^^^^^^^^^^^^^

    == no such start
    read models/my/recipe.yaml:5:69: unknown value `normal`, expected one of `none`, `uniform`, `gaussian`
      |
    5 | objective: { trades: { beta: 6, steps: 10, step_size: 2/255, start: normal } }
      |                                                                     ^^^^^^
    hint: known here: `none`, `uniform`, `gaussian`
    ");
}

#[test]
fn values() {
    assert_snapshot!(all(&[
        ("version", changed("version: 1", "version: 2")),
        ("epochs", changed("epochs: 10", "epochs: 0")),
        ("batch size", changed("batch_size: 64", "batch_size: many")),
        ("beta", changed("beta: 6", "beta: -1")),
        ("rate", changed("learning_rate: 0.05", "learning_rate: 0")),
        ("rate that is no number", changed("learning_rate: 0.05", "learning_rate: .nan")),
        ("end above the peak", changed("end: 0", "end: 1")),
        ("warm-up", changed("warmup_epochs: 1", "warmup_epochs: 10")),
        ("nesterov", changed("momentum: 0.9", "momentum: 0")),
        ("drops", changed("{ cosine: { end: 0 } }", "{ steps: { after_epochs: [8, 5], factor: 0.1 } }")),
        ("padding", changed("padding: 4", "padding: 100")),
    ]), @r"
    == version
    read models/my/recipe.yaml:1:10: version 2 of the format is not known; this program reads version 1
      |
    1 | version: 2
      |          ^

    == epochs
    read models/my/recipe.yaml:12:9: `epochs` is 0, and at least 1 is needed
       |
    12 | epochs: 0
       |         ^

    == batch size
    read models/my/recipe.yaml:13:13: expected a whole number from 0 to 4294967295
       |
    13 | batch_size: many
       |             ^^^^

    == beta
    read models/my/recipe.yaml:5:30: `beta` is -1, and must be at least 0
      |
    5 | objective: { trades: { beta: -1, steps: 10, step_size: 2/255, start: { gaussian: 0.001 } } }
      |                              ^^

    == rate
    read models/my/recipe.yaml:9:16: `learning_rate` is 0, and must be more than 0
      |
    9 | learning_rate: 0
      |                ^

    == rate that is no number
    read models/my/recipe.yaml:9:16: `learning_rate` is NaN, and must be more than 0
      |
    9 | learning_rate: .nan
      |                ^^^^

    == end above the peak
    read models/my/recipe.yaml:10:28: `end` is 1, and must be 0 to `learning_rate`
       |
    10 | schedule: { cosine: { end: 1 } }
       |                            ^

    == warm-up
    read models/my/recipe.yaml:11:16: `warmup_epochs` is 10, and there are 10 epochs in all
       |
    11 | warmup_epochs: 10
       |                ^^

    == nesterov
    read models/my/recipe.yaml:7:31: `nesterov` needs a `momentum` above 0
      |
    7 | optimiser: { sgd: { momentum: 0, nesterov: true } }
      |                               ^
    hint: write `nesterov: false`, or `momentum: 0.9`

    == drops
    read models/my/recipe.yaml:10:36: `after_epochs` must be rising numbers, at least one
       |
    10 | schedule: { steps: { after_epochs: [8, 5], factor: 0.1 } }
       |                                    ^

    == padding
    read models/my/recipe.yaml:4:34: `padding` is 100, and at most 64 makes sense
      |
    4 | augmentation: { crop: { padding: 100 }, flip: false }
      |                                  ^^^
    ");
}
