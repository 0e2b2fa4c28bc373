//! Computes the blocks that are missing.

use crate::assembly::{Assembly, attack_block, chunks, correct, probe_row};
use crate::clean::clean_rows;
use crate::corrupted::Cells;
use crate::parallel;
use anyhow::{Context, Result};
use attack::{Curve, OnGrid, Oracle, RowOutcome, Rows, Setting};
use evidence::{Block, CleanRow, Keep, Keyed, Lookup, ProbeRow, Store};
use indicatif::ProgressBar;
use ndarray::Array2;
use probe::{ProbeSpec, RowValue};
use registry::{Dataset, Samples};
use runtime::{GradientOracle, Prepared, ShippedModel};
use std::sync::Mutex;
use std::time::Instant;
use suite::PlannedAttack;

/// One model on one data set.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    pub(crate) prepared: &'a Prepared,
    pub(crate) dataset: &'a Dataset,
    /// For each class of the data set, the model's output that is right.
    pub(crate) label_map: &'a [usize],
}

/// A block that the plan wants: its key and its rows by absolute index.
pub(crate) struct Wanted {
    pub(crate) keyed: Keyed,
    pub(crate) rows: Vec<usize>,
}

/// How to run.
pub(crate) struct Engine<'a> {
    pub(crate) store: &'a Store,
    pub(crate) jobs: usize,
    pub(crate) keep: Keep,
    pub(crate) progress: &'a ProgressBar,
}

/// The blocks of one check, and what it took to have them.
pub(crate) struct Outcome {
    pub(crate) blocks: Vec<Block>,
    pub(crate) computed: usize,
    pub(crate) damaged: Vec<String>,
    pub(crate) seconds: f64,
}

/// The tools of one worker.
struct Tools {
    judge: ShippedModel,
    oracle: GradientOracle,
}

impl Engine<'_> {
    /// Clean predictions by the registered bytes.
    ///
    /// Errors: the model fails on a row, or the store can't be read or written.
    pub(crate) fn clean(&self, subject: &Subject<'_>, wanted: Vec<Wanted>) -> Result<Outcome> {
        self.check(wanted, |missing, blocks| {
            let tools = || Ok(subject.prepared.predictor()?);
            let work = |judge: &mut ShippedModel, wanted: &&Wanted| {
                clean_rows(judge, subject, &wanted.rows)
                    .with_context(|| format!("failed to run model `{}`", subject.name))
            };
            parallel::for_each(self.jobs, missing, tools, work, |index, rows: Vec<CleanRow>| {
                let block = self.store.save(Block::clean(missing[index].keyed.clone(), &rows)?, None)?;
                self.progress.inc(rows.len() as u64);
                blocks.lock().expect("no thread panics while it holds the lock").push(block);
                Ok(())
            })
        })
    }

    /// One attack on the rows that `clean` finds correctly classified, with the gradients and logits of `guide`.
    ///
    /// Errors: the model or the attack fails, or the store can't be read or written.
    pub(crate) fn attack(
        &self,
        subject: &Subject<'_>,
        guide: &Prepared,
        attack: &PlannedAttack,
        setting: &Setting<'_>,
        clean: &[Block],
        wanted: Vec<Wanted>,
    ) -> Result<Outcome> {
        self.check(wanted, |missing, blocks| {
            let assemblies: Vec<Assembly<'_, RowOutcome>> = missing
                .iter()
                .map(|wanted| Ok(Assembly::new(wanted, correct(wanted, clean, subject)?)))
                .collect::<Result<_>>()?;
            let chunks = chunks(&assemblies, self.jobs, guide.micro_batch());
            let tools = || Ok(Tools { judge: subject.prepared.predictor()?, oracle: guide.attack_oracle()? });
            let work = |tools: &mut Tools, (_, rows): &(usize, &[usize])| {
                attack_rows(tools, subject, guide, attack, setting, rows).with_context(|| {
                    format!("failed to run attack `{}` on model `{}`", attack.spec.name(), subject.name)
                })
            };
            parallel::for_each(self.jobs, &chunks, tools, work, |index, outcomes| {
                let (assembly, rows) = chunks[index];
                self.progress.inc(rows.len() as u64);
                if let Some(outcomes) = assemblies[assembly].add(rows, outcomes) {
                    let (block, witnesses) = attack_block(assemblies[assembly].wanted, outcomes, subject)?;
                    let kept = (self.keep == Keep::Witnesses).then_some(&witnesses);
                    let block = self.store.save(block, kept)?;
                    self.progress
                        .inc((assemblies[assembly].wanted.rows.len() - assemblies[assembly].rows.len()) as u64);
                    blocks.lock().expect("no thread panics while it holds the lock").push(block);
                }
                Ok(())
            })
        })
    }

    /// One probe on all rows.
    ///
    /// Errors: the model or the probe fails, or the store can't be read or written.
    pub(crate) fn probe(
        &self,
        subject: &Subject<'_>,
        spec: &ProbeSpec,
        setting: &Setting<'_>,
        wanted: Vec<Wanted>,
    ) -> Result<Outcome> {
        self.check(wanted, |missing, blocks| {
            let assemblies: Vec<Assembly<'_, RowValue>> =
                missing.iter().map(|wanted| Assembly::new(wanted, wanted.rows.clone())).collect();
            let chunks = chunks(&assemblies, self.jobs, subject.prepared.micro_batch());
            let tools = || Ok(subject.prepared.oracle()?);
            let work = |oracle: &mut GradientOracle, (_, rows): &(usize, &[usize])| {
                probe_rows(oracle, subject, spec, setting, rows)
                    .with_context(|| format!("failed to run probe `{}` on model `{}`", spec.name(), subject.name))
            };
            parallel::for_each(self.jobs, &chunks, tools, work, |index, values| {
                let (assembly, rows) = chunks[index];
                self.progress.inc(rows.len() as u64);
                if let Some(values) = assemblies[assembly].add(rows, values) {
                    let rows: Vec<ProbeRow> = values.iter().map(|(row, value)| probe_row(*row, value)).collect();
                    let block = Block::probe(assemblies[assembly].wanted.keyed.clone(), &rows)?;
                    let block = self.store.save(block, None)?;
                    blocks.lock().expect("no thread panics while it holds the lock").push(block);
                }
                Ok(())
            })
        })
    }

    /// Predictions of corrupted rows by the registered bytes, all corruptions and severities side by side.
    ///
    /// Errors: the model fails on a row, or the store can't be read or written.
    pub(crate) fn corruptions(&self, subject: &Subject<'_>, cells: &Cells, wanted: Vec<Wanted>) -> Result<Outcome> {
        self.check(wanted, |missing, blocks| {
            let tools = || Ok(subject.prepared.predictor()?);
            let work = |judge: &mut ShippedModel, wanted: &&Wanted| {
                cells
                    .rows(judge, subject, wanted)
                    .with_context(|| format!("failed to run model `{}` on corrupted rows", subject.name))
            };
            parallel::for_each(self.jobs, missing, tools, work, |index, (rows, inputs)| {
                let block = Block::corruption(missing[index].keyed.clone(), &rows, inputs)?;
                let block = self.store.save(block, None)?;
                self.progress.inc(rows.len() as u64);
                blocks.lock().expect("no thread panics while it holds the lock").push(block);
                Ok(())
            })
        })
    }

    /// Takes the blocks that are there and computes the others.
    fn check(
        &self,
        wanted: Vec<Wanted>,
        compute: impl FnOnce(&[&Wanted], &Mutex<Vec<Block>>) -> Result<()>,
    ) -> Result<Outcome> {
        let start = Instant::now();
        let blocks = Mutex::new(Vec::new());
        let (mut missing, mut damaged) = (Vec::new(), Vec::new());
        for wanted in &wanted {
            let Lookup { found, damaged: set_aside } = self.store.load(&wanted.keyed.key, self.keep)?;
            for damage in set_aside {
                let (path, moved) = (damage.path.display(), damage.moved_to.display());
                let message = format!("{path}: {}; set aside as {moved} and computed again", damage.why);
                self.progress.suspend(|| eprintln!("warning: {message}"));
                damaged.push(message);
            }
            match found {
                Some(block) => {
                    self.progress.inc(wanted.rows.len() as u64);
                    blocks.lock().expect("no thread panics while it holds the lock").push(block);
                }
                None => missing.push(wanted),
            }
        }
        compute(&missing, &blocks)?;
        let mut blocks = blocks.into_inner().expect("no thread panics while it holds the lock");
        blocks.sort_by_key(Block::slice);
        Ok(Outcome { blocks, computed: missing.len(), damaged, seconds: start.elapsed().as_secs_f64() })
    }
}

/// What `work` makes of the oracle of `guide`. Where inputs move on a grid that this model does not round to by itself, it is
/// asked about the points of the grid.
fn ask<T>(
    guide: &Prepared,
    setting: &Setting<'_>,
    oracle: &mut GradientOracle,
    work: impl FnOnce(&mut dyn Oracle) -> T,
) -> T {
    match setting.grid && guide.spec().map.quantize.is_none() {
        true => work(&mut OnGrid::new(oracle, setting.domain)),
        false => work(oracle),
    }
}

fn attack_rows(
    tools: &mut Tools,
    subject: &Subject<'_>,
    guide: &Prepared,
    attack: &PlannedAttack,
    setting: &Setting<'_>,
    rows: &[usize],
) -> Result<Vec<RowOutcome>> {
    let levels = attack.curve.levels();
    let curve: Curve<'_> = attack.curve.with(&levels);
    let Tools { judge, oracle } = tools;
    with_rows(subject, rows, |rows| {
        let run = |oracle: &mut dyn Oracle| attack::run_curve(&attack.spec, &curve, rows, setting, oracle, judge);
        Ok(ask(guide, setting, oracle, run)?)
    })
}

fn probe_rows(
    oracle: &mut GradientOracle,
    subject: &Subject<'_>,
    spec: &ProbeSpec,
    setting: &Setting<'_>,
    rows: &[usize],
) -> Result<Vec<RowValue>> {
    with_rows(subject, rows, |rows| {
        Ok(ask(subject.prepared, setting, oracle, |oracle| probe::run(spec, rows, setting, oracle))?)
    })
}

/// What `work` makes of these rows of the data set, which may be none.
fn with_rows<T>(
    subject: &Subject<'_>,
    rows: &[usize],
    work: impl FnOnce(&Rows<'_>) -> Result<Vec<T>>,
) -> Result<Vec<T>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let samples = subject.dataset.rows_at(rows)?;
    let labels: Vec<usize> = samples.labels.iter().map(|&label| subject.label_map[label]).collect();
    let x = matrix(&samples, subject.dataset)?;
    work(&Rows { x: x.view(), labels: &labels, digests: &samples.digests })
}

pub(crate) fn matrix(samples: &Samples, dataset: &Dataset) -> Result<Array2<f32>> {
    Ok(Array2::from_shape_vec((samples.labels.len(), dataset.row_len()), samples.x.clone())?)
}
