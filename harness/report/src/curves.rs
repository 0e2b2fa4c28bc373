use crate::Error;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::error;

/// Pixels of a picture.
const SIZE: (u32, u32) = (640, 400);
/// Pixels of one panel of several.
const PANEL: (u32, u32) = (480, 320);
/// Panels beside each other, at most.
const COLUMNS: usize = 2;
/// Pixels of a line of the legend below panels.
const LINE: u32 = 22;
/// Okabe and Ito's colours, which the colour-blind tell apart, without the yellow that white swallows.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn error::Error>>;

/// One line of a plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What the legend says.
    pub name: String,
    /// Where it goes, from left to right. What is not finite is left out.
    pub points: Vec<(f64, f64)>,
}

/// Curves over one quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// What stands above.
    pub title: String,
    /// What stands below the horizontal axis, such as `epoch`.
    pub across: String,
    /// What stands beside the vertical axis.
    pub unit: String,
    /// The lines. From the eighth on they are dashed in the colours of the first.
    pub curves: Vec<Curve>,
}

/// Plots beside and below each other whose curves of one name look alike, with one legend for all.
#[derive(Debug, Clone, PartialEq)]
pub struct Panels {
    /// The plots; one with nothing to draw is left out.
    pub plots: Vec<Plot>,
}

impl Plot {
    /// The picture as SVG: the same bytes for the same curves, whatever fonts a machine has.
    ///
    /// Errors: there is no finite point.
    pub fn svg(&self) -> Result<String, Error> {
        let names: Vec<&str> = self.curves.iter().map(|curve| curve.name.as_str()).collect();
        if self.ranges().is_none() {
            return Err(Error::Plot { title: self.title.clone(), reason: "there is nothing to draw".to_owned() });
        }
        draw(SIZE, &self.title, |area| self.draw(area, &names, true))
    }

    /// Draws the curves, each in the style of its name's place in `names`.
    fn draw(&self, area: &Area, names: &[&str], legend: bool) -> Drawn {
        let Some((x, y)) = self.ranges() else { return Ok(()) };
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
        let (across, digits) = (digits(x.1 - x.0), digits(y.1 - y.0));
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc(&self.across)
            .y_desc(&self.unit)
            .x_label_formatter(&|x| format!("{x:.across$}"))
            .y_label_formatter(&|y| format!("{y:.digits$}"))
            .draw()?;
        for curve in &self.curves {
            let place = names.iter().position(|name| *name == curve.name).unwrap_or(0);
            let colour = COLOURS[place % COLOURS.len()];
            let points: Vec<(f64, f64)> = finite(curve).collect();
            let single = (points.len() == 1).then(|| points[0]);
            let line = if is_dashed(place) {
                chart.draw_series(DashedLineSeries::new(points, 6, 4, colour.stroke_width(2)))?
            } else {
                chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            };
            line.label(&curve.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
            chart.draw_series(single.map(|point| Circle::new(point, 3, mark(place))))?;
        }
        if legend {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperLeft)
                .background_style(WHITE.mix(0.8))
                .border_style(BLACK.mix(0.3))
                .draw()?;
        }
        Ok(())
    }

    /// Whether every curve is a point.
    fn is_scatter(&self) -> bool {
        self.curves.iter().all(|curve| finite(curve).count() <= 1)
    }

    /// What the axes show: every point, with some room above and below, and beside where all are single ones.
    fn ranges(&self) -> Option<((f64, f64), (f64, f64))> {
        let points: Vec<(f64, f64)> = self.curves.iter().flat_map(finite).collect();
        let range = |values: Vec<f64>| {
            let least = values.iter().copied().reduce(f64::min)?;
            let most = values.iter().copied().reduce(f64::max)?;
            Some((least, most))
        };
        let (left, right) = range(points.iter().map(|point| point.0).collect())?;
        let (low, high) = range(points.iter().map(|point| point.1).collect())?;
        let room = if high > low { 0.05 * (high - low) } else { 0.5_f64.max(0.05 * high.abs()) };
        // A point on an axis is hard to see; a curve may well begin there.
        let aside = match (self.is_scatter(), right > left) {
            (false, _) => 0.0,
            (true, true) => 0.05 * (right - left),
            (true, false) => 0.5,
        };
        let (left, right) = (left - aside, right + aside);
        // Measures that can't be negative start at zero at the lowest.
        let low = if low >= 0.0 { (low - room).max(0.0) } else { low - room };
        Some(((left, if right > left { right } else { left + 1.0 }), (low, high + room)))
    }
}

impl Panels {
    /// The picture as SVG: the same bytes for the same curves, whatever fonts a machine has.
    ///
    /// Errors: no plot has a finite point.
    pub fn svg(&self) -> Result<String, Error> {
        let plots: Vec<&Plot> = self.plots.iter().filter(|plot| plot.ranges().is_some()).collect();
        let mut names: Vec<&str> = Vec::new();
        for curve in plots.iter().flat_map(|plot| &plot.curves) {
            if !names.contains(&curve.name.as_str()) {
                names.push(&curve.name);
            }
        }
        let Some(first) = plots.first() else {
            return Err(Error::Plot { title: "panels".to_owned(), reason: "there is nothing to draw".to_owned() });
        };
        let columns = plots.len().min(COLUMNS);
        let rows = plots.len().div_ceil(columns);
        let (width, height) = (PANEL.0 * columns as u32, PANEL.1 * rows as u32);
        let size = (width, height + LINE * names.len() as u32 + LINE);
        draw(size, &first.title, |area| {
            let (above, below) = area.split_vertically(height);
            for (plot, panel) in plots.iter().zip(above.split_evenly((rows, columns))) {
                plot.draw(&panel, &names, false)?;
            }
            legend(&below, &names, plots.iter().all(|plot| plot.is_scatter()))
        })
    }
}

/// One line for each name, in the style of its curves or points.
fn legend(area: &Area, names: &[&str], points: bool) -> Drawn {
    for (place, name) in names.iter().enumerate() {
        let (colour, y) = (COLOURS[place % COLOURS.len()], (LINE * place as u32 + LINE / 2) as i32);
        let parts = if is_dashed(place) { vec![(60, 72), (78, 90)] } else { vec![(60, 90)] };
        if points {
            area.draw(&Circle::new((75, y), 4, mark(place)))?;
        }
        for (from, to) in parts.into_iter().filter(|_| !points) {
            area.draw(&PathElement::new([(from, y), (to, y)], colour.stroke_width(2)))?;
        }
        area.draw(&Text::new((*name).to_owned(), (100, y - 8), ("sans-serif", 15)))?;
    }
    Ok(())
}

/// How a single point looks: hollow where a line would be dashed.
fn mark(place: usize) -> ShapeStyle {
    let colour = COLOURS[place % COLOURS.len()];
    if is_dashed(place) { colour.stroke_width(2) } else { colour.filled() }
}

/// The colours come again, and then they are dashed.
fn is_dashed(place: usize) -> bool {
    (place / COLOURS.len()) % 2 == 1
}

/// A white picture with what is drawn on it.
fn draw(size: (u32, u32), title: &str, content: impl Fn(&Area) -> Drawn) -> Result<String, Error> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    let drawn = || -> Drawn {
        area.fill(&WHITE)?;
        content(&area)?;
        Ok(area.present()?)
    };
    drawn().map_err(|error| Error::Plot { title: title.to_owned(), reason: error.to_string() })?;
    drop(area);
    Ok(svg)
}

fn finite(curve: &Curve) -> impl Iterator<Item = (f64, f64)> + '_ {
    curve.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite())
}

/// Decimals that tell ten labels of a range apart.
fn digits(range: f64) -> usize {
    [10.0, 1.0, 0.1, 0.01, 0.001].iter().filter(|step| range < **step).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: &[(f64, f64)]) -> Plot {
        let curve = |name: &str, points: &[(f64, f64)]| Curve { name: name.to_owned(), points: points.to_vec() };
        let curves = vec![curve("natural <&>", points), curve("robust", &[(1.0, 10.0)])];
        Plot { title: "accuracy".to_owned(), across: "epoch".to_owned(), unit: "%".to_owned(), curves }
    }

    #[test]
    fn a_plot_is_the_same_bytes_and_names_its_curves() {
        let svg = plot(&[(1.0, 20.0), (2.0, 40.0), (3.0, f64::NAN)]).svg().unwrap();
        assert_eq!(svg, plot(&[(1.0, 20.0), (2.0, 40.0)]).svg().unwrap());
        assert_eq!((svg.matches("<polyline").count() > 2, svg.matches("<circle").count()), (true, 1));
        assert!(svg.contains("natural &lt;&amp;&gt;") && svg.contains("robust") && svg.contains("epoch"), "{svg}");
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn one_point_and_equal_points_have_a_picture_and_no_point_has_none() {
        for points in [vec![(1.0, 5.0)], vec![(1.0, 0.0), (2.0, 0.0)], vec![(1.0, -1e9), (2.0, 1e9)]] {
            plot(&points).svg().unwrap();
        }
        let empty = Plot { curves: Vec::new(), ..plot(&[]) };
        assert_eq!(empty.svg().unwrap_err().to_string(), "draw `accuracy`: there is nothing to draw");
    }

    #[test]
    fn panels_share_styles_and_a_legend() {
        let curve = |name: &str, y: f64| Curve { name: name.to_owned(), points: vec![(1.0, y), (2.0, 2.0 * y)] };
        let names: Vec<String> = (0..9).map(|index| format!("model-{index}")).collect();
        let panel = |title: &str, curves: Vec<Curve>| Plot {
            title: title.to_owned(),
            across: "epoch".to_owned(),
            unit: "%".to_owned(),
            curves,
        };
        let all = panel("all", names.iter().zip(1..).map(|(name, y)| curve(name, f64::from(y))).collect());
        let last = panel("last", vec![curve(&names[8], 1.0), curve(&names[2], 1.0)]);
        let empty = panel("empty", vec![Curve { name: "none".to_owned(), points: Vec::new() }]);
        let svg = Panels { plots: vec![all.clone(), empty.clone(), last] }.svg().unwrap();
        assert!(svg.starts_with("<svg width=\"960\" height=\"540\""), "{}", &svg[..80]);
        assert!(names.iter().all(|name| svg.matches(&format!("{name}\n")).count() == 1), "each once, in the legend");
        assert!(!svg.contains("empty") && !svg.contains("none\n"), "{svg}");
        let green = svg.matches("#009E73").count();
        // A line in either panel and one in the legend.
        assert_eq!(green, 3, "the third name has the third colour everywhere");
        assert!(Panels { plots: vec![empty] }.svg().is_err());
        assert!(Panels { plots: vec![all] }.svg().unwrap().starts_with("<svg width=\"480\""));
    }

    #[test]
    fn single_points_have_room_and_marks_of_their_own() {
        let curve = |index: usize| Curve { name: format!("model-{index}"), points: vec![(index as f64, 1.0)] };
        let plot = Plot {
            title: "scatter".to_owned(),
            across: "cost".to_owned(),
            unit: "%".to_owned(),
            curves: (0..9).map(curve).collect(),
        };
        let Some(((left, right), _)) = plot.ranges() else { panic!("points") };
        assert!((left + 0.4).abs() < 1e-12 && (right - 8.4).abs() < 1e-12, "{left} {right}");
        let svg = Panels { plots: vec![plot] }.svg().unwrap();
        let hollow = svg.lines().filter(|line| line.starts_with("<circle") && line.contains("fill=\"none\"")).count();
        // A mark in the panel and one in the legend for each; the eighth and ninth are hollow.
        assert_eq!((svg.matches("<circle").count(), hollow), (18, 4), "{svg}");
    }

    #[test]
    fn axes_hold_every_point() {
        assert_eq!(plot(&[(1.0, 20.0), (4.0, 110.0)]).ranges(), Some(((1.0, 4.0), (5.0, 115.0))));
        assert_eq!(digits(20.0), 0);
        assert_eq!(digits(0.5), 2);
    }
}
