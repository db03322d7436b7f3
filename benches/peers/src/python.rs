//! The Python library, in a process of its own that does one turn after the other when it is told to.
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::place::Place;

/// Names the Python that has the library; see the README.
const VARIABLE: &str = "PEERS_PYTHON";

pub(crate) struct Python {
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    durability: String,
}

impl Python {
    /// `None`, and a line that says why, where there is no such Python.
    pub(crate) fn start(place: &Place) -> Option<Self> {
        let Some(program) = env::var_os(VARIABLE).filter(|program| !program.is_empty()) else {
            println!("no Python, so the library in it is not measured; {VARIABLE} names one");
            return None;
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/school.py");
        let store = match place {
            Place::File(path) => path.display().to_string(),
            place => place.url().to_owned(),
        };
        let mut process = Command::new(program)
            .arg(script)
            .arg(store)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the Python that is named can be started");
        let mut python = Self {
            orders: process.stdin.take(),
            answers: BufReader::new(process.stdout.take().expect("it is piped")),
            process,
            durability: String::new(),
        };
        python.durability = python.answer();
        Some(python)
    }

    /// What its own connection says.
    pub(crate) fn durability(&self) -> &str {
        &self.durability
    }

    /// Lets it do something, and says how long it took and what came of it.
    pub(crate) fn tell(&mut self, order: &str) -> (Duration, usize) {
        let orders = self.orders.as_mut().expect("it runs");
        writeln!(orders, "{order}").expect("it listens");
        let answer = self.answer();
        let (seconds, seen) = answer.split_once(' ').expect("it answers with two figures");
        let seconds = seconds.parse().expect("the first are seconds");
        let seen = seen.parse().expect("the second is a count");
        (Duration::from_secs_f64(seconds), seen)
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        let length = self.answers.read_line(&mut line);
        assert_ne!(length.ok(), Some(0), "the Python program ended; see above");
        line.trim_end().to_owned()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It ends with its orders.
        drop(self.orders.take());
        drop(self.process.wait());
    }
}
