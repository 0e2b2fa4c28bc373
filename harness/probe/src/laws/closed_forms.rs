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
    let start = match inner {
        RatioInner::CrossEntropy => Start::Random,
        _ => Start::Gaussian("0.001".parse().expect("a fraction")),
    };
    let step_size = threat.epsilon.divided_by(4).expect("a fraction");
    ProbeSpec::LipschitzL1Linf(LipschitzL1Linf { inner, steps: 20, step_size, start })
}

const INNERS: [RatioInner; 3] = [RatioInner::Ratio, RatioInner::LogitDifference, RatioInner::CrossEntropy];

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
    let values: Vec<f64> = (problem.probe(&lipschitz(RatioInner::LogitDifference, &threat), &threat).iter())
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
        let values = inside(Problem::linear(2)).probe(&lipschitz(RatioInner::LogitDifference, threat), threat);
        values.iter().map(|row| row.value.expect("a value")).fold(0.0, f64::max)
    };
    let (coarse, fine) = (logit_difference(&coarse), logit_difference(&fine));
    assert!((coarse - fine).abs() < 1e-3 * coarse + rounding(2, 1e-3), "{coarse} {fine}");
}
