//! By the class that is right. A mean can hide a class that is never right.

use evidence::{ClassResult, ModelResult};

use super::Case;
use super::wording::counted;
use crate::document::{Section, Table, Text};
use crate::text::percent;

/// Models beside each other in one table: more do not fit on a page.
const ACROSS: usize = 4;

pub(super) fn section(case: &Case<'_>) -> Section {
    let models: Vec<&ModelResult> = case.results().models.iter().filter(|model| !model.classes.is_empty()).collect();
    let section = Section::new("By class");
    if models.is_empty() {
        return section.note("The results do not say how the classes fare: an older version made them. A class may be far below the mean.");
    }
    let mut worst = Table::new(&["model", "class"], &["clean"]).and_words("class under attack");
    worst.columns.push(crate::document::Column { name: "worst case, at most".to_owned(), is_number: true });
    for model in &models {
        let clean = least(&model.classes, |class| Some(class.correct));
        let robust = least(&model.classes, |class| class.robust);
        let [clean, robust] = [clean, robust].map(|of| of.unwrap_or(("–".to_owned(), "–".to_owned())));
        worst.push([model.name.clone(), clean.0, clean.1, robust.0, robust.1]);
    }
    let section = section
        .paragraph("The worst class of each model, with its own interval: it has fewer rows, and is picked for being the worst, so that its interval errs low.")
        .table(worst)
        .paragraph("All classes: clean accuracy / worst case (an upper bound), in percent of the rows of the class.");
    models.chunks(ACROSS).fold(section, |section, some| section.table(all(some)))
}

/// The class with the least share, and the share.
fn least(classes: &[ClassResult], count: impl Fn(&ClassResult) -> Option<u64>) -> Option<(String, String)> {
    let share = |class: &ClassResult| Some(count(class)? as f64 / class.total as f64);
    let known = classes.iter().filter(|class| class.total > 0).filter_map(|class| Some((class, share(class)?)));
    let (class, _) = known.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
    Some((class.name.clone(), counted(count(class)?, class.total)))
}

fn all(models: &[&ModelResult]) -> Table {
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    let header: Vec<&str> = ["rows"].into_iter().chain(names).collect();
    let mut table = Table::new(&["class"], &header);
    let first = models[0];
    for class in &first.classes {
        let cells = models.iter().map(|model| {
            let same = model.classes.iter().find(|other| other.name == class.name);
            same.map_or("–".to_owned(), cell)
        });
        let cells: Vec<Text> =
            [class.name.clone(), class.total.to_string()].into_iter().chain(cells).map(Text::from).collect();
        table.push(cells);
    }
    let missing = models
        .iter()
        .flat_map(|model| &model.classes)
        .filter(|class| first.classes.iter().all(|c| c.name != class.name));
    let missing: Vec<&str> = missing.map(|class| class.name.as_str()).collect();
    if !missing.is_empty() {
        table.push([format!("also: {}, of models whose outputs stand for other classes", missing.join(", "))]);
    }
    table
}

fn cell(class: &ClassResult) -> String {
    let share = |count: u64| percent(count as f64 / class.total.max(1) as f64);
    format!("{} / {}", share(class.correct), class.robust.map_or("–".to_owned(), share))
}
