//! The blocks that the results stand on, and their witnesses.

use super::step::{Step, count};
use super::stored::Stored;
use crate::needed::{Needed, needed, newest};
use evidence::{Block, BlockFile, read_each_block, read_witnesses};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The folder of blocks in a report.
pub(super) const FOLDER: &str = "evidence";

/// What the evidence holds of what the results need.
#[derive(Default)]
pub(super) struct Evidence {
    pub(super) needed: Vec<Needed>,
    /// By the canonical JSON of their check.
    pub(super) found: BTreeMap<String, Block>,
    /// Whether every block that is needed is there and undamaged.
    pub(super) is_complete: bool,
}

/// The file of a block in the report folder.
pub(super) fn file_of(block: &Block) -> String {
    format!("{FOLDER}/{}.json", block.key)
}

/// Checks every block by itself, and with the results that each block which they need is there.
pub(super) fn check(folder: &Path, stored: Option<&Stored>) -> (Step, Evidence) {
    let mut step = Step::new("evidence");
    let place = folder.join(FOLDER);
    let each = match read_each_block(&place) {
        Ok(each) => each,
        Err(error) => {
            step.wrong.push(format!("{FOLDER}: failed to {error}"));
            return (step, Evidence::default());
        }
    };
    let (mut blocks, mut damaged, mut witnesses) = (Vec::new(), 0, 0);
    for BlockFile { path, block } in each {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match block {
            Ok(block) => {
                match read_witnesses(&place, &block) {
                    Ok(read) => witnesses += read.map_or(0, |read| read.rows().len()),
                    Err(error) => {
                        damaged += 1;
                        step.wrong.push(format!("{FOLDER}/{}.witness: failed to {error}", block.key));
                    }
                }
                blocks.push(block);
            }
            Err(error) => {
                damaged += 1;
                step.wrong.push(format!("{FOLDER}/{name}: failed to {error}"));
            }
        }
    }
    let total = blocks.len() + damaged;
    step.checked = format!("{} and {} against their digests", count(total, "block"), count(witnesses, "witness"));
    let Some(stored) = stored else {
        step.unchecked.push("which blocks the results need: results.json cannot be read".to_owned());
        return (step, Evidence::default());
    };
    let keys: BTreeSet<String> = blocks.iter().map(|block| block.key.to_string()).collect();
    let looked_up = needed(&stored.plan).and_then(|needed| Ok((needed, newest(blocks, &stored.results.runtime)?)));
    let (needed, mut found) = match looked_up {
        Ok(looked_up) => looked_up,
        Err(error) => {
            step.wrong.push(format!("results.json: {}", super::step::failed(&error)));
            return (step, Evidence::default());
        }
    };
    let wanted: BTreeSet<&str> = needed.iter().map(|one| one.key.as_str()).collect();
    found.retain(|key, _| wanted.contains(key.as_str()));
    let is_complete = find(&needed, &found, &mut step) && damaged == 0;
    unkept(&needed, &found, &mut step);
    if !found.is_empty() {
        step.notes.extend(extra(&place, &keys, &found));
    }
    (step, Evidence { needed, found, is_complete })
}

/// Whether every block that is needed is there, about the rows that the plan says.
fn find(needed: &[Needed], found: &BTreeMap<String, Block>, step: &mut Step) -> bool {
    let before = step.wrong.len();
    step.checked += &format!("; the results need {}", count(needed.len(), "block"));
    if found.is_empty() && !needed.is_empty() {
        step.wrong.push(format!("results.json: no undamaged block in {FOLDER} is of its plan and of its runtime"));
        return false;
    }
    for one in needed {
        match found.get(&one.key) {
            None => step
                .wrong
                .push(format!("{FOLDER}: there is no undamaged block of {}, on which results.json stands", one.name)),
            Some(block) if block.rows != one.rows => {
                step.wrong.push(format!("{}: it is not about the rows of {}", file_of(block), one.name));
            }
            Some(_) => {}
        }
    }
    step.wrong.len() == before
}

/// Attacked rows whose witnesses nobody kept.
fn unkept(needed: &[Needed], found: &BTreeMap<String, Block>, step: &mut Step) {
    let attacks = needed.iter().filter_map(|one| found.get(&one.key)).filter(|block| block.witnesses.is_none());
    let rows = attacks.filter_map(Block::attack_columns).flat_map(|columns| columns.witness.iter().flatten()).count();
    if rows > 0 {
        step.unchecked.push(format!(
            "{} that attacks broke: the run kept no witnesses (--no-witnesses), so nothing shows that they are broken",
            count(rows, "row")
        ));
    }
}

/// Files that no result stands on.
fn extra(place: &Path, keys: &BTreeSet<String>, found: &BTreeMap<String, Block>) -> Vec<String> {
    let needed: BTreeSet<String> = found.values().map(|block| block.key.to_string()).collect();
    let with_witnesses: BTreeSet<String> =
        found.values().filter(|block| block.witnesses.is_some()).map(|block| block.key.to_string()).collect();
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    let mut extra: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| match name.rsplit_once('.') {
            Some((key, "json")) => keys.contains(key) && !needed.contains(key),
            Some((key, "witness")) => !with_witnesses.contains(key),
            _ => true,
        })
        .map(|name| format!("{FOLDER}/{name}: no result stands on it"))
        .collect();
    extra.sort();
    extra
}
