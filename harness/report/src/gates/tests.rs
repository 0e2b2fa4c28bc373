//! What gates decide, held against closed forms and by laws.

use std::collections::BTreeMap;

use evidence::{
    Baseline, CONFIDENCE, ClassResult, Decision, Flag, Gate, GateResult, MaxDrop, Metric, On, Paired, Results, RowSet,
    Rule, clopper_pearson,
};

use super::sample::{ask, limit, measured};
use super::{Subject, check_baselines, evaluate};
use crate::sample::latency;

/// The first `some` of `all` rows.
fn first(some: usize, all: usize) -> RowSet {
    (0..all).map(|row| row < some).collect()
}

fn net(some: usize, all: usize) -> Results {
    measured(&[("net", &first(all, all), &first(some, all))])
}

fn try_judge(results: &Results, gate: &Gate, baselines: &BTreeMap<String, Results>) -> Result<GateResult, String> {
    let subject = Subject { results, latency: &[], baselines };
    let verdict = evaluate(std::slice::from_ref(gate), "suites/s.yaml", &subject).map_err(|error| error.to_string())?;
    assert_eq!((verdict.gates.len(), verdict.decision), (1, verdict.gates[0].decision));
    assert_eq!((verdict.gates[0].file.as_str(), verdict.gates[0].line), ("suites/s.yaml", 3));
    Ok(verdict.gates.into_iter().next().unwrap())
}

fn judge(results: &Results, gate: &Gate) -> GateResult {
    try_judge(results, gate, &BTreeMap::new()).unwrap()
}

fn robust(rule: Rule) -> Gate {
    ask(Metric::RobustAccuracy, Some("pgd"), rule)
}

/// Every count, every threshold, every side: the decision is what the interval says, and no other.
#[test]
fn limits_decide_as_the_interval_says() {
    const ALL: usize = 40;
    for some in 0..=ALL {
        let results = net(some, ALL);
        let interval = clopper_pearson(some as u64, ALL as u64, CONFIDENCE);
        let point = some as f64 / ALL as f64;
        for threshold in (0..=20).map(|step| f64::from(step) / 20.0).chain([interval.low, interval.high, point]) {
            let of = |rule: Rule| judge(&results, &robust(rule)).decision;
            let least = |on| of(Rule::AtLeast(limit(threshold, on)));
            let most = |on| of(Rule::AtMost(limit(threshold, on)));
            let either = |good: bool| if good { Decision::Pass } else { Decision::Fail };
            let name = format!("{some} of {ALL} at {threshold}");
            assert_eq!(least(On::Point), either(point >= threshold), "{name}");
            assert_eq!(most(On::Point), either(point <= threshold), "{name}");
            assert_eq!(least(On::CiHigh), either(interval.high >= threshold), "{name}");
            assert_eq!(most(On::CiLow), either(interval.low <= threshold), "{name}");
            let strict = match () {
                () if interval.low >= threshold => Decision::Pass,
                () if interval.high < threshold => Decision::Fail,
                () => Decision::Inconclusive,
            };
            assert_eq!(least(On::CiLow), strict, "{name}");
            let strict = match () {
                () if interval.high <= threshold => Decision::Pass,
                () if interval.low > threshold => Decision::Fail,
                () => Decision::Inconclusive,
            };
            assert_eq!(most(On::CiHigh), strict, "{name}");
        }
    }
}

#[test]
fn more_confidence_never_turns_a_verdict_around() {
    for some in 0..=60 {
        let at = |confidence| {
            let limit = evidence::Limit { threshold: 0.5, on: On::CiLow, confidence: Some(confidence) };
            judge(&net(some, 60), &robust(Rule::AtLeast(limit))).decision
        };
        let [low, high] = [at(0.5), at(0.999)];
        assert!(high == low || high == Decision::Inconclusive, "{some}: {low:?}, {high:?}");
    }
}

#[test]
fn messages_say_measured_bound_limits_and_threshold() {
    let message = |some, rule| judge(&net(some, 1000), &robust(rule)).message;
    insta::assert_snapshot!(
        [
            message(312, Rule::AtLeast(limit(0.25, On::CiLow))),
            message(312, Rule::AtLeast(limit(0.3, On::CiLow))),
            message(312, Rule::AtLeast(limit(0.4, On::CiLow))),
            message(312, Rule::AtLeast(limit(0.34, On::CiHigh))),
            message(312, Rule::AtMost(limit(0.3, On::Point))),
        ]
        .join("\n"),
        @r##"
    measured 31.2 %, 95 % limits 28.3373 % to 34.1738 % (312 of 1000 rows; an upper bound found by search); asked is a lower limit ≥ 25 %. A stronger attack may find less
    measured 31.2 %, 95 % limits 28.3373 % to 34.1738 % (312 of 1000 rows; an upper bound found by search); asked is a lower limit ≥ 30 %. The threshold lies between the limits, so neither is shown: more samples would tell
    measured 31.2 %, 95 % limits 28.3373 % to 34.1738 % (312 of 1000 rows; an upper bound found by search); asked is a lower limit ≥ 40 %. `tinyassay attack show REPORT --model net` lists what broke it
    measured 31.2 %, 95 % limits 28.3373 % to 34.1738 % (312 of 1000 rows; an upper bound found by search); asked is an upper limit ≥ 34 %. This limit is the lenient one: passing does not show that the threshold is met, only that missing it is not shown. A stronger attack may find less
    measured 31.2 %, 95 % limits 28.3373 % to 34.1738 % (312 of 1000 rows; an upper bound found by search); asked is at most 30 %. `tinyassay attack show REPORT --model net` lists what broke it
    "##
    );
}

fn drop_gate(metric: Metric, of: Option<&str>, report: Option<&str>, model: Option<&str>) -> Gate {
    let baseline = Baseline { report: report.map(str::to_owned), model: model.map(str::to_owned) };
    ask(metric, of, Rule::MaxDrop(MaxDrop { allowed: 0.02, confidence: CONFIDENCE, baseline }))
}

/// Rows `only_a` are the baseline's alone, rows `only_b` the model's alone.
fn pair(both: usize, only_a: usize, only_b: usize, all: usize) -> (RowSet, RowSet) {
    let place = |row: usize| match row {
        _ if row < both => (true, true),
        _ if row < both + only_a => (true, false),
        _ if row < both + only_a + only_b => (false, true),
        _ => (false, false),
    };
    ((0..all).map(|row| place(row).0).collect(), (0..all).map(|row| place(row).1).collect())
}

#[test]
fn drops_decide_as_tangos_interval_says() {
    let everything = first(200, 200);
    for only_a in (0..60).step_by(3) {
        for only_b in (0..30).step_by(3) {
            let (before, after) = pair(50, only_a, only_b, 200);
            let results = measured(&[("net", &everything, &after), ("old", &everything, &before)]);
            let result = judge(&results, &drop_gate(Metric::RobustAccuracy, Some("pgd"), None, Some("old")));
            let counts = Paired {
                both: 50,
                only_a: only_a as u64,
                only_b: only_b as u64,
                neither: (150 - only_a - only_b) as u64,
            };
            let interval = counts.tango(CONFIDENCE);
            let expected = match () {
                () if interval.high <= 0.02 => Decision::Pass,
                () if interval.low > 0.02 => Decision::Fail,
                () => Decision::Inconclusive,
            };
            assert_eq!(result.decision, expected, "{counts:?}");
            assert_eq!((result.ci_low, result.ci_high), (Some(interval.low), Some(interval.high)));
            assert_eq!((result.measured, result.p), (Some(counts.difference()), Some(counts.mcnemar())));
            assert_eq!(result.threshold, Some(0.02));
        }
    }
}

/// The numbers of rows at which the same model passes: (0, 0) of n has the upper limit z²/(n + z²).
#[test]
fn an_equal_model_passes_with_enough_rows_and_not_with_few() {
    let z2 = 1.959_963_984_540_054_f64.powi(2);
    for rows in [20, 100, 180, 187, 190, 250, 1000] {
        let results = measured(&[("net", &first(rows, rows), &first(rows / 2, rows))]);
        let baselines = BTreeMap::from([("old".to_owned(), results.clone())]);
        for metric in [Metric::CleanAccuracy, Metric::WorstCase] {
            let result = try_judge(&results, &drop_gate(metric, None, Some("old"), None), &baselines).unwrap();
            let enough = z2 / (rows as f64 + z2) <= 0.02 - 2e-8;
            let expected = if enough { Decision::Pass } else { Decision::Inconclusive };
            assert_eq!((result.decision, result.p), (expected, Some(1.0)), "{rows}: {}", result.message);
        }
    }
}

#[test]
fn a_search_in_doubt_turns_a_pass_into_inconclusive_and_nothing_else() {
    let doubted = |some| {
        let mut results = net(some, 1000);
        results.models[0].attacks[0].inconclusive = vec![Flag::StoodStill];
        results
    };
    for metric in [Metric::RobustAccuracy, Metric::WorstCase] {
        let gate = |rule| ask(metric, (metric == Metric::RobustAccuracy).then_some("pgd"), rule);
        let least = gate(Rule::AtLeast(limit(0.4, On::Point)));
        let result = judge(&doubted(500), &least);
        assert_eq!(result.decision, Decision::Inconclusive);
        assert!(
            result.message.contains("stood-still") && result.message.contains("not to be trusted"),
            "{}",
            result.message
        );
        assert_eq!(judge(&net(500, 1000), &least).decision, Decision::Pass);
        assert_eq!(judge(&doubted(300), &least).decision, Decision::Fail);
        assert_eq!(judge(&doubted(300), &gate(Rule::AtMost(limit(0.4, On::Point)))).decision, Decision::Pass);
        let mut whole = net(500, 1000);
        whole.models[0].inconclusive = vec![Flag::Randomised];
        assert_eq!(judge(&whole, &least).decision, Decision::Inconclusive);
        assert_eq!(
            judge(&whole, &ask(Metric::CleanAccuracy, None, Rule::AtLeast(limit(0.4, On::Point)))).decision,
            Decision::Pass
        );
    }
    let mut two = doubted(500);
    let mut other = two.models[0].attacks[0].clone();
    (other.name, other.inconclusive) = ("other".into(), Vec::new());
    two.models[0].attacks.push(other);
    let worst = ask(Metric::WorstCase, None, Rule::AtLeast(limit(0.4, On::Point)));
    assert_eq!(judge(&two, &worst).decision, Decision::Pass, "another attack, without doubts, leaves as few rows");
}

#[test]
fn baselines_that_were_measured_otherwise_are_errors_that_say_what_differs() {
    let here = net(500, 1000);
    let gate = drop_gate(Metric::RobustAccuracy, Some("pgd"), Some("old"), None);
    let clean = drop_gate(Metric::CleanAccuracy, None, Some("old"), None);
    type Change = fn(&mut Results);
    let set = |pointer: &'static str, value: &'static str| (pointer, value);
    let table = [
        (set("dataset/digest", "x1"), "`dataset.digest` is \"00\" here and \"x1\" there", true),
        (set("dataset/rows", "[[0,50]]"), "`dataset.rows`", true),
        (set("models/0/labels", "[0,1,1]"), "`classes that the model tells apart`", true),
        (
            set("threat/epsilon_fraction", "4/255"),
            "`threat.epsilon_fraction` is \"8/255\" here and \"4/255\" there",
            false,
        ),
        (set("seed", "x"), "`seed` is \"0\" here and \"x\" there", false),
        (set("attacks/0/spec/pgd/steps", "10"), "`attacks.pgd.spec.pgd.steps` is 20 here and 10 there", false),
    ];
    for ((pointer, value), message, of_clean) in table {
        let mut other = here.clone();
        let (section, rest) = pointer.split_once('/').unwrap_or((pointer, ""));
        let place = other.plan.get_mut(section).unwrap();
        let place = if rest.is_empty() { place } else { place.pointer_mut(&format!("/{rest}")).unwrap() };
        *place = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        let baselines = BTreeMap::from([("old".to_owned(), other)]);
        let error = try_judge(&here, &gate, &baselines).unwrap_err();
        assert!(error.contains(message) && error.contains("hint: run the same suite"), "{pointer}: {error}");
        assert!(
            error.starts_with(
                "judge `net` by the gate in suites/s.yaml:3, robust_accuracy of pgd at most 0.02 below old"
            ),
            "{error}"
        );
        let early = check_baselines(std::slice::from_ref(&gate), "suites/s.yaml", &here.plan, &baselines).unwrap_err();
        assert_eq!(early.to_string(), error);
        assert_eq!(try_judge(&here, &clean, &baselines).is_err(), of_clean, "{pointer}");
    }
    let renumbered: Change = |other| other.plan.get_mut("models").unwrap()[0]["labels"] = serde_json::json!([2, 0, 1]);
    let radius: Change = |other| other.plan.get_mut("threat").unwrap()["epsilon"] = "16/510".into();
    for change in [renumbered, radius] {
        let mut other = here.clone();
        change(&mut other);
        assert!(try_judge(&here, &gate, &BTreeMap::from([("old".to_owned(), other)])).is_ok());
    }
    let error =
        |gate: &Gate, other: Results| try_judge(&here, gate, &BTreeMap::from([("old".to_owned(), other)])).unwrap_err();
    let mut bare = here.clone();
    bare.models[0].attacks[0].robust_rows = RowSet::default();
    assert!(error(&gate, bare).contains("does not say which rows"));
    let mut other = here.clone();
    other.models[0].name = "elsewhere".into();
    assert!(error(&gate, other).contains("old has no model `net`\nhint: it has elsewhere"));
    assert!(try_judge(&here, &gate, &BTreeMap::new()).unwrap_err().contains("was not read"));
    let open = drop_gate(Metric::CleanAccuracy, None, None, None);
    assert!(
        try_judge(&here, &open, &BTreeMap::new()).unwrap_err().contains("hint: name its folder with --baseline DIR")
    );
}

#[test]
fn flags_must_be_absent_where_they_are_asked_for() {
    let results = net(500, 1000);
    // The attack has the flags `tie` on 3 rows and `unconfirmed` on 2.
    let absent = |flags: &[Flag], of| judge(&results, &ask(Metric::Flags, of, Rule::Absent(flags.to_vec())));
    assert_eq!(absent(&[Flag::StoodStill], None).decision, Decision::Pass);
    let all: Vec<Flag> = Flag::DOCS.iter().map(|doc| doc.flag).collect();
    for (flags, of) in [(vec![Flag::Tie], None), (vec![Flag::Tie], Some("pgd")), (all, None)] {
        let result = absent(&flags, of);
        assert_eq!(result.decision, Decision::Fail);
        assert!(result.message.contains("tie on 3 rows under pgd"), "{}", result.message);
    }
}

#[test]
fn costs_classes_and_latencies_are_read_where_they_stand() {
    let mut results = net(500, 1000);
    let class =
        |output, name: &str, correct, robust| ClassResult { output, name: name.into(), total: 500, correct, robust };
    results.models[0].classes = vec![class(0, "stop", 450, Some(100)), class(1, "yield", 400, Some(200))];
    let table = [
        (Metric::Macs, 12_501_632.0),
        (Metric::Params, 78_666.0),
        (Metric::CleanAccuracy, 1.0),
        (Metric::WorstCase, 0.5),
        (Metric::WorstClassAccuracy, 0.8),
    ];
    for (metric, value) in table {
        let result = judge(&results, &ask(metric, None, Rule::AtMost(limit(value, On::Point))));
        assert_eq!((result.measured, result.decision), (Some(value), Decision::Pass));
        let below = judge(&results, &ask(metric, None, Rule::AtMost(limit(value - 0.01, On::Point))));
        assert_eq!(below.decision, Decision::Fail, "{}", below.message);
    }
    let class = Gate { robust: true, ..ask(Metric::WorstClassAccuracy, None, Rule::AtLeast(limit(0.1, On::CiLow))) };
    let result = judge(&results, &class);
    let each = [(100, 500), (200, 500)].map(|(some, all)| clopper_pearson(some, all, 0.975));
    assert_eq!((result.measured, result.ci_low, result.ci_high), (Some(0.2), Some(each[0].low), Some(each[0].high)));
    assert!(result.message.contains("class `stop`, 100 of 500 rows"), "{}", result.message);
    let missing =
        try_judge(&results, &ask(Metric::Int8Bytes, None, Rule::AtMost(limit(1.0, On::Point))), &BTreeMap::new());
    assert!(missing.unwrap_err().contains("hint: run the suite again"));

    let observed = latency();
    let ratio =
        observed.models.iter().find_map(|model| Some((model.model.clone(), model.ratio?.median))).expect("a ratio");
    results.models[0].name = ratio.0.clone();
    let gate = |at_most| Gate {
        models: vec![ratio.0.clone()],
        ..ask(Metric::LatencyRatio, Some(&observed.name), Rule::AtMost(limit(at_most, On::Point)))
    };
    let (gate, none) = (gate(ratio.1), BTreeMap::new());
    let subject = Subject { results: &results, latency: std::slice::from_ref(&observed), baselines: &none };
    let verdict = evaluate(std::slice::from_ref(&gate), "s.yaml", &subject).unwrap();
    assert_eq!((verdict.decision, verdict.gates[0].measured), (Decision::Pass, Some(ratio.1)));
    let error = evaluate(&[gate], "s.yaml", &Subject { latency: &[], ..subject }).unwrap_err().to_string();
    assert!(error.contains("no observed latency"), "{error}");
}

/// Results are files that anyone may have written.
#[test]
fn results_that_contradict_themselves_are_errors() {
    type Change = fn(&mut Results);
    let changes: [(Metric, Change); 5] = [
        (Metric::RobustAccuracy, |r| r.models[0].attacks[0].robust = 2000),
        (Metric::CleanAccuracy, |r| r.models[0].total = 0),
        (Metric::WorstCase, |r| r.models[0].worst_case.as_mut().unwrap().robust = 499),
        (Metric::CleanAccuracy, |r| r.models[0].correct_rows = first(3, 4)),
        (Metric::WorstClassAccuracy, |r| {
            r.models[0].classes = vec![ClassResult { output: 0, name: "a".into(), total: 1, correct: 2, robust: None }];
        }),
    ];
    for (metric, change) in changes {
        let mut results = net(500, 1000);
        change(&mut results);
        let gate =
            ask(metric, (metric == Metric::RobustAccuracy).then_some("pgd"), Rule::AtLeast(limit(0.1, On::CiLow)));
        let error = try_judge(&results, &gate, &BTreeMap::new()).unwrap_err();
        assert!(error.contains("contradict themselves"), "{error}");
    }
    let mut without = net(500, 1000);
    without.models.clear();
    let gate = ask(Metric::CleanAccuracy, None, Rule::AtLeast(limit(0.1, On::CiLow)));
    assert!(try_judge(&without, &gate, &BTreeMap::new()).unwrap_err().contains("the report does not have it"));
}
