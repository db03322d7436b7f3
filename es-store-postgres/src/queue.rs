//! Statements of handlers whose answers nobody waits for one by one: they are sent together, and answered in their order.
use std::mem;
use std::time::Duration;

use es_core::persistence::BoxError;
use futures_lite::future::poll_once;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Statement, Transaction};

use crate::projection::batch::WENT_ON;
use crate::says::Says;
use crate::tables::Work;

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

/// How many statements wait until they are sent: their answers take no more room than that, and whoever runs them sees how the time passes.
const MANY: usize = 256;

/// What the handlers of a batch want to be run, in its order.
#[derive(Default)]
pub(crate) struct Queue {
    /// The place of the event that is handled.
    place: usize,
    statements: Vec<Queued>,
    /// What another handler was told that waited for all of them.
    failed: Option<Failed>,
}

/// A statement failed that was queued for the event at a place.
pub(crate) struct Failed {
    pub(crate) place: usize,
    /// Why, for where nobody hands on the error itself.
    pub(crate) why: String,
}

struct Queued {
    place: usize,
    statement: String,
    values: Vec<Value>,
}

/// A statement that was queued for the event at a place was not run, nor were those behind it.
pub(crate) struct NotRun {
    pub(crate) place: usize,
    /// `None` where no answer came in time.
    pub(crate) why: Option<Error>,
}

impl NotRun {
    /// What is said of its event; `None` where no answer came in time.
    pub(crate) fn source(self) -> Option<BoxError> {
        let error = self.why?;
        match Says::of(&error) {
            Says::OfTheTransaction => Some(WENT_ON.into()),
            _ => Some(error.into()),
        }
    }
}

impl Queue {
    /// Begins with the event at a place.
    pub(crate) fn begin(&mut self, place: usize) {
        self.place = place;
        self.failed = None;
    }

    pub(crate) fn push(&mut self, statement: &str, values: Vec<Value>) {
        self.statements.push(Queued {
            place: self.place,
            statement: statement.to_owned(),
            values,
        });
    }

    pub(crate) fn is_long(&self) -> bool {
        self.statements.len() >= MANY
    }

    /// What a handler was told about what was queued for an event, its own or one before.
    pub(crate) fn failed(&mut self) -> Option<Failed> {
        self.failed.take()
    }
}

impl Work {
    /// Runs what is queued; each answer may take as long.
    pub(crate) async fn run_queued(
        &self,
        transaction: &Transaction<'_>,
        patience: Duration,
    ) -> Result<(), NotRun> {
        let queued = mem::take(&mut self.queue().statements);
        let mut prepared = Vec::with_capacity(queued.len());
        for next in &queued {
            let known = self.known(&next.statement);
            let statement = match known {
                Some(known) => known,
                None => {
                    // It may be about what those before it make.
                    run_all(transaction, mem::take(&mut prepared), patience).await?;
                    let place = next.place;
                    let preparing = transaction.prepare(&next.statement);
                    let made = in_time(place, patience, preparing).await?;
                    self.keep(&next.statement, made.clone());
                    made
                }
            };
            prepared.push((statement, next));
        }
        run_all(transaction, prepared, patience).await
    }

    /// Runs what is queued, for a handler that waits for it.
    pub(crate) async fn flush(&self, transaction: &Transaction<'_>) -> Result<(), Error> {
        if self.queue().statements.is_empty() {
            return Ok(());
        }
        match self.run_queued(transaction, Duration::MAX).await {
            // Whoever runs the handler gives up on all of it.
            Ok(()) | Err(NotRun { why: None, .. }) => Ok(()),
            Err(NotRun {
                place,
                why: Some(error),
            }) => {
                // A line that broke says nothing of an event.
                if !Says::of(&error).is_passing() {
                    let source = std::error::Error::source(&error);
                    let why = source.map_or_else(|| error.to_string(), ToString::to_string);
                    self.queue().failed = Some(Failed { place, why });
                }
                Err(error)
            }
        }
    }
}

/// Sends all of them before it waits for the first answer.
async fn run_all(
    transaction: &Transaction<'_>,
    statements: Vec<(Statement, &Queued)>,
    patience: Duration,
) -> Result<(), NotRun> {
    let mut sent = Vec::with_capacity(statements.len());
    for (statement, queued) in &statements {
        let values = queued
            .values
            .iter()
            .map(|value| &**value as &(dyn ToSql + Sync));
        let mut answer = Box::pin(transaction.execute_raw(statement, values));
        // That sends it.
        let answered = poll_once(&mut answer).await;
        sent.push((queued.place, answer, answered));
    }
    for (place, answer, answered) in sent {
        match answered {
            Some(Ok(_)) => {}
            Some(Err(why)) => {
                let why = Some(why);
                return Err(NotRun { place, why });
            }
            None => drop(in_time(place, patience, answer).await?),
        }
    }
    Ok(())
}

async fn in_time<T>(
    place: usize,
    patience: Duration,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, NotRun> {
    let answered = tokio::time::timeout(patience, answer).await;
    let why = match answered {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => Some(error),
        Err(_) => None,
    };
    Err(NotRun { place, why })
}
