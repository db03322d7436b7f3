//! How much memory streams take that are far longer than they should be.
use std::path::Path;

use es_core::{Aggregate, Application, Position, Version};
use trials::faults::Log;
use trials::faults::sizes::{METER, Meter, counted, peak_kibibytes};

use crate::file::{self, File};
use crate::{Effort, process};

/// What a process does with a whole log, whose memory is looked at.
const READINGS: [&str; 3] = ["load", "follow", "history"];

/// So many times what it is with 10 000 events.
const AT_MOST: f64 = 1.2;

pub(crate) fn long_streams_take_no_more_memory_than_short_ones(effort: Effort) -> String {
    const FEW: u64 = 10_000;
    let many = effort.of(100_000, 1_000_000);
    let peaks = |events: u64| {
        let file = File::fresh();
        counted(&file.open(), events);
        READINGS.map(|reading| {
            let command = process::command(&[reading, &file.address()]);
            let (mut child, mut lines) = process::start(command);
            let said = lines.next().and_then(Result::ok).unwrap_or_default();
            assert!(child.wait().expect("it ends").success());
            let (seen, peak) = said.split_once(' ').expect("two numbers");
            assert_eq!(seen, events.to_string(), "{reading}");
            peak.parse::<f64>().expect("a number") / 1024.0
        })
    };
    let (few, many_peaks) = (peaks(FEW), peaks(many));
    let figures = READINGS.iter().zip(few.iter().zip(many_peaks));
    let figures: Vec<_> = figures
        .map(|(reading, (few, many))| {
            let ratio = many / few;
            assert!(ratio <= AT_MOST, "{reading}: {few:.1} MiB, then {many:.1}");
            format!("{reading} {few:.1}, {many:.1} ({ratio:.2} x)")
        })
        .collect();
    format!(
        "peak memory in MiB at {FEW} and {many} events in a stream: {}; at most {AT_MOST} x",
        figures.join("; ")
    )
}

/// The child: loads the aggregate.
pub(crate) fn load(path: &Path) {
    let app = Application::new(file::open(path));
    let meter = pollster::block_on(app.get::<Meter>(METER)).expect("it is there");
    assert_eq!(meter.sum + 1, meter.version().get());
    process::say(&format!("{} {}", meter.version(), peak_kibibytes()));
}

/// The child: follows the log from its start to its head.
pub(crate) fn follow(path: &Path) {
    let app = Application::new(file::open(path));
    let head = pollster::block_on(app.log().head()).expect("it can be read");
    let mut subscription = app.log().subscribe(Position::START).up_to(head);
    let mut seen = Position::START;
    while let Some(record) = pollster::block_on(subscription.next()) {
        let record = record.expect("it can be read");
        assert_eq!(record.position, seen.next());
        seen = record.position;
    }
    process::say(&format!("{seen} {}", peak_kibibytes()));
}

/// The child: tells the whole story of the aggregate.
pub(crate) fn history(path: &Path) {
    let app = Application::new(file::open(path));
    let mut history = app.history::<Meter>(METER);
    let mut seen = Version::NEW;
    while let Some(recorded) = pollster::block_on(history.next()) {
        let recorded = recorded.expect("it can be read");
        assert_eq!(recorded.version, seen.next());
        seen = recorded.version;
    }
    process::say(&format!("{seen} {}", peak_kibibytes()));
}
