//! What the registered bytes make of corrupted samples.

use crate::engine::{Subject, Wanted, matrix};
use anyhow::{Context, Result, bail};
use attack::{Picture, Predictor, argmax, margin};
use evidence::{BlockKey, CleanRow, Digest};
use probe::Corruption;
use runtime::ShippedModel;
use std::collections::BTreeMap;

/// One corruption at one severity, and the blocks that the plan wants of it.
pub(crate) struct Cell {
    pub(crate) corruption: &'static Corruption,
    pub(crate) severity: u32,
    pub(crate) wanted: Vec<Wanted>,
}

/// The cells of one model, by the keys of their blocks.
pub(crate) struct Cells {
    all: Vec<(&'static Corruption, u32)>,
    of_key: BTreeMap<BlockKey, usize>,
    picture: Picture,
    seed: u64,
}

impl Cells {
    /// The cells, and all that they want in one list.
    pub(crate) fn new(cells: Vec<Cell>, picture: Picture, seed: u64) -> (Self, Vec<Wanted>) {
        let all = cells.iter().map(|cell| (cell.corruption, cell.severity)).collect();
        let (mut of_key, mut wanted) = (BTreeMap::new(), Vec::new());
        for (index, cell) in cells.into_iter().enumerate() {
            of_key.extend(cell.wanted.iter().map(|wanted| (wanted.keyed.key, index)));
            wanted.extend(cell.wanted);
        }
        (Self { all, of_key, picture, seed }, wanted)
    }

    /// Blocks of all cells, cell by cell.
    ///
    /// Errors: a block is of no cell.
    pub(crate) fn split(&self, blocks: Vec<evidence::Block>) -> Result<Vec<Vec<evidence::Block>>> {
        let mut split: Vec<Vec<evidence::Block>> = self.all.iter().map(|_| Vec::new()).collect();
        for block in blocks {
            let cell = self.of_key.get(&block.key).context("a block that nothing asked for: this is a defect")?;
            split[*cell].push(block);
        }
        Ok(split)
    }

    /// The judge's predictions of corrupted rows, and the digest of all their values.
    ///
    /// Errors: the rows are no pictures, or the model fails on one, or gives a NaN.
    pub(crate) fn rows(
        &self,
        judge: &mut ShippedModel,
        subject: &Subject<'_>,
        wanted: &Wanted,
    ) -> Result<(Vec<CleanRow>, Digest)> {
        let cell = self.of_key.get(&wanted.keyed.key).context("a check of no corruption: this is a defect")?;
        let (corruption, severity) = self.all[*cell];
        let Subject { dataset, label_map, .. } = *subject;
        let mut samples = dataset.rows_at(&wanted.rows)?;
        for (row, digest) in samples.x.chunks_exact_mut(dataset.row_len()).zip(&samples.digests) {
            let corrupted = corruption.apply(row, &self.picture, severity, self.seed, digest)?;
            row.copy_from_slice(&corrupted);
        }
        let bytes: Vec<u8> = samples.x.iter().flat_map(|value| value.to_le_bytes()).collect();
        let scores = judge.predict(matrix(&samples, dataset)?.view())?;
        let mut rows = Vec::with_capacity(wanted.rows.len());
        for ((&row, &label), scores) in wanted.rows.iter().zip(&samples.labels).zip(scores.rows()) {
            let scores = scores.to_vec();
            if scores.iter().any(|score| score.is_nan()) {
                bail!(
                    "the scores of row {row} of data set `{}` under `{}` at severity {severity} are NaN",
                    dataset.name,
                    corruption.name
                );
            }
            let label = label_map[label];
            let (prediction, tie) = argmax(&scores);
            let (label_of_row, margin) = (label as u32, margin(&scores, label));
            let of_row = CleanRow::right(row as u64);
            rows.push(CleanRow { label: label_of_row, prediction: prediction as u32, margin, tie, ..of_row });
        }
        Ok((rows, Digest::of(&bytes)))
    }
}
