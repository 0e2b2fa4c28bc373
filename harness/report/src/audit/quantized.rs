//! Integer models beside the float models that they come from.

use evidence::{ModelResult, Paired, Results};

use super::Case;
use super::wording::share;
use crate::document::{Section, Table, Text};
use crate::text::{number, span};

/// What a name ends with that is a model's with another arithmetic.
const ENDINGS: &[&str] = &["-int8", "_int8", ".int8", "-int8-qdq", "-qdq", "-quantized", "-quant", "-ptq", "-qat"];

pub(super) fn section(case: &Case<'_>) -> Section {
    let results = case.results();
    let section = Section::new("Quantized against float");
    let pairs = pairs(results);
    if pairs.is_empty() {
        let inputs = integer_inputs(results);
        let more = match inputs.is_empty() {
            true => String::new(),
            false => format!(" These take integers: {}.", inputs.join(", ")),
        };
        return section.paragraph(format!(
            "No pair of a quantized model and its float twin is in this report: no model is named as another one with an ending such \
             as -int8.{more} What quantization changes is not known."
        ));
    }
    let rows = pairs.iter().flat_map(|(float, quantized)| rows(float, quantized));
    let header = ["float", "quantized", "difference, points", "p (McNemar)"];
    let table = Table::new(&["pair", "check"], &header).rows(rows.collect::<Vec<_>>());
    section
        .paragraph(
            "Pairs were found by name alone: a model named as another one with an ending such as -int8. The difference is quantized \
             less float on the same rows, with Tango's 95 % interval; p is McNemar's exact test of the pair alone, not corrected. An \
             attack on integers takes gradients of a float reading of them, and is a weaker search than on the float twin: a higher \
             robust accuracy may be a weaker attack. Attacks that the float twin guides (see Transfer, where there are any) are the \
             better test.",
        )
        .table(table)
}

/// A float model and its twin.
fn pairs(results: &Results) -> Vec<(&ModelResult, &ModelResult)> {
    let find = |name: &str| results.models.iter().find(|model| model.name == name);
    let base = |model: &ModelResult| ENDINGS.iter().find_map(|ending| find(model.name.strip_suffix(ending)?));
    results.models.iter().filter_map(|model| Some((base(model)?, model))).collect()
}

fn integer_inputs(results: &Results) -> Vec<&str> {
    let models = results.plan.get("models").and_then(|models| models.as_array());
    let takes_integers =
        |model: &&serde_json::Value| model["input"]["dtype"].as_str().is_some_and(|dtype| dtype.contains("int"));
    models.into_iter().flatten().filter(takes_integers).filter_map(|model| model["name"].as_str()).collect()
}

fn rows(float: &ModelResult, quantized: &ModelResult) -> Vec<Vec<Text>> {
    let clean = |model: &ModelResult| share(model.clean_accuracy, model.ci_low, model.ci_high);
    let mut rows = vec![(
        "clean".to_owned(),
        [clean(float), clean(quantized)],
        Paired::of(&quantized.correct_rows, &float.correct_rows),
    )];
    for attack in &float.attacks {
        let Some(other) = quantized.attacks.iter().find(|other| other.name == attack.name) else { continue };
        let shares = [attack, other].map(|of| share(of.robust_accuracy, of.ci_low, of.ci_high));
        rows.push((attack.name.clone(), shares, Paired::of(&other.robust_rows, &attack.robust_rows)));
    }
    if let (Some(a), Some(b)) = (&float.worst_case, &quantized.worst_case) {
        let shares = [a, b].map(|of| share(of.robust_accuracy, of.ci_low, of.ci_high));
        rows.push(("worst case".to_owned(), shares, Paired::of(&b.robust_rows, &a.robust_rows)));
    }
    let name = format!("{} → {}", float.name, quantized.name);
    let row = |(check, shares, paired): (String, [String; 2], Option<Paired>)| {
        let test = paired.map_or(["–".to_owned(), "–".to_owned()], |paired| {
            let interval = paired.tango(evidence::CONFIDENCE);
            let difference = format!("{:+.2} ({})", 100.0 * paired.difference(), span(interval.low, interval.high));
            [difference, number(paired.mcnemar())]
        });
        [name.clone(), check].into_iter().chain(shares).chain(test).map(Text::from).collect()
    };
    rows.into_iter().map(row).collect()
}
