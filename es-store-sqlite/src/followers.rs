//! What is kept of followers: checkpoints, leases, and what they set aside.
use std::collections::HashSet;
use std::time::SystemTime;

use es_core::persistence::{
    Advance, AppendError, CommitId, Dropped, Epoch, FollowerId, Lease, LeaseError, LeaseRequest,
    Parked, ParkedError, Parking, Placed, Placement, Standing, Stopped, Verdict,
};
use es_core::{Position, StreamId};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use uuid::Uuid;

use crate::records::{counter, microseconds, stored, time};
use crate::sql::Sql;
use crate::tables;

/// All that is kept of a follower.
pub(crate) fn standing(
    connection: &Connection,
    sql: &Sql,
    follower: &FollowerId,
) -> Result<Standing> {
    let mut statement = connection.prepare_cached(&sql.read_standing)?;
    let standing = statement.query_row(params![follower.name, follower.log], |row| {
        Ok(Standing {
            position: Position::from(counter(row, 0)?),
            stands_at: row.get::<_, Option<Uuid>>(1)?.map(CommitId::from),
            revision: row.get(2)?,
            epoch: Epoch::from(counter(row, 3)?),
            holder: row.get(4)?,
            since: row.get::<_, Option<i64>>(5)?.map(time),
            until: row.get::<_, Option<i64>>(6)?.map(time),
            stopped: stopped(row)?,
        })
    });
    Ok(standing.optional()?.unwrap_or_default())
}

fn stopped(row: &Row<'_>) -> Result<Option<Stopped>> {
    let Some(reason) = row.get(7)? else {
        return Ok(None);
    };
    Ok(Some(Stopped {
        reason,
        by: row.get(8)?,
        at: time(row.get(9)?),
    }))
}

/// Why a checkpoint cannot be moved, before anything is written.
pub(crate) fn refusal(
    connection: &Connection,
    sql: &Sql,
    advance: &Advance,
) -> Result<Option<AppendError>> {
    let standing = standing(connection, sql, &advance.follower)?;
    if let Some(refused) = advance.refusal(&standing) {
        return Ok(Some(refused));
    }
    let mut aside: HashSet<&StreamId> = HashSet::new();
    for parking in &advance.parking {
        let first = |stream: &StreamId| first_parked(connection, sql, &advance.follower, stream);
        let holds = match parking {
            Parking::Aside { stream, .. } => first(stream)?.is_none() && aside.insert(stream),
            Parking::Behind { stream, .. } => aside.contains(stream) || first(stream)?.is_some(),
            Parking::Handled { position } | Parking::Failed { position, .. } => {
                let mut statement = connection.prepare_cached(&sql.read_parked_stream)?;
                let follower = &advance.follower;
                let at = params![follower.name, follower.log, stored(position.get())?];
                let stream = statement
                    .query_row(at, |row| {
                        Ok(StreamId::new(row.get::<_, String>(0)?, row.get(1)?))
                    })
                    .optional()?;
                match stream {
                    Some(stream) => first(&stream)? == Some(*position),
                    None => false,
                }
            }
        };
        if !holds {
            return Ok(Some(AppendError::Parking {
                follower: advance.follower.clone(),
                position: parking.position(),
            }));
        }
    }
    Ok(None)
}

/// The first parked event of a stream.
fn first_parked(
    connection: &Connection,
    sql: &Sql,
    follower: &FollowerId,
    stream: &StreamId,
) -> Result<Option<Position>> {
    let mut statement = connection.prepare_cached(&sql.read_first_parked)?;
    let of = params![follower.name, follower.log, stream.category, stream.id];
    let first = statement.query_row(of, |row| counter(row, 0)).optional()?;
    Ok(first.map(Position::from))
}

/// Moves a checkpoint that was not refused.
pub(crate) fn advance(
    connection: &Connection,
    sql: &Sql,
    advance: &Advance,
    now: SystemTime,
) -> Result<()> {
    let FollowerId { name, log } = &advance.follower;
    let mut statement = connection.prepare_cached(&sql.write_checkpoint)?;
    let stands_at = advance.stands_at.map(Uuid::from);
    statement.execute(params![name, log, stored(advance.to.get())?, stands_at])?;
    for parking in &advance.parking {
        let position = stored(parking.position().get())?;
        let park = |stream: &StreamId, failure: Option<&str>, attempts: u32| {
            let mut statement = connection.prepare_cached(&sql.write_parked)?;
            statement.execute(params![
                name,
                log,
                position,
                stream.category,
                stream.id,
                failure,
                attempts,
                microseconds(now)
            ])
        };
        match parking {
            Parking::Aside {
                stream,
                failure,
                attempts,
                ..
            } => park(stream, Some(failure), *attempts)?,
            Parking::Behind { stream, .. } => park(stream, None, 0)?,
            Parking::Handled { .. } => {
                let mut statement = connection.prepare_cached(&sql.delete_parked)?;
                statement.execute(params![name, log, position])?
            }
            Parking::Failed {
                failure, attempts, ..
            } => {
                let mut statement = connection.prepare_cached(&sql.write_failed)?;
                statement.execute(params![name, log, position, failure, attempts])?
            }
        };
    }
    Ok(())
}

pub(crate) fn known(connection: &Connection, sql: &Sql) -> Result<Vec<FollowerId>> {
    let mut statement = connection.prepare_cached(&sql.read_followers)?;
    let rows = statement.query_map((), |row| {
        Ok(FollowerId::new(
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
        ))
    })?;
    rows.collect()
}

pub(crate) fn parked(
    connection: &Connection,
    sql: &Sql,
    follower: &FollowerId,
) -> Result<Vec<Parked>> {
    let mut statement = connection.prepare_cached(&sql.read_parked)?;
    let rows = statement.query_map(params![follower.name, follower.log], |row| {
        Ok(Parked {
            position: Position::from(counter(row, 0)?),
            stream: StreamId::new(row.get::<_, String>(1)?, row.get(2)?),
            failure: row.get(3)?,
            attempts: row.get(4)?,
            since: time(row.get(5)?),
            retry: row.get(6)?,
        })
    })?;
    rows.collect()
}

pub(crate) fn dropped(
    connection: &Connection,
    sql: &Sql,
    follower: &FollowerId,
) -> Result<Vec<Dropped>> {
    let mut statement = connection.prepare_cached(&sql.read_dropped)?;
    let rows = statement.query_map(params![follower.name, follower.log], |row| {
        Ok(Dropped {
            position: Position::from(counter(row, 0)?),
            stream: StreamId::new(row.get::<_, String>(1)?, row.get(2)?),
            failure: row.get(3)?,
            by: row.get(4)?,
            reason: row.get(5)?,
            time: time(row.get(6)?),
        })
    })?;
    rows.collect()
}

/// Takes, renews or gives back a lease, under the write lock.
pub(crate) fn lease(
    connection: &Connection,
    sql: &Sql,
    request: &LeaseRequest,
    now: SystemTime,
) -> Result<std::result::Result<Lease, LeaseError>> {
    let follower = &request.follower;
    let standing = standing(connection, sql, follower)?;
    let lease = match request.granted(&standing, now) {
        Ok(lease) => Lease {
            until: time(microseconds(lease.until)),
            ..lease
        },
        Err(refused) => return Ok(Err(refused)),
    };
    if tables::runs_inside(connection, sql, follower)? {
        return Ok(Err(LeaseError::Inline {
            follower: follower.clone(),
        }));
    }
    let (is_kept, stopped) = (!request.gives_back(), request.stop(now));
    let mut statement = connection.prepare_cached(&sql.write_lease)?;
    statement.execute(params![
        follower.name,
        follower.log,
        stored(lease.epoch.get())?,
        is_kept.then_some(&request.holder),
        is_kept.then(|| microseconds(request.since(&standing, now))),
        is_kept.then(|| microseconds(lease.until)),
        stopped.as_ref().map(|stopped| &stopped.reason),
        stopped.as_ref().map(|stopped| &stopped.by),
        stopped.as_ref().map(|stopped| microseconds(stopped.at))
    ])?;
    Ok(Ok(lease))
}

/// Puts a follower somewhere, under the write lock.
pub(crate) fn place(
    connection: &Connection,
    sql: &Sql,
    placement: &Placement,
    now: SystemTime,
) -> Result<std::result::Result<(), LeaseError>> {
    let before = standing(connection, sql, &placement.follower)?;
    if let Some(refused) = placement.refusal(&before) {
        return Ok(Err(refused));
    }
    if tables::runs_inside(connection, sql, &placement.follower)? {
        return Ok(Err(LeaseError::Inline {
            follower: placement.follower.clone(),
        }));
    }
    let FollowerId { name, log } = &placement.follower;
    let to = stored(placement.to.get())?;
    let stands_at = placement.stands_at.map(Uuid::from);
    connection.execute(&sql.place, params![name, log, to, stands_at])?;
    let (from, time) = (stored(before.position.get())?, microseconds(now));
    let Placement { by, reason, .. } = placement;
    if placement.to == Position::START {
        connection.execute(&sql.drop_parked, params![name, log, by, reason, time])?;
    }
    connection.execute(&sql.unpark, params![name, log, to])?;
    connection.execute(
        &sql.write_placed,
        params![name, log, from, to, by, reason, time],
    )?;
    Ok(Ok(()))
}

pub(crate) fn placed(
    connection: &Connection,
    sql: &Sql,
    follower: &FollowerId,
) -> Result<Vec<Placed>> {
    let mut statement = connection.prepare_cached(&sql.read_placed)?;
    let rows = statement.query_map(params![follower.name, follower.log], |row| {
        Ok(Placed {
            from: Position::from(counter(row, 0)?),
            to: Position::from(counter(row, 1)?),
            by: row.get(2)?,
            reason: row.get(3)?,
            time: time(row.get(4)?),
        })
    })?;
    rows.collect()
}

/// Decides about parked events, under the write lock.
pub(crate) fn decide(
    connection: &Connection,
    sql: &Sql,
    follower: &FollowerId,
    stream: &StreamId,
    verdict: &Verdict,
    now: SystemTime,
) -> Result<std::result::Result<(), ParkedError>> {
    let not_parked = || {
        Ok(Err(ParkedError::NotParked {
            follower: follower.clone(),
            stream: stream.clone(),
        }))
    };
    let Some(first) = first_parked(connection, sql, follower, stream)? else {
        return not_parked();
    };
    let at = stored(first.get())?;
    let FollowerId { name, log } = follower;
    match verdict {
        Verdict::Retry => {
            connection.execute(&sql.write_retry, params![name, log, at])?;
        }
        Verdict::Drop { position, .. } if *position != first => return not_parked(),
        Verdict::Drop { by, reason, .. } => {
            let values = params![name, log, at, by, reason, microseconds(now)];
            connection.execute(&sql.write_dropped, values)?;
            connection.execute(&sql.delete_parked, params![name, log, at])?;
        }
    }
    Ok(Ok(()))
}
