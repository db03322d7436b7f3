//! What errors mean for whoever made the call, over all layers.
use crate::Error;
use crate::application::{
    LoadError, LogError, OpenError, SaveError, SnapshotError, UpdateError, WaitError,
};
use crate::domain::Version;
use crate::persistence::{
    AppendError, BoxError, CodecError, DecodeError, EncodeError, KeepError, ParkedError, ReadError,
};
use crate::system::FollowError;

/// What an [`Error`] means for whoever made the call: what a client is answered, and whether trying again is of use.
///
/// The error itself says what happened and what to do; this is for programs that need not know more.
///
/// ```
/// use es_core::{Error, ErrorKind};
///
/// /// The status of an HTTP answer. What is not the client's fault is told to the operator, and not to him.
/// fn status(error: &Error) -> u16 {
///     match error.kind() {
///         ErrorKind::NotFound => 404,
///         ErrorKind::Conflict | ErrorKind::AlreadyExists => 409,
///         ErrorKind::Erased => 410,
///         ErrorKind::Refused | ErrorKind::Invalid => 422,
///         ErrorKind::Unavailable | ErrorKind::Busy | ErrorKind::Unknown => 503,
///         _ => 500,
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It is not there: an aggregate, a version, a state before the first event, a follower, a parked event.
    NotFound,
    /// Somebody else was faster. Nothing was stored: get it again, and decide again.
    Conflict,
    /// What was to be created is there. Nothing was stored, and trying again ends no other way.
    AlreadyExists,
    /// The domain said no, in the closure of an update. Nothing was stored.
    Refused,
    /// What was given cannot be stored: it is too large or too deep, would not be read again as it is, or its key was used by another command before.
    /// Nothing was stored.
    Invalid,
    /// Its key was destroyed on purpose.
    Erased,
    /// Whether it is stored is not known. Saving the same aggregates again stores them once, and so does a command under the same key
    /// ([`once`](crate::Application::once)); any other would do it twice.
    Unknown,
    /// A store, or the keys, cannot be reached, or could not write. Nothing was stored; later it may work. So is every store that cannot be opened: what
    /// is in the way of that says its own error, in [`Error::Open`], and `es_store::Reason::of` in one word.
    Unavailable,
    /// Another has what is asked for, or what was waited for has not come in time. Later it may work.
    Busy,
    /// A handler of the program failed: a follower stopped or set the event aside, or a projection inside of the commit refused that. It goes on
    /// once somebody mends it.
    Failed,
    /// This program cannot read what is stored: it is damaged, of newer code, or under a key that the program does not have.
    Unreadable,
    /// The program, or what it was told by its settings, must be corrected.
    Misuse,
}

impl Error {
    /// What it means for whoever made the call.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Open(error) => of_opening(error),
            Self::Save(error) => of_save(error),
            Self::Load(error) => of_load(error),
            Self::Log(error) => match error {
                LogError::Open(error) => of_open(error),
                LogError::Decode(error) => of_decode(error),
                LogError::Store(error) => of_read(error),
            },
            Self::Snapshot(error) => match error {
                SnapshotError::NotDeclared { .. } | SnapshotError::Off => ErrorKind::Misuse,
                SnapshotError::NotFaithful { .. } => ErrorKind::Invalid,
                SnapshotError::Load(error) => of_load(error),
                SnapshotError::Codec { source, .. } => of_writing(source),
                SnapshotError::Drop(KeepError::Unavailable(_))
                | SnapshotError::Keep {
                    source: KeepError::Unavailable(_),
                    ..
                } => ErrorKind::Unavailable,
            },
            Self::Wait(error) => match error {
                WaitError::TimedOut { .. } | WaitError::Unsettled { .. } => ErrorKind::Busy,
                WaitError::Parked { .. } => ErrorKind::Failed,
                WaitError::Open(error) => of_open(error),
                WaitError::Store { source, .. } => of_read(source),
            },
            Self::Follow(error) => error.downcast_ref().map_or(ErrorKind::Failed, of_following),
            Self::Refused(_) => ErrorKind::Refused,
        }
    }
}

impl<E> UpdateError<E> {
    /// What it means for whoever made the call.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(_) => ErrorKind::Refused,
            Self::Failed(error) => error.kind(),
        }
    }
}

impl AppendError {
    /// What it means for whoever made the call: as of the [`Error`] that saving the same would have ended with.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Conflict {
                expected: Version::NEW,
                ..
            } => ErrorKind::AlreadyExists,
            Self::Conflict { .. }
            | Self::Checkpoint { .. }
            | Self::Fenced { .. }
            | Self::Parking { .. } => ErrorKind::Conflict,
            Self::Projection { .. } => ErrorKind::Failed,
            Self::TooLarge { .. }
            | Self::MetadataTooLarge { .. }
            | Self::MetadataTooDeep { .. } => ErrorKind::Invalid,
            Self::IdTaken { .. } | Self::WrongTransaction { .. } => ErrorKind::Misuse,
            Self::Failed(_) => ErrorKind::Unavailable,
            Self::Unavailable(_) => ErrorKind::Unknown,
        }
    }
}

fn of_opening(error: &BoxError) -> ErrorKind {
    error.downcast_ref().map_or(ErrorKind::Unavailable, of_open)
}

fn of_open(error: &OpenError) -> ErrorKind {
    match error {
        OpenError::Foreign { .. } => ErrorKind::Misuse,
        OpenError::Store(error) => of_read(error),
    }
}

fn of_save(error: &SaveError) -> ErrorKind {
    match error {
        SaveError::Open(error) => of_open(error),
        SaveError::AlreadyExists { .. } => ErrorKind::AlreadyExists,
        SaveError::Conflict { .. } => ErrorKind::Conflict,
        SaveError::KeyTaken { .. } => ErrorKind::Invalid,
        SaveError::NotCreated { .. }
        | SaveError::Panicked { .. }
        | SaveError::Replaced { .. }
        | SaveError::Resized { .. }
        | SaveError::Twice { .. }
        | SaveError::CategoryTaken(_)
        | SaveError::WrongKeys(_)
        | SaveError::MustWait { .. } => ErrorKind::Misuse,
        SaveError::Encode(error) => match error {
            EncodeError::NotJson { .. } | EncodeError::NotFaithful { .. } => ErrorKind::Invalid,
            EncodeError::Codec { source, .. } => of_writing(source),
        },
        SaveError::Unknown { .. } => ErrorKind::Unknown,
        SaveError::Store(error) => error.kind(),
    }
}

fn of_load(error: &LoadError) -> ErrorKind {
    match error {
        LoadError::Open(error) => of_open(error),
        LoadError::NotFound { .. } | LoadError::NoSuchVersion { .. } | LoadError::NotYet { .. } => {
            ErrorKind::NotFound
        }
        LoadError::Broken { .. } | LoadError::Replay(_) => ErrorKind::Unreadable,
        LoadError::CategoryTaken(_) => ErrorKind::Misuse,
        LoadError::Decode(error) => of_decode(error),
        LoadError::Ids { source, .. } | LoadError::Store { source, .. } => of_read(source),
    }
}

fn of_following(error: &FollowError) -> ErrorKind {
    match error {
        FollowError::NoSuchFollower { .. } | FollowError::Parked(ParkedError::NotParked { .. }) => {
            ErrorKind::NotFound
        }
        FollowError::Running { .. } | FollowError::Held { .. } => ErrorKind::Busy,
        FollowError::Stopped { .. } => ErrorKind::Failed,
        FollowError::Unreachable { .. } | FollowError::Away { .. } => ErrorKind::Unavailable,
        FollowError::Parked(ParkedError::Store(error)) => {
            error.downcast_ref().map_or(ErrorKind::Unavailable, of_read)
        }
        FollowError::NotRebuilt { .. }
        | FollowError::NotLeased { .. }
        | FollowError::NotPlaced { .. }
        | FollowError::BeyondTheLog { .. }
        | FollowError::Name { .. }
        | FollowError::Unsaid { .. }
        | FollowError::Parked(ParkedError::Unsupported) => ErrorKind::Misuse,
        FollowError::Store { source, .. } => of_read(source),
    }
}

fn of_read(error: &ReadError) -> ErrorKind {
    match error {
        ReadError::Unavailable(_) => ErrorKind::Unavailable,
        ReadError::Damaged(_) => ErrorKind::Unreadable,
    }
}

fn of_decode(error: &DecodeError) -> ErrorKind {
    match error {
        DecodeError::Erased { .. } => ErrorKind::Erased,
        DecodeError::Codec { source, .. } if source.is_away() => ErrorKind::Unavailable,
        _ => ErrorKind::Unreadable,
    }
}

/// Of what was to be written.
fn of_writing(error: &CodecError) -> ErrorKind {
    if error.is_erased() {
        return ErrorKind::Erased;
    }
    if error.is_away() {
        return ErrorKind::Unavailable;
    }
    match error {
        #[cfg(feature = "aes")]
        CodecError::TooLargeToEncrypt { .. } => ErrorKind::Invalid,
        #[cfg(feature = "aes")]
        CodecError::NoRandomness { .. } => ErrorKind::Unavailable,
        #[cfg(feature = "aes")]
        CodecError::NotAuthentic { .. } | CodecError::Keys { .. } => ErrorKind::Misuse,
        #[cfg(feature = "zstd")]
        CodecError::Zstd { .. } => ErrorKind::Unavailable,
        #[cfg(feature = "zstd")]
        CodecError::TooLarge { .. } => ErrorKind::Misuse,
        CodecError::Cut { .. } | CodecError::UnknownForm { .. } | CodecError::NotBuiltIn { .. } => {
            ErrorKind::Misuse
        }
    }
}
