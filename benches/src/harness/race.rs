//! A fixed amount of work, and everyone who does it: what is measured is how much of it is done in a second.
use std::fmt::Debug;
use std::time::Duration;

use super::Effort;
use super::report::Row;
use super::statistics::{Sample, spread};

/// One amount of work. The first contestant is ours; the others are what it is compared with.
///
/// `S` is what is seen of the result, alike for all, turn by turn.
pub(crate) struct Race<S> {
    name: String,
    /// What is counted, and how many of them one turn does.
    operation: &'static str,
    operations: usize,
    /// What is said of the disk next to each figure.
    durability: &'static str,
    contestants: Vec<Contestant<S>>,
}

struct Contestant<S> {
    name: &'static str,
    /// The share of its speed that ours is to reach.
    at_least: Option<f64>,
    /// What is said of its durability, where that is not what is said of all.
    says: Option<String>,
    turn: Box<dyn FnMut() -> Turn<S>>,
}

/// What one turn took, and what came of it.
pub(crate) struct Turn<S> {
    pub(crate) taken: Duration,
    pub(crate) seen: S,
}

impl<S: PartialEq + Debug> Race<S> {
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
            contestants: Vec::new(),
        }
    }

    /// Adds one who does the work: what is made ready in a turn is not part of what it took.
    pub(crate) fn contestant(
        mut self,
        name: &'static str,
        turn: impl FnMut() -> Turn<S> + 'static,
    ) -> Self {
        self.contestants.push(Contestant {
            name,
            at_least: None,
            says: None,
            turn: Box::new(turn),
        });
        self
    }

    /// The share of the speed of the contestant that was added last, which ours is to reach.
    pub(crate) fn at_least(mut self, ratio: f64) -> Self {
        if let Some(last) = self.contestants.last_mut() {
            last.at_least = Some(ratio);
        }
        self
    }

    /// What the contestant that was added last is to be known for, in place of what is said of all.
    pub(crate) fn says(mut self, says: impl Into<String>) -> Self {
        if let Some(last) = self.contestants.last_mut() {
            last.says = Some(says.into());
        }
        self
    }

    /// Lets all do the same; then, unless that is all that is asked for, measures and prints.
    ///
    /// # Panics
    /// Where two results differ.
    pub(crate) fn run(mut self, effort: &Effort) {
        self.round();
        if effort.tiny {
            println!("{}: results agree", self.name);
            return;
        }
        let rounds: Vec<_> = (0..effort.race_rounds).map(|_| self.round()).collect();
        self.print(effort, &rounds);
    }

    /// The operations per second of each contestant.
    fn round(&mut self) -> Vec<f64> {
        let operations = self.operations as f64;
        let mut speeds = Vec::with_capacity(self.contestants.len());
        let mut expected = None;
        for contestant in &mut self.contestants {
            let Turn { taken, seen } = (contestant.turn)();
            speeds.push(operations / taken.as_secs_f64());
            match &expected {
                None => expected = Some(seen),
                Some(expected) => assert_eq!(
                    seen, *expected,
                    "{}: {} (left), ours (right)",
                    self.name, contestant.name
                ),
            }
        }
        speeds
    }

    fn print(&self, effort: &Effort, rounds: &[Vec<f64>]) {
        println!("\n{}, {}s per second", self.name, self.operation);
        for (place, contestant) in self.contestants.iter().enumerate() {
            let speeds = Sample::of(rounds.iter().map(|round| round[place]));
            let durability = contestant.says.as_deref().unwrap_or(self.durability);
            // Round by round: the two turns of one round were disturbed alike.
            let ratios =
                (place > 0).then(|| Sample::of(rounds.iter().map(|round| round[0] / round[place])));
            let target = contestant.at_least.map(|ratio| format!("at least {ratio}"));
            print!(
                "  {:<34} {:>9.0} {} {durability}",
                contestant.name,
                speeds.median(),
                spread(&speeds),
            );
            if let Some(ratios) = &ratios {
                print!("  ours : it {:.2} {}", ratios.median(), spread(ratios));
            }
            println!("  {}", target.as_deref().unwrap_or_default());
            effort.report.row(&Row {
                scenario: &self.name,
                contestant: contestant.name,
                figures: &speeds,
                unit: format!("{}s/s", self.operation),
                ratios: ratios.as_ref(),
                target,
                durability,
            });
        }
    }
}
