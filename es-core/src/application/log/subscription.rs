//! The log as it grows.
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::vec;

use event_listener::{Event, EventListener};
use futures_core::Stream;
use futures_core::future::BoxFuture;

use super::{LogError, NotificationLog};
use crate::application::Result;
use crate::application::repository::PAGE;
use crate::domain::Position;
use crate::persistence::{LogPage, Record, Span};

/// What is in the log after a position, then what comes, in order, without end.
///
/// It waits until the store says that something changed, and looks once a second whether it does so or not.
/// A failure to read is given out, and does not end it: the next call of [`next`](Subscription::next) reads again from the same place, after a
/// pause that grows from failure to failure. Dropping the future of `next` loses no record. It is a [`Stream`] too.
///
/// ```
/// # use es_core::{Application, Position};
/// # async fn follow(app: Application) -> es_core::Result<()> {
/// let mut subscription = app.log().subscribe(Position::START);
/// let stopper = subscription.stopper(); // for whoever is to end it
/// while let Some(record) = subscription.next().await {
///     let record = record?;
///     println!("{} {}", record.position, record.event);
///     stopper.stop();
/// }
/// # Ok(())
/// # }
/// ```
pub struct Subscription {
    log: NotificationLog,
    after: Position,
    up_to: Position,
    records: vec::IntoIter<Record>,
    reading: Option<BoxFuture<'static, Result<LogPage, LogError>>>,
    /// How many times in a row the log could not be read.
    failures: u32,
    stop: Arc<Stop>,
    told: Option<EventListener>,
}

/// Ends a subscription.
#[derive(Debug, Clone)]
pub struct Stopper(Arc<Stop>);

#[derive(Debug, Default)]
struct Stop {
    told: AtomicBool,
    telling: Event,
}

impl Stopper {
    /// Ends the subscription: it gives out no record after this, and who waits for one gets `None`.
    pub fn stop(&self) {
        self.0.told.store(true, Ordering::SeqCst);
        self.0.telling.notify(usize::MAX);
    }
}

impl Subscription {
    pub(super) fn new(log: NotificationLog, after: Position) -> Self {
        Self {
            log,
            after,
            up_to: Position::MAX,
            records: Vec::new().into_iter(),
            reading: None,
            failures: 0,
            stop: Arc::default(),
            told: None,
        }
    }

    /// Ends after that position: for instance the [head](NotificationLog::head), to have what is there and no more.
    #[must_use]
    pub fn up_to(self, position: Position) -> Self {
        Self {
            up_to: position,
            ..self
        }
    }

    /// The next record, waiting for it where there is none yet; `None` after it was [stopped](Stopper::stop), and where it [ends](Subscription::up_to).
    ///
    /// # Errors
    /// [`LogError`], as [`Error::Log`](crate::Error::Log); the next call reads again.
    pub async fn next(&mut self) -> Option<Result<Record>> {
        poll_fn(|context| self.poll_record(context)).await
    }

    /// What ends it, from any thread or task.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.stop))
    }

    fn poll_record(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Record>>> {
        loop {
            if self.poll_stopped(context).is_ready() {
                self.reading = None;
                return Poll::Ready(None);
            }
            if let Some(record) = self.records.next() {
                return Poll::Ready(Some(Ok(record)));
            }
            if self.after >= self.up_to {
                return Poll::Ready(None);
            }
            let span = Span::after(self.after).up_to(self.up_to).limit(PAGE);
            let (log, failures) = (&self.log, self.failures);
            let reading = self
                .reading
                .get_or_insert_with(|| Box::pin(next_page(log.clone(), span, failures)));
            let Poll::Ready(page) = reading.as_mut().poll(context) else {
                return Poll::Pending;
            };
            self.reading = None;
            match page {
                Ok(page) => {
                    self.failures = 0;
                    self.after = page.read_to;
                    self.records = page.records.into_iter();
                }
                Err(error) => {
                    self.failures = self.failures.saturating_add(1);
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
        }
    }

    fn poll_stopped(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let told = self.told.get_or_insert_with(|| self.stop.telling.listen());
        if self.stop.told.load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        let polled = Pin::new(told).poll(context);
        if polled.is_ready() {
            self.told = None;
        }
        polled
    }
}

/// The next page that is not empty or is the last, waiting for it where there is none yet.
async fn next_page(
    log: NotificationLog,
    mut span: Span,
    failures: u32,
) -> Result<LogPage, LogError> {
    let repository = &log.repository;
    repository.pause_after(failures).await;
    loop {
        let changed = repository.changed();
        let page = log.read_page(span).await?;
        if !page.records.is_empty() || page.read_to >= span.up_to {
            return Ok(page);
        }
        span.after = page.read_to;
        repository.until(changed).await;
    }
}

impl Stream for Subscription {
    type Item = Result<Record>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_record(context)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}
