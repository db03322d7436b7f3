//! What is asked and written under the log's lock.
use std::collections::HashMap;

use es_core::persistence::Commit;
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row, Statement};
use uuid::Uuid;

use crate::commit::{End, Known, Stored, StoredEvent, Verdict, parks};
use crate::error::Fault;
use crate::names::written;
use crate::records::{column, counted};
use crate::sql::Sql;
use crate::{followers, reads};

/// The statements, prepared on one connection: prepared, they are sent one after the other without waiting for answers.
pub(crate) struct Locked {
    lock: Statement,
    read_versions: Statement,
    read_commits: Statement,
    read_standings: Statement,
    insert: Statement,
    write_head: Statement,
    write_checkpoints: Statement,
}

type Values<'a, const N: usize> = [&'a (dyn ToSql + Sync); N];

impl Locked {
    pub(crate) async fn prepare(client: &impl GenericClient, sql: &Sql) -> Result<Self, Fault> {
        let (
            lock,
            read_versions,
            read_commits,
            read_standings,
            insert,
            write_head,
            write_checkpoints,
        ) = tokio::try_join!(
            client.prepare(&sql.lock),
            client.prepare(&sql.read_versions),
            client.prepare(&sql.read_commits),
            client.prepare(&sql.read_standings),
            client.prepare(&sql.insert),
            client.prepare(&sql.write_head),
            client.prepare(&sql.write_checkpoints),
        )?;
        Ok(Self {
            lock,
            read_versions,
            read_commits,
            read_standings,
            insert,
            write_head,
            write_checkpoints,
        })
    }

    /// Takes the log's lock.
    pub(crate) async fn lock(&self, client: &impl GenericClient) -> Result<(), Fault> {
        client.query_opt(&self.lock, &[]).await?;
        Ok(())
    }

    /// Takes the log's lock, and then reads what the log has of a group: each statement by a snapshot of its own, taken after the lock.
    pub(crate) async fn read(
        &self,
        client: &impl GenericClient,
        sql: &Sql,
        commits: &[&Commit],
    ) -> Result<Known, Fault> {
        let mut streams: Vec<_> = commits
            .iter()
            .flat_map(|commit| commit.appends.iter().map(|append| &append.stream))
            .collect();
        streams.sort_unstable();
        streams.dedup();
        let mut moved: Vec<_> = commits
            .iter()
            .filter_map(|commit| commit.checkpoint.as_ref().map(|moved| &moved.follower))
            .collect();
        moved.sort_unstable();
        moved.dedup();

        let categories: Vec<_> = streams.iter().map(|at| written(&at.category)).collect();
        let stream_ids: Vec<_> = streams.iter().map(|stream| stream.id).collect();
        let commit_ids: Vec<Uuid> = commits.iter().map(|commit| commit.id.into()).collect();
        let names: Vec<_> = moved.iter().map(|of| written(&of.name)).collect();
        let logs: Vec<_> = moved.iter().map(|of| written(&of.log)).collect();
        let of_streams: Values<'_, 2> = [&categories, &stream_ids];
        let of_commits: Values<'_, 1> = [&commit_ids];
        let of_followers: Values<'_, 2> = [&names, &logs];
        let (end, versions, found, standings) = tokio::try_join!(biased;
            client.query_opt(&self.lock, &[]),
            client.query(&self.read_versions, &of_streams),
            client.query(&self.read_commits, &of_commits),
            async {
                if moved.is_empty() {
                    return Ok(Vec::new());
                }
                client.query(&self.read_standings, &of_followers).await
            },
        )?;

        let end = End::of(&end.ok_or_else(reads::no_log)?)?;
        let versions = counters(&versions)?;
        let standings: Result<_, Fault> = standings.iter().map(followers::standing_of).collect();
        let mut known = Known {
            end,
            versions: streams.into_iter().cloned().zip(versions).collect(),
            commits: HashMap::new(),
            standings: standings?,
            first_parked: HashMap::new(),
        };
        let mut parking = commits.iter().filter(|commit| parks(commit));
        if let Some(advance) = parking.next().and_then(|commit| commit.checkpoint.as_ref()) {
            known.first_parked = followers::first_parked(client, sql, advance).await?;
        }
        for row in &found {
            let found = reads::found(row)?;
            let between: Values<'_, 2> = [&found.first, &found.last];
            // Few commits come twice, so it is prepared when one does.
            let events = client.query(&sql.read_events_of_commit, &between).await?;
            let events: Result<_, Fault> = events.iter().map(StoredEvent::of).collect();
            let events = events?;
            let id = found.committed.commit;
            known.commits.insert(id, Stored { found, events });
        }
        Ok(known)
    }

    /// Writes what a verdict says about parked events: one statement after the other, so what follows must not be sent before.
    pub(crate) async fn park(
        &self,
        client: &impl GenericClient,
        sql: &Sql,
        verdict: &Verdict<'_>,
    ) -> Result<(), Fault> {
        for advance in &verdict.parking {
            followers::park(client, sql, advance).await?;
        }
        Ok(())
    }

    /// Writes what else a verdict says, all of it sent at once.
    pub(crate) async fn write(
        &self,
        client: &impl GenericClient,
        verdict: &Verdict<'_>,
    ) -> Result<(), Fault> {
        if !verdict.changed {
            return Ok(());
        }
        let moved = &verdict.checkpoints;
        let names: Vec<_> = moved.keys().map(|of| written(&of.name)).collect();
        let logs: Vec<_> = moved.keys().map(|of| written(&of.log)).collect();
        let (positions, commits): (Vec<_>, Vec<_>) = moved.values().copied().unzip();
        let rows = verdict.rows.columns();
        let end: Values<'_, 2> = [&verdict.end.head, &verdict.end.microseconds()];
        let checkpoints: Values<'_, 4> = [&names, &logs, &positions, &commits];
        let has_rows = verdict.rows.count() > 0;
        let when = |wanted: bool, statement, values| async move {
            match wanted {
                true => client.execute(statement, values).await,
                false => Ok(0),
            }
        };
        tokio::try_join!(biased;
            when(has_rows, &self.insert, &rows[..]),
            when(has_rows, &self.write_head, &end[..]),
            when(!moved.is_empty(), &self.write_checkpoints, &checkpoints[..]),
        )?;
        Ok(())
    }
}

fn counters(rows: &[Row]) -> Result<Vec<u64>, Fault> {
    rows.iter().map(|row| counted(column(row, 0)?, 0)).collect()
}
