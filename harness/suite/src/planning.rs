//! Plans of small suites over stand-in models: what is pinned and what is shared.

use crate::{
    Plan, Suite, Summary, plan, recorded_check_key, recorded_corruption_key, recorded_prediction_key,
    recorded_probe_key,
};
use attack::{Cost, Grid};
use graph::{DType, InputMap, Quantize};
use insta::assert_snapshot;
use registry::{Datasets, Digest, Registry};
use serde_json::Value;
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

pub(crate) const INPUT: &str = "{ name: x, dtype: float32, layout: NCHW, shape: [3, 32, 32], range: [0, 1] }";

/// A folder with stand-in models: planning never opens their files.
pub(crate) struct World(pub(crate) TempDir);

impl World {
    pub(crate) fn new() -> World {
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
        world.model("score", INPUT, "{ name: y, kind: score, classes: 2, threshold: 0.01 }", "signs32");
        world.model("elsewhere", INPUT, ten, "cifar10");
        let int8 =
            "{ name: x, dtype: int8, scale: 1.0, zero_point: -128, layout: NHWC, shape: [32, 32, 3], range: [0, 255] }";
        world.model("int8", int8, ten, "signs32");
        world
    }

    pub(crate) fn model(&self, name: &str, input: &str, output: &str, dataset: &str) {
        let folder = self.0.path().join("models").join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let digest = Digest::of(name.as_bytes());
        let manifest = format!(
            "name: {name}\nfiles: {{ model.onnx: {digest} }}\ninput: {input}\noutput: {output}\ndataset: {dataset}\n"
        );
        fs::write(folder.join("manifest.yaml"), manifest).expect("a manifest");
    }

    /// A data set of 4 bytes a row in units of its own.
    pub(crate) fn raw_data(&self, facts: &str) {
        let bytes = [0, 10, 20, 30, 40, 1, 50, 60, 70, 80];
        let folder = self.0.path().join("data");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("own.bin"), bytes).expect("two rows");
        let manifest = format!(
            "name: own\nformat: cifar-bin\nlayout: NCHW\nshape: [1, 2, 2]\nunits: raw\n{facts}\nclasses: [a, b]\nsplits: {{ test: {{ \
             samples: 2, files: {{ own.bin: {} }} }} }}\n",
            Digest::of(&bytes)
        );
        fs::write(folder.join("own.yaml"), manifest).expect("a manifest");
    }

    pub(crate) fn try_plan(&self, text: &str) -> Result<Plan, String> {
        let suite = Suite::parse(self.0.path().join("suites/my.yaml"), text.as_bytes()).expect("the suite can be read");
        let datasets = Datasets::open(None, self.0.path().join("data"));
        plan(&suite, &Registry::open(self.0.path().join("models")), &datasets)
            .map_err(|error| error.to_string().replace(&self.0.path().display().to_string(), "."))
    }

    pub(crate) fn plan(&self, text: &str) -> Plan {
        self.try_plan(text).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The complaint about the suite with one thing changed.
    pub(crate) fn complaint(&self, good: &str, bad: &str) -> String {
        self.try_plan(&changed(good, bad)).expect_err("the suite asks for too much")
    }
}

pub(crate) fn changed(good: &str, bad: &str) -> String {
    assert_eq!(SUITE.matches(good).count(), 1, "`{good}` must stand once in the suite");
    SUITE.replace(good, bad)
}

/// A JSON object, one key on a line.
fn lines(json: &serde_json::Value) -> String {
    json.as_object().expect("an object").iter().map(|(key, value)| format!("{key}: {value}\n")).collect()
}

#[test]
fn a_plan_names_every_number_and_pins_every_digest() {
    let plan = World::new().plan(SUITE);
    let mut json = serde_json::to_value(&plan).expect("a plan is JSON");
    assert_eq!(json["dataset"]["digest"].take(), plan.data.digest.to_string());
    let models = json["models"].take();
    assert_snapshot!(lines(&json), @r#"
    attacks: [{"name":"fgsm","revision":1,"spec":{"fgsm":{"loss":"cross-entropy","targets":"none"}}},{"name":"pgd-20","revision":1,"spec":{"pgd":{"keep":"best","loss":"cross-entropy","restarts":1,"start":"random","step_size":"2/255","steps":20,"targets":"none"}}},{"name":"pgd-40x5","revision":1,"spec":{"pgd":{"keep":"best","loss":"margin","restarts":5,"start":"random","step_size":"1/255","steps":40,"targets":"none"}}},{"name":"fgsm-each","revision":1,"spec":{"fgsm":{"loss":"margin","targets":"each"}}}]
    dataset: {"digest":null,"name":"signs32","rows":[[0,600]],"split":"test"}
    domain: {"grid":{"levels":255},"lower":"0","upper":"1"}
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
    domain: {"grid":{"levels":255},"lower":"0","upper":"1"}
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

/// The source decides what a transfer finds; the key of an attack without one is what it was before there were transfers.
#[test]
fn keys_hold_the_source_of_a_transfer() {
    let world = World::new();
    let int8 =
        "{ name: x, dtype: int8, scale: 1.0, zero_point: -128, layout: NHWC, shape: [32, 32, 3], range: [0, 255] }";
    let ten = "{ name: y, kind: logits, classes: 10 }";
    world.model("other", INPUT, ten, "signs32");
    world.model("lite", int8, ten, "signs32");
    let transfers = "  - transfer: { name: t, from: [other, lite], attack: pgd-20 }\n  - pgd-20\n";
    let plan = world.plan(&changed("  - pgd-20\n", transfers).replace("[ten, two]", "[ten, lite]"));
    let names: Vec<&str> = plan.attacks.iter().map(|attack| attack.name.as_str()).collect();
    assert_eq!(names, ["fgsm", "t-from-other", "t-from-lite", "pgd-20", "pgd-40x5", "fgsm-each"]);
    let sources: Vec<&str> = plan.sources.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(sources, ["other"], "a target is prepared once, though it is a source too");
    let on_lite: Vec<&str> = plan.attacks_on("lite").map(|attack| attack.name.as_str()).collect();
    assert_eq!(on_lite, ["fgsm", "t-from-other", "pgd-20", "pgd-40x5", "fgsm-each"]);
    let key = |model: usize, attack: usize| {
        serde_json::to_value(plan.check_key_material(&plan.models[model], &plan.attacks[attack], &plan.slices[0]))
            .unwrap()
    };
    let [other, lite, plain] = [1, 2, 3].map(|attack| key(0, attack));
    assert!(other["source"] != lite["source"] && plain.get("source").is_none(), "{plain}");
    assert_eq!(lite["source"]["model"], plan.models[1].digest.to_string().as_str());
    assert_eq!(lite["source"]["input"]["dtype"], "int8");
    for transfer in [other, lite] {
        let mut rest = transfer;
        rest.as_object_mut().unwrap().remove("source");
        assert_eq!(rest, plain, "nothing else tells a transfer from the attack itself");
    }
    // The ball and the grid are the target's.
    assert_eq!((key(0, 2)["grid"].as_bool(), key(1, 1)["grid"].as_bool()), (Some(false), Some(true)));
    let json = serde_json::to_value(world.plan(SUITE)).unwrap();
    assert!(json.get("sources").is_none() && json["attacks"][0].get("source").is_none(), "{json}");
}

/// The threshold decides verdicts; models without one have the keys that they always had.
#[test]
fn keys_hold_the_threshold_of_a_score() {
    let prediction = |threshold: &str| {
        let world = World::new();
        let output = format!(
            "{{ name: y, kind: score, classes: 2, threshold: {threshold}, labels: [0, 0, 0, 0, 1, 1, 1, 1, 1, 1] }}"
        );
        world.model("detector", INPUT, &output, "signs32");
        let plan = world.plan(&changed("[ten, two]", "[detector]"));
        let key = plan.prediction_key_material(&plan.models[0], &plan.slices[0]);
        serde_json::to_value(&key).expect("a key is JSON")
    };
    let [one, other] = ["0.01", "0.02"].map(prediction);
    assert_eq!((&one["threshold"], &one["output_kind"]), (&0.01.into(), &"score".into()));
    assert_ne!(one, other);
}

#[test]
fn keys_are_found_again_in_the_plan_as_it_is_recorded() {
    let world = World::new();
    let output = "{ name: y, kind: score, classes: 2, threshold: 0.5, labels: [0, 0, 0, 0, 1, 1, 1, 1, 1, 1] }";
    world.model("detector", INPUT, output, "signs32");
    world.model("other", INPUT, "{ name: y, kind: logits, classes: 10 }", "signs32");
    let transfers =
        changed("  - pgd-20\n", "  - pgd-20\n  - transfer: { name: t, from: [ten, other], attack: pgd-20 }\n");
    let curve = transfers.replace("attacks:", "curve: { epsilons: [1/255], unconstrained: true }\nattacks:");
    let suites = [
        changed("[ten, two]", "[ten, two, int8]"),
        changed("[ten, two]", "[detector]"),
        curve.replace("[ten, two]", "[ten, int8]"),
        changed("epsilon: 16/510", "epsilon: 16/510, budget: { backwards: 7 }"),
        changed("seed:", "probes: [kl-instability, lipschitz-l2]\ncorruptions: all\nseed:"),
    ];
    fn json(value: &impl serde::Serialize) -> Value {
        serde_json::to_value(value).expect("it is JSON")
    }
    fn parts<'a>(of: &'a Value, section: &str) -> &'a [Value] {
        of[section].as_array().map_or(&[], Vec::as_slice)
    }
    let mut corrupted = 0;
    for plan in suites.map(|suite| world.plan(&suite)) {
        let recorded = json(&plan);
        for (model, m) in plan.models.iter().zip(parts(&recorded, "models")) {
            for (slice, s) in plan.slices.iter().zip(parts(&recorded, "slices")) {
                let key = json(&plan.prediction_key_material(model, slice));
                assert_eq!(recorded_prediction_key(&recorded, m, s), key);
                for (attack, a) in plan.attacks.iter().zip(parts(&recorded, "attacks")) {
                    let key = json(&plan.check_key_material(model, attack, slice));
                    assert_eq!(recorded_check_key(&recorded, m, a, s), key);
                }
                for (probe, p) in plan.probes.iter().zip(parts(&recorded, "probes")) {
                    let key = json(&plan.probe_key_material(model, probe, slice));
                    assert_eq!(recorded_probe_key(&recorded, m, p, s), key);
                }
                for (corruption, c) in plan.corruptions.iter().zip(parts(&recorded, "corruptions")) {
                    for (severity, at) in corruption.severities.iter().zip(parts(c, "severities")) {
                        let key = json(&plan.corruption_key_material(model, corruption, severity, slice));
                        assert_eq!(recorded_corruption_key(&recorded, m, c, at, s), key);
                        corrupted += 1;
                    }
                }
            }
        }
    }
    assert!(corrupted > 0);
}

#[test]
fn the_summary_counts_the_worst_case() {
    let summary = World::new().plan(SUITE).summary();
    let Summary { suite, data, threat, attacks, probes, corruptions, models, total } = summary;
    assert!(probes.is_empty() && corruptions.is_empty());
    assert_snapshot!(format!("{suite}\n{data}\n{threat}"), @r"
    small
    signs32, split test, 600 samples
    linf, epsilon 16/510
    ");
    let attacks = attacks.iter().map(|a| format!("{} = {} {:?}\n", a.name, a.id, a.parameters)).collect::<String>();
    assert_snapshot!(attacks, @r#"
    fgsm = fgsm [("loss", "cross-entropy"), ("targets", "none")]
    pgd-20 = pgd [("keep", "best"), ("loss", "cross-entropy"), ("restarts", "1"), ("start", "random"), ("step_size", "2/255"), ("steps", "20"), ("targets", "none")]
    pgd-40x5 = pgd [("keep", "best"), ("loss", "margin"), ("restarts", "5"), ("start", "random"), ("step_size", "1/255"), ("steps", "40"), ("targets", "none")]
    fgsm-each = fgsm [("loss", "margin"), ("targets", "each")]
    "#);
    let costs =
        models.iter().map(|m| format!("{}: {:?} in all {:?}\n", m.name, m.attacks, m.total)).collect::<String>();
    assert_snapshot!(costs, @r"
    ten: [Cost { forwards: 600, backwards: 600, judge_forwards: 600 }, Cost { forwards: 12000, backwards: 12000, judge_forwards: 12600 }, Cost { forwards: 120000, backwards: 120000, judge_forwards: 123000 }, Cost { forwards: 5400, backwards: 5400, judge_forwards: 5400 }] in all Cost { forwards: 138000, backwards: 138000, judge_forwards: 145200 }
    two: [Cost { forwards: 600, backwards: 600, judge_forwards: 600 }, Cost { forwards: 12000, backwards: 12000, judge_forwards: 12600 }, Cost { forwards: 120000, backwards: 120000, judge_forwards: 123000 }, Cost { forwards: 600, backwards: 600, judge_forwards: 600 }] in all Cost { forwards: 133200, backwards: 133200, judge_forwards: 140400 }
    ");
    assert_eq!(total.forwards, models.iter().map(|model| model.total.forwards).sum::<u64>());
}

const PROBES: &str = "probes:
  - kl-instability
  - kl-instability-max
  - lipschitz-l1-linf
  - lipschitz: { name: lip, outputs: logits, numerator: l1, denominator: linf, inner: difference, steps: 10, step_size: 3e-3, start: { gaussian: 0.01 }, restarts: 1 }
seed:";

#[test]
fn probes_are_planned_with_every_number() {
    let plan = World::new().plan(&changed("seed:", PROBES));
    let json = serde_json::to_value(&plan).expect("a plan is JSON");
    let probes =
        json["probes"].as_array().expect("a list").iter().map(|probe| format!("{probe}\n")).collect::<String>();
    assert_snapshot!(probes, @r#"
    {"name":"kl-instability","revision":1,"spec":{"kl-instability":{"inner":"cross-entropy","keep":"last","start":"random","step_size":"2/255","steps":20}}}
    {"name":"kl-instability-max","revision":1,"spec":{"kl-instability":{"inner":"kl","keep":"best","start":"random","step_size":"2/255","steps":20}}}
    {"name":"lipschitz-l1-linf","revision":1,"spec":{"lipschitz":{"denominator":"linf","inner":"ratio","numerator":"l1","outputs":"logits","restarts":1,"start":{"gaussian":"0.001"},"step_size":"2/255","steps":20}}}
    {"name":"lip","revision":1,"spec":{"lipschitz":{"denominator":"linf","inner":"difference","numerator":"l1","outputs":"logits","restarts":1,"start":{"gaussian":"0.01"},"step_size":"3e-3","steps":10}}}
    "#);
    use attack::LossHead::{CrossEntropy, Kl, Linear, Margin};
    assert_eq!(plan.heads(10), [CrossEntropy, Margin, Linear, Kl]);
    let key = plan.probe_key_material(&plan.models[0], &plan.probes[3], &plan.slices[2]);
    let mut key = serde_json::to_value(&key).expect("a key is JSON");
    key["prediction"].take();
    assert_snapshot!(lines(&key), @r#"
    domain: {"grid":{"levels":255},"lower":"0","upper":"1"}
    epsilon: "8/255"
    grid: false
    norm: "linf"
    prediction: null
    probe: {"lipschitz":{"denominator":"linf","inner":"difference","numerator":"l1","outputs":"logits","restarts":1,"start":{"gaussian":"0.01"},"step_size":"3e-3","steps":10}}
    probe_revision: 1
    seed: "18446744073709551615"
    "#);
    let summary = plan.summary();
    let text = summary.probes.iter().map(|p| format!("{} = {} {:?}\n", p.name, p.id, p.parameters)).collect::<String>();
    assert_snapshot!(text, @r#"
    kl-instability = kl-instability [("inner", "cross-entropy"), ("keep", "last"), ("start", "random"), ("step_size", "2/255"), ("steps", "20")]
    kl-instability-max = kl-instability [("inner", "kl"), ("keep", "best"), ("start", "random"), ("step_size", "2/255"), ("steps", "20")]
    lipschitz-l1-linf = lipschitz [("denominator", "linf"), ("inner", "ratio"), ("numerator", "l1"), ("outputs", "logits"), ("restarts", "1"), ("start", "gaussian 0.001"), ("step_size", "2/255"), ("steps", "20")]
    lip = lipschitz [("denominator", "linf"), ("inner", "difference"), ("numerator", "l1"), ("outputs", "logits"), ("restarts", "1"), ("start", "gaussian 0.01"), ("step_size", "3e-3"), ("steps", "10")]
    "#);
    let with = &summary.models[0];
    assert_snapshot!(format!("{:?}", with.probes), @"[Cost { forwards: 13200, backwards: 12000, judge_forwards: 0 }, Cost { forwards: 25200, backwards: 12000, judge_forwards: 0 }, Cost { forwards: 25200, backwards: 12000, judge_forwards: 0 }, Cost { forwards: 13200, backwards: 6000, judge_forwards: 0 }]");
    let without = &World::new().plan(SUITE).summary().models[0];
    let probes: u64 = with.probes.iter().map(|cost| cost.backwards).sum();
    assert_eq!((with.total.backwards, &with.attacks), (without.total.backwards + probes, &without.attacks));
}

/// So that reports and blocks from before there were probes stay what they are.
#[test]
fn a_plan_without_probes_does_not_mention_them() {
    let world = World::new();
    let (with, without) = (world.plan(&changed("seed:", PROBES)), world.plan(SUITE));
    assert!(serde_json::to_value(&without).expect("a plan is JSON").get("probes").is_none());
    let key = |plan: &Plan| {
        serde_json::to_string(&plan.check_key_material(&plan.models[0], &plan.attacks[1], &plan.slices[0]))
            .expect("a key is JSON")
    };
    assert_eq!(key(&with), key(&without));
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
fn a_threat_on_the_grid_holds_every_model_to_it() {
    let world = World::new();
    let models = changed("[ten, two]", "[ten, int8]");
    let (free, held) = (world.plan(&models), world.plan(&models.replace("16/510", "16/510, grid: 255")));
    assert_eq!(held.models.iter().map(|model| model.grid).collect::<Vec<_>>(), [true, true]);
    assert_eq!(held.summary().threat, "linf, epsilon 16/510, on the grid k / 255");
    let rounded =
        |plan: &Plan| plan.models.iter().map(|model| model.grid && model.map.quantize.is_none()).collect::<Vec<_>>();
    assert_eq!((rounded(&free), rounded(&held)), (vec![false, false], vec![true, false]));
    // What a float model is asked differs, and what an integer model is asked does not.
    let key = |plan: &Plan, model: usize| {
        serde_json::to_string(&plan.check_key_material(&plan.models[model], &plan.attacks[0], &plan.slices[0]))
            .expect("a key is JSON")
    };
    assert_ne!(key(&free, 0), key(&held, 0));
    assert_eq!(key(&free, 1), key(&held, 1));
    let threat = |plan: &Plan| serde_json::to_value(&plan.threat).expect("a threat is JSON");
    assert_eq!((threat(&held)["grid"].as_u64(), threat(&free).get("grid")), (Some(255), None));
    assert_ne!(free.digest(), held.digest());
}

#[test]
fn a_budget_caps_what_the_plan_costs() {
    let world = World::new();
    let of = |budget: &str| world.plan(&changed("epsilon: 16/510", &format!("epsilon: 16/510, budget: {budget}")));
    let (free, capped) = (world.plan(SUITE), of("{ forwards: 15, backwards: 9 }"));
    assert_eq!(capped.summary().threat, "linf, epsilon 16/510, 15 forwards and 9 backwards a row at most");
    let budget = capped.threat.budget.expect("a budget");
    for (free, capped) in free.summary().models.iter().zip(capped.summary().models) {
        let rows = 600;
        for (free, capped) in free.attacks.iter().zip(&capped.attacks) {
            let row = Cost { forwards: free.forwards / rows, backwards: free.backwards / rows, ..*free };
            let row = budget.caps(row);
            assert_eq!((capped.forwards, capped.backwards), (row.forwards * rows, row.backwards * rows));
            assert_eq!(capped.judge_forwards, free.judge_forwards);
        }
        assert!(capped.total.forwards < free.total.forwards);
    }
    assert_ne!(free.digest(), capped.digest());
    let key = |plan: &Plan| {
        serde_json::to_string(&plan.check_key_material(&plan.models[0], &plan.attacks[0], &plan.slices[0]))
            .expect("a key is JSON")
    };
    assert_ne!(key(&capped), key(&of("{ forwards: 15, backwards: 8 }")));
}

#[test]
fn raw_integers_move_on_the_grid_of_the_data() {
    let world = World::new();
    world.raw_data("scale: 0.5847029\nzero_point: 83");
    let input = |rest: &str| format!("{{ name: x, layout: NCHW, shape: [1, 2, 2], units: raw, {rest} }}");
    let output = "{ name: y, kind: logits, classes: 2 }";
    world.model("float", &input("dtype: float32"), output, "own");
    world.model("uint8", &input("dtype: uint8, scale: 0.5847029, zero_point: 83"), output, "own");
    world.model("int8", &input("dtype: int8, scale: 0.5847029, zero_point: -45"), output, "own");
    let suite = changed("[ten, two]", "[float, uint8, int8]")
        .replace("name: signs32, split: test, samples: 600", "name: own, split: test, samples: 2");
    let plan = world.plan(&suite);
    assert_eq!(plan.models.iter().map(|model| model.grid).collect::<Vec<_>>(), [false, true, true]);
    let grid = Grid::Affine { scale: 0.584_702_9, zero_point: 83, low: 0, high: 255 };
    let domain = plan.attack_domain();
    assert_eq!((domain.grid, domain.lower, domain.upper), (Some(grid), -83.0 * 0.584_702_9, 172.0 * 0.584_702_9));
    let key = serde_json::to_value(plan.check_key_material(&plan.models[1], &plan.attacks[0], &plan.slices[0]))
        .expect("a key is JSON");
    assert_snapshot!(lines(&key["domain"]), @r#"
    grid: {"affine":{"high":255,"low":0,"scale":0.5847029089927673,"zero_point":83}}
    lower: "-48.530342"
    upper: "100.5689"
    "#);
    assert_eq!(key["grid"], true);
    let threat = plan.threat_model.clone();
    let samples = plan.data.rows(0..2).expect("two rows");
    let ball = threat.ball(&samples.x[..4], &domain, plan.models[1].grid).expect("rows are on the grid");
    assert!(ball.is_point(), "16/510 is less than a step");
}

#[test]
fn a_random_choice_is_in_the_plan() {
    let plan = World::new().plan(&changed("samples: 600", "samples: 600, choose: random"));
    assert_eq!(plan.dataset.rows.len(), 600);
    assert_eq!(plan.slices.len(), 8);
    assert!(plan.dataset.rows.ranges().len() > 100);
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
