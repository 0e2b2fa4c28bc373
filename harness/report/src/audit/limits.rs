//! What is not in the results, read off what is.

use super::wording::{attacks, each_attack, norm, probes};
use super::{Case, robustness};
use crate::document::{Section, Text};
use crate::text::percent;

pub(super) const TITLE: &str = "What was not measured, and residual risk";

pub(super) fn chapter(case: &Case<'_>) -> Section {
    Section::new(TITLE)
        .paragraph(
            "A number that is good leaves these questions open. The first list follows from what the suite asked for.",
        )
        .section(Section::new("Open in this run").list(open(case)))
        .section(Section::new("Out of scope of any run of this tool").list(always()))
}

fn open(case: &Case<'_>) -> Vec<Text> {
    let results = case.results();
    let threat = &results.threat;
    let attacks = attacks(results);
    let point = |head: &str, text: String| Text::default().strong(head).plain(format!(": {text}"));
    let mut open = Vec::new();
    let certified = each_attack(results).any(|(_, attack)| attack.certified > 0);
    let mut add = |is_open: bool, head: &str, text: String| open.extend(is_open.then(|| point(head, text)));
    add(
        !certified,
        "Nothing is proven",
        "no certificate covers any row. Robust accuracies are upper bounds; how far below the truth lies is not known."
            .into(),
    );
    add(attacks.is_empty(), "No attack", "clean accuracy says nothing of an adversary.".into());
    add(
        true,
        "Other norms",
        format!("changes that are small in another norm than {} were not searched for.", norm(&threat.norm)),
    );
    add(!robustness::has_curve(case), "Other radii", format!("no radius but {} was tried.", threat.epsilon));
    add(
        results.models.iter().all(|model| model.corruptions.is_none()),
        "Common corruptions",
        "noise, blur, weather and compression were not tried.".into(),
    );
    add(probes(results).is_empty(), "Sensitivity", "no probe was run.".into());
    let has = |of: fn(&&&evidence::AttackResult) -> bool| attacks.iter().any(|attack| of(&attack));
    add(!has(|attack| attack.source.is_some()), "Transfer", "no attack was guided by another model, so that what an attacker without the file can do is not known, and masked gradients have one way less to show.".into());
    add(
        !attacks.is_empty() && !has(|attack| attack.backwards == 0 && attack.forwards > 0),
        "Search without gradients",
        "every attack takes gradients. A model that hides them may look more robust than it is; the failure indicators look for that, and are no proof.".into(),
    );
    add(
        !attacks.is_empty() && !has(|attack| attack.backwards > 0),
        "Search with gradients",
        "no attack takes gradients, and those that do are stronger as a rule.".into(),
    );
    add(!attacks.is_empty(), "Adaptive attacks", "no attack was written for these models in particular. Against a defence that was built to resist known attacks, that is the test that counts.".into());
    let widest =
        results.models.iter().filter_map(|model| model.worst_case.as_ref()).map(|worst| worst.ci_high - worst.ci_low);
    let widest = widest.fold(None, |most: Option<f64>, width| Some(most.map_or(width, |most| most.max(width))));
    let width = widest.map_or(String::new(), |width| {
        format!(" The widest interval of a worst case spans {} percentage points.", percent(width))
    });
    add(
        true,
        "Sample size",
        format!(
            "{} rows ({}).{width} Intervals take the rows for a random sample of what the models will meet, which nothing here shows.",
            results.dataset.samples, results.dataset.selection
        ),
    );
    let fewest = results.models.iter().flat_map(|model| &model.classes).map(|class| class.total).min();
    add(
        fewest.is_some_and(|rows| rows < 100),
        "Rare classes",
        format!("a class has only {} rows; its accuracy is hardly known.", fewest.unwrap_or_default()),
    );
    add(
        results.models.iter().any(|model| model.classes.is_empty()),
        "Classes",
        "the results do not say how each class fares.".into(),
    );
    let runtime = &results.runtime;
    add(
        true,
        "Other machines",
        format!(
            "everything ran on one runtime identity ({}, ONNX Runtime {}, {}). Elsewhere sums are rounded differently, and rows near a boundary may fall on the other side; on a device, with kernels of its own, more so.",
            runtime.provider, runtime.onnxruntime, runtime.instruction_set
        ),
    );
    let observed = case.stored.observations.as_ref().is_some_and(|observed| !observed.latency.is_empty());
    add(!observed, "Latency and energy", "not measured.".into());
    add(
        observed,
        "Latency on the device",
        "latencies are those of the machine named above. Energy was not measured.".into(),
    );
    add(case.stored.verdict.is_none(), "Acceptance", "no threshold was set before the measurement.".into());
    add(
        case.purpose().is_none(),
        "Fitness",
        "no intended use was stated, so that none of this is held against one.".into(),
    );
    let doubts = crate::board::doubts(&crate::board::board(results)).len();
    add(doubts > 0, "Inconclusive results", format!("{doubts}; see {}.", super::indicators::TITLE));
    open
}

fn always() -> Vec<Text> {
    let items = [
        (
            "Poisoning and back doors",
            "whether training data or training were tampered with, so that a trigger turns the decision.",
        ),
        (
            "Confidentiality",
            "what the model gives away of its training data or of itself: membership, inversion, extraction.",
        ),
        ("Physical attacks", "stickers, projections, sounds in a room; whatever has to survive a sensor."),
        (
            "Drift",
            "inputs of other places, times and devices than those of the data set, and inputs of no class at all.",
        ),
        ("Fairness", "how groups of people fare, beyond the classes of the data set."),
        (
            "The system",
            "what happens with a wrong decision: redundancy, fall-back, supervision, feedback of outputs into later training.",
        ),
        ("Labels", "errors in the labels of the data set count as errors of the models, or hide them."),
    ];
    items.map(|(head, text)| Text::default().strong(head).plain(format!(": {text}"))).into()
}
