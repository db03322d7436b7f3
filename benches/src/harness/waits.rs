//! Something that is waited for, again and again: how long, most times and at worst.
use super::Effort;
use super::report::Row;
use super::statistics::{Sample, spread};

/// The first contestant is ours; the others are what it is compared with.
pub(crate) struct Waits<'c> {
    name: String,
    /// How often it is waited for in one turn.
    times: usize,
    durability: &'static str,
    warm_up: usize,
    contestants: Vec<Contestant<'c>>,
}

struct Contestant<'c> {
    name: &'static str,
    /// How many times as long ours may take.
    at_most: Option<f64>,
    turn: Box<Wait<'c>>,
}

/// Waits so often, and says for each the microseconds until the middle and until the end.
type Wait<'c> = dyn FnMut(usize) -> Vec<[f64; 2]> + 'c;

impl<'c> Waits<'c> {
    pub(crate) fn new(name: String, times: usize, durability: &'static str) -> Self {
        Self {
            name,
            times,
            durability,
            warm_up: 0,
            contestants: Vec::new(),
        }
    }

    pub(crate) fn contestant(
        mut self,
        name: &'static str,
        turn: impl FnMut(usize) -> Vec<[f64; 2]> + 'c,
    ) -> Self {
        self.contestants.push(Contestant {
            name,
            at_most: None,
            turn: Box::new(turn),
        });
        self
    }

    /// How many times as long as the contestant that was added last ours may take.
    pub(crate) fn at_most(mut self, ratio: f64) -> Self {
        if let Some(last) = self.contestants.last_mut() {
            last.at_most = Some(ratio);
        }
        self
    }

    /// How often it is waited for before anything is measured.
    pub(crate) fn warm_up(self, warm_up: usize) -> Self {
        Self { warm_up, ..self }
    }

    pub(crate) fn run(mut self, effort: &Effort) {
        let warm_up = self.warm_up.max(1);
        for contestant in &mut self.contestants {
            assert_eq!((contestant.turn)(warm_up).len(), warm_up);
        }
        if effort.tiny {
            println!("{}: every event came", self.name);
            return;
        }
        let rounds: Vec<_> = (0..effort.race_rounds).map(|_| self.round()).collect();
        self.print(effort, &rounds);
    }

    /// Of each contestant: p50 until the middle, p50 and p99 until the end.
    fn round(&mut self) -> Vec<[f64; 3]> {
        let times = self.times;
        let turn = |contestant: &mut Contestant<'_>| {
            let waits = (contestant.turn)(times);
            let [middle, end] =
                [0, 1].map(|place| Sample::of(waits.iter().map(|wait| wait[place])));
            [middle.median(), end.median(), end.at(0.99)]
        };
        self.contestants.iter_mut().map(turn).collect()
    }

    fn print(&self, effort: &Effort, rounds: &[Vec<[f64; 3]>]) {
        println!("\n{}, µs", self.name);
        for (place, contestant) in self.contestants.iter().enumerate() {
            let of = |which: usize| Sample::of(rounds.iter().map(|round| round[place][which]));
            let p50 = of(1);
            print!(
                "  {:<34} p50 {:>6.0} {}, p99 {:>6.0}, saved {:>6.0} {}",
                contestant.name,
                p50.median(),
                spread(&p50),
                of(2).median(),
                of(0).median(),
                self.durability
            );
            // Round by round: the two turns of one round were disturbed alike.
            let ratios = (place > 0).then(|| {
                [1, 2].map(|which| {
                    let ratio = |round: &Vec<[f64; 3]>| round[0][which] / round[place][which];
                    Sample::of(rounds.iter().map(ratio))
                })
            });
            if let Some([p50, p99]) = &ratios {
                print!(
                    "  ours : it p50 {:.2} {}, p99 {:.2}",
                    p50.median(),
                    spread(p50),
                    p99.median()
                );
            }
            let target = contestant.at_most.map(|ratio| format!("at most {ratio}"));
            println!("  {}", target.as_deref().unwrap_or_default());
            for (which, (said, figures)) in [("p50", p50), ("p99", of(2))].into_iter().enumerate() {
                effort.report.row(&Row {
                    scenario: &format!("{}, {said}", self.name),
                    contestant: contestant.name,
                    figures: &figures,
                    unit: "µs".to_owned(),
                    ratios: ratios.as_ref().map(|ratios| &ratios[which]),
                    target: target.clone(),
                    durability: self.durability,
                });
            }
        }
    }
}
