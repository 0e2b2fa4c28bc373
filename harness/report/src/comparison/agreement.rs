//! What has to be the same for numbers of two runs to be comparable.

use evidence::{AttackResult, Results};

/// One thing that was looked at in both reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// What it is.
    pub what: &'static str,
    /// What the baseline says.
    pub baseline: String,
    /// What the candidate says.
    pub candidate: String,
    /// What follows where they differ.
    pub otherwise: &'static str,
}

impl Agreement {
    /// Whether both say the same.
    pub fn agrees(&self) -> bool {
        self.baseline == self.candidate
    }
}

type Look = (&'static str, fn(&Results) -> String, &'static str);

const LOOKS: &[Look] = &[
    (
        "data set",
        |results| {
            format!("{}, {} split, digest {}", results.dataset.name, results.dataset.split, results.dataset.digest)
        },
        "no paired test: the rows are others",
    ),
    ("rows", |results| rows(results), "no paired test: the rows are others"),
    ("threat model", |results| threat(results), "attacks are not compared: they may do different things"),
    (
        "attack revisions",
        |results| revisions(results),
        "an attack of another revision may find more or less; part of a difference may be that",
    ),
    ("seed", |results| text(results, "seed"), "starting points are others, so that single rows may differ by chance"),
    (
        "plan",
        |results| results.plan_digest.to_string(),
        "something that decides the run is another; the lines above say what of it",
    ),
    ("Tinyassay", |results| results.tinyassay.clone(), "see its CHANGELOG for numbers that changed"),
    (
        "runtime",
        |results| {
            let runtime = &results.runtime;
            format!(
                "{}, ONNX Runtime {} ({}), {}, optimisation {}",
                runtime.provider,
                runtime.onnxruntime,
                runtime.library_sha256.chars().take(12).collect::<String>(),
                runtime.instruction_set,
                runtime.optimisation
            )
        },
        "sums are rounded differently, so that single rows near a boundary may differ without any other cause",
    ),
];

pub(super) fn agreements([a, b]: [&Results; 2]) -> Vec<Agreement> {
    let look = |&(what, look, otherwise): &Look| Agreement { what, baseline: look(a), candidate: look(b), otherwise };
    LOOKS.iter().map(look).collect()
}

/// Why rows cannot be paired; `None` where they can.
pub(super) fn other_rows([a, b]: [&Results; 2]) -> Option<String> {
    let mut differ = LOOKS[..2].iter().filter(|(_, look, _)| look(a) != look(b));
    differ
        .next()
        .map(|(what, ..)| format!("another {what}: there is no paired test on other rows, and no other is made"))
}

/// Whether an attack may do the same in both.
pub(super) fn is_same_threat([a, b]: [&Results; 2]) -> bool {
    a.threat == b.threat
}

fn text(results: &Results, key: &str) -> String {
    match results.plan.get(key) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "not stated".to_owned(),
    }
}

fn rows(results: &Results) -> String {
    let ranges = results.plan.get("dataset").and_then(|data| data.get("rows"));
    let digest = ranges.map(|ranges| evidence::Digest::of(ranges.to_string().as_bytes()).to_string());
    // Two random choices have the same words.
    let of = digest.map_or(String::new(), |digest| format!(" ({})", &digest[..12]));
    format!("{}{of}", results.dataset.selection)
}

fn threat(results: &Results) -> String {
    let threat = &results.threat;
    let more = [("grid", &threat.grid), ("budget", &threat.budget)];
    let more = more.into_iter().filter_map(|(name, value)| Some(format!(", {name} {}", value.as_ref()?)));
    format!("{} {} ({}){}", threat.norm, threat.epsilon, threat.units, more.collect::<String>())
}

/// Of the attacks in both by name; every one of a report has one revision.
fn revisions(results: &Results) -> String {
    let mut all: Vec<(&str, u32)> = Vec::new();
    let attacks = results.models.iter().flat_map(|model| &model.attacks);
    for AttackResult { name, revision, .. } in attacks {
        if !all.iter().any(|(known, _)| known == name) {
            all.push((name, *revision));
        }
    }
    all.iter().map(|(name, revision)| format!("{name} {revision}")).collect::<Vec<_>>().join(", ")
}
