//! Charts of points and lines as SVG: axes, ticks, series and a legend, and nothing else

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 440.0;
/// Left, right, top and bottom margins.
const MARGINS: [f64; 4] = [70.0, 200.0, 40.0, 50.0];
/// Colours that differ in lightness too.
const COLOURS: [&str; 6] = ["#1b4f8f", "#d1495b", "#2e8b57", "#edae49", "#6a4c93", "#444444"];

/// A line through points, or points alone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// Whether the points are joined and not marked.
    pub(crate) is_line: bool,
}

/// A chart; both axes start at 0 or are logarithmic.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x_label: String,
    pub(crate) y_label: String,
    pub(crate) is_logarithmic: bool,
    pub(crate) series: Vec<Series>,
}

/// One axis: values to places in 0 to 1.
#[derive(Debug, Clone, Copy)]
struct Axis {
    from: f64,
    to: f64,
    is_logarithmic: bool,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64>, is_logarithmic: bool) -> Self {
        let usable = values.filter(|value| value.is_finite() && (!is_logarithmic || *value > 0.0));
        let (min, max) =
            usable.fold((f64::INFINITY, 0.0_f64), |(min, max), value| (min.min(value), max.max(value)));
        if !min.is_finite() || max <= 0.0 {
            return Self { from: if is_logarithmic { 1.0 } else { 0.0 }, to: 10.0, is_logarithmic };
        }
        match is_logarithmic {
            true => Self {
                from: 10_f64.powf(min.log10().floor()),
                to: 10_f64.powf(max.log10().ceil().max(min.log10().floor() + 1.0)),
                is_logarithmic,
            },
            false => Self { from: 0.0, to: max * 1.1, is_logarithmic },
        }
    }

    fn place(self, value: f64) -> f64 {
        match self.is_logarithmic {
            true => (value / self.from).log10() / (self.to / self.from).log10(),
            false => value / self.to,
        }
    }

    /// Values to mark: powers of ten, or about five round steps.
    fn ticks(self) -> Vec<f64> {
        if self.is_logarithmic {
            let first = self.from.log10().round();
            return (0..)
                .map(|i| 10_f64.powf(first + f64::from(i)))
                .take_while(|tick| *tick <= self.to * 1.001)
                .collect();
        }
        let rough = self.to / 5.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        (0..).map(|i| f64::from(i) * step).take_while(|tick| *tick <= self.to).collect()
    }
}

impl Chart {
    /// The document.
    pub(crate) fn svg(&self) -> String {
        let all = || self.series.iter().flat_map(|series| series.points.iter());
        let x_axis = Axis::new(all().map(|point| point.0), self.is_logarithmic);
        let y_axis = Axis::new(all().map(|point| point.1), self.is_logarithmic);
        let [left, right, top, bottom] = MARGINS;
        let x = |value: f64| left + x_axis.place(value) * (WIDTH - left - right);
        let y = |value: f64| HEIGHT - bottom - y_axis.place(value) * (HEIGHT - top - bottom);
        let mut svg = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
        );
        text(&mut svg, left, 24.0, "start", &self.title);
        text(&mut svg, (left + WIDTH - right) / 2.0, HEIGHT - 10.0, "middle", &self.x_label);
        text(&mut svg, 8.0, top - 6.0, "start", &self.y_label);
        for tick in x_axis.ticks() {
            line(&mut svg, "#dddddd", &[(x(tick), top), (x(tick), HEIGHT - bottom)]);
            text(&mut svg, x(tick), HEIGHT - bottom + 16.0, "middle", &figure(tick));
        }
        for tick in y_axis.ticks() {
            line(&mut svg, "#dddddd", &[(left, y(tick)), (WIDTH - right, y(tick))]);
            text(&mut svg, left - 6.0, y(tick) + 4.0, "end", &figure(tick));
        }
        for (at, (series, colour)) in self.series.iter().zip(COLOURS.iter().cycle()).enumerate() {
            let usable = |&&(x, y): &&(f64, f64)| {
                x.is_finite() && y.is_finite() && (!self.is_logarithmic || x > 0.0 && y > 0.0)
            };
            let places: Vec<(f64, f64)> =
                series.points.iter().filter(usable).map(|point| (x(point.0), y(point.1))).collect();
            if series.is_line || places.len() > 1 && !self.is_logarithmic {
                line(&mut svg, colour, &places);
            }
            for (x, y) in places.iter().filter(|_| !series.is_line) {
                let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>");
            }
            #[expect(clippy::cast_precision_loss, reason = "a handful of series")]
            let legend_y = top + 10.0 + 18.0 * at as f64;
            let _ = writeln!(
                svg,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>",
                WIDTH - right + 12.0,
                legend_y - 9.0
            );
            text(&mut svg, WIDTH - right + 28.0, legend_y, "start", &series.name);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn line(svg: &mut String, colour: &str, places: &[(f64, f64)]) {
    let points: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\"/>", points.join(" "));
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, content: &str) {
    let _ =
        writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escaped(content));
}

/// Without what has a meaning in XML, and without what it cannot hold at all.
fn escaped(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .map(|c| match c {
            '&' => "&amp;".into(),
            '<' => "&lt;".into(),
            '>' => "&gt;".into(),
            '"' => "&quot;".into(),
            c => c.to_string(),
        })
        .collect()
}

/// A tick's value, as short as it can be.
fn figure(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.01 { format!("{value:e}") } else { format!("{value}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(is_logarithmic: bool, points: Vec<(f64, f64)>) -> Chart {
        Chart {
            title: "a <model> & \"more\"\u{1}".into(),
            x_label: "context".into(),
            y_label: "tok/s".into(),
            is_logarithmic,
            series: vec![
                Series { name: "1 thread".into(), points: points.clone(), is_line: false },
                Series { name: "roof".into(), points, is_line: true },
            ],
        }
    }

    #[test]
    fn every_chart_is_well_formed_and_shows_every_point() {
        for is_logarithmic in [false, true] {
            for points in [
                vec![],
                vec![(0.0, 0.0)],
                vec![(128.0, 32.5)],
                vec![(f64::NAN, 1.0), (1.0, f64::INFINITY)],
                vec![(1.0, 0.001), (512.0, 33.0), (4096.0, 1e6)],
            ] {
                let svg = chart(is_logarithmic, points.clone()).svg();
                let document = roxmltree::Document::parse(&svg).unwrap_or_else(|e| panic!("{e}\n{svg}"));
                let is_usable = |(x, y): &&(f64, f64)| {
                    x.is_finite() && y.is_finite() && (!is_logarithmic || *x > 0.0 && *y > 0.0)
                };
                let circles = document.descendants().filter(|node| node.has_tag_name("circle")).count();
                assert_eq!(circles, points.iter().filter(is_usable).count(), "{svg}");
                let title = document.descendants().find(|node| node.text() == Some("a <model> & \"more\""));
                assert!(title.is_some(), "{svg}");
                for number in document.descendants().flat_map(|node| node.attributes()) {
                    assert!(!number.value().contains("NaN") && !number.value().contains("inf"), "{svg}");
                }
            }
        }
    }

    #[test]
    fn places_stay_within_the_picture() {
        let svg = chart(false, vec![(0.0, 0.0), (4096.0, 33.0)]).svg();
        let document = roxmltree::Document::parse(&svg).unwrap();
        for circle in document.descendants().filter(|node| node.has_tag_name("circle")) {
            let at = |name: &str| circle.attribute(name).unwrap().parse::<f64>().unwrap();
            assert!((0.0..=WIDTH).contains(&at("cx")) && (0.0..=HEIGHT).contains(&at("cy")));
        }
    }
}
