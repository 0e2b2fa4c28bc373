//! Tests of the testers: oracles and attacks that lie, break or overspend.

use super::*;
use crate::lanes::{Row, Search, drive};
use crate::run::Job;
use crate::testing::Bent;
use ndarray::Array1;
use std::rc::Rc;

/// What a bent oracle leads to, with an honest judge.
fn bent(spec: &AttackSpec, lie: impl FnMut(&mut Gradient)) -> Vec<RowOutcome> {
    let threat = threat_for(spec, "1/255");
    let Problem { network, x, labels, digests, .. } = Problem::mlp();
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

/// Gradients may come from another graph than logits, as those of quantized files do.
#[test]
fn no_search_passes_by_what_its_gradients_misclassify() {
    let is_last = |spec: &AttackSpec| matches!(spec, AttackSpec::Pgd(Pgd { keep: Keep::Last, .. }));
    let mut claimed = 0;
    for spec in cases().filter(|spec| !spec.heads(5).is_empty() && !is_last(spec)) {
        let outcomes = bent(&spec, |answer| {
            answer.logits.fill(0.0);
            // A rival leads where the loss is a margin.
            answer.loss.fill(1.0);
        });
        for outcome in outcomes {
            assert!(!outcome.silent_success, "{spec:?}");
            claimed += outcome.found;
        }
    }
    assert!(claimed > 100, "{claimed}");
}

/// Takes every row for class 1 at first, and for class 0 after so many.
struct Stubborn(usize);

impl Predictor for Stubborn {
    fn predict(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError> {
        let patience = self.0;
        self.0 = patience.saturating_sub(x.nrows());
        Ok(Array2::from_shape_fn((x.nrows(), 5), |(row, class)| {
            f32::from(u8::from(class == usize::from(row < patience)))
        }))
    }
}

#[test]
fn a_rejected_row_stays_in_play() {
    let Problem { network, x, digests, .. } = Problem::mlp();
    let threat = threat(Norm::Linf, "8/255");
    let rows = Rows { x: x.slice(ndarray::s![..1, ..]), labels: &[1], digests: &digests[..1] };
    // Every iterate is claimed: 5 and the last of the first restart, then those of the second.
    for (patience, gradients) in [(0, 1), (3, 4), (5, 5), (6, 6), (8, 8)] {
        let mut oracle = Bent {
            honest: Network { layers: network.layers.clone(), ..Network::random(&[1, 2], 0) },
            lie: |answer: &mut Gradient| answer.logits.fill(0.0),
        };
        let spec = pgd(Targets::None, LossKind::CrossEntropy);
        let outcomes =
            run(&spec, &rows, &setting(&threat, false), &mut oracle, &mut Stubborn(patience)).expect("it runs");
        let [outcome] = &outcomes[..] else { panic!("one row in, {} out", outcomes.len()) };
        assert_eq!((outcome.broken, outcome.backwards, outcome.judge_forwards), (true, gradients, patience as u64 + 1));
        // The last iterate of the first restart was not claimed.
        assert_eq!(outcome.rejected as usize, patience - usize::from(patience > 5));
    }
}

#[test]
fn gradients_that_are_no_numbers_are_flagged() {
    // What looks at logits alone has none.
    for spec in cases().filter(|spec| !spec.heads(3).is_empty()) {
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
    let Problem { mut network, x, labels, digests, .. } = Problem::mlp();
    let threat = threat(Norm::Linf, "1/255");
    let rows = Rows { x: x.view(), labels: &labels, digests: &digests };
    let job = Job { rows, setting: setting(&threat, false) };
    let mut predictor = Problem::mlp().network;
    let mut judge = Judge::new(&mut predictor);
    let begin = |row: Rc<Row>| -> Search<'_> { Box::pin(async move { row.submit(lie(&row.ball), true).await }) };
    let outcomes = drive(&job, &mut network, &mut judge, begin).expect("it runs");
    for outcome in &outcomes {
        assert_eq!((outcome.found, count(outcome), outcome.judge_forwards), (1, 1, forwards));
        assert!(forwards == 1 || !outcome.broken);
    }
    assert_eq!(judge.forwards(), forwards * outcomes.len() as u64);
}

#[test]
fn verdicts_that_rest_on_a_tie_say_so() {
    let threat = threat(Norm::Linf, "1/255");
    let ball = threat.ball(&[0.5], &Domain::PIXELS, false).expect("a ball");
    let proposal = Proposal { ball: &ball, label: 1, x_adv: &[0.5], anywhere: None };
    let table = [
        (vec![1.0, 1.0, 0.0], Ruling::Confirmed { class: 0, tie: true, margin: Some(0.0) }),
        (vec![0.0, 1.0, 1.0], Ruling::Rejected(Refusal::NotMisclassified)),
        (vec![0.0, 1.0, 2.0], Ruling::Confirmed { class: 2, tie: false, margin: Some(-1.0) }),
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
    let loss = Loss::margin(&[0, 1], 2);
    assert!(metered.gradient(x.view(), &loss).is_ok() && metered.logits(x.view()).is_ok());
    assert_eq!(metered.spent(), Cost { forwards: 4, backwards: 2, judge_forwards: 0 });
    assert!(metered.logits(x.view()).is_err());
    let lie = |answer: &mut Gradient| answer.loss = Array1::zeros(1);
    let cap = Cost { forwards: 9, backwards: 9, judge_forwards: 0 };
    let mut metered = Metered::new(Bent { honest: Network::random(&[3, 2], 1), lie }, cap);
    let message = metered.gradient(x.view(), &loss).expect_err("the wrong shape").to_string();
    assert_eq!(message, "read the oracle's loss: expected shape (2, 1), found (1, 1)");
}
