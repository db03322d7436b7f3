//! What is kept of followers: checkpoints, leases, and what they set aside.
//!
//! Who changes the row of a follower holds its lock, and for a moment alone: a process that stands still with one would keep others from taking
//! over. So nobody holds it while handlers run.
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use deadpool_postgres::ClientWrapper;
use es_core::persistence::{
    Advance, AppendError, CommitId, Dropped, Epoch, FollowerId, Lease, LeaseError, LeaseRequest,
    Parked, ParkedError, Parking, Placed, Placement, Standing, Stopped, Verdict,
};
use es_core::{Position, StreamId};
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row, Transaction};
use uuid::Uuid;

use crate::error::Fault;
use crate::names::written;
use crate::records::{
    Full, bound, column, counter, microseconds, name, ordinal, schema, stored, time,
};
use crate::sql::Sql;
use crate::{reads, swap};

/// A follower as it is stored: its name, and that of its log.
pub(crate) fn key(follower: &FollowerId) -> [Cow<'_, str>; 2] {
    [written(&follower.name), written(&follower.log)]
}

/// A row of what is kept of a follower.
pub(crate) fn standing_of(row: &Row) -> Result<(FollowerId, Standing), Fault> {
    let follower = FollowerId::new(name(row, 0)?, name(row, 1)?);
    let standing = Standing {
        position: Position::from(counter(row, 2)?),
        stands_at: column::<Option<Uuid>>(row, 3)?.map(CommitId::from),
        revision: schema(row, 4)?,
        epoch: Epoch::from(counter(row, 5)?),
        holder: text(row, 6)?,
        since: column::<Option<i64>>(row, 7)?.map(time),
        until: column::<Option<i64>>(row, 8)?.map(time),
        stopped: stopped(row)?,
    };
    Ok((follower, standing))
}

fn stopped(row: &Row) -> Result<Option<Stopped>, Fault> {
    let Some(reason) = text(row, 9)? else {
        return Ok(None);
    };
    Ok(Some(Stopped {
        reason,
        by: name(row, 10)?,
        at: time(column(row, 11)?),
    }))
}

/// All that is kept of a follower.
pub(crate) async fn standing(
    client: &ClientWrapper,
    sql: &Sql,
    follower: &FollowerId,
) -> Result<Standing, Fault> {
    let [name, log] = key(follower);
    let row = reads::row(client, &sql.read_standing, &[&name, &log]).await?;
    standing_in(row.as_ref())
}

/// What is kept of a follower in its row, if it has one.
pub(crate) fn standing_in(row: Option<&Row>) -> Result<Standing, Fault> {
    match row {
        Some(row) => Ok(standing_of(row)?.1),
        None => Ok(Standing::default()),
    }
}

/// All that is kept of a follower, whose row is there from here on and locked until the end of the transaction.
pub(crate) async fn locked(
    client: &impl GenericClient,
    sql: &Sql,
    follower: &FollowerId,
) -> Result<Standing, Fault> {
    let [name, log] = key(follower);
    let key: [&(dyn ToSql + Sync); 2] = [&name, &log];
    client.execute(&sql.begin_standing, &key).await?;
    let row = client.query_one(&sql.lock_standing, &key).await?;
    Ok(standing_of(&row)?.1)
}

/// What parked streams begin with, of those that an advance is about.
pub(crate) async fn first_parked(
    client: &impl GenericClient,
    sql: &Sql,
    advance: &Advance,
) -> Result<HashMap<StreamId, Position>, Fault> {
    let (mut categories, mut streams, mut positions) = (Vec::new(), Vec::new(), Vec::new());
    for parking in &advance.parking {
        match parking {
            Parking::Aside { stream, .. } | Parking::Behind { stream, .. } => {
                categories.push(written(&stream.category));
                streams.push(stream.id);
            }
            Parking::Handled { position } | Parking::Failed { position, .. } => {
                positions.push(bound(position.get()));
            }
        }
    }
    let [name, log] = key(&advance.follower);
    let values: [&(dyn ToSql + Sync); 5] = [&name, &log, &categories, &streams, &positions];
    let rows = client.query(&sql.read_first_parked, &values).await?;
    let firsts = rows.iter().map(|row| {
        let position = Position::from(ordinal(row, 0)?);
        Ok((
            StreamId::new(self::name(row, 1)?, column(row, 2)?),
            position,
        ))
    });
    firsts.collect()
}

/// Why a checkpoint cannot be moved, before anything is written.
pub(crate) fn refusal(
    advance: &Advance,
    standing: &Standing,
    first_parked: &HashMap<StreamId, Position>,
) -> Option<AppendError> {
    let refused = advance.refusal(standing);
    refused.or_else(|| parking_refusal(advance, first_parked))
}

/// Why what is parked cannot be changed.
pub(crate) fn parking_refusal(
    advance: &Advance,
    first_parked: &HashMap<StreamId, Position>,
) -> Option<AppendError> {
    let mut aside: HashSet<&StreamId> = HashSet::new();
    for parking in &advance.parking {
        let holds = match parking {
            Parking::Aside { stream, .. } => {
                !first_parked.contains_key(stream) && aside.insert(stream)
            }
            Parking::Behind { stream, .. } => {
                aside.contains(stream) || first_parked.contains_key(stream)
            }
            Parking::Handled { position } | Parking::Failed { position, .. } => {
                first_parked.values().any(|first| first == position)
            }
        };
        if !holds {
            return Some(AppendError::Parking {
                follower: advance.follower.clone(),
                position: parking.position(),
            });
        }
    }
    None
}

/// Writes what becomes of parked events with an advance that was not refused.
pub(crate) async fn park(
    client: &impl GenericClient,
    sql: &Sql,
    advance: &Advance,
) -> Result<(), Fault> {
    let [name, log] = key(&advance.follower);
    let mut new = New::default();
    for parking in &advance.parking {
        let position = stored(parking.position().get())?;
        match parking {
            Parking::Aside {
                stream,
                failure,
                attempts,
                ..
            } => new.push(position, stream, Some(failure), *attempts),
            Parking::Behind { stream, .. } => new.push(position, stream, None, 0),
            Parking::Handled { .. } => {
                let values: [&(dyn ToSql + Sync); 3] = [&name, &log, &position];
                client.execute(&sql.delete_parked, &values).await?;
            }
            Parking::Failed {
                failure, attempts, ..
            } => {
                let (failure, attempts) = (written(failure), i64::from(*attempts));
                let values: [&(dyn ToSql + Sync); 5] =
                    [&name, &log, &position, &failure, &attempts];
                client.execute(&sql.write_failed, &values).await?;
            }
        }
    }
    if !new.positions.is_empty() {
        let values: [&(dyn ToSql + Sync); 7] = [
            &name,
            &log,
            &new.positions,
            &new.categories,
            &new.streams,
            &new.failures,
            &new.attempts,
        ];
        client.execute(&sql.write_parked, &values).await?;
    }
    Ok(())
}

/// What becomes parked, column by column.
#[derive(Default)]
struct New<'a> {
    positions: Vec<i64>,
    categories: Vec<Cow<'a, str>>,
    streams: Vec<Uuid>,
    failures: Vec<Option<Cow<'a, str>>>,
    attempts: Vec<i64>,
}

impl<'a> New<'a> {
    fn push(&mut self, position: i64, stream: &'a StreamId, failure: Option<&'a str>, tried: u32) {
        self.positions.push(position);
        self.categories.push(written(&stream.category));
        self.streams.push(stream.id);
        self.failures.push(failure.map(written));
        self.attempts.push(tried.into());
    }
}

pub(crate) async fn parked(
    client: &ClientWrapper,
    sql: &Sql,
    follower: &FollowerId,
) -> Result<Vec<Parked>, Fault> {
    let [name, log] = key(follower);
    let statement = client.prepare_cached(&sql.read_parked).await?;
    let rows = client.query(&statement, &[&name, &log]).await?;
    let parked = rows.iter().map(|row| {
        Ok(Parked {
            position: Position::from(ordinal(row, 0)?),
            stream: StreamId::new(self::name(row, 1)?, column(row, 2)?),
            failure: text(row, 3)?,
            attempts: schema(row, 4)?,
            since: time(column(row, 5)?),
            retry: column(row, 6)?,
        })
    });
    parked.collect()
}

pub(crate) async fn known(client: &ClientWrapper, sql: &Sql) -> Result<Vec<FollowerId>, Fault> {
    let statement = client.prepare_cached(&sql.read_followers).await?;
    let rows = client.query(&statement, &[]).await?;
    let known = rows
        .iter()
        .map(|row| Ok(FollowerId::new(name(row, 0)?, name(row, 1)?)));
    known.collect()
}

pub(crate) async fn dropped(
    client: &ClientWrapper,
    sql: &Sql,
    follower: &FollowerId,
) -> Result<Vec<Dropped>, Fault> {
    let [name, log] = key(follower);
    let statement = client.prepare_cached(&sql.read_dropped).await?;
    let rows = client.query(&statement, &[&name, &log]).await?;
    let dropped = rows.iter().map(|row| {
        Ok(Dropped {
            position: Position::from(ordinal(row, 0)?),
            stream: StreamId::new(self::name(row, 1)?, column(row, 2)?),
            failure: text(row, 3)?,
            by: self::name(row, 4)?,
            reason: self::name(row, 5)?,
            time: time(column(row, 6)?),
        })
    });
    dropped.collect()
}

fn text(row: &Row, place: usize) -> Result<Option<String>, Fault> {
    match column::<Option<&str>>(row, place)? {
        Some(_) => Ok(Some(name(row, place)?)),
        None => Ok(None),
    }
}

/// Renews a lease or gives it back, by the server's clock, in one statement; `None` where it is another one, or is to be taken.
pub(crate) async fn renew(
    client: &ClientWrapper,
    sql: &Sql,
    request: &LeaseRequest,
) -> Result<Option<Lease>, Fault> {
    let Some(epoch) = request.epoch else {
        return Ok(None);
    };
    let [name, log] = key(&request.follower);
    let length = i64::try_from(request.lasts().as_micros()).map_err(|_| Full)?;
    // The time is the server's.
    let stopped = request.stop(SystemTime::UNIX_EPOCH);
    let values: [&(dyn ToSql + Sync); 6] = [
        &name,
        &log,
        &bound(epoch.get()),
        &length,
        &written(&request.holder),
        &stopped.as_ref().map(|stopped| written(&stopped.reason)),
    ];
    let Some(row) = reads::row(client, &sql.renew_lease, &values).await? else {
        return Ok(None);
    };
    Ok(Some(Lease {
        follower: request.follower.clone(),
        epoch,
        until: time(column(&row, 0)?),
    }))
}

/// Takes, renews or gives back a lease, by the server's clock, in a transaction.
pub(crate) async fn lease(
    client: &Transaction<'_>,
    sql: &Sql,
    request: &LeaseRequest,
) -> Result<Result<Lease, LeaseError>, Fault> {
    let follower = &request.follower;
    let standing = locked(client, sql, follower).await?;
    // Asked under the lock: whoever waited for it long is not early.
    let now = time(column(&client.query_one(&sql.read_now, &[]).await?, 0)?);
    let lease = match request.granted(&standing, now) {
        Ok(lease) => Lease {
            until: time(microseconds(lease.until)),
            ..lease
        },
        Err(refused) => return Ok(Err(refused)),
    };
    if swap::runs_inside(client, sql, follower).await? {
        return Ok(Err(LeaseError::Inline {
            follower: follower.clone(),
        }));
    }
    let (is_kept, stopped) = (!request.gives_back(), request.stop(now));
    let stopped = stopped.as_ref();
    let [name, log] = key(follower);
    let values: [&(dyn ToSql + Sync); 9] = [
        &name,
        &log,
        &stored(lease.epoch.get())?,
        &is_kept.then(|| written(&request.holder)),
        &is_kept.then(|| microseconds(request.since(&standing, now))),
        &is_kept.then(|| microseconds(lease.until)),
        &stopped.map(|stopped| written(&stopped.reason)),
        &stopped.map(|stopped| written(&stopped.by)),
        &stopped.map(|stopped| microseconds(stopped.at)),
    ];
    client.execute(&sql.write_lease, &values).await?;
    Ok(Ok(lease))
}

/// Puts a follower somewhere, in a transaction.
pub(crate) async fn place(
    client: &Transaction<'_>,
    sql: &Sql,
    placement: &Placement,
) -> Result<Result<(), LeaseError>, Fault> {
    let before = locked(client, sql, &placement.follower).await?;
    if let Some(refused) = placement.refusal(&before) {
        return Ok(Err(refused));
    }
    if swap::runs_inside(client, sql, &placement.follower).await? {
        return Ok(Err(LeaseError::Inline {
            follower: placement.follower.clone(),
        }));
    }
    let [name, log] = key(&placement.follower);
    let to = stored(placement.to.get())?;
    let stands_at = placement.stands_at.map(Uuid::from);
    let values: [&(dyn ToSql + Sync); 4] = [&name, &log, &to, &stands_at];
    client.execute(&sql.place, &values).await?;
    let from = stored(before.position.get())?;
    let (by, reason) = (written(&placement.by), written(&placement.reason));
    if placement.to == Position::START {
        let dropped: [&(dyn ToSql + Sync); 4] = [&name, &log, &by, &reason];
        client.execute(&sql.drop_parked, &dropped).await?;
    }
    client.execute(&sql.unpark, &values[..3]).await?;
    let values: [&(dyn ToSql + Sync); 6] = [&name, &log, &from, &to, &by, &reason];
    client.execute(&sql.write_placed, &values).await?;
    Ok(Ok(()))
}

pub(crate) async fn placed(
    client: &ClientWrapper,
    sql: &Sql,
    follower: &FollowerId,
) -> Result<Vec<Placed>, Fault> {
    let [name, log] = key(follower);
    let statement = client.prepare_cached(&sql.read_placed).await?;
    let rows = client.query(&statement, &[&name, &log]).await?;
    let placed = rows.iter().map(|row| {
        Ok(Placed {
            from: Position::from(counter(row, 0)?),
            to: Position::from(counter(row, 1)?),
            by: self::name(row, 2)?,
            reason: self::name(row, 3)?,
            time: time(column(row, 4)?),
        })
    });
    placed.collect()
}

/// Decides about parked events, in a transaction; who follows finds it once it is committed.
pub(crate) async fn decide(
    client: &impl GenericClient,
    sql: &Sql,
    follower: &FollowerId,
    stream: &StreamId,
    verdict: &Verdict,
) -> Result<Result<(), ParkedError>, Fault> {
    let not_parked = || {
        Ok(Err(ParkedError::NotParked {
            follower: follower.clone(),
            stream: stream.clone(),
        }))
    };
    // The follower may be about to change what is parked.
    locked(client, sql, follower).await?;
    let about = Advance {
        parking: vec![Parking::Behind {
            stream: stream.clone(),
            position: Position::START,
        }],
        ..Advance::new(follower.clone(), Position::START, Position::START)
    };
    let firsts = first_parked(client, sql, &about).await?;
    let Some(first) = firsts.get(stream) else {
        return not_parked();
    };
    let at = stored(first.get())?;
    let [name, log] = key(follower);
    let key: [&(dyn ToSql + Sync); 3] = [&name, &log, &at];
    match verdict {
        Verdict::Retry => {
            client.execute(&sql.write_retry, &key).await?;
        }
        Verdict::Drop { position, .. } if position != first => return not_parked(),
        Verdict::Drop { by, reason, .. } => {
            let (by, reason) = (written(by), written(reason));
            let values: [&(dyn ToSql + Sync); 5] = [&name, &log, &at, &by, &reason];
            client.execute(&sql.write_dropped, &values).await?;
            client.execute(&sql.delete_parked, &key).await?;
        }
    }
    Ok(Ok(()))
}
