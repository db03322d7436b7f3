//! Statements of handlers whose answers nobody waits for one by one: they are sent together, and answered in their order.
use std::mem;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use es_core::persistence::BoxError;
use es_core::system::HandlerPanicked;
use futures_lite::FutureExt;
use futures_lite::future::poll_once;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Statement, Transaction};

use crate::projection::own::is_of_the_moment;
use crate::says::Says;
use crate::tables::{Work, within};

/// What is bound to the parameters of a statement that is [queued](crate::Tables::queue): a tuple, as `(id, title)` or `(id,)`, `()` where there are none, or
/// a list of boxes.
pub trait Values {
    /// The values, `$1` first.
    fn into_values(self) -> Vec<Value>;
}

/// What is bound to one parameter.
pub type Value = Box<dyn ToSql + Send + Sync>;

impl Values for Vec<Value> {
    fn into_values(self) -> Vec<Value> {
        self
    }
}

macro_rules! tuples {
    ($($name:ident)*) => {
        impl<$($name: ToSql + Send + Sync + 'static),*> Values for ($($name,)*) {
            #[allow(non_snake_case, reason = "each value is called as its type is")]
            fn into_values(self) -> Vec<Value> {
                let ($($name,)*) = self;
                vec![$(Box::new($name)),*]
            }
        }
    };
}

tuples!();
tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
tuples!(A B C D E F G H I);
tuples!(A B C D E F G H I J);
tuples!(A B C D E F G H I J K);
tuples!(A B C D E F G H I J K L);
tuples!(A B C D E F G H I J K L M);
tuples!(A B C D E F G H I J K L M N);
tuples!(A B C D E F G H I J K L M N O);
tuples!(A B C D E F G H I J K L M N O P);

/// How many statements are sent at once at most, and at first: as long as they are quick, it is more and more.
const MOST: usize = 256;
const FIRST: usize = 16;

/// How long statements that are sent at once are to take at most: nobody looks at the time meanwhile.
const QUICK: Duration = Duration::from_millis(50);

/// How long handlers may take until what is queued by then is run: the server would end a transaction that stands still.
const STANDING: Duration = Duration::from_millis(250);

/// What the handlers of a batch want to be run, in its order.
#[derive(Default)]
pub(crate) struct Queue {
    /// The place of the event that is handled.
    place: usize,
    statements: Vec<Queued>,
    /// When something was run last, as far as it was queued; `None` before the first batch.
    ran: Option<Instant>,
    /// How many times as many are sent at once as at first, as a power of two.
    growth: i32,
    /// What a handler was told that waited for all of them.
    failed: Option<NotHandled>,
}

struct Queued {
    place: usize,
    statement: String,
    values: Vec<Value>,
}

/// The event at a place is not handled, nor is what came behind.
pub(crate) struct NotHandled {
    pub(crate) place: usize,
    pub(crate) why: Why,
}

/// Why an event is not handled.
pub(crate) enum Why {
    Failed(BoxError),
    /// Who else was at work, or the line, was in the way.
    Again(BoxError),
    /// A handler went on after a statement that it ran itself had failed; the place is that of the last event, and not that handler's.
    WentOn,
    /// No answer came in time.
    Silent,
    /// A value panicked that was to be written; the driver is in the middle of that.
    Panicked(BoxError),
}

impl Why {
    fn of(error: BoxError) -> Self {
        match is_of_the_moment(&*error) {
            true => Self::Again(error),
            false => Self::Failed(error),
        }
    }
}

impl Queue {
    /// Begins with another batch.
    pub(crate) fn empty(&mut self) {
        *self = Self {
            growth: self.growth,
            ran: Some(Instant::now()),
            ..Self::default()
        };
    }

    pub(crate) fn push(&mut self, statement: &str, values: Vec<Value>) {
        self.statements.push(Queued {
            place: self.place,
            statement: statement.to_owned(),
            values,
        });
    }

    /// Whether what is queued is not to wait for more.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let stands = |ran| now.saturating_duration_since(ran) > STANDING;
        let stands = self.ran.is_some_and(stands);
        self.statements.len() >= self.at_once() || (stands && !self.statements.is_empty())
    }

    fn at_once(&self) -> usize {
        let growth = self.growth.unsigned_abs();
        match self.growth < 0 {
            true => (FIRST >> growth).max(1),
            false => (FIRST << growth).min(MOST),
        }
    }

    /// Takes note of how long statements took that were sent at once.
    fn took(&mut self, statements: usize, time: Duration) {
        if time > QUICK {
            self.growth = (self.growth - 1).max(-4);
        } else if statements >= self.at_once() {
            self.growth = (self.growth + 1).min(4);
        }
    }
}

impl Work {
    /// Has a handler handle the event at a place.
    pub(crate) async fn handled(
        self: &Arc<Self>,
        place: usize,
        patience: Duration,
        handle: impl Future<Output = Result<(), BoxError>>,
    ) -> Result<(), NotHandled> {
        {
            let mut queue = self.queue();
            (queue.place, queue.failed) = (place, None);
        }
        let mut handling = pin!(within(self, handle));
        // Most have nothing to wait for: for them no timer is set.
        let handled = match poll_once(&mut handling).await {
            Some(handled) => Ok(handled),
            None => tokio::time::timeout(patience, handling).await,
        };
        let failed = self.queue().failed.take();
        let why = match (handled, failed) {
            // Whatever the handler made of it.
            (_, Some(failed)) => return Err(failed),
            (Ok(Ok(())), None) => return Ok(()),
            (Ok(Err(error)), None) => Why::of(error),
            (Err(_), None) => Why::Silent,
        };
        Err(NotHandled { place, why })
    }

    /// Runs what is queued; each answer may take as long.
    pub(crate) async fn run_queued(
        &self,
        transaction: &Transaction<'_>,
        patience: Duration,
    ) -> Result<(), NotHandled> {
        self.run(transaction, Some(patience))
            .await
            .map_err(|not_run| {
                let NotRun { place, error } = not_run;
                let (place, why) = match error {
                    Stopped::Said(error) if Says::of(&error) == Says::OfTheTransaction => {
                        (self.queue().place, Why::WentOn)
                    }
                    Stopped::Said(error) => (place, Why::of(error.into())),
                    Stopped::Silent => (place, Why::Silent),
                    Stopped::Panicked(panic) => (place, Why::Panicked(panic)),
                };
                NotHandled { place, why }
            })
    }

    /// Runs what is queued, for a handler that waits for it.
    pub(crate) async fn flush(&self, transaction: &Transaction<'_>) -> Result<(), Error> {
        match self.run(transaction, None).await {
            Ok(()) => Ok(()),
            Err(NotRun {
                place,
                error: Stopped::Said(error),
            }) => {
                let source = std::error::Error::source(&error);
                let told = source.map_or_else(|| error.to_string(), ToString::to_string);
                let mut queue = self.queue();
                let (place, why) = match Says::of(&error) {
                    Says::OfTheTransaction => (queue.place, Why::WentOn),
                    says if says.is_of_the_moment() => (place, Why::Again(told.into())),
                    _ => (place, Why::Failed(told.into())),
                };
                queue.failed = Some(NotHandled { place, why });
                Err(error)
            }
            Err(NotRun {
                place,
                error: Stopped::Panicked(panic),
            }) => {
                let why = Why::Panicked(panic);
                self.queue().failed = Some(NotHandled { place, why });
                Ok(())
            }
            // Without a limit none is reached.
            Err(NotRun {
                error: Stopped::Silent,
                ..
            }) => Ok(()),
        }
    }

    async fn run(
        &self,
        transaction: &Transaction<'_>,
        patience: Option<Duration>,
    ) -> Result<(), NotRun> {
        let (queued, at_once) = {
            let mut queue = self.queue();
            (mem::take(&mut queue.statements), queue.at_once())
        };
        let mut prepared = Vec::with_capacity(at_once.min(queued.len()));
        for next in &queued {
            let known = self.known(&next.statement);
            if known.is_none() || prepared.len() == at_once {
                // A statement that is prepared may be about what those before it make.
                self.send(transaction, mem::take(&mut prepared), patience)
                    .await?;
            }
            let statement = match known {
                Some(known) => known,
                None => {
                    let preparing = transaction.prepare(&next.statement);
                    let made = in_time(next.place, patience, preparing).await?;
                    self.keep(&next.statement, made.clone());
                    made
                }
            };
            prepared.push((statement, next));
        }
        self.send(transaction, prepared, patience).await
    }

    /// Sends all of them before it waits for the first answer.
    async fn send(
        &self,
        transaction: &Transaction<'_>,
        statements: Vec<(Statement, &Queued)>,
        patience: Option<Duration>,
    ) -> Result<(), NotRun> {
        let started = Instant::now();
        let mut sent = Vec::with_capacity(statements.len());
        for (statement, queued) in &statements {
            let values = queued
                .values
                .iter()
                .map(|value| &**value as &(dyn ToSql + Sync));
            let mut answer = Box::pin(transaction.execute_raw(statement, values));
            // That sends it, unless its values cannot be written. The answer may be there already.
            let answered = AssertUnwindSafe(poll_once(&mut answer))
                .catch_unwind()
                .await;
            let goes_on = matches!(answered, Ok(None | Some(Ok(_))));
            sent.push((queued.place, answer, answered));
            if !goes_on {
                break;
            }
        }
        for (place, answer, answered) in sent {
            match answered {
                Ok(None) => drop(in_time(place, patience, answer).await?),
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => {
                    let error = Stopped::Said(error);
                    return Err(NotRun { place, error });
                }
                Err(panic) => {
                    let error = Stopped::Panicked(HandlerPanicked::new(&*panic).into());
                    return Err(NotRun { place, error });
                }
            }
        }
        let mut queue = self.queue();
        queue.ran = Some(Instant::now());
        queue.took(statements.len(), started.elapsed());
        Ok(())
    }
}

/// A statement that was queued for the event at a place was not run, nor were those behind it.
struct NotRun {
    place: usize,
    error: Stopped,
}

enum Stopped {
    Said(Error),
    Silent,
    Panicked(BoxError),
}

async fn in_time<T>(
    place: usize,
    patience: Option<Duration>,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, NotRun> {
    let answered = match patience {
        Some(patience) => tokio::time::timeout(patience, answer).await,
        None => Ok(answer.await),
    };
    let error = match answered {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => Stopped::Said(error),
        Err(_) => Stopped::Silent,
    };
    Err(NotRun { place, error })
}
