//! Results by the five properties of ISO/IEC 24029-2, in the order of its list, and models beside each other.

use super::wording::{attacks, norm};
use super::{Case, compared, quantized, sensitivity, stability};
use crate::Error;
use crate::document::{Figure, Section, Table, Text};
use crate::text::limits;
use crate::text::percent;

pub(super) const TITLE: &str = "Robustness";

pub(super) fn chapter(case: &Case<'_>) -> Result<Section, Error> {
    let section = Section::new(TITLE)
        .paragraph(
            "By the properties that ISO/IEC 24029 names (its part 2, beside the technical report of part 1): domain, stability, sensitivity, relevance and reachability, as far as they \
             were measured. That order is a way of finding things; no conformity with the standard is claimed.",
        )
        .section(domain(case)?)
        .section(stability::section(case))
        .section(sensitivity::section(case))
        .section(Section::new("Relevance").paragraph(
            "Whether a decision rests on what matters in the input (saliency, attribution) was not measured: it is out of scope of this \
             tool. Nothing here says why a model decides as it does.",
        ))
        .section(reachability(case))
        .section(compared::section(case))
        .section(quantized::section(case));
    Ok(match transfer(case) {
        Some(part) => section.section(part),
        None => section,
    })
}

/// Where results hold: the ball, the radii, the corruptions.
fn domain(case: &Case<'_>) -> Result<Section, Error> {
    let results = case.results();
    let threat = &results.threat;
    let section = Section::new("Domain").paragraph(
        Text::from("Results hold on the evaluated rows and, around each of them, in the ball of radius ")
            .strong(threat.epsilon.clone())
            .plain(format!(" in the {} norm ({}), cut to the bounds of inputs.", norm(&threat.norm), threat.units)),
    );
    let section = match crate::robustness::svg(results)? {
        None => section.paragraph("One radius was tried. How robustness falls over the radius is not known."),
        Some(svg) => {
            let caption = "Robust accuracy over the radius; each point is an upper bound. A row that broke at one radius counts as \
                           broken at every larger one.";
            let figure = Figure { file: "audit-robustness.svg".to_owned(), svg, caption: caption.into() };
            section.figure(Some(figure)).table(curves(case))
        }
    };
    Ok(corruptions(case, section))
}

fn curves(case: &Case<'_>) -> Table {
    let mut table = Table::new(&["model", "attack", "radius"], &["robust accuracy, at most", "95 % interval"]);
    for (model, attack) in super::wording::each_attack(case.results()) {
        for point in &attack.curve {
            let share = format!("{} %", percent(point.robust_accuracy));
            table.push([
                model.name.clone(),
                attack.name.clone(),
                point.epsilon.clone(),
                share,
                limits(point.ci_low, point.ci_high),
            ]);
        }
    }
    table
}

fn corruptions(case: &Case<'_>, section: Section) -> Section {
    let mut table = Table::new(&["model", "corruption"], &["mean", "worst severity", "95 % interval there"]);
    for model in &case.results().models {
        let Some(results) = &model.corruptions else { continue };
        for one in &results.corruptions {
            let worst = one.severities.iter().min_by(|a, b| a.accuracy.total_cmp(&b.accuracy));
            let worst = worst.map_or(["–".to_owned(), "–".to_owned()], |at| {
                [format!("{} % (severity {})", percent(at.accuracy), at.severity), limits(at.ci_low, at.ci_high)]
            });
            let cells = [model.name.clone(), one.name.clone(), format!("{} %", percent(one.mean_accuracy))];
            table.push(cells.into_iter().chain(worst));
        }
        let relative = results.relative_accuracy.map_or(String::new(), |of| format!(" ({} % of clean)", percent(of)));
        let mean = format!("{} %{relative}", percent(results.mean_accuracy));
        table.push([model.name.clone(), "all".to_owned(), mean, "–".to_owned(), "–".to_owned()]);
    }
    match table.rows.is_empty() {
        true => section.paragraph("No common corruptions (noise, blur, weather, compression) were tried."),
        false => section
            .paragraph("Accuracy on common corruptions, counted on these rows: neither a bound nor a worst case, since nothing was searched for.")
            .table(table),
    }
}

fn reachability(case: &Case<'_>) -> Section {
    let bounded = case.results().models.iter().flat_map(|model| &model.probes).any(|probe| probe.upper.is_some());
    let text = "Bounds on all outputs that a ball can reach, such as those of interval bounds or linear relaxations, are not in these \
                results, and nothing is proven by them. What is there is the opposite: confirmed inputs in the ball that reach a wrong \
                decision, kept as witnesses where the run kept them.";
    let section = Section::new("Reachability").paragraph(text);
    match bounded {
        false => section,
        true => section.paragraph(
            "A proven Lipschitz constant stands in the table of sensitivity. Times the radius it bounds how far the output can move, \
             but a product of layer norms is so large that this says little.",
        ),
    }
}

/// How well attacks that another model guides do.
fn transfer(case: &Case<'_>) -> Option<Section> {
    let rows = super::wording::each_attack(case.results()).filter_map(|(model, attack)| {
        let source = attack.source.clone()?;
        let share = super::wording::share(attack.robust_accuracy, attack.ci_low, attack.ci_high);
        Some([model.name.clone(), source, attack.name.clone(), share])
    });
    let table = Table::new(&["model", "guided by", "attack"], &["robust accuracy, at most"]).rows(rows);
    (!table.rows.is_empty()).then(|| {
        Section::new("Transfer")
            .paragraph("Attacks that another model guides: what an attacker who does not have the file can do with one like it.")
            .table(table)
    })
}

/// Whether any attack tried other radii.
pub(super) fn has_curve(case: &Case<'_>) -> bool {
    attacks(case.results()).iter().any(|attack| !attack.curve.is_empty())
}
