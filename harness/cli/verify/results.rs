//! The results, worked out again from the evidence.

use super::difference::{self, shown};
use super::evidence::Evidence;
use super::planned::Here;
use super::recorded;
use super::step::{Step, failed};
use super::stored::Stored;
use crate::facts;
use crate::needed::{by_model, list};
use crate::places::Places;
use anyhow::Result;
use evidence::{Facts, summarise};

/// Every number of `results.json` from the blocks and the plan; with the models here also what it takes from them.
pub(super) fn check(stored: &Stored, evidence: &Evidence, here: Result<&Here, &str>, places: &Places) -> Step {
    let mut step = Step::new("results");
    if !evidence.is_complete {
        step.unchecked.push("results.json: evidence that it stands on is damaged or not there".to_owned());
        return step;
    }
    let facts = match here {
        Ok(here) => of_here(stored, here, places, &mut step),
        Err(why) => {
            step.unchecked.push(format!("{}: {why}", recorded::STATED));
            recorded::facts(stored)
        }
    };
    let again = facts.and_then(|facts| {
        let models = list(&stored.plan, "models")?.len();
        Ok(summarise(facts, &by_model(models, &evidence.needed, &evidence.found))?)
    });
    let again = match again {
        Ok(again) => again,
        Err(error) => {
            step.wrong.push(format!("results.json: it does not follow from the evidence: {}", failed(&error)));
            return step;
        }
    };
    let (text, left, right) = (again.to_json(), serde_json::to_value(&stored.results), serde_json::to_value(&again));
    let differences = difference::all(&left.unwrap_or_default(), &right.unwrap_or_default());
    step.checked = match here {
        Ok(_) => "every byte of results.json against what follows from evidence, plan and models".to_owned(),
        Err(_) => "every byte of results.json against what follows from evidence and its own plan".to_owned(),
    };
    for one in &differences {
        let (path, there, again) = (&one.path, shown(&one.left), shown(&one.right));
        step.wrong.push(format!("results.json: `{path}` is {there}, and {again} follows from the evidence"));
    }
    if differences.is_empty() && text.ok().as_ref() != Some(&stored.text) {
        step.wrong.push("results.json: its bytes are not those that its content is written as".to_owned());
    }
    step
}

/// The facts as a run has them. What the report's own version and provider decide is taken as it states it.
fn of_here(stored: &Stored, here: &Here, places: &Places, step: &mut Step) -> Result<Facts> {
    let results = &stored.results;
    let licence = places.datasets().manifest(&here.plan.dataset.name)?.licence;
    let mut facts = facts::of_plan(&here.plan, &here.all, results.runtime.clone(), licence)?;
    if facts.tinyassay != results.tinyassay {
        let (there, own) = (&results.tinyassay, &facts.tinyassay);
        step.unchecked.push(format!("that version {there} wrote the report: this is version {own}"));
        facts.tinyassay.clone_from(there);
    }
    if here.runtime.provider != results.runtime.provider {
        step.unchecked.push(format!(
            "notes of the models: they are those of provider `{}`, and this is `{}`",
            results.runtime.provider, here.runtime.provider
        ));
        for (facts, stated) in facts.models.iter_mut().zip(&results.models) {
            facts.notes.clone_from(&stated.notes);
        }
    }
    Ok(facts)
}
