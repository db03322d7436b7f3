//! The same thing done where there is more and more: how much longer it takes there.
use std::time::Duration;

use super::report::said;
use super::statistics::{Sample, spread};
use super::{Effort, grouped};

/// One thing, and the sizes at which it is done, the smallest first.
pub(crate) struct Growth {
    name: String,
    /// What is counted, and how many of them one turn does.
    operation: &'static str,
    operations: usize,
    durability: &'static str,
    /// How many times as long it may take at any size.
    at_most: Option<f64>,
    /// Whether what counts is the time for each event that is there, and not that for all.
    per_event: bool,
    sizes: Vec<Size>,
}

struct Size {
    events: usize,
    turn: Box<dyn FnMut() -> Duration>,
}

/// The medians of a thing: events that are there, and seconds for it.
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Growth {
    /// The columns of its rows.
    pub(crate) const COLUMNS: &str = "| what | events there | median | rounds | to the fewest | rounds | target | durable |\n|---|---:|---:|---|---:|---|---|---|";

    pub(crate) fn new(
        name: impl Into<String>,
        operation: &'static str,
        operations: usize,
        durability: &'static str,
    ) -> Self {
        Self {
            name: name.into(),
            operation,
            operations,
            durability,
            at_most: None,
            per_event: false,
            sizes: Vec::new(),
        }
    }

    pub(crate) fn at_most(self, ratio: f64) -> Self {
        Self {
            at_most: Some(ratio),
            ..self
        }
    }

    /// What counts is the time for each event that is there.
    pub(crate) fn per_event(self) -> Self {
        Self {
            per_event: true,
            ..self
        }
    }

    /// Adds a size, made ready beforehand, and what does it all there and says how long it took.
    pub(crate) fn size(mut self, events: usize, turn: impl FnMut() -> Duration + 'static) -> Self {
        self.sizes.push(Size {
            events,
            turn: Box::new(turn),
        });
        self
    }

    /// Does it once at each size; then, unless that is all that is asked for, measures and prints.
    pub(crate) fn run(mut self, effort: &Effort) -> Option<Curve> {
        self.round();
        if effort.tiny {
            println!("{}: done at every size", self.name);
            return None;
        }
        // The sizes of a round one right after the other, so that what disturbs the machine disturbs them alike.
        let rounds: Vec<_> = (0..effort.race_rounds).map(|_| self.round()).collect();
        Some(self.print(effort, &rounds))
    }

    /// The nanoseconds that each size took, for what counts.
    fn round(&mut self) -> Vec<f64> {
        let per_event = self.per_event;
        let operations = self.operations as f64;
        let taken = |size: &mut Size| {
            let each = (size.turn)().as_secs_f64() * 1e9 / operations;
            if per_event {
                each / size.events as f64
            } else {
                each
            }
        };
        self.sizes.iter_mut().map(taken).collect()
    }

    fn print(&self, effort: &Effort, rounds: &[Vec<f64>]) -> Curve {
        let unit = if self.per_event {
            "event"
        } else {
            self.operation
        };
        println!("\n{}, per {unit}", self.name);
        let mut points = Vec::new();
        for (place, size) in self.sizes.iter().enumerate() {
            let times = Sample::of(rounds.iter().map(|round| round[place]));
            let ratios = Sample::of(rounds.iter().map(|round| round[place] / round[0]));
            let whole = if self.per_event {
                size.events as f64
            } else {
                1.0
            };
            points.push((size.events as f64, times.median() * whole / 1e9));
            let target = self.at_most.filter(|_| place > 0);
            let target = target.map_or(String::new(), |ratio| format!("at most {ratio}"));
            let events = grouped(size.events as f64);
            let (median, ratio) = (grouped(times.median()), ratios.median());
            let (spread, ratio_spread) = (spread(&times), spread(&ratios));
            println!(
                "  {events:>10} events {median:>12} ns {spread} {}  to the fewest {ratio:.2} {ratio_spread} {target}",
                self.durability,
            );
            effort.report.line(format!(
                "| {} | {events} | {median} ns/{unit} | {} | {ratio:.2} | {} | {target} | {} |",
                self.name,
                said(&spread),
                said(&ratio_spread),
                self.durability
            ));
        }
        Curve {
            name: self.name.clone(),
            points,
        }
    }
}
