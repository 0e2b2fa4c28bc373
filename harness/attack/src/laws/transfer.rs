//! Attacks that one model guides and another judges.

use super::*;

/// A source of gradients, made anew for each run.
type Source<'a> = Box<dyn Fn() -> Network + 'a>;

/// The attack with this oracle, and the problem's own network as the judge.
fn guided(problem: &Problem, mut oracle: Network, spec: &AttackSpec, threat: &ThreatModel) -> Vec<RowOutcome> {
    let rows = Rows { x: problem.x.view(), labels: &problem.labels, digests: &problem.digests };
    let mut judge = copy(&problem.network);
    let picture = Picture::line(problem.x.ncols());
    let setting = Setting { domain: problem.domain, picture, ..setting(threat, problem.network.grid.is_some()) };
    run(spec, &rows, &setting, &mut oracle, &mut judge).unwrap_or_else(|error| panic!("{spec:?} {threat:?}: {error}"))
}

fn copy(network: &Network) -> Network {
    Network { layers: network.layers.clone(), micro_batch: network.micro_batch, grid: network.grid }
}

/// A network that takes the right class for the least likely one, so that it is wrong about every sample.
fn inverted(network: &Network) -> Network {
    let mut inverted = copy(network);
    let (weights, bias) = inverted.layers.last_mut().expect("a layer");
    weights.mapv_inplace(|weight| -weight);
    bias.mapv_inplace(|bias| -bias);
    inverted
}

#[test]
fn from_a_copy_it_is_the_attack_itself() {
    for mut problem in [Problem::mlp(), Problem::integer(), Problem::raw()] {
        for (spec, threat) in settings() {
            let plain = problem.attack(&spec, &threat);
            assert_eq!(guided(&problem, copy(&problem.network), &spec, &threat), plain, "{spec:?}");
        }
    }
}

/// Whatever the source says, also where it is wrong about the sample itself or has no gradient there.
#[test]
fn from_any_source_it_keeps_to_cost_and_ball_and_the_judge_decides() {
    let mut rejected = 0;
    for problem in [Problem::mlp(), Problem::integer(), Problem::raw()] {
        let (target, grid) = (&problem.network, problem.domain.grid);
        let sources: [Source<'_>; 5] = [
            Box::new(|| Network::random(&[12, 16, 5], 99)),
            Box::new(|| Network { grid, ..Network::random(&[12, 16, 5], 99) }),
            Box::new(|| Network { grid: None, ..copy(target) }),
            Box::new(|| inverted(target)),
            // All logits are equal and all gradients zero.
            Box::new(|| Network::linear(Array2::zeros((5, 12)), ndarray::Array1::zeros(5))),
        ];
        for (source, (spec, threat)) in sources.iter().flat_map(|source| settings().map(move |case| (source, case))) {
            let cost = spec.cost(5);
            for (row, outcome) in guided(&problem, source(), &spec, &threat).iter().enumerate() {
                assert!(outcome.forwards <= cost.forwards && outcome.backwards <= cost.backwards, "{spec:?}");
                assert!(outcome.judge_forwards <= cost.judge_forwards, "{spec:?}");
                let Rejections { outside_ball, not_a_number, not_misclassified } = outcome.rejections;
                assert_eq!((outside_ball, not_a_number, not_misclassified), (0, 0, outcome.rejected), "{spec:?}");
                assert_eq!(outcome.found, outcome.confirmed + outcome.rejected);
                rejected += outcome.rejected;
                let Some(witness) = &outcome.witness else { continue };
                assert!(problem.ball(row, &threat).contains(witness), "{spec:?}");
                let x = ArrayView2::from_shape((1, witness.len()), witness).expect("one row");
                let scores = copy(target).predict(x).expect("honest");
                assert_ne!(argmax(&scores.row(0).to_vec()).0, problem.labels[row], "{spec:?}");
            }
        }
    }
    assert!(rejected > 0, "everything transfers, which proves little");
}
