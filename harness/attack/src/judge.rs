use crate::{Ball, Domain, Error, OracleError, Predictor, argmax, margin};
use ndarray::Array2;

/// The only one who decides what counts.
///
/// It checks a proposal against the ball bit for bit, predicts it again with the registered bytes, and confirms it when
/// the class differs from the label: any misclassification counts, also when the attack had a target.
pub struct Judge<'a> {
    predictor: &'a mut dyn Predictor,
    forwards: u64,
}

/// A point that an attack puts before the judge.
#[derive(Debug, Clone, Copy)]
pub struct Proposal<'a> {
    /// What is allowed.
    pub ball: &'a Ball,
    /// The right class.
    pub label: usize,
    /// The point, flattened.
    pub x_adv: &'a [f32],
    /// Where it may lie instead of in the ball: anywhere that the model takes inputs from.
    pub anywhere: Option<Domain>,
}

/// What the judge says of one proposal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ruling {
    /// Misclassified, as this class. With `tie` another class has the same score.
    Confirmed {
        /// What the registered bytes predict.
        class: usize,
        /// Whether the verdict rests on the order of equal scores.
        tie: bool,
        /// [`crate::margin`] of the right class: 0 or less.
        margin: Option<f64>,
    },
    /// Not so.
    Rejected(Refusal),
}

/// Why a proposal was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It leaves the ball where that is asked for, the bounds or the grid. Such a point is never predicted.
    OutsideBall,
    /// It holds a NaN. Such a point is never predicted.
    NotANumber,
    /// Its scores hold a NaN.
    ScoresNotANumber,
    /// The registered bytes classify it right.
    NotMisclassified,
}

impl Ruling {
    /// Whether it took a forward of the registered bytes.
    pub fn predicted(&self) -> bool {
        !matches!(self, Ruling::Rejected(Refusal::OutsideBall | Refusal::NotANumber))
    }
}

impl<'a> Judge<'a> {
    /// A judge over the registered bytes.
    pub fn new(predictor: &'a mut dyn Predictor) -> Self {
        Judge { predictor, forwards: 0 }
    }

    /// How many rows were predicted.
    pub fn forwards(&self) -> u64 {
        self.forwards
    }

    /// Rules on each proposal; those that hold up are predicted together.
    pub fn rule(&mut self, proposals: &[Proposal<'_>]) -> Result<Vec<Ruling>, Error> {
        let refusals: Vec<Option<Refusal>> = proposals.iter().map(inadmissible).collect();
        let admitted: Vec<&Proposal<'_>> = proposals
            .iter()
            .zip(&refusals)
            .filter(|(_, refusal)| refusal.is_none())
            .map(|(proposal, _)| proposal)
            .collect();
        let scores = self.predict(&admitted)?;
        let mut rulings =
            admitted.iter().zip(scores.rows()).map(|(proposal, scores)| verdict(proposal, &scores.to_vec()));
        Ok(refusals
            .into_iter()
            .map(|refusal| match refusal {
                Some(refusal) => Ruling::Rejected(refusal),
                None => rulings.next().expect("one score row for each admitted proposal"),
            })
            .collect())
    }

    fn predict(&mut self, admitted: &[&Proposal<'_>]) -> Result<Array2<f32>, Error> {
        let Some(first) = admitted.first() else { return Ok(Array2::zeros((0, 0))) };
        let flat: Vec<f32> = admitted.iter().flat_map(|proposal| proposal.x_adv).copied().collect();
        let x = Array2::from_shape_vec((admitted.len(), first.x_adv.len()), flat)
            .map_err(|error| Error::Shape(format!("proposals of different lengths: {error}")))?;
        self.forwards += admitted.len() as u64;
        let scores = self.predictor.predict(x.view())?;
        if scores.nrows() != admitted.len() || scores.ncols() < 2 {
            let found = scores.dim();
            return Err(
                OracleError(format!("read the scores of {} rows: found shape {found:?}", admitted.len())).into()
            );
        }
        Ok(scores)
    }
}

fn inadmissible(proposal: &Proposal<'_>) -> Option<Refusal> {
    let Proposal { ball, x_adv, .. } = proposal;
    let allowed = match proposal.anywhere {
        None => ball.contains(x_adv),
        Some(domain) => x_adv.len() == ball.center().len() && domain.contains(x_adv, ball.is_grid()),
    };
    if x_adv.iter().any(|x| x.is_nan()) {
        Some(Refusal::NotANumber)
    } else {
        (!allowed).then_some(Refusal::OutsideBall)
    }
}

fn verdict(proposal: &Proposal<'_>, scores: &[f32]) -> Ruling {
    if scores.iter().any(|score| score.is_nan()) {
        return Ruling::Rejected(Refusal::ScoresNotANumber);
    }
    let (class, tie) = argmax(scores);
    match class == proposal.label {
        true => Ruling::Rejected(Refusal::NotMisclassified),
        false => Ruling::Confirmed { class, tie, margin: margin(scores, proposal.label) },
    }
}
