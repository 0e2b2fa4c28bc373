//! Robust accuracy over the radius, where the suite asked for a curve.

use evidence::{AttackResult, ModelResult, Results};

use crate::board::Board;
use crate::text::{limits, markdown, percent, plain, table};
use crate::{Curve, Error, Panels, Plot};

/// Its file in the report folder.
pub(crate) const FILE: &str = "robustness.svg";

const ABOUT: &str = "\
Robust accuracy at each radius, in percent, with its 95 % interval; each is an upper bound. A row that broke at one radius counts as \
broken at every larger one.";

/// The section of the report; `None` without a curve.
pub(crate) fn section(board: &Board) -> Option<String> {
    let mut sections = Vec::new();
    for (index, attack) in board.attacks.iter().enumerate() {
        let curves: Vec<(&ModelResult, &AttackResult)> =
            board.entries.iter().filter_map(|entry| Some((entry.model, entry.attacks[index]?))).collect();
        let radii = curves.iter().map(|(_, attack)| &attack.curve).find(|curve| !curve.is_empty());
        let Some(radii) = radii else { continue };
        let header: Vec<&str> = ["model"].into_iter().chain(radii.iter().map(|point| point.epsilon.as_str())).collect();
        let rows = curves.iter().map(|(model, attack)| {
            let cell = |epsilon: &str| {
                let point = attack.curve.iter().find(|point| point.epsilon == epsilon);
                point.map_or("–".to_owned(), |point| {
                    format!("{} ({})", percent(point.robust_accuracy), limits(point.ci_low, point.ci_high))
                })
            };
            std::iter::once(model.name.clone()).chain(header[1..].iter().map(|epsilon| cell(epsilon))).collect()
        });
        sections.push(format!("### {}\n\n{}", markdown(attack), table(&header, rows)));
    }
    (!sections.is_empty())
        .then(|| format!("![Robust accuracy over the radius]({FILE})\n\n{ABOUT}\n\n{}", sections.join("\n\n")))
}

/// The picture, a panel for each attack and a line for each model; `None` without a curve. It begins at the clean accuracy.
pub(crate) fn svg(results: &Results) -> Result<Option<String>, Error> {
    let mut plots: Vec<Plot> = Vec::new();
    for model in &results.models {
        for attack in model.attacks.iter().filter(|attack| !attack.curve.is_empty()) {
            let points = attack.curve.iter().filter_map(|point| Some((value(&point.epsilon)?, point.robust_accuracy)));
            let points = std::iter::once((0.0, model.clean_accuracy))
                .chain(points)
                .map(|(x, y): (f64, f64)| (x, 100.0 * y))
                .collect();
            // A character that drives a terminal is none of XML.
            let curve = Curve { name: plain(&model.name), points };
            let title = plain(&attack.name);
            match plots.iter_mut().find(|plot| plot.title == title) {
                Some(plot) => plot.curves.push(curve),
                None => plots.push(Plot {
                    title,
                    across: plain(&format!("epsilon, {} ({})", results.threat.norm, results.threat.units)),
                    unit: "% of the rows that withstand, at most".to_owned(),
                    curves: vec![curve],
                }),
            }
        }
    }
    if plots.is_empty() { Ok(None) } else { Panels { plots }.svg().map(Some) }
}

/// The number that a radius is written as: `8/255` or `0.5`.
pub(crate) fn value(epsilon: &str) -> Option<f64> {
    let (numerator, denominator) = epsilon.split_once('/').unwrap_or((epsilon, "1"));
    Some(numerator.trim().parse::<f64>().ok()? / denominator.trim().parse::<f64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::board;
    use crate::sample::{example, model, results};
    use evidence::CurvePoint;

    fn with_curve() -> Results {
        let mut results = results(vec![model("a", 9000, &[("pgd-20", 5000)]), model("b", 8000, &[("pgd-20", 6000)])]);
        for (model, steps) in results.models.iter_mut().zip([[7000, 5000, 100], [7000, 6000, 4000]]) {
            let points = ["1/255", "0.01", "1/50"].into_iter().zip(steps).map(|(epsilon, robust)| CurvePoint {
                epsilon: epsilon.to_owned(),
                robust_accuracy: robust as f64 / 10_000.0,
                ci_low: 0.0,
                ci_high: 1.0,
                robust,
            });
            model.attacks[0].curve = points.collect();
        }
        results
    }

    #[test]
    fn a_curve_has_a_table_and_a_picture() {
        let results = with_curve();
        insta::assert_snapshot!(section(&board(&results)).unwrap(), @r"
        ![Robust accuracy over the radius](robustness.svg)

        Robust accuracy at each radius, in percent, with its 95 % interval; each is an upper bound. A row that broke at one radius counts as broken at every larger one.

        ### pgd-20

        | model | 1/255               | 0.01                | 1/50                |
        |-------|---------------------|---------------------|---------------------|
        | b     | 70.00 (0.00–100.00) | 60.00 (0.00–100.00) | 40.00 (0.00–100.00) |
        | a     | 70.00 (0.00–100.00) | 50.00 (0.00–100.00) | 1.00 (0.00–100.00)  |
        ");
        let svg = svg(&results).unwrap().unwrap();
        assert!(svg.contains("epsilon, linf") && svg.contains("pgd-20") && svg.matches("<polyline").count() > 2);
        let mut hostile = with_curve();
        hostile.models[0].name = "a\u{1b}<b>&".to_owned();
        let drawn = super::svg(&hostile).unwrap().unwrap();
        assert!(drawn.contains("a\u{fffd}&lt;b&gt;&amp;") && !drawn.contains("<b>"), "a name is text");
        assert_eq!((section(&board(&example())), super::svg(&example()).unwrap()), (None, None));
    }

    #[test]
    fn radii_are_fractions_or_decimals() {
        assert_eq!((value("8/255"), value("0.5"), value("1e-3")), (Some(8.0 / 255.0), Some(0.5), Some(1e-3)));
        assert_eq!((value("a"), value("1/b")), (None, None));
    }
}
