//! One projection inside of commits, brought to the last event of a transaction, and what it works with there.
use std::sync::Arc;
use std::time::{Duration, Instant};

use es_core::persistence::{AppendError, BoxError, BoxFuture, FollowerId, Record};
use es_core::system::Inlined;
use es_store_sql::names::Names;
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row, Statement, Transaction};
use uuid::Uuid;

use crate::connection::{in_time, milliseconds};
use crate::error::Fault;
use crate::followers::{self, key};
use crate::projection::PostgresProjection;
use crate::projection::batch::WENT_ON;
use crate::projection::own::FIRST;
use crate::queue::{NotHandled, Why};
use crate::reads::Admitted;
use crate::records::{column, records, stored};
use crate::sql::Sql;
use crate::tables::{Made, Work};

/// A projection that does.
pub(crate) struct Inside {
    pub(super) inlined: Inlined,
    handler: Box<dyn Handler>,
}

/// What handles an event, whatever its type.
trait Handler: Send {
    fn handle<'a>(
        &'a mut self,
        inlined: &'a Inlined,
        record: &'a Record,
        transaction: &'a Transaction<'a>,
    ) -> BoxFuture<'a, Result<(), BoxError>>;
}

struct Handling<P>(P);

impl<P: PostgresProjection> Handler for Handling<P> {
    fn handle<'a>(
        &'a mut self,
        inlined: &'a Inlined,
        record: &'a Record,
        transaction: &'a Transaction<'a>,
    ) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move {
            match inlined.event(record)? {
                Some(event) => self.0.handle(event, transaction).await,
                None => Ok(()),
            }
        })
    }
}

/// How many events are read at once.
const PAGE: usize = 1_000;

/// What the store says to its own sessions would spoil the plans of others' statements.
const OWN_PLANS: &str = "SET LOCAL enable_seqscan TO DEFAULT; SET LOCAL enable_bitmapscan TO DEFAULT; \
     SET LOCAL plan_cache_mode TO DEFAULT; SET LOCAL jit TO DEFAULT";

/// What they work with on one connection.
pub(crate) struct Session {
    standing: Statement,
    begun: Statement,
    last: Statement,
    page: Statement,
    advance: Statement,
    work: Arc<Work>,
    patience: Duration,
    /// The session is one of those that the store speaks to.
    is_ours: bool,
}

impl Session {
    pub(crate) async fn prepare(
        client: &impl GenericClient,
        sql: &Sql,
        patience: Duration,
    ) -> Result<Self, Fault> {
        let (standing, begun, last, page, advance) = tokio::try_join!(
            client.prepare(&sql.read_standing),
            client.prepare(&sql.read_begun),
            client.prepare(&sql.read_last),
            client.prepare(&sql.read_inline),
            client.prepare(&sql.move_checkpoint),
        )?;
        Ok(Self {
            standing,
            begun,
            last,
            page,
            advance,
            work: Arc::new(Work::inside(sql)),
            patience,
            is_ours: false,
        })
    }

    /// On a connection that is the store's own, and from here on finds tables as handlers name them.
    pub(crate) async fn of_the_store(
        client: &impl GenericClient,
        sql: &Sql,
        patience: Duration,
    ) -> Result<Self, Fault> {
        client.execute(FIRST, &[&sql.location.schema]).await?;
        // Handlers may await something else, which ends by the same time.
        let patient = format!(
            "SET idle_in_transaction_session_timeout = {}",
            milliseconds(patience)
        );
        client.batch_execute(&patient).await?;
        Ok(Self {
            is_ours: true,
            ..Self::prepare(client, sql, patience).await?
        })
    }

    async fn run_queued(&self, transaction: &Transaction<'_>) -> Result<(), NotHandled> {
        self.work.run_queued(transaction, self.patience).await
    }

    /// Prepares everything of handlers anew.
    pub(crate) fn forget(&self) {
        self.work.forget();
    }
}

/// Where a projection stands, and what comes next.
struct Next {
    standing: Option<Row>,
    begun: i64,
    last: Option<Row>,
    page: Vec<Record>,
}

/// All of it is sent at once.
async fn next(
    inlined: &Inlined,
    transaction: &Transaction<'_>,
    session: &Session,
) -> Result<Next, Fault> {
    let [name, log] = key(inlined.follower());
    let of: [&(dyn ToSql + Sync); 2] = [&name, &log];
    let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
    let admitted = Admitted::by(inlined.filter());
    let whole = admitted.as_ref().map(|admitted| &admitted.whole);
    let categories = admitted.as_ref().map(|admitted| &admitted.categories);
    let events = admitted.as_ref().map(|admitted| &admitted.events);
    let values: [&(dyn ToSql + Sync); 6] = [&name, &log, &limit, &whole, &categories, &events];
    let (standing, begun, last, page, ()) = tokio::try_join!(biased;
        async { Ok::<_, Fault>(transaction.query_opt(&session.standing, &of).await?) },
        async { Ok(transaction.query_one(&session.begun, &[]).await?) },
        async { Ok(transaction.query_opt(&session.last, &[]).await?) },
        async {
            let rows = transaction.query_raw(&session.page, values.iter().copied()).await?;
            records(rows, None, &Names::default()).await
        },
        async {
            if session.is_ours {
                transaction.batch_execute(OWN_PLANS).await?;
            }
            Ok(())
        },
    )?;
    Ok(Next {
        standing,
        begun: column(&begun, 0)?,
        last,
        page,
    })
}

impl Inside {
    pub(super) fn new<P: PostgresProjection>(inlined: Inlined, projection: P) -> Self {
        Self {
            inlined,
            handler: Box::new(Handling(projection)),
        }
    }

    pub(crate) fn follower(&self) -> &FollowerId {
        self.inlined.follower()
    }

    /// Handles what it has not seen, up to the last event that is in the transaction.
    pub(crate) async fn catch_up(
        &mut self,
        transaction: &Transaction<'_>,
        session: &Session,
    ) -> Result<(), Fault> {
        while self.page(transaction, session).await? {}
        Ok(())
    }

    /// Handles a page of that, and says whether there may be more.
    pub(crate) async fn page(
        &mut self,
        transaction: &Transaction<'_>,
        session: &Session,
    ) -> Result<bool, Fault> {
        let next = next(&self.inlined, transaction, session);
        let next = in_time(session.patience, next).await?;
        let more = next.page.len() == PAGE;
        self.handle(next, transaction, session).await?;
        Ok(more)
    }

    async fn handle(
        &mut self,
        next: Next,
        transaction: &Transaction<'_>,
        session: &Session,
    ) -> Result<(), Fault> {
        let standing = followers::standing_in(next.standing.as_ref())?;
        self.inlined
            .check_revision(standing.revision)
            .map_err(inside)?;
        session.work.write_to(Made::default(), transaction);
        let refused = |not_handled| refused(&self.inlined, &next.page, not_handled);
        for (place, record) in next.page.iter().enumerate() {
            let handling = self.handler.handle(&self.inlined, record, transaction);
            let handled = session.work.handled(place, session.patience, handling);
            handled.await.map_err(refused)?;
            if session.work.queue().is_due(Instant::now()) {
                session.run_queued(transaction).await.map_err(refused)?;
            }
        }
        session.run_queued(transaction).await.map_err(refused)?;
        let from = stored(standing.position.get())?;
        let end = match next.page.last() {
            Some(end) => Some((stored(end.position.get())?, Uuid::from(end.commit))),
            None => None,
        };
        // Outside of the log's lock the page may know of more than what was asked for before it.
        let last = match &next.last {
            Some(last) if next.page.len() < PAGE => Some((column(last, 0)?, column(last, 1)?)),
            _ => None,
        };
        let Some((to, commit)): Option<(i64, Uuid)> = end.max(last) else {
            return Ok(());
        };
        if to <= from {
            return Ok(());
        }
        let [name, log] = key(self.inlined.follower());
        let values: [&(dyn ToSql + Sync); 8] = [
            &name,
            &log,
            &from,
            &to,
            &Some(commit),
            &None::<i64>,
            &next.begun,
            // A newer one may have been made meanwhile, and a handler that waited for its tables have written to those.
            &Some(i64::from(standing.revision)),
        ];
        let moved = async { Ok(transaction.execute(&session.advance, &values).await?) };
        match in_time(session.patience, moved).await {
            Ok(0) => {}
            Ok(_) => return Ok(()),
            Err(fault) if fault.is_of_the_transaction() => {
                return Err(inside(match &*next.page {
                    [only] => self.inlined.refused_at(only, WENT_ON),
                    _ => self.inlined.refused(WENT_ON),
                }));
            }
            Err(fault) => return Err(fault),
        }
        let begun = async { Ok(transaction.query_one(&session.begun, &[]).await?) };
        let begun = in_time(session.patience, begun).await?;
        if column::<i64>(&begun, 0)? != next.begun {
            return Err(Fault::Ended);
        }
        let moved = "another process has moved its checkpoint meanwhile";
        Err(Fault::Again(Arc::new(moved.into())))
    }
}

/// What is told of a commit with an event that is not handled.
fn refused(inlined: &Inlined, page: &[Record], not_handled: NotHandled) -> Fault {
    let NotHandled { place, why } = not_handled;
    let source = match why {
        Why::Again(source) => return Fault::Again(Arc::new(source)),
        Why::WentOn if page.len() > 1 => return inside(inlined.refused(WENT_ON)),
        Why::WentOn => WENT_ON.into(),
        Why::Silent => Fault::Silent.explained(),
        Why::Failed(source) | Why::Panicked(source) => source,
    };
    inside(match page.get(place) {
        Some(record) => inlined.refused_at(record, source),
        None => inlined.refused(source),
    })
}

fn inside(refused: AppendError) -> Fault {
    Fault::Inside(Arc::new(refused))
}
