//! What a system asks the server while nothing happens.
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use es_store_postgres::PostgresStore;
use trials::block_on;
use trials::faults::Log;
use trials::faults::idle::{FOLLOWERS, resting};

use crate::Effort;
use crate::place::Place;
use crate::server::server;

pub(crate) fn a_system_with_nothing_to_do_asks_once_a_second(effort: Effort) -> String {
    let seconds = effort.of(5, 60);
    let place = Place::fresh();
    // The server writes down whatever the sessions of this store say.
    let url = format!("{}?options=-c%20log_statement%3Dall", place.url());
    let store = PostgresStore::builder(&url).schema(place.schema());
    let store = block_on(store.connect()).expect("the server answers");
    let log = server().folder().join("log");
    let said = || {
        let log = fs::read(&log).expect("it is there");
        let lines = String::from_utf8_lossy(&log).into_owned();
        let is_said =
            |line: &&str| line.contains("LOG:  statement:") || line.contains("LOG:  execute");
        lines
            .lines()
            .filter(is_said)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let running = resting(&store);
    let (begun, before) = (Instant::now(), said().len());
    assert!(before > 0, "the server writes down what is said");
    thread::sleep(Duration::from_secs(seconds));
    let asked = said().split_off(before);
    let allowed = begun.elapsed().as_secs() + 2;
    assert!(
        asked.len() as u64 <= allowed,
        "{} in {allowed} s: {asked:#?}",
        asked.len()
    );
    block_on(running.stop()).expect("they were told to");
    format!(
        "{FOLLOWERS} followers, {seconds} s: {} statements, {:.2} a second",
        asked.len(),
        asked.len() as f64 / seconds as f64
    )
}
