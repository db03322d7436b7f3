//! What a store keeps of followers.
use deadpool_postgres::Object;
use es_core::persistence::{
    BoxFuture, CheckpointStore, Dropped, FollowerId, Lease, LeaseError, LeaseRequest, Parked,
    ParkedError, Placed, Placement, ReadError, Standing, Verdict,
};
use es_core::{Position, StreamId};
use tokio_postgres::{IsolationLevel, Transaction};

use super::{PostgresStore, Shared};
use crate::connection::in_time;
use crate::error::Fault;
use crate::{followers, reads};

impl CheckpointStore for PostgresStore {
    fn checkpoint<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Position, ReadError>> {
        let shared = &*self.shared;
        self.read(async move {
            reading!(
                shared,
                client,
                reads::checkpoint(&client, &shared.sql, follower)
            )
        })
    }

    fn standing<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Standing, ReadError>> {
        let shared = &*self.shared;
        self.read(async move {
            reading!(
                shared,
                client,
                followers::standing(&client, &shared.sql, follower)
            )
        })
    }

    fn lease(&self, request: LeaseRequest) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        let shared = &*self.shared;
        let leasing = self.on_its_runtime(async move {
            let renewed = reading!(
                shared,
                client,
                followers::renew(&client, &shared.sql, &request)
            )?;
            if let Some(lease) = renewed {
                return Ok(Ok(lease));
            }
            altering!(
                shared,
                transaction,
                followers::lease(transaction, &shared.sql, &request)
            )
        });
        Box::pin(async move {
            let failed = |fault: Fault| Err(LeaseError::Store(fault.explained()));
            leasing.await.unwrap_or_else(failed)
        })
    }

    fn place(&self, placement: Placement) -> BoxFuture<'_, Result<(), LeaseError>> {
        let shared = &*self.shared;
        let placing = self.on_its_runtime(async move {
            altering!(shared, transaction, async {
                let sql = &shared.sql;
                let placed = followers::place(transaction, sql, &placement).await?;
                transaction.execute(&sql.notify, &[&shared.handle]).await?;
                Ok::<_, Fault>(placed)
            })
        });
        Box::pin(async move {
            let failed = |fault: Fault| Err(LeaseError::Store(fault.explained()));
            let placed = placing.await.unwrap_or_else(failed);
            shared.changed.notify(usize::MAX);
            placed
        })
    }

    fn placed<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Placed>, ReadError>> {
        let shared = &*self.shared;
        self.read(async move {
            reading!(
                shared,
                client,
                followers::placed(&client, &shared.sql, follower)
            )
        })
    }

    fn followers(&self) -> BoxFuture<'_, Result<Vec<FollowerId>, ReadError>> {
        let shared = &*self.shared;
        self.read(async move { reading!(shared, client, followers::known(&client, &shared.sql)) })
    }

    fn parked<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Parked>, ReadError>> {
        let shared = &*self.shared;
        self.read(async move {
            reading!(
                shared,
                client,
                followers::parked(&client, &shared.sql, follower)
            )
        })
    }

    fn decide<'a>(
        &'a self,
        follower: &'a FollowerId,
        stream: &'a StreamId,
        verdict: Verdict,
    ) -> BoxFuture<'a, Result<(), ParkedError>> {
        let shared = &*self.shared;
        let deciding = self.on_its_runtime(async move {
            altering!(shared, transaction, async {
                let sql = &shared.sql;
                let decided = followers::decide(transaction, sql, follower, stream, &verdict);
                let decided = decided.await?;
                transaction.execute(&sql.notify, &[&shared.handle]).await?;
                Ok::<_, Fault>(decided)
            })
        });
        Box::pin(async move {
            let failed = |fault: Fault| Err(ParkedError::Store(fault.explained()));
            let decided = deciding.await.unwrap_or_else(failed);
            shared.changed.notify(usize::MAX);
            decided
        })
    }

    fn dropped<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Dropped>, ReadError>> {
        let shared = &*self.shared;
        self.read(async move {
            reading!(
                shared,
                client,
                followers::dropped(&client, &shared.sql, follower)
            )
        })
    }
}
