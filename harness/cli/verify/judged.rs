//! The registered files asked again: what they make of the samples, and of the witnesses.

mod clean;
mod witness;

pub(super) use clean::check as clean;
pub(super) use witness::check as witnesses;

use super::evidence::Evidence;
use super::planned::Here;
use crate::needed::{Check, Needed};
use crate::{parallel, progress};
use anyhow::Result;
use evidence::{Block, RuntimeFacts};
use runtime::ShippedModel;
use std::sync::Mutex;

/// What asking again needs.
pub(super) struct Again<'a> {
    pub(super) here: &'a Here,
    pub(super) evidence: &'a Evidence,
    /// What computed the report.
    pub(super) runtime: &'a RuntimeFacts,
    pub(super) jobs: usize,
}

/// What came out of one block.
#[derive(Default)]
struct Found {
    rows: usize,
    wrong: Vec<String>,
    differs: Vec<String>,
}

impl Again<'_> {
    /// Whether the report was computed by what computes here, so that equal questions have equal answers.
    pub(super) fn is_same_runtime(&self) -> bool {
        self.here.runtime == *self.runtime
    }

    /// What `work` finds of every block that `of` picks, model by model, in the order of the blocks.
    ///
    /// Errors: the first one of `work`.
    fn each(
        &self,
        label: &str,
        of: impl Fn(&Check) -> bool,
        work: impl Fn(&mut ShippedModel, &Needed, &Block) -> Result<Found> + Sync,
    ) -> Result<Vec<Found>> {
        let mut all = Vec::new();
        for (model, prepared) in self.here.all.iter().enumerate().take(self.here.plan.models.len()) {
            let of_model = self.evidence.needed.iter().filter(|one| one.model == model && of(&one.check));
            let blocks: Vec<(&Needed, &Block)> =
                of_model.filter_map(|one| Some((one, self.evidence.found.get(&one.key)?))).collect();
            let rows: usize = blocks.iter().map(|(one, _)| one.rows.len()).sum();
            let bar = progress::rows(&format!("{}: {label}", self.here.plan.models[model].name), rows as u64);
            let found: Mutex<Vec<(usize, Found)>> = Mutex::new(Vec::new());
            let tools = || Ok(prepared.predictor()?);
            let ask = |judge: &mut ShippedModel, (one, block): &(&Needed, &Block)| work(judge, one, block);
            parallel::for_each(self.jobs, &blocks, tools, ask, |index, of_block| {
                bar.inc(blocks[index].0.rows.len() as u64);
                found.lock().expect("no thread panics while it holds the lock").push((index, of_block));
                Ok(())
            })?;
            bar.finish_and_clear();
            let mut found = found.into_inner().expect("no thread panics while it holds the lock");
            found.sort_by_key(|(index, _)| *index);
            all.extend(found.into_iter().map(|(_, found)| found));
        }
        Ok(all)
    }
}

/// A number that may be missing, as a message shows it.
fn shown(number: Option<f64>) -> String {
    number.map_or_else(|| "none".to_owned(), |number| number.to_string())
}

/// Rows of a block, of which each is in the data here.
///
/// Errors: one is not.
fn indices(block: &Block, rows: usize) -> Result<Vec<usize>> {
    let indices = block.rows.iter().map(|&row| usize::try_from(row).ok().filter(|row| *row < rows));
    indices
        .collect::<Option<_>>()
        .ok_or_else(|| anyhow::anyhow!("block {} is about rows that the data do not have", block.key))
}
