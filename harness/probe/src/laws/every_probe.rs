use super::*;
use attack::{AttackSpec, LossHead};
use std::collections::BTreeSet;

#[test]
fn the_table_holds_every_file_and_every_line_is_complete() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/probes");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the folder of the probes")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .filter(|name| name != "mod")
        .collect();
    let table: BTreeSet<String> = PROBES.iter().map(|probe| probe.name.replace('-', "_")).collect();
    assert_eq!(files, table, "each file in probes/ needs its line in PROBES");
    let lines = |text: &str| !text.is_empty() && !text.contains('\n') && !text.contains("  ");
    for probe in PROBES {
        assert!(lines(probe.about) && probe.revision > 0, "{}", probe.name);
        for case in (probe.cases)() {
            assert!(std::ptr::eq(case.registered(), *probe), "{case:?}");
            assert!(lines(&case.about()) && lines(case.units()), "{case:?}");
            let json = serde_json::to_value(&case).expect("plain data");
            assert!(json[probe.name].is_object(), "{json}");
            assert_eq!(serde_json::from_value::<ProbeSpec>(json).expect("what it wrote"), case);
        }
    }
    let attacks: BTreeSet<&str> = attack::PRESETS.iter().map(|preset| preset.name).collect();
    assert!(PRESETS.iter().all(|preset| lines(preset.about) && !attacks.contains(preset.name)));
}

/// What can be below zero.
fn is_signed(spec: &ProbeSpec) -> bool {
    matches!(spec, ProbeSpec::LogitMargin(_) | ProbeSpec::Calibration(_))
}

/// The steps of its ascents, 0 without any; and whether it draws random numbers.
fn ascent(spec: &ProbeSpec) -> (u64, bool) {
    let json = serde_json::to_value(spec).expect("plain data");
    let own = &json[spec.name()];
    let setting = if own["at"].is_object() { &own["at"]["pgd"] } else { own };
    let random = setting["start"].is_object() || setting["start"].is_string() && setting["start"] != "none";
    let restarts = setting["restarts"].as_u64().unwrap_or(1);
    (setting["steps"].as_u64().unwrap_or(0) * restarts, random || matches!(spec, ProbeSpec::Clever(_)))
}

#[test]
fn values_are_finite_and_their_step_exists() {
    for threat in threats() {
        for (spec, mut problem) in
            settings(&threat).into_iter().flat_map(|spec| Problem::all().map(|p| (spec.clone(), p)))
        {
            let values = problem.probe(&spec, &threat);
            let cost = spec.cost(problem.network.classes());
            let (steps, _) = ascent(&spec);
            for value in &values {
                let fits = |found: f64| found.is_finite() && (found >= 0.0 || is_signed(&spec));
                assert!(value.value.is_some_and(fits), "{spec:?} {value:?}");
                assert_eq!(value.step.is_some(), steps > 0, "{spec:?} {value:?}");
                assert!(value.step.is_none_or(|step| u64::from(step) <= steps + 1), "{spec:?} {value:?}");
                // CLEVER ends at once where the row is wrong.
                let all = (value.forwards, value.backwards) == (cost.forwards, cost.backwards);
                assert!(all || spec.name() == "clever" && value.value == Some(0.0), "{spec:?} {value:?}");
            }
            let moves = values.iter().any(|value| value.value != Some(0.0));
            assert!(moves || spec.name() == "label-flips", "{spec:?}: nothing moves, which proves little");
        }
    }
}

#[test]
fn epsilon_zero_is_no_change() {
    for (spec, norm) in cases().flat_map(|spec| [Norm::Linf, Norm::L2, Norm::L1].map(|norm| (spec.clone(), norm))) {
        let threat = threat(norm, "0");
        let at_rest = |value| vec![RowValue { value, ..RowValue::default() }; 40];
        match &spec {
            ProbeSpec::Lipschitz(_) => {
                let error = spec.check(&threat).expect_err("a ratio of nothing").to_string();
                assert_eq!(error, "set up `lipschitz`: epsilon is 0, and a ratio needs two points");
            }
            ProbeSpec::KlInstability(_) | ProbeSpec::LabelFlips(_) => {
                assert_eq!(Problem::mlp().probe(&spec, &threat), at_rest(Some(0.0)));
            }
            ProbeSpec::KlGradient(_) => assert_eq!(Problem::mlp().probe(&spec, &threat), at_rest(None)),
            ProbeSpec::Calibration(calibration) => {
                let sample = ProbeSpec::Calibration(Calibration { at: At::Sample, ..calibration.clone() });
                assert_eq!(Problem::mlp().probe(&spec, &threat), Problem::mlp().probe(&sample, &threat));
            }
            ProbeSpec::JacobianNorm(_)
            | ProbeSpec::LogitMargin(_)
            | ProbeSpec::FirstOrderRadius(_)
            | ProbeSpec::Clever(_) => {
                let other = self::threat(norm, "0.1");
                assert_eq!(Problem::mlp().probe(&spec, &threat), Problem::mlp().probe(&spec, &other), "{spec:?}");
            }
        }
    }
}

/// Less than half a level of the grid: no point but the sample.
#[test]
fn a_ball_of_one_point_has_no_ratio() {
    for spec in cases().filter(|spec| ascent(spec).0 > 0 && !matches!(spec, ProbeSpec::Calibration(_))) {
        let values = Problem::integer().probe(&spec, &threat(Norm::Linf, "1/600"));
        let expected = matches!(spec, ProbeSpec::KlInstability(_) | ProbeSpec::LabelFlips(_)).then_some(0.0);
        assert!(values.iter().all(|row| row.value == expected && row.step.is_none() && row.forwards == 0), "{spec:?}");
    }
}

#[test]
fn a_row_has_the_same_value_alone_and_in_company() {
    for threat in threats() {
        for (spec, mut problem) in settings(&threat)
            .into_iter()
            .flat_map(|spec| [Problem::mlp(), Problem::integer()].map(|p| (spec.clone(), p)))
        {
            let together = problem.probe(&spec, &threat);
            for micro_batch in [1, 7, 32] {
                problem.network.micro_batch = micro_batch;
                assert_eq!(problem.probe(&spec, &threat), together, "{spec:?} {micro_batch}");
            }
            let backwards: Vec<usize> = (0..40).rev().collect();
            let back = problem.probe_rows(&spec, &threat, &backwards);
            assert!(back.iter().rev().eq(&together), "{spec:?}");
            for row in [0, 13, 39] {
                assert_eq!(problem.probe_rows(&spec, &threat, &[row]), together[row..=row], "{spec:?}");
            }
        }
    }
    for spec in cases() {
        assert!(Problem::mlp().probe_rows(&spec, &threats()[0], &[]).is_empty());
    }
}

#[test]
fn another_seed_moves_random_starts_only() {
    for (spec, threat) in cases().flat_map(|spec| threats().map(|threat| (spec.clone(), threat))) {
        let Problem { mut network, x, labels, digests } = Problem::mlp();
        let rows = Rows { x: x.view(), labels: &labels, digests: &digests };
        let mut values = |seed| {
            let setting = Setting { seed, ..setting(&threat, false) };
            run(&spec, &rows, &setting, &mut network).expect("it runs")
        };
        // Where a search begins may move no class, and where points lie no slope of a linear piece.
        let coarse = matches!(spec, ProbeSpec::LabelFlips(_) | ProbeSpec::Clever(_));
        assert!(coarse || (values(1) == values(2)) != ascent(&spec).1, "{spec:?}");
    }
}

/// Asks for no gradient but that of the head that the probe states.
struct Watched(Network, Option<LossHead>);

impl Oracle for Watched {
    fn classes(&self) -> usize {
        self.0.classes()
    }

    fn row_len(&self) -> usize {
        self.0.row_len()
    }

    fn micro_batch(&self) -> usize {
        self.0.micro_batch()
    }

    fn logits(&mut self, x: ndarray::ArrayView2<'_, f32>) -> Result<Array2<f32>, attack::OracleError> {
        self.0.logits(x)
    }

    fn gradient(
        &mut self,
        x: ndarray::ArrayView2<'_, f32>,
        loss: &attack::Loss,
    ) -> Result<attack::Gradient, attack::OracleError> {
        assert_eq!(Some(loss.head), self.1);
        self.0.gradient(x, loss)
    }
}

#[test]
fn probes_ask_for_the_heads_that_they_state() {
    let threat = &threats()[0];
    for spec in settings(threat) {
        let Problem { network, x, labels, digests } = Problem::mlp();
        let rows = Rows { x: x.view(), labels: &labels, digests: &digests };
        let setting = setting(threat, false);
        let head = spec.heads().first().copied();
        run(&spec, &rows, &setting, &mut Watched(network, head)).expect("it runs");
    }
}

/// Where the search of `kl-instability` ends is where that of `pgd` does.
#[test]
fn the_point_of_kl_instability_is_that_of_pgd() {
    for (threat, mut problem) in
        threats().into_iter().flat_map(|t| [Problem::mlp(), Problem::integer()].map(|p| (t.clone(), p)))
    {
        let AttackSpec::Pgd(mut pgd) =
            attack::preset("pgd-20").expect("a preset").resolve(&threat).expect("it resolves")
        else {
            panic!("pgd")
        };
        pgd.keep = attack::Keep::Last;
        let spec = preset("kl-instability").expect("a preset").resolve(&threat).expect("it resolves");
        let values = problem.probe(&spec, &threat);
        // Only rows that are right to begin with are attacked.
        let right: Vec<usize> = (0..40).step_by(2).collect();
        let x = problem.x.select(Axis(0), &right);
        let labels: Vec<usize> = right.iter().map(|row| problem.labels[*row]).collect();
        let digests: Vec<[u8; 32]> = right.iter().map(|row| problem.digests[*row]).collect();
        let rows = Rows { x: x.view(), labels: &labels, digests: &digests };
        let setting = setting(&threat, problem.network.grid.is_some());
        let mut judge = Judge(problem.network.clone());
        let outcomes =
            attack::run(&AttackSpec::Pgd(pgd), &rows, &setting, &mut problem.network, &mut judge).expect("it runs");
        let mut broken = 0;
        for ((outcome, x), row) in outcomes.iter().zip(x.rows()).zip(&right) {
            let Some(witness) = &outcome.witness else { continue };
            let logits = [problem.network.logits_of(&x.to_vec()), problem.network.logits_of(witness)];
            assert_eq!(values[*row].value, Some(kl_divergence(&logits[0], &logits[1])), "{threat:?} {row}");
            broken += 1;
        }
        assert!(broken > 2, "{broken} rows prove little");
    }
}

struct Judge(Network);

impl attack::Predictor for Judge {
    fn predict(&mut self, x: ndarray::ArrayView2<'_, f32>) -> Result<Array2<f32>, attack::OracleError> {
        self.0.micro_batch = usize::MAX;
        self.0.logits(x)
    }
}

/// An exhaustive look at all that an ascent passes can't be below its last point.
#[test]
fn the_best_of_a_path_is_at_least_its_last() {
    for threat in threats() {
        for inner in [KlInner::CrossEntropy, KlInner::Kl] {
            let step_size = threat.epsilon.divided_by(4).expect("a fraction");
            let of = |keep| {
                let probe =
                    KlInstability { inner, steps: 20, step_size: step_size.clone(), start: Start::Random, keep };
                Problem::mlp().probe(&ProbeSpec::KlInstability(probe), &threat)
            };
            let (last, best) = (of(Keep::Last), of(Keep::Best));
            assert!(last.iter().zip(&best).all(|(last, best)| last.value <= best.value && last.step == Some(20)));
            assert!(last.iter().zip(&best).any(|(last, best)| last.value < best.value), "they differ somewhere");
        }
    }
}

#[test]
fn doubts_are_counted() {
    for spec in cases() {
        let mut problem = Problem::mlp();
        let threat = &threats()[0];
        let (steps, _) = ascent(&spec);
        if !spec.heads().is_empty() {
            problem.network.bend = |gradient| gradient.fill(0.0);
            let values = problem.probe(&spec, threat);
            assert!(values.iter().all(|row| u64::from(row.zero_gradients) == row.backwards), "{spec:?}");
            problem.network.bend = |gradient| gradient[0] = f32::NAN;
            for row in problem.probe(&spec, threat).iter().filter(|row| row.backwards > 0) {
                assert!(row.non_finite_gradients > 0 && row.zero_gradients == 0, "{spec:?} {row:?}");
                // An ascent goes on and finds something; what is read off a gradient has nothing left.
                let ascends = steps > 0 && !matches!(spec, ProbeSpec::KlGradient(_));
                assert_eq!(row.value.is_some(), ascends, "{spec:?} {row:?}");
                assert!(row.value.is_none_or(f64::is_finite), "{spec:?}");
            }
        }
        problem.network.bend = |_| {};
        problem.network.spoil = |_, logits| logits[0] = f32::INFINITY;
        let values = problem.probe(&spec, threat);
        assert!(values.iter().all(|row| row.value.is_none() && row.non_finite_logits > 0), "{spec:?}");
    }
}

#[test]
fn senseless_settings_and_shapes_are_refused() {
    let plain = KlInstability {
        inner: KlInner::Kl,
        steps: 5,
        step_size: "1/510".parse().expect("valid"),
        start: Start::Random,
        keep: Keep::Best,
    };
    let flat = "what it ascends is flat at the sample itself; expected `start: random` or `start: { gaussian: 0.001 }`";
    let zero = || "0".parse().expect("valid");
    let table = [
        (KlInstability { steps: 0, ..plain.clone() }, "`steps` is 0; expected at least 1"),
        (KlInstability { step_size: zero(), ..plain.clone() }, "`step_size` is 0; expected more"),
        (KlInstability { start: Start::None, ..plain.clone() }, flat),
        (KlInstability { start: Start::Gaussian(zero()), ..plain.clone() }, flat),
    ];
    for (probe, expected) in table {
        let error = ProbeSpec::KlInstability(probe).check(&threats()[0]).expect_err(expected).to_string();
        assert_eq!(error, format!("set up `kl-instability`: {expected}"));
    }
    let steered = KlInstability { inner: KlInner::CrossEntropy, start: Start::None, ..plain.clone() };
    assert!(ProbeSpec::KlInstability(steered).check(&threats()[0]).is_ok());
    let Problem { mut network, mut x, labels, digests } = Problem::mlp();
    let threat = &threats()[0];
    let setting = setting(threat, false);
    let mut refuse = |x: &Array2<f32>, labels: &[usize]| {
        let rows = Rows { x: x.view(), labels, digests: &digests };
        run(&ProbeSpec::KlInstability(plain.clone()), &rows, &setting, &mut network).expect_err("refused").to_string()
    };
    assert_eq!(refuse(&x, &labels[1..]), "match the shapes: 40 rows with 39 labels and 40 digests");
    x[[17, 3]] = f32::NAN;
    assert_eq!(refuse(&x, &labels), "probe row 17: bound the sample: element 3 is NaN, expected a finite number");
}

/// Digests of all values of all cases on small networks, in L-inf and L2.
const GOLDEN: &[(&str, u32, &str)] = &[
    ("kl-instability", 1, "2c971d5b8f6288ab"),
    ("label-flips", 1, "a23dfd95179726b0"),
    ("calibration", 1, "5035eac65bb6a34e"),
    ("lipschitz", 1, "fdb4b39c62355782"),
    ("kl-gradient", 1, "f6a1be5ac156cfee"),
    ("jacobian-norm", 1, "f6fe2ab15ed26df4"),
    ("logit-margin", 1, "b7ae59f4781ca297"),
    ("first-order-radius", 1, "a95ef4f5cf1ebd1f"),
    ("clever", 1, "7a8476deda6823fb"),
];

#[test]
fn numbers_move_only_with_the_revision() {
    let mut found = Vec::new();
    for probe in PROBES {
        let mut hash = Sha256::new();
        let norms = || threats().into_iter().filter(|threat| threat.norm != Norm::L1);
        for (spec, threat) in
            (probe.cases)().into_iter().flat_map(|spec| norms().map(move |threat| (spec.clone(), threat)))
        {
            for mut problem in [Problem::mlp(), Problem::linear(3), Problem::integer()] {
                for row in problem.probe(&spec, &threat) {
                    hash.update(row.value.unwrap_or(-1.0).to_bits().to_le_bytes());
                    hash.update(row.step.unwrap_or(u32::MAX).to_le_bytes());
                    hash.update([row.forwards, row.backwards].map(u64::to_le_bytes).concat());
                }
            }
        }
        let digest: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        found.push((probe.name, probe.revision, digest));
    }
    let expected: Vec<(&str, u32, String)> =
        GOLDEN.iter().map(|(name, revision, digest)| (*name, *revision, (*digest).to_owned())).collect();
    assert_eq!(found, expected, "raise the revision of a probe whose numbers moved, and note its digest");
}
