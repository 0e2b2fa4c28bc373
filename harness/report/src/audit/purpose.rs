use super::Case;
use super::wording::{attacks, norm};
use crate::document::{Section, Text};

pub(super) const TITLE: &str = "Purpose, intended use and threat model";

pub(super) fn chapter(case: &Case<'_>) -> Section {
    Section::new(TITLE)
        .paragraph(
            "This document says what was measured of the models named in it, how, and with what result, so that a reviewer can judge \
             whether that is enough for the intended use, and have every number computed again. It describes evidence; it is no \
             certificate and no approval.",
        )
        .section(intended_use(case))
        .section(threat_model(case))
        .section(not_covered(case))
}

fn intended_use(case: &Case<'_>) -> Section {
    let section = Section::new("Intended use");
    let Some((text, source)) = case.purpose() else {
        let note = "No intended use was stated. Whether data, threat model and thresholds fit a use can only be judged against one: the \
                    suite's key ";
        return section.note(
            Text::from(note).code("purpose").plain(" or the option ").code("--intended-use").plain(" states it."),
        );
    };
    let paragraphs = text.split('\n').map(str::trim).filter(|line| !line.is_empty());
    paragraphs.fold(section.paragraph(format!("In the words of the provider ({source}):")), Section::paragraph)
}

fn threat_model(case: &Case<'_>) -> Section {
    let results = case.results();
    let threat = &results.threat;
    let reach = match threat.norm.as_str() {
        "linf" => "every element of an input by at most",
        "l2" => "an input as a whole, by the root of the sum of squares, by at most",
        "l1" => "an input as a whole, by the sum of absolute changes, by at most",
        _ => "an input by at most",
    };
    let text = Text::from(format!("An attacker may change {reach} "))
        .strong(threat.epsilon.clone())
        .plain(format!(" ({}, norm {}), ", threat.units, norm(&threat.norm)))
        .plain("inside the bounds that inputs have anyway, and wants the model's decision to be wrong in any way. ");
    let text = match attacks(results).iter().any(|attack| attack.backwards > 0) {
        true => text.plain(
            "The attacker knows the file, its weights included, and may use its gradients: what such an attacker cannot find may \
             still be found by a better one.",
        ),
        false => text.plain("No attack here used gradients of the model: an attacker who knows the file may find more."),
    };
    let mut more = Vec::new();
    more.extend(threat.grid.as_ref().map(|grid| {
        Text::from("Inputs are held to a grid: every element is ")
            .code(grid.clone())
            .plain(", for models that take floats too.")
    }));
    more.extend(threat.budget.as_ref().map(|budget| {
        Text::from(format!("An attack may ask for {budget} for a row at one radius, the judge's forwards not counted."))
    }));
    let radii: Vec<String> = attacks(results).first().map_or(Vec::new(), |attack| {
        attack.curve.iter().map(|point| point.epsilon.clone()).filter(|radius| *radius != threat.epsilon).collect()
    });
    more.extend(
        (!radii.is_empty()).then(|| Text::from(format!("Other radii were tried as well: {}.", radii.join(", ")))),
    );
    Section::new("Threat model").paragraph(text).list(more)
}

fn not_covered(case: &Case<'_>) -> Section {
    let threat = &case.results().threat;
    let items = [
        format!(
            "changes that are larger than {} or small in another norm than {}, among them rotations, shifts and patches",
            threat.epsilon,
            norm(&threat.norm)
        ),
        "changes of many inputs at once, or of what comes before the input: sensor, preprocessing, labels".to_owned(),
        "changes of the model or of its training data (poisoning, back doors), and theft of either".to_owned(),
        "an attacker who acts in the physical world, where a change survives distance, angle and light".to_owned(),
        "errors without an attacker, beyond the clean accuracy and the corruptions reported here".to_owned(),
    ];
    Section::new("What the threat model does not cover").list(items.map(Text::from).into())
}
