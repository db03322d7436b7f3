//! The two counters of a log, as types that cannot be mixed up.
use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident, $zero:ident, $(#[$zero_doc:meta])*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            $(#[$zero_doc])*
            pub const $zero: Self = Self(0);
            /// The place of the first event.
            pub const FIRST: Self = Self(1);
            /// The largest number there can be, for "no upper bound".
            pub const MAX: Self = Self(u64::MAX);
            /// The place right after this one; the largest number stays where it is.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }

            /// The number itself, counted from 1.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl From<u64> for $name {
            fn from(number: u64) -> Self {
                Self(number)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter! {
    /// The place of an event in its stream: 1, 2, 3 … with no holes.
    ///
    /// ```
    /// use es_core::Version;
    ///
    /// assert_eq!(Version::NEW.next(), Version::FIRST);
    /// assert_eq!(Version::from(3).get(), 3);
    /// ```
    Version, NEW,
    /// Stands before the first event and names none: the version of a stream that does not exist.
}

counter! {
    /// The place of an event in the whole log: 1, 2, 3 … with no holes, in commit order.
    ///
    /// ```
    /// use es_core::Position;
    ///
    /// assert_eq!(Position::START.next(), Position::FIRST);
    /// ```
    Position, START,
    /// Stands before the first event and names none: the head of an empty log.
}
