//! Laws over the whole table of attacks, and closed forms: for linear models the worst case is known exactly.

use crate::attacks::ATTACKS;
use crate::lanes::{Answer, Candidate, Query, Search, drive};
use crate::run::Job;
use crate::testing::{Bent, Network};
use crate::*;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// A network with samples that it classifies right, by definition of their labels.
struct Problem {
    network: Network,
    x: Array2<f32>,
    labels: Vec<usize>,
    digests: Vec<[u8; 32]>,
}

impl Problem {
    fn new(mut network: Network, rows: usize, seed: u8) -> Self {
        let mut level = 0u32;
        let x = Array2::from_shape_simple_fn((rows, network.row_len()), || {
            level = level.wrapping_mul(1_103_515_245).wrapping_add(12_345 + u32::from(seed));
            // One pixel in four is black or white, where the bounds bite.
            match level >> 28 {
                0..2 => 0.0,
                2..4 => 1.0,
                _ => (level >> 16 & 0xff) as f32 / 255.0,
            }
        });
        let scores = network.predict(x.view()).expect("honest");
        let labels = scores.rows().into_iter().map(|row| argmax(&row.to_vec()).0).collect();
        let digests = (0..rows).map(|row| Sha256::digest([row as u8, seed]).into()).collect();
        Problem { network, x, labels, digests }
    }

    fn mlp() -> Self {
        Problem::new(Network::random(&[12, 16, 5], 1), 40, 1)
    }

    fn linear(classes: usize, rows: usize) -> Self {
        Problem::new(Network::random(&[30, classes], 5 + classes as u64), rows, 2)
    }

    fn integer() -> Self {
        let network = Network { levels: Some(255), ..Network::random(&[12, 16, 5], 1) };
        Problem::new(network, 40, 1)
    }

    fn select(&self, rows: &[usize]) -> (Array2<f32>, Vec<usize>, Vec<[u8; 32]>) {
        let labels = rows.iter().map(|row| self.labels[*row]).collect();
        (self.x.select(Axis(0), rows), labels, rows.iter().map(|row| self.digests[*row]).collect())
    }

    fn attack(&mut self, spec: &AttackSpec, threat: &ThreatModel) -> Vec<RowOutcome> {
        let order: Vec<usize> = (0..self.labels.len()).collect();
        self.attack_rows(spec, threat, &order)
    }

    fn attack_rows(&mut self, spec: &AttackSpec, threat: &ThreatModel, order: &[usize]) -> Vec<RowOutcome> {
        let (x, labels, digests) = self.select(order);
        let rows = Rows { x: x.view(), labels: &labels, digests: &digests };
        let layers = self.network.layers.clone();
        let mut judge = Network { layers, micro_batch: 0, levels: self.network.levels };
        let setting = setting(threat, self.network.levels.is_some());
        run(spec, &rows, &setting, &mut self.network, &mut judge).unwrap_or_else(|error| panic!("{spec:?}: {error}"))
    }

    fn ball(&self, row: usize, threat: &ThreatModel) -> Ball {
        let x = self.x.row(row).to_vec();
        threat.ball(&x, &Domain::PIXELS, self.network.levels.is_some()).expect("a ball")
    }

    /// The exact worst case of a linear model against the best rival.
    fn worst_margin(&self, row: usize, threat: &ThreatModel) -> f64 {
        let (weights, bias) = &self.network.layers[0];
        let (label, ball) = (self.labels[row], self.ball(row, threat));
        let rivals = (0..bias.len()).filter(|class| *class != label);
        let worst = rivals.map(|rival| {
            let pairs = weights.row(label).into_iter().zip(weights.row(rival));
            let w: Vec<f64> = pairs.map(|(own, other)| f64::from(*own) - f64::from(*other)).collect();
            linear_worst_margin(&w, f64::from(bias[label]) - f64::from(bias[rival]), &ball)
        });
        worst.fold(f64::INFINITY, f64::min)
    }
}

fn setting(threat: &ThreatModel, grid: bool) -> Setting<'_> {
    Setting { threat, domain: Domain::PIXELS, grid, seed: 7 }
}

fn threat(norm: Norm, epsilon: &str) -> ThreatModel {
    ThreatModel { norm, epsilon: epsilon.parse().expect("valid") }
}

fn cases() -> impl Iterator<Item = AttackSpec> {
    ATTACKS.iter().flat_map(|attack| (attack.cases)())
}

/// Both norms at a radius that breaks some rows of the networks here and leaves others.
fn threats() -> [ThreatModel; 2] {
    [threat(Norm::Linf, "16/255"), threat(Norm::L2, "0.2")]
}

#[test]
fn the_table_holds_every_file_and_every_line_is_complete() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/attacks");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the folder of the attacks")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .filter(|name| name != "mod")
        .collect();
    let table: BTreeSet<String> = ATTACKS.iter().map(|attack| attack.name.replace('-', "_")).collect();
    assert_eq!(files, table, "each file in attacks/ needs its line in ATTACKS");
    for attack in ATTACKS {
        assert!(!attack.about.is_empty() && attack.revision > 0, "{}", attack.name);
        for case in (attack.cases)() {
            assert!(std::ptr::eq(case.registered(), *attack), "{case:?}");
            let json = serde_json::to_value(&case).expect("plain data");
            let keys: BTreeSet<&str> =
                json[attack.name].as_object().expect("fields").keys().map(String::as_str).collect();
            let documented: BTreeSet<&str> = attack.parameters.iter().map(|parameter| parameter.name).collect();
            assert_eq!(keys, documented, "the parameters of {} and its documentation", attack.name);
            assert_eq!(serde_json::from_value::<AttackSpec>(json).expect("what it wrote"), case);
        }
    }
}

#[test]
fn witnesses_are_in_the_ball_and_misclassified() {
    let mut broken: Vec<(AttackSpec, usize)> = cases().map(|spec| (spec, 0)).collect();
    for mut problem in [Problem::mlp(), Problem::linear(3, 40), Problem::integer()] {
        for (index, threat) in (0..broken.len()).flat_map(|index| threats().map(|threat| (index, threat))) {
            let (spec, broken) = &mut broken[index];
            let outcomes = problem.attack(spec, &threat);
            let count = outcomes.iter().filter(|outcome| outcome.broken).count();
            assert!(count < outcomes.len(), "{spec:?} {threat:?}: nothing withstands, which proves little");
            *broken += count;
            for (row, outcome) in outcomes.iter().enumerate() {
                assert_eq!(outcome.found, outcome.confirmed + outcome.rejected);
                let Rejections { outside_ball, not_a_number, not_misclassified } = outcome.rejections;
                assert_eq!((outside_ball, not_a_number, not_misclassified), (0, 0, outcome.rejected));
                assert_eq!((outcome.broken, outcome.broken), (outcome.confirmed == 1, outcome.witness.is_some()));
                let Some(witness) = &outcome.witness else { continue };
                assert!(problem.ball(row, &threat).contains(witness), "{spec:?} {threat:?}");
                // In levels the radius is whole; in f64 the quotients of f32 are off by 2^-24 at most.
                assert!(outcome.distance.expect("a number") <= threat.epsilon.to_f64() + 6e-8);
                let x = ArrayView2::from_shape((1, witness.len()), witness).expect("one row");
                let (class, _) = argmax(&problem.network.predict(x).expect("honest").row(0).to_vec());
                assert!(class != problem.labels[row] && Some(class) == outcome.adversarial_class);
            }
        }
    }
    for (spec, broken) in broken {
        assert!(broken > 0, "{spec:?} breaks nothing, which proves little");
    }
}

#[test]
fn epsilon_zero_changes_nothing_and_costs_nothing() {
    for mut problem in [Problem::mlp(), Problem::integer()] {
        for (spec, norm) in cases().flat_map(|spec| [(spec.clone(), Norm::Linf), (spec, Norm::L2)]) {
            let outcomes = problem.attack(&spec, &threat(norm, "0"));
            assert!(outcomes.iter().all(|outcome| *outcome == RowOutcome::default()), "{spec:?}");
        }
    }
}

#[test]
fn a_row_fares_the_same_in_every_grouping_and_order() {
    let order: Vec<usize> = (0..40).collect();
    let backwards: Vec<usize> = (0..40).rev().collect();
    for (mut problem, spec) in cases().flat_map(|spec| [(Problem::mlp(), spec.clone()), (Problem::integer(), spec)]) {
        for threat in threats() {
            problem.network.micro_batch = 7;
            let expected = problem.attack_rows(&spec, &threat, &order);
            for micro_batch in [1, 64] {
                problem.network.micro_batch = micro_batch;
                assert_eq!(problem.attack_rows(&spec, &threat, &order), expected, "{spec:?} at {micro_batch}");
            }
            let mut reversed = problem.attack_rows(&spec, &threat, &backwards);
            reversed.reverse();
            assert_eq!(reversed, expected, "{spec:?} backwards");
            let alone: Vec<RowOutcome> =
                order.iter().flat_map(|row| problem.attack_rows(&spec, &threat, &[*row])).collect();
            assert_eq!(alone, expected, "{spec:?} alone");
        }
    }
}

#[test]
fn micro_batches_stay_full_while_rows_wait() {
    struct Watched(Network, Vec<usize>);
    impl Oracle for Watched {
        fn classes(&self) -> usize {
            self.0.classes()
        }
        fn row_len(&self) -> usize {
            self.0.row_len()
        }
        fn micro_batch(&self) -> usize {
            self.0.micro_batch
        }
        fn logits(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError> {
            self.0.logits(x)
        }
        fn gradient(&mut self, x: ArrayView2<'_, f32>, loss: &Loss) -> Result<Gradient, OracleError> {
            self.1.push(x.nrows());
            self.0.gradient(x, loss)
        }
    }
    let Problem { network, x, labels, digests } = Problem::mlp();
    let (threat, rows) = (threat(Norm::Linf, "8/255"), Rows { x: x.view(), labels: &labels, digests: &digests });
    let mut oracle = Watched(network, Vec::new());
    let spec = preset("pgd-20").expect("a preset").resolve(&threat).expect("it resolves");
    let outcomes = run(&spec, &rows, &setting(&threat, false), &mut oracle, &mut Problem::mlp().network).expect("runs");
    let total: u64 = outcomes.iter().map(|outcome| outcome.backwards).sum();
    let calls = oracle.1;
    assert_eq!(calls.iter().sum::<usize>() as u64, total);
    let tail = calls.iter().rev().take_while(|rows| **rows < 4).count();
    // Only when the queue is empty, for at most one row's 20 steps, may lanes be idle.
    assert!(tail <= 20 && calls[..calls.len() - tail].iter().all(|rows| *rows == 4), "{calls:?}");
}

#[test]
fn two_class_linear_models_meet_their_exact_worst_case() {
    let mut problem = Problem::linear(2, 200);
    for epsilon in ["1/255", "8/255", "0.05", "0.2"] {
        let threat = threat(Norm::Linf, epsilon);
        let exact: Vec<f64> = (0..200).map(|row| problem.worst_margin(row, &threat)).collect();
        let mut specs: Vec<AttackSpec> = ["fgsm", "pgd-20"]
            .map(|name| preset(name).expect("a preset").resolve(&threat).expect("it resolves"))
            .to_vec();
        specs.push(AttackSpec::Fgsm(Fgsm { loss: LossKind::Margin, targets: Targets::None }));
        for spec in specs {
            for (outcome, exact) in problem.attack(&spec, &threat).iter().zip(&exact) {
                // Logits are rounded to f32 before they are compared: magnitudes here are below 16.
                if exact.abs() > 2e-6 {
                    assert_eq!(outcome.broken, *exact < 0.0, "{spec:?} {epsilon}: exact margin {exact}");
                }
            }
        }
        let robust = exact.iter().filter(|margin| **margin > 0.0).count();
        assert!((1..200).contains(&robust), "{epsilon}: {robust} of 200 proves little");
    }
}

#[test]
fn ten_class_linear_models_fall_to_one_step_on_each_margin() {
    let mut problem = Problem::linear(10, 200);
    for epsilon in ["1/255", "0.01", "0.03"] {
        let threat = threat(Norm::Linf, epsilon);
        let each = AttackSpec::Fgsm(Fgsm { loss: LossKind::Margin, targets: Targets::Each });
        let outcomes = problem.attack(&each, &threat);
        let exact: Vec<f64> = (0..200).map(|row| problem.worst_margin(row, &threat)).collect();
        for (outcome, exact) in outcomes.iter().zip(&exact).filter(|(_, exact)| exact.abs() > 2e-6) {
            assert_eq!(outcome.broken, *exact < 0.0, "{epsilon}: exact margin {exact}");
        }
        let robust = |outcomes: &[RowOutcome]| outcomes.iter().filter(|outcome| !outcome.broken).count();
        assert!((1..200).contains(&robust(&outcomes)), "{epsilon}");
        for name in ["fgsm", "pgd-20"] {
            let spec = preset(name).expect("a preset").resolve(&threat).expect("it resolves");
            let untargeted = problem.attack(&spec, &threat);
            assert!(robust(&untargeted) >= robust(&outcomes), "nothing beats the exact worst case");
        }
    }
}

/// Keeps what the judge was shown.
struct Recorder(Network, Vec<Vec<f32>>);

impl Predictor for Recorder {
    fn predict(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError> {
        self.1.extend(x.rows().into_iter().map(|row| row.to_vec()));
        self.0.predict(x)
    }
}

/// The points that an attack on one row of a linear model shows the judge, and that model's margins there.
fn shown(problem: Problem, spec: &AttackSpec, threat: &ThreatModel) -> (Vec<Vec<f32>>, Vec<f64>) {
    let Problem { mut network, x, labels, digests } = problem;
    let (weights, bias) = network.layers[0].clone();
    let mut judge = Recorder(Network::linear(weights.clone(), bias.clone()), Vec::new());
    let rows = Rows { x: x.view(), labels: &labels, digests: &digests };
    run(spec, &rows, &setting(threat, false), &mut network, &mut judge).expect("it runs");
    let rival = 1 - labels[0];
    let margin = |x: &Vec<f32>| {
        let pairs = weights.row(labels[0]).into_iter().zip(weights.row(rival));
        let w = pairs.map(|(own, other)| f64::from(*own) - f64::from(*other));
        w.zip(x).fold(f64::from(bias[labels[0]]) - f64::from(bias[rival]), |sum, (w, x)| sum + w * f64::from(*x))
    };
    let margins = judge.1.iter().map(margin).collect();
    (judge.1, margins)
}

#[test]
fn fgsm_and_pgd_reach_the_optimum_to_the_last_bit() {
    for epsilon in ["1/255", "0.002", "0.0001"] {
        let threat = threat(Norm::Linf, epsilon);
        for (row, name) in (0..20).flat_map(|row| [(row, "fgsm"), (row, "pgd-20")]) {
            let mut problem = Problem::linear(2, 20);
            let exact = problem.worst_margin(row, &threat);
            (problem.x, problem.labels, problem.digests) = problem.select(&[row]);
            let spec = preset(name).expect("a preset").resolve(&threat).expect("it resolves");
            let (_, margins) = shown(problem, &spec, &threat);
            assert!(exact < 0.0 || margins[0] == exact, "{name} {epsilon}: {margins:?}, not {exact}");
        }
    }
}

#[test]
fn l2_reaches_the_optimum_inside_the_box() {
    let threat = threat(Norm::L2, "0.05");
    // Projection aims one part in a million inside. From a random start each step of epsilon/4 turns the perturbation
    // toward the gradient; after 20 steps from a right angle the cosine is 1 - 2.3e-4, from a cosine of -0.3 it is 1 - 3.8e-4.
    for (name, tolerance) in [("fgsm", 2e-6), ("pgd-20", 4e-4)] {
        let mut problem = Problem::new(Network::random(&[30, 2], 9), 1, 3);
        problem.x.fill(0.5);
        let scores = problem.network.predict(problem.x.view()).expect("honest").row(0).to_vec();
        problem.labels = vec![argmax(&scores).0];
        // A bias keeps the row right, so that the whole search is shown.
        problem.network.layers[0].1[problem.labels[0]] += 10.0;
        let (weights, bias) = problem.network.layers[0].clone();
        let (label, rival) = (problem.labels[0], 1 - problem.labels[0]);
        let w: Vec<f64> = (0..30).map(|i| f64::from(weights[[label, i]]) - f64::from(weights[[rival, i]])).collect();
        let reach = 0.05 * w.iter().map(|w| w * w).sum::<f64>().sqrt();
        let clean = w.iter().sum::<f64>() * 0.5 + f64::from(bias[label]) - f64::from(bias[rival]);
        let spec = preset(name).expect("a preset").resolve(&threat).expect("it resolves");
        let (_, margins) = shown(problem, &spec, &threat);
        // Rounding moves each element by a unit of 6e-8 at most; the weights' magnitudes sum to less than 30.
        assert!(
            (margins[0] - (clean - reach)).abs() < tolerance * reach + 1.8e-6,
            "{name}: {margins:?} {}",
            clean - reach
        );
        assert!(margins.iter().all(|margin| *margin >= clean - reach));
    }
}

#[test]
fn a_sample_in_the_corner_of_the_domain_moves_inward() {
    for (fill, norm) in [(0.0, Norm::Linf), (1.0, Norm::Linf), (0.0, Norm::L2), (1.0, Norm::L2)] {
        let mut problem = Problem::mlp();
        problem.x.fill(fill);
        let scores = problem.network.predict(problem.x.view()).expect("honest");
        problem.labels.fill(argmax(&scores.row(0).to_vec()).0);
        for spec in cases() {
            let outcomes = problem.attack(&spec, &threat(norm, "1"));
            let witnesses = outcomes.iter().filter_map(|outcome| outcome.witness.as_ref());
            assert!(witnesses.flatten().all(|x| (0.0..=1.0).contains(x)), "{spec:?}");
            assert!(outcomes.iter().all(|outcome| outcome.rejections.outside_ball == 0), "{spec:?}");
        }
    }
}

/// What a bent oracle leads to, with an honest judge.
fn bent(spec: &AttackSpec, lie: impl FnMut(&mut Gradient)) -> Vec<RowOutcome> {
    let threat = threat(Norm::Linf, "1/255");
    let Problem { network, x, labels, digests } = Problem::mlp();
    let rows = Rows { x: x.view(), labels: &labels, digests: &digests };
    let mut oracle = Bent { honest: network, lie };
    run(spec, &rows, &setting(&threat, false), &mut oracle, &mut Problem::mlp().network).expect("it runs")
}

fn pgd(targets: Targets, loss: LossKind) -> AttackSpec {
    let (step_size, start, keep) = ("1/510".parse().expect("valid"), Start::Random, Keep::Best);
    AttackSpec::Pgd(Pgd { steps: 5, step_size, start, restarts: 2, loss, targets, keep })
}

#[test]
fn an_oracle_that_claims_what_is_not_so_is_rejected() {
    let labels = Problem::mlp().labels;
    assert!(labels.iter().any(|label| *label != 0));
    let spec = pgd(Targets::None, LossKind::CrossEntropy);
    let outcomes = bent(&spec, |answer| answer.logits.fill(0.0));
    // Equal logits are class 0, so every other row is claimed at each iterate.
    for (outcome, label) in outcomes.iter().zip(labels).filter(|(outcome, _)| !outcome.broken) {
        assert_eq!(outcome.rejections.not_misclassified > 0, label != 0);
        assert!(outcome.rejected <= 10 && outcome.found == outcome.rejected);
    }
    assert!(outcomes.iter().any(|outcome| outcome.rejected > 0));
}

#[test]
fn gradients_that_are_no_numbers_are_flagged() {
    for spec in cases() {
        let all = bent(&spec, |answer| {
            answer.gradient.fill(f32::NAN);
            answer.loss.fill(f32::NAN);
            answer.logits.fill(f32::NAN);
        });
        assert!(all.iter().all(|row| row.non_finite_gradients > 0 && row.rejected == 0), "{spec:?}");
        let one = bent(&spec, |answer| answer.gradient.column_mut(0).fill(f32::INFINITY));
        assert!(one.iter().all(|row| row.non_finite_gradients > 0 && row.zero_gradients == 0), "{spec:?}");
        let none = bent(&spec, |answer| answer.gradient.fill(0.0));
        assert!(none.iter().all(|row| row.zero_gradients > 0 && row.non_finite_gradients == 0), "{spec:?}");
        let honest = bent(&spec, |_| {});
        assert!(honest.iter().all(|row| row.zero_gradients == 0 && row.non_finite_gradients == 0), "{spec:?}");
    }
}

/// An attack that proposes, as claimed, whatever it likes.
struct Liar(Option<Vec<f32>>, Vec<f32>);

impl Search for Liar {
    fn query(&self) -> Option<(Query, &[f32])> {
        self.0.as_ref().map(|_| (Query::Logits, &self.1[..]))
    }

    fn advance(&mut self, _: &Ball, _: &Answer<'_>, _: &mut RowOutcome) -> Vec<Candidate> {
        self.0.take().map(|x_adv| Candidate { x_adv, claimed: true }).into_iter().collect()
    }
}

#[test]
fn an_attack_that_lies_is_caught_and_never_predicted() {
    let corner = |ball: &Ball| ball.upper.clone();
    let beyond = |ball: &Ball| [&[ball.upper[0].next_up()], &ball.center()[1..]].concat();
    let no_number = |ball: &Ball| [&[f32::NAN], &ball.center()[1..]].concat();
    let short = |ball: &Ball| ball.center()[1..].to_vec();
    let not_misclassified = |row: &RowOutcome| row.rejections.not_misclassified + row.confirmed;
    check_lie(&corner, not_misclassified, 1);
    for lie in [&beyond as &dyn Fn(&Ball) -> Vec<f32>, &short] {
        check_lie(lie, |row| row.rejections.outside_ball, 0);
    }
    check_lie(&no_number, |row| row.rejections.not_a_number, 0);
}

/// Claims `lie` once for each row: it counts as found, and `count` says where it ends, after so many `forwards`.
fn check_lie(lie: &dyn Fn(&Ball) -> Vec<f32>, count: fn(&RowOutcome) -> u32, forwards: u64) {
    let Problem { mut network, x, labels, digests } = Problem::mlp();
    let threat = threat(Norm::Linf, "1/255");
    let rows = Rows { x: x.view(), labels: &labels, digests: &digests };
    let job = Job { rows, setting: setting(&threat, false) };
    let mut predictor = Problem::mlp().network;
    let mut judge = Judge::new(&mut predictor);
    let begin = |_: usize, ball: &Ball| Liar(Some(lie(ball)), ball.center().to_vec());
    let outcomes = drive(&job, LossKind::Margin, &mut network, &mut judge, begin).expect("it runs");
    for outcome in &outcomes {
        assert_eq!((outcome.found, count(outcome), outcome.judge_forwards), (1, 1, forwards));
        assert!(forwards == 1 || !outcome.broken);
    }
    assert_eq!(judge.forwards(), forwards * outcomes.len() as u64);
}

/// A predictor with the same scores for every row.
struct Fixed(Vec<f32>);

impl Predictor for Fixed {
    fn predict(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError> {
        Ok(Array2::from_shape_fn((x.nrows(), self.0.len()), |(_, class)| self.0[class]))
    }
}

#[test]
fn verdicts_that_rest_on_a_tie_say_so() {
    let threat = threat(Norm::Linf, "1/255");
    let ball = threat.ball(&[0.5], &Domain::PIXELS, false).expect("a ball");
    let proposal = Proposal { ball: &ball, label: 1, x_adv: &[0.5] };
    let table = [
        (vec![1.0, 1.0, 0.0], Ruling::Confirmed { class: 0, tie: true }),
        (vec![0.0, 1.0, 1.0], Ruling::Rejected(Refusal::NotMisclassified)),
        (vec![0.0, 1.0, 2.0], Ruling::Confirmed { class: 2, tie: false }),
        (vec![f32::NAN, 1.0, 2.0], Ruling::Rejected(Refusal::ScoresNotANumber)),
    ];
    for (scores, ruling) in table {
        assert_eq!(Judge::new(&mut Fixed(scores)).rule(&[proposal, proposal]).expect("rules"), vec![ruling; 2]);
    }
    assert!(Judge::new(&mut Fixed(vec![1.0])).rule(&[proposal]).is_err(), "one score is no classifier");
}

#[test]
fn an_attack_cannot_overspend_and_answers_of_the_wrong_shape_are_refused() {
    let mut network = Network::random(&[3, 2], 1);
    let x = Array2::zeros((2, 3));
    let mut metered = Metered::new(&mut network, Cost { forwards: 5, backwards: 2, judge_forwards: 0 });
    let loss = Loss::Margin { labels: vec![0, 1] };
    assert!(metered.gradient(x.view(), &loss).is_ok() && metered.logits(x.view()).is_ok());
    assert_eq!(metered.spent(), Cost { forwards: 4, backwards: 2, judge_forwards: 0 });
    assert!(metered.logits(x.view()).is_err());
    let lie = |answer: &mut Gradient| answer.loss = Array1::zeros(1);
    let cap = Cost { forwards: 9, backwards: 9, judge_forwards: 0 };
    let mut metered = Metered::new(Bent { honest: Network::random(&[3, 2], 1), lie }, cap);
    let message = metered.gradient(x.view(), &loss).expect_err("the wrong shape").to_string();
    assert_eq!(message, "read the oracle's loss: expected shape (2, 1), found (1, 1)");
}

#[test]
fn attacks_ask_for_the_heads_that_they_state_and_keep_to_their_cost() {
    struct Heads(Network, BTreeSet<LossHead>);
    impl Oracle for Heads {
        fn classes(&self) -> usize {
            self.0.classes()
        }
        fn row_len(&self) -> usize {
            self.0.row_len()
        }
        fn micro_batch(&self) -> usize {
            self.0.micro_batch
        }
        fn logits(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError> {
            self.0.logits(x)
        }
        fn gradient(&mut self, x: ArrayView2<'_, f32>, loss: &Loss) -> Result<Gradient, OracleError> {
            self.1.insert(loss.head());
            self.0.gradient(x, loss)
        }
    }
    for spec in cases() {
        let Problem { network, x, labels, digests } = Problem::mlp();
        let rows = Rows { x: x.view(), labels: &labels, digests: &digests };
        let threat = threat(Norm::Linf, "1/2550");
        let mut oracle = Heads(network, BTreeSet::new());
        let outcomes = run(&spec, &rows, &setting(&threat, false), &mut oracle, &mut Problem::mlp().network);
        assert_eq!(oracle.1.into_iter().collect::<Vec<_>>(), spec.heads(), "{spec:?}");
        let survivor = outcomes.expect("it runs").into_iter().find(|row| !row.broken).expect("a survivor");
        let cost = spec.cost(5);
        assert_eq!((survivor.forwards, survivor.backwards), (cost.forwards, cost.backwards), "{spec:?}");
        assert!(survivor.judge_forwards <= cost.judge_forwards);
    }
}

#[test]
fn presets_are_exact_settings() {
    let json = |name: &str, epsilon: &str| {
        let spec = preset(name).expect("a preset").resolve(&threat(Norm::Linf, epsilon)).expect("it resolves");
        serde_json::to_string(&spec).expect("plain data")
    };
    assert_eq!(json("fgsm", "8/255"), r#"{"fgsm":{"loss":"cross-entropy","targets":"none"}}"#);
    assert_eq!(
        json("pgd-20", "8/255"),
        r#"{"pgd":{"steps":20,"step_size":"2/255","start":"random","restarts":1,"loss":"cross-entropy","targets":"none","keep":"best"}}"#
    );
    assert_eq!(
        json("pgd-20-trades", "31/1000"),
        r#"{"pgd":{"steps":20,"step_size":"0.003","start":"random-clipped","restarts":1,"loss":"cross-entropy","targets":"none","keep":"last"}}"#
    );
    let trades = preset("pgd-20-trades").expect("a preset");
    for (norm, epsilon) in [(Norm::Linf, "8/255"), (Norm::Linf, "0.0310001"), (Norm::L2, "0.031")] {
        let message = trades.resolve(&threat(norm, epsilon)).expect_err("refused").to_string();
        let expected = format!("it is defined for linf and epsilon 0.031; found {norm} and {epsilon}");
        assert_eq!(message, format!("set up `pgd-20-trades`: {expected}"));
    }
    assert!(preset("pgd-21").is_none());
}

#[test]
fn senseless_settings_and_shapes_are_refused() {
    let AttackSpec::Pgd(plain) = pgd(Targets::None, LossKind::Margin) else { unreachable!("pgd makes a Pgd") };
    let table = [
        (Pgd { steps: 0, ..plain.clone() }, "`steps` is 0"),
        (Pgd { restarts: 0, ..plain.clone() }, "`restarts` is 0"),
        (Pgd { start: Start::None, ..plain.clone() }, "restarts from the sample itself"),
        (Pgd { step_size: "0".parse().expect("valid"), ..plain.clone() }, "`step_size` is 0"),
    ];
    for (pgd, expected) in table {
        let error = AttackSpec::Pgd(pgd).check(&threat(Norm::Linf, "8/255")).expect_err(expected).to_string();
        assert!(error.starts_with(&format!("set up `pgd`: {expected}")), "{error}");
    }
    let threat = threat(Norm::Linf, "8/255");
    let spec = AttackSpec::Pgd(plain);
    let Problem { mut network, mut x, labels, digests } = Problem::mlp();
    let mut refuse = |x: &Array2<f32>, labels: &[usize], digests: &[[u8; 32]]| {
        let rows = Rows { x: x.view(), labels, digests };
        run(&spec, &rows, &setting(&threat, false), &mut network, &mut Fixed(vec![0.0, 1.0]))
            .expect_err("refused")
            .to_string()
    };
    assert_eq!(refuse(&x, &labels[1..], &digests), "match the shapes: 40 rows with 39 labels and 40 digests");
    assert_eq!(refuse(&x, &[5; 40], &digests), "match the shapes: label 5 for a model of 5 classes");
    let narrow = x.slice(ndarray::s![.., ..3]).to_owned();
    assert_eq!(refuse(&narrow, &labels, &digests), "match the shapes: rows of 3 elements for a model of 12");
    x[[17, 3]] = f32::NAN;
    assert_eq!(
        refuse(&x, &labels, &digests),
        "attack row 17: bound the sample: element 3 is NaN, expected a finite number"
    );
}

#[test]
fn random_starts_fill_the_ball() {
    for (norm, start) in [(Norm::Linf, Start::Random), (Norm::Linf, Start::RandomClipped), (Norm::L2, Start::Random)] {
        let threat = threat(norm, "0.1");
        let (step_size, loss) = ("1/1000000000".parse().expect("valid"), LossKind::CrossEntropy);
        let (targets, keep) = (Targets::None, Keep::Last);
        let spec = AttackSpec::Pgd(Pgd { steps: 1, step_size, start, restarts: 400, loss, targets, keep });
        let mut problem = Problem::new(Network::random(&[4, 2], 3), 1, 0);
        problem.x.fill(0.5);
        problem.network.layers[0].0.fill(0.0);
        problem.labels = vec![1];
        problem.network.layers[0].1.assign(&ndarray::array![0.0, 1.0]);
        let (points, _) = shown(problem, &spec, &threat);
        assert_eq!(points.len(), 400);
        let ball = threat.ball(&[0.5; 4], &Domain::PIXELS, false).expect("a ball");
        let mut distances: Vec<f64> = points.iter().map(|x| ball.distance(x) / 0.1).collect();
        distances.sort_by(f64::total_cmp);
        // Both balls are 4-dimensional: a share r^4 of a uniform sample lies within r. The median is 2^(-1/4); with
        // 400 draws it is within 0.03.
        assert!((distances[200] - 0.8409).abs() < 0.03, "{norm} {start:?}: {}", distances[200]);
        for element in 0..4 {
            let mean = points.iter().map(|x| f64::from(x[element]) - 0.5).sum::<f64>() / 400.0;
            assert!(mean.abs() < 0.012, "{norm}: {mean}, four standard errors");
        }
    }
}

/// The digest of all outcomes of an attack's cases on the fixed networks. When one of these changes, the numbers of
/// the attack have moved: raise its revision and put both here.
const GOLDEN: &[(&str, u32, &str)] = &[("fgsm", 1, "d06bfb289a4d4f19"), ("pgd", 1, "0f53c3a0aab38958")];

#[test]
fn numbers_move_only_with_the_revision() {
    let mut found = Vec::new();
    for attack in ATTACKS {
        let mut hash = Sha256::new();
        for (spec, threat) in
            (attack.cases)().into_iter().flat_map(|spec| threats().map(|threat| (spec.clone(), threat)))
        {
            for mut problem in [Problem::mlp(), Problem::linear(3, 40), Problem::integer()] {
                for row in problem.attack(&spec, &threat) {
                    hash.update([u8::from(row.broken), row.adversarial_class.map_or(255, |class| class as u8)]);
                    hash.update([row.forwards, row.backwards, row.judge_forwards].map(u64::to_le_bytes).concat());
                    hash.update([row.found, row.confirmed, row.rejected].map(u32::to_le_bytes).concat());
                    row.witness.iter().flatten().for_each(|x| hash.update(x.to_bits().to_le_bytes()));
                }
            }
        }
        let digest: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        found.push((attack.name, attack.revision, digest));
    }
    let expected: Vec<(&str, u32, String)> =
        GOLDEN.iter().map(|(name, rev, digest)| (*name, *rev, (*digest).to_owned())).collect();
    assert_eq!(found, expected, "raise the revision of an attack whose numbers moved, and note its digest");
}
