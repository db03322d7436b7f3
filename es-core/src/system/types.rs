//! The types of aggregates that an application has, for those who manage it without knowing them.
use crate::application::AggregateType;
use crate::domain::Aggregate;

/// Types of aggregates.
#[derive(Debug, Clone, Default)]
pub struct Types {
    all: Vec<AggregateType>,
}

impl Types {
    /// Adds a type.
    #[must_use]
    pub fn aggregate<A: Aggregate>(mut self) -> Self {
        self.all.push(AggregateType::of::<A>());
        self
    }

    pub(super) fn all(&self) -> &[AggregateType] {
        &self.all
    }
}
