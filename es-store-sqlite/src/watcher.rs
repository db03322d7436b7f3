//! The thread that watches: while somebody waits for a change, it looks whether another process made one.
//!
//! A look is `PRAGMA data_version`, which asks the index of the write-ahead log in shared memory and reads no page of the file. A commit of this
//! store is seen too, some time after those who wait were told of it: they look once more, and find nothing.
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use event_listener::Event;
use rusqlite::Connection;

use crate::builder::Settings;
use crate::connection::{self, Place};

/// Wakes those who wait for what another process changes.
pub(crate) struct Watcher {
    watched: Arc<Watched>,
    thread: Mutex<Thread>,
}

enum Thread {
    /// Nobody has waited yet.
    None,
    Running(JoinHandle<()>),
    /// The system gave none; those who wait look again from time to time anyway.
    Refused,
}

struct Watched {
    settings: Settings,
    place: Place,
    changed: Arc<Event>,
    state: Mutex<State>,
    told: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Looking,
    /// Until somebody waits.
    Resting,
    Ending,
}

impl Watcher {
    pub(crate) fn new(settings: Settings, changed: Arc<Event>) -> Self {
        Self {
            watched: Arc::new(Watched {
                place: Place::of(&settings.path),
                settings,
                changed,
                state: Mutex::new(State::Looking),
                told: Condvar::new(),
            }),
            thread: Mutex::new(Thread::None),
        }
    }

    /// Looks from now on, for as long as anybody listens, who does so already.
    pub(crate) fn look(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        match *thread {
            Thread::Refused => {}
            Thread::Running(_) => self.watched.rouse(),
            Thread::None => {
                let watched = Arc::clone(&self.watched);
                let started = thread::Builder::new()
                    .name("es-sqlite-watch".to_owned())
                    .spawn(move || watched.watch());
                *thread = started.map_or(Thread::Refused, Thread::Running);
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        *self.watched.state() = State::Ending;
        self.watched.told.notify_all();
        let thread = self
            .thread
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        // The thread itself may drop the last store, with a task that it wakes: it ends soon, and cannot wait for that.
        if let Thread::Running(running) = std::mem::replace(thread, Thread::Refused)
            && running.thread().id() != thread::current().id()
        {
            // A panic in it cannot be of interest any more.
            let _ = running.join();
        }
    }
}

impl Watched {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rouse(&self) {
        let mut state = self.state();
        if *state == State::Resting {
            *state = State::Looking;
            self.told.notify_all();
        }
    }

    fn watch(&self) {
        let mut seen = None;
        while self.wait() {
            let found = self.data_version(&mut seen);
            if found {
                // Whoever is woken may panic on this thread; others still wait.
                let wake = || self.changed.notify(usize::MAX);
                let _ = panic::catch_unwind(AssertUnwindSafe(wake));
            }
        }
    }

    /// Waits until the next look, and first until somebody waits for what it may find; `false` where there is none.
    fn wait(&self) -> bool {
        let mut state = self.state();
        if *state == State::Looking && self.changed.total_listeners() == 0 {
            *state = State::Resting;
        }
        state = self
            .told
            .wait_while(state, |state| *state == State::Resting)
            .unwrap_or_else(PoisonError::into_inner);
        let interval = self.settings.poll_interval;
        let (state, _) = self
            .told
            .wait_timeout_while(state, interval, |state| *state == State::Looking)
            .unwrap_or_else(PoisonError::into_inner);
        *state == State::Looking
    }

    /// Looks whether the file has changed since it was `seen`. What cannot be looked at is tried anew the next time.
    fn data_version(&self, seen: &mut Option<(Connection, i64)>) -> bool {
        let (connection, before) = match seen.take() {
            Some((connection, version)) => (connection, Some(version)),
            None => match connection::reading(&self.settings, &self.place) {
                Ok(connection) => (connection, None),
                Err(_) => return false,
            },
        };
        let version = connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut look| look.query_row([], |row| row.get(0)));
        let Ok(version) = version else { return false };
        *seen = Some((connection, version));
        // What was before the first look is not known.
        before != Some(version)
    }
}
