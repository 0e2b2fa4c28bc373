//! Metrics over epochs as pictures, like figures 2 to 4 of Mousavi et al. 2023.

use anyhow::Result;
use report::{Curve, Plot};
use train::EpochMetrics;

/// A picture: its file, title and unit, and its curves, each a metric with its factor.
struct Picture {
    file: &'static str,
    title: &'static str,
    unit: &'static str,
    curves: &'static [(&'static str, &'static str, f64)],
}

const PICTURES: &[Picture] = &[
    Picture {
        file: "accuracy.svg",
        title: "Accuracy",
        unit: "% of the rows",
        curves: &[("natural", "natural_accuracy", 100.0), ("robust", "robust_accuracy", 100.0)],
    },
    Picture {
        file: "instability.svg",
        title: "Perturbation instability",
        unit: "mean divergence (nats)",
        curves: &[("kl-instability", "kl_instability", 1.0), ("kl-instability-max", "kl_instability_max", 1.0)],
    },
    Picture {
        file: "lipschitz.svg",
        title: "Empirical Lipschitz constant, a lower bound",
        unit: "l1 of logits over l-inf of input",
        curves: &[("lipschitz-l1-linf", "lipschitz_l1_linf", 1.0)],
    },
];

/// The pictures that there is something to draw for, by file name.
///
/// Errors: a line is no metrics of an epoch.
pub(super) fn pictures(metrics: &[String]) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let epochs: Vec<EpochMetrics> = metrics.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>()?;
    let mut files = Vec::new();
    for picture in PICTURES {
        let curves = picture.curves.iter().map(|(name, metric, factor)| Curve {
            name: (*name).to_owned(),
            points: epochs
                .iter()
                .filter_map(|epoch| Some((f64::from(epoch.epoch), factor * epoch.evaluation.get(*metric)?)))
                .collect(),
        });
        let curves: Vec<Curve> = curves.filter(|curve| !curve.points.is_empty()).collect();
        if !curves.is_empty() {
            let plot = Plot { title: picture.title.to_owned(), unit: picture.unit.to_owned(), curves };
            files.push((picture.file, plot.svg()?.into_bytes()));
        }
    }
    Ok(files)
}
