use crate::Error;
use plotters::coord::Shift;
use plotters::prelude::*;

/// Pixels of a picture.
const SIZE: (u32, u32) = (640, 400);
/// Okabe and Ito's colours, which the colour-blind tell apart.
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115), RGBColor(204, 121, 167)];

/// One line of a plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What the legend says.
    pub name: String,
    /// Where it goes, from left to right. What is not finite is left out.
    pub points: Vec<(f64, f64)>,
}

/// Curves over epochs.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// What stands above.
    pub title: String,
    /// What stands beside the vertical axis.
    pub unit: String,
    /// The lines, four at most.
    pub curves: Vec<Curve>,
}

impl Plot {
    /// The picture as SVG: the same bytes for the same curves, whatever fonts a machine has.
    ///
    /// Errors: there is no finite point.
    pub fn svg(&self) -> Result<String, Error> {
        let fail = |reason: String| Error::Plot { title: self.title.clone(), reason };
        let Some((x, y)) = self.ranges() else { return Err(fail("there is nothing to draw".to_owned())) };
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        self.draw(&area, x, y).map_err(|error| fail(error.to_string()))?;
        drop(area);
        Ok(svg)
    }

    fn draw(
        &self,
        area: &DrawingArea<SVGBackend<'_>, Shift>,
        x: (f64, f64),
        y: (f64, f64),
    ) -> Result<(), Box<dyn std::error::Error>> {
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
        let digits = digits(y.1 - y.0);
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc("epoch")
            .y_desc(&self.unit)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.digits$}"))
            .draw()?;
        for (curve, colour) in self.curves.iter().zip(COLOURS) {
            let points: Vec<(f64, f64)> = finite(curve).collect();
            let single = (points.len() == 1).then(|| points[0]);
            let line = chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
            line.label(&curve.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
            chart.draw_series(single.map(|point| Circle::new(point, 3, colour.filled())))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        area.present()?;
        Ok(())
    }

    /// What the axes show: every point, with some room above and below.
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
        // Measures that can't be negative start at zero at the lowest.
        let low = if low >= 0.0 { (low - room).max(0.0) } else { low - room };
        Some(((left, if right > left { right } else { left + 1.0 }), (low, high + room)))
    }
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
        Plot { title: "accuracy".to_owned(), unit: "%".to_owned(), curves }
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
    fn axes_hold_every_point() {
        assert_eq!(plot(&[(1.0, 20.0), (4.0, 110.0)]).ranges(), Some(((1.0, 4.0), (5.0, 115.0))));
        assert_eq!(digits(20.0), 0);
        assert_eq!(digits(0.5), 2);
    }
}
