use crate::{AttackSpec, Ball, Domain, Error, Judge, Metered, Oracle, Predictor, RowOutcome, ThreatModel};
use ndarray::ArrayView2;

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
    /// Whether the model's input is integer, so that only the domain's levels count.
    pub grid: bool,
    /// The suite's seed.
    pub seed: u64,
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
    check_shapes(rows, oracle)?;
    let cap = spec.cost(oracle.classes()).times(rows.labels.len() as u64);
    let mut oracle = Metered::new(oracle, cap);
    let mut judge = Judge::new(predictor);
    let job = Job { rows: Rows { x: rows.x.reborrow(), ..*rows }, setting: *setting };
    let outcomes = spec.attack().run(&job, &mut oracle, &mut judge)?;
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

fn check_shapes(rows: &Rows<'_>, oracle: &dyn Oracle) -> Result<(), Error> {
    let (count, row_len) = rows.x.dim();
    let classes = oracle.classes();
    let complaint = if (rows.labels.len(), rows.digests.len()) != (count, count) {
        format!("{count} rows with {} labels and {} digests", rows.labels.len(), rows.digests.len())
    } else if row_len != oracle.row_len() {
        format!("rows of {row_len} elements for a model of {}", oracle.row_len())
    } else if classes < 2 {
        format!("a classifier of {classes} classes; expected at least 2")
    } else if let Some(label) = rows.labels.iter().find(|label| **label >= classes) {
        format!("label {label} for a model of {classes} classes")
    } else {
        return Ok(());
    };
    Err(Error::Shape(complaint))
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
