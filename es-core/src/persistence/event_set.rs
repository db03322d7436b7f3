//! Which events a follower handles: those of one aggregate, or of several.
use super::{DecodeError, Filter, Record, decode};
use crate::domain::{Event, EventOf};

/// The events of one or more types of aggregates, as one type to be matched: what a follower names, and its filter follows from it.
///
/// The event enum of one aggregate is a set; several are put together by the derive. A match stays exhaustive, so a new event breaks the
/// build and not the read model. All events of a category are admitted, also those that this code does not know yet: they are an error that
/// names them ([`DecodeError::UnknownEvent`]), for to a follower nothing is skipped in silence.
///
/// ```
/// use es_core::persistence::Filter;
/// use es_core::{Aggregate, EventSet, Root, events};
///
/// # #[derive(Aggregate)]
/// # #[aggregate("Book")]
/// # struct Book { root: Root<Self> }
/// # #[events]
/// # impl Book {
/// #     #[event("Added")]
/// #     fn add(title: &str) -> Self { Self { root: Root::new() } }
/// # }
/// # #[derive(Aggregate)]
/// # #[aggregate("Member")]
/// # struct Member { root: Root<Self> }
/// # #[events]
/// # impl Member {
/// #     #[event("Joined")]
/// #     fn join() -> Self { Self { root: Root::new() } }
/// # }
/// #[derive(EventSet)]
/// enum LibraryEvent {
///     Book(BookEvent),
///     Member(MemberEvent),
/// }
///
/// assert_eq!(LibraryEvent::filter(), Filter::category("Book").or_category("Member"));
/// assert_eq!(BookEvent::filter(), Filter::category("Book"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no set of events",
    label = "a follower cannot handle this",
    note = "take the event enum of an aggregate whose generic parameters, if any, all stand in events, or an enum of such enums with `#[derive(EventSet)]`"
)]
pub trait EventSet: Sized + Send + 'static {
    /// The categories of the aggregates, each once.
    const CATEGORIES: &'static [&'static str];

    /// Makes a record an event of the set.
    ///
    /// # Errors
    /// [`DecodeError`]; [`DecodeError::UnknownEvent`] for a record of another category too.
    fn decode(record: &Record) -> Result<Self, DecodeError>;

    /// What of the log belongs to the set.
    #[must_use]
    fn filter() -> Filter {
        let mut categories = Self::CATEGORIES.iter();
        match categories.next() {
            Some(first) => categories.fold(Filter::category(*first), |filter, category| {
                filter.or_category(*category)
            }),
            None => Filter::nothing(),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<E: Event + EventOf> EventSet for E {
    const CATEGORIES: &'static [&'static str] = &[E::CATEGORY];

    fn decode(record: &Record) -> Result<Self, DecodeError> {
        if !is_one_of(Self::CATEGORIES, record) {
            return Err(not_in_the_set(record));
        }
        decode(record)
    }
}

/// Whether a record is of one of these categories.
#[must_use]
pub fn is_one_of(categories: &[&str], record: &Record) -> bool {
    categories.contains(&&*record.stream.category)
}

/// A record that belongs to none of the variants.
#[must_use]
pub fn not_in_the_set(record: &Record) -> DecodeError {
    DecodeError::UnknownEvent {
        stream: record.stream.clone(),
        version: record.version,
        event: record.event.clone().into_owned(),
    }
}

/// The categories of all variants.
///
/// # Panics
/// When the program is compiled, where two variants hold the events of one aggregate: which of them a record is could not be said.
#[must_use]
pub const fn all_categories<const N: usize>(variants: &[&[&'static str]]) -> [&'static str; N] {
    let mut all = [""; N];
    let (mut count, mut variant) = (0, 0);
    while variant < variants.len() {
        let mut place = 0;
        while place < variants[variant].len() {
            let category = variants[variant][place];
            let mut before = 0;
            while before < count {
                assert!(
                    !is_same(all[before], category),
                    "two variants of this set hold the events of one aggregate; keep one of them"
                );
                before += 1;
            }
            all[count] = category;
            count += 1;
            place += 1;
        }
        variant += 1;
    }
    all
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut place = 0;
    while place < one.len() {
        if one[place] != other[place] {
            return false;
        }
        place += 1;
    }
    true
}
