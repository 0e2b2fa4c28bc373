//! The pictures of a report: a sheet of the evaluated rows, and for some models what their worst attack found.

use crate::attack_show::classes;
use crate::kept::{Broken, Check, Report};
use crate::panels::View;
use anyhow::{Result, ensure};
use evidence::{ModelResult, Results, Verdict};
use registry::Dataset;
use report::Picture;
use std::path::Path;
use suite::Plan;

/// Classes on the sheet, and rows of each, at most.
const CLASSES: usize = 10;
const PER_CLASS: usize = 8;

/// Bytes of the pixels of the sheet, at most.
const SHEET_BYTES: usize = 190_000;

/// Models with a picture of their own, and bytes of the pixels of all these, at most.
const MODELS: usize = 6;
const EXAMPLE_BYTES: usize = 64_000;

/// The pictures of a run whose evidence is in `folder`: none where rows are no pictures.
///
/// Errors: a block or its witnesses cannot be read.
pub(crate) fn of(plan: &Plan, results: &Results, folder: &Path) -> Result<Vec<Picture>> {
    let view = View::of(&plan.data);
    if !view.is_picture() {
        return Ok(Vec::new());
    }
    let mut pictures: Vec<Picture> = sheet(plan, &view)?.into_iter().collect();
    let report = Report::of(results, folder);
    let checks = report.checks(None, None)?;
    let fit = EXAMPLE_BYTES / (3 * plan.data.row_len());
    for (index, model) in results.models.iter().take(MODELS.min(fit)).enumerate() {
        if let Some(broken) = example(model, &checks) {
            let adversarial = report.witness(&broken)?;
            pictures.push(panel(index, &plan.data, &view, results, &broken, &adversarial)?);
        }
    }
    Ok(pictures)
}

/// The first rows of each class; `None` where not even one fits.
fn sheet(plan: &Plan, view: &View) -> Result<Option<Picture>> {
    let data = &plan.data;
    let fit = SHEET_BYTES / data.row_len();
    let shown = data.classes.len().min(CLASSES).min(fit);
    if shown == 0 {
        return Ok(None);
    }
    let beside = (fit / shown).min(PER_CLASS);
    let mut rows = vec![Vec::new(); shown * beside];
    let mut counts = vec![0; shown];
    for row in plan.dataset.rows.iter() {
        let class = data.label(row);
        if class < shown && counts[class] < beside {
            let mut values = vec![0.0; data.row_len()];
            data.write_row(row, &mut values);
            rows[class * beside + counts[class]] = values;
            counts[class] += 1;
        }
    }
    let names = data.classes[..shown].join(", ");
    let of = if shown == data.classes.len() {
        "each class".to_owned()
    } else {
        format!("{shown} of {} classes", data.classes.len())
    };
    Ok(Some(Picture {
        file: "rows.png".to_owned(),
        title: format!("{}, {} split", data.name, data.split),
        caption: format!("The first {beside} evaluated rows of {of}, from above: {names}."),
        png: view.sheet(&rows, beside)?,
    }))
}

/// The first row that the worst attack on a model broke, if its witness was kept.
fn example<'a>(model: &ModelResult, checks: &'a [Check]) -> Option<Broken<'a>> {
    let worst = model.attacks.iter().min_by_key(|attack| attack.robust)?;
    let checks = checks.iter().filter(|check| check.model == model.name && check.attack == worst.name);
    let mut broken = checks.filter(|check| check.has_witnesses()).flat_map(Check::broken);
    // Rows of a curve's larger radii have witnesses too.
    broken.find(|broken| broken.check.verdict(broken.row) == Some(Verdict::Attacked))
}

fn panel(
    index: usize,
    data: &Dataset,
    view: &View,
    results: &Results,
    broken: &Broken<'_>,
    adversarial: &[f32],
) -> Result<Picture> {
    ensure!(
        (broken.row as usize) < data.len() && adversarial.len() == data.row_len(),
        "a witness is of row {} with {} values, and the data have {} rows of {}",
        broken.row,
        adversarial.len(),
        data.len(),
        data.row_len()
    );
    let mut sample = vec![0.0; data.row_len()];
    data.write_row(broken.row as usize, &mut sample);
    let drawn = view.draw_small(&sample, adversarial)?;
    let (label, class) = classes(data, broken);
    let threat = &results.threat;
    let distance =
        broken.distance.map(|distance| format!(", {distance:.4} away in {}", threat.norm)).unwrap_or_default();
    let times = drawn.factor.map(|factor| format!(", {factor:.0} times enlarged around grey")).unwrap_or_default();
    Ok(Picture {
        file: format!("adversarial-{}.png", index + 1),
        title: broken.check.model.clone(),
        caption: format!(
            "Row {}: {label} is taken for {class}, found by {}{distance}. Sample, adversarial input, and their difference{times}.",
            broken.row, broken.check.attack
        ),
        png: drawn.png,
    })
}
