//! Whether a log has grown that nobody told of: looked at once a second for all who follow it, and not by each of them.
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use event_listener::Event;
use futures_lite::future;

use super::followed::locked;
use crate::application::Application;
use crate::domain::Position;
use crate::persistence::Clock;

/// After how long somebody looks for new events that nobody told of.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Looks at a log. There is no task for it: of those who wait, the first who wakes looks for all.
pub(super) struct Watch {
    app: Application,
    clock: Arc<dyn Clock>,
    looked: Mutex<Looked>,
    /// Somebody has looked.
    told: Event,
}

#[derive(Default)]
struct Looked {
    /// When somebody began to.
    at: Option<SystemTime>,
    /// Where the log ended; `None` where it could not be read.
    head: Option<Position>,
}

impl Watch {
    pub(super) fn new(app: &Application) -> Self {
        Self {
            clock: app.goes_by(),
            app: app.clone(),
            looked: Mutex::default(),
            told: Event::new(),
        }
    }

    /// Whether this looks at the log of an application.
    pub(super) fn is_of(&self, app: &Application) -> bool {
        let store = |app: &Application| Arc::as_ptr(&app.keeps_in()).cast::<()>();
        store(&self.app) == store(app)
    }

    /// Ends once somebody who looked found that the log ends elsewhere, or cannot be read. It may have ended there before.
    pub(super) async fn moved_from(&self, position: Position) {
        loop {
            let told = self.told.listen();
            let told = async {
                told.await;
                true
            };
            let due = async {
                self.clock.sleep(self.due_in()).await;
                false
            };
            let head = if future::or(told, due).await {
                locked(&self.looked).head
            } else if self.is_due() {
                let head = self.app.log().head().await.ok();
                locked(&self.looked).head = head;
                self.told.notify(usize::MAX);
                head
            } else {
                continue;
            };
            if head != Some(position) {
                return;
            }
        }
    }

    /// In how long somebody is to look.
    fn due_in(&self) -> Duration {
        let now = self.clock.now();
        let at = *locked(&self.looked).at.get_or_insert(now);
        // A clock that was set back does not keep anybody from looking.
        let since = now.duration_since(at).unwrap_or(LOOK_AGAIN);
        LOOK_AGAIN.saturating_sub(since)
    }

    /// Whether it is time, and nobody else is at it.
    fn is_due(&self) -> bool {
        let now = self.clock.now();
        let mut looked = locked(&self.looked);
        let since = looked.at.map(|at| now.duration_since(at));
        let is_due = !matches!(since, Some(Ok(since)) if since < LOOK_AGAIN);
        if is_due {
            looked.at = Some(now);
        }
        is_due
    }
}
