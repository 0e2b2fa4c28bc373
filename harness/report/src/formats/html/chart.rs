//! Robust accuracy over the radius, drawn in the colours of the page.

use std::fmt::Write;

use evidence::{CurvePoint, Results};

use crate::board::Board;
use crate::robustness::value;
use crate::text::{html, percent};

use super::parts;

/// Pixels of a plot, and of the room for the labels.
const SIZE: (f64, f64) = (560.0, 320.0);
const LEFT: f64 = 46.0;
const BELOW: f64 = 44.0;
const ABOVE: f64 = 12.0;
const RIGHT: f64 = 14.0;

/// Colours that the style sheet has; more lines are dashed.
const COLOURS: usize = 7;

/// Labels below an axis, at most.
const MOST_LABELS: usize = 8;

const ABOUT: &str = "Robust accuracy over the radius, an upper bound, with its 95 % interval as a band; at radius 0 the clean accuracy. A row that \
                     broke at one radius counts as broken at every larger one. report.md has the numbers.";

/// A plot for each attack that has a curve; `None` without any.
pub(super) fn curves(results: &Results, board: &Board) -> Option<String> {
    let mut plots = String::new();
    let mut names: Vec<(usize, &str)> = Vec::new();
    for (index, attack) in board.attacks.iter().enumerate() {
        let lines: Vec<Line<'_>> = board
            .entries
            .iter()
            .enumerate()
            .filter_map(|(place, entry)| {
                let curve = &entry.attacks[index]?.curve;
                (!curve.is_empty()).then(|| Line::new(place, entry.model.clean_accuracy, curve))
            })
            .collect();
        let Some(plot) = plot(attack, &lines, &format!("{} ({})", results.threat.norm, results.threat.units)) else {
            continue;
        };
        plots += &plot;
        for line in &lines {
            let name = board.entries[line.place].model.name.as_str();
            if !names.contains(&(line.place, name)) {
                names.push((line.place, name));
            }
        }
    }
    if names.is_empty() {
        return None;
    }
    let item = |(place, name): &(usize, &str)| {
        format!(
            "<li><svg viewBox=\"0 0 28 8\" width=\"28\" height=\"8\" aria-hidden=\"true\"><path class=\"line {}\" d=\"M1 4H27\"/></svg> {}</li>",
            style(*place),
            html(name)
        )
    };
    Some(format!(
        "{}<div class=\"plots\">\n{plots}</div>\n<ul class=\"legend\">{}</ul>",
        parts::prose(ABOUT),
        names.iter().map(item).collect::<String>()
    ))
}

/// The curve of a model.
struct Line<'a> {
    /// Its place on the board.
    place: usize,
    /// Radius, share, its limits.
    points: Vec<(f64, f64, f64, f64)>,
    curve: &'a [CurvePoint],
}

impl<'a> Line<'a> {
    fn new(place: usize, clean: f64, curve: &'a [CurvePoint]) -> Self {
        let points =
            curve.iter().filter_map(|at| Some((value(&at.epsilon)?, at.robust_accuracy, at.ci_low, at.ci_high)));
        let points = std::iter::once((0.0, clean, clean, clean)).chain(points).filter(|point| point.0.is_finite());
        Self { place, points: points.collect(), curve }
    }
}

fn plot(attack: &str, lines: &[Line<'_>], across: &str) -> Option<String> {
    let most = lines.iter().flat_map(|line| &line.points).map(|point| point.0).fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let x = |radius: f64| LEFT + radius / most * (SIZE.0 - LEFT - RIGHT);
    let y = |share: f64| ABOVE + (1.0 - share) * (SIZE.1 - ABOVE - BELOW);
    let mut svg = format!(
        "<figure><figcaption>{0}</figcaption><svg class=\"chart\" viewBox=\"0 0 {1} {2}\" role=\"img\" aria-label=\"Robust accuracy over the radius \
         under {0}: report.md has the numbers\">\n",
        html(attack),
        SIZE.0,
        SIZE.1
    );
    for tick in 0..=4 {
        let (share, at) = (f64::from(tick) / 4.0, y(f64::from(tick) / 4.0));
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{:.1}\"/><text class=\"tick end\" x=\"{:.1}\" y=\"{:.1}\">{:.0} %</text>",
            SIZE.0 - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            100.0 * share
        );
    }
    let longest = lines.iter().map(|line| line.curve).max_by_key(|curve| curve.len()).unwrap_or(&[]);
    let every = longest.len().div_ceil(MOST_LABELS).max(1);
    for point in longest.iter().rev().step_by(every) {
        if let Some(radius) = value(&point.epsilon) {
            let _ = writeln!(
                svg,
                "<text class=\"tick middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x(radius),
                SIZE.1 - BELOW + 18.0,
                html(&point.epsilon)
            );
        }
    }
    let _ = writeln!(
        svg,
        "<text class=\"tick middle\" x=\"{:.1}\" y=\"{:.1}\">radius, {}</text>",
        (LEFT + SIZE.0 - RIGHT) / 2.0,
        SIZE.1 - 6.0,
        html(across)
    );
    for line in lines {
        let place = |radius: f64, share: f64| format!("{:.1} {:.1}", x(radius), y(share));
        let path: Vec<String> = line.points.iter().map(|point| place(point.0, point.1)).collect();
        let low = line.points.iter().map(|point| place(point.0, point.2));
        let high = line.points.iter().rev().map(|point| place(point.0, point.3));
        let band: Vec<String> = low.chain(high).collect();
        let style = style(line.place);
        let _ = writeln!(
            svg,
            "<path class=\"band {style}\" d=\"M{}Z\"/><path class=\"line {style}\" d=\"M{}\"/>",
            band.join("L"),
            path.join("L")
        );
        for point in &line.points {
            let _ = write!(
                svg,
                "<circle class=\"dot {style}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{} %</title></circle>",
                x(point.0),
                y(point.1),
                percent(point.1)
            );
        }
        svg.push('\n');
    }
    Some(svg + "</svg></figure>\n")
}

/// The classes of a line: its colour, and dashes where the colours are used up.
fn style(place: usize) -> String {
    let dashed = if place / COLOURS % 2 == 1 { " dashed" } else { "" };
    format!("c{}{dashed}", place % COLOURS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::board;
    use crate::sample::{example, ranked};

    #[test]
    fn every_model_has_a_line_that_begins_at_its_clean_accuracy() {
        let results = ranked();
        let text = curves(&results, &board(&results)).unwrap();
        // A line in the plot and one in the legend.
        assert_eq!((text.matches("class=\"line c").count(), text.matches("<li>").count()), (6, 3));
        // 95 % of all rows are right: 5 % below the upper edge of the plot.
        let start = format!("d=\"M{LEFT:.1} {:.1}L", ABOVE + 0.05 * (SIZE.1 - ABOVE - BELOW));
        assert_eq!(text.matches(&start).count(), 6, "a line and a band each");
        assert_eq!(curves(&example(), &board(&example())), None);
    }

    #[test]
    fn the_eighth_line_is_dashed() {
        assert_eq!([0, 6, 7, 13, 14].map(style), ["c0", "c6", "c0 dashed", "c6 dashed", "c0"]);
    }
}
