//! The suite of a report, planned again here.

use super::difference::{self, shown};
use super::step::{Outcome, Step, failed};
use super::stored::Stored;
use crate::facts;
use crate::places::Places;
use crate::{prepare, progress};
use anyhow::Result;
use evidence::{Digest, RuntimeFacts, canonical};
use report::SUITE;
use runtime::{Prepared, Provider};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use suite::{Plan, Suite};

/// The plan of the report, made here, and its models ready to run.
pub(super) struct Here {
    pub(super) plan: Plan,
    /// The models of the plan, and then its sources.
    pub(super) all: Vec<Prepared>,
    /// What computes numbers here.
    pub(super) runtime: RuntimeFacts,
}

/// The suite that the report keeps, or another file with the digest that the report records. `named` is where it lay when it
/// ran, from whose folder its paths start.
pub(super) fn suite(folder: &Path, stored: &Stored, named: Option<&Path>) -> (Step, Option<Suite>) {
    let mut step = Step::new("suite");
    let digest = stored.plan["suite"]["digest"].as_str().unwrap_or_default();
    let place = place(named, &stored.results.suite);
    let kept = std::fs::read(folder.join(SUITE));
    let beside = place.as_ref().and_then(|place| std::fs::read(place).ok());
    let is_recorded = |bytes: &[u8]| Digest::of(bytes).to_string() == digest;
    if let (Some(named), Some(beside)) = (named, &beside)
        && !is_recorded(beside)
    {
        step.wrong.push(format!("{}: its digest is not that of the suite in results.json", named.display()));
    }
    let bytes = match (kept, beside) {
        (Ok(bytes), _) if is_recorded(&bytes) => {
            step.checked = format!("{SUITE} has the digest that results.json records");
            bytes
        }
        (Ok(bytes), _) => {
            step.wrong.push(format!(
                "{SUITE}: its digest is {}, and results.json records {}",
                Digest::of(&bytes),
                shown(&stored.plan["suite"]["digest"])
            ));
            return (step, None);
        }
        (Err(_), Some(bytes)) if is_recorded(&bytes) => {
            let place = place.as_deref().unwrap_or(Path::new("")).display();
            step.checked = format!("{place} has the digest that results.json records; the report keeps no suite");
            bytes
        }
        (Err(error), _) => {
            step.unchecked.push(format!(
                "suite not kept in the report ({error}): name its file with --suite, and it is held against its recorded digest"
            ));
            return (step, None);
        }
    };
    match Suite::parse(place.unwrap_or_else(|| SUITE.into()), &bytes) {
        Ok(suite) => {
            let samples = stored.plan["dataset"]["rows"].clone();
            let ranges: Vec<[u64; 2]> = serde_json::from_value(samples).unwrap_or_default();
            let samples = ranges.iter().fold(0_u64, |sum, [start, end]| sum.saturating_add(end.saturating_sub(*start)));
            let written = suite.document().dataset.samples.value;
            match u32::try_from(samples).ok().and_then(NonZeroU32::new) {
                Some(count) if samples != written => {
                    step.notes
                        .push(format!("of {samples} samples, as the command line said; the suite says {written}"));
                    (step, Some(suite.with_samples(count)))
                }
                _ => (step, Some(suite)),
            }
        }
        Err(error) => {
            step.unchecked.push(format!("the suite cannot be read by this version: failed to {error}"));
            (step, None)
        }
    }
}

/// Where the suite lay: as it is named, or where suites of a project lie.
fn place(named: Option<&Path>, suite: &str) -> Option<PathBuf> {
    let is_name = suite.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && !suite.is_empty();
    named.map(Path::to_path_buf).or_else(|| is_name.then(|| format!("suites/{suite}.yaml").into()))
}

/// Whether the plan in the results has its digest, and whether planning the suite here, from the registered models and the
/// data, gives the same plan. `sources` are the steps of models and data.
pub(super) fn plan(
    stored: &Stored,
    suite: Option<&Suite>,
    sources: &[&Step],
    places: &Places,
    provider: Provider,
) -> (Step, Result<Here, String>) {
    let mut step = Step::new("plan");
    let recorded = stored.results.plan_digest;
    match canonical(&stored.results.plan).map(|text| Digest::of(text.as_bytes())) {
        Ok(digest) if digest == recorded => {
            step.checked = "the plan in results.json has its recorded digest".to_owned()
        }
        Ok(digest) => {
            step.wrong.push(format!("results.json: `plan_digest` is {recorded}, and that of its `plan` is {digest}"))
        }
        Err(error) => step.wrong.push(format!("results.json: its plan has no digest: failed to {error}")),
    }
    let not_here = |mut step: Step, why: String| {
        step.unchecked.push(format!("not planned again from the suite: {why}"));
        (step, Err(why))
    };
    let Some(suite) = suite else { return not_here(step, "there is no suite to plan".to_owned()) };
    if sources.iter().any(|source| source.outcome() == Outcome::Fails) {
        return not_here(step, "models or data are not those of the report".to_owned());
    }
    if let Some(missing) = sources.iter().flat_map(|source| &source.unchecked).next() {
        return not_here(step, missing.clone());
    }
    let plan = match suite::plan(suite, &places.registry(), &places.datasets()) {
        Ok(plan) => plan,
        Err(error) => {
            step.wrong.push(format!("{SUITE}: failed to {error}"));
            return (step, Err("the suite cannot be planned here".to_owned()));
        }
    };
    if plan.digest().to_string() != recorded.to_string() {
        let here = serde_json::to_value(&plan).unwrap_or_default();
        let first = difference::all(&stored.plan, &here);
        let first = first.first().map_or_else(String::new, |first| {
            let (path, there, here) = (&first.path, shown(&first.left), shown(&first.right));
            format!("; the first difference is at `plan.{path}`: {there} there, {here} here")
        });
        step.wrong.push(format!("results.json: planning the suite here gives another plan{first}"));
        return (step, Err("the plan of the report is not the one that its suite gives here".to_owned()));
    }
    step.checked += "; planning the suite again gives the same plan";
    match ready(&plan, provider) {
        Ok((all, runtime)) => (step, Ok(Here { plan, all, runtime })),
        Err(error) => (step, Err(format!("the models cannot be run here: {}", failed(&error)))),
    }
}

fn ready(plan: &Plan, provider: Provider) -> Result<(Vec<Prepared>, RuntimeFacts)> {
    progress::runtime(provider)?;
    let all = plan.models.iter().chain(&plan.sources);
    let all = all.map(|model| prepare::prepare(model, plan, provider)).collect::<Result<_>>()?;
    Ok((all, facts::runtime(&runtime::identity(provider)?)))
}
