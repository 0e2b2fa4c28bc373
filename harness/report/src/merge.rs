//! Reports that ask the same question, as one leaderboard.

use std::collections::BTreeMap;

use evidence::{Digest, ModelResult, ProbeResult, Results, RowSet, RuntimeFacts, canonical, rank};
use serde_json::{Value, json};

use crate::{Error, sources};

/// A report that is merged.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// What it is called, such as the name of its folder.
    pub name: String,
    /// Where it can be read, relative to what is written; `None` where nothing links to it.
    pub link: Option<String>,
    /// Its results.
    pub results: Results,
}

/// All models that were asked the same question.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The models, and how they rank among each other. What else depends on one suite is left out; the plan is what all share.
    pub results: Results,
    /// What it is made of.
    pub reports: Vec<Origin>,
    /// What computed the numbers, each once.
    pub runtimes: Vec<RuntimeFacts>,
}

/// A report that a leaderboard is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// As [`Source::name`].
    pub name: String,
    /// As [`Source::link`].
    pub link: Option<String>,
    /// Its suite.
    pub suite: String,
    /// The digest of its plan.
    pub plan: Digest,
    /// The version of Tinyassay that wrote it.
    pub tinyassay: String,
}

/// What plans that ask the same question have in common.
const SHARED: [&str; 6] = ["attacks", "dataset", "domain", "seed", "slices", "threat"];

/// One leaderboard for each question, in the order of the names of the reports that ask it. The question is: which rows of which bytes, which
/// threat model, which attacks with which parameters and revisions, which seed. Probes and corruptions may differ.
///
/// Models are united and ranks worked out anew over all of them. A model that is in several reports with the same digest stands there
/// once; models of one name with different digests are told apart as `name (suite)`.
///
/// Errors: [`Error::Disagree`] if two reports say different things of the same model; [`Error::Evidence`] for plans that no canonical JSON
/// can hold.
pub fn merge(reports: &[Source]) -> Result<Vec<Merged>, Error> {
    let mut groups: Vec<(String, Vec<&Source>)> = Vec::new();
    // The order in which somebody names them is no part of the leaderboard.
    let mut reports: Vec<&Source> = reports.iter().collect();
    reports.sort_by(|a, b| a.name.cmp(&b.name));
    for report in reports {
        let question = question(&report.results)?;
        match groups.iter_mut().find(|(asked, _)| *asked == question) {
            Some((_, group)) => group.push(report),
            None => groups.push((question, vec![report])),
        }
    }
    groups.into_iter().map(|(_, group)| unite(&group)).collect()
}

/// What is asked of every model, as canonical JSON.
fn question(results: &Results) -> Result<String, Error> {
    let plan = |name: &str| results.plan.get(name).cloned().unwrap_or(Value::Null);
    let threat = &results.threat;
    // 0.5 and 1/2 are the same radius.
    let epsilon = plan("threat").get("epsilon_fraction").cloned().unwrap_or_else(|| threat.epsilon.clone().into());
    Ok(canonical(&json!({
        "data": results.dataset.digest, "split": results.dataset.split, "samples": results.dataset.samples,
        "slices": plan("slices"), "norm": threat.norm, "epsilon": epsilon, "units": threat.units, "grid": threat.grid,
        "budget": threat.budget, "attacks": sources::attacks(&results.plan), "seed": plan("seed"),
    }))?)
}

/// A model and where it is from.
struct Found<'a> {
    model: ModelResult,
    report: &'a Source,
}

fn unite(group: &[&Source]) -> Result<Merged, Error> {
    let mut found: Vec<Found<'_>> = Vec::new();
    for report in group {
        for model in &report.results.models {
            let same = |other: &&mut Found<'_>| other.model.name == model.name && other.model.digest == model.digest;
            match found.iter_mut().find(same) {
                Some(known) => join(known, model, report)?,
                None => found.push(Found { model: model.clone(), report }),
            }
        }
    }
    name_apart(&mut found);
    let models: Vec<ModelResult> = found.into_iter().map(|found| found.model).collect();
    let mut suites: Vec<&str> = Vec::new();
    let mut runtimes: Vec<RuntimeFacts> = Vec::new();
    for Source { results, .. } in group {
        if !suites.contains(&results.suite.as_str()) {
            suites.push(&results.suite);
        }
        if !runtimes.contains(&results.runtime) {
            runtimes.push(results.runtime.clone());
        }
    }
    let first = &group[0].results;
    let plan: BTreeMap<String, Value> = first
        .plan
        .iter()
        .filter(|(name, _)| SHARED.contains(&name.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let results = Results {
        suite: suites.join(" + "),
        plan,
        ranking: rank(&models),
        models,
        analysis: None,
        published: None,
        ..first.clone()
    };
    let origin = |source: &&Source| Origin {
        name: source.name.clone(),
        link: source.link.clone(),
        suite: source.results.suite.clone(),
        plan: source.results.plan_digest,
        tinyassay: source.results.tinyassay.clone(),
    };
    Ok(Merged { results, reports: group.iter().map(origin).collect(), runtimes })
}

/// Adds what another report knows of the same model, which must say the same.
fn join<'a>(known: &mut Found<'a>, model: &ModelResult, report: &'a Source) -> Result<(), Error> {
    let disagree = |reason: String| Error::Disagree {
        first: known.report.name.clone(),
        second: report.name.clone(),
        model: model.name.clone(),
        reason,
    };
    if let Some(reason) = difference(&known.model, model) {
        return Err(disagree(reason));
    }
    let mut probes = known.model.probes.clone();
    for probe in &model.probes {
        let is_same = |other: &&ProbeResult| {
            other.probe == probe.probe && other.parameters == probe.parameters && other.revision == probe.revision
        };
        match probes.iter().filter(|other| other.name == probe.name).find(is_same) {
            Some(other) if other == probe => {}
            Some(_) => return Err(disagree(format!("probe `{}`", probe.name))),
            None if probes.iter().any(|other| other.name == probe.name) => {
                let name = format!("{} ({})", probe.name, report.results.suite);
                probes.push(ProbeResult { name, ..probe.clone() });
            }
            None => probes.push(probe.clone()),
        }
    }
    // An older report does not know which rows.
    if known.model.correct_rows.is_empty() {
        known.model = model.clone();
    }
    known.model.probes = probes;
    if known.model.corruptions.is_none() {
        known.model.corruptions.clone_from(&model.corruptions);
    }
    Ok(())
}

/// What two results about one model say differently of the same question.
fn difference(a: &ModelResult, b: &ModelResult) -> Option<String> {
    let other_rows = |a: &RowSet, b: &RowSet| !a.is_empty() && !b.is_empty() && a != b;
    if (a.correct, a.total) != (b.correct, b.total) || other_rows(&a.correct_rows, &b.correct_rows) {
        return Some(format!("clean accuracy {} and {} of {}", a.correct, b.correct, a.total));
    }
    for attack in &a.attacks {
        let Some(other) = b.attacks.iter().find(|other| other.name == attack.name) else {
            return Some(format!("only one has `{}`", attack.name));
        };
        if (attack.robust, attack.total) != (other.robust, other.total)
            || other_rows(&attack.robust_rows, &other.robust_rows)
        {
            let (robust, others, total) = (attack.robust, other.robust, attack.total);
            return Some(format!("`{}`: {robust} and {others} of {total} rows withstand", attack.name));
        }
    }
    let more = b.attacks.iter().find(|attack| a.attacks.iter().all(|other| other.name != attack.name));
    more.map(|attack| format!("only one has `{}`", attack.name))
}

/// Adds the suite to names that several models have, and the digest where that is not enough.
fn name_apart(found: &mut [Found<'_>]) {
    let with_suite = |one: &Found<'_>| format!("{} ({})", one.model.name, one.report.results.suite);
    let with_digest = |one: &Found<'_>| {
        let digest: String = one.model.digest.to_string().chars().take(8).collect();
        format!("{} ({}, {digest})", one.model.name, one.report.results.suite)
    };
    let count = |names: &[String], name: &String| names.iter().filter(|other| *other == name).count();
    let plain: Vec<String> = found.iter().map(|one| one.model.name.clone()).collect();
    let longer: Vec<String> = found
        .iter()
        .map(|one| if count(&plain, &one.model.name) > 1 { with_suite(one) } else { one.model.name.clone() })
        .collect();
    for (one, name) in found.iter_mut().zip(&longer) {
        one.model.name = if count(&longer, name) > 1 { with_digest(one) } else { name.clone() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{example, ranked, with_probes};

    fn source(name: &str, results: Results) -> Source {
        Source { name: name.to_owned(), link: None, results: Results { suite: name.to_owned(), ..results } }
    }

    /// The results with these models only, as a run of a suite that lists no others.
    fn only(results: &Results, names: &[&str]) -> Results {
        let models: Vec<ModelResult> =
            results.models.iter().filter(|model| names.contains(&model.name.as_str())).cloned().collect();
        Results { ranking: rank(&models), models, ..results.clone() }
    }

    fn names(merged: &Merged) -> Vec<&str> {
        merged.results.models.iter().map(|model| model.name.as_str()).collect()
    }

    #[test]
    fn a_report_in_parts_ranks_as_the_whole() {
        let whole = ranked();
        let parts = [only(&whole, &["weak"]), only(&whole, &["strong", "middle"]), only(&whole, &["middle", "weak"])];
        let sources: Vec<Source> =
            parts.into_iter().zip(["a", "b", "c"]).map(|(part, name)| source(name, part)).collect();
        let merged = merge(&sources).unwrap();
        assert_eq!((merged.len(), names(&merged[0])), (1, vec!["weak", "strong", "middle"]));
        assert_eq!(merged[0].results.ranking, whole.ranking);
        assert_eq!(merged[0].results.suite, "a + b + c");
        assert_eq!(merged[0].reports.len(), 3);
        let turned: Vec<Source> = sources.into_iter().rev().collect();
        assert_eq!(merge(&turned).unwrap(), merged, "in whatever order");
    }

    #[test]
    fn another_question_is_another_board() {
        type Change = fn(&mut Results);
        let changes: [Change; 8] = [
            |r| r.dataset.digest = Digest::of(b"other"),
            |r| r.threat.epsilon = "4/255".into(),
            |r| r.threat.norm = "l2".into(),
            |r| r.threat.budget = Some("1 forward".into()),
            |r| r.dataset.samples = 100,
            |r| drop(r.plan.insert("seed".into(), "1".into())),
            |r| drop(r.plan.insert("slices".into(), json!([]))),
            |r| drop(r.plan.insert("attacks".into(), json!([{ "name": "pgd-20", "revision": 2 }]))),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut other = ranked();
            change(&mut other);
            assert_eq!(merge(&[source("a", ranked()), source("b", other)]).unwrap().len(), 2, "change {index}");
        }
        let mut same = ranked();
        same.plan.insert("probes".into(), json!(["more"]));
        same.plan.insert("models".into(), json!([]));
        assert_eq!(merge(&[source("a", ranked()), source("b", same)]).unwrap().len(), 1);
        assert!(merge(&[]).unwrap().is_empty());
    }

    #[test]
    fn the_same_radius_in_other_words_is_the_same_question() {
        let written = |text: &str| {
            let mut results = ranked();
            results.threat.epsilon = text.into();
            results.plan.insert("threat".into(), json!({ "epsilon": text, "epsilon_fraction": "1/2" }));
            results
        };
        assert_eq!(merge(&[source("a", written("0.5")), source("b", written("1/2"))]).unwrap().len(), 1);
    }

    #[test]
    fn a_name_with_two_digests_is_two_models() {
        let mut other = ranked();
        other.models[0].digest = Digest::of(b"another file");
        let merged = merge(&[source("a", ranked()), source("b", other.clone())]).unwrap();
        assert_eq!(names(&merged[0]), ["weak (a)", "strong", "middle", "weak (b)"]);
        let ranking = merged[0].results.ranking.as_ref().unwrap();
        assert_eq!((ranking.of("weak (a)"), ranking.of("weak (b)"), ranking.pairs.len()), (Some(3), Some(3), 6));
        // Two runs of one suite.
        let merged = merge(&[source("a", ranked()), source("a", other)]).unwrap();
        assert!(names(&merged[0])[0].starts_with("weak (a, ") && names(&merged[0])[0] != names(&merged[0])[3]);
    }

    #[test]
    fn reports_that_contradict_each_other_are_refused() {
        type Change = fn(&mut ModelResult);
        let changes: [Change; 4] = [
            |model| model.correct -= 1,
            |model| model.attacks[0].robust += 1,
            |model| model.attacks[0].robust_rows = model.correct_rows.clone(),
            |model| drop(model.attacks.pop()),
        ];
        for change in changes {
            let mut other = ranked();
            change(&mut other.models[1]);
            let error = merge(&[source("here", ranked()), source("there", other)]).unwrap_err().to_string();
            assert!(error.starts_with("merge here and there: model `strong`") && error.contains("hint: "), "{error}");
        }
    }

    #[test]
    fn probes_of_all_reports_are_kept() {
        let mut other = with_probes();
        for model in &mut other.models {
            model.probes.truncate(1);
            model.probes[0].parameters.insert("steps".into(), 40.into());
        }
        let merged = merge(&[source("a", example()), source("b", with_probes()), source("c", other)]).unwrap();
        let probes: Vec<&str> = merged[0].results.models[0].probes.iter().map(|probe| probe.name.as_str()).collect();
        assert_eq!(probes, ["kl-instability", "lipschitz-l1-linf", "kl-instability (c)"]);
        let mut contradicts = with_probes();
        contradicts.models[0].probes[0].mean = Some(0.5);
        assert!(merge(&[source("a", with_probes()), source("b", contradicts)]).is_err());
    }

    #[test]
    fn an_older_report_gains_what_a_newer_one_knows() {
        let mut older = ranked();
        older.ranking = None;
        for model in &mut older.models {
            (model.correct_rows, model.classes) = (RowSet::default(), Vec::new());
            model.attacks[0].robust_rows = RowSet::default();
            model.worst_case.as_mut().unwrap().robust_rows = RowSet::default();
        }
        for sources in
            [[source("a", older.clone()), source("b", ranked())], [source("b", ranked()), source("a", older)]]
        {
            assert_eq!(merge(&sources).unwrap()[0].results.ranking, ranked().ranking);
        }
    }
}
