//! Numbers for others to compare with their own.

use crate::Crew;
use anyhow::{Context, Result, ensure};
use attack::Loss;
use ndarray::{Array1, Array2, ArrayD, Axis, concatenate};
use ndarray_npy::{NpzReader, NpzWriter};
use std::fs::File;
use std::path::Path;

/// Reads `x` and `labels` of an npz file; rows are flattened.
///
/// Errors: the file can't be read, an array is missing or of another type, or a label is no class.
pub(crate) fn rows(path: &Path, classes: usize) -> Result<(Array2<f32>, Vec<usize>)> {
    let place = || format!("read {}", path.display());
    let mut npz = NpzReader::new(File::open(path).with_context(place)?).with_context(place)?;
    let x: ArrayD<f32> = npz.by_name("x").with_context(|| format!("read `x` of {}", path.display()))?;
    let labels: Array1<i64> = npz.by_name("labels").with_context(|| format!("read `labels` of {}", path.display()))?;
    ensure!(x.ndim() >= 2 && !x.is_empty(), "read {}: `x` must be rows, found shape {:?}", path.display(), x.shape());
    let shape = (x.shape()[0], x.len() / x.shape()[0]);
    let x = Array2::from_shape_vec(shape, x.iter().copied().collect())?;
    let class = |&label: &i64| usize::try_from(label).ok().filter(|label| *label < classes);
    let labels: Option<Vec<usize>> = labels.iter().map(class).collect();
    Ok((x, labels.with_context(|| format!("read {}: labels must be below {classes}", path.display()))?))
}

/// Writes the scores of the registered bytes, the logits, and losses and gradients of the three heads.
///
/// Errors: a file can't be read or written, or a run fails.
pub(crate) fn write(crew: &mut Crew, input: &Path, output: &Path) -> Result<usize> {
    let classes = crew.prepared().spec().classes;
    let (x, labels) = rows(input, classes)?;
    let place = || format!("read `cotangents` of {}", input.display());
    let mut npz = NpzReader::new(File::open(input).with_context(place)?).with_context(place)?;
    let cotangents: Array2<f32> = npz.by_name("cotangents").with_context(place)?;
    let count = x.nrows();
    ensure!(
        labels.len() == count && cotangents.dim() == (count, classes),
        "match the shapes: {count} rows, {} labels, cotangents {:?}; expected {classes} classes",
        labels.len(),
        cotangents.dim()
    );
    let place = || format!("write {}", output.display());
    let mut npz = NpzWriter::new(File::create(output).with_context(place)?);
    npz.add_array("scores", &crew.scores(&x)?).with_context(place)?;
    let losses = [
        ("cross_entropy", Loss::cross_entropy(&labels, classes)),
        ("margin", Loss::margin(&labels, classes)),
        ("linear", Loss::linear(cotangents)),
    ];
    for (name, loss) in losses {
        let parts = crew.gradient(&x, &loss, count)?;
        let logits: Vec<_> = parts.iter().map(|part| part.logits.view()).collect();
        let loss: Vec<_> = parts.iter().map(|part| part.loss.view()).collect();
        let gradient: Vec<_> = parts.iter().map(|part| part.gradient.view()).collect();
        if name == "linear" {
            npz.add_array("logits", &concatenate(Axis(0), &logits)?).with_context(place)?;
        }
        npz.add_array(format!("{name}_loss"), &concatenate(Axis(0), &loss)?).with_context(place)?;
        npz.add_array(format!("{name}_gradient"), &concatenate(Axis(0), &gradient)?).with_context(place)?;
    }
    npz.finish().with_context(place)?;
    Ok(count)
}
