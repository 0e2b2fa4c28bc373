use crate::{Ball, Refusal, Ruling};

/// How one row came through one check.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowOutcome {
    /// Whether the judge confirmed a misclassified point of the ball.
    pub broken: bool,
    /// That point.
    pub witness: Option<Vec<f32>>,
    /// Its distance from the sample in the threat model's norm.
    pub distance: Option<f64>,
    /// What the registered bytes take it for.
    pub adversarial_class: Option<usize>,
    /// The score of the right class less the highest other one, by the registered bytes, in that point; `None` if it is not
    /// finite.
    pub margin: Option<f64>,
    /// Proposals that counted as found: claimed by the oracle's own logits, or confirmed.
    pub found: u32,
    /// Proposals that the judge confirmed, 0 or 1.
    pub confirmed: u32,
    /// Found but not confirmed.
    pub rejected: u32,
    /// Why they were rejected; the sum is `rejected`.
    pub rejections: Rejections,
    /// Forwards of the oracle.
    pub forwards: u64,
    /// Backwards of the oracle.
    pub backwards: u64,
    /// Forwards of the judge.
    pub judge_forwards: u64,
    /// Which stage of an ensemble broke it, from 0; `None` for a row that is not broken, and for a single attack.
    pub stage: Option<usize>,
    /// On a curve over several radii: the first at which it broke, by its index; `None` for a row that withstands all, and
    /// without a curve. Where that is beyond the radius of the threat model, it is not `broken`, and the witness is of that radius.
    pub level: Option<usize>,
    /// Whether it broke where every input was in reach; `None` where that was not tried.
    pub fell_unconstrained: Option<bool>,
    /// For attacks that look for the nearest misclassified input: how far the nearest is that the judge saw, in the threat
    /// model's norm, in the ball or not.
    pub nearest: Option<f64>,
    /// Whether the confirmed witness rests on a tie of scores.
    pub tie: bool,
    /// Flag. Raised if a gradient was zero in every element. Means: the ascent stood still there, so the search may
    /// be too weak. Do: try the margin loss or a random start.
    pub zero_gradients: u32,
    /// Flag. Raised if a gradient was NaN or infinite somewhere. Means: under L-inf the elements that were NaN stood still
    /// and infinite ones moved by their sign; under L2 the row stood still. Do: look for overflow.
    pub non_finite_gradients: u32,
    /// Flag. Raised if the oracle misclassified a point of the ball that it was asked about, and the search proposed nothing.
    /// Means: the search passed by an adversarial input. Do: use an attack that keeps its best point.
    pub silent_success: bool,
    /// Flag. Raised if the last tenth of the oracle's answers gained more than a twentieth of all the margin that the search gained in
    /// the ball. Means: it had not come to its end. Do: more steps.
    pub still_gaining: bool,
    /// Flag. Raised if half of the gradients, or more, were zero in every element. Means: the search could not move. Do: the
    /// margin loss, a black box.
    pub stood_still: bool,
    /// Flag. Raised if the budget ended the search. Means: it was cut short. Do: a larger budget.
    pub out_of_budget: bool,
}

/// Rejected proposals by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rejections {
    /// It left the ball, the bounds or the grid; counted also when not claimed, since the attack is at fault.
    pub outside_ball: u32,
    /// It, or its scores, held a NaN; counted also when not claimed.
    pub not_a_number: u32,
    /// Claimed, but the registered bytes classify it right.
    pub not_misclassified: u32,
}

impl RowOutcome {
    /// Books the ruling on one point that may lie out of the ball. A nearer witness takes the place of one that there is.
    pub(crate) fn book_nearest(&mut self, ball: &Ball, x_adv: &[f32], claimed: bool, ruling: Ruling) {
        let is_inside = ball.contains(x_adv);
        let distance = ball.distance(x_adv);
        let confirmed = matches!(ruling, Ruling::Confirmed { .. });
        let is_nearer = self.nearest.is_none_or(|nearest| distance < nearest);
        if confirmed && is_nearer {
            self.nearest = Some(distance);
        }
        let counts = match ruling {
            Ruling::Confirmed { .. } => is_inside && (is_nearer || !self.broken),
            Ruling::Rejected(Refusal::NotMisclassified) => is_inside,
            Ruling::Rejected(_) => true,
        };
        if !counts {
            self.judge_forwards += u64::from(ruling.predicted());
            return;
        }
        if confirmed && self.broken {
            (self.confirmed, self.found) = (self.confirmed - 1, self.found - 1);
        }
        self.book(ball, x_adv, claimed, ruling);
    }

    /// Books the ruling on one proposal.
    pub(crate) fn book(&mut self, ball: &Ball, x_adv: &[f32], claimed: bool, ruling: Ruling) {
        self.judge_forwards += u64::from(ruling.predicted());
        let count = match ruling {
            Ruling::Confirmed { class, tie, margin } => {
                self.broken = true;
                self.witness = Some(x_adv.to_vec());
                self.distance = Some(ball.distance(x_adv)).filter(|distance| !distance.is_nan());
                self.adversarial_class = Some(class);
                (self.tie, self.margin) = (tie, margin);
                &mut self.confirmed
            }
            Ruling::Rejected(Refusal::NotMisclassified) if !claimed => return,
            Ruling::Rejected(refusal) => {
                self.rejected += 1;
                match refusal {
                    Refusal::OutsideBall => &mut self.rejections.outside_ball,
                    Refusal::NotANumber | Refusal::ScoresNotANumber => &mut self.rejections.not_a_number,
                    Refusal::NotMisclassified => &mut self.rejections.not_misclassified,
                }
            }
        };
        *count += 1;
        self.found += 1;
    }
}
