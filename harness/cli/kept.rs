//! The witnesses that a report folder keeps, found by the names that the report gives to models and attacks.

use crate::needed::{list, newest};
use anyhow::{Context, Result, bail};
use evidence::{Block, Digest, Results, Verdict, canonical, read_blocks, read_witnesses};
use registry::Dataset;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A report folder: its results, and where its blocks are.
pub(crate) struct Report {
    /// `results.json`.
    pub(crate) results: Results,
    evidence: PathBuf,
}

/// One attack on one model, on the rows of one block.
pub(crate) struct Check {
    /// The model's name in the report.
    pub(crate) model: String,
    /// The attack's name in the report.
    pub(crate) attack: String,
    /// For each class of the data set, the output that is right.
    pub(crate) labels: Vec<usize>,
    block: Block,
}

/// A row that an attack broke, at the radius of the threat model or at a larger one of a curve.
pub(crate) struct Broken<'a> {
    /// The check.
    pub(crate) check: &'a Check,
    /// Its absolute index in the data set.
    pub(crate) row: u64,
    /// What the judge sees in the witness.
    pub(crate) adversarial_class: usize,
    /// The witness's distance in the norm of the threat model.
    pub(crate) distance: Option<f64>,
}

impl Report {
    /// Reads the results in a report folder.
    ///
    /// Errors: there are none, or they cannot be read.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("results.json");
        let hint = "hint: name the folder that `tinyassay run` wrote, such as reports/NAME";
        let text = std::fs::read_to_string(&path).map_err(|error| anyhow::anyhow!("{error}\n{hint}"));
        let results = text.and_then(|text| Ok(Results::from_json(&text)?));
        let results = results.with_context(|| format!("failed to read {}", path.display()))?;
        Ok(Self { results, evidence: folder.join("evidence") })
    }

    /// A report whose results are at hand, in this folder.
    pub(crate) fn of(results: &Results, folder: &Path) -> Self {
        Self { results: results.clone(), evidence: folder.join("evidence") }
    }

    /// The rows that the report is about, as they were when it was written.
    ///
    /// Errors: the data set is not there, or is not that of the report.
    pub(crate) fn dataset(&self, datasets: &registry::Datasets) -> Result<Dataset> {
        let facts = &self.results.dataset;
        let dataset = datasets.load(&facts.name, &facts.split)?;
        let digest = Digest::from(*dataset.digest.as_bytes());
        if digest != facts.digest {
            bail!(
                "data set `{}` has changed: split `{}` has digest {digest}, and the report is about {}\nhint: bring back the files and \
                 the manifest of the run, or run the suite again",
                facts.name,
                facts.split,
                facts.digest
            );
        }
        Ok(dataset)
    }

    /// The blocks of the report's attacks, or of those that are asked for.
    ///
    /// Errors: there is no model or attack of that name; a block is damaged or not there.
    pub(crate) fn checks(&self, model: Option<&str>, attack: Option<&str>) -> Result<Vec<Check>> {
        let plan = serde_json::to_value(&self.results.plan)?;
        let models = named(&plan, "models", model)?;
        let attacks = named(&plan, "attacks", attack)?;
        let blocks = self.blocks()?;
        let mut checks = Vec::new();
        for (model_name, model) in &models {
            // A transfer is not tried on its own source.
            for (attack_name, attack) in attacks.iter().filter(|(_, attack)| attack["source"] != model["name"]) {
                for slice in list(&plan, "slices")? {
                    let key = canonical(&suite::recorded_check_key(&plan, model, attack, slice))?;
                    let block = blocks.get(&key).cloned().with_context(|| {
                        let rows = &slice["rows"];
                        format!(
                            "{} has no block of `{attack_name}` on `{model_name}`, rows {rows}\nhint: run the suite again; it computes what is missing",
                            self.evidence.display()
                        )
                    })?;
                    let labels = serde_json::from_value(model["labels"].clone()).context("a model without labels")?;
                    let (model, attack) = (model_name.clone(), attack_name.clone());
                    checks.push(Check { model, attack, labels, block });
                }
            }
        }
        Ok(checks)
    }

    /// The blocks that the report's runtime computed, by the canonical JSON of their check.
    fn blocks(&self) -> Result<BTreeMap<String, Block>> {
        newest(read_blocks(&self.evidence).map_err(damaged)?, &self.results.runtime)
    }

    /// The witness of a row.
    ///
    /// Errors: it was not kept, its file is gone, or does not have the digest that the block names.
    pub(crate) fn witness(&self, broken: &Broken<'_>) -> Result<Vec<f32>> {
        let witnesses = read_witnesses(&self.evidence, &broken.check.block).map_err(damaged)?;
        let witnesses = witnesses.context(NOT_KEPT)?;
        let index = witnesses.rows().binary_search(&broken.row);
        let index = index.map_err(|_| anyhow::anyhow!("row {} has no witness in its file", broken.row))?;
        Ok(witnesses.values(index).to_vec())
    }
}

fn damaged(error: evidence::Error) -> anyhow::Error {
    anyhow::anyhow!("failed to {error}\nhint: run the suite again; it sets damaged files aside and computes them anew")
}

/// Why there is no witness, and how there would be one.
pub(crate) const NOT_KEPT: &str = "the run kept no witnesses (--no-witnesses)\nhint: run the suite again without --no-witnesses; it \
                                   computes again the blocks that lack them";

impl Check {
    /// The rows that the attack broke.
    pub(crate) fn broken(&self) -> impl Iterator<Item = Broken<'_>> {
        let columns = self.block.attack_columns();
        let classes = columns.into_iter().flat_map(|columns| columns.adversarial_class.iter().zip(&columns.distance));
        self.block.rows.iter().zip(classes).filter_map(|(&row, (class, &distance))| {
            Some(Broken { check: self, row, adversarial_class: (*class)? as usize, distance })
        })
    }

    /// Whether the witnesses of its broken rows were kept.
    pub(crate) fn has_witnesses(&self) -> bool {
        self.block.witnesses.is_some()
    }

    /// How a row ended; `None` if the check is not about it.
    pub(crate) fn verdict(&self, row: u64) -> Option<Verdict> {
        let index = self.block.rows.binary_search(&row).ok()?;
        self.block.attack_columns().map(|columns| columns.verdict[index])
    }
}

/// The models or attacks of a plan by name, or the one of this name.
fn named<'a>(plan: &'a Value, section: &str, wanted: Option<&str>) -> Result<Vec<(String, &'a Value)>> {
    let all = list(plan, section)?.iter().map(|one| (one["name"].as_str().unwrap_or_default().to_owned(), one));
    let all: Vec<(String, &Value)> = all.collect();
    let Some(wanted) = wanted else { return Ok(all) };
    let names = all.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    match all.into_iter().find(|(name, _)| name == wanted) {
        Some(one) => Ok(vec![one]),
        None => bail!("the report has no `{wanted}` among its {section}\nhint: there are {names}"),
    }
}
