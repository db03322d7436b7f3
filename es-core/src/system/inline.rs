//! Projections inside of commits: what a store needs to know of one, and who may not run beside it.
use std::fmt;

use super::Projection;
use crate::application::{Application, OpenError, at_once};
use crate::domain::{StreamId, Version};
use crate::persistence::{
    AppendError, BoxError, Codecs, DecodeError, EventSet, EventStore, Filter, FollowerId, Record,
    Recorded, RefusedEvent, Standing,
};

/// A projection that a store runs inside of the commits of an application: under which name its checkpoint is kept, and how the application's
/// payloads are opened. For stores.
///
/// A store's `inline::<P>(&app, projection)` does this, all but the first in one transaction, under the lock that its commits take:
///
/// 1. It makes this by [`Inlined::new`].
/// 2. It asks [`may_begin`](Self::may_begin), by what it keeps of the [name](Self::follower) and has parked under it.
/// 3. Where what there is was made by another [revision](Self::revision), it is thrown away, made anew and empty, and the checkpoint is at the start;
///    where it is of this revision, also where a follower made it, it goes on from its checkpoint. [`Standing::revision`] is this revision from now on.
/// 4. It notes under the name that it runs inside of commits. That note outlasts the process, until `end_inline`: while it is there,
///    [`lease`](crate::persistence::CheckpointStore::lease) and [`place`](crate::persistence::CheckpointStore::place) are refused in every process
///    ([`LeaseError::Inline`](crate::persistence::LeaseError::Inline)), and [`followers`](crate::persistence::CheckpointStore::followers) leaves the
///    name out. Where it was not there before, the epoch is raised, and holder and end of an earlier lease are cleared: who had one is told
///    [`Fenced`](crate::persistence::LeaseError::Fenced), which comes before `Inline`.
/// 5. It handles all that the log holds beyond the checkpoint and that passes the [filter](Self::filter), not the newest commit alone, and moves the
///    checkpoint to the head of the log.
///
/// From then on each commit of that process does this, before anybody sees it:
///
/// 1. It asks [`check_revision`](Self::check_revision): another program may have begun with a newer one.
/// 2. It handles, as in 5, what is beyond the checkpoint: its own events, and before them what processes wrote that do not run the projection.
/// 3. Where the projection fails, or panics (the store catches that, and makes it a [`HandlerPanicked`](super::HandlerPanicked)), the commit is refused
///    by [`refused_at`](Self::refused_at), and nothing of it is stored; other commits of the same group are.
///
/// A commit that was stored before and is sent again is not handled again. `end_inline` removes the note; what was made, checkpoint and epoch stay, and
/// a follower may go on with them.
#[derive(Clone)]
pub struct Inlined {
    follower: FollowerId,
    revision: u32,
    filter: Filter,
    /// Not the application, which holds the store that holds this.
    codecs: Codecs,
}

impl Inlined {
    /// A projection inside of the commits of an application that keeps its log in `store`.
    ///
    /// # Errors
    /// [`InlineError::Elsewhere`] where the application is known to keep it in another; [`OpenError`], as [`InlineError::Open`], where it is another
    /// application's.
    pub async fn new<P: Projection>(
        app: &Application,
        store: &dyn EventStore,
    ) -> Result<Self, InlineError> {
        const { P::HAS_A_REVISION };
        let theirs = app.keeps_in().identity();
        if theirs
            .zip(store.identity())
            .is_some_and(|(theirs, this)| theirs != this)
        {
            return Err(InlineError::Elsewhere);
        }
        if let Some(name) = app.name() {
            let owner = store.owner(name).await.map_err(OpenError::from)?;
            if owner != name {
                let name = name.to_owned();
                return Err(OpenError::Foreign { name, owner }.into());
            }
        }
        Ok(Self {
            follower: FollowerId::new(P::NAME, app.log_name()),
            revision: P::REVISION,
            filter: P::Events::filter(),
            codecs: app.codecs(),
        })
    }

    /// Under which name its checkpoint is kept.
    #[must_use]
    pub fn follower(&self) -> &FollowerId {
        &self.follower
    }

    /// The revision of what it makes, from 1.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// Which events it handles.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Makes a record an event again, at once: whoever commits holds the lock of the log. `None` where it was erased: it is passed over.
    ///
    /// # Errors
    /// [`NotAtOnce`].
    pub fn event<E: EventSet>(&self, record: &Record) -> Result<Option<Recorded<E>>, NotAtOnce> {
        if Codecs::is_plain(&record.payload) {
            return Ok(Some(Recorded::of(record)?));
        }
        let mut record = record.clone();
        match at_once(self.codecs.open_record(&mut record)) {
            Some(Err(DecodeError::Erased { .. })) => return Ok(None),
            Some(opened) => opened?,
            None => {
                return Err(NotAtOnce::MustWait {
                    stream: record.stream,
                    version: record.version,
                    event: record.event.into_owned(),
                });
            }
        }
        Ok(Some(Recorded::of(&record)?))
    }

    /// Whether it may begin where its name stands now, `parked` events of which are set aside.
    ///
    /// # Errors
    /// [`InlineError::Followed`], [`InlineError::Outdated`], [`InlineError::Parked`].
    pub fn may_begin(&self, standing: &Standing, parked: usize) -> Result<(), InlineError> {
        let follower = || self.follower.clone();
        if let Some(holder) = &standing.holder {
            return Err(InlineError::Followed {
                follower: follower(),
                holder: holder.clone(),
            });
        }
        if standing.revision > self.revision {
            return Err(InlineError::Outdated {
                follower: follower(),
                live: standing.revision,
                known: self.revision,
            });
        }
        if parked > 0 {
            return Err(InlineError::Parked {
                follower: follower(),
                events: parked,
            });
        }
        Ok(())
    }

    /// Refuses what was made by another revision than this program's.
    ///
    /// # Errors
    /// [`AppendError::Projection`] with [`AnotherRevision`].
    pub fn check_revision(&self, found: u32) -> Result<(), AppendError> {
        if found == self.revision {
            return Ok(());
        }
        Err(self.refused(AnotherRevision {
            found,
            known: self.revision,
        }))
    }

    /// Says that the projection refused a commit, and nothing of the event at which it did.
    pub fn refused(&self, source: impl Into<BoxError>) -> AppendError {
        self.refused_for(None, source.into())
    }

    /// Says that the projection could not handle an event, so that the commit is refused.
    pub fn refused_at(&self, record: &Record, source: impl Into<BoxError>) -> AppendError {
        self.refused_for(Some(Box::new(RefusedEvent::of(record))), source.into())
    }

    fn refused_for(&self, event: Option<Box<RefusedEvent>>, source: BoxError) -> AppendError {
        AppendError::Projection {
            projection: self.follower.name.clone().into_owned(),
            event,
            source,
        }
    }
}

impl fmt::Debug for Inlined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inlined")
            .field("follower", &self.follower)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// Why a projection inside of a commit was not given an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAtOnce {
    /// The key that opens it does not answer at once.
    #[error(
        "`{event}` of `{stream}` at version {version} would have to wait for its key, and a commit cannot; use keys that are answered from \
         memory, or let the projection follow the log"
    )]
    MustWait {
        /// The stream of the event.
        stream: StreamId,
        /// Its version.
        version: Version,
        /// Its stored name.
        event: String,
    },
    /// It cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// What a projection inside of commits has made is of another revision than the program's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "what it makes is of revision {found} by now, and this program makes revision {known}; {}", self.way_out()
)]
pub struct AnotherRevision {
    /// The revision that readers see.
    pub found: u32,
    /// The revision of this program.
    pub known: u32,
}

impl AnotherRevision {
    /// Whether a commit is refused for it, whatever is in the commit.
    pub(super) fn refuses(refused: &AppendError) -> bool {
        matches!(refused, AppendError::Projection { source, .. } if source.is::<Self>())
    }

    /// An older one is found where a backup was restored, for instance; a newer one is not replaced by `inline`.
    fn way_out(self) -> String {
        match self.found > self.known {
            true => format!(
                "use the newer program, or give this one a `REVISION` above {}, which makes it anew",
                self.found
            ),
            false => "call `inline` again, which makes it anew".to_owned(),
        }
    }
}

/// Why a projection does not run inside of commits. It does not; what it had made is as it was, except as said.
///
/// Its `Debug`, which is what a `main` that returns it prints, tells the error with its causes; `{:#?}` shows what is in it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum InlineError {
    /// The log is not the application's.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The application is known to keep its events in another log, in whose commits it would have to run. It runs in the commits of this very store and its
    /// clones: build the application on one of those.
    #[error(
        "the application keeps its events in another store; call `inline` of that one, or give it the application that is built on this one"
    )]
    Elsewhere,
    /// It follows the log, under a lease.
    #[error(
        "{follower} follows the log, run by {holder}; stop that, or give one of the two a `NAME` of its own"
    )]
    Followed {
        /// Under which name its checkpoint is kept.
        follower: FollowerId,
        /// Who runs it.
        holder: String,
    },
    /// What readers see was made by newer code.
    #[error(
        "what {follower} makes is of revision {live} already, and this program makes revision {known}; use the newer program, or give this one a \
         `REVISION` above {live}, which makes it anew"
    )]
    Outdated {
        /// Under which name its checkpoint is kept.
        follower: FollowerId,
        /// The revision that readers see.
        live: u32,
        /// The revision of this program.
        known: u32,
    },
    /// Events that its name could not handle while it followed are set aside, and inside of commits nothing waits.
    #[error(
        "{follower} has set {events} events aside; let it follow the log until they are handled, or drop them"
    )]
    Parked {
        /// Under which name its checkpoint is kept.
        follower: FollowerId,
        /// How many, with those that wait behind others.
        events: usize,
    },
    /// Its tables could not be made.
    #[error("what {follower} writes to could not be made ready")]
    Prepare {
        /// Under which name its checkpoint is kept.
        follower: FollowerId,
        /// Why.
        source: BoxError,
    },
    /// The store refused it; [`AppendError::Projection`] where the projection cannot handle what is in the log already.
    #[error(transparent)]
    Store(#[from] AppendError),
}

__debug_with_causes!(InlineError {
    Open(error),
    Elsewhere,
    Followed { follower, holder },
    Outdated { follower, live, known },
    Parked { follower, events },
    Prepare { follower, source },
    Store(error),
});

impl From<InlineError> for crate::application::Error {
    fn from(error: InlineError) -> Self {
        Self::Open(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::AnotherRevision;

    #[test]
    fn another_revision_says_what_helps() {
        let (found, known) = (2, 1);
        assert_eq!(
            AnotherRevision { found, known }.to_string(),
            "what it makes is of revision 2 by now, and this program makes revision 1; use the newer program, or give this one a `REVISION` above 2, \
             which makes it anew"
        );
        assert_eq!(
            AnotherRevision {
                found: known,
                known: found
            }
            .to_string(),
            "what it makes is of revision 1 by now, and this program makes revision 2; call `inline` again, which makes it anew"
        );
    }
}
