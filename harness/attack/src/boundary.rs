//! The decision boundaries about a point, each taken for flat.

use crate::LossKind;
use crate::lanes::Row;

/// A linear model of the way from a point to the boundary to one rival.
pub(crate) struct Boundary {
    /// How much the rival's logit exceeds the label's.
    pub(crate) lead: f64,
    /// Its gradient `[D]`.
    pub(crate) gradient: Vec<f32>,
    /// Whether the model misclassifies the point.
    pub(crate) misclassified: bool,
}

impl Boundary {
    /// The boundary that is nearest to `x` by the lead over the dual length of its gradient, as if the domain had no bounds; the
    /// first of equals. `None` where nothing is finite. Takes one gradient for each rival.
    ///
    /// As in the authors' code of FAB 1e-12 keeps it finite where the gradient is zero.
    pub(crate) async fn nearest(row: &Row, x: &[f32], rivals: &[usize]) -> Option<Boundary> {
        let mut best: Option<(f64, Boundary)> = None;
        for &rival in rivals {
            let goal = LossKind::Margin.goal(row.label, Some(rival), row.classes);
            let answer = row.gradient(x, &goal).await;
            let lead = f64::from(answer.loss);
            let size = row.ball.norm().dual_length(&answer.gradient);
            let distance = lead.abs() / (size + 1e-12);
            if size.is_finite() && distance.is_finite() && best.as_ref().is_none_or(|(least, _)| distance < *least) {
                let misclassified = row.is_broken_by(&answer.logits);
                best = Some((distance, Boundary { lead, gradient: answer.gradient, misclassified }));
            }
        }
        best.map(|(_, boundary)| boundary)
    }
}
