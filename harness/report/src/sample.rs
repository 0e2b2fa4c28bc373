//! Results made by hand, for tests.

use std::collections::BTreeMap;
use std::ops::Range;

use evidence::{
    ActivationMemory, AttackResult, Bound, Busy, CONFIDENCE, CheckObservation, ClassResult, CorruptionResult,
    CorruptionResults, CurvePoint, DatasetFacts, Decision, Digest, EarlyStopping, Flag, GateResult, GateVerdict, Host,
    Idleness, Latency, LatencyFlag, Machine, ModelLatency, ModelResult, Observations, ProbeResult, Protocol, Published,
    PublishedModel, Ratio, Results, RowSet, RuntimeFacts, SeverityResult, StaticCost, ThreatFacts, WindowLatency,
    WorstCase, analyse, clopper_pearson, rank,
};
use serde_json::{Value, json};

use crate::{Figure, Picture, Stored};

const TOTAL: u64 = 10_000;

fn text(text: &str) -> String {
    text.to_owned()
}

fn map(value: Value) -> BTreeMap<String, Value> {
    serde_json::from_value(value).expect("an object")
}

/// A model with so many correct rows, and so many robust ones per attack.
pub(crate) fn model(name: &str, correct: u64, attacks: &[(&str, u64)]) -> ModelResult {
    model_of(TOTAL, name, correct, attacks)
}

/// The same of so many rows.
fn model_of(total: u64, name: &str, correct: u64, attacks: &[(&str, u64)]) -> ModelResult {
    let clean = clopper_pearson(correct, total, CONFIDENCE);
    ModelResult {
        name: text(name),
        digest: Digest::of(name.as_bytes()),
        clean_accuracy: correct as f64 / total as f64,
        ci_low: clean.low,
        ci_high: clean.high,
        clean_auc: None,
        correct,
        total,
        correct_rows: RowSet::default(),
        classes: Vec::new(),
        ties: 1,
        macs: Some(12_501_632),
        macs_torchprofile: Some(12_501_696),
        parameters: Some(78_666),
        params_without_bn: Some(77_706),
        cost: None,
        notes: Vec::new(),
        flags: BTreeMap::new(),
        inconclusive: Vec::new(),
        attacks: attacks.iter().map(|&(name, robust)| attack(total, name, correct, robust)).collect(),
        worst_case: attacks.iter().map(|&(_, robust)| robust).min().map(|robust| {
            let interval = clopper_pearson(robust, total, CONFIDENCE);
            WorstCase {
                robust_accuracy: robust as f64 / total as f64,
                bound: Bound::Upper,
                ci_low: interval.low,
                ci_high: interval.high,
                auc: None,
                robust,
                robust_rows: RowSet::default(),
                total,
            }
        }),
        probes: Vec::new(),
        corruptions: None,
    }
}

fn probe(name: &str, units: &str, mean: Option<f64>) -> ProbeResult {
    ProbeResult {
        name: text(name),
        probe: text(name),
        about: format!("what {name} measures, in one line"),
        units: text(units),
        bound: Bound::Lower,
        upper: None,
        mean,
        p95: mean.map(|mean| 3.0 * mean),
        max: mean.map(|mean| 10.0 * mean),
        max_row: mean.map(|_| 4711),
        smallest: None,
        ece: None,
        measured: if mean.is_some() { TOTAL - 1 } else { 0 },
        total: TOTAL,
        flags: [(Flag::ZeroGradient, 5)].into(),
        forwards: 22 * TOTAL,
        backwards: 20 * TOTAL,
        revision: 1,
        parameters: map(json!({ "steps": 20 })),
    }
}

fn attack(total: u64, name: &str, correct: u64, robust: u64) -> AttackResult {
    let interval = clopper_pearson(robust, total, CONFIDENCE);
    AttackResult {
        name: text(name),
        source: None,
        robust_accuracy: robust as f64 / total as f64,
        bound: Bound::Upper,
        ci_low: interval.low,
        ci_high: interval.high,
        auc: None,
        robust,
        robust_rows: RowSet::default(),
        total,
        wrong: total - correct,
        attacked: correct.saturating_sub(robust),
        certified: 0,
        unknown: robust,
        found: correct.saturating_sub(robust) + 12,
        confirmed: correct.saturating_sub(robust),
        rejected: 12,
        ties: 3,
        stages: Vec::new(),
        curve: Vec::new(),
        distances: None,
        flags: [(Flag::Tie, 3), (Flag::Unconfirmed, 2)].into(),
        inconclusive: Vec::new(),
        forwards: 20 * correct,
        backwards: 20 * correct,
        judge_forwards: correct,
        revision: 1,
        parameters: map(json!({ "steps": 20, "step_size": "2/255" })),
    }
}

/// Results of these models.
pub(crate) fn results(models: Vec<ModelResult>) -> Results {
    Results {
        schema_version: 1,
        suite: text("resnet8-linf"),
        tinyassay: text("0.1.0"),
        plan_digest: Digest::of(b"plan"),
        dataset: DatasetFacts {
            name: text("cifar10"),
            split: text("test"),
            digest: Digest::of(b"data"),
            samples: TOTAL,
            selection: text("the first 10000 by index"),
            licence: Some(text("MIT")),
            classes: Vec::new(),
        },
        threat: ThreatFacts {
            norm: text("linf"),
            epsilon: text("8/255"),
            units: text("pixels in 0..1"),
            grid: None,
            budget: None,
        },
        runtime: RuntimeFacts {
            provider: text("cpu"),
            onnxruntime: text("1.31.1"),
            library_sha256: text("fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3"),
            instruction_set: text("avx2"),
            optimisation: text("all"),
        },
        plan: map(json!({ "attacks": [{ "name": "fgsm" }, { "name": "pgd-20", "steps": 20 }], "seed": "0" })),
        ranking: None,
        analysis: None,
        models,
        published: None,
    }
}

/// Two models, two attacks.
pub(crate) fn example() -> Results {
    let mut int8 = model("resnet8-cifar10-int8", 8707, &[("fgsm", 2100), ("pgd-20", 17)]);
    int8.notes.push(text("the softmax ending was cut: gradients are those of the logits"));
    (int8.macs, int8.parameters) = (Some(12_501_632), None);
    results(vec![int8, model("resnet8-cifar10", 8719, &[("fgsm", 2034), ("pgd-20", 21)])])
}

/// Three models on 100 cats and 100 dogs, in turns: `strong` and `middle` cannot be told apart, `weak` is worse than both. They have
/// curves, and what the two that are best withstand is not the same.
pub(crate) fn ranked() -> Results {
    // Which animals of each kind withstand.
    let models: [(&str, Range<usize>, Range<usize>, u64); 3] = [
        ("weak", 0..0, 0..30, 1_000_000),
        ("strong", 0..40, 0..70, 12_501_632),
        ("middle", 30..50, 30..100, 20_000_000),
    ];
    let models = models.into_iter().map(|(name, cats, dogs, macs)| {
        let of = |has: &dyn Fn(usize, usize) -> bool| -> RowSet { (0..200).map(|row| has(row % 2, row / 2)).collect() };
        let robust_rows = of(&|kind, animal| if kind == 0 { cats.contains(&animal) } else { dogs.contains(&animal) });
        let correct_rows = of(&|kind, animal| kind == 1 || animal < 90);
        let (correct, robust) = (correct_rows.count(), robust_rows.count());
        let class = |output: u32, name: &str, correct, robust: &Range<usize>| ClassResult {
            output,
            name: text(name),
            total: 100,
            correct,
            robust: Some(robust.len() as u64),
        };
        let mut model = model_of(200, name, correct, &[("pgd-20", robust)]);
        model.classes = vec![class(0, "cat", 90, &cats), class(1, "dog", 100, &dogs)];
        (model.correct_rows, model.macs) = (correct_rows, Some(macs));
        let attack = &mut model.attacks[0];
        let point = |epsilon: &str, robust: u64| {
            let interval = clopper_pearson(robust, 200, CONFIDENCE);
            CurvePoint {
                epsilon: text(epsilon),
                robust_accuracy: robust as f64 / 200.0,
                ci_low: interval.low,
                ci_high: interval.high,
                robust,
            }
        };
        attack.curve =
            vec![point("4/255", (robust + correct) / 2), point("8/255", robust), point("16/255", robust / 4)];
        attack.robust_rows = robust_rows.clone();
        model.worst_case.as_mut().expect("there is an attack").robust_rows = robust_rows;
        model
    });
    let models: Vec<ModelResult> = models.collect();
    let mut results = Results { ranking: rank(&models), ..results(models) };
    results.dataset.samples = 200;
    results.dataset.classes = vec![text("cat"), text("dog")];
    results.dataset.selection = text("the first 200 by index");
    results.plan.insert(text("slices"), json!([{ "index": 0, "rows": [[0, 200]] }]));
    results
}

/// The first two models with two probes, one of which has no value on one model.
pub(crate) fn with_probes() -> Results {
    let mut results = example();
    for (model, ratio) in results.models.iter_mut().zip([None, Some(71.263)]) {
        model.probes.push(probe("kl-instability", "nats", Some(0.012_345)));
        model.probes.push(probe("lipschitz-l1-linf", "logits per unit", ratio));
    }
    results
}

/// Flash and memory of one of the two, the other as an older version left it.
pub(crate) fn with_static_cost() -> Results {
    let mut results = example();
    results.models[1].cost = Some(StaticCost {
        weight_bytes: 312_744,
        int8_bytes: 78_744,
        flash_bytes: 81_512,
        activations: ActivationMemory {
            file_order_bytes: 49_152,
            best_order_bytes: 32_768,
            best_is_optimal: false,
            lower_bound_bytes: 32_000,
        },
    });
    results
}

/// Two models, one of which was run on two corruptions.
pub(crate) fn with_corruptions() -> Results {
    let mut results = example();
    let corruption = |name: &str, parameter: &str, severities: &[(u32, f64, u64)]| {
        let cell = |&(severity, number, correct): &(u32, f64, u64)| {
            let interval = clopper_pearson(correct, TOTAL, CONFIDENCE);
            SeverityResult {
                severity,
                parameters: [(text(parameter), number)].into(),
                accuracy: correct as f64 / TOTAL as f64,
                ci_low: interval.low,
                ci_high: interval.high,
                correct,
                total: TOTAL,
            }
        };
        let severities: Vec<SeverityResult> = severities.iter().map(cell).collect();
        let mean_accuracy = severities.iter().map(|cell| cell.accuracy).sum::<f64>() / severities.len() as f64;
        CorruptionResult {
            name: text(name),
            about: format!("What {name} does."),
            revision: 1,
            mean_accuracy,
            severities,
        }
    };
    let corruptions = vec![
        corruption("contrast", "kept", &[(1, 0.75, 8000), (5, 0.15, 5000)]),
        corruption("jpeg", "quality", &[(1, 80.0, 7000), (5, 40.0, 4000)]),
    ];
    let model = results.models.last_mut().expect("there are two");
    model.corruptions =
        Some(CorruptionResults { mean_accuracy: 0.6, relative_accuracy: Some(0.6 / 0.8719), corruptions });
    results
}

/// A detector beside a model that has no scores.
pub(crate) fn detectors() -> Results {
    let mut detector = model("autoencoder", 8000, &[("pgd-20", 6000)]);
    detector.clean_auc = Some(0.931_25);
    detector.attacks[0].auc = Some(0.720_41);
    detector.worst_case.as_mut().expect("there is an attack").auc = Some(0.720_41);
    results(vec![detector, model("classifier", 9000, &[("pgd-20", 21)])])
}

/// Four models with all that is compared, and what a publication states about two of them and one that is not here.
pub(crate) fn compared() -> Results {
    let net = |name: &str, correct, robust, parameters: u64, means: [Option<f64>; 2]| {
        let mut net = model(name, correct, &[("pgd-20", robust)]);
        (net.parameters, net.params_without_bn) = (Some(parameters), Some(parameters - 60));
        net.probes =
            vec![probe("kl-instability", "nats", means[0]), probe("lipschitz-l1-linf", "logits per unit", means[1])];
        net
    };
    let models = vec![
        net("e6", 6800, 3800, 404_390, [Some(0.04), Some(66.0)]),
        net("w65", 7700, 4700, 1_087_942, [Some(0.058), Some(79.0)]),
        net("e10", 7500, 4700, 523_398, [Some(0.05), None]),
        net("e20", 7400, 4600, 820_918, [Some(0.049), Some(70.0)]),
    ];
    let stated = |name: &str, clean, robust, kl, params| PublishedModel {
        name: text(name),
        clean_accuracy: Some(clean),
        robust_accuracy: [(text("pgd-20"), robust)].into(),
        probes: [(text("kl-instability"), kl)].into(),
        params_without_bn: Some(params),
        ..PublishedModel::default()
    };
    let published = Published {
        source: text("A. Author 2023, table 1"),
        models: vec![
            stated("w100", 0.7915, 0.4711, 7.27, 2.278e6),
            stated("e6", 0.6923, 0.3991, 3.75, 404e3),
            stated("w65", 0.7824, 0.48, 5.63, 1.088e6),
        ],
    };
    Results { analysis: analyse(&models, Some(&published)), published: Some(published), ..results(models) }
}

/// A figure that is none.
pub(crate) fn figure() -> Figure {
    Figure { svg: text("<svg></svg>\n") }
}

/// What gates say: one of each end.
pub(crate) fn verdict() -> GateVerdict {
    let gate = |threshold: f64, model: &str, decision: Decision| GateResult {
        gate: format!("robust_accuracy of pgd-20 at least {threshold} (ci_low, 95 %)"),
        metric: text("robust_accuracy"),
        model: text(model),
        decision,
        message: text("measured within limits; evaluate more rows"),
        measured: Some(0.55),
        ci_low: Some(0.48),
        ci_high: Some(0.62),
        threshold: Some(threshold),
        p: None,
        file: text("suite.yaml"),
        line: 12,
    };
    let gates = vec![
        gate(0.4, "strong", Decision::Pass),
        gate(0.5, "strong", Decision::Inconclusive),
        gate(0.4, "weak", Decision::Fail),
    ];
    GateVerdict::of("resnet8-linf", gates)
}

/// Pictures that are PNGs by their first bytes only.
pub(crate) fn pictures() -> Vec<Picture> {
    let picture = |file: &str, title: &str, caption: &str| Picture {
        file: text(file),
        title: text(title),
        caption: text(caption),
        png: [b"\x89PNG\r\n\x1a\n", file.as_bytes()].concat(),
    };
    vec![
        picture("rows.png", "The data set", "8 rows of cat, then 8 of dog."),
        picture("adversarial-1.png", "strong under pgd-20", "Row 3: cat is taken for dog."),
    ]
}

/// Observations of a run.
pub(crate) fn observations() -> Observations {
    Observations {
        schema_version: Observations::SCHEMA_VERSION,
        started_at: text("2026-11-05T12:00:00Z"),
        host: Host { os: text("linux"), arch: text("x86_64"), cpus: 2 },
        jobs: 2,
        wall_seconds: 61.25,
        blocks_computed: 3,
        blocks_reused: 1,
        blocks_damaged: Vec::new(),
        checks: vec![CheckObservation {
            model: text("resnet8-cifar10"),
            check: text("fgsm"),
            wall_seconds: 60.5,
            blocks_computed: 3,
            blocks_reused: 1,
        }],
        latency: Vec::new(),
    }
}

/// Two models that took turns on a busy machine: the second twice as slow as the first, whose windows differ.
pub(crate) fn latency() -> Latency {
    let window = |milliseconds: f64| WindowLatency { iterations: 3, seconds: 3e-3 * milliseconds };
    let estimate = |percentile: f64, queries_needed: u64| EarlyStopping {
        percentile,
        queries_needed,
        discarded: None,
        estimate_ns: None,
    };
    let model = |name: &str, scale: f64, ratio: Option<Ratio>, flags: Vec<LatencyFlag>| ModelLatency {
        model: text(name),
        inferences_per_second: 1000.0 / (1.5 * scale),
        latency_ns: 1.5e6 * scale,
        p50_ns: (1.25e6 * scale) as u64,
        p90_ns: (2e6 * scale) as u64,
        p99_ns: (2.1e6 * scale) as u64,
        inferences: 6,
        early_stopping: vec![estimate(0.9, 64), estimate(0.99, 662)],
        spread: 2.0 / 3.0,
        ratio,
        windows: vec![window(scale), window(2.0 * scale)],
        flags,
    };
    let ratio = Ratio { median: 2.0, min: 1.9, max: 2.1, p50: 1.95 };
    Latency {
        name: text("latency-2t"),
        protocol: Protocol { windows: 2, seconds: 0, iterations: 3, warm_ups: 1 },
        machine: Machine {
            processor: Some(text("A \u{1b}processor")),
            cpus: 2,
            os: text("linux"),
            arch: text("x86_64"),
            governor: Some(text("powersave")),
            max_mhz: Some(2000.0),
            provider: text("cpu"),
            device: None,
            onnxruntime: text("1.31.1"),
            threads: 2,
            batch: 1,
        },
        idleness: Idleness { load_average: Some(2.5), before: Some(Busy { own: 0.0, others: 0.25 }), during: None },
        reference: Some(text("small|net")),
        input: text("row 0 of data set `tiny`, split test"),
        models: vec![
            model("small|net", 1.0, None, vec![LatencyFlag::Unsteady, LatencyFlag::FewQueries]),
            model("large", 2.0, Some(ratio), vec![LatencyFlag::NotMlperf]),
        ],
        flags: vec![LatencyFlag::Busy],
    }
}

/// Rows of the models of [`paired`].
const FEW: u64 = 100;

/// Models on 100 rows, with so many correct ones and so many that withstand the one attack: the first by index. They say which
/// rows these are, and have classes `even` and `odd`.
pub(crate) fn paired(models: &[(&str, u64, u64)]) -> Results {
    let first = |count: u64| -> RowSet { (0..FEW).map(|row| row < count).collect() };
    let interval = |count: u64| clopper_pearson(count, FEW, CONFIDENCE);
    let made = models.iter().map(|&(name, correct, robust)| {
        let mut made = model(name, 0, &[("pgd-20", 0)]);
        let (clean, under) = (interval(correct), interval(robust));
        (made.clean_accuracy, made.correct, made.total) = (correct as f64 / FEW as f64, correct, FEW);
        (made.ci_low, made.ci_high, made.correct_rows) = (clean.low, clean.high, first(correct));
        made.classes = ["even", "odd"]
            .into_iter()
            .enumerate()
            .map(|(output, name)| {
                let of = |count: u64| (0..count).filter(|row| row % 2 == output as u64).count() as u64;
                ClassResult {
                    output: output as u32,
                    name: text(name),
                    total: of(FEW),
                    correct: of(correct),
                    robust: Some(of(robust)),
                }
            })
            .collect();
        let attack = &mut made.attacks[0];
        (attack.robust_accuracy, attack.robust, attack.total) = (robust as f64 / FEW as f64, robust, FEW);
        (attack.ci_low, attack.ci_high, attack.robust_rows) = (under.low, under.high, first(robust));
        (attack.wrong, attack.attacked, attack.unknown) = (FEW - correct, correct - robust, robust);
        (attack.found, attack.confirmed) = (correct - robust + 12, correct - robust);
        (attack.forwards, attack.backwards, attack.judge_forwards) = (20 * correct, 20 * correct, correct);
        made.worst_case = Some(WorstCase {
            robust_accuracy: attack.robust_accuracy,
            bound: Bound::Upper,
            ci_low: under.low,
            ci_high: under.high,
            auc: None,
            robust,
            robust_rows: first(robust),
            total: FEW,
        });
        made
    });
    let mut results = results(made.collect());
    (results.dataset.samples, results.dataset.selection) = (FEW, text("the first 100 by index"));
    results.dataset.classes = vec![text("even"), text("odd")];
    results.ranking = rank(&results.models);
    results
}

/// The results as a report folder has them, with nothing beside.
pub(crate) fn stored(results: Results) -> Stored {
    Stored { results, observations: None, training: None, suite: None, verdict: None, pictures: Vec::new() }
}
