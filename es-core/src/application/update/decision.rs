//! What is decided about: one aggregate or several, which their ids name, and a closure that changes them.
use std::future::Future;

use crate::application::load::Seen;
use crate::application::save::staging::saved_version;
use crate::application::{LoadError, Repository, Save};
use crate::domain::{Aggregate, StreamId, Version};

/// What [`Application::update_all`](crate::Application::update_all) takes: ids, and a closure that is given the aggregates in the same form.
///
/// - up to six of any types: `(from, to)` and `|(from, to): (&mut Account, &mut Account)| ..`;
/// - any number of one type: `vec![a, b, c]` and `|accounts: &mut [Account]| ..`.
///
/// `T` are the aggregates, `R` is what the closure returns.
#[diagnostic::on_unimplemented(
    message = "these ids and this closure do not fit together",
    label = "give as many ids as the closure takes aggregates, in the same order",
    note = "two of them: `app.update_all((from, to), |(from, to): (&mut Account, &mut Account)| ..)`",
    note = "any number of one type: `app.update_all(vec![a, b], |accounts: &mut [Account]| ..)`"
)]
pub trait Decision<T, R>: Send {
    /// Their versions.
    type Versions: Send;

    #[doc(hidden)]
    type Saving<'a>: Save<Versions = Self::Versions>
    where
        T: 'a;

    #[doc(hidden)]
    fn streams(&self) -> Vec<StreamId>;

    /// Gets them, and says how new the oldest of them is.
    #[doc(hidden)]
    fn get(
        &mut self,
        repository: &Repository,
        seen: Seen,
    ) -> impl Future<Output = Result<(T, Seen), LoadError>> + Send;

    #[doc(hidden)]
    fn decide(&mut self, several: &mut T) -> R;

    #[doc(hidden)]
    fn saving(several: &mut T) -> Self::Saving<'_>;

    #[doc(hidden)]
    fn is_changed(several: &T) -> bool;

    /// The streams with the versions that were got, where it takes several to decide.
    #[doc(hidden)]
    fn several(&self, got: &Self::Versions) -> Option<Vec<(StreamId, Version)>>;

    /// The first that is not the one that was got, at that version.
    #[doc(hidden)]
    fn replaced(&self, several: &T, got: &Self::Versions) -> Option<StreamId>;
}

/// The decision about one aggregate.
pub(in crate::application) struct One<F> {
    stream: StreamId,
    decide: F,
}

impl<F> One<F> {
    pub(in crate::application) fn new<A: Aggregate>(id: &A::Id, decide: F) -> Self {
        Self {
            stream: StreamId::of::<A>(id),
            decide,
        }
    }
}

impl<A, F, R> Decision<A, R> for One<F>
where
    A: Aggregate,
    F: FnMut(&mut A) -> R + Send,
{
    type Versions = Version;
    type Saving<'a> = &'a mut A;

    fn streams(&self) -> Vec<StreamId> {
        vec![self.stream.clone()]
    }

    async fn get(&mut self, repository: &Repository, seen: Seen) -> Result<(A, Seen), LoadError> {
        repository.get_seen(&self.stream, seen).await
    }

    fn decide(&mut self, aggregate: &mut A) -> R {
        (self.decide)(aggregate)
    }

    fn saving(aggregate: &mut A) -> &mut A {
        aggregate
    }

    fn is_changed(aggregate: &A) -> bool {
        !aggregate.pending().is_empty()
    }

    fn several(&self, _: &Version) -> Option<Vec<(StreamId, Version)>> {
        None
    }

    fn replaced(&self, aggregate: &A, got: &Version) -> Option<StreamId> {
        (!is_there(aggregate, &self.stream, *got)).then(|| self.stream.clone())
    }
}

impl<A, F, R> Decision<Vec<A>, R> for (Vec<A::Id>, F)
where
    A: Aggregate,
    F: FnMut(&mut [A]) -> R + Send,
{
    type Versions = Vec<Version>;
    type Saving<'a> = &'a mut Vec<A>;

    fn streams(&self) -> Vec<StreamId> {
        self.0.iter().map(StreamId::of::<A>).collect()
    }

    async fn get(
        &mut self,
        repository: &Repository,
        seen: Seen,
    ) -> Result<(Vec<A>, Seen), LoadError> {
        let mut all = Vec::with_capacity(self.0.len());
        let mut oldest = Seen::Now;
        for stream in Decision::<Vec<A>, R>::streams(self) {
            let (aggregate, seen) = repository.get_seen(&stream, seen).await?;
            all.push(aggregate);
            oldest = oldest.min(seen);
        }
        Ok((all, oldest))
    }

    fn decide(&mut self, all: &mut Vec<A>) -> R {
        (self.1)(all)
    }

    fn saving(all: &mut Vec<A>) -> &mut Vec<A> {
        all
    }

    fn is_changed(all: &Vec<A>) -> bool {
        all.iter().any(|aggregate| !aggregate.pending().is_empty())
    }

    fn several(&self, got: &Vec<Version>) -> Option<Vec<(StreamId, Version)>> {
        let streams = Decision::<Vec<A>, R>::streams(self).into_iter();
        Some(streams.zip(got.iter().copied()).collect())
    }

    fn replaced(&self, all: &Vec<A>, got: &Vec<Version>) -> Option<StreamId> {
        let streams = Decision::<Vec<A>, R>::streams(self).into_iter();
        let mut places = all.iter().zip(streams).zip(got);
        let other = places.find(|((aggregate, stream), got)| !is_there(*aggregate, stream, **got));
        other.map(|((_, stream), _)| stream)
    }
}

macro_rules! tuples {
    ($(($($A:ident $place:tt),+))*) => {$(
        impl<$($A,)+ F, R> Decision<($($A,)+), R> for (($($A::Id,)+), F)
        where
            $($A: Aggregate,)+
            F: FnMut(($(&mut $A,)+)) -> R + Send,
        {
            type Versions = ($(version!($A),)+);
            type Saving<'a> = ($(&'a mut $A,)+);

            fn streams(&self) -> Vec<StreamId> {
                vec![$(StreamId::of::<$A>(&self.0.$place)),+]
            }

            async fn get(
                &mut self,
                repository: &Repository,
                seen: Seen,
            ) -> Result<(($($A,)+), Seen), LoadError> {
                let several = ($(
                    repository.get_seen::<$A>(&StreamId::of::<$A>(&self.0.$place), seen).await?,
                )+);
                let oldest = Seen::Now$(.min(several.$place.1))+;
                Ok((($(several.$place.0,)+), oldest))
            }

            fn decide(&mut self, several: &mut ($($A,)+)) -> R {
                (self.1)(($(&mut several.$place,)+))
            }

            fn saving(several: &mut ($($A,)+)) -> Self::Saving<'_> {
                ($(&mut several.$place,)+)
            }

            fn is_changed(several: &($($A,)+)) -> bool {
                $(!several.$place.pending().is_empty())||+
            }

            fn several(&self, got: &Self::Versions) -> Option<Vec<(StreamId, Version)>> {
                Some(vec![$((StreamId::of::<$A>(&self.0.$place), got.$place)),+])
            }

            fn replaced(&self, several: &($($A,)+), got: &Self::Versions) -> Option<StreamId> {
                $(
                    let asked = StreamId::of::<$A>(&self.0.$place);
                    if !is_there(&several.$place, &asked, got.$place) {
                        return Some(asked);
                    }
                )+
                None
            }
        }
    )*};
}

macro_rules! version {
    ($aggregate:ident) => {
        Version
    };
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, G 5)
}

/// Whether it is the aggregate of that stream, as it was got at that version, whatever is pending since.
fn is_there<A: Aggregate>(aggregate: &A, stream: &StreamId, version: Version) -> bool {
    aggregate.root().id() == stream.id && saved_version(aggregate) == version
}
