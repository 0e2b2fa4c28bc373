//! Clean predictions, predicted again.

use super::super::evidence::file_of;
use super::super::step::{Step, count, failed};
use super::{Again, Found, indices, shown};
use crate::engine::matrix;
use crate::needed::{Check, Needed};
use anyhow::{Context, Result};
use attack::{Predictor, argmax, margin};
use evidence::Block;
use runtime::ShippedModel;

/// Whether the registered files still predict of every sample what the blocks say, with the same margin, and whether labels are
/// those of the data.
pub(in super::super) fn check(again: &Again<'_>) -> Step {
    let mut step = Step::new("clean");
    let found = again.each(
        "clean rows",
        |check| *check == Check::Clean,
        |judge, one, block| of_block(again, judge, one, block),
    );
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            step.wrong.push(failed(&error));
            return step;
        }
    };
    let rows: usize = found.iter().map(|found| found.rows).sum();
    let models = again.here.plan.models.len();
    if rows == 0 {
        return Step::not_checked("clean", "predictions of clean rows: there are none to ask about again");
    }
    step.checked =
        format!("{} predicted again by {}: label, class and margin", count(rows, "row"), count(models, "model"));
    for Found { wrong, differs, .. } in found {
        step.wrong.extend(wrong);
        step.differs.extend(differs);
    }
    step
}

fn of_block(again: &Again<'_>, judge: &mut ShippedModel, one: &Needed, block: &Block) -> Result<Found> {
    let (plan, file) = (&again.here.plan, file_of(block));
    let mut found = Found { rows: block.rows.len(), ..Found::default() };
    let Some(columns) = block.clean_columns() else {
        found.wrong.push(format!("{file}: it holds no clean predictions"));
        return Ok(found);
    };
    let (data, model) = (&plan.data, &plan.models[one.model]);
    let samples = data.rows_at(&indices(block, data.len())?)?;
    let x = matrix(&samples, data)?;
    let scores = judge.predict(x.view()).with_context(|| format!("failed to run model `{}`", model.name))?;
    for (at, (&row, scores)) in block.rows.iter().zip(scores.rows()).enumerate() {
        let label = model.labels[samples.labels[at]];
        if columns.label[at] as usize != label {
            found.wrong.push(format!("{file}: row {row} has label {}, and {label} in the data", columns.label[at]));
            continue;
        }
        let scores = scores.to_vec();
        let ((class, tie), margin) = (argmax(&scores), margin(&scores, label));
        // As blocks write it: zero has no sign there.
        let margin = margin.map(|margin| margin + 0.0);
        let stated = (columns.prediction[at] as usize, columns.tie[at], columns.margin[at]);
        if stated != (class, tie, margin) {
            let (kept, here) = (shown(stated.2), shown(margin));
            let text = format!(
                "{file}: {} predicted row {row} as {} (margin {kept}), and predicts it as {class} here (margin {here})",
                model.name, stated.0
            );
            let list = if again.is_same_runtime() { &mut found.wrong } else { &mut found.differs };
            list.push(text);
        }
    }
    Ok(found)
}
