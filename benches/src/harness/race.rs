//! A fixed amount of work, and everyone who does it: what is measured is how much of it is done in a second.
use std::fmt::Debug;
use std::time::Duration;

use super::Effort;
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
        self.print(&rounds);
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

    fn print(&self, rounds: &[Vec<f64>]) {
        println!("\n{}, {}s per second", self.name, self.operation);
        for (place, contestant) in self.contestants.iter().enumerate() {
            let speeds = Sample::of(rounds.iter().map(|round| round[place]));
            print!(
                "  {:<34} {:>9.0} {} {}",
                contestant.name,
                speeds.median(),
                spread(&speeds),
                self.durability
            );
            if place > 0 {
                // Round by round: the two turns of one round were disturbed alike.
                let ratios = Sample::of(rounds.iter().map(|round| round[0] / round[place]));
                print!("  ours : it {:.2} {}", ratios.median(), spread(&ratios));
            }
            match contestant.at_least {
                Some(ratio) => println!("  at least {ratio}"),
                None => println!(),
            }
        }
    }
}
