//! Models beside each other: published numbers beside ours, and how the measures go together.

use std::collections::BTreeMap;

use evidence::{Analysis, MOST_EXACT, Measure, ModelResult, Order, Published, Ranked, Results, Spearman};

use crate::scatter;
use crate::text::{bounded, large, markdown, number, percent, table};

/// What a publication states beside ours, one row per number; `None` where the suite names no publication.
pub(crate) fn published(results: &Results) -> Option<String> {
    let published = results.published.as_ref()?;
    let rows = published.measures().into_iter().flat_map(|measure| rows(&measure, published, results));
    let header = ["measure", "model", "published", "ours", "difference", "published, relative", "ours, relative"];
    let source = markdown(&published.source);
    Some(format!("Published: {source}. {PUBLISHED}\n\n{}", table(&header, rows)))
}

const PUBLISHED: &str = "\
Nothing that was measured here depends on it. The *difference* is ours less the published number: in percentage points of \
accuracy, in per cent of a cost. A mean of a probe may be published on another scale, so it stands beside its ratio to the \
first model of the list that has both numbers: compare the ratios. A model without a number of ours is not in this run.";

fn rows(measure: &Measure, published: &Published, results: &Results) -> Vec<Vec<String>> {
    let model = |name: &str| results.models.iter().find(|model| model.name == name);
    let pairs: Vec<(&str, f64, Option<f64>)> = published
        .models
        .iter()
        .filter_map(|stated| {
            let ours = model(&stated.name).and_then(|model| measure.of(model));
            Some((stated.name.as_str(), measure.published(stated)?, ours))
        })
        .collect();
    let first = pairs.iter().find_map(|(_, theirs, ours)| Some((*theirs, (*ours)?)));
    let dash = || "–".to_owned();
    pairs
        .iter()
        .map(|&(name, theirs, ours)| {
            let difference = ours.and_then(|ours| difference(measure, ours, theirs));
            let [relative_theirs, relative_ours] = match (measure, first) {
                (Measure::Probe(_), Some((base_theirs, base_ours))) => {
                    [Some(theirs / base_theirs), ours.map(|ours| ours / base_ours)]
                }
                _ => [None, None],
            };
            let relative = |ratio: Option<f64>| ratio.filter(|ratio| ratio.is_finite()).map_or_else(dash, number);
            vec![
                label(measure),
                name.to_owned(),
                stated(measure, theirs),
                model(name).map_or_else(dash, |model| measured(measure, model)),
                difference.unwrap_or_else(dash),
                relative(relative_theirs),
                relative(relative_ours),
            ]
        })
        .collect()
}

fn difference(measure: &Measure, ours: f64, theirs: f64) -> Option<String> {
    match measure {
        Measure::CleanAccuracy | Measure::CorruptedAccuracy | Measure::RobustAccuracy(_) => {
            Some(format!("{:+.2}", 100.0 * (ours - theirs)))
        }
        Measure::Probe(_) => None,
        _ => (theirs > 0.0).then(|| format!("{:+.2} %", 100.0 * (ours / theirs - 1.0))),
    }
}

fn stated(measure: &Measure, value: f64) -> String {
    match measure {
        Measure::CleanAccuracy | Measure::CorruptedAccuracy | Measure::RobustAccuracy(_) => {
            format!("{} %", percent(value))
        }
        Measure::Probe(_) => number(value),
        _ => large(value),
    }
}

fn measured(measure: &Measure, model: &ModelResult) -> String {
    let probe = match measure {
        Measure::Probe(name) => model.probes.iter().find(|probe| probe.name == *name),
        _ => None,
    };
    match (probe, measure.of(model)) {
        (Some(probe), mean) => bounded(probe.bound, mean),
        (None, Some(value)) => stated(measure, value),
        (None, None) => "–".into(),
    }
}

/// What a table calls a measure.
pub(crate) fn label(measure: &Measure) -> String {
    match measure {
        Measure::Parameters => "params".into(),
        Measure::ParamsWithoutBn => "params without batch norm".into(),
        Measure::Macs => "MACs".into(),
        Measure::MacsTorchprofile => "MACs (torchprofile)".into(),
        Measure::PeakMemory => "activations, bytes".into(),
        Measure::CleanAccuracy => "clean".into(),
        Measure::CorruptedAccuracy => "corrupted, mean".into(),
        Measure::RobustAccuracy(name) | Measure::Probe(name) => name.clone(),
    }
}

/// Rank correlations and ranks; `None` where there are too few models.
pub(crate) fn analysis(results: &Results) -> Option<String> {
    let analysis = results.analysis.as_ref()?;
    let models = results.models.len();
    let picture = scatter::link(results).map_or(String::new(), |link| format!("{link}\n\n"));
    Some(format!(
        "{}\n\n{picture}{}\n\n{}\n\n{}",
        how_to_read(models),
        matrix(analysis, models as u64),
        ranks_text(analysis),
        ranks(analysis, results)
    ))
}

fn how_to_read(models: usize) -> String {
    let p = if models <= MOST_EXACT {
        let all: u64 = (1..=models as u64).product();
        format!(
            "In parentheses the exact two-sided p-value: the part of all {models}! = {all} orders whose correlation is at least \
             as far from 0. With {models} models none is below {}.",
            number(2.0 / all as f64)
        )
    } else {
        format!("p-values are left out for more than {MOST_EXACT} models.")
    };
    format!(
        "Spearman's rank correlation over n = {models} models; equal values share the mean of their ranks. {p} In brackets an \
         approximate 95 % interval (Bonett and Wright 2000), as if the models were a sample of many; left out for fewer than five \
         models and where the orders are the same or opposite. The models are a \
         choice and no sample, and each is one run: a correlation here is a description, not a cause, and nothing is corrected \
         for the number of pairs. –: fewer than three models have both, or one of the two is the same for all."
    )
}

/// The lower triangle of the correlations.
fn matrix(analysis: &Analysis, models: u64) -> String {
    let mut measures: Vec<&Measure> = Vec::new();
    for correlation in &analysis.correlations {
        for measure in [&correlation.a, &correlation.b] {
            if !measures.contains(&measure) {
                measures.push(measure);
            }
        }
    }
    let find = |a: &Measure, b: &Measure| analysis.correlations.iter().find(|one| one.a == *a && one.b == *b);
    let columns = &measures[..measures.len().saturating_sub(1)];
    let header: Vec<String> =
        std::iter::once(String::new()).chain(columns.iter().map(|measure| label(measure))).collect();
    let rows = measures.iter().skip(1).map(|row| {
        let cells =
            columns.iter().map(|column| find(column, row).map_or(String::new(), |one| cell(&one.spearman, models)));
        std::iter::once(label(row)).chain(cells).collect()
    });
    table(&header.iter().map(String::as_str).collect::<Vec<_>>(), rows)
}

/// `0.94 [0.55, 0.99] (p 0.017)`, and over how many models where that is not all.
fn cell(spearman: &Spearman, models: u64) -> String {
    let n = if spearman.n == models { String::new() } else { format!(", n {}", spearman.n) };
    let interval = match (spearman.ci_low, spearman.ci_high) {
        (Some(low), Some(high)) => format!(" [{low:.2}, {high:.2}]"),
        _ => String::new(),
    };
    match (spearman.rho, spearman.p) {
        (None, _) => "–".into(),
        (Some(rho), None) => format!("{rho:.2}{interval}{n}"),
        (Some(rho), Some(p)) => format!("{rho:.2}{interval} (p {p:.3}{n})"),
    }
}

fn ranks_text(analysis: &Analysis) -> String {
    let mut text =
        "The order of the models under each measure: 1 is the smallest value. Accuracies that differ by less than \
                    their confidence intervals may well stand in the other order."
            .to_owned();
    if analysis.orders.iter().any(|order| order.published.is_some()) {
        text += " In parentheses the rank of the published number among the models here that have one, and in the last \
                 line the correlation of ours with it.";
    }
    text
}

fn ranks(analysis: &Analysis, results: &Results) -> String {
    let shown = |order: &&Order| !order.measure.is_other_convention() || order.published.is_some();
    let orders: Vec<&Order> = analysis.orders.iter().filter(shown).collect();
    let names: Vec<String> = orders.iter().map(|order| label(&order.measure)).collect();
    let header: Vec<&str> = std::iter::once("model").chain(names.iter().map(String::as_str)).collect();
    let by_model = |ranked: &[Ranked]| -> BTreeMap<String, f64> {
        ranked.iter().map(|one| (one.model.clone(), one.rank)).collect()
    };
    let places: Vec<_> = orders
        .iter()
        .map(|order| (by_model(&order.models), order.published.as_ref().map(|published| by_model(&published.models))))
        .collect();
    let mut rows: Vec<Vec<String>> = results
        .models
        .iter()
        .map(|model| {
            let cells = places.iter().map(|(ours, theirs)| {
                let ours = ours.get(&model.name).map_or("–".into(), f64::to_string);
                let theirs = theirs.as_ref().and_then(|theirs| theirs.get(&model.name));
                theirs.map_or(ours.clone(), |theirs| format!("{ours} ({theirs})"))
            });
            std::iter::once(model.name.clone()).chain(cells).collect()
        })
        .collect();
    if orders.iter().any(|order| order.published.is_some()) {
        let cells = orders.iter().map(|order| {
            order
                .published
                .as_ref()
                .map_or(String::new(), |published| cell(&published.agreement, results.models.len() as u64))
        });
        rows.push(std::iter::once("with the published order".to_owned()).chain(cells).collect());
    }
    table(&header, rows.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{compared, example};

    #[test]
    fn suites_that_compare_nothing_have_no_section() {
        assert_eq!((published(&example()), analysis(&example())), (None, None));
    }

    #[test]
    fn published_numbers_stand_beside_ours() {
        insta::assert_snapshot!(published(&compared()).unwrap(), @r"
        Published: A. Author 2023, table 1. Nothing that was measured here depends on it. The *difference* is ours less the published number: in percentage points of accuracy, in per cent of a cost. A mean of a probe may be published on another scale, so it stands beside its ratio to the first model of the list that has both numbers: compare the ratios. A model without a number of ours is not in this run.

        | measure                   | model | published | ours      | difference | published, relative | ours, relative |
        |---------------------------|-------|-----------|-----------|------------|---------------------|----------------|
        | params without batch norm | w100  | 2.278 M   | –         | –          | –                   | –              |
        | params without batch norm | e6    | 404.0 k   | 404.3 k   | +0.08 %    | –                   | –              |
        | params without batch norm | w65   | 1.088 M   | 1.088 M   | -0.01 %    | –                   | –              |
        | clean                     | w100  | 79.15 %   | –         | –          | –                   | –              |
        | clean                     | e6    | 69.23 %   | 68.00 %   | -1.23      | –                   | –              |
        | clean                     | w65   | 78.24 %   | 77.00 %   | -1.24      | –                   | –              |
        | pgd-20                    | w100  | 47.11 %   | –         | –          | –                   | –              |
        | pgd-20                    | e6    | 39.91 %   | 38.00 %   | -1.91      | –                   | –              |
        | pgd-20                    | w65   | 48.00 %   | 47.00 %   | -1.00      | –                   | –              |
        | kl-instability            | w100  | 7.270     | –         | –          | 1.939               | –              |
        | kl-instability            | e6    | 3.750     | ≥ 0.04000 | –          | 1.000               | 1.000          |
        | kl-instability            | w65   | 5.630     | ≥ 0.05800 | –          | 1.501               | 1.450          |
        ");
    }

    #[test]
    fn correlations_and_ranks() {
        insta::assert_snapshot!(analysis(&compared()).unwrap(), @r"
        Spearman's rank correlation over n = 4 models; equal values share the mean of their ranks. In parentheses the exact two-sided p-value: the part of all 4! = 24 orders whose correlation is at least as far from 0. With 4 models none is below 0.08333. In brackets an approximate 95 % interval (Bonett and Wright 2000), as if the models were a sample of many; left out for fewer than five models and where the orders are the same or opposite. The models are a choice and no sample, and each is one run: a correlation here is a description, not a cause, and nothing is corrected for the number of pairs. –: fewer than three models have both, or one of the two is the same for all.

        ![Measures against MACs, then robust accuracy against the probes; each point is a model](scatter.svg)

        |                   | params              | MACs | clean               | pgd-20              | kl-instability      |
        |-------------------|---------------------|------|---------------------|---------------------|---------------------|
        | MACs              | –                   |      |                     |                     |                     |
        | clean             | 0.80 (p 0.333)      | –    |                     |                     |                     |
        | pgd-20            | 0.63 (p 0.500)      | –    | 0.95 (p 0.167)      |                     |                     |
        | kl-instability    | 0.80 (p 0.333)      | –    | 1.00 (p 0.083)      | 0.95 (p 0.167)      |                     |
        | lipschitz-l1-linf | 1.00 (p 0.333, n 3) | –    | 1.00 (p 0.333, n 3) | 1.00 (p 0.333, n 3) | 1.00 (p 0.333, n 3) |

        The order of the models under each measure: 1 is the smallest value. Accuracies that differ by less than their confidence intervals may well stand in the other order. In parentheses the rank of the published number among the models here that have one, and in the last line the correlation of ours with it.

        | model                    | params | params without batch norm | MACs | clean | pgd-20  | kl-instability | lipschitz-l1-linf |
        |--------------------------|--------|---------------------------|------|-------|---------|----------------|-------------------|
        | e6                       | 1      | 1 (1)                     | 2.5  | 1 (1) | 1 (1)   | 1 (1)          | 1                 |
        | w65                      | 4      | 4 (2)                     | 2.5  | 4 (2) | 3.5 (2) | 4 (2)          | 3                 |
        | e10                      | 2      | 2                         | 2.5  | 3     | 3.5     | 3              | –                 |
        | e20                      | 3      | 3                         | 2.5  | 2     | 2       | 2              | 2                 |
        | with the published order |        | –                         |      | –     | –       | –              |                   |
        ");
    }

    #[test]
    fn many_models_have_no_p_values() {
        assert!(how_to_read(10).contains("left out for more than 9 models"));
        assert!(how_to_read(6).contains("6! = 720") && how_to_read(6).contains("none is below 0.002778"));
    }
}
