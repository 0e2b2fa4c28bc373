use crate::attacks::Attack;
use crate::lanes::{Row, Search, drive};
use crate::{
    AttackSpec, Ball, Budget, Domain, Error, Judge, Metered, Oracle, Picture, Predictor, RowOutcome, ThreatModel,
};
use ndarray::ArrayView2;
use std::rc::Rc;

/// The rows to attack.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// `[N, D]`, canonical.
    pub x: ArrayView2<'a, f32>,
    /// The right output of the model for each row.
    pub labels: &'a [usize],
    /// The digest of each sample, which keys its random streams.
    pub digests: &'a [[u8; 32]],
}

/// What the adversary may do, and the seed.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Norm and radius.
    pub threat: &'a ThreatModel,
    /// The inputs that exist.
    pub domain: Domain,
    /// Whether only the points of the domain's grid count: the model's input is integer, or the threat model says so. Where
    /// the model does not round by itself, its oracle is to be an [`crate::OnGrid`].
    pub grid: bool,
    /// How the elements of a row lie in space.
    pub picture: Picture,
    /// The suite's seed.
    pub seed: u64,
    /// What the search of a row may cost. It is not for probes.
    pub budget: Budget,
}

impl Rows<'_> {
    /// Whether these rows are ones that the model takes. Errors: [`Error::Shape`].
    pub fn check(&self, oracle: &dyn Oracle) -> Result<(), Error> {
        let (count, row_len) = self.x.dim();
        let classes = oracle.classes();
        let complaint = if (self.labels.len(), self.digests.len()) != (count, count) {
            format!("{count} rows with {} labels and {} digests", self.labels.len(), self.digests.len())
        } else if row_len != oracle.row_len() {
            format!("rows of {row_len} elements for a model of {}", oracle.row_len())
        } else if classes < 2 {
            format!("a classifier of {classes} classes; expected at least 2")
        } else if let Some(label) = self.labels.iter().find(|label| **label >= classes) {
            format!("label {label} for a model of {classes} classes")
        } else {
            return Ok(());
        };
        Err(Error::Shape(complaint))
    }
}

/// Runs one check on rows that the judge classifies correctly. The outcome of a row does not depend on the others.
///
/// Errors: parameters that the attack refuses, a row without a ball, an oracle or predictor that fails, and an attack
/// whose own count of calls, or whose stated worst case, is not what the meter says.
pub fn run(
    spec: &AttackSpec,
    rows: &Rows<'_>,
    setting: &Setting<'_>,
    oracle: &mut dyn Oracle,
    predictor: &mut dyn Predictor,
) -> Result<Vec<RowOutcome>, Error> {
    spec.check(setting.threat)?;
    rows.check(oracle)?;
    if setting.picture.len() != oracle.row_len() {
        let (found, wanted) = (setting.picture.len(), oracle.row_len());
        return Err(Error::Shape(format!("rows of {wanted} elements in a picture of {found}")));
    }
    let cap = spec.cost(oracle.classes()).times(rows.labels.len() as u64);
    let mut oracle = Metered::new(oracle, cap);
    let mut judge = Judge::new(predictor);
    let job = Job { rows: Rows { x: rows.x.reborrow(), ..*rows }, setting: *setting };
    let (stages, staged) = (spec.stages(), matches!(spec, AttackSpec::Ensemble(_)));
    let begin = |row| -> Search<'_> { Box::pin(search(&stages, staged, row)) };
    let outcomes = drive(&job, &mut oracle, &mut judge, begin)?;
    let sum = |count: fn(&RowOutcome) -> u64| outcomes.iter().map(count).sum::<u64>();
    let booked = (sum(|row| row.forwards), sum(|row| row.backwards), sum(|row| row.judge_forwards));
    let metered = (oracle.spent().forwards, oracle.spent().backwards, judge.forwards());
    match booked == metered && judge.forwards() <= cap.judge_forwards {
        true => Ok(outcomes),
        false => Err(Error::Account(format!(
            "`{}` booked {booked:?} forwards, backwards and judge's forwards; metered {metered:?}, allowed {cap:?}",
            spec.name()
        ))),
    }
}

/// The search of one row: its stages one after the other, until one of them breaks it.
async fn search(stages: &[&dyn Attack], staged: bool, row: Rc<Row>) {
    for (index, stage) in stages.iter().enumerate() {
        if staged {
            row.enter(index);
        }
        stage.search(row.clone()).await;
        if row.is_broken() {
            return;
        }
    }
}

/// The rows and the setting of one run, as the attacks see them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) rows: Rows<'a>,
    pub(crate) setting: Setting<'a>,
}

impl Job<'_> {
    pub(crate) fn len(&self) -> usize {
        self.rows.labels.len()
    }

    pub(crate) fn ball(&self, row: usize) -> Result<Ball, Error> {
        let Setting { threat, domain, grid, .. } = &self.setting;
        let x = self.rows.x.row(row);
        threat.ball(&x.to_vec(), domain, *grid).map_err(|source| Error::Row { row, source: Box::new(source) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::{Fixed, Problem, setting, threat};
    use crate::{Keep, LossKind, Norm, Pgd, Start, Targets};
    use ndarray::Array2;

    #[test]
    fn senseless_settings_and_shapes_are_refused() {
        let plain = Pgd {
            steps: 5,
            step_size: "1/510".parse().expect("valid"),
            start: Start::Random,
            restarts: 2,
            loss: LossKind::Margin,
            targets: Targets::None,
            keep: Keep::Best,
        };
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
        for (name, reason) in [
            ("deepfool", "it is defined for linf and l2; the threat model is in l1"),
            ("cw-l2", "it looks for small changes in l2; the threat model is in l1"),
            ("cw-linf", "it looks for small changes in linf; the threat model is in l1"),
            ("pgd-20-trades", "it is defined for linf and epsilon 0.031; found l1 and 12"),
        ] {
            let l1 = threat(Norm::L1, "12");
            let preset = crate::preset(name).expect("a preset");
            let error = preset.resolve(&l1).and_then(|spec| spec.check(&l1)).expect_err(reason).to_string();
            assert_eq!(error, format!("set up `{name}`: {reason}"));
        }
        let threat = threat(Norm::Linf, "8/255");
        let spec = AttackSpec::Pgd(plain);
        let Problem { mut network, mut x, labels, digests, .. } = Problem::mlp();
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
}
