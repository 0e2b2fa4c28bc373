use crate::{Error, ProbeSpec};
use attack::{Ball, Metered, Oracle, Rows, Setting};

/// What a probe found of one row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowValue {
    /// The value; `None` where there is none: the sample is the only point, or no logits were finite.
    pub value: Option<f64>,
    /// The iterate that has it: 0 is the start, and each restart goes on counting from its own start. `None` without a search.
    pub step: Option<u32>,
    /// Forwards of the oracle.
    pub forwards: u64,
    /// Backwards of the oracle.
    pub backwards: u64,
    /// Flag. Raised if a gradient was zero in every element. Means: the ascent stood still there, so the value may be
    /// too small. Do: try a random start.
    pub zero_gradients: u32,
    /// Flag. Raised if a gradient was NaN or infinite somewhere. Means: these elements did not move. Do: look for overflow.
    pub non_finite_gradients: u32,
    /// Flag. Raised if the logits of the sample or of an iterate were not finite. Means: that iterate was passed over. Do:
    /// look for overflow.
    pub non_finite_logits: u32,
}

/// Measures one probe on rows. The value of a row does not depend on the others.
///
/// Errors: parameters that the probe refuses, a row without a ball, an oracle that fails, and a probe whose own count of
/// calls, or whose stated worst case, is not what the meter says.
pub fn run(
    spec: &ProbeSpec,
    rows: &Rows<'_>,
    setting: &Setting<'_>,
    oracle: &mut dyn Oracle,
) -> Result<Vec<RowValue>, Error> {
    spec.check(setting.threat)?;
    rows.check(oracle)?;
    let cost = spec.cost(oracle.classes()).times(rows.labels.len() as u64);
    let mut oracle = Metered::new(oracle, cost);
    let job = Job { rows: Rows { x: rows.x.reborrow(), ..*rows }, setting: *setting };
    let values = spec.probe().run(&job, &mut oracle)?;
    let sum = |count: fn(&RowValue) -> u64| values.iter().map(count).sum::<u64>();
    let booked = (sum(|row| row.forwards), sum(|row| row.backwards));
    let metered = (oracle.spent().forwards, oracle.spent().backwards);
    match booked == metered {
        true => Ok(values),
        false => Err(Error::Account(format!(
            "`{}` booked {booked:?} forwards and backwards; metered {metered:?}",
            spec.name()
        ))),
    }
}

/// The rows and the setting of one run, as the probes see them.
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
        threat.ball(&x.to_vec(), domain, *grid).map_err(|source| Error::Row { row, source })
    }
}
