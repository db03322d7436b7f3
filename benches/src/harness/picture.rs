//! Curves as a picture: how long things take, by how much there is, both in powers of ten.
use std::fmt::Write as _;

use super::growth::Curve;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 80.0;
const TOP: f64 = 40.0;
const PLOT_WIDTH: f64 = 380.0;
const PLOT_HEIGHT: f64 = 320.0;

const COLOURS: [&str; 6] = [
    "#1b6ca8", "#d1495b", "#3a7d44", "#8d5a97", "#c97c1d", "#4a4a4a",
];

/// An SVG of curves; `None` where nothing was measured.
pub(crate) fn picture(title: &str, across: &str, curves: &[Curve]) -> Option<String> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let x = Axis::over(points().map(|point| point.0))?;
    let y = Axis::over(points().map(|point| point.1))?;
    let place = |point: &(f64, f64)| {
        let along = LEFT + x.share(point.0) * PLOT_WIDTH;
        let up = TOP + PLOT_HEIGHT - y.share(point.1) * PLOT_HEIGHT;
        (along, up)
    };

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"14\">{title}</text>\n"
    );
    let bottom = TOP + PLOT_HEIGHT;
    for power in x.powers() {
        let along = LEFT + x.share(power.value) * PLOT_WIDTH;
        line(&mut svg, [along, TOP, along, bottom]);
        text(&mut svg, along, bottom + 18.0, "middle", &power.events());
    }
    for power in y.powers() {
        let up = bottom - y.share(power.value) * PLOT_HEIGHT;
        line(&mut svg, [LEFT, up, LEFT + PLOT_WIDTH, up]);
        text(&mut svg, LEFT - 8.0, up + 4.0, "end", &power.seconds());
    }
    text(
        &mut svg,
        LEFT + PLOT_WIDTH / 2.0,
        bottom + 38.0,
        "middle",
        across,
    );
    for (number, curve) in curves.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let mut path = String::new();
        for point in &curve.points {
            let (along, up) = place(point);
            let _ = write!(path, "{along:.1},{up:.1} ");
            let _ = writeln!(
                svg,
                "<circle cx=\"{along:.1}\" cy=\"{up:.1}\" r=\"3\" fill=\"{colour}\"/>"
            );
        }
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.trim_end()
        );
        let beside = LEFT + PLOT_WIDTH + 16.0;
        let down = TOP + 16.0 + number as f64 * 20.0;
        let _ = writeln!(
            svg,
            "<rect x=\"{beside}\" y=\"{}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>",
            down - 9.0
        );
        text(&mut svg, beside + 16.0, down, "start", &curve.name);
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

fn line(svg: &mut String, [x1, y1, x2, y2]: [f64; 4]) {
    let _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#dddddd\"/>"
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}

/// From one power of ten to another.
struct Axis {
    least: f64,
    most: f64,
}

struct Power {
    value: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>) -> Option<Self> {
        let powers = values.filter(|value| *value > 0.0).map(f64::log10);
        let (least, most) = powers.fold((f64::MAX, f64::MIN), |(least, most), power| {
            (least.min(power), most.max(power))
        });
        let (least, most) = ((least + 1e-9).floor(), (most - 1e-9).ceil());
        (least <= most).then_some(Self {
            least,
            // One value alone is given a power of its own.
            most: most.max(least + 1.0),
        })
    }

    fn share(&self, value: f64) -> f64 {
        (value.log10() - self.least) / (self.most - self.least)
    }

    fn powers(&self) -> impl Iterator<Item = Power> {
        let most = self.most;
        let powers = std::iter::successors(Some(self.least), |power| Some(power + 1.0));
        powers
            .take_while(move |power| *power < most + 0.5)
            .map(|power| Power {
                value: 10_f64.powf(power),
            })
    }
}

impl Power {
    fn events(&self) -> String {
        super::grouped(self.value.round())
    }

    fn seconds(&self) -> String {
        let units = [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (0.0, "ns")];
        let fits = |(least, _): &&(f64, &str)| self.value >= least * 0.999;
        let (_, unit) = units.iter().find(fits).unwrap_or(&units[3]);
        let least = match *unit {
            "s" => 1.0,
            "ms" => 1e-3,
            "µs" => 1e-6,
            _ => 1e-9,
        };
        format!("{:.0} {unit}", self.value / least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_drawn_between_powers_of_ten() {
        let curve = Curve {
            name: "load".to_owned(),
            points: vec![(10.0, 2e-6), (1_000.0, 5e-4)],
        };
        let svg = picture("growth", "events", &[curve]).expect("there is a curve");
        for said in [">10.0<", ">100<", ">1 000<", ">1 µs<", ">1 ms<", ">load<"] {
            assert!(svg.contains(said), "{said} is not in {svg}");
        }
        assert!(
            svg.contains("points=\"80.0,"),
            "it begins at the left: {svg}"
        );
        assert!(!svg.contains(">10 ms<"), "nothing is so long: {svg}");
    }

    #[test]
    fn nothing_measured_makes_no_picture() {
        assert_eq!(picture("growth", "events", &[]), None);
    }
}
