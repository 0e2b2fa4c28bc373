//! Plans of small suites over stand-in models: what is pinned, what is shared, and what a user sees for each mistake.

use crate::{Plan, Suite, Summary, plan};
use graph::{DType, InputMap, Quantize};
use insta::assert_snapshot;
use registry::{Datasets, Digest, Registry};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const SUITE: &str = "\
version: 1
name: small
dataset: { name: signs32, split: test, samples: 600 }
models: [ten, two]
threat: { norm: linf, epsilon: 16/510 }
attacks:
  - fgsm
  - pgd-20
  - pgd: { name: pgd-40x5, steps: 40, step_size: 1/255, start: random, restarts: 5, loss: margin, keep: best }
  - fgsm: { name: fgsm-each, loss: margin, targets: each }
seed: 18446744073709551615
";

const INPUT: &str = "{ name: x, dtype: float32, layout: NCHW, shape: [3, 32, 32], range: [0, 1] }";

/// A folder with stand-in models: planning never opens their files.
struct World(TempDir);

impl World {
    fn new() -> World {
        let world = World(TempDir::new().expect("a folder for the test"));
        fs::create_dir(world.0.path().join("suites")).expect("a folder");
        let ten = "{ name: y, kind: logits, classes: 10 }";
        world.model("ten", INPUT, ten, "signs32");
        world.model(
            "two",
            INPUT,
            "{ name: y, kind: logits, classes: 2, labels: [0, 0, 0, 0, 1, 1, 1, 1, 1, 1] }",
            "signs32",
        );
        world.model(
            "gray",
            "{ name: x, dtype: float32, layout: NCHW, shape: [1, 28, 28], range: [0, 1] }",
            ten,
            "signs32",
        );
        world.model("eleven", INPUT, "{ name: y, kind: logits, classes: 11 }", "signs32");
        world.model("few-labels", INPUT, "{ name: y, kind: logits, classes: 2, labels: [0, 1] }", "signs32");
        world.model("score", INPUT, "{ name: y, kind: score, classes: 10 }", "signs32");
        world.model("elsewhere", INPUT, ten, "cifar10");
        let int8 =
            "{ name: x, dtype: int8, scale: 1.0, zero_point: -128, layout: NHWC, shape: [32, 32, 3], range: [0, 255] }";
        world.model("int8", int8, ten, "signs32");
        world
    }

    fn model(&self, name: &str, input: &str, output: &str, dataset: &str) {
        let folder = self.0.path().join("models").join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let digest = Digest::of(name.as_bytes());
        let manifest = format!(
            "name: {name}\nfiles: {{ model.onnx: {digest} }}\ninput: {input}\noutput: {output}\ndataset: {dataset}\n"
        );
        fs::write(folder.join("manifest.yaml"), manifest).expect("a manifest");
    }

    fn try_plan(&self, text: &str) -> Result<Plan, String> {
        let suite = Suite::parse(self.0.path().join("suites/my.yaml"), text.as_bytes()).expect("the suite can be read");
        let datasets = Datasets::open(None, self.0.path().join("data"));
        plan(&suite, &Registry::open(self.0.path().join("models")), &datasets)
            .map_err(|error| error.to_string().replace(&self.0.path().display().to_string(), "."))
    }

    fn plan(&self, text: &str) -> Plan {
        self.try_plan(text).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The complaint about the suite with one thing changed.
    fn complaint(&self, good: &str, bad: &str) -> String {
        self.try_plan(&changed(good, bad)).expect_err("the suite asks for too much")
    }
}

fn changed(good: &str, bad: &str) -> String {
    assert_eq!(SUITE.matches(good).count(), 1, "`{good}` must stand once in the suite");
    SUITE.replace(good, bad)
}

/// A JSON object, one key on a line.
fn lines(json: &serde_json::Value) -> String {
    json.as_object().expect("an object").iter().map(|(key, value)| format!("{key}: {value}\n")).collect()
}

fn all(complaints: &[(&str, String)]) -> String {
    complaints.iter().map(|(what, complaint)| format!("== {what}\n{complaint}\n\n")).collect()
}

#[test]
fn a_plan_names_every_number_and_pins_every_digest() {
    let plan = World::new().plan(SUITE);
    let mut json = serde_json::to_value(&plan).expect("a plan is JSON");
    assert_eq!(json["dataset"]["digest"].take(), plan.data.digest.to_string());
    let models = json["models"].take();
    assert_snapshot!(lines(&json), @r#"
    attacks: [{"name":"fgsm","revision":1,"spec":{"fgsm":{"loss":"cross-entropy","targets":"none"}}},{"name":"pgd-20","revision":1,"spec":{"pgd":{"keep":"best","loss":"cross-entropy","restarts":1,"start":"random","step_size":"2/255","steps":20,"targets":"none"}}},{"name":"pgd-40x5","revision":1,"spec":{"pgd":{"keep":"best","loss":"margin","restarts":5,"start":"random","step_size":"1/255","steps":40,"targets":"none"}}},{"name":"fgsm-each","revision":1,"spec":{"fgsm":{"loss":"margin","targets":"each"}}}]
    confidence: 0.95
    dataset: {"digest":null,"name":"signs32","rows":[[0,600]],"split":"test"}
    domain: {"levels":255,"lower":"0","upper":"1"}
    heads: ["cross-entropy","margin","linear"]
    models: null
    seed: "18446744073709551615"
    slices: [{"index":0,"rows":[[0,250]]},{"index":1,"rows":[[250,500]]},{"index":2,"rows":[[500,600]]}]
    suite: {"digest":"0f295bf94a1d731bad8ac5b1cbe4bbf6b1bf5e2be508f27334e8a9ee087fe69f","name":"small"}
    threat: {"epsilon":"16/510","epsilon_fraction":"8/255","norm":"linf"}
    "#);
    assert_snapshot!(lines(&models[1]), @r#"
    digest: "133fb41c14367ceadada2cd191a401c8530d50c38cd54abc6702d6b209efd7ad"
    files: {"model.onnx":"3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"}
    grid: false
    input: {"dtype":"float32","layout":"NCHW","name":"x","range":[0.0,1.0],"shape":[3,32,32]}
    labels: [0,0,0,0,1,1,1,1,1,1]
    name: "two"
    output: {"classes":2,"kind":"logits","labels":[0,0,0,0,1,1,1,1,1,1],"name":"y"}
    "#);
}

#[test]
fn keys_hold_what_decides_the_outcome() {
    let plan = World::new().plan(SUITE);
    let key = plan.check_key_material(&plan.models[1], &plan.attacks[1], &plan.slices[2]);
    let mut json = serde_json::to_value(&key).expect("a key is JSON");
    assert_eq!(json["prediction"]["dataset"].take(), plan.data.digest.to_string());
    let prediction = json["prediction"].take();
    assert_snapshot!(lines(&json), @r#"
    attack: {"pgd":{"keep":"best","loss":"cross-entropy","restarts":1,"start":"random","step_size":"2/255","steps":20,"targets":"none"}}
    attack_revision: 1
    domain: {"levels":255,"lower":"0","upper":"1"}
    epsilon: "8/255"
    grid: false
    norm: "linf"
    prediction: null
    seed: "18446744073709551615"
    "#);
    assert_snapshot!(lines(&prediction), @r#"
    classes: 2
    dataset: null
    input: {"dtype":"float32","layout":"NCHW","name":"x","range":[0.0,1.0],"shape":[3,32,32]}
    labels: [0,0,0,0,1,1,1,1,1,1]
    model: "133fb41c14367ceadada2cd191a401c8530d50c38cd54abc6702d6b209efd7ad"
    output: "y"
    output_kind: "logits"
    rows: [[500,600]]
    "#);
}

#[test]
fn the_summary_counts_the_worst_case() {
    let summary = World::new().plan(SUITE).summary();
    let Summary { suite, data, threat, attacks, models, total } = summary;
    assert_snapshot!(format!("{suite}\n{data}\n{threat}"), @r"
    small
    signs32, split test, 600 samples
    linf, epsilon 16/510
    ");
    let attacks = attacks.iter().map(|a| format!("{} = {} {:?}\n", a.name, a.attack, a.parameters)).collect::<String>();
    assert_snapshot!(attacks, @r#"
    fgsm = fgsm [("loss", "cross-entropy"), ("targets", "none")]
    pgd-20 = pgd [("keep", "best"), ("loss", "cross-entropy"), ("restarts", "1"), ("start", "random"), ("step_size", "2/255"), ("steps", "20"), ("targets", "none")]
    pgd-40x5 = pgd [("keep", "best"), ("loss", "margin"), ("restarts", "5"), ("start", "random"), ("step_size", "1/255"), ("steps", "40"), ("targets", "none")]
    fgsm-each = fgsm [("loss", "margin"), ("targets", "each")]
    "#);
    let costs =
        models.iter().map(|m| format!("{}: {:?} in all {:?}\n", m.name, m.attacks, m.total)).collect::<String>();
    assert_snapshot!(costs, @r"
    ten: [Cost { forwards: 600, backwards: 600, judge_forwards: 600 }, Cost { forwards: 12000, backwards: 12000, judge_forwards: 12600 }, Cost { forwards: 120000, backwards: 120000, judge_forwards: 123000 }, Cost { forwards: 5400, backwards: 5400, judge_forwards: 5400 }] in all Cost { forwards: 138000, backwards: 138000, judge_forwards: 142200 }
    two: [Cost { forwards: 600, backwards: 600, judge_forwards: 600 }, Cost { forwards: 12000, backwards: 12000, judge_forwards: 12600 }, Cost { forwards: 120000, backwards: 120000, judge_forwards: 123000 }, Cost { forwards: 600, backwards: 600, judge_forwards: 600 }] in all Cost { forwards: 133200, backwards: 133200, judge_forwards: 137400 }
    ");
    assert_eq!(total.forwards, models.iter().map(|model| model.total.forwards).sum::<u64>());
}

#[test]
fn the_digest_of_a_plan_knows_no_path() {
    let (here, there) = (World::new().plan(SUITE), World::new().plan(SUITE));
    assert_eq!(here.digest(), there.digest());
    assert_ne!(here.digest(), World::new().plan(&changed("samples: 600", "samples: 601")).digest());
}

#[test]
fn more_samples_keep_the_keys_of_fewer() {
    let world = World::new();
    let keys = |plan: &Plan| -> Vec<String> {
        let key = |slice| serde_json::to_string(&plan.check_key_material(&plan.models[0], &plan.attacks[1], slice));
        plan.slices.iter().map(|slice| key(slice).expect("a key is JSON")).collect()
    };
    let (few, many) = (world.plan(&changed("600", "500")), world.plan(&changed("600", "1000")));
    assert_eq!(keys(&few), keys(&many)[..2]);
    let same_epsilon = world.plan(&changed("16/510", "8/255"));
    assert_eq!(
        serde_json::to_string(&same_epsilon.check_key_material(
            &same_epsilon.models[0],
            &same_epsilon.attacks[0],
            &same_epsilon.slices[0]
        ))
        .unwrap(),
        serde_json::to_string(&many.check_key_material(&many.models[0], &many.attacks[0], &many.slices[0])).unwrap(),
    );
}

#[test]
fn models_come_by_name_glob_and_path_and_integer_inputs_move_on_the_grid() {
    let world = World::new();
    let names = |models: &str| -> Vec<String> {
        world.plan(&changed("[ten, two]", models)).models.into_iter().map(|model| model.name).collect()
    };
    assert_eq!(names("[t*]"), ["ten", "two"]);
    assert_eq!(names("[two, ../models/ten]"), ["two", "ten"]);
    let plan = world.plan(&changed("[ten, two]", "[int8, two]"));
    assert_eq!(plan.models.iter().map(|model| model.grid).collect::<Vec<_>>(), [true, false]);
    let map = plan.models[0].map.clone();
    assert_eq!((map.permutation, map.scale), (vec![1, 2, 0], vec![255.0]));
    assert_eq!(map.quantize, Some(Quantize { scale: 1.0, zero_point: -128, dtype: DType::I8 }));
    assert_eq!(plan.models[1].map, InputMap::identity(&[3, 32, 32]));
    assert_eq!(plan.models[1].labels, [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn a_random_choice_is_in_the_plan() {
    let plan = World::new().plan(&changed("samples: 600", "samples: 600, choose: random"));
    assert_eq!(plan.dataset.rows.len(), 600);
    assert_eq!(plan.slices.len(), 8);
    assert!(plan.dataset.rows.ranges().len() > 100);
}

#[test]
fn sections_and_attacks_of_later_versions() {
    let world = World::new();
    assert_snapshot!(all(&[
        ("probes", world.complaint("seed:", "probes: [kl-instability]\nseed:")),
        ("cost", world.complaint("seed:", "cost:\n  - macs\nseed:")),
        ("gates", world.complaint("seed:", "gates: []\nseed:")),
        ("certify", world.complaint("seed:", "certify: { method: crown }\nseed:")),
        ("ensemble", world.complaint("  - pgd-20\n", "  - ensemble-standard\n")),
        ("long form", world.complaint("  - pgd-20\n", "  - cw: { steps: 9 }\n")),
    ]), @r"
    == probes
    plan ./suites/my.yaml:11:9: section `probes` is not supported by this version
       |
    11 | probes: [kl-instability]
       |         ^
    hint: take `probes` out to run the rest

    == cost
    plan ./suites/my.yaml:12:3: section `cost` is not supported by this version
       |
    12 |   - macs
       |   ^
    hint: take `cost` out to run the rest

    == gates
    plan ./suites/my.yaml:11:8: section `gates` is not supported by this version
       |
    11 | gates: []
       |        ^
    hint: take `gates` out to run the rest

    == certify
    plan ./suites/my.yaml:11:10: section `certify` is not supported by this version
       |
    11 | certify: { method: crown }
       |          ^
    hint: take `certify` out to run the rest

    == ensemble
    plan ./suites/my.yaml:8:5: attack `ensemble-standard` is not supported by this version
      |
    8 |   - ensemble-standard
      |     ^^^^^^^^^^^^^^^^^
    hint: this version runs `fgsm`, `pgd-20`, `pgd-20-trades` and the long forms of `fgsm`, `pgd`

    == long form
    plan ./suites/my.yaml:8:5: attack `cw` is not supported by this version
      |
    8 |   - cw: { steps: 9 }
      |     ^^
    hint: this version runs `fgsm`, `pgd-20`, `pgd-20-trades` and the long forms of `fgsm`, `pgd`
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
        ("a step backwards", long("step_size: -1/255")),
        ("restarts without chance", world.complaint("1/255, start: random", "1/255, start: none")),
    ]), @r#"
    == misspelt
    plan ./suites/my.yaml:8:5: there is no attack `pdg-20`
      |
    8 |   - pdg-20
      |     ^^^^^^
    hint: did you mean `pgd-20`? this version runs `fgsm`, `pgd-20`, `pgd-20-trades` and the long forms of `fgsm`, `pgd`

    == misspelt long form
    plan ./suites/my.yaml:8:5: there is no attack `fgms`
      |
    8 |   - fgms: { loss: margin }
      |     ^^^^
    hint: did you mean `fgsm`? this version runs `fgsm`, `pgd-20`, `pgd-20-trades` and the long forms of `fgsm`, `pgd`

    == nothing like it
    plan ./suites/my.yaml:8:5: there is no attack `banana`
      |
    8 |   - banana
      |     ^^^^^^
    hint: this version runs `fgsm`, `pgd-20`, `pgd-20-trades` and the long forms of `fgsm`, `pgd`

    == no short form
    plan ./suites/my.yaml:8:5: `pgd` has no short form
      |
    8 |   - pgd
      |     ^^^
    hint: the short names are `fgsm`, `pgd-20`, `pgd-20-trades`; the long form is `pgd: { ... }`

    == a preset with numbers
    plan ./suites/my.yaml:8:5: `pgd-20` is a preset, whose numbers are fixed
      |
    8 |   - pgd-20: { steps: 21 }
      |     ^^^^^^
    hint: write `- pgd-20`, or one of `fgsm`, `pgd` with your own numbers

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

    == a step backwards
    plan ./suites/my.yaml:8:23: `step_size` is `-1/255`: it must not be negative
      |
    8 |   - pgd: { step_size: -1/255, steps: 7, start: random, restarts: 1, loss: margin, keep: best }
      |                       ^^^^^^

    == restarts without chance
    plan ./suites/my.yaml:9:5: `pgd` is refused: restarts from the sample itself repeat each other; expected `start: random` or `restarts: 1`
      |
    9 |   - pgd: { name: pgd-40x5, steps: 40, step_size: 1/255, start: none, restarts: 5, loss: margin, keep...
      |     ^
    "#);
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
        ("kind", with("[score]")),
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
    hint: the models are eleven, elsewhere, few-labels, gray, int8, score, ten, two

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
    plan ./suites/my.yaml:4:10: model `two` cannot be used: failed to read ./models/two/manifest.yaml:1:1: missing field `files`
      |
    1 | name: two
      | ^
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

    == kind
    plan ./suites/my.yaml:4:10: model `score` does not fit: only outputs of kind `logits` and `softmax` are supported by this version
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

/// Every suite of the repository is right; those whose models and data are there can be planned.
#[test]
fn the_suites_of_the_repository() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let registry = Registry::open(root.join("models"));
    let data_dir = std::env::var_os("TINYASSAY_DATA").map(Into::into);
    let datasets = Datasets::open(data_dir, root.join("no-user-manifests"));
    let files =
        fs::read_dir(root.join("suites")).expect("there are suites").map(|entry| entry.expect("an entry").path());
    for file in files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")) {
        let suite = Suite::read(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(file.file_stem().and_then(|stem| stem.to_str()), Some(suite.name()), "file and suite share a name");
        assert!(suite.source().text().starts_with("# yaml-language-server: $schema=schema.json\n"));
        let registered = suite.document().models.iter().all(|model| registry.find(model).is_ok());
        let readable = datasets.load(&suite.document().dataset.name, &suite.document().dataset.split).is_ok();
        if registered && readable {
            plan(&suite, &registry, &datasets).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}
