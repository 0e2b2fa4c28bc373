use std::collections::BTreeMap;

use evidence::{Bound, DatasetFacts, Digest, Ranking, RuntimeFacts, ThreatFacts};
use serde::Serialize;
use serde_json::Value;

use super::{Choice, check, present, sorted};
use crate::columns::{Better, columns};
use crate::merge::Merged;
use crate::{Error, pareto};

/// The version of the layout.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct File<'a> {
    schema_version: u32,
    boards: Vec<BoardFile<'a>>,
}

#[derive(Serialize)]
struct BoardFile<'a> {
    dataset: &'a DatasetFacts,
    threat: &'a ThreatFacts,
    /// What all plans share.
    plan: &'a BTreeMap<String, Value>,
    reports: Vec<ReportFile<'a>>,
    runtimes: &'a [RuntimeFacts],
    columns: Vec<ColumnFile>,
    /// The columns of the front.
    pareto: Vec<String>,
    models: Vec<ModelFile<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ranking: Option<&'a Ranking>,
}

#[derive(Serialize)]
struct ReportFile<'a> {
    name: &'a str,
    suite: &'a str,
    plan_digest: Digest,
    tinyassay: &'a str,
}

#[derive(Serialize)]
struct ColumnFile {
    id: String,
    title: String,
    about: String,
    unit: String,
    higher_is_better: bool,
}

#[derive(Serialize)]
struct ModelFile<'a> {
    name: &'a str,
    digest: Digest,
    rank: u64,
    on_front: bool,
    values: BTreeMap<String, ValueFile>,
}

#[derive(Serialize)]
struct ValueFile {
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ci_low: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ci_high: Option<f64>,
    bound: Bound,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    inconclusive: bool,
}

/// Every board, column and pair.
pub(super) fn render(merged: &[Merged], choice: &Choice) -> Result<String, Error> {
    check(merged, choice)?;
    let sorted: Vec<_> = merged.iter().map(|one| (one, sorted(&one.results, choice))).collect();
    let mut boards = Vec::new();
    for (one, board) in &sorted {
        let columns = columns(board, &one.results);
        let chosen = pareto::chosen(&columns, &present(&columns, choice))?;
        let front = pareto::front(&chosen);
        let models = board.entries.iter().enumerate().map(|(row, entry)| {
            let values = columns.iter().filter_map(|column| {
                let value = &column.values[row];
                let (ci_low, ci_high) = value.interval.unzip();
                let file = ValueFile {
                    value: value.number?,
                    ci_low,
                    ci_high,
                    bound: value.bound,
                    inconclusive: value.is_doubted,
                };
                Some((column.id.clone(), file))
            });
            let (name, digest) = (entry.model.name.as_str(), entry.model.digest);
            ModelFile {
                name,
                digest,
                rank: entry.rank,
                on_front: front.get(row) == Some(&true),
                values: values.collect(),
            }
        });
        let reports = one.reports.iter().map(|report| ReportFile {
            name: &report.name,
            suite: &report.suite,
            plan_digest: report.plan,
            tinyassay: &report.tinyassay,
        });
        boards.push(BoardFile {
            dataset: &one.results.dataset,
            threat: &one.results.threat,
            plan: &one.results.plan,
            reports: reports.collect(),
            runtimes: &one.runtimes,
            pareto: chosen.iter().map(|column| column.id.clone()).collect(),
            models: models.collect(),
            columns: columns
                .iter()
                .map(|column| ColumnFile {
                    id: column.id.clone(),
                    title: column.title.clone(),
                    about: column.about.clone(),
                    unit: column.unit_name().to_owned(),
                    higher_is_better: column.better == Better::Higher,
                })
                .collect(),
            ranking: one.results.ranking.as_ref(),
        });
    }
    let file = File { schema_version: SCHEMA_VERSION, boards };
    let refuse = |error: serde_json::Error| evidence::Error::Json { what: "leaderboard", reason: error.to_string() };
    Ok(serde_json::to_string_pretty(&file).map_err(refuse)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::super::tests::two;
    use super::*;

    #[test]
    fn numbers_are_those_of_the_results() {
        let merged = two();
        let file: Value = serde_json::from_str(&render(&merged, &Choice::default()).unwrap()).unwrap();
        assert_eq!(file["boards"].as_array().unwrap().len(), merged.len());
        for (board, one) in file["boards"].as_array().unwrap().iter().zip(&merged) {
            assert_eq!(board["pareto"], serde_json::json!(["worst-case", "macs"]));
            for model in board["models"].as_array().unwrap() {
                let ours = one.results.models.iter().find(|ours| ours.name == model["name"]).unwrap();
                let (clean, worst) = (&model["values"]["clean"], &model["values"]["worst-case"]);
                assert_eq!(
                    (clean["value"].as_f64(), clean["ci_low"].as_f64()),
                    (Some(ours.clean_accuracy), Some(ours.ci_low))
                );
                assert_eq!(worst["value"].as_f64(), ours.worst_case.as_ref().map(|worst| worst.robust_accuracy));
                assert_eq!((&worst["bound"], &clean["bound"]), (&"upper".into(), &"exact".into()));
            }
        }
        let on = |board: usize| -> Vec<&str> {
            let models = file["boards"][board]["models"].as_array().unwrap();
            models.iter().filter(|model| model["on_front"] == true).filter_map(|model| model["name"].as_str()).collect()
        };
        assert_eq!(on(0), ["strong", "weak"], "the least MACs, and the most robust");
    }
}
