//! Those of a process who decide about one aggregate again take turns: at once, they would only be in each other's way.
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::Event;

use crate::domain::StreamId;

/// Who stands in line for which stream.
#[derive(Default)]
pub(in crate::application) struct Turns {
    lines: Mutex<HashMap<StreamId, Line>>,
    /// How many lines there are, so that who is in nobody's way looks no further.
    count: AtomicUsize,
}

#[derive(Default)]
struct Line {
    people: usize,
    is_taken: bool,
    left: Arc<Event>,
}

impl Turns {
    /// Whether somebody stands in a line.
    pub(super) fn are_taken(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Whether somebody stands in line for the stream.
    pub(super) fn is_taken(&self, stream: &StreamId) -> bool {
        self.are_taken() && self.lines().contains_key(stream)
    }

    /// Stands in line until it is our turn. Whoever is dropped leaves the line.
    pub(super) async fn take(&self, stream: StreamId) -> Turn<'_> {
        let mut turn = Turn {
            turns: self,
            stream,
            is_ours: false,
        };
        let left = turn.join();
        loop {
            let next = left.listen();
            if turn.begins() {
                return turn;
            }
            next.await;
        }
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<StreamId, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a line; the first place, once it was waited for.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    pub(super) stream: StreamId,
    is_ours: bool,
}

impl Turn<'_> {
    fn join(&self) -> Arc<Event> {
        let mut lines = self.turns.lines();
        let line = lines.entry(self.stream.clone()).or_default();
        line.people += 1;
        let left = Arc::clone(&line.left);
        self.turns.count.store(lines.len(), Ordering::Relaxed);
        left
    }

    fn begins(&mut self) -> bool {
        let mut lines = self.turns.lines();
        if let Some(line) = lines.get_mut(&self.stream)
            && !line.is_taken
        {
            line.is_taken = true;
            self.is_ours = true;
        }
        self.is_ours
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut lines = self.turns.lines();
        if let Some(line) = lines.get_mut(&self.stream) {
            line.people -= 1;
            if self.is_ours {
                line.is_taken = false;
                line.left.notify(1);
            }
            if line.people == 0 {
                lines.remove(&self.stream);
            }
        }
        self.turns.count.store(lines.len(), Ordering::Relaxed);
    }
}
