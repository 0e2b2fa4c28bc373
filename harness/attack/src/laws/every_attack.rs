use super::*;
use std::collections::BTreeSet;

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
            assert!(json[attack.name].is_object(), "{json}");
            assert_eq!(serde_json::from_value::<AttackSpec>(json).expect("what it wrote"), case);
        }
    }
}

#[test]
fn witnesses_are_in_the_ball_and_misclassified() {
    let mut broken: Vec<(AttackSpec, usize)> = cases().map(|spec| (spec, 0)).collect();
    let problems =
        [Problem::mlp(), Problem::linear(3, 40), Problem::integer(), Problem::raw(), Problem::held_to_grid()];
    for mut problem in problems {
        for (spec, threat) in settings() {
            let (spec, broken) = broken.iter_mut().find(|(other, _)| *other == spec).expect("each case is there");
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
                let is_point = |x: &f32| problem.domain.grid_points().any(|point| point == *x);
                assert!(!problem.grid || witness.iter().all(is_point), "{spec:?} {threat:?}");
                // On a grid the radius is whole steps; in f64 each element is off by 2^-24 at most.
                let rounding = if threat.norm == Norm::L1 { 6e-8 * witness.len() as f64 } else { 6e-8 };
                assert!(outcome.distance.expect("a number") <= threat.epsilon.to_f64() + rounding);
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
    for mut problem in [Problem::mlp(), Problem::integer(), Problem::raw(), Problem::held_to_grid()] {
        for (spec, threat) in settings() {
            let outcomes = problem.attack(&spec, &ThreatModel { epsilon: "0".parse().expect("valid"), ..threat });
            assert!(outcomes.iter().all(|outcome| *outcome == RowOutcome::default()), "{spec:?}");
        }
    }
}

#[test]
fn a_row_fares_the_same_in_every_grouping_and_order() {
    let order: Vec<usize> = (0..40).collect();
    let backwards: Vec<usize> = (0..40).rev().collect();
    let problems = [Problem::mlp, Problem::integer, Problem::raw, Problem::held_to_grid];
    for (spec, threat) in settings() {
        for mut problem in problems.map(|problem| problem()) {
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
    let Problem { network, x, labels, digests, .. } = Problem::mlp();
    let (threat, rows) = (threat(Norm::Linf, "8/255"), Rows { x: x.view(), labels: &labels, digests: &digests });
    let mut oracle = Watched(network, Vec::new());
    let spec = preset("pgd-20").expect("a preset").resolve(&threat).expect("it resolves");
    let outcomes = run(&spec, &rows, &setting(&threat, false), &mut oracle, &mut Problem::mlp().network).expect("runs");
    let total: u64 = outcomes.iter().map(|outcome| outcome.backwards).sum();
    let calls = oracle.1;
    assert_eq!(calls.iter().sum::<usize>() as u64, total);
    let tail = calls.iter().rev().take_while(|rows| **rows < 4).count();
    // Rows end together: only when fewer than four are left, for at most 20 steps, is a call not full.
    assert!(tail <= 20 && calls[..calls.len() - tail].iter().all(|rows| *rows == 4), "{calls:?}");
}

#[test]
fn a_sample_in_the_corner_of_the_domain_moves_inward() {
    for (fill, norm) in [Norm::Linf, Norm::L2, Norm::L1].into_iter().flat_map(|norm| [(0.0, norm), (1.0, norm)]) {
        let mut problem = Problem::mlp();
        problem.x.fill(fill);
        let scores = problem.network.predict(problem.x.view()).expect("honest");
        problem.labels.fill(argmax(&scores.row(0).to_vec()).0);
        for (spec, _) in settings().filter(|(_, threat)| threat.norm == norm) {
            let outcomes = problem.attack(&spec, &threat(norm, "1"));
            let witnesses = outcomes.iter().filter_map(|outcome| outcome.witness.as_ref());
            assert!(witnesses.flatten().all(|x| (0.0..=1.0).contains(x)), "{spec:?}");
            assert!(outcomes.iter().all(|outcome| outcome.rejections.outside_ball == 0), "{spec:?}");
        }
    }
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
            self.1.insert(loss.head);
            self.0.gradient(x, loss)
        }
    }
    for spec in cases() {
        let Problem { network, x, labels, digests, .. } = Problem::mlp();
        let rows = Rows { x: x.view(), labels: &labels, digests: &digests };
        let threat = threat_for(&spec, "1/2550");
        let mut oracle = Heads(network, BTreeSet::new());
        let outcomes = run(&spec, &rows, &setting(&threat, false), &mut oracle, &mut Problem::mlp().network);
        assert_eq!(oracle.1.into_iter().collect::<Vec<_>>(), spec.heads(5), "{spec:?}");
        let outcomes = outcomes.expect("it runs");
        let survivors: Vec<&RowOutcome> = outcomes.iter().filter(|row| !row.broken).collect();
        let cost = spec.cost(5);
        assert!(!survivors.is_empty());
        for survivor in survivors {
            let spent = (survivor.forwards, survivor.backwards);
            // A search for the nearest input ends when it gets no further.
            let kept = if spec.minimises() {
                spent.0 <= cost.forwards && spent.1 <= cost.backwards
            } else {
                spent == (cost.forwards, cost.backwards)
            };
            assert!(kept && survivor.judge_forwards <= cost.judge_forwards, "{spec:?}: {spent:?} of {cost:?}");
        }
    }
}

/// Held to the grid, a network of floats is to an attack what one is that rounds by itself.
#[test]
fn the_grid_of_a_threat_is_that_of_integer_inputs() {
    for (spec, threat) in settings() {
        let held = Problem::held_to_grid().attack(&spec, &threat);
        // Behind the same rounding, since theirs differ in the last bit, which decides near the middle of two points.
        let integer = Problem { rounds: true, ..Problem::integer() }.attack(&spec, &threat);
        assert!(held == integer, "{spec:?} {threat:?}");
    }
}

/// The digests of all outcomes of an attack's cases on the fixed networks, in L-inf and L2 and in L1. When one of these
/// changes, the numbers of the attack have moved: raise its revision and put both here.
const GOLDEN: &[(&str, u32, &str, &str)] = &[
    ("apgd", 1, "d8c73faed7c2c67c", "57dc7b13329f62bd"),
    ("boundary", 1, "a7e7c31b4ed0c5c6", NONE),
    ("cw-l2", 1, "0218725da051f534", NONE),
    ("cw-linf", 1, "8910efe382e009a8", NONE),
    ("deepfool", 1, "5c736fd5b4606277", NONE),
    ("ensemble", 1, "ddf2f3ce94c7e180", "6a7b43f32ab9e37f"),
    ("fab", 2, "c7659a1c653554bf", "d7575fa5b00beeea"),
    ("fgsm", 1, "d06bfb289a4d4f19", "aad4fc8f28151ee9"),
    ("hop-skip-jump", 1, "232b7fa3fa15c373", NONE),
    ("mi-fgsm", 1, "34ff3359422aaba2", "89ad388ce731acd8"),
    ("noise", 1, "a528a306fc7447a3", "c36d44caffad60cf"),
    ("pgd", 1, "0f53c3a0aab38958", "e0df039b5fe1be16"),
    ("spsa", 1, "1fab62d0fcd35228", NONE),
    ("square", 1, "9ada8ab35fc51c79", "eb40a78334b5fbef"),
];

/// The digest of nothing: the attack does not have the norm.
const NONE: &str = "e3b0c44298fc1c14";

#[test]
fn numbers_move_only_with_the_revision() {
    let digest = |attack: &Registered, in_l1: bool| -> String {
        let mut hash = Sha256::new();
        let own = settings().filter(|(spec, _)| std::ptr::eq(spec.registered(), attack));
        for (spec, threat) in own.filter(|(_, threat)| (threat.norm == Norm::L1) == in_l1) {
            for mut problem in [Problem::mlp(), Problem::linear(3, 40), Problem::integer()] {
                for row in problem.attack(&spec, &threat) {
                    hash.update([u8::from(row.broken), row.adversarial_class.map_or(255, |class| class as u8)]);
                    hash.update([row.forwards, row.backwards, row.judge_forwards].map(u64::to_le_bytes).concat());
                    hash.update([row.found, row.confirmed, row.rejected].map(u32::to_le_bytes).concat());
                    row.nearest.iter().for_each(|distance| hash.update(distance.to_bits().to_le_bytes()));
                    row.witness.iter().flatten().for_each(|x| hash.update(x.to_bits().to_le_bytes()));
                }
            }
        }
        hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    };
    let found: Vec<(&str, u32, String, String)> = ATTACKS
        .iter()
        .map(|attack| (attack.name, attack.revision, digest(attack, false), digest(attack, true)))
        .collect();
    let expected: Vec<(&str, u32, String, String)> = GOLDEN
        .iter()
        .map(|(name, revision, digest, in_l1)| (*name, *revision, (*digest).to_owned(), (*in_l1).to_owned()))
        .collect();
    assert_eq!(found, expected, "raise the revision of an attack whose numbers moved, and note its digest");
}

/// What looks for the nearest input says how far it is, in the ball or not, and the ball's witness is the nearest.
#[test]
fn the_nearest_input_is_told() {
    for (spec, threat) in settings() {
        for mut problem in [Problem::mlp(), Problem::integer(), Problem::raw()] {
            let outcomes = problem.attack(&spec, &threat);
            let beyond = outcomes.iter().filter(|row| row.nearest.is_some() && !row.broken).count();
            assert_eq!(beyond > 0, spec.minimises(), "{spec:?} {threat:?}");
            for row in outcomes.iter().filter(|_| spec.minimises()) {
                assert!(!row.broken || row.nearest == row.distance, "{spec:?}: {:?} {:?}", row.nearest, row.distance);
                assert!(row.broken || row.nearest.is_none_or(|distance| distance >= 0.99 * threat.epsilon.to_f64()));
            }
        }
    }
}
