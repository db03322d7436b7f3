//! What is decided about.
use std::future::Future;
use std::time::SystemTime;

use crate::application::categories::Categories;
use crate::application::load::Seen;
use crate::application::save::staging::{Keeping, Unsaved, saved_version};
use crate::application::{LoadError, Repository, Save, SaveError};
use crate::domain::{Aggregate, Attempt, StreamId, Version};
use crate::persistence::{Append, Snapshot};

/// What an update decides about: an aggregate; an `Option` of one, which need not exist, and may be created; a `Vec` or a tuple of these.
#[diagnostic::on_unimplemented(
    message = "an update cannot decide about `{Self}`",
    note = "it decides about an aggregate, which has `#[derive(Aggregate)]` and an `#[events] impl`, or about an `Option` of one, which need not exist"
)]
pub trait Subject: Send + Sized {
    /// By what it is named: an id, or several in the same form.
    type Id;

    /// Its version, 0 where it does not exist; of several, their versions in the same form.
    type Versions: Send;

    /// The streams, in the same form.
    #[doc(hidden)]
    type Streams: Send + Sync;

    #[doc(hidden)]
    fn streams(id: &Self::Id) -> Self::Streams;

    /// Shows each stream to `visit`, in order.
    #[doc(hidden)]
    fn each_stream<'s>(streams: &'s Self::Streams, visit: &mut dyn FnMut(&'s StreamId));

    /// Gets it, and says how new the oldest part of it is.
    #[doc(hidden)]
    fn get(
        repository: &Repository,
        streams: &Self::Streams,
        seen: Seen,
    ) -> impl Future<Output = Result<(Self, Seen), LoadError>> + Send;

    #[doc(hidden)]
    fn versions(&self) -> Self::Versions;

    /// Shows each version to `visit`, in the order of the streams.
    #[doc(hidden)]
    fn each_version(versions: &Self::Versions, visit: &mut dyn FnMut(Version));

    #[doc(hidden)]
    fn is_changed(&self) -> bool;

    /// What is wrong where it is not what was got, at these versions, whatever is pending since.
    #[doc(hidden)]
    fn misfit(&self, streams: &Self::Streams, got: &Self::Versions) -> Option<SaveError>;

    /// Shows each aggregate to `visit`, in order, and each that does not exist as one without events.
    #[doc(hidden)]
    fn each(&mut self, streams: &Self::Streams, visit: &mut dyn FnMut(&mut dyn Unsaved));
}

#[diagnostic::do_not_recommend]
impl<A: Aggregate> Subject for A {
    type Id = A::Id;
    type Versions = Version;
    type Streams = StreamId;

    fn streams(id: &A::Id) -> StreamId {
        StreamId::of::<A>(id)
    }

    fn each_stream<'s>(stream: &'s StreamId, visit: &mut dyn FnMut(&'s StreamId)) {
        visit(stream);
    }

    async fn get(
        repository: &Repository,
        stream: &StreamId,
        seen: Seen,
    ) -> Result<(A, Seen), LoadError> {
        repository.get_seen(stream, seen).await
    }

    fn versions(&self) -> Version {
        self.version()
    }

    fn each_version(version: &Version, visit: &mut dyn FnMut(Version)) {
        visit(*version);
    }

    fn is_changed(&self) -> bool {
        !self.pending().is_empty() || !self.root().is_open()
    }

    fn misfit(&self, stream: &StreamId, got: &Version) -> Option<SaveError> {
        let root = self.root();
        // One that no event created is refused when it is saved, and one whose commit is in doubt was not got.
        let fits = !root.is_open()
            || root.id() == stream.id && saved_version(self) == *got && root.attempt().is_none();
        (!fits).then(|| SaveError::Replaced {
            stream: stream.clone(),
        })
    }

    fn each(&mut self, _: &StreamId, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        visit(self);
    }
}

impl<A: Aggregate> Subject for Option<A> {
    type Id = A::Id;
    type Versions = Version;
    type Streams = StreamId;

    fn streams(id: &A::Id) -> StreamId {
        StreamId::of::<A>(id)
    }

    fn each_stream<'s>(stream: &'s StreamId, visit: &mut dyn FnMut(&'s StreamId)) {
        visit(stream);
    }

    async fn get(
        repository: &Repository,
        stream: &StreamId,
        seen: Seen,
    ) -> Result<(Self, Seen), LoadError> {
        let found = repository.find_seen(stream, seen).await?;
        Ok(found.map_or((None, Seen::Now), |(aggregate, seen)| {
            (Some(aggregate), seen)
        }))
    }

    fn versions(&self) -> Version {
        self.as_ref().map_or(Version::NEW, Aggregate::version)
    }

    fn each_version(version: &Version, visit: &mut dyn FnMut(Version)) {
        visit(*version);
    }

    fn is_changed(&self) -> bool {
        self.as_ref().is_some_and(Subject::is_changed)
    }

    fn misfit(&self, stream: &StreamId, got: &Version) -> Option<SaveError> {
        let was_there = *got != Version::NEW;
        let stream = || stream.clone();
        match self {
            Some(new)
                if was_there
                    && new.root().is_open()
                    && new.misfit(&stream(), &Version::NEW).is_none() =>
            {
                Some(SaveError::AlreadyExists { stream: stream() })
            }
            Some(aggregate) => aggregate.misfit(&stream(), got),
            None => was_there.then(|| SaveError::Replaced { stream: stream() }),
        }
    }

    fn each(&mut self, stream: &StreamId, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        match self {
            Some(aggregate) => visit(aggregate),
            None => visit(&mut Absent(stream)),
        }
    }
}

impl<S: Subject> Subject for Vec<S> {
    type Id = Vec<S::Id>;
    type Versions = Vec<S::Versions>;
    type Streams = Vec<S::Streams>;

    fn streams(ids: &Vec<S::Id>) -> Vec<S::Streams> {
        ids.iter().map(S::streams).collect()
    }

    fn each_stream<'s>(streams: &'s Vec<S::Streams>, visit: &mut dyn FnMut(&'s StreamId)) {
        for streams in streams {
            S::each_stream(streams, visit);
        }
    }

    async fn get(
        repository: &Repository,
        streams: &Vec<S::Streams>,
        seen: Seen,
    ) -> Result<(Self, Seen), LoadError> {
        let mut all = Vec::with_capacity(streams.len());
        let mut oldest = Seen::Now;
        for streams in streams {
            let (subject, seen) = S::get(repository, streams, seen).await?;
            all.push(subject);
            oldest = oldest.min(seen);
        }
        Ok((all, oldest))
    }

    fn versions(&self) -> Vec<S::Versions> {
        self.iter().map(S::versions).collect()
    }

    fn each_version(versions: &Vec<S::Versions>, visit: &mut dyn FnMut(Version)) {
        for versions in versions {
            S::each_version(versions, visit);
        }
    }

    fn is_changed(&self) -> bool {
        self.iter().any(S::is_changed)
    }

    fn misfit(&self, streams: &Vec<S::Streams>, got: &Vec<S::Versions>) -> Option<SaveError> {
        let (given, left) = (streams.len(), self.len());
        if given != left {
            return Some(SaveError::Resized { given, left });
        }
        let mut places = self.iter().zip(streams).zip(got);
        places.find_map(|((subject, streams), got)| subject.misfit(streams, got))
    }

    fn each(&mut self, streams: &Vec<S::Streams>, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        for (subject, streams) in self.iter_mut().zip(streams) {
            subject.each(streams, visit);
        }
    }
}

macro_rules! tuples {
    ($(($($S:ident $place:tt),+))*) => {$(
        impl<$($S: Subject),+> Subject for ($($S,)+) {
            type Id = ($($S::Id,)+);
            type Versions = ($($S::Versions,)+);
            type Streams = ($($S::Streams,)+);

            fn streams(ids: &Self::Id) -> Self::Streams {
                ($($S::streams(&ids.$place),)+)
            }

            fn each_stream<'s>(streams: &'s Self::Streams, visit: &mut dyn FnMut(&'s StreamId)) {
                $($S::each_stream(&streams.$place, visit);)+
            }

            async fn get(
                repository: &Repository,
                streams: &Self::Streams,
                seen: Seen,
            ) -> Result<(Self, Seen), LoadError> {
                let several = ($($S::get(repository, &streams.$place, seen).await?,)+);
                let oldest = Seen::Now$(.min(several.$place.1))+;
                Ok((($(several.$place.0,)+), oldest))
            }

            fn versions(&self) -> Self::Versions {
                ($(self.$place.versions(),)+)
            }

            fn each_version(versions: &Self::Versions, visit: &mut dyn FnMut(Version)) {
                $($S::each_version(&versions.$place, visit);)+
            }

            fn is_changed(&self) -> bool {
                $(self.$place.is_changed())||+
            }

            fn misfit(&self, streams: &Self::Streams, got: &Self::Versions) -> Option<SaveError> {
                None$(.or_else(|| self.$place.misfit(&streams.$place, &got.$place)))+
            }

            fn each(&mut self, streams: &Self::Streams, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
                $(self.$place.each(&streams.$place, visit);)+
            }
        }
    )*};
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
}

/// What is to be saved of a subject.
pub(super) struct Saving<'a, S: Subject> {
    pub(super) subject: &'a mut S,
    pub(super) streams: &'a S::Streams,
}

impl<S: Subject> Save for Saving<'_, S> {
    type Versions = S::Versions;

    fn versions(&self) -> S::Versions {
        self.subject.versions()
    }

    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        self.subject.each(self.streams, visit);
    }
}

/// What was not there when it was decided, and is not to be there when the decision is saved.
struct Absent<'a>(&'a StreamId);

impl Absent<'_> {
    fn append(&self) -> Result<Append, SaveError> {
        Ok(Append {
            stream: self.0.clone(),
            expected: Version::NEW,
            events: Vec::new(),
        })
    }
}

impl Unsaved for Absent<'_> {
    fn stage(&self, _: &Categories) -> Result<Append, SaveError> {
        self.append()
    }

    fn stage_again(&self, _: &Attempt) -> Result<Append, SaveError> {
        self.append()
    }

    fn is_pending(&self) -> bool {
        false
    }

    fn attempt(&self) -> Option<&Attempt> {
        None
    }

    fn attempted(&mut self, _: Attempt) {}

    fn refused(&mut self) {}

    fn settled(&mut self, _: SystemTime, _: &Keeping) -> Option<Snapshot> {
        None
    }
}
