//! How far long work is, for who watches it.
use std::fmt;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Is told how far long work is; `&()` does not listen.
pub trait Progress: Send + Sync {
    /// Something begins, of as many events as are known.
    fn begin(&self, what: &str, events: Option<u64>) {
        let _ = (what, events);
    }

    /// So many events are done.
    fn at(&self, events: u64) {
        let _ = events;
    }

    /// It is over.
    fn end(&self) {}
}

impl Progress for () {}

/// A bar on the standard error, with rate and estimate, where that is a terminal.
pub(crate) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar that is drawn, where somebody can see it.
    pub(crate) fn on_terminal() -> Self {
        Self::drawn_by(ProgressDrawTarget::stderr())
    }

    /// None at all.
    pub(crate) fn hidden() -> Self {
        Self::drawn_by(ProgressDrawTarget::hidden())
    }

    fn drawn_by(target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(None, target);
        Self { bar }
    }
}

impl Progress for Bar {
    fn begin(&self, what: &str, events: Option<u64>) {
        let template = match events {
            Some(_) => "{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}",
            None => "{msg} {spinner} {human_pos} {per_sec}",
        };
        let style = ProgressStyle::with_template(template);
        self.bar.reset();
        self.bar
            .set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        if let Some(events) = events {
            self.bar.set_length(events);
        } else {
            self.bar.unset_length();
        }
        self.bar.set_message(what.to_owned());
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    fn at(&self, events: u64) {
        self.bar.set_position(events);
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl fmt::Debug for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bar").finish_non_exhaustive()
    }
}
