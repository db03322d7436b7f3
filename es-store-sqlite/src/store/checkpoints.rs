//! What a store keeps of followers.
use std::sync::Arc;

use es_core::persistence::{
    CheckpointStore, Dropped, FollowerId, Lease, LeaseError, LeaseRequest, Parked, ParkedError,
    Placed, Placement, ReadError, Standing, Verdict,
};
use es_core::{Position, StreamId};
use futures_core::future::BoxFuture;

use super::{SqliteStore, committed};
use crate::error::explained;
use crate::{followers, reads};

impl CheckpointStore for SqliteStore {
    fn checkpoint<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Position, ReadError>> {
        Box::pin(async move { self.read(|reader, sql| reads::checkpoint(reader, sql, follower)) })
    }

    fn standing<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Standing, ReadError>> {
        Box::pin(async move {
            let standing = self.read(|reader, sql| followers::standing(reader, sql, follower))?;
            Ok(standing.at(self.shared.clock.now()))
        })
    }

    fn followers(&self) -> BoxFuture<'_, Result<Vec<FollowerId>, ReadError>> {
        Box::pin(async move { self.read(followers::known) })
    }

    fn lease(&self, request: LeaseRequest) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        Box::pin(async move {
            let clock = Arc::clone(&self.shared.clock);
            let taken = self.alone(move |connection, sql| {
                // The time under the lock: whoever waited for it long is not early.
                committed(connection, |tx| {
                    followers::lease(tx, sql, &request, clock.now())
                })
            });
            match taken.await {
                Ok(Ok(taken)) => taken,
                Ok(Err(error)) => Err(LeaseError::Store(explained(&Arc::new(error)))),
                Err(error) => Err(LeaseError::Store(error.into())),
            }
        })
    }

    fn place(&self, placement: Placement) -> BoxFuture<'_, Result<(), LeaseError>> {
        Box::pin(async move {
            let now = self.now();
            let placed = self.alone(move |connection, sql| {
                committed(connection, |tx| followers::place(tx, sql, &placement, now))
            });
            let placed = match placed.await {
                Ok(Ok(placed)) => placed,
                Ok(Err(error)) => Err(LeaseError::Store(explained(&Arc::new(error)))),
                Err(error) => Err(LeaseError::Store(error.into())),
            };
            self.shared.changed.notify(usize::MAX);
            placed
        })
    }

    fn placed<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Placed>, ReadError>> {
        Box::pin(async move { self.read(|reader, sql| followers::placed(reader, sql, follower)) })
    }

    fn parked<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Parked>, ReadError>> {
        Box::pin(async move { self.read(|reader, sql| followers::parked(reader, sql, follower)) })
    }

    fn decide<'a>(
        &'a self,
        follower: &'a FollowerId,
        stream: &'a StreamId,
        verdict: Verdict,
    ) -> BoxFuture<'a, Result<(), ParkedError>> {
        Box::pin(async move {
            let (follower, stream, now) = (follower.clone(), stream.clone(), self.now());
            let decided = self.alone(move |connection, sql| {
                committed(connection, |tx| {
                    followers::decide(tx, sql, &follower, &stream, &verdict, now)
                })
            });
            let decided = match decided.await {
                Ok(Ok(decided)) => decided,
                Ok(Err(error)) => Err(ParkedError::Store(explained(&Arc::new(error)))),
                Err(error) => Err(ParkedError::Store(error.into())),
            };
            self.shared.changed.notify(usize::MAX);
            decided
        })
    }

    fn dropped<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Dropped>, ReadError>> {
        Box::pin(async move { self.read(|reader, sql| followers::dropped(reader, sql, follower)) })
    }
}
