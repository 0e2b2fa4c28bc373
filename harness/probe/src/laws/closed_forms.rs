use super::*;

/// `max ||W d||_1` over `||d||_inf <= 1`: the largest l1 norm of `W^T s` over sign vectors `s`.
fn exact_constant(weights: &Array2<f32>) -> f64 {
    let (classes, features) = weights.dim();
    let norm = |signs: u32| -> f64 {
        let sign = |class: usize| if signs >> class & 1 == 1 { 1.0 } else { -1.0 };
        let column =
            |feature: usize| (0..classes).map(|class| sign(class) * f64::from(weights[[class, feature]])).sum::<f64>();
        (0..features).map(|feature| column(feature).abs()).sum()
    };
    (0..1 << classes).map(norm).fold(0.0, f64::max)
}

/// The ball around every sample is whole: no bound bites.
fn inside(mut problem: Problem) -> Problem {
    problem.x.mapv_inplace(|x| 0.25 + 0.5 * x);
    problem
}

fn lipschitz(inner: RatioInner, threat: &ThreatModel) -> ProbeSpec {
    lipschitz_in((Norm::L1, Norm::Linf), inner, threat)
}

fn lipschitz_in((numerator, denominator): (Norm, Norm), inner: RatioInner, threat: &ThreatModel) -> ProbeSpec {
    let start = match inner {
        RatioInner::CrossEntropy => Start::Random,
        _ => Start::Gaussian("0.001".parse().expect("a fraction")),
    };
    let step_size = threat.epsilon.divided_by(4).expect("a fraction");
    let (outputs, restarts) = (Outputs::Logits, 1);
    ProbeSpec::Lipschitz(Lipschitz { outputs, numerator, denominator, inner, steps: 20, step_size, start, restarts })
}

const INNERS: [RatioInner; 3] = [RatioInner::Ratio, RatioInner::Difference, RatioInner::CrossEntropy];

/// Logits of magnitude up to 16 are rounded to f32, two for each class.
fn rounding(classes: usize, run: f64) -> f64 {
    classes as f64 * 2.0 * 16.0 * 2f64.powi(-24) / run
}

#[test]
fn the_ratio_of_a_linear_model_is_never_above_its_constant() {
    for classes in [2, 3, 6] {
        for epsilon in ["1/1000", "8/255", "0.2"] {
            for (inner, norm) in
                INNERS.iter().flat_map(|inner| [Norm::Linf, Norm::L2, Norm::L1].map(|norm| (*inner, norm)))
            {
                let threat = threat(norm, epsilon);
                let mut problem = Problem::linear(classes);
                let exact = exact_constant(&problem.network.layers[0]);
                for row in problem.probe(&lipschitz(inner, &threat), &threat) {
                    // No element of an iterate is nearer than a twentieth of the radius of its norm.
                    let found = row.value.expect("a value");
                    let run = threat.epsilon.to_f64() / 200.0;
                    assert!(found <= exact + rounding(classes, run), "{inner:?} {threat:?}: {found} of {exact}");
                }
            }
        }
    }
}

/// Two classes have two pairs of sign vectors. Whichever the start is nearer to, the change of the logits ascends to its
/// corner; some row finds the better pair.
#[test]
fn ascending_the_change_of_the_logits_finds_the_constant() {
    let threat = threat(Norm::Linf, "8/255");
    let mut problem = inside(Problem::linear(2));
    let weights = problem.network.layers[0].clone();
    let exact = exact_constant(&weights);
    let norm = |sign: f64| -> f64 {
        weights.columns().into_iter().map(|w| (f64::from(w[0]) + sign * f64::from(w[1])).abs()).sum()
    };
    let corners = [norm(1.0), norm(-1.0)];
    let values: Vec<f64> = (problem.probe(&lipschitz(RatioInner::Difference, &threat), &threat).iter())
        .map(|row| row.value.expect("a value"))
        .collect();
    // Bounds of the ball are f32: a step of 6e-8 in 8/255.
    let near = |found: f64, exact: f64| (found - exact).abs() <= 4e-6 * exact + rounding(2, 8.0 / 255.0);
    assert!(values.iter().all(|value| corners.iter().any(|corner| near(*value, *corner))), "{values:?} {corners:?}");
    assert!(values.iter().any(|value| near(*value, exact)), "{values:?} {exact}");
}

#[test]
fn ascending_the_ratio_comes_close_to_the_constant() {
    for classes in [2, 3] {
        let threat = threat(Norm::Linf, "8/255");
        let mut problem = inside(Problem::linear(classes));
        let exact = exact_constant(&problem.network.layers[0]);
        let values: Vec<f64> = (problem.probe(&lipschitz(RatioInner::Ratio, &threat), &threat).iter())
            .map(|row| row.value.expect("a value") / exact)
            .collect();
        let best = values.iter().copied().fold(0.0, f64::max);
        let least = values.iter().copied().fold(1.0, f64::min);
        // One element in thirty is pulled back at each step.
        assert!(best > 0.9 && least > 0.5, "{classes}: {least} to {best}");
    }
}

/// Along a line the divergence of a two-class model is a known function of one logit difference, largest in a corner.
#[test]
fn divergence_of_a_linear_model_is_largest_in_a_corner() {
    let threat = threat(Norm::Linf, "8/255");
    let mut problem = inside(Problem::linear(2));
    let weights = problem.network.layers[0].clone();
    let w: Vec<f64> = weights.columns().into_iter().map(|w| f64::from(w[0]) - f64::from(w[1])).collect();
    let reach = threat.epsilon.to_f64() * w.iter().map(|w| w.abs()).sum::<f64>();
    let divergence = |difference: f64, moved: f64| {
        let p = 1.0 / (1.0 + (-difference).exp());
        let q = 1.0 / (1.0 + (-moved).exp());
        p * (p / q).ln() + (1.0 - p) * ((1.0 - p) / (1.0 - q)).ln()
    };
    let spec = preset("kl-instability-max").expect("a preset").resolve(&threat).expect("it resolves");
    let values = problem.probe(&spec, &threat);
    let mut best = 0;
    for (value, x) in values.iter().zip(problem.x.rows()) {
        let difference: f64 = w.iter().zip(x).map(|(w, x)| w * f64::from(*x)).sum();
        let corners = [-reach, reach].map(|side| divergence(difference, difference + side));
        let found = value.value.expect("a value");
        // Bounds and logits are f32; the slope of the divergence by a logit is at most 1.
        let near = |exact: f64| (found - exact).abs() < 2e-5;
        assert!(corners.into_iter().any(near), "{found} {corners:?}");
        best += usize::from(near(corners[0].max(corners[1])));
    }
    assert!(best >= 20, "{best} of 40 rows find the better corner");
    // Cross-entropy goes away from the label, so at the last iterate the corner is known.
    let spec = preset("kl-instability").expect("a preset").resolve(&threat).expect("it resolves");
    for ((value, x), label) in problem.probe(&spec, &threat).iter().zip(problem.x.rows()).zip(&problem.labels) {
        let difference: f64 = w.iter().zip(x).map(|(w, x)| w * f64::from(*x)).sum();
        let exact = divergence(difference, if *label == 0 { difference - reach } else { difference + reach });
        assert!((value.value.expect("a value") - exact).abs() < 2e-5, "{value:?} {exact}");
    }
}

/// Close to a sample the divergence is half the variance of the change of the logits, and the ratio tends to that of the
/// Jacobian.
#[test]
fn a_tiny_epsilon_leads_to_the_limits() {
    let coarse = threat(Norm::Linf, "1/100");
    let fine = threat(Norm::Linf, "1/1000");
    let resolve = |name: &str, threat| preset(name).expect("a preset").resolve(threat).expect("it resolves");
    for (coarse_row, fine_row) in
        (inside(Problem::linear(2)).probe(&resolve("kl-instability-max", &coarse), &coarse).iter())
            .zip(inside(Problem::linear(2)).probe(&resolve("kl-instability-max", &fine), &fine))
    {
        let (coarse, fine) = (coarse_row.value.expect("a value"), fine_row.value.expect("a value"));
        // Quadratic in epsilon, up to the cubic term and to the f32 rounding of the logits.
        assert!(fine < coarse / 50.0 + 1e-6, "{coarse} {fine}");
    }
    // A ReLU net that stays within one linear piece has the ratio of that piece at every radius.
    let logit_difference = |threat: &ThreatModel| {
        let values = inside(Problem::linear(2)).probe(&lipschitz(RatioInner::Difference, threat), threat);
        values.iter().map(|row| row.value.expect("a value")).fold(0.0, f64::max)
    };
    let (coarse, fine) = (logit_difference(&coarse), logit_difference(&fine));
    assert!((coarse - fine).abs() < 1e-3 * coarse + rounding(2, 1e-3), "{coarse} {fine}");
}

/// A linear model as numbers: weights, and the exact logits of every row.
fn exact_logits(problem: &Problem) -> Vec<Vec<f64>> {
    let logits = |x: ndarray::ArrayView1<'_, f32>| {
        let z = |w: ndarray::ArrayView1<'_, f32>| w.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
        problem.network.layers[0].rows().into_iter().map(z).collect()
    };
    problem.x.rows().into_iter().map(logits).collect()
}

fn resolved(name: &str, threat: &ThreatModel) -> ProbeSpec {
    preset(name).expect("a preset").resolve(threat).expect("it resolves")
}

fn values(problem: &mut Problem, spec: &ProbeSpec, threat: &ThreatModel) -> Vec<f64> {
    problem.probe(spec, threat).iter().map(|row| row.value.expect("a value")).collect()
}

#[test]
fn the_jacobian_of_a_linear_model_is_its_weights() {
    let threat = threat(Norm::Linf, "8/255");
    for classes in [2, 3, 7] {
        let mut problem = Problem::linear(classes);
        let weights = problem.network.layers[0].mapv(f64::from);
        let gram = weights.dot(&weights.t());
        let near = |a: f64, b: f64| (a - b).abs() < 1e-6 * b;
        let frobenius = weights.iter().map(|w| w * w).sum::<f64>().sqrt();
        assert!(
            values(&mut problem, &resolved("jacobian-frobenius", &threat), &threat).iter().all(|v| near(*v, frobenius))
        );
        // Power iteration on the Gram matrix.
        let mut v = ndarray::Array1::from_shape_fn(classes, |k| 1.0 + k as f64);
        for _ in 0..2000 {
            v = gram.dot(&v);
            let length = v.dot(&v).sqrt();
            v /= length;
        }
        let spectral = v.dot(&gram.dot(&v)).sqrt();
        assert!(
            values(&mut problem, &resolved("jacobian-spectral", &threat), &threat).iter().all(|v| near(*v, spectral))
        );
    }
}

#[test]
fn margin_radius_and_score_of_a_linear_model_are_exact() {
    for norm in [Norm::Linf, Norm::L2, Norm::L1] {
        // Far enough that no score is cut off.
        let threat = threat(norm, "1000");
        for classes in [2, 3, 6] {
            let mut problem = Problem::linear(classes);
            let all = exact_logits(&problem);
            let weights = problem.network.layers[0].clone();
            let margins = values(&mut problem, &resolved("logit-margin", &threat), &threat);
            let radii = values(&mut problem, &resolved("first-order-radius", &threat), &threat);
            let quick = |rivals| {
                let radius = "4000".parse().expect("a number");
                ProbeSpec::Clever(Clever { batches: 3, samples: 4, radius, rivals })
            };
            let scores = values(&mut problem, &quick(Rivals::All), &threat);
            let nearest = values(&mut problem, &quick(Rivals::Nearest), &threat);
            for (row, (z, label)) in all.iter().zip(&problem.labels).enumerate() {
                let rivals = || (0..classes).filter(|class| class != label);
                let margin = rivals().map(|j| z[*label] - z[j]).fold(f64::INFINITY, f64::min);
                let distance = |j: usize| {
                    let w: Vec<f32> = weights.row(*label).iter().zip(weights.row(j)).map(|(y, j)| y - j).collect();
                    (z[*label] - z[j]) / norm.dual_length(&w)
                };
                let radius = if margin > 0.0 { rivals().map(distance).fold(f64::INFINITY, f64::min) } else { 0.0 };
                assert!((margins[row] - margin).abs() < 1e-5, "{margin} {}", margins[row]);
                for found in [radii[row], scores[row]] {
                    assert!((found - radius).abs() < 1e-5 * (1.0 + radius), "{norm} {classes} {row}: {found} {radius}");
                }
                let runner_up = rivals().reduce(|a, b| if z[b] > z[a] { b } else { a }).map_or(0.0, distance);
                let expected = if margin > 0.0 { runner_up } else { 0.0 };
                assert!((nearest[row] - expected).abs() < 1e-5 * (1.0 + expected), "{} {expected}", nearest[row]);
            }
            assert!(radii.iter().filter(|radius| **radius > 0.0).count() >= 10, "rows that are right");
        }
    }
}

#[test]
fn a_score_is_never_beyond_its_radius() {
    let threat = threat(Norm::Linf, "1/1000");
    let scores = values(&mut Problem::mlp(), &resolved("clever-quick", &threat), &threat);
    let radius = 4.0 / 1000.0;
    assert!(scores.iter().all(|score| (0.0..=radius).contains(score)) && scores.contains(&radius), "{scores:?}");
}

/// With two classes the gradient is `(p(x) - p(x')) (w_0 - w_1)`, largest in a corner of the ball.
#[test]
fn the_gradient_of_the_divergence_of_a_linear_model_is_largest_in_a_corner() {
    let threat = threat(Norm::Linf, "8/255");
    let mut problem = inside(Problem::linear(2));
    let weights = problem.network.layers[0].clone();
    let w: Vec<f64> = weights.columns().into_iter().map(|w| f64::from(w[0]) - f64::from(w[1])).collect();
    let slope: f64 = w.iter().map(|w| w.abs()).sum();
    let reach = threat.epsilon.to_f64() * slope;
    let found = values(&mut problem, &resolved("lipschitz-wu", &threat), &threat);
    let p = |difference: f64| 1.0 / (1.0 + (-difference).exp());
    let mut best = 0;
    for (found, z) in found.iter().zip(exact_logits(&problem)) {
        let difference = z[0] - z[1];
        let corners = [-reach, reach].map(|side| slope * (p(difference) - p(difference + side)).abs());
        let near = |exact: f64| (found - exact).abs() < 1e-4 * slope;
        assert!(corners.into_iter().any(near), "{found} {corners:?}");
        best += usize::from(near(corners[0].max(corners[1])));
    }
    // The start decides.
    assert!(best >= 10, "{best} of 40 rows find the better corner");
}

#[test]
fn a_linear_model_flips_where_the_corner_is_beyond_the_boundary() {
    let threat = threat(Norm::Linf, "8/255");
    let mut problem = inside(Problem::linear(2));
    let weights = problem.network.layers[0].clone();
    let reach: f64 = threat.epsilon.to_f64()
        * weights.columns().into_iter().map(|w| (f64::from(w[0]) - f64::from(w[1])).abs()).sum::<f64>();
    let found = values(&mut problem, &resolved("label-flips", &threat), &threat);
    for ((found, z), label) in found.iter().zip(exact_logits(&problem)).zip(&problem.labels) {
        let difference = z[0] - z[1];
        let moved = if *label == 0 { difference - reach } else { difference + reach };
        assert_eq!(*found, f64::from(u8::from((difference > 0.0) != (moved > 0.0))), "{difference} {moved}");
    }
    assert!(found.contains(&0.0) && found.contains(&1.0), "both occur");
}

/// Steps along the gradient of `‖W d‖_2` are power iteration.
#[test]
fn the_ratio_in_l2_is_never_above_the_spectral_norm_and_comes_close() {
    let threat = threat(Norm::L2, "0.2");
    for classes in [2, 3, 6] {
        let mut problem = inside(Problem::linear(classes));
        let exact = values(&mut problem, &resolved("jacobian-spectral", &threat), &threat)[0];
        for inner in [RatioInner::Ratio, RatioInner::Difference] {
            let found = values(&mut problem, &lipschitz_in((Norm::L2, Norm::L2), inner, &threat), &threat);
            let best = found.iter().copied().fold(0.0, f64::max);
            assert!(best <= exact * (1.0 + 1e-4) && best > 0.95 * exact, "{inner:?}: {best} of {exact}");
        }
        // Per unit of l1, no output moves more than its largest weight.
        let largest = problem.network.layers[0].iter().fold(0.0f64, |most, w| most.max(f64::from(w.abs())));
        let spec = lipschitz_in((Norm::Linf, Norm::L1), RatioInner::Ratio, &threat);
        assert!(values(&mut problem, &spec, &threat).iter().all(|found| *found <= largest * (1.0 + 1e-3)));
    }
}

#[test]
fn restarts_only_add() {
    let threat = threat(Norm::Linf, "8/255");
    let with = |restarts| {
        let ProbeSpec::Lipschitz(mut probe) = lipschitz(RatioInner::Ratio, &threat) else { panic!("lipschitz") };
        probe.restarts = restarts;
        values(&mut Problem::mlp(), &ProbeSpec::Lipschitz(probe), &threat)
    };
    let (one, three) = (with(1), with(3));
    assert!(one.iter().zip(&three).all(|(one, three)| one <= three) && one != three);
}

/// The change of probabilities of a two-class model is `2 |p' - p|` in l1; its slope by the difference of logits is at most 1/4.
#[test]
fn probabilities_change_less_than_logits() {
    let threat = threat(Norm::Linf, "8/255");
    let of = |outputs| {
        let ProbeSpec::Lipschitz(mut probe) = lipschitz(RatioInner::Ratio, &threat) else { panic!("lipschitz") };
        probe.outputs = outputs;
        values(&mut Problem::linear(2), &ProbeSpec::Lipschitz(probe), &threat)
    };
    let exact = exact_constant(&Problem::linear(2).network.layers[0]);
    let (logits, probabilities) = (of(Outputs::Logits), of(Outputs::Probabilities));
    assert!(probabilities.iter().all(|p| *p > 0.0 && *p <= exact / 2.0 + 1e-3));
    assert!(logits.iter().zip(&probabilities).all(|(z, p)| p < z));
}

/// Bins of a table by hand: what a value tells is its row's confidence and verdict.
#[test]
fn overconfidence_tells_confidence_and_verdict() {
    let threat = threat(Norm::Linf, "8/255");
    let mut problem = Problem::linear(3);
    let found = values(&mut problem, &resolved("calibration", &threat), &threat);
    for ((found, z), label) in found.iter().zip(exact_logits(&problem)).zip(&problem.labels) {
        let sum: f64 = z.iter().map(|z| z.exp()).sum();
        let (class, confidence) =
            z.iter().map(|z| z.exp() / sum).enumerate().reduce(|a, b| if b.1 > a.1 { b } else { a }).expect("classes");
        assert_eq!(*found <= 0.0, class == *label, "{found}");
        let decoded = if *found <= 0.0 { found + 1.0 } else { *found };
        assert!((decoded - confidence).abs() < 1e-5, "{decoded} {confidence}");
    }
}
