use evidence::ModelResult;

use super::wording::{each_attack, share, split};
use super::{Case, classes};
use crate::document::{Section, Table, Text};
use crate::text::bound_name;

pub(super) fn section(case: &Case<'_>) -> Section {
    Section::new("Stability")
        .paragraph("Whether decisions stay right where inputs are changed as the threat model allows.")
        .section(accuracies(case))
        .section(ends(case))
        .section(classes::section(case))
}

fn accuracies(case: &Case<'_>) -> Section {
    let mut table = Table::new(&["model", "check"], &["accuracy", "rows"]).and_words("kind of number");
    for model in &case.results().models {
        let mut add = |check: &str, accuracy: String, rows: String, kind: &str| {
            table.push([&model.name, check, &accuracy, &rows, kind]);
        };
        let clean = share(model.clean_accuracy, model.ci_low, model.ci_high);
        add("clean", clean, format!("{} of {}", model.correct, model.total), "counted on these rows");
        for attack in &model.attacks {
            let robust = share(attack.robust_accuracy, attack.ci_low, attack.ci_high);
            let kind = kind(bound_name(attack.bound), attack.inconclusive.is_empty());
            add(&attack.name, robust, format!("{} of {}", attack.robust, attack.total), &kind);
        }
        if let Some(worst) = &model.worst_case {
            let robust = share(worst.robust_accuracy, worst.ci_low, worst.ci_high);
            let is_fine =
                model.inconclusive.is_empty() && model.attacks.iter().all(|attack| attack.inconclusive.is_empty());
            let kind = kind(bound_name(worst.bound), is_fine);
            add("worst case", robust, format!("{} of {}", worst.robust, worst.total), &kind);
        }
    }
    let areas = areas(case);
    let section = Section::new("Accuracies")
        .paragraph(
            "Empirical robust accuracy: rows that are right and for which no confirmed adversarial input was found, out of all rows. In \
             parentheses the 95 % Clopper-Pearson interval for the population that the rows stand for; it says nothing of what the \
             search missed.",
        )
        .table(table);
    if areas.rows.is_empty() {
        section
    } else {
        section.paragraph("Of detectors: the area under the ROC curve.").table(areas)
    }
}

fn kind(bound: &str, is_fine: bool) -> String {
    if is_fine { format!("empirical, {bound}") } else { format!("empirical, {bound}, inconclusive") }
}

fn areas(case: &Case<'_>) -> Table {
    let rows = case.results().models.iter().filter_map(|model: &ModelResult| {
        let clean = crate::text::area(model.clean_auc?, false);
        let worst = model.worst_case.as_ref().and_then(|worst| worst.auc);
        Some([model.name.clone(), clean, worst.map_or("–".to_owned(), |auc| crate::text::area(auc, true))])
    });
    Table::new(&["model"], &["clean", "worst case"]).rows(rows)
}

/// How the rows of every check end: the parts add up to the whole.
fn ends(case: &Case<'_>) -> Section {
    let mut table = Table::new(&["model", "attack"], &["wrong", "attacked", "certified", "unknown", "total"]);
    let mut broken = Vec::new();
    for (model, attack) in each_attack(case.results()) {
        let parts = [attack.wrong, attack.attacked, attack.certified, attack.unknown];
        let shown = split(&parts, attack.total);
        let total = if shown.is_some() { "100.00 %".to_owned() } else { "–".to_owned() };
        if shown.is_none() {
            broken.push(Text::from(format!("{} under {}: {parts:?} of {}", model.name, attack.name, attack.total)));
        }
        let shown = shown.unwrap_or_else(|| parts.map(|part| part.to_string()).into());
        let cells = [model.name.clone(), attack.name.clone()];
        table.push(cells.into_iter().chain(shown).chain([total]));
    }
    let section = Section::new("Certified, attacked, unknown").paragraph(
        "Every row ends in one of four ways: wrong before any attack, attacked (a confirmed adversarial input is known), certified (proven \
         that there is none), or unknown (none was found, and it is not proven that there is none). Only certified rows are known to be \
         robust. Percentages are rounded so that they add up.",
    );
    let section = if table.rows.is_empty() { section.note("There was no attack.") } else { section.table(table) };
    match broken.is_empty() {
        true => section,
        false => section.note("These rows do not add up to their number: the results are damaged.").list(broken),
    }
}
