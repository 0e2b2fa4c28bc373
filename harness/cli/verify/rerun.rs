//! A sample of blocks, executed again from nothing.

use super::difference::{self, shown};
use super::evidence::file_of;
use super::judged::Again;
use super::sample::Sample;
use super::step::{Step, count, failed};
use crate::checks::Checks;
use crate::corrupted::Cells;
use crate::engine::{Engine, Wanted};
use crate::needed::{Check, Needed};
use crate::progress;
use anyhow::{Context, Result};
use evidence::{Block, Keep, Store};
use indicatif::ProgressBar;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;

/// Executes the sample again and compares column by column. What stands under the same key must be the same to the last bit;
/// another key is another runtime or another version of the program.
pub(super) fn check(again: &Again<'_>, sample: Sample, seed: u64) -> (Step, Vec<String>) {
    let mut step = Step::new("re-run");
    let chosen = sample.choose(&again.evidence.needed, seed);
    let mut names: Vec<String> = Vec::new();
    if let Err(error) = of_sample(again, &chosen, &mut step, &mut names) {
        step.wrong.push(format!("blocks could not be executed again: {}", failed(&error)));
    }
    let all = again.evidence.needed.len();
    step.checked = format!("{} of {} executed again (seed {seed}): every column", names.len(), count(all, "block"));
    if names.len() < all {
        step.unchecked.push(format!("the other {} were not executed again", count(all - names.len(), "block")));
        step.notes.extend(names.iter().cloned());
    }
    (step, names)
}

/// `executed` gets the names of the blocks that were.
fn of_sample(again: &Again<'_>, chosen: &[&Needed], step: &mut Step, executed: &mut Vec<String>) -> Result<()> {
    let checks = Checks { plan: &again.here.plan, all: &again.here.all, runtime: again.here.runtime.clone() };
    let folder = Temporary::new()?;
    let store = Store::open(&folder.0, None)?;
    let rows: usize = chosen.iter().map(|one| one.rows.len()).sum();
    let progress = progress::rows("executed again", rows as u64);
    for one in chosen {
        let Some(kept) = again.evidence.found.get(&one.key) else { continue };
        let fresh = execute(&checks, one, &store, again.jobs, &progress)?;
        executed.push(one.name.clone());
        compare(kept, &fresh, one, again.is_same_runtime(), step)?;
    }
    progress.finish_and_clear();
    Ok(())
}

/// One block, with the clean predictions that it needs, which are made again too.
fn execute(checks: &Checks<'_>, one: &Needed, store: &Store, jobs: usize, progress: &ProgressBar) -> Result<Block> {
    let (plan, model) = (checks.plan, one.model);
    let engine = Engine { store, jobs, keep: Keep::Verdicts, progress };
    let (subject, setting) = (checks.subject(model), checks.setting(model));
    let slice = |wanted: Vec<Wanted>| -> Result<Vec<Wanted>> {
        Ok(vec![wanted.into_iter().nth(one.slice).context("a slice that the plan does not have: this is a defect")?])
    };
    let defect = || format!("{} is not in the plan: this is a defect", one.name);
    let outcome = match one.check {
        Check::Clean => engine.clean(&subject, slice(checks.clean(model)?)?)?,
        Check::Attack(index) => {
            let attack = plan.attacks.get(index).with_context(defect)?;
            let quiet = ProgressBar::hidden();
            let clean = Engine { progress: &quiet, ..engine }.clean(&subject, slice(checks.clean(model)?)?)?;
            let wanted = slice(checks.attack(model, attack)?)?;
            engine.attack(&subject, checks.guide(model, attack)?, attack, &setting, &clean.blocks, wanted)?
        }
        Check::Probe(index) => {
            let probe = plan.probes.get(index).with_context(defect)?;
            engine.probe(&subject, &probe.spec, &setting, slice(checks.probe(model, probe)?)?)?
        }
        Check::Corruption(index, at) => {
            let before: usize = plan.corruptions.iter().take(index).map(|one| one.severities.len()).sum();
            let mut cell = checks.cells(model)?.into_iter().nth(before + at).with_context(defect)?;
            cell.wanted = slice(cell.wanted)?;
            let (cells, wanted) = Cells::new(vec![cell], plan.picture(), plan.seed);
            engine.corruptions(&subject, &cells, wanted)?
        }
    };
    outcome.blocks.into_iter().next().context("nothing came of a block: this is a defect")
}

/// Names each column that differs, with the first row that does, and how many do. On the same runtime that is wrong whatever version
/// of the program the block names: a forger may name any.
fn compare(kept: &Block, fresh: &Block, one: &Needed, is_same_runtime: bool, step: &mut Step) -> Result<()> {
    let differences = difference::all(&serde_json::to_value(&kept.outcome)?, &serde_json::to_value(&fresh.outcome)?);
    // What computes the block is in its key; what else is in it, this program decides alone.
    let computes =
        |block: &Block| ["runtime", "graph_revision", "observed"].map(|name| block.key_material[name].clone());
    let is_same_check = computes(kept) == computes(fresh);
    if is_same_check && kept.key != fresh.key {
        step.wrong.push(format!("{}: {} has the key {} when executed again", file_of(kept), one.name, fresh.key));
    }
    if !is_same_check && differences.is_empty() {
        step.notes.push(format!("{}: computed by another runtime or version, and the same here", file_of(kept)));
    }
    let mut columns: Vec<(&str, usize, String)> = Vec::new();
    for one in &differences {
        let column = one.path.split('[').next().unwrap_or_default();
        match columns.last_mut() {
            Some((last, rows, _)) if *last == column => *rows += 1,
            _ => {
                let row = one.indices.first().and_then(|at| kept.rows.get(*at));
                let row = row.map_or_else(String::new, |row| format!(" of row {row}"));
                let text =
                    format!("`{column}`{row} is {}, and {} when executed again", shown(&one.left), shown(&one.right));
                columns.push((column, 1, text));
            }
        }
    }
    for (_, rows, text) in columns {
        let more = if rows > 1 { format!("; {rows} entries of the column differ") } else { String::new() };
        let version = match is_same_runtime && !is_same_check {
            true => "; the block names another version of the program, with which it can be executed again",
            false => "",
        };
        let text = format!("{} ({}): {text}{more}{version}", file_of(kept), one.name);
        if is_same_check || is_same_runtime { &mut step.wrong } else { &mut step.differs }.push(text);
    }
    Ok(())
}

/// A folder of its own that goes away again.
struct Temporary(PathBuf);

impl Temporary {
    /// Errors: it cannot be created; one that is there already is never taken.
    fn new() -> Result<Self> {
        let number = RandomState::new().hash_one(std::process::id());
        let path = std::env::temp_dir().join(format!("tinyassay-verify-{}-{number:016x}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("failed to create folder {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What is left there is in the system's own folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
