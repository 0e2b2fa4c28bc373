//! Witnesses, judged again: each must lie in the ball of its row, and be misclassified.

use super::super::evidence::{FOLDER, file_of};
use super::super::step::{Step, count, failed};
use super::{Again, Found, indices, shown};
use crate::engine::matrix;
use crate::needed::{Check, Needed};
use anyhow::{Context, Result};
use attack::{Ball, Judge, Predictor, Proposal, Refusal, Ruling, ThreatModel, margin};
use evidence::{AttackColumns, Block, Flag, Verdict, read_witnesses};
use ndarray::{Axis, aview1};
use runtime::ShippedModel;
use std::path::Path;
use suite::PlannedAttack;

/// Every stored witness of every attack, with the registered file.
pub(in super::super) fn check(again: &Again<'_>, folder: &Path) -> Step {
    let mut step = Step::new("witnesses");
    let is_attack = |check: &Check| matches!(check, Check::Attack(_));
    let place = folder.join(FOLDER);
    let found = again.each("witnesses", is_attack, |judge, one, block| of_block(again, &place, judge, one, block));
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            step.wrong.push(failed(&error));
            return step;
        }
    };
    let rows: usize = found.iter().map(|found| found.rows).sum();
    let blocks = found.iter().filter(|found| found.rows > 0).count();
    let wrong = found.iter().any(|found| !found.wrong.is_empty());
    if rows == 0 && !wrong {
        return Step::not_checked("witnesses", "whether witnesses are in the ball and misclassified: there are none");
    }
    step.checked = format!(
        "{} of {} judged again: in the ball, on the grid where there is one, class, distance and margin",
        count(rows, "witness"),
        count(blocks, "block")
    );
    for Found { wrong, differs, .. } in found {
        step.wrong.extend(wrong);
        step.differs.extend(differs);
    }
    step
}

/// A witness, with what its block says of it.
struct Kept<'a> {
    row: u64,
    /// Its place in the block.
    at: usize,
    x_adv: &'a [f32],
    ball: Ball,
    label: usize,
}

fn of_block(again: &Again<'_>, place: &Path, judge: &mut ShippedModel, one: &Needed, block: &Block) -> Result<Found> {
    let (plan, file) = (&again.here.plan, file_of(block));
    let mut found = Found::default();
    let model = &plan.models[one.model];
    let attack = if let Check::Attack(index) = one.check { plan.attacks.get(index) } else { None };
    let (Some(columns), Some(attack)) = (block.attack_columns(), attack) else {
        found.wrong.push(format!("{file}: it holds no outcomes of an attack"));
        return Ok(found);
    };
    // What cannot be read is told with the evidence.
    let Ok(Some(witnesses)) = read_witnesses(place, block) else { return Ok(found) };
    let samples = plan.data.rows_at(&indices(block, plan.data.len())?)?;
    let x = matrix(&samples, &plan.data)?;
    let mut kept = Vec::new();
    for (row, x_adv) in witnesses.iter() {
        let at = block.rows.binary_search(&row).ok().context("a witness of no row of its block")?;
        let sample = x.row(at).to_vec();
        let threat = match threat_of(&plan.threat_model, attack, columns, at) {
            Ok(threat) => threat,
            Err(reason) => {
                found.wrong.push(format!("{file}: row {row} {reason}"));
                continue;
            }
        };
        let ball = threat.ball(&sample, &plan.attack_domain(), model.grid)?;
        kept.push(Kept { row, at, x_adv, ball, label: model.labels[samples.labels[at]] });
    }
    let proposals: Vec<Proposal<'_>> = kept
        .iter()
        .map(|kept| Proposal { ball: &kept.ball, label: kept.label, x_adv: kept.x_adv, anywhere: None })
        .collect();
    let rulings =
        Judge::new(judge).rule(&proposals).with_context(|| format!("failed to run model `{}`", model.name))?;
    for (kept, ruling) in kept.iter().zip(rulings) {
        found.rows += 1;
        compare(again, &file, &model.name, columns, kept, ruling, judge, &mut found)?;
    }
    Ok(found)
}

/// The radius that a witness is of: its level on a curve, or the threat model's own.
fn threat_of<'a>(
    own: &'a ThreatModel,
    attack: &'a PlannedAttack,
    columns: &AttackColumns,
    at: usize,
) -> Result<&'a ThreatModel, String> {
    let threat = match columns.level.get(at).copied().flatten() {
        None => own,
        Some(level) => match attack.curve.levels.get(level as usize) {
            Some(level) => &level.threat,
            None => return Err(format!("broke at level {level} of a curve, which has no such level")),
        },
    };
    let is_attacked = columns.verdict[at] == Verdict::Attacked;
    match is_attacked == (threat.epsilon <= own.epsilon) {
        true => Ok(threat),
        false => Err(format!("is {:?}, and its witness is of the radius {}", columns.verdict[at], threat.epsilon)),
    }
}

#[expect(clippy::too_many_arguments, reason = "all of them are what is compared")]
fn compare(
    again: &Again<'_>,
    file: &str,
    model: &str,
    columns: &AttackColumns,
    kept: &Kept<'_>,
    ruling: Ruling,
    judge: &mut ShippedModel,
    found: &mut Found,
) -> Result<()> {
    let Kept { row, at, x_adv, ball, label } = kept;
    let distance = Some(ball.distance(x_adv)).filter(|distance| distance.is_finite());
    if columns.distance[*at] != distance {
        // The same arithmetic everywhere: no runtime explains another distance.
        let (stated, found_here) = (shown(columns.distance[*at]), shown(distance));
        found.wrong.push(format!("{file}: the witness of row {row} is {found_here} away, and the block says {stated}"));
    }
    let text = match ruling {
        Ruling::Confirmed { class, tie, margin } => {
            let kept_margin = columns.margin.get(*at).copied().flatten();
            let margin = margin.map(|margin| margin + 0.0);
            let has_tie = columns.flags[*at].contains(&Flag::Tie);
            let stated = columns.adversarial_class[*at];
            if (stated, has_tie) == (u32::try_from(class).ok(), tie) && (kept_margin.is_none() || kept_margin == margin)
            {
                return Ok(());
            }
            let stated = stated.map_or_else(|| "none".to_owned(), |class| class.to_string());
            format!(
                "{file}: the witness of row {row} was class {stated} to {model} (margin {}), and is {class} here (margin {})",
                shown(kept_margin),
                shown(margin)
            )
        }
        Ruling::Rejected(Refusal::OutsideBall) => {
            found
                .wrong
                .push(format!("{file}: the witness of row {row} is not in the ball of its row, or not on the grid"));
            return Ok(());
        }
        Ruling::Rejected(Refusal::NotANumber) => {
            found.wrong.push(format!("{file}: the witness of row {row} holds a NaN"));
            return Ok(());
        }
        Ruling::Rejected(_) => {
            let scores = judge.predict(aview1(x_adv).insert_axis(Axis(0)))?;
            let margin = margin(&scores.row(0).to_vec(), *label);
            format!("{file}: {model} classifies the witness of row {row} right here (margin {})", shown(margin))
        }
    };
    let list = if again.is_same_runtime() { &mut found.wrong } else { &mut found.differs };
    list.push(text);
    Ok(())
}
