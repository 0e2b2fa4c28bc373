//! Rows in the order of an epoch, augmented, one batch at a time.

use crate::augmentation::Augmentation;
use crate::draws::{shuffle, stream};
use registry::Dataset;

/// The batches of a data set.
///
/// Rows stay as they are stored; one batch at a time becomes float, in buffers that are used again. The last rows of an
/// epoch's order that fill no batch are left out of that epoch.
#[derive(Debug)]
pub struct Batches<'a> {
    data: &'a Dataset,
    rows: u32,
    batch: usize,
    augmentation: Augmentation,
    seed: u64,
    epoch: u64,
    step: usize,
    shape: [usize; 3],
    border: f32,
    order: Vec<u32>,
    picture: Vec<f32>,
    x: Vec<f32>,
    labels: Vec<usize>,
    targets: Vec<f32>,
}

/// One batch.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// `[B, C, H, W]`, the canonical values.
    pub x: &'a [f32],
    /// The class of each row.
    pub labels: &'a [usize],
    /// `[B, K]`, one-hot.
    pub targets: &'a [f32],
    /// Which rows of the data set these are.
    pub rows: &'a [u32],
}

impl<'a> Batches<'a> {
    /// Batches of the first `rows` rows.
    ///
    /// Panics: there are not that many rows, or the rows are no pictures `[C, H, W]`; a plan has checked both.
    pub fn new(data: &'a Dataset, rows: usize, batch: usize, augmentation: Augmentation, seed: u64) -> Self {
        let &[channels, height, width] = data.shape.as_slice() else { panic!("rows must be [C, H, W]") };
        assert!(rows <= data.len(), "{rows} rows of {}", data.len());
        let row_len = data.row_len();
        Self {
            data,
            rows: rows as u32,
            batch,
            augmentation,
            seed,
            epoch: 0,
            step: 0,
            shape: [channels, height, width],
            border: 0.0_f32.clamp(data.domain.lower, data.domain.upper),
            order: Vec::with_capacity(rows),
            picture: vec![0.0; row_len],
            x: vec![0.0; batch * row_len],
            labels: vec![0; batch],
            targets: vec![0.0; batch * data.classes.len()],
        }
    }

    /// Steps of an epoch: whole batches only.
    pub fn steps(&self) -> usize {
        self.rows as usize / self.batch
    }

    /// Draws the order of an epoch, counted from 0.
    pub fn begin(&mut self, epoch: u64) {
        self.epoch = epoch;
        shuffle(&mut stream(self.seed, "train.order", epoch, 0), &mut self.order, self.rows);
    }

    /// Fills the buffers with one batch of the epoch that was begun.
    ///
    /// Panics: `step` is not below [`Batches::steps`].
    pub fn fill(&mut self, step: usize) -> Batch<'_> {
        self.step = step;
        let rows = &self.order[step * self.batch..][..self.batch];
        let (row_len, classes) = (self.data.row_len(), self.data.classes.len());
        self.targets.fill(0.0);
        for (index, &row) in rows.iter().enumerate() {
            let change = self.augmentation.draw(self.seed, self.epoch, row.into());
            self.data.write_row(row as usize, &mut self.picture);
            change.apply(&self.picture, self.shape, self.border, &mut self.x[index * row_len..][..row_len]);
            self.labels[index] = self.data.label(row as usize);
            self.targets[index * classes + self.labels[index]] = 1.0;
        }
        self.last()
    }

    /// The batch that the buffers hold.
    pub fn last(&self) -> Batch<'_> {
        let rows = &self.order[self.step * self.batch..][..self.batch];
        Batch { x: &self.x, labels: &self.labels, targets: &self.targets, rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use registry::Datasets;
    use std::collections::BTreeSet;

    fn signs() -> Dataset {
        Datasets::open(None, "none").load("signs32", "train").unwrap()
    }

    #[test]
    fn an_epoch_shows_every_row_once_and_leaves_out_what_fills_no_batch() {
        let data = signs();
        let mut batches = Batches::new(&data, 103, 10, Augmentation::default(), 1);
        assert_eq!(batches.steps(), 10);
        let mut orders = BTreeSet::new();
        for epoch in 0..3 {
            batches.begin(epoch);
            let rows: Vec<u32> = (0..10).flat_map(|step| batches.fill(step).rows.to_vec()).collect();
            assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), 100);
            assert!(rows.iter().all(|row| *row < 103));
            orders.insert(rows);
        }
        assert_eq!(orders.len(), 3);
    }

    #[test]
    fn a_batch_is_its_rows() {
        let data = signs();
        let mut batches = Batches::new(&data, 64, 16, Augmentation::default(), 1);
        batches.begin(5);
        let batch = batches.fill(3);
        let rows: Vec<usize> = batch.rows.iter().map(|row| *row as usize).collect();
        let samples = data.rows_at(&rows).unwrap();
        assert_eq!((batch.x, batch.labels), (samples.x.as_slice(), samples.labels.as_slice()));
        for (label, target) in samples.labels.iter().zip(batch.targets.chunks(10)) {
            assert_eq!((target[*label], target.iter().sum::<f32>()), (1.0, 1.0));
        }
    }

    /// A row's change depends on the epoch and on the row: not on the batch that it is in.
    #[test]
    fn rows_do_not_depend_on_the_batch_size() {
        let data = signs();
        let augmentation = Augmentation { crop_padding: 4, flip: true };
        let all = |batch: usize, epoch| {
            let mut batches = Batches::new(&data, 60, batch, augmentation, 9);
            batches.begin(epoch);
            (0..60 / batch).flat_map(|step| batches.fill(step).x.to_vec()).collect::<Vec<f32>>()
        };
        assert_eq!(all(10, 2), all(30, 2));
        assert_ne!(all(10, 2), all(10, 3));
    }

    #[test]
    fn buffers_are_used_again() {
        let data = signs();
        let mut batches = Batches::new(&data, 200, 50, Augmentation { crop_padding: 2, flip: true }, 9);
        let capacities = |b: &Batches<'_>| {
            [b.order.capacity(), b.picture.capacity(), b.x.capacity(), b.labels.capacity(), b.targets.capacity()]
        };
        let (before, place) = (capacities(&batches), batches.x.as_ptr());
        for epoch in 0..20 {
            batches.begin(epoch);
            (0..batches.steps()).for_each(|step| assert_eq!(batches.fill(step).labels.len(), 50));
        }
        assert_eq!((capacities(&batches), batches.x.as_ptr()), (before, place));
    }
}
