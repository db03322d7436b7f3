//! Which events of the log a reader asks for.
use std::borrow::Cow;

/// Admits events by category, and by name within a category. Positions stay what they are.
///
/// ```
/// use es_core::persistence::Filter;
///
/// let filter = Filter::category("Dog").or_events("Trainer", ["Hired", "Left"]);
/// assert!(filter.admits("Dog", "Barked"));
/// assert!(filter.admits("Trainer", "Hired"));
/// assert!(!filter.admits("Trainer", "Promoted"));
/// assert!(Filter::everything().admits("Cat", "Slept"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Absent where everything is admitted.
    parts: Option<Vec<FilterPart>>,
}

/// What a filter admits of one category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterPart {
    /// The category.
    pub category: Cow<'static, str>,
    /// The stored names of its events; `None`: all of them.
    pub events: Option<Vec<Cow<'static, str>>>,
}

impl Filter {
    /// Admits every event.
    #[must_use]
    pub const fn everything() -> Self {
        Self { parts: None }
    }

    /// Admits no event.
    #[must_use]
    pub const fn nothing() -> Self {
        Self {
            parts: Some(Vec::new()),
        }
    }

    /// Admits the events of one category.
    pub fn category(category: impl Into<Cow<'static, str>>) -> Self {
        Self::one(category.into(), None)
    }

    /// Admits the events of one category that have one of these names.
    pub fn events<N: Into<Cow<'static, str>>>(
        category: impl Into<Cow<'static, str>>,
        names: impl IntoIterator<Item = N>,
    ) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        Self::one(category.into(), Some(names))
    }

    /// Admits the events of another category too.
    #[must_use]
    pub fn or_category(self, category: impl Into<Cow<'static, str>>) -> Self {
        self.or(Self::category(category))
    }

    /// Admits events of another category too.
    #[must_use]
    pub fn or_events<N: Into<Cow<'static, str>>>(
        self,
        category: impl Into<Cow<'static, str>>,
        names: impl IntoIterator<Item = N>,
    ) -> Self {
        self.or(Self::events(category, names))
    }

    /// Admits what another filter admits too.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let (Some(mut parts), Some(others)) = (self.parts, other.parts) else {
            return Self::everything();
        };
        parts.extend(others);
        Self { parts: Some(parts) }
    }

    /// Whether an event is admitted.
    #[must_use]
    pub fn admits(&self, category: &str, event: &str) -> bool {
        self.parts.as_ref().is_none_or(|parts| {
            parts.iter().any(|part| {
                part.category == category
                    && part
                        .events
                        .as_ref()
                        .is_none_or(|names| names.iter().any(|name| name == event))
            })
        })
    }

    /// What is admitted, category by category, for a store to ask its database; `None`: everything. A category may occur more than once.
    #[must_use]
    pub fn parts(&self) -> Option<&[FilterPart]> {
        self.parts.as_deref()
    }

    fn one(category: Cow<'static, str>, events: Option<Vec<Cow<'static, str>>>) -> Self {
        Self {
            parts: Some(vec![FilterPart { category, events }]),
        }
    }
}
