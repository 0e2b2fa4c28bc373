//! Measures of the models against each other as pictures: a point for each model.

use evidence::{Measure, ModelResult, Results};

use crate::compare::label;
use crate::{Curve, Error, Panels, Plot};

/// Its file in the report folder.
pub(crate) const FILE: &str = "scatter.svg";

/// The line of the report that shows the picture; `None` where there is none.
pub(crate) fn link(results: &Results) -> Option<String> {
    let about = "Measures against MACs, then robust accuracy against the probes; each point is a model";
    (!plots(results).is_empty()).then(|| format!("![{about}]({FILE})"))
}

/// The picture: every measure over MACs, and robust accuracy over every probe. `None` for fewer models than are compared.
pub(crate) fn svg(results: &Results) -> Result<Option<String>, Error> {
    let plots = plots(results);
    if plots.is_empty() { Ok(None) } else { Panels { plots }.svg().map(Some) }
}

fn plots(results: &Results) -> Vec<Plot> {
    if results.analysis.is_none() {
        return Vec::new();
    }
    let measures = Measure::of_all(&results.models);
    let is_accuracy = |measure: &&Measure| {
        matches!(measure, Measure::CleanAccuracy | Measure::CorruptedAccuracy | Measure::RobustAccuracy(_))
    };
    let is_probe = |measure: &&Measure| matches!(measure, Measure::Probe(_));
    let over_cost = measures.iter().filter(|measure| is_accuracy(measure) || is_probe(measure));
    let over_cost = over_cost.map(|up| plot(&Measure::Macs, up, &results.models));
    let robust = measures.iter().filter(|measure| matches!(measure, Measure::RobustAccuracy(_)));
    let over_probes =
        robust.flat_map(|up| measures.iter().filter(is_probe).map(move |across| plot(across, up, &results.models)));
    over_cost.chain(over_probes).filter(|plot| plot.curves.iter().any(|curve| !curve.points.is_empty())).collect()
}

/// A point for each model that has both.
fn plot(across: &Measure, up: &Measure, models: &[ModelResult]) -> Plot {
    let (across_unit, up_unit) = (unit(across, models), unit(up, models));
    let curves = models.iter().map(|model| {
        let point = across.of(model).zip(up.of(model)).map(|(x, y)| (x * across_unit.1, y * up_unit.1));
        Curve { name: model.name.clone(), points: point.into_iter().collect() }
    });
    Plot {
        title: format!("{} over {}", label(up), label(across)),
        across: format!("{} ({})", label(across), across_unit.0),
        unit: up_unit.0,
        curves: curves.collect(),
    }
}

/// What an axis is measured in, and what its numbers are multiplied by.
fn unit(measure: &Measure, models: &[ModelResult]) -> (String, f64) {
    match measure {
        Measure::CleanAccuracy | Measure::CorruptedAccuracy | Measure::RobustAccuracy(_) => {
            ("% of the rows".to_owned(), 100.0)
        }
        Measure::Probe(name) => {
            let probe = models.iter().flat_map(|model| &model.probes).find(|probe| probe.name == *name);
            (probe.map_or(String::new(), |probe| format!("mean, {}", probe.units)), 1.0)
        }
        _ => ("millions".to_owned(), 1e-6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{compared, example};

    #[test]
    fn every_pair_that_the_analysis_is_about_has_a_panel_with_every_model_that_has_both() {
        let results = compared();
        let plots = plots(&results);
        let titles: Vec<&str> = plots.iter().map(|plot| plot.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "clean over MACs",
                "pgd-20 over MACs",
                "kl-instability over MACs",
                "lipschitz-l1-linf over MACs",
                "pgd-20 over kl-instability",
                "pgd-20 over lipschitz-l1-linf"
            ]
        );
        for (plot, model) in plots.iter().flat_map(|plot| results.models.iter().map(move |model| (plot, model))) {
            assert!(plot.curves.iter().any(|curve| curve.name == model.name), "{}", plot.title);
        }
        let first = &results.models[0];
        let expected = (first.macs.unwrap() as f64 * 1e-6, 100.0 * first.clean_accuracy);
        assert_eq!(plots[0].curves[0].points, [expected]);
        let svg = svg(&results).unwrap().unwrap();
        assert!(svg.contains("pgd-20 over kl-instability") && svg == super::svg(&results).unwrap().unwrap());
        assert!(link(&results).unwrap().contains(FILE));
    }

    #[test]
    fn few_models_have_no_picture() {
        assert_eq!((svg(&example()).unwrap(), link(&example())), (None, None));
    }
}
