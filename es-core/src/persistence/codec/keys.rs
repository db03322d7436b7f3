//! Keys for everyday use: the same for all streams, from a setting.
use std::fmt;
use std::str::FromStr;

use futures_core::future::BoxFuture;

use super::{Key, KeyError, KeyId, KeyProvider, ParseKeyError};
use crate::domain::{Aggregate, StreamId};

/// Keys by id, the same for all streams: the first encrypts, all decrypt.
///
/// To rotate, first give all programs the new key as a second one, and start them anew; then put it in front. A program that does not have it by
/// then cannot read what the others write, and its followers stop there. Keep the old keys for as long as there are payloads that they encrypted:
///
/// ```
/// use es_core::persistence::{Key, Keys};
///
/// let keys = Keys::new(2, Key::generate()?).and(1, Key::generate()?)?;
///
/// // The same from a setting, such as ES_CIPHER_KEYS="2:Vjl…=,1:q0x…="
/// # let setting = format!("2:{},1:{}", *Key::generate()?.expose_base64(), *Key::generate()?.expose_base64());
/// let keys: Keys = setting.parse()?;
/// assert_eq!(format!("{keys:?}"), "Keys([2, 1])");
/// # Ok::<(), es_core::BoxError>(())
/// ```
///
/// What need not be hidden stays legible, as to somebody who looks into the database, where its category is left out:
///
/// ```
/// # use es_core::persistence::{Key, Keys};
/// # use es_core::{Aggregate, Root, events};
/// # #[derive(Aggregate)]
/// # #[aggregate("Truck")]
/// # struct Truck { root: Root<Self> }
/// # #[events]
/// # impl Truck {
/// #     #[event("Commissioned")]
/// #     fn commission() -> Self { Self { root: Root::new() } }
/// # }
/// # let keys = Keys::new(1, Key::generate()?);
/// let keys = keys.except::<Truck>();
/// # let _ = keys;
/// # Ok::<(), es_core::BoxError>(())
/// ```
///
/// Of a key that is gone, by intent or not, [`destroyed`](Self::destroyed) says so, in a setting `1:destroyed`: what it encrypted reads as erased, and
/// followers pass by it.
#[derive(Clone)]
pub struct Keys {
    first: (KeyId, Key),
    /// Without a key where it was destroyed.
    others: Vec<(KeyId, Option<Key>)>,
    /// The categories of what is written in plain text.
    plain: Vec<&'static str>,
}

/// What stands in a setting for a key that is gone.
const DESTROYED: &str = "destroyed";

impl Keys {
    /// The key that encrypts.
    #[must_use]
    pub fn new(id: impl Into<KeyId>, key: Key) -> Self {
        Self {
            first: (id.into(), key),
            others: Vec::new(),
            plain: Vec::new(),
        }
    }

    /// A key that decrypts what was encrypted with it earlier.
    ///
    /// # Errors
    /// [`KeysError::Twice`] where the id has a key already.
    pub fn and(self, id: impl Into<KeyId>, key: Key) -> Result<Self, KeysError> {
        self.with(id.into(), Some(key))
    }

    /// A key that is gone: what was encrypted with it is [`Erased`](super::super::DecodeError::Erased).
    ///
    /// # Errors
    /// [`KeysError::Twice`] where the id has a key already.
    pub fn destroyed(self, id: impl Into<KeyId>) -> Result<Self, KeysError> {
        self.with(id.into(), None)
    }

    /// Leaves what is written of such aggregates from here on in plain text: events, and snapshots, in which is also what earlier, encrypted events said.
    /// What is encrypted stays so, and is read.
    #[must_use]
    pub fn except<A: Aggregate>(mut self) -> Self {
        self.plain.push(A::CATEGORY);
        self
    }

    fn with(mut self, id: KeyId, key: Option<Key>) -> Result<Self, KeysError> {
        if self.ids().any(|known| known == id) {
            return Err(KeysError::Twice { id });
        }
        self.others.push((id, key));
        Ok(self)
    }

    fn find(&self, id: KeyId) -> Result<Key, KeyError> {
        if self.first.0 == id {
            return Ok(self.first.1.clone());
        }
        match self.others.iter().find(|(known, _)| *known == id) {
            Some((_, Some(key))) => Ok(key.clone()),
            Some((_, None)) => Err(KeyError::Destroyed),
            None => Err(KeyError::Unknown { id }),
        }
    }

    fn ids(&self) -> impl Iterator<Item = KeyId> {
        let others = self.others.iter().map(|(id, _)| *id);
        std::iter::once(self.first.0).chain(others)
    }
}

impl KeyProvider for Keys {
    fn current<'a>(
        &'a self,
        stream: &'a StreamId,
    ) -> BoxFuture<'a, Result<Option<(KeyId, Key)>, KeyError>> {
        Box::pin(async {
            let is_plain = self.plain.contains(&&*stream.category);
            Ok((!is_plain).then(|| self.first.clone()))
        })
    }

    fn key<'a>(&'a self, _: &'a StreamId, id: KeyId) -> BoxFuture<'a, Result<Key, KeyError>> {
        Box::pin(async move { self.find(id) })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(")?;
        f.debug_list()
            .entries(self.ids().map(KeyId::get))
            .finish()?;
        f.write_str(")")
    }
}

impl FromStr for Keys {
    type Err = KeysError;

    /// Reads `ID:KEY`, or several separated by commas: the id a number, the key as [`Key::from_base64`] reads it, or `destroyed`.
    fn from_str(setting: &str) -> Result<Self, KeysError> {
        if setting.trim().is_empty() {
            return Err(KeysError::Empty);
        }
        let mut entries = setting.split(',').zip(1..).map(parse_entry);
        let Some(first) = entries.next() else {
            return Err(KeysError::Empty);
        };
        let (id, key) = first?;
        let key = key.ok_or(KeysError::FirstDestroyed { id })?;
        entries.try_fold(Self::new(id, key), |keys, entry| {
            let (id, key) = entry?;
            keys.with(id, key)
        })
    }
}

fn parse_entry((entry, place): (&str, usize)) -> Result<(KeyId, Option<Key>), KeysError> {
    let (id, key) = entry.split_once(':').ok_or(KeysError::NoId { place })?;
    // The text is not repeated: it may be a key in the wrong place.
    let id = id
        .trim()
        .parse::<u32>()
        .map_err(|_| KeysError::IdNotANumber { place })?;
    let id = KeyId::from(id);
    if key.trim() == DESTROYED {
        return Ok((id, None));
    }
    let key = Key::from_base64(key).map_err(|source| KeysError::Key { id, source })?;
    Ok((id, Some(key)))
}

/// Why keys do not go together, or a setting does not name any.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The setting is empty.
    #[error(
        "there is no key; write `ID:KEY`, or several separated by commas, the first of which encrypts"
    )]
    Empty,
    /// An entry has no colon.
    #[error(
        "entry {place} of the keys has no id; write `ID:KEY`, such as `1:` and 32 random bytes in base64"
    )]
    NoId {
        /// Which entry, counted from 1.
        place: usize,
    },
    /// The id of an entry is no number that fits.
    #[error(
        "the id of entry {place} of the keys is not a number from 0 to 4294967295; write `ID:KEY`"
    )]
    IdNotANumber {
        /// Which entry, counted from 1.
        place: usize,
    },
    /// The key of an entry cannot be read.
    #[error("key {id} cannot be read")]
    Key {
        /// Its id.
        id: KeyId,
        /// Why.
        source: ParseKeyError,
    },
    /// The first key is gone.
    #[error(
        "key {id} is destroyed, and stands where the key does that encrypts; put another in front"
    )]
    FirstDestroyed {
        /// Its id.
        id: KeyId,
    },
    /// Two keys have one id.
    #[error("two keys have the id {id}; give the new one an id that was never used")]
    Twice {
        /// The id.
        id: KeyId,
    },
}
