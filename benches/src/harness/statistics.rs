//! What many measurements say.

/// Beyond this many percent above or below the median, a measurement is marked.
const STEADY: f64 = 10.0;

/// Measurements of one thing, sorted.
pub(super) struct Sample(Vec<f64>);

impl Sample {
    pub(super) fn of(measurements: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<_> = measurements.collect();
        sorted.sort_by(f64::total_cmp);
        Self(sorted)
    }

    pub(super) fn median(&self) -> f64 {
        let Self(sorted) = self;
        let middle = sorted.len() / 2;
        if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        }
    }

    /// The measurement below which so large a share of them lies.
    pub(super) fn at(&self, share: f64) -> f64 {
        let Self(sorted) = self;
        let below = sorted.len() as f64 * (1.0 - share);
        let from_the_end = (0..sorted.len()).take_while(|place| ((place + 1) as f64) < below);
        sorted[sorted.len() - 1 - from_the_end.count()]
    }

    /// The least and the greatest, as percent below and above the median.
    pub(super) fn spread(&self) -> (f64, f64) {
        let Self(sorted) = self;
        let percent = |value: f64| (value / self.median() - 1.0) * 100.0;
        (percent(sorted[0]), percent(sorted[sorted.len() - 1]))
    }
}

/// How far a sample strays from its median, for people.
pub(super) fn spread(sample: &Sample) -> String {
    let (least, most) = sample.spread();
    let mark = if least < -STEADY || most > STEADY {
        '!'
    } else {
        ' '
    };
    format!("{least:>+5.0} .. {most:>+4.0} % {mark}")
}
