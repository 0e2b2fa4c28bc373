//! Laws of the ascent inside a training step or a probe.

use super::*;
use ndarray::Array1;

const STARTS: [InnerStart; 5] = [
    InnerStart::Attack(Start::None),
    InnerStart::Attack(Start::Random),
    InnerStart::Attack(Start::RandomClipped),
    InnerStart::Gaussian(0.001),
    InnerStart::Gaussian(1.0),
];

fn inner(start: InnerStart, threat: &ThreatModel) -> Inner {
    let epsilon = threat.epsilon.to_f64();
    Inner { steps: 5, step_size: epsilon / 4.0, epsilon, start }
}

impl Problem {
    fn balls(&self, rows: &[usize], threat: &ThreatModel) -> Vec<Ball> {
        rows.iter().map(|row| self.ball(*row, threat)).collect()
    }

    /// Ends of an ascent of cross-entropy.
    fn ascend(&mut self, inner: &Inner, threat: &ThreatModel, rows: &[usize]) -> Array2<f32> {
        let balls = self.balls(rows, threat);
        let (labels, digests) = (self.select(rows).1, self.digests.clone());
        let x = inner.starts(&balls, &mut |row| stream(7, "pgd", &digests[rows[row]], 0)).expect("starts");
        let classes = self.network.classes();
        let mut loss = |rows: &std::ops::Range<usize>| Loss::cross_entropy(&labels[rows.clone()], classes);
        inner.ascend(&mut self.network, &balls, x, &mut loss).expect("it ascends")
    }
}

#[test]
fn it_takes_the_steps_of_pgd() {
    for threat in threats() {
        for start in [Start::None, Start::Random, Start::RandomClipped] {
            let (loss, targets, keep) = (LossKind::CrossEntropy, Targets::None, Keep::Last);
            let step_size = threat.epsilon.divided_by(4).expect("a fraction");
            let spec = AttackSpec::Pgd(Pgd { steps: 5, step_size, start, restarts: 1, loss, targets, keep });
            for mut problem in [Problem::mlp(), Problem::integer()] {
                let outcomes = problem.attack(&spec, &threat);
                let rows: Vec<usize> = (0..40).collect();
                let ends = problem.ascend(&inner(InnerStart::Attack(start), &threat), &threat, &rows);
                let broken = outcomes.iter().zip(ends.rows()).filter(|(outcome, _)| outcome.broken);
                let same = broken.map(|(outcome, end)| outcome.witness.as_deref() == end.as_slice());
                let same: Vec<bool> = same.collect();
                assert!(!same.is_empty() && same.iter().all(|same| *same), "{threat:?} {start:?}");
            }
        }
    }
}

#[test]
fn every_iterate_and_the_end_are_in_the_ball_however_long_the_steps() {
    for (threat, start) in threats().into_iter().flat_map(|threat| STARTS.map(|start| (threat.clone(), start))) {
        for (steps, factor) in [(5, 0.25), (1, 1.25), (3, 10.0), (0, 1.0)] {
            for mut problem in [Problem::mlp(), Problem::integer()] {
                let rows: Vec<usize> = (0..40).collect();
                let balls = problem.balls(&rows, &threat);
                let step_size = factor * threat.epsilon.to_f64();
                let inner = Inner { steps, step_size, ..inner(start, &threat) };
                let x = inner.starts(&balls, &mut |row| stream(7, "test", &[row as u8; 32], 0)).expect("starts");
                let mut seen = 0;
                let mut uphill = |oracle: &mut dyn Oracle, iterate: &Iterate<'_>| {
                    seen += 1;
                    for (x, ball) in iterate.x.rows().into_iter().zip(&balls[iterate.rows.clone()]) {
                        let mut x = x.to_vec();
                        let inside = x.iter().zip(&ball.lower).all(|(x, lower)| lower <= x);
                        assert!(inside && x.iter().zip(&ball.upper).all(|(x, upper)| x <= upper));
                        let before = x.clone();
                        ball.clip(&mut x);
                        assert_eq!(x, before, "clipped already");
                    }
                    let loss = Loss::cross_entropy(&vec![0; iterate.rows.len()], oracle.classes());
                    Ok(oracle.gradient(iterate.x, &loss)?.gradient)
                };
                let ends = inner.follow(&mut problem.network, &balls, x, &mut uphill).expect("it ascends");
                assert_eq!(seen, 10 * steps, "ten micro-batches");
                for (end, ball) in ends.rows().into_iter().zip(&balls) {
                    assert!(ball.contains(end.as_slice().expect("a row")), "{threat:?} {inner:?}");
                }
            }
        }
    }
}

#[test]
fn a_row_is_the_same_alone_and_in_company() {
    for (threat, start) in threats().into_iter().flat_map(|threat| STARTS.map(|start| (threat.clone(), start))) {
        let mut problem = Problem::mlp();
        let inner = inner(start, &threat);
        let all: Vec<usize> = (0..40).collect();
        let together = problem.ascend(&inner, &threat, &all);
        for micro_batch in [1, 7, 32] {
            problem.network.micro_batch = micro_batch;
            assert_eq!(problem.ascend(&inner, &threat, &all), together, "{micro_batch}");
        }
        let backwards: Vec<usize> = (0..40).rev().collect();
        let back = problem.ascend(&inner, &threat, &backwards);
        for row in all {
            assert_eq!(back.row(39 - row), together.row(row));
            assert_eq!(problem.ascend(&inner, &threat, &[row]).row(0), together.row(row));
        }
    }
}

/// The divergence of a linear model with two classes is a convex function of one logit difference: its ascent ends in
/// one of two corners.
#[test]
fn divergence_ascends_to_a_corner_of_a_linear_model() {
    let threat = threat(Norm::Linf, "8/255");
    let mut problem = Problem::linear(2, 40);
    let rows: Vec<usize> = (0..40).collect();
    let balls = problem.balls(&rows, &threat);
    let logits = problem.network.predict(problem.x.view()).expect("honest");
    let exp = logits.mapv(|z| f64::from(z).exp());
    let probabilities = (&exp / &exp.sum_axis(Axis(1)).insert_axis(Axis(1))).mapv(|p| p as f32);
    let inner = Inner { steps: 10, ..inner(InnerStart::Gaussian(0.001), &threat) };
    let x = inner.starts(&balls, &mut |row| stream(7, "trades", &problem.digests[row], 0)).expect("starts");
    let mut loss =
        |rows: &std::ops::Range<usize>| Loss::kl(probabilities.slice(ndarray::s![rows.clone(), ..]).to_owned());
    let ends = inner.ascend(&mut problem.network, &balls, x, &mut loss).expect("it ascends");
    let (weights, _) = &problem.network.layers[0];
    let w: Array1<f32> = &weights.row(1) - &weights.row(0);
    for (end, ball) in ends.rows().into_iter().zip(&balls) {
        let corner = |side: f32| {
            w.iter()
                .enumerate()
                .map(move |(index, w)| if w * side > 0.0 { ball.upper[index] } else { ball.lower[index] })
        };
        assert!(end.iter().copied().eq(corner(1.0)) || end.iter().copied().eq(corner(-1.0)), "neither corner");
    }
}

#[test]
fn a_gaussian_start_has_its_deviation_before_it_is_clipped() {
    let threat = threat(Norm::Linf, "0.1");
    let ball = threat.ball(&[0.5; 4000], &Domain::PIXELS, false).expect("a ball");
    let starts = inner(InnerStart::Gaussian(0.02), &threat).starts(&[ball], &mut |_| stream(1, "test", &[3; 32], 0));
    let deltas: Vec<f64> = starts.expect("starts").iter().map(|x| f64::from(*x) - 0.5).collect();
    let mean = deltas.iter().sum::<f64>() / 4e3;
    let deviation = (deltas.iter().map(|delta| (delta - mean).powi(2)).sum::<f64>() / 4e3).sqrt();
    // Five standard errors: 0.02 / sqrt(4000) and 0.02 / sqrt(8000).
    assert!(mean.abs() < 1.6e-3 && (deviation - 0.02).abs() < 1.2e-3, "{mean} {deviation}");
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let threat = threat(Norm::Linf, "0.1");
    let mut network = Network::random(&[3, 2], 1);
    let ball = |len| threat.ball(&vec![0.5; len], &Domain::PIXELS, false).expect("a ball");
    let inner = inner(InnerStart::Attack(Start::None), &threat);
    let mut loss = |rows: &std::ops::Range<usize>| Loss::cross_entropy(&vec![0; rows.len()], 2);
    for (balls, x) in [(vec![ball(3)], (1, 4)), (vec![ball(4)], (1, 3)), (vec![ball(3)], (2, 3))] {
        let message = inner.ascend(&mut network, &balls, Array2::zeros(x), &mut loss).expect_err("refused").to_string();
        assert!(message.starts_with("match the shapes: an ascent of"), "{message}");
    }
    let message = inner.starts(&[ball(3), ball(4)], &mut |_| stream(0, "test", &[0; 32], 0)).expect_err("refused");
    assert_eq!(message.to_string(), "match the shapes: balls of different lengths");
    let mut uphill = |_: &mut dyn Oracle, _: &Iterate<'_>| Ok(Array2::zeros((1, 2)));
    let message = inner.follow(&mut network, &[ball(3)], Array2::zeros((1, 3)), &mut uphill).expect_err("refused");
    assert_eq!(message.to_string(), "match the shapes: directions of (1, 2) elements for rows of (1, 3)");
}
