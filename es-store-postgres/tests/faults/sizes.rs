//! What is far larger than it should be: a name, and a stream.
use es_core::persistence::{AppendError, EventStore};
use es_core::{Aggregate, Application, Position};
use trials::block_on;
use trials::faults::Log;
use trials::faults::sizes::{METER, Meter, counted, peak_kibibytes};
use uuid::Uuid;

use crate::place::Place;
use crate::{Effort, log, process};

pub(crate) fn what_the_database_refuses_fails_alone(effort: Effort) -> String {
    const OTHERS: usize = 63;
    let place = Place::fresh();
    let store = place.open();
    let rounds = effort.of(4, 50);
    // Too long for an index, and of letters that do not repeat.
    let mut name = String::new();
    while name.len() < 10_000 {
        name += &Uuid::from_u128(fastrand::u128(..)).simple().to_string();
    }
    block_on(async {
        for round in 0..rounds {
            let mut group = Vec::new();
            for number in 0..=OTHERS {
                let mut commit = log::one(fastrand::u128(..), 0);
                if number == round % OTHERS {
                    commit.appends[0].stream.category = name.clone().into();
                }
                let store = store.clone();
                group.push(tokio::spawn(async move { store.commit(commit).await }));
            }
            for (number, commit) in group.into_iter().enumerate() {
                match commit.await.expect("it does not panic") {
                    Ok(_) if number != round % OTHERS => {}
                    Err(AppendError::Failed(_)) if number == round % OTHERS => {}
                    other => panic!("number {number} of round {round}: {other:?}"),
                }
            }
        }
    });
    assert_eq!(log::whole(&store).commits.len(), rounds * OTHERS);
    format!(
        "refused {rounds}, others of their groups {}, failed = 0",
        rounds * OTHERS
    )
}

pub(crate) fn a_long_stream_is_loaded_in_little_memory(effort: Effort) -> String {
    let events = effort.of(100_000, 1_000_000);
    let place = Place::fresh();
    let store = place.open();
    counted(&store, events);
    drop(store);
    let command = process::command(&["load", &place.address()]);
    let (mut child, mut lines) = process::start(command);
    let said = lines.next().and_then(Result::ok).unwrap_or_default();
    assert!(child.wait().expect("it ends").success());
    let (sum, peak) = said.split_once(' ').expect("two numbers");
    assert_eq!(sum, (events - 1).to_string());
    let peak: u64 = peak.parse().expect("a number");
    assert!(peak < 64, "{peak} MiB");
    format!("events {events}, loaded, then read from the log: peak memory {peak} MiB")
}

/// The child.
pub(crate) fn load(told: &[&str]) {
    let app = Application::new(Place::at(told[0]).open());
    let meter = block_on(app.get::<Meter>(METER)).expect("it is there");
    let mut read = Position::START;
    loop {
        let records = block_on(app.log().read(read, 1_000)).expect("it can be read");
        match records.last() {
            Some(last) => read = last.position,
            None => break,
        }
    }
    assert_eq!(read.get(), meter.version().get());
    process::say(&format!("{} {}", meter.sum, peak_kibibytes() / 1024));
}
