//! One thing to do, and everyone who does it.
use std::fmt::Debug;
use std::hint::black_box;
use std::time::{Duration, Instant};

use super::Effort;
use super::report::Row;
use super::statistics::{Sample, spread};

/// How many operations are prepared at once: enough that reading the clock costs nothing beside them, few enough that what is
/// prepared is still in the cache.
const PREPARED: usize = 1_000;

/// One thing to do. The first contestant is ours; the others are what it is compared with.
///
/// `S` is what is seen of the result, alike for all.
pub(crate) struct Scenario<S> {
    name: String,
    /// What is counted, and how many of them one run does.
    operation: &'static str,
    operations: usize,
    target: Option<f64>,
    contestants: Vec<Contestant<S>>,
}

struct Contestant<S> {
    name: &'static str,
    /// Runs as often as asked, and says how long that took.
    time: Box<dyn FnMut(usize) -> Duration>,
    result: Box<dyn FnMut() -> S>,
}

impl<S: PartialEq + Debug> Scenario<S> {
    pub(crate) fn new(name: impl Into<String>, operation: &'static str, operations: usize) -> Self {
        Self {
            name: name.into(),
            operation,
            operations,
            target: None,
            contestants: Vec::new(),
        }
    }

    /// The ratio to the second contestant that is not to be exceeded.
    pub(crate) fn target(self, ratio: f64) -> Self {
        Self {
            target: Some(ratio),
            ..self
        }
    }

    /// Adds one who does it: `run` alone is timed, not `prepare`, nor dropping what `run` answers.
    pub(crate) fn contestant<I, O>(
        mut self,
        name: &'static str,
        prepare: impl Fn() -> I + Clone + 'static,
        run: impl Fn(I) -> O + Clone + 'static,
        see: impl Fn(O) -> S + 'static,
    ) -> Self {
        let at_once = (PREPARED / self.operations).max(1);
        let (prepare_one, run_one) = (prepare.clone(), run.clone());
        self.contestants.push(Contestant {
            name,
            time: Box::new(move |times| {
                let mut taken = Duration::ZERO;
                let mut left = times;
                while left > 0 {
                    let now = left.min(at_once);
                    left -= now;
                    let inputs: Vec<I> = (0..now).map(|_| prepare()).collect();
                    let mut outputs = Vec::with_capacity(now);
                    let start = Instant::now();
                    for input in inputs {
                        outputs.push(run(black_box(input)));
                    }
                    taken += start.elapsed();
                    black_box(&outputs);
                }
                taken
            }),
            result: Box::new(move || see(run_one(prepare_one()))),
        });
        self
    }

    /// Checks that all do the same; then, unless that is all that is asked for, measures and prints.
    ///
    /// # Panics
    /// Where two results differ.
    pub(crate) fn run(mut self, effort: &Effort) {
        if !effort.wants(&self.name) {
            return;
        }
        self.check();
        if effort.tiny {
            println!("{}: results agree", self.name);
        } else {
            let turns = self.measure(effort);
            self.print(effort, &turns);
        }
    }

    fn check(&mut self) {
        let mut results = self
            .contestants
            .iter_mut()
            .map(|contestant| (contestant.name, (contestant.result)()));
        let Some((ours, expected)) = results.next() else {
            return;
        };
        for (name, result) in results {
            assert_eq!(
                result, expected,
                "{}: {name} (left), {ours} (right)",
                self.name
            );
        }
    }

    /// The nanoseconds per operation of each round, contestant by contestant.
    fn measure(&mut self, effort: &Effort) -> Vec<Vec<f64>> {
        let operations = self.operations as f64;
        let times: Vec<_> = self
            .contestants
            .iter_mut()
            .map(|contestant| warmed_up(contestant, effort.turn))
            .collect();
        let mut turns = vec![Vec::with_capacity(effort.rounds); times.len()];
        for _ in 0..effort.rounds {
            for ((contestant, &times), turns) in
                self.contestants.iter_mut().zip(&times).zip(&mut turns)
            {
                let taken = (contestant.time)(times);
                turns.push(taken.as_secs_f64() * 1e9 / times as f64 / operations);
            }
        }
        turns
    }

    fn print(&self, effort: &Effort, turns: &[Vec<f64>]) {
        println!("\n{}, per {}", self.name, self.operation);
        let ours = &turns[0];
        for (place, (contestant, theirs)) in self.contestants.iter().zip(turns).enumerate() {
            let times = Sample::of(theirs.iter().copied());
            // Round by round: the two turns of one round were disturbed alike.
            let ratios = (place > 0)
                .then(|| Sample::of(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs)));
            let target = self.target.filter(|_| place == 1);
            let target = target.map(|target| format!("at most {target:.2}"));
            print!(
                "  {:<20} {:>8.1} ns {}",
                contestant.name,
                times.median(),
                spread(&times)
            );
            if let Some(ratios) = &ratios {
                print!("  ours : it {:.2} {}", ratios.median(), spread(ratios));
            }
            println!("  {}", target.as_deref().unwrap_or_default());
            effort.report.row(&Row {
                scenario: &self.name,
                contestant: contestant.name,
                figures: &times,
                unit: format!("ns/{}", self.operation),
                ratios: ratios.as_ref(),
                target,
                durability: "nothing is kept",
            });
        }
    }
}

/// Runs until caches and branch predictors are warm, and says how many runs fill a turn.
fn warmed_up<S>(contestant: &mut Contestant<S>, turn: Duration) -> usize {
    let mut times = 1;
    loop {
        let taken = (contestant.time)(times);
        if taken >= turn {
            return times;
        }
        times *= 2;
    }
}
