//! The same program as other processes.
use std::env;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use es_core::{Application, Position};
use tokio::runtime::Builder;

use super::{all, register_by_hand, registered, runtime, save_each, store};
use crate::by_hand::postgres::{Following, Group, Place};
use crate::dog::Dog;

/// What the program does as a child: the first argument says which part it plays.
pub(crate) fn child(arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().expect("the parent says a number");
    match arguments[..] {
        ["write-ours", url, schema, clients, each] => {
            write_ours(url, schema, number(clients), number(each));
        }
        ["write-by-hand", url, schema, clients, each] => {
            write_by_hand(&Place::at(url, schema), number(clients), number(each));
        }
        ["follow-ours", url, schema] => follow_ours(url, schema),
        ["follow-by-hand", url, schema] => follow_by_hand(&Place::at(url, schema)),
        _ => panic!("no child is told {arguments:?}"),
    }
}

/// A child, and the lines between it and its parent.
pub(super) struct Other {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Other {
    /// Starts a child, and waits until it says that it is ready.
    pub(super) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env::current_exe().expect("the program is a file"))
            .arg("child")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process can be started");
        let output = child.stdout.take().expect("it is piped");
        let mut other = Self {
            input: child.stdin.take(),
            lines: BufReader::new(output).lines(),
            child,
        };
        assert_eq!(other.line(), "ready");
        other
    }

    fn go(&mut self) {
        let input = self.input.as_mut().expect("it is open until the end");
        input.write_all(b"go\n").expect("the child listens");
    }

    pub(super) fn line(&mut self) -> String {
        let line = self.lines.next().expect("the child says more");
        line.expect("it is text")
    }
}

impl Drop for Other {
    /// A child ends with its input.
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.child.wait());
    }
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    let said = out.write_all(format!("{line}\n").as_bytes());
    said.and_then(|()| out.flush()).expect("the parent listens");
}

/// Waits for the next line of the parent; `false` at the end.
fn told() -> bool {
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .is_ok_and(|length| length > 0)
}

/// Clients in several processes.
pub(super) struct Writers {
    pub(super) form: &'static str,
    pub(super) url: String,
    pub(super) schema: String,
    pub(super) processes: usize,
    /// In each process.
    pub(super) clients: usize,
    /// Commits of each client.
    pub(super) each: usize,
}

impl Writers {
    /// Starts them, lets all of them write at the same time, and says how long that took.
    pub(super) fn write(&self) -> Duration {
        let (clients, each) = (self.clients.to_string(), self.each.to_string());
        let mut others: Vec<_> = (0..self.processes)
            .map(|_| Other::start(&[self.form, &self.url, &self.schema, &clients, &each]))
            .collect();
        let start = Instant::now();
        others.iter_mut().for_each(Other::go);
        for other in &mut others {
            assert_eq!(other.line(), "done");
        }
        start.elapsed()
    }
}

fn write_ours(url: &str, schema: &str, clients: usize, each: usize) {
    let runtime = runtime(Builder::new_multi_thread().worker_threads(2));
    runtime.block_on(async {
        let app = Application::new(store(url, schema).await);
        let mut dog = registered(1, 1, Dog::register).remove(0).remove(0);
        app.save(&mut dog).await.expect("nobody else writes it");
        let dogs = registered(clients, each, Dog::register);
        say("ready");
        told();
        all(dogs, |dogs| save_each(app.clone(), dogs)).await;
        say("done");
    });
    told();
}

fn write_by_hand(place: &Place, clients: usize, each: usize) {
    let runtime = runtime(Builder::new_multi_thread().worker_threads(2));
    runtime.block_on(async {
        let group = Group::start(place, Duration::ZERO)
            .await
            .expect("the server answers");
        let mut dog = registered(1, 1, register_by_hand).remove(0).remove(0);
        group.save(&mut dog).await.expect("nobody else writes it");
        let dogs = registered(clients, each, register_by_hand);
        say("ready");
        told();
        all(dogs, |dogs| {
            let group = group.clone();
            async move {
                for mut dog in dogs {
                    group.save(&mut dog).await.expect("nobody else writes it");
                }
            }
        })
        .await;
        say("done");
    });
    told();
}

/// Says the position of each event and when it had it, in microseconds since 1970, until the parent has enough.
fn follow_ours(url: &str, schema: &str) {
    let runtime = runtime(Builder::new_multi_thread().worker_threads(2));
    runtime.spawn({
        let (url, schema) = (url.to_owned(), schema.to_owned());
        async move {
            let app = Application::new(store(&url, &schema).await);
            let head = app.log().head().await.expect("it can be read");
            let mut subscription = app.log().subscribe(head);
            say("ready");
            while let Some(record) = subscription.next().await {
                seen(record.expect("it can be read").position);
            }
        }
    });
    while told() {}
}

fn follow_by_hand(place: &Place) {
    let place = place.clone();
    let runtime = runtime(&mut Builder::new_current_thread());
    std::thread::spawn(move || {
        runtime.block_on(async {
            let mut following = Following::start(&place).await.expect("the server answers");
            say("ready");
            loop {
                let positions = following.next().await.expect("the server answers");
                for position in positions {
                    seen(Position::from(position.cast_unsigned()));
                }
            }
        });
    });
    while told() {}
}

fn seen(position: Position) {
    say(&format!("{position} {}", micros()));
}

/// Microseconds since 1970.
pub(super) fn micros() -> u128 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros())
}
