//! A follower's own connection: what is done over it, and done again where it broke.
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Transaction as Begun};
use es_core::persistence::{AppendError, BoxError};
use es_core::system::HandleError;
use tokio_postgres::{IsolationLevel, Statement};

use crate::connection::milliseconds;
use crate::error::{Fault, not_committed};
use crate::says::Says;
use crate::store::Shared;
use crate::tables::Work;
use crate::tell::Tell;

/// How often a batch is tried whose connection broke, or that another was in the way of.
const ATTEMPTS: u32 = 3;

/// A follower's own connection, and what is prepared on it.
pub(crate) struct Own {
    pub(crate) client: ClientWrapper,
    pub(super) begun: Statement,
    pub(super) standing: Statement,
    pub(super) advance: Statement,
    pub(super) tell: Tell,
    /// What handlers had prepared.
    pub(crate) work: Arc<Work>,
}

impl Own {
    pub(crate) async fn connect(shared: &Shared) -> Result<Self, Fault> {
        let client = shared.own_connection().await?;
        let sql = &shared.sql;
        // What the store says to its own sessions would spoil the plans of others' statements.
        client
            .batch_execute(&format!(
                "RESET enable_seqscan; RESET enable_bitmapscan; RESET plan_cache_mode; RESET jit; \
                 SET idle_in_transaction_session_timeout = {}",
                milliseconds(STANDSTILL)
            ))
            .await?;
        client.execute(FIRST, &[&sql.location.schema]).await?;
        Ok(Self {
            begun: client.prepare(&sql.read_begun).await?,
            standing: client.prepare(&sql.read_standing).await?,
            advance: client.prepare(&sql.move_checkpoint).await?,
            tell: Tell::prepare(&*client, sql).await?,
            client,
            work: Arc::default(),
        })
    }
}

/// Has tables that are named without a schema found in that of the log first.
pub(crate) const FIRST: &str = "SELECT set_config('search_path', concat_ws(', ', quote_ident($1), nullif(current_setting('search_path'), '')), false)";

/// Begins a transaction, whatever the defaults of the session are.
pub(crate) async fn begin(client: &mut ClientWrapper) -> Result<Begun<'_>, Fault> {
    let begin = client
        .build_transaction()
        .isolation_level(IsolationLevel::ReadCommitted)
        .read_only(false);
    Ok(begin.start().await?)
}

/// Does something over a follower's own connection; again on a new one where it broke. Where a commit had been sent by then, the checkpoint is
/// found to be elsewhere.
macro_rules! with_own {
    ($shared:ident, $kept:expr, $own:ident, $run:expr) => {{
        use $crate::projection::own::Undone;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let since = tokio::time::Instant::now();
            let connected = match $kept.take() {
                Some(own) if !own.client.is_closed() => Ok(own),
                _ => $crate::connection::in_time($shared.patience, $crate::projection::own::Own::connect($shared)).await,
            };
            let undone = match connected {
                Err(fault) => Undone::Fault(fault),
                Ok(mut connected) => {
                    let $own = &mut connected;
                    let done: Result<_, Undone> = $run.await;
                    match done {
                        Ok(done) => {
                            *$kept = Some(connected);
                            break Ok(done);
                        }
                        Err(undone @ Undone::Handle(_)) => {
                            // The transaction is rolled back by having been dropped. What is prepared may be what is wrong.
                            connected.work.forget();
                            *$kept = Some(connected);
                            undone
                        }
                        Err(undone) => undone,
                    }
                }
            };
            if let $crate::projection::own::Undone::Fault(fault) = &undone {
                $shared.lost(fault, since);
            }
            if let Some(error) = undone.given_up(attempts) {
                break Err(error);
            }
        }
    }};
}

/// Why what was to be done in a transaction was rolled back.
pub(crate) enum Undone {
    Fault(Fault),
    /// What a handler met is no fault of the event's: the line broke, or another was in the way.
    Again(BoxError),
    /// Another is ahead. Of what was begun something may still run, so the connection is not kept.
    Refused(AppendError),
    Handle(HandleError),
    /// The handler did not end in time. Something may still run, so the connection is not kept.
    Endless {
        /// The place of its event.
        place: usize,
        /// What is said of it.
        why: &'static str,
    },
}

/// How long a transaction of a follower's may stand still.
pub(super) const STANDSTILL: Duration = Duration::from_secs(10);

/// What is said of a handler that did not end.
pub(super) const ENDLESS: &str = "the handler took longer than the statement time-out allows; let it do less for one event, or allow more time";

/// What is said of one that left its transaction alone for so long that the server ended the session.
pub(super) const STOOD_STILL: &str = "the handler left its transaction alone for longer than 10 s, so the server ended it; set a limit to what it awaits, or do that in a process manager";

impl<E: Into<Fault>> From<E> for Undone {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

impl Undone {
    /// What lasts until somebody changes what is in the way, as what keeps a read model from being made or put in its place: it is not tried again.
    pub(super) fn or_unable(self) -> Self {
        match self {
            Self::Fault(fault) if fault.is_lasting() || fault.is_of_the_transaction() => {
                Self::Handle(HandleError::Prepare(fault.of_a_read_model()))
            }
            undone => undone,
        }
    }

    /// Why it is not tried again, after so many attempts.
    pub(super) fn given_up(self, attempts: u32) -> Option<HandleError> {
        let may_try_again = attempts < ATTEMPTS;
        match self {
            Self::Fault(fault @ Fault::Postgres(_)) if fault.is_passing() && may_try_again => None,
            Self::Again(_) if may_try_again => None,
            Self::Again(error) => Some(AppendError::Unavailable(error).into()),
            Self::Fault(fault) => Some(not_committed(fault).into()),
            Self::Refused(refused) => Some(refused.into()),
            Self::Handle(error) => Some(error),
            Self::Endless { place, why } => {
                let source = why.into();
                Some(HandleError::Event { place, source })
            }
        }
    }
}

/// Whether an error says something of the line, or of who else was at work, and nothing of the event.
pub(crate) fn is_of_the_moment(error: &(dyn StdError + 'static)) -> bool {
    of_postgres(error).is_some_and(|error| Says::of(error).is_of_the_moment())
}

/// Whether `create` may well succeed another time.
pub(super) fn is_worth_another_try(error: &(dyn StdError + 'static)) -> bool {
    of_postgres(error).is_some_and(|error| Says::of(error).is_worth_another_try())
}

/// What Postgres said, where an error comes of that.
pub(crate) fn of_postgres<'e>(
    error: &'e (dyn StdError + 'static),
) -> Option<&'e tokio_postgres::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

pub(super) use with_own;
