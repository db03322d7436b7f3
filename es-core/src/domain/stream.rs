//! Which events belong together.
use std::borrow::Cow;
use std::fmt;

use uuid::Uuid;

use super::{AggregateId, HasRoot};

/// Names the stream of one aggregate: its category and its id.
///
/// Two aggregates of different categories may have the same id; their streams are two.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId {
    /// The stored name of the aggregate's type, as in `#[aggregate("Dog")]`.
    pub category: Cow<'static, str>,
    /// The aggregate's id.
    pub id: Uuid,
}

impl StreamId {
    /// Names the stream of an aggregate.
    ///
    /// ```
    /// # use es_core::{Aggregate, Root, StreamId, events};
    /// # #[derive(Aggregate)]
    /// # #[aggregate("Lamp")]
    /// # struct Lamp { root: Root<Self> }
    /// # #[events]
    /// # impl Lamp {
    /// #     #[event("Mounted")]
    /// #     fn mount() -> Self { Self { root: Root::new() } }
    /// # }
    /// let lamp = Lamp::mount();
    /// assert_eq!(StreamId::of::<Lamp>(&lamp.id()), StreamId::new("Lamp", lamp.id()));
    /// ```
    pub fn of<A: HasRoot>(id: &A::Id) -> Self {
        Self::new(A::CATEGORY, id.to_uuid())
    }

    /// Names a stream.
    ///
    /// ```
    /// use es_core::StreamId;
    /// use uuid::Uuid;
    ///
    /// let stream = StreamId::new("Dog", Uuid::nil());
    /// assert_eq!(stream.to_string(), "Dog/00000000-0000-0000-0000-000000000000");
    /// ```
    pub fn new(category: impl Into<Cow<'static, str>>, id: Uuid) -> Self {
        Self {
            category: category.into(),
            id,
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.category, self.id)
    }
}
