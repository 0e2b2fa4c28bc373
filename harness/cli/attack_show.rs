//! `tinyassay attack show`: the witnesses that a report keeps, as a table, or one of them as a picture.

use crate::args::ShowAttackArgs;
use crate::exit::Exit;
use crate::kept::{Broken, Check, NOT_KEPT, Report};
use crate::panels::{Drawn, View};
use crate::places::Places;
use crate::table;
use anyhow::{Result, bail};
use evidence::{SystemFiles, Verdict, write_atomically};
use registry::Dataset;
use std::path::Path;

/// Prints the table of kept witnesses, or draws the one that the options leave.
///
/// Errors: the report, its evidence or its data set is not there or not what it was; the options leave no witness, or with
/// `--row` several; the picture cannot be written.
pub(crate) fn run(args: &ShowAttackArgs) -> Result<Exit> {
    let places = Places::from_env();
    let report = Report::read(&places.report(&args.report))?;
    let checks = report.checks(args.model.as_deref(), args.attack.as_deref())?;
    let dataset = report.dataset(&places.datasets())?;
    let broken = checks.iter().flat_map(Check::broken).filter(|broken| args.row.is_none_or(|row| row == broken.row));
    let (kept, lost): (Vec<Broken<'_>>, Vec<_>) = broken.partition(|broken| broken.check.has_witnesses());
    match (args.row, &kept[..]) {
        (Some(row), []) if lost.is_empty() => bail!("row {row} has no witness: {}", why_none(&checks, row)),
        (_, []) if !lost.is_empty() => bail!("{NOT_KEPT}"),
        (Some(_), [one]) => draw(&report, &dataset, one, args.out.as_deref())?,
        (Some(row), several) => {
            println!("{}", list(&report, &dataset, several));
            let count = several.len();
            bail!(
                "row {row} has {count} witnesses, and one at a time is drawn\nhint: say with --model and --attack which"
            );
        }
        (None, all) => {
            println!("{}", list(&report, &dataset, all));
            println!("{} witnesses; --row N with --model and --attack draws one", all.len());
            if !lost.is_empty() {
                println!("{} more rows were broken, and their witnesses were not kept (--no-witnesses)", lost.len());
            }
        }
    }
    Ok(Exit::Pass)
}

/// How each of the checks ended on a row without a witness.
fn why_none(checks: &[Check], row: u64) -> String {
    let ends = checks.iter().filter_map(|check| Some((check, check.verdict(row)?)));
    let mut ends: Vec<String> = ends
        .map(|(check, verdict)| match verdict {
            Verdict::Wrong => format!("`{}` is wrong there before any attack", check.model),
            Verdict::Unknown => format!("`{}` withstands `{}` there", check.model, check.attack),
            Verdict::Attacked => format!("`{}` breaks `{}` there", check.attack, check.model),
        })
        .collect();
    ends.dedup();
    if ends.is_empty() { "the report is not about it".to_owned() } else { ends.join(", ") }
}

fn list(report: &Report, dataset: &Dataset, witnesses: &[Broken<'_>]) -> String {
    let distance = format!("distance ({})", report.results.threat.norm);
    let header = ["model", "attack", "row", "label", "adversarial class", &distance];
    let rows = witnesses.iter().map(|broken| {
        let (label, class) = classes(dataset, broken);
        let distance = broken.distance.map_or_else(|| "-".to_owned(), |distance| format!("{distance:.6}"));
        [broken.check.model.clone(), broken.check.attack.clone(), broken.row.to_string(), label, class, distance]
    });
    table::render(header, rows)
}

/// The names of the right class and of what the judge sees. An output that stands for several classes, or for none, has
/// only its number.
pub(crate) fn classes(dataset: &Dataset, broken: &Broken<'_>) -> (String, String) {
    let row = broken.row as usize;
    if row >= dataset.len() {
        return ("no row of the data".to_owned(), format!("output {}", broken.adversarial_class));
    }
    let label = dataset.label(row);
    let labels = &broken.check.labels;
    let mut meant = (0..labels.len()).filter(|class| labels[*class] == broken.adversarial_class);
    let name = match (meant.next(), meant.next()) {
        (Some(class), None) if class < dataset.classes.len() => dataset.classes[class].clone(),
        _ => format!("output {}", broken.adversarial_class),
    };
    (dataset.classes.get(label).cloned().unwrap_or_default(), name)
}

fn draw(report: &Report, dataset: &Dataset, broken: &Broken<'_>, out: Option<&Path>) -> Result<()> {
    let adversarial = report.witness(broken)?;
    let mut sample = vec![0.0; dataset.row_len()];
    if adversarial.len() != sample.len() || broken.row as usize >= dataset.len() {
        let (values, row, rows) = (adversarial.len(), broken.row, dataset.len());
        bail!("the witness is of row {row} with {values} values, and the data have {rows} rows of {}", sample.len());
    }
    dataset.write_row(broken.row as usize, &mut sample);
    let view = View::of(dataset);
    let drawn = view.draw(&sample, &adversarial)?;
    let Broken { check, row, .. } = broken;
    let out = out.map_or_else(|| format!("{}-{}-{row}.png", check.model, check.attack).into(), Path::to_path_buf);
    write_atomically(&SystemFiles, &out, &drawn.png)?;
    let (label, class) = classes(dataset, broken);
    let threat = &report.results.threat;
    println!(
        "row {row} of {}, {}: {label}, and {class} to `{}` under `{}`",
        dataset.name, dataset.split, check.model, check.attack
    );
    if let Some(distance) = broken.distance {
        println!("distance {distance:.6} in {}, where epsilon is {} ({})", threat.norm, threat.epsilon, threat.units);
    }
    explain(&view, dataset, &drawn, &adversarial);
    println!("wrote {}", out.display());
    Ok(())
}

/// What the picture shows, and what it cannot show.
fn explain(view: &View, dataset: &Dataset, drawn: &Drawn, adversarial: &[f32]) {
    let (across, down) = drawn.element;
    println!("panels: sample, adversarial input, difference; an element is {across} x {down} pixels");
    match drawn.factor {
        Some(factor) => println!(
            "the difference is magnified {factor:.2} times around mid-grey: the largest of an element is {:.6}",
            drawn.largest
        ),
        None => println!("there is no difference"),
    }
    if !view.is_picture() {
        let (low, high) = drawn.scale;
        let below = "channels one below the other";
        println!("rows of {} are no pictures: values in grey, {low} black and {high} white, {below}", dataset.name);
    } else if adversarial.iter().any(|x| *x != (x * 255.0).round() / 255.0) {
        println!("the adversarial input lies between the levels of 8 bits, to which the picture rounds it");
    }
}
