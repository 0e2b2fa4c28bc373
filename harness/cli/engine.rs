//! Computes the blocks that are missing.

use crate::parallel;
use anyhow::{Context, Result, bail};
use attack::{AttackSpec, Predictor, RowOutcome, Rows, Setting, argmax};
use evidence::{AttackRow, Block, CleanRow, Keep, Keyed, Lookup, Store, Verdict, Witnesses, witness_digest};
use indicatif::ProgressBar;
use ndarray::Array2;
use registry::{Dataset, Samples};
use runtime::{GradientOracle, Prepared, ShippedModel};
use std::sync::Mutex;
use std::time::Instant;

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
                let samples = subject.dataset.rows_at(&wanted.rows)?;
                predict(judge, subject, &wanted.rows, &samples)
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

    /// One attack on the rows that `clean` finds correctly classified.
    ///
    /// Errors: the model or the attack fails, or the store can't be read or written.
    pub(crate) fn attack(
        &self,
        subject: &Subject<'_>,
        spec: &AttackSpec,
        setting: &Setting<'_>,
        clean: &[Block],
        wanted: Vec<Wanted>,
    ) -> Result<Outcome> {
        self.check(wanted, |missing, blocks| {
            let assemblies: Vec<Assembly<'_>> =
                missing.iter().map(|wanted| Assembly::new(wanted, clean, subject)).collect::<Result<_>>()?;
            let chunk = (8 * subject.prepared.micro_batch()).min(evidence::BLOCK_ROWS);
            let chunks: Vec<(usize, &[usize])> = assemblies
                .iter()
                .enumerate()
                .flat_map(|(index, assembly)| {
                    let none = assembly.correct.is_empty().then_some(assembly.correct.as_slice());
                    assembly.correct.chunks(chunk).chain(none).map(move |rows| (index, rows))
                })
                .collect();
            let tools = || Ok(Tools { judge: subject.prepared.predictor()?, oracle: subject.prepared.oracle()? });
            let work = |tools: &mut Tools, (_, rows): &(usize, &[usize])| {
                attack_rows(tools, subject, spec, setting, rows)
                    .with_context(|| format!("failed to run attack `{}` on model `{}`", spec.name(), subject.name))
            };
            parallel::for_each(self.jobs, &chunks, tools, work, |index, outcomes| {
                let (assembly, rows) = chunks[index];
                self.progress.inc(rows.len() as u64);
                if let Some(outcomes) = assemblies[assembly].add(rows, outcomes) {
                    let (block, witnesses) = assemblies[assembly].block(outcomes, subject.dataset.row_len())?;
                    let kept = (self.keep == Keep::Witnesses).then_some(&witnesses);
                    let block = self.store.save(block, kept)?;
                    self.progress
                        .inc((assemblies[assembly].wanted.rows.len() - assemblies[assembly].correct.len()) as u64);
                    blocks.lock().expect("no thread panics while it holds the lock").push(block);
                }
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

fn predict(
    judge: &mut ShippedModel,
    subject: &Subject<'_>,
    rows: &[usize],
    samples: &Samples,
) -> Result<Vec<CleanRow>> {
    let scores = judge.predict(matrix(samples, subject.dataset)?.view())?;
    if let Some((row, _)) = rows.iter().zip(scores.rows()).find(|(_, scores)| scores.iter().any(|score| score.is_nan()))
    {
        bail!("the scores of row {row} of data set `{}` are NaN", subject.dataset.name);
    }
    let rows = rows.iter().zip(&samples.labels).zip(scores.rows()).map(|((&row, &label), scores)| {
        let scores = scores.to_vec();
        let label = subject.label_map[label];
        let (prediction, tie) = argmax(&scores);
        let others = scores.iter().enumerate().filter(|(class, _)| *class != label).map(|(_, score)| f64::from(*score));
        let margin = Some(f64::from(scores[label]) - others.fold(f64::NEG_INFINITY, f64::max));
        CleanRow { row: row as u64, label: label as u32, prediction: prediction as u32, margin, tie }
    });
    Ok(rows.collect())
}

fn attack_rows(
    tools: &mut Tools,
    subject: &Subject<'_>,
    spec: &AttackSpec,
    setting: &Setting<'_>,
    rows: &[usize],
) -> Result<Vec<RowOutcome>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let samples = subject.dataset.rows_at(rows)?;
    let labels: Vec<usize> = samples.labels.iter().map(|&label| subject.label_map[label]).collect();
    let x = matrix(&samples, subject.dataset)?;
    let rows = Rows { x: x.view(), labels: &labels, digests: &samples.digests };
    Ok(attack::run(spec, &rows, setting, &mut tools.oracle, &mut tools.judge)?)
}

fn matrix(samples: &Samples, dataset: &Dataset) -> Result<Array2<f32>> {
    Ok(Array2::from_shape_vec((samples.labels.len(), dataset.row_len()), samples.x.clone())?)
}

/// One block in the making: which of its rows are attacked, and what has come back so far.
struct Assembly<'a> {
    wanted: &'a Wanted,
    correct: Vec<usize>,
    outcomes: Mutex<Vec<(usize, RowOutcome)>>,
}

impl<'a> Assembly<'a> {
    fn new(wanted: &'a Wanted, clean: &[Block], subject: &Subject<'_>) -> Result<Self> {
        let slice = wanted.rows.first().map(|row| (row / evidence::BLOCK_ROWS) as u64);
        let block = clean.iter().find(|block| block.slice() == slice);
        let columns = block.and_then(Block::clean_columns).with_context(|| {
            format!("no clean predictions of model `{}` for slice {slice:?}: this is a defect", subject.name)
        })?;
        let correct = wanted.rows.iter().zip(&columns.correct).filter(|(_, correct)| **correct).map(|(&row, _)| row);
        Ok(Self { wanted, correct: correct.collect(), outcomes: Mutex::default() })
    }

    /// Adds what a chunk gave; returns everything, in the order of rows, once the block is complete.
    fn add(&self, rows: &[usize], outcomes: Vec<RowOutcome>) -> Option<Vec<(usize, RowOutcome)>> {
        let mut all = self.outcomes.lock().expect("no thread panics while it holds the lock");
        all.extend(rows.iter().copied().zip(outcomes));
        if all.len() < self.correct.len() {
            return None;
        }
        let mut all = std::mem::take(&mut *all);
        all.sort_by_key(|(row, _)| *row);
        Some(all)
    }

    fn block(&self, outcomes: Vec<(usize, RowOutcome)>, row_len: usize) -> Result<(Block, Witnesses)> {
        let mut witnesses = Witnesses::new(row_len);
        let mut outcomes = outcomes.into_iter().peekable();
        let mut rows = Vec::with_capacity(self.wanted.rows.len());
        for &row in &self.wanted.rows {
            let Some((_, outcome)) = outcomes.next_if(|(attacked, _)| *attacked == row) else {
                rows.push(AttackRow::wrong(row as u64));
                continue;
            };
            if let Some(witness) = &outcome.witness {
                witnesses.push(row as u64, witness)?;
            }
            rows.push(attack_row(row, &outcome));
        }
        Ok((Block::attack(self.wanted.keyed.clone(), &rows)?, witnesses))
    }
}

fn attack_row(row: usize, outcome: &RowOutcome) -> AttackRow {
    AttackRow {
        row: row as u64,
        verdict: if outcome.broken { Verdict::Attacked } else { Verdict::Unknown },
        adversarial_class: outcome.adversarial_class.map(|class| class as u32),
        distance: outcome.distance,
        found: outcome.found,
        confirmed: outcome.confirmed,
        rejected: outcome.rejected,
        outside_ball: outcome.rejections.outside_ball,
        not_a_number: outcome.rejections.not_a_number,
        zero_gradients: outcome.zero_gradients,
        non_finite_gradients: outcome.non_finite_gradients,
        forwards: outcome.forwards,
        backwards: outcome.backwards,
        judge_forwards: outcome.judge_forwards,
        tie: outcome.tie,
        witness: outcome.witness.as_deref().map(witness_digest),
    }
}
