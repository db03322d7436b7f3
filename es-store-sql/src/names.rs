//! The names that this program has in its code, so that records need not own them: with an allocation for each name, loading took a few percent longer.
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use es_core::persistence::Append;

/// Names that were written, or asked for, as `'static`: those of the program's own types, so there are not many.
///
/// ```
/// use std::borrow::Cow;
///
/// use es_core::persistence::Append;
/// use es_core::{StreamId, Version};
/// use es_store_sql::names::{Names, Seen};
/// use uuid::Uuid;
///
/// let names = Names::default();
/// let (stream, expected) = (StreamId::new("Dog", Uuid::nil()), Version::NEW);
/// names.learn(&[Append { stream, expected, events: Vec::new() }]);
///
/// let mut seen = Seen::new(&names);
/// assert!(matches!(seen.name("Dog"), Cow::Borrowed("Dog")));
/// assert!(matches!(seen.name("Cat"), Cow::Owned(_)));
/// ```
#[derive(Debug, Default)]
pub struct Names {
    known: RwLock<HashSet<&'static str>>,
}

impl Names {
    /// Takes note of the names in what is written.
    pub fn learn(&self, appends: &[Append]) {
        for append in appends {
            self.learn_one(&append.stream.category);
            for event in &append.events {
                self.learn_one(&event.name);
            }
        }
    }

    /// Takes note of a name that is in the code.
    #[expect(clippy::ptr_arg, reason = "only what is borrowed is in the code")]
    fn learn_one(&self, name: &Cow<'static, str>) {
        if let Cow::Borrowed(name) = name
            && self.known(name).is_none()
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.insert(name);
        }
    }

    fn known(&self, name: &str) -> Option<&'static str> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(name).copied()
    }
}

/// What one reader has seen of them: looking through a few is faster than finding one among all.
#[derive(Debug)]
pub struct Seen<'a> {
    names: &'a Names,
    seen: Vec<&'static str>,
}

/// How many names are looked through.
const FEW: usize = 8;

impl<'a> Seen<'a> {
    /// Nothing yet.
    #[must_use]
    pub fn new(names: &'a Names) -> Self {
        Self {
            names,
            seen: Vec::new(),
        }
    }

    /// The name as a record has it.
    #[inline]
    pub fn name(&mut self, name: &str) -> Cow<'static, str> {
        if let Some(seen) = self.seen.iter().find(|seen| **seen == name) {
            return Cow::Borrowed(seen);
        }
        match self.names.known(name) {
            Some(known) => {
                self.seen.truncate(FEW - 1);
                self.seen.insert(0, known);
                Cow::Borrowed(known)
            }
            None => Cow::Owned(name.to_owned()),
        }
    }
}
