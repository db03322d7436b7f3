//! What a walk through all events finds: edits behind the back of a store, and damage.
use es_core::persistence::{Finding, Verification};
use es_core::{Position, StreamId};

use crate::numbers::bound;

/// Takes note of each event, in the order of positions, and then of what is said of them elsewhere.
///
/// ```
/// use es_core::Position;
/// use es_core::persistence::Finding;
/// use es_store_sql::verifier::Verifier;
///
/// let mut verifier = Verifier::default();
/// verifier.event(1, true);
/// verifier.event(3, true);
/// verifier.head(Position::from(3));
/// let found = verifier.found();
/// assert_eq!(found.events, 2);
/// assert_eq!(found.findings, [Finding::Hole { after: Position::from(1), next: 3 }]);
/// ```
#[derive(Debug, Default)]
pub struct Verifier {
    found: Verification,
    last: i64,
}

impl Verifier {
    /// An event at a position, in the numbers of the database, and whether its columns have the sum that is stored with them.
    pub fn event(&mut self, position: i64, is_as_written: bool) {
        let findings = &mut self.found.findings;
        self.found.events += 1;
        if !is_as_written {
            findings.push(Finding::Altered { position });
        }
        if self.last.checked_add(1) != Some(position) {
            findings.push(Finding::Hole {
                after: Position::from(self.last.unsigned_abs()),
                next: position,
            });
        }
        self.last = position.clamp(0, i64::MAX - 1);
    }

    /// A stream whose versions are not 1, 2, 3 ….
    pub fn broken_stream(&mut self, stream: StreamId) {
        self.found.findings.push(Finding::Stream { stream });
    }

    /// Where the log says its last event is.
    pub fn head(&mut self, head: Position) {
        if bound(head.get()) != self.last {
            self.found.findings.push(Finding::Head {
                head,
                last: Position::from(self.last.unsigned_abs()),
            });
        }
    }

    /// A trigger that refuses edits of events, and is missing or switched off.
    pub fn unguarded(&mut self, trigger: &str) {
        self.found.findings.push(Finding::Unguarded {
            trigger: trigger.to_owned(),
        });
    }

    /// All of it.
    #[must_use]
    pub fn found(self) -> Verification {
        self.found
    }
}
