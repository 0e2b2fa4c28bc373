//! One attack at several radii, which share work: a row that is broken in a ball is broken in every larger one.

use crate::{AttackSpec, Error, Oracle, Predictor, Rejections, RowOutcome, Rows, Setting, ThreatModel, run};
use ndarray::Axis;

/// One radius of a curve.
#[derive(Debug, Clone, Copy)]
pub struct Level<'a> {
    /// Norm and radius.
    pub threat: &'a ThreatModel,
    /// The attack, whose numbers may depend on the radius.
    pub spec: &'a AttackSpec,
}

/// What is asked beside the attack at the setting's own radius.
#[derive(Debug, Clone, Copy, Default)]
pub struct Curve<'a> {
    /// Every radius, rising, with the setting's own among them; none without a curve.
    pub levels: &'a [Level<'a>],
    /// A radius from which all inputs are in reach, to see whether the attack reaches any.
    pub unconstrained: Option<Level<'a>>,
}

/// Runs an attack at every radius of a curve, each on the rows that are still unbroken, and without constraint on all.
///
/// The outcome of a row is that at the setting's own radius, but for `level`, and a witness of a larger radius where there is none
/// of this one; its costs are those of all runs together. Without a curve this is [`run()`].
///
/// Errors: those of [`run()`]; the setting's radius is not on the curve.
pub fn run_curve(
    spec: &AttackSpec,
    curve: &Curve<'_>,
    rows: &Rows<'_>,
    setting: &Setting<'_>,
    oracle: &mut dyn Oracle,
    predictor: &mut dyn Predictor,
) -> Result<Vec<RowOutcome>, Error> {
    let own = Level { threat: setting.threat, spec };
    let levels = if curve.levels.is_empty() { std::slice::from_ref(&own) } else { curve.levels };
    let at = |level: &Level<'_>| level.threat.epsilon == setting.threat.epsilon;
    let own = levels.iter().position(at).ok_or_else(|| Error::Spec {
        attack: spec.name(),
        reason: format!("the curve lacks the radius {}", setting.threat.epsilon),
    })?;
    let mut outcomes = vec![RowOutcome::default(); rows.labels.len()];
    for (index, level) in levels.iter().enumerate() {
        let left: Vec<usize> = (0..outcomes.len()).filter(|row| !outcomes[*row].broken).collect();
        let found = run_some(level, &left, rows, setting, oracle, predictor)?;
        for (row, found) in left.into_iter().zip(found) {
            outcomes[row].go_on(found, index, index <= own);
        }
    }
    if let Some(level) = &curve.unconstrained {
        let all: Vec<usize> = (0..outcomes.len()).collect();
        let found = run_some(level, &all, rows, setting, oracle, predictor)?;
        for (outcome, found) in outcomes.iter_mut().zip(found) {
            outcome.fell_unconstrained = Some(found.broken);
            outcome.add_cost(&found);
        }
    }
    for outcome in &mut outcomes {
        outcome.level = outcome.level.filter(|_| !curve.levels.is_empty());
        outcome.broken = outcome.broken && outcome.level.is_none_or(|level| level <= own);
    }
    Ok(outcomes)
}

/// One level on some of the rows.
fn run_some(
    level: &Level<'_>,
    some: &[usize],
    rows: &Rows<'_>,
    setting: &Setting<'_>,
    oracle: &mut dyn Oracle,
    predictor: &mut dyn Predictor,
) -> Result<Vec<RowOutcome>, Error> {
    if some.is_empty() {
        return Ok(Vec::new());
    }
    let x = rows.x.select(Axis(0), some);
    let labels: Vec<usize> = some.iter().map(|row| rows.labels[*row]).collect();
    let digests: Vec<[u8; 32]> = some.iter().map(|row| rows.digests[*row]).collect();
    let rows = Rows { x: x.view(), labels: &labels, digests: &digests };
    run(level.spec, &rows, &Setting { threat: level.threat, ..*setting }, oracle, predictor)
}

impl RowOutcome {
    /// Takes what a larger radius gave. `counts` says whether the setting's own radius is not yet passed; beyond it, only the cost, and
    /// the witness if there is one.
    fn go_on(&mut self, found: RowOutcome, level: usize, counts: bool) {
        self.add_cost(&found);
        let (forwards, backwards, judge_forwards) = (self.forwards, self.backwards, self.judge_forwards);
        let nearest = [self.nearest, found.nearest].into_iter().flatten().reduce(f64::min);
        let level = found.broken.then_some(level);
        if counts {
            let Rejections { outside_ball, not_a_number, not_misclassified } = found.rejections;
            self.rejections.outside_ball += outside_ball;
            self.rejections.not_a_number += not_a_number;
            self.rejections.not_misclassified += not_misclassified;
            let before = std::mem::take(self);
            *self = RowOutcome {
                found: before.found + found.found,
                rejected: before.rejected + found.rejected,
                rejections: before.rejections,
                zero_gradients: before.zero_gradients + found.zero_gradients,
                non_finite_gradients: before.non_finite_gradients + found.non_finite_gradients,
                ..found
            };
        } else if found.broken {
            self.broken = true;
            self.confirmed = found.confirmed;
            self.found += found.confirmed;
            (self.witness, self.distance, self.adversarial_class) =
                (found.witness, found.distance, found.adversarial_class);
        }
        *self = RowOutcome { level, nearest, forwards, backwards, judge_forwards, ..std::mem::take(self) };
    }

    fn add_cost(&mut self, other: &RowOutcome) {
        self.forwards += other.forwards;
        self.backwards += other.backwards;
        self.judge_forwards += other.judge_forwards;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::{Problem, cases, setting, threat};
    use crate::{Cost, Epsilon, Norm};

    const RADII: [&str; 4] = ["1/255", "3/255", "8/255", "40/255"];

    /// Every attack's first case at the third of these radii, with a curve.
    fn outcomes(spec: &AttackSpec, rows: &Rows<'_>, unconstrained: bool) -> Vec<RowOutcome> {
        let threats = RADII.map(|radius| threat(Norm::Linf, radius));
        let levels: Vec<Level<'_>> = threats.iter().map(|threat| Level { threat, spec }).collect();
        let all = threat(Norm::Linf, "1");
        let unconstrained = unconstrained.then_some(Level { threat: &all, spec });
        let curve = Curve { levels: &levels, unconstrained };
        let (mut oracle, mut judge) = (Problem::mlp().network, Problem::mlp().network);
        run_curve(spec, &curve, rows, &setting(&threats[2], false), &mut oracle, &mut judge).expect("it runs")
    }

    #[test]
    fn a_curve_says_what_each_radius_says_alone_and_what_smaller_ones_found() {
        let Problem { x, labels, digests, .. } = Problem::mlp();
        let rows = Rows { x: x.view(), labels: &labels, digests: &digests };
        let mut beyond = 0;
        for spec in cases() {
            let alone = RADII.map(|radius| {
                let threat = threat(Norm::Linf, radius);
                let (mut oracle, mut judge) = (Problem::mlp().network, Problem::mlp().network);
                spec.check(&threat).ok()?;
                Some(run(&spec, &rows, &setting(&threat, false), &mut oracle, &mut judge).expect("it runs"))
            });
            let [Some(_), Some(_), Some(own), Some(_)] = &alone else { continue };
            let found = outcomes(&spec, &rows, true);
            for (row, outcome) in found.iter().enumerate() {
                let first = (0..RADII.len()).find(|level| alone[*level].as_ref().is_some_and(|all| all[row].broken));
                assert_eq!(outcome.level, first, "{spec:?} row {row}");
                assert_eq!(outcome.broken, first.is_some_and(|level| level <= 2));
                assert!(outcome.broken >= own[row].broken);
                assert_eq!(outcome.confirmed, u32::from(first.is_some()));
                assert_eq!(outcome.confirmed > 0, outcome.witness.is_some());
                assert_eq!(outcome.found, outcome.confirmed + outcome.rejected);
                assert!(outcome.stage.is_none() || outcome.broken);
                if let (Some(witness), Some(level)) = (&outcome.witness, outcome.level) {
                    let ball =
                        threat(Norm::Linf, RADII[level]).ball(&x.row(row).to_vec(), &crate::Domain::PIXELS, false);
                    assert!(ball.expect("a ball").contains(witness));
                }
                assert!(outcome.fell_unconstrained.is_some());
                beyond += usize::from(outcome.level == Some(3));
            }
        }
        assert!(beyond > 0, "a larger radius broke what the setting's own did not, or this tests little");
    }

    #[test]
    fn without_a_curve_it_is_the_attack() {
        let Problem { x, labels, digests, .. } = Problem::mlp();
        let rows = Rows { x: x.view(), labels: &labels, digests: &digests };
        let threat = threat(Norm::Linf, "8/255");
        for spec in cases().filter(|spec| spec.check(&threat).is_ok()) {
            let (mut oracle, mut judge) = (Problem::mlp().network, Problem::mlp().network);
            let plain = run(&spec, &rows, &setting(&threat, false), &mut oracle, &mut judge).expect("it runs");
            let curve = Curve::default();
            let found = run_curve(&spec, &curve, &rows, &setting(&threat, false), &mut oracle, &mut judge);
            assert_eq!(found.expect("it runs"), plain, "{spec:?}");
        }
    }

    #[test]
    fn a_curve_costs_at_most_the_sum_of_its_radii() {
        let Problem { x, labels, digests, .. } = Problem::mlp();
        let rows = Rows { x: x.view(), labels: &labels, digests: &digests };
        let epsilon: Epsilon = "8/255".parse().expect("valid");
        for spec in cases().filter(|spec| spec.check(&threat(Norm::Linf, &epsilon.to_string())).is_ok()) {
            let cap = spec.cost(5).times(RADII.len() as u64 + 1);
            for outcome in outcomes(&spec, &rows, true) {
                let Cost { forwards, backwards, judge_forwards } = cap;
                assert!(outcome.forwards <= forwards && outcome.backwards <= backwards);
                assert!(outcome.judge_forwards <= judge_forwards);
            }
        }
    }
}
