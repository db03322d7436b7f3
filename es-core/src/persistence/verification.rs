//! What a log that nobody touched looks like, and what is unlike it.
use std::collections::HashMap;
use std::fmt;
use std::time::UNIX_EPOCH;

use super::{EventStore, Filter, ReadError, Span};
use crate::domain::{Position, StreamId, Version};

/// What [`EventStore::verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// How many events were read.
    pub events: u64,
    /// What is not as the store wrote it; nothing, where all is well.
    pub findings: Vec<Finding>,
}

/// Something that is not as the store wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The columns of an event do not have the sum that was stored with them.
    Altered {
        /// Where the event is, in the numbers of the database: an edit may have made it negative.
        position: i64,
    },
    /// Positions are missing.
    Hole {
        /// The position before them.
        after: Position,
        /// The position that comes next.
        next: i64,
    },
    /// The versions of a stream are not 1, 2, 3 ….
    Stream {
        /// The stream.
        stream: StreamId,
    },
    /// The head of the log is not at its last event.
    Head {
        /// Where the log says its last event is.
        head: Position,
        /// Where it is.
        last: Position,
    },
    /// An event is older than the one before it.
    Time {
        /// Where the event is.
        position: Position,
    },
    /// A trigger is missing, or switched off, that refuses edits of events.
    Unguarded {
        /// Its name.
        trigger: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered { position } => {
                write!(f, "the event at position {position} was altered")
            }
            Self::Hole { after, next } => {
                write!(f, "after position {after} comes {next}")
            }
            Self::Stream { stream } => {
                write!(f, "the versions of `{stream}` are not 1, 2, 3 …")
            }
            Self::Head { head, last } => write!(
                f,
                "the log says that it ends at position {head}, and its last event is at {last}"
            ),
            Self::Time { position } => write!(
                f,
                "the event at position {position} is older than the one before it"
            ),
            Self::Unguarded { trigger } => write!(
                f,
                "the trigger `{trigger}`, which refuses edits of events, is missing or switched off"
            ),
        }
    }
}

/// What is known of a stream that is being read.
#[derive(Default)]
struct Told {
    version: Version,
    is_broken: bool,
}

/// How many records are read at once.
const PAGE: usize = 1_000;

/// Reads the whole log, and looks at what every store promises: positions, versions, times, the head. Takes as much memory as a page and a counter
/// for each stream.
pub(super) async fn read_through<S: EventStore + ?Sized>(
    store: &S,
) -> Result<Verification, ReadError> {
    let mut found = Verification::default();
    let mut streams: HashMap<StreamId, Told> = HashMap::new();
    let (mut last, mut time) = (Position::START, UNIX_EPOCH);
    // What is committed meanwhile is another time's.
    let head = store.head().await?;
    loop {
        let span = Span::after(last).up_to(head).limit(PAGE);
        let page = store.read_log(span, &Filter::everything()).await?;
        let read = page.records.len();
        for record in page.records {
            found.events += 1;
            if record.position != last.next() {
                found.findings.push(Finding::Hole {
                    after: last,
                    next: i64::try_from(record.position.get()).unwrap_or(i64::MAX),
                });
            }
            if record.time < time && found.events > 1 {
                found.findings.push(Finding::Time {
                    position: record.position,
                });
            }
            (last, time) = (record.position, record.time);
            let stream = streams.entry(record.stream.clone()).or_default();
            stream.version = stream.version.next();
            if stream.version != record.version && !stream.is_broken {
                stream.is_broken = true;
                found.findings.push(Finding::Stream {
                    stream: record.stream,
                });
            }
        }
        if read < PAGE {
            break;
        }
    }
    if last != head {
        found.findings.push(Finding::Head { head, last });
    }
    Ok(found)
}
