//! What a user sees for each mistake in a suite that shows when things are looked up.

use crate::planning::{INPUT, World, changed};
use insta::assert_snapshot;
use registry::yaml::list;
use std::fs;

/// One text out of all complaints. The names that there are change with every new attack; what is said of them does not.
fn all(complaints: &[(&str, String)]) -> String {
    let presets: Vec<&str> = attack::PRESETS.iter().map(|preset| preset.name).collect();
    let attacks: Vec<&str> = attack::ATTACKS.iter().map(|attack| attack.name).chain(["transfer"]).collect();
    let text: String = complaints.iter().map(|(what, complaint)| format!("== {what}\n{complaint}\n\n")).collect();
    text.replace(&list(&presets), "(presets)").replace(&list(&attacks), "(attacks)")
}

#[test]
fn sections_of_later_versions() {
    let world = World::new();
    assert_snapshot!(all(&[
        ("certify", world.complaint("seed:", "certify: { method: crown }\nseed:")),
    ]), @r"
    == certify
    plan ./suites/my.yaml:11:10: section `certify` is not supported by this version
       |
    11 | certify: { method: crown }
       |          ^
    hint: take `certify` out to run the rest
    ");
}

#[test]
fn attacks() {
    let world = World::new();
    let pgd = "  - pgd-20\n";
    let long = |change: &str| {
        let form = "steps: 7, step_size: 1/255, start: random, restarts: 1, loss: margin, keep: best";
        let key = change.split(':').next().expect("a key");
        let kept: Vec<&str> = form.split(", ").filter(|part| !part.starts_with(&format!("{key}:"))).collect();
        world.complaint(pgd, &format!("  - pgd: {{ {change}, {} }}\n", kept.join(", ")))
    };
    assert_snapshot!(all(&[
        ("misspelt", world.complaint(pgd, "  - pdg-20\n")),
        ("misspelt long form", world.complaint(pgd, "  - fgms: { loss: margin }\n")),
        ("nothing like it", world.complaint(pgd, "  - banana\n")),
        ("no short form", world.complaint(pgd, "  - pgd\n")),
        ("a preset with numbers", world.complaint(pgd, "  - pgd-20: { steps: 21 }\n")),
        ("a preset that is for another epsilon", world.complaint(pgd, "  - pgd-20-trades\n")),
        ("the same preset twice", world.complaint(pgd, "  - fgsm\n")),
        ("two entries of one name", world.complaint(pgd, "  - fgsm: { name: pgd-40x5, loss: margin }\n")),
        ("a name that is none", world.complaint(pgd, "  - fgsm: { name: a/b, loss: margin }\n")),
        ("no steps", long("steps: 0")),
        ("a step of nothing", long("step_size: 0")),
        ("an ensemble of nothing", world.complaint(pgd, "  - ensemble: { stages: [] }\n")),
        ("an ensemble in an ensemble", world.complaint(pgd, "  - ensemble: { stages: [ensemble: { stages: [fgsm] }] }\n")),
        ("a stage with a name", world.complaint(pgd, "  - ensemble: { stages: [fgsm: { name: a, loss: margin }] }\n")),
        ("a stage that there is not", world.complaint(pgd, "  - ensemble: { stages: [fgsm, banana] }\n")),
        ("a stage that is refused", world.complaint(pgd, "  - ensemble: { stages: [fgsm, pgd-20-trades] }\n")),
        ("restarts without chance", world.complaint("1/255, start: random", "1/255, start: none")),
    ]), @r#"
    == misspelt
    plan ./suites/my.yaml:8:5: there is no attack `pdg-20`
      |
    8 |   - pdg-20
      |     ^^^^^^
    hint: did you mean `pgd-20`? this version runs (presets) and the long forms of (attacks)

    == misspelt long form
    plan ./suites/my.yaml:8:5: there is no attack `fgms`
      |
    8 |   - fgms: { loss: margin }
      |     ^^^^
    hint: did you mean `fgsm`? this version runs (presets) and the long forms of (attacks)

    == nothing like it
    plan ./suites/my.yaml:8:5: there is no attack `banana`
      |
    8 |   - banana
      |     ^^^^^^
    hint: this version runs (presets) and the long forms of (attacks)

    == no short form
    plan ./suites/my.yaml:8:5: `pgd` has no short form
      |
    8 |   - pgd
      |     ^^^
    hint: the short names are (presets); the long form is `pgd: { ... }`

    == a preset with numbers
    plan ./suites/my.yaml:8:5: `pgd-20` is a preset, whose numbers are fixed
      |
    8 |   - pgd-20: { steps: 21 }
      |     ^^^^^^
    hint: write `- pgd-20`, or one of (attacks) with your own numbers

    == a preset that is for another epsilon
    plan ./suites/my.yaml:8:5: `pgd-20-trades` is refused: it is defined for linf and epsilon 0.031; found linf and 16/510
      |
    8 |   - pgd-20-trades
      |     ^^^^^^^^^^^^^

    == the same preset twice
    plan ./suites/my.yaml:8:5: two attacks are named `fgsm`
      |
    8 |   - fgsm
      |     ^^^^
    hint: give one of them another name, with `name:` in its long form

    == two entries of one name
    plan ./suites/my.yaml:9:18: two attacks are named `pgd-40x5`
      |
    9 |   - pgd: { name: pgd-40x5, steps: 40, step_size: 1/255, start: random, restarts: 5, loss: margin, ke...
      |                  ^^^^^^^^
    hint: give one of them another name, with `name:` in its long form

    == a name that is none
    plan ./suites/my.yaml:8:19: attack name "a/b" is not a name
      |
    8 |   - fgsm: { name: a/b, loss: margin }
      |                   ^^^
    hint: a name has 1 to 64 letters, digits, `-`, `_` or `.` and begins with a letter or a digit

    == no steps
    plan ./suites/my.yaml:8:5: `pgd` is refused: `steps` is 0; expected at least 1
      |
    8 |   - pgd: { steps: 0, step_size: 1/255, start: random, restarts: 1, loss: margin, keep: best }
      |     ^

    == a step of nothing
    plan ./suites/my.yaml:8:5: `pgd` is refused: `step_size` is 0; expected more
      |
    8 |   - pgd: { step_size: 0, steps: 7, start: random, restarts: 1, loss: margin, keep: best }
      |     ^

    == an ensemble of nothing
    plan ./suites/my.yaml:8:5: `ensemble` is refused: `stages` is empty; expected at least one attack
      |
    8 |   - ensemble: { stages: [] }
      |     ^

    == an ensemble in an ensemble
    plan ./suites/my.yaml:8:5: `ensemble` is refused: a stage is an ensemble; expected single attacks
      |
    8 |   - ensemble: { stages: [ensemble: { stages: [fgsm] }] }
      |     ^

    == a stage with a name
    plan ./suites/my.yaml:8:40: an attack of an ensemble has no name of its own
      |
    8 |   - ensemble: { stages: [fgsm: { name: a, loss: margin }] }
      |                                        ^
    hint: take `name` out

    == a stage that there is not
    plan ./suites/my.yaml:8:32: there is no attack `banana`
      |
    8 |   - ensemble: { stages: [fgsm, banana] }
      |                                ^^^^^^
    hint: this version runs (presets) and the long forms of (attacks)

    == a stage that is refused
    plan ./suites/my.yaml:8:32: `pgd-20-trades` is refused: it is defined for linf and epsilon 0.031; found linf and 16/510
      |
    8 |   - ensemble: { stages: [fgsm, pgd-20-trades] }
      |                                ^^^^^^^^^^^^^

    == restarts without chance
    plan ./suites/my.yaml:9:5: `pgd` is refused: restarts from the sample itself repeat each other; expected `start: random` or `restarts: 1`
      |
    9 |   - pgd: { name: pgd-40x5, steps: 40, step_size: 1/255, start: none, restarts: 5, loss: margin, keep...
      |     ^
    "#);
}

#[test]
fn probes() {
    let world = World::new();
    let with = |probes: &str| world.complaint("seed:", &format!("probes: [{probes}]\nseed:"));
    let long = |change: &str| {
        let form = "inner: kl, steps: 7, step_size: 1/255, start: random, keep: best";
        let key = change.split(':').next().expect("a key");
        let kept: Vec<&str> = form.split(", ").filter(|part| !part.starts_with(&format!("{key}:"))).collect();
        with(&format!("kl-instability: {{ {change}, {} }}", kept.join(", ")))
    };
    assert_snapshot!(all(&[
        ("misspelt", with("kl-instabillity")),
        ("misspelt long form", with("lipschiz: { steps: 9 }")),
        ("nothing like it", with("banana")),
        ("an attack", with("pgd-20")),
        ("a preset with numbers", with("kl-instability-max: { steps: 21 }")),
        ("the same preset twice", with("kl-instability, kl-instability")),
        ("the name of an attack", long("name: pgd-40x5")),
        ("a name that is none", long("name: a/b")),
        ("no steps", long("steps: 0")),
        ("a step of nothing", long("step_size: 0")),
        ("a start where nothing moves", long("start: none")),
        ("an attack list with a probe", world.complaint("  - pgd-20\n", "  - lipschitz-l1-linf\n")),
    ]), @r#"
    == misspelt
    plan ./suites/my.yaml:11:10: there is no probe `kl-instabillity`
       |
    11 | probes: [kl-instabillity]
       |          ^^^^^^^^^^^^^^^
    hint: did you mean `kl-instability`? this version measures `kl-instability`, `kl-instability-max`, `label-flips`, `calibration`, `calibration-pgd-20`, `lipschitz-l1-linf`, `lipschitz-yang`, `lipschitz-l2`, `lipschitz-wu`, `jacobian-frobenius`, `jacobian-spectral`, `logit-margin`, `first-order-radius`, `clever`, `clever-quick` and the long forms of `kl-instability`, `label-flips`, `calibration`, `lipschitz`, `kl-gradient`, `jacobian-norm`, `logit-margin`, `first-order-radius`, `clever`

    == misspelt long form
    plan ./suites/my.yaml:11:10: there is no probe `lipschiz`
       |
    11 | probes: [lipschiz: { steps: 9 }]
       |          ^^^^^^^^
    hint: did you mean `lipschitz`? this version measures `kl-instability`, `kl-instability-max`, `label-flips`, `calibration`, `calibration-pgd-20`, `lipschitz-l1-linf`, `lipschitz-yang`, `lipschitz-l2`, `lipschitz-wu`, `jacobian-frobenius`, `jacobian-spectral`, `logit-margin`, `first-order-radius`, `clever`, `clever-quick` and the long forms of `kl-instability`, `label-flips`, `calibration`, `lipschitz`, `kl-gradient`, `jacobian-norm`, `logit-margin`, `first-order-radius`, `clever`

    == nothing like it
    plan ./suites/my.yaml:11:10: there is no probe `banana`
       |
    11 | probes: [banana]
       |          ^^^^^^
    hint: this version measures `kl-instability`, `kl-instability-max`, `label-flips`, `calibration`, `calibration-pgd-20`, `lipschitz-l1-linf`, `lipschitz-yang`, `lipschitz-l2`, `lipschitz-wu`, `jacobian-frobenius`, `jacobian-spectral`, `logit-margin`, `first-order-radius`, `clever`, `clever-quick` and the long forms of `kl-instability`, `label-flips`, `calibration`, `lipschitz`, `kl-gradient`, `jacobian-norm`, `logit-margin`, `first-order-radius`, `clever`

    == an attack
    plan ./suites/my.yaml:11:10: `pgd-20` is an attack, not a probe
       |
    11 | probes: [pgd-20]
       |          ^^^^^^
    hint: list it under `attacks`

    == a preset with numbers
    plan ./suites/my.yaml:11:10: `kl-instability-max` is a preset, whose numbers are fixed
       |
    11 | probes: [kl-instability-max: { steps: 21 }]
       |          ^^^^^^^^^^^^^^^^^^
    hint: write `- kl-instability-max`, or one of `kl-instability`, `label-flips`, `calibration`, `lipschitz`, `kl-gradient`, `jacobian-norm`, `logit-margin`, `first-order-radius`, `clever` with your own numbers

    == the same preset twice
    plan ./suites/my.yaml:11:26: two probes are named `kl-instability`
       |
    11 | probes: [kl-instability, kl-instability]
       |                          ^^^^^^^^^^^^^^
    hint: give one of them another name, with `name:` in its long form

    == the name of an attack
    plan ./suites/my.yaml:11:34: an attack and a probe are named `pgd-40x5`
       |
    11 | probes: [kl-instability: { name: pgd-40x5, inner: kl, steps: 7, step_size: 1/255, start: random, kee...
       |                                  ^^^^^^^^
    hint: give one of them another name, with `name:` in its long form

    == a name that is none
    plan ./suites/my.yaml:11:34: probe name "a/b" is not a name
       |
    11 | probes: [kl-instability: { name: a/b, inner: kl, steps: 7, step_size: 1/255, start: random, keep: be...
       |                                  ^^^
    hint: a name has 1 to 64 letters, digits, `-`, `_` or `.` and begins with a letter or a digit

    == no steps
    plan ./suites/my.yaml:11:10: `kl-instability` is refused: `steps` is 0; expected at least 1
       |
    11 | probes: [kl-instability: { steps: 0, inner: kl, step_size: 1/255, start: random, keep: best }]
       |          ^

    == a step of nothing
    plan ./suites/my.yaml:11:10: `kl-instability` is refused: `step_size` is 0; expected more
       |
    11 | probes: [kl-instability: { step_size: 0, inner: kl, steps: 7, start: random, keep: best }]
       |          ^

    == a start where nothing moves
    plan ./suites/my.yaml:11:10: `kl-instability` is refused: what it ascends is flat at the sample itself; expected `start: random` or `start: { gaussian: 0.001 }`
       |
    11 | probes: [kl-instability: { start: none, inner: kl, steps: 7, step_size: 1/255, keep: best }]
       |          ^

    == an attack list with a probe
    plan ./suites/my.yaml:8:5: `lipschitz-l1-linf` is a probe, not an attack
      |
    8 |   - lipschitz-l1-linf
      |     ^^^^^^^^^^^^^^^^^
    hint: list it under `probes`
    "#);
    let nothing = changed("16/510", "0").replace("seed:", "probes: [lipschitz-l1-linf]\nseed:");
    assert_snapshot!(world.try_plan(&nothing).expect_err("a ratio of nothing"), @r"
    plan ./suites/my.yaml:11:10: `lipschitz` is refused: epsilon is 0, and a ratio needs two points
       |
    11 | probes: [lipschitz-l1-linf]
       |          ^^^^^^^^^^^^^^^^^
    ");
}

#[test]
fn data() {
    let world = World::new();
    assert_snapshot!(all(&[
        ("unknown", world.complaint("signs32", "sings32")),
        ("split", world.complaint("split: test", "split: tset")),
        ("too many samples", world.complaint("samples: 600", "samples: 2001")),
        ("far too many samples", world.complaint("samples: 600", "samples: 18446744073709551615")),
        ("not there", world.complaint("signs32", "mnist")),
    ]), @r"
    == unknown
    plan ./suites/my.yaml:3:18: there is no data set `sings32`
      |
    3 | dataset: { name: sings32, split: test, samples: 600 }
      |                  ^^^^^^^
    hint: did you mean `signs32`?

    == split
    plan ./suites/my.yaml:3:34: data set `signs32` has no split `tset`
      |
    3 | dataset: { name: signs32, split: tset, samples: 600 }
      |                                  ^^^^
    hint: did you mean `test`?

    == too many samples
    plan ./suites/my.yaml:3:49: 2001 samples are asked for, and split `test` of `signs32` has 2000
      |
    3 | dataset: { name: signs32, split: test, samples: 2001 }
      |                                                 ^^^^

    == far too many samples
    plan ./suites/my.yaml:3:49: 18446744073709551615 samples are asked for, and split `test` of `signs32` has 2000
      |
    3 | dataset: { name: signs32, split: test, samples: 18446744073709551615 }
      |                                                 ^^^^^^^^^^^^^^^^^^^^

    == not there
    plan ./suites/my.yaml:3:18: data set `mnist` cannot be used: failed to open data set `mnist`: TINYASSAY_DATA is not set
      |
    3 | dataset: { name: mnist, split: test, samples: 600 }
      |                  ^^^^^
    hint: https://ossci-datasets.s3.amazonaws.com/mnist/ has the four .gz files; unpack them in a folder named mnist and set TINYASSAY_DATA to the folder that holds it
    ");
}

#[test]
fn models() {
    let world = World::new();
    let with = |models: &str| world.complaint("[ten, two]", models);
    fs::write(world.0.path().join("models/two/manifest.yaml"), "name: two\n").expect("a manifest");
    assert_snapshot!(all(&[
        ("misspelt", with("[tenn]")),
        ("nothing like it", with("[banana]")),
        ("empty glob", with("[z*]")),
        ("no folder", with("[../models/none]")),
        ("twice", with("[ten, t?n]")),
        ("a broken manifest", with("[two]")),
        ("shape", with("[gray]")),
        ("classes", with("[eleven]")),
        ("labels", with("[few-labels]")),
        ("classes of a score", with("[score]")),
        ("another data set", with("[elsewhere]")),
    ]), @r"
    == misspelt
    plan ./suites/my.yaml:4:10: there is no model `tenn` in ./models
      |
    4 | models: [tenn]
      |          ^^^^
    hint: did you mean `ten`?

    == nothing like it
    plan ./suites/my.yaml:4:10: there is no model `banana` in ./models
      |
    4 | models: [banana]
      |          ^^^^^^
    hint: the models are eleven, elsewhere, few-labels, gray, int8, score, ten, two

    == empty glob
    plan ./suites/my.yaml:4:10: there is no model `z*` in ./models
      |
    4 | models: [z*]
      |          ^^
    hint: the models are eleven, elsewhere, few-labels, gray, int8, score, ten, two; `tinyassay train ./models/NAME` makes one from its recipe

    == no folder
    plan ./suites/my.yaml:4:10: there is no model `../models/none` in ./models
      |
    4 | models: [../models/none]
      |          ^^^^^^^^^^^^^^
    hint: there is no ./suites/../models/none/manifest.yaml

    == twice
    plan ./suites/my.yaml:4:15: model `ten` is named twice, by `ten` and by `t?n`
      |
    4 | models: [ten, t?n]
      |               ^^^

    == a broken manifest
    plan ./suites/my.yaml:4:10: model `two` cannot be used: failed to read ./models/two/manifest.yaml:1:1: key `files` is missing in this mapping
      |
    1 | name: two
      | ^^^^
      |
    4 | models: [two]
      |          ^^^

    == shape
    plan ./suites/my.yaml:4:10: model `gray` does not fit: the data set's rows are [3, 32, 32] (Nchw), the model wants [1, 28, 28] (Nchw)
      |
    4 | models: [gray]
      |          ^^^^

    == classes
    plan ./suites/my.yaml:4:10: model `eleven` does not fit: it has 11 outputs, and `signs32` has 10 classes; `labels` in its manifest can say which is which
      |
    4 | models: [eleven]
      |          ^^^^^^

    == labels
    plan ./suites/my.yaml:4:10: model `few-labels` does not fit: `labels` names 2 classes, and `signs32` has 10
      |
    4 | models: [few-labels]
      |          ^^^^^^^^^^

    == classes of a score
    plan ./suites/my.yaml:4:10: model `score` does not fit: it has 2 outputs, and `signs32` has 10 classes; `labels` in its manifest can say which is which
      |
    4 | models: [score]
      |          ^^^^^

    == another data set
    plan ./suites/my.yaml:4:10: model `elsewhere` does not fit: it is registered for data set `cifar10`, and the suite uses `signs32`
      |
    4 | models: [elsewhere]
      |          ^^^^^^^^^
    ");
}

#[test]
fn transfers() {
    let world = World::new();
    let reversed = "{ name: y, kind: logits, classes: 10, labels: [9, 8, 7, 6, 5, 4, 3, 2, 1, 0] }";
    world.model("reversed", INPUT, reversed, "signs32");
    let with = |transfer: &str| {
        let text = changed("  - pgd-20\n", &format!("  - transfer: {{ {transfer} }}\n")).replace("[ten, two]", "[ten]");
        world.try_plan(&text).expect_err("the suite asks for too much")
    };
    let all = all(&[
        ("other numbers of classes", with("from: [two], attack: pgd-20")),
        ("another order of classes", with("from: [reversed], attack: pgd-20")),
        ("another data set", with("from: [elsewhere], attack: pgd-20")),
        ("another shape", with("from: [gray], attack: pgd-20")),
        ("itself", with("from: [ten], attack: pgd-20")),
        ("an attack with a name", with("from: [int8], attack: { fgsm: { name: a, loss: margin } }")),
        ("an attack that there is not", with("from: [int8], attack: banana")),
    ]);
    assert_snapshot!(all, @r"
    == other numbers of classes
    plan ./suites/my.yaml:8:23: nothing transfers from `two` to `ten`: they number the classes differently
      |
    8 |   - transfer: { from: [two], attack: pgd-20 }
      |                       ^
    hint: take one of them out

    == another order of classes
    plan ./suites/my.yaml:8:23: nothing transfers from `reversed` to `ten`: they number the classes differently
      |
    8 |   - transfer: { from: [reversed], attack: pgd-20 }
      |                       ^
    hint: take one of them out

    == another data set
    plan ./suites/my.yaml:8:24: model `elsewhere` does not fit: it is registered for data set `cifar10`, and the suite uses `signs32`
      |
    8 |   - transfer: { from: [elsewhere], attack: pgd-20 }
      |                        ^^^^^^^^^

    == another shape
    plan ./suites/my.yaml:8:24: model `gray` does not fit: the data set's rows are [3, 32, 32] (Nchw), the model wants [1, 28, 28] (Nchw)
      |
    8 |   - transfer: { from: [gray], attack: pgd-20 }
      |                        ^^^^

    == itself
    plan ./suites/my.yaml:8:23: `ten` is the only model, and would be its own source
      |
    8 |   - transfer: { from: [ten], attack: pgd-20 }
      |                       ^
    hint: name another with `from`

    == an attack with a name
    plan ./suites/my.yaml:8:55: the attack of a transfer has no name of its own
      |
    8 |   - transfer: { from: [int8], attack: { fgsm: { name: a, loss: margin } } }
      |                                                       ^
    hint: give the transfer the name: `transfer: { name: ..., attack: ... }`

    == an attack that there is not
    plan ./suites/my.yaml:8:39: there is no attack `banana`
      |
    8 |   - transfer: { from: [int8], attack: banana }
      |                                       ^^^^^^
    hint: this version runs (presets) and the long forms of (attacks)
    ");
}

#[test]
fn pixels_between_the_integers_of_a_file_are_the_files_to_round() {
    let world = World::new();
    let input = "{ name: x, layout: NCHW, shape: [3, 32, 32], range: [-1, 1], dtype: int8, scale: 0.00784313725490196, \
                 zero_point: 0 }";
    world.model("half", input, "{ name: y, kind: logits, classes: 10 }", "signs32");
    assert!(world.plan(&changed("[ten, two]", "[half]")).models[0].grid);
}

#[test]
fn integer_inputs_off_the_grid_of_the_data() {
    let world = World::new();
    let pixels = |rest: &str| {
        let input = format!("{{ name: x, layout: NCHW, shape: [3, 32, 32], {rest} }}");
        world.model("off", &input, "{ name: y, kind: logits, classes: 10 }", "signs32");
        world.complaint("[ten, two]", "[off]")
    };
    let raw = |facts: &str, rest: &str| {
        world.raw_data(facts);
        let input = format!("{{ name: x, layout: NCHW, shape: [1, 2, 2], units: raw, {rest} }}");
        world.model("off", &input, "{ name: y, kind: logits, classes: 2 }", "own");
        let suite = changed("[ten, two]", "[off]")
            .replace("name: signs32, split: test, samples: 600", "name: own, split: test, samples: 2");
        world.try_plan(&suite).expect_err("the grids differ")
    };
    let keyword = "scale: 0.5847029\nzero_point: 83";
    assert_snapshot!(all(&[
        ("step", pixels("range: [0, 1], dtype: int8, scale: 0.5, zero_point: -128")),
        ("zero point", pixels("range: [0, 255], dtype: int8, scale: 1.0, zero_point: -127")),
        ("every other integer", pixels("range: [0, 255], dtype: uint8, scale: 0.5, zero_point: 0")),
        (
            "one channel",
            pixels("range: [0, 255], std: [1.0, 1.0, 1.01], dtype: uint8, scale: 1.0, zero_point: 0")
        ),
        ("raw step", raw(keyword, "dtype: uint8, scale: 0.58, zero_point: 83")),
        ("raw zero point", raw(keyword, "dtype: int8, scale: 0.5847029, zero_point: 83")),
        ("narrow raw", raw("scale: 1.0\nrange: [0, 100]", "dtype: uint8, scale: 0.5, zero_point: 0")),
    ]), @r"
    == step
    plan ./suites/my.yaml:4:10: model `off` does not fit: its int8 input (scale 0.5, zero point -128) is not on the grid of `signs32` (k / 255): after `range`, `mean` and `std` the neighbours 0 and 0.003921569 become -128.000 and -127.992
      |
    4 | models: [off]
      |          ^^^

    == zero point
    plan ./suites/my.yaml:4:10: model `off` does not fit: its int8 input (scale 1, zero point -127) is not on the grid of `signs32` (k / 255): after `range`, `mean` and `std` 1 becomes 128.000, outside of -128 to 127
      |
    4 | models: [off]
      |          ^^^

    == every other integer
    plan ./suites/my.yaml:4:10: model `off` does not fit: its uint8 input (scale 0.5, zero point 0) is not on the grid of `signs32` (k / 255): after `range`, `mean` and `std` the neighbours 0 and 0.003921569 become 0.000 and 2.000
      |
    4 | models: [off]
      |          ^^^

    == one channel
    plan ./suites/my.yaml:4:10: model `off` does not fit: its uint8 input (scale 1, zero point 0) is not on the grid of `signs32` (k / 255): after `range`, `mean` and `std` the neighbours 0 and 0.003921569 become 0.000 and 0.990
      |
    4 | models: [off]
      |          ^^^

    == raw step
    plan ./suites/my.yaml:4:10: model `off` does not fit: its uint8 input (scale 0.58, zero point 83) is not on the grid of `own` ((q - 83) * 0.5847029, q from 0 to 255): after `range`, `mean` and `std` -48.530342 becomes -0.673, outside of 0 to 255
      |
    4 | models: [off]
      |          ^^^

    == raw zero point
    plan ./suites/my.yaml:4:10: model `off` does not fit: its int8 input (scale 0.5847029, zero point 83) is not on the grid of `own` ((q - 83) * 0.5847029, q from 0 to 255): after `range`, `mean` and `std` 26.31163 becomes 128.000, outside of -128 to 127
      |
    4 | models: [off]
      |          ^^^

    == narrow raw
    plan ./suites/my.yaml:4:10: model `off` does not fit: its uint8 input (scale 0.5, zero point 0) is not on the grid of `own` ((q - 0) * 1, q from 0 to 255): after `range`, `mean` and `std` the neighbours 0 and 1 become 0.000 and 2.000
      |
    4 | models: [off]
      |          ^^^
    ");
}

#[test]
fn threats_on_a_grid_that_the_samples_are_not_on() {
    let world = World::new();
    let grid = |levels: &str| changed("epsilon: 16/510", &format!("epsilon: 16/510, grid: {levels}"));
    let own = |facts: &str| {
        world.raw_data(facts);
        let input = "{ name: x, layout: NCHW, shape: [1, 2, 2], units: raw, dtype: float32 }";
        world.model("raw", input, "{ name: y, kind: logits, classes: 2 }", "own");
        let suite = grid("255").replace("[ten, two]", "[raw]");
        suite.replace("name: signs32, split: test, samples: 600", "name: own, split: test, samples: 2")
    };
    let complaint = |suite: String| world.try_plan(&suite).expect_err("the grids differ");
    assert_snapshot!(all(&[
        ("levels", complaint(grid("15"))),
        ("none", complaint(grid("0"))),
        ("raw", complaint(own("scale: 0.5\nzero_point: 3"))),
    ]), @r"
    == levels
    plan ./suites/my.yaml:5:46: `grid: 15` asks for inputs k / 15, and the samples of `signs32` are k / 255
      |
    5 | threat: { norm: linf, epsilon: 16/510, grid: 15 }
      |                                              ^^
    hint: `grid: 255` holds adversarial inputs to it

    == none
    plan ./suites/my.yaml:5:46: `grid: 0` asks for inputs k / 0, and the samples of `signs32` are k / 255
      |
    5 | threat: { norm: linf, epsilon: 16/510, grid: 0 }
      |                                              ^
    hint: `grid: 255` holds adversarial inputs to it

    == raw
    plan ./suites/my.yaml:5:46: `grid: 255` asks for inputs k / 255, and the samples of `own` are (q - 3) * 0.5, q from 0 to 255
      |
    5 | threat: { norm: linf, epsilon: 16/510, grid: 255 }
      |                                              ^^^
    hint: take `grid` out; only samples that are pixels of 8 bits, in `units: unit`, have such a grid
    ");
}

#[test]
fn budgets_of_nothing_or_everything() {
    let world = World::new();
    let budget = |budget: &str| world.complaint("epsilon: 16/510", &format!("epsilon: 16/510, budget: {budget}"));
    assert_snapshot!(all(&[("everything", budget("{}")), ("nothing", budget("{ forwards: 0, backwards: 3 }"))]), @r"
    == everything
    plan ./suites/my.yaml:5:48: `budget` caps nothing, or leaves no forward
      |
    5 | threat: { norm: linf, epsilon: 16/510, budget: {} }
      |                                                ^
    hint: write `budget: { forwards: 2000 }`, `{ backwards: 100 }`, or both; or leave it out

    == nothing
    plan ./suites/my.yaml:5:48: `budget` caps nothing, or leaves no forward
      |
    5 | threat: { norm: linf, epsilon: 16/510, budget: { forwards: 0, backwards: 3 } }
      |                                                ^
    hint: write `budget: { forwards: 2000 }`, `{ backwards: 100 }`, or both; or leave it out
    ");
}
