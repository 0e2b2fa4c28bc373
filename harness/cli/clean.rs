//! What the registered bytes make of the samples, and whether that can be trusted.

use crate::engine::{Subject, matrix};
use anyhow::{Result, bail};
use attack::{Predictor, argmax, margin, neighbours};
use evidence::CleanRow;
use ndarray::Array2;
use registry::Samples;
use runtime::{OutputKind, ShippedModel};

/// What this module looks at. It rises when blocks say more than before of the same check, so that none is taken for one
/// that saw nothing.
pub(crate) const OBSERVED: u32 = 1;

/// How many random points next to a sample are looked at, and how far away, in widths of the domain.
const NEIGHBOURS: usize = suite::CLEAN_FORWARDS as usize - 2;
const NEARNESS: f64 = 1e-3;
/// How far a sum of probabilities in f32 may be from 1.
const SUM_SLACK: f64 = 1e-4;

/// The judge's predictions of these rows.
///
/// Errors: the model fails on a row, or gives a NaN.
pub(crate) fn clean_rows(judge: &mut ShippedModel, subject: &Subject<'_>, rows: &[usize]) -> Result<Vec<CleanRow>> {
    let samples = subject.dataset.rows_at(rows)?;
    let x = matrix(&samples, subject.dataset)?;
    let scores = judge.predict(x.view())?;
    if let Some((row, _)) = rows.iter().zip(scores.rows()).find(|(_, scores)| scores.iter().any(|score| score.is_nan()))
    {
        bail!("the scores of row {row} of data set `{}` are NaN", subject.dataset.name);
    }
    let again = judge.predict(x.view())?;
    let unstable = unstable(judge, subject, &samples, &scores)?;
    let logits = subject.prepared.spec().kind == OutputKind::Logits;
    let rows = rows.iter().enumerate().map(|(at, &row)| {
        let label = subject.label_map[samples.labels[at]];
        let of_row = scores.row(at).to_vec();
        let (prediction, tie) = argmax(&of_row);
        let margin = margin(&of_row, label);
        CleanRow {
            row: row as u64,
            label: label as u32,
            prediction: prediction as u32,
            margin,
            tie,
            randomised: scores.row(at).iter().zip(again.row(at)).any(|(a, b)| a.to_bits() != b.to_bits()),
            probabilities: logits && are_probabilities(&of_row),
            unstable: unstable[at],
        }
    });
    Ok(rows.collect())
}

fn are_probabilities(scores: &[f32]) -> bool {
    let sum: f64 = scores.iter().copied().map(f64::from).sum();
    scores.iter().all(|score| *score >= 0.0) && (sum - 1.0).abs() <= SUM_SLACK
}

/// Whether the prediction of each sample changes next to it. Integer inputs have no such points.
fn unstable(
    judge: &mut ShippedModel,
    subject: &Subject<'_>,
    samples: &Samples,
    scores: &Array2<f32>,
) -> Result<Vec<bool>> {
    let (dataset, rows) = (subject.dataset, samples.labels.len());
    let domain = suite::attack_domain(dataset);
    let radius = NEARNESS * (f64::from(domain.upper) - f64::from(domain.lower));
    if subject.prepared.spec().map.quantize.is_some() || !radius.is_finite() || rows == 0 {
        return Ok(vec![false; rows]);
    }
    let points = samples.x.chunks(dataset.row_len()).zip(&samples.digests);
    let near: Vec<f32> = points
        .flat_map(|(x, digest)| neighbours(x, radius, &domain, digest, NEIGHBOURS).into_iter().flatten())
        .collect();
    let near = judge.predict(Array2::from_shape_vec((NEIGHBOURS * rows, dataset.row_len()), near)?.view())?;
    let class = |scores: &Array2<f32>, at: usize| argmax(&scores.row(at).to_vec()).0;
    Ok((0..rows).map(|at| (0..NEIGHBOURS).any(|n| class(&near, NEIGHBOURS * at + n) != class(scores, at))).collect())
}

#[cfg(test)]
mod tests {
    use super::are_probabilities;

    #[test]
    fn probabilities_are_not_negative_and_sum_to_one() {
        let table: [(&[f32], bool); 5] = [
            (&[0.25, 0.75], true),
            (&[0.0, 1.0, 0.0], true),
            (&[0.3, 0.3, 0.3], false),
            (&[-0.25, 1.25], false),
            (&[3.0, 1.0], false),
        ];
        for (scores, expected) in table {
            assert_eq!(are_probabilities(scores), expected, "{scores:?}");
        }
    }
}
