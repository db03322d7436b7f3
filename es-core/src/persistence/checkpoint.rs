//! How far a follower is, kept in the same commit as what it made of the events.
use std::borrow::Cow;
use std::fmt;

use futures_core::future::BoxFuture;

use super::ReadError;
use crate::domain::Position;

/// Names a follower of one log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FollowerId {
    /// The follower's name.
    pub name: Cow<'static, str>,
    /// The name of the application whose log it follows.
    pub log: Cow<'static, str>,
}

impl FollowerId {
    /// Names a follower of the log of an application.
    pub fn new(name: impl Into<Cow<'static, str>>, log: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            log: log.into(),
        }
    }
}

impl fmt::Display for FollowerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` on the log of `{}`", self.name, self.log)
    }
}

/// Moves a checkpoint, as a part of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// Whose checkpoint.
    pub follower: FollowerId,
    /// Where it must be.
    pub from: Position,
    /// Where it goes: further on.
    pub to: Position,
}

/// Reads checkpoints. They are written by [commits](super::Commit).
pub trait CheckpointStore: Send + Sync + 'static {
    /// The last position that a follower has processed; [`Position::START`] for one that is not known.
    ///
    /// # Errors
    /// [`ReadError`].
    fn checkpoint<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Position, ReadError>>;
}
