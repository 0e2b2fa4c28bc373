//! Metrics over epochs as pictures, like figures 2 to 4 of Mousavi et al. 2023.

use super::work::METRICS;
use anyhow::{Context, Result};
use report::{Curve, Figure, Panels, Plot};
use suite::PlannedModel;
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
    let epochs = parse(metrics.iter().map(String::as_str))?;
    let mut files = Vec::new();
    for picture in PICTURES {
        let curves = picture.curves.iter().map(|(name, metric, factor)| curve(name, &epochs, metric, *factor));
        let curves: Vec<Curve> = curves.filter(|curve| !curve.points.is_empty()).collect();
        if !curves.is_empty() {
            let plot = Plot {
                title: picture.title.to_owned(),
                across: "epoch".to_owned(),
                unit: picture.unit.to_owned(),
                curves,
            };
            files.push((picture.file, plot.svg()?.into_bytes()));
        }
    }
    Ok(files)
}

/// All models that were trained from a recipe in one picture, a panel for each metric and a line for each model; `None`
/// where no training left anything to draw.
///
/// Errors: a file of metrics is not the one that the model's manifest pins, or holds no metrics.
pub(crate) fn figure(models: &[PlannedModel]) -> Result<Option<Figure>> {
    let mut trainings = Vec::new();
    for model in models {
        let failed = || format!("failed to read the training of model `{}`", model.name);
        if let Some(bytes) = model.registered.beside(METRICS).with_context(failed)? {
            let text = String::from_utf8(bytes).with_context(failed)?;
            trainings.push((model.name.as_str(), parse(text.lines()).with_context(failed)?));
        }
    }
    draw(&trainings)
}

fn draw(trainings: &[(&str, Vec<EpochMetrics>)]) -> Result<Option<Figure>> {
    let mut plots = Vec::new();
    for picture in PICTURES {
        for (_, metric, factor) in picture.curves {
            let curves = trainings.iter().map(|(name, epochs)| curve(name, epochs, metric, *factor));
            let curves: Vec<Curve> = curves.filter(|curve| !curve.points.is_empty()).collect();
            if !curves.is_empty() {
                plots.push(Plot {
                    title: metric.replace('_', " "),
                    across: "epoch".to_owned(),
                    unit: picture.unit.to_owned(),
                    curves,
                });
            }
        }
    }
    if plots.is_empty() {
        return Ok(None);
    }
    Ok(Some(Figure { svg: Panels { plots }.svg()? }))
}

fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<EpochMetrics>> {
    Ok(lines.map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// One metric over the epochs after which it was measured.
fn curve(name: &str, epochs: &[EpochMetrics], metric: &str, factor: f64) -> Curve {
    let point = |epoch: &EpochMetrics| Some((f64::from(epoch.epoch), factor * epoch.evaluation.get(metric)?));
    Curve { name: name.to_owned(), points: epochs.iter().filter_map(point).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training(epochs: u32, metrics: &[&str]) -> Vec<EpochMetrics> {
        let epoch = |epoch| EpochMetrics {
            epoch,
            evaluation: metrics.iter().map(|name| ((*name).to_owned(), 0.1 * f64::from(epoch))).collect(),
            ..EpochMetrics::default()
        };
        (1..=epochs).map(epoch).collect()
    }

    #[test]
    fn every_metric_has_a_panel_and_every_model_a_line() {
        let both = ["natural_accuracy", "lipschitz_l1_linf"];
        let trainings =
            [("wide", training(3, &both)), ("narrow", training(5, &both[..1])), ("blind", training(2, &[]))];
        let svg = draw(&trainings).unwrap().unwrap().svg;
        for part in ["natural accuracy\n", "lipschitz l1 linf\n", "wide\n", "narrow\n"] {
            assert_eq!(svg.matches(part).count(), 1, "{part}");
        }
        assert!(!svg.contains("blind") && !svg.contains("robust"), "nothing was measured");
    }

    #[test]
    fn without_metrics_there_is_no_figure() {
        assert_eq!((draw(&[]).unwrap(), draw(&[("blind", training(2, &[]))]).unwrap()), (None, None));
    }
}
