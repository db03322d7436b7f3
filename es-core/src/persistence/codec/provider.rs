//! Who has the keys.
use std::sync::Arc;

use futures_core::future::BoxFuture;

use super::{Key, KeyId};
use crate::domain::StreamId;
use crate::persistence::BoxError;

/// Hands out the keys that payloads are encrypted with.
///
/// [`Keys`](super::Keys) is the one for everyday use. Implement this to keep the keys elsewhere, or to have a key for each stream, so that
/// destroying the key erases the stream: its events are still there, and nobody can read them. Followers pass over them; read models that were
/// made before are to be rebuilt.
///
/// What is hidden is the payload alone: stream, event name, version, time and metadata stay readable, and so does the size. What is encrypted
/// cannot be changed or moved unnoticed; but plain payloads are read too, so who can write to the database can put a plain one in its place.
///
/// It is asked once for the events that are saved to a stream, once for each payload that is read, and once for each aggregate that is taken from
/// the cache, which is not shown while it may have been erased: answer from memory where you can. Before the first save of a program it is asked for
/// the keys of the newest encrypted events, of whichever streams, among the thousand last ones; where it has those of none, saves are refused
/// ([`WrongKeys`](crate::application::SaveError::WrongKeys)).
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// use es_core::StreamId;
/// use es_core::persistence::{BoxFuture, Key, KeyError, KeyId, KeyProvider};
///
/// /// A key for each patient; what is of nobody is in plain text. In earnest, a new key is in a database before it is handed out: what it encrypts
/// /// is lost without it.
/// #[derive(Default)]
/// struct KeyPerPatient(Mutex<HashMap<StreamId, Option<Key>>>);
///
/// impl KeyPerPatient {
///     fn destroy(&self, stream: StreamId) {
///         // That there was one must be remembered, so that nobody draws a new one.
///         self.0.lock().unwrap().insert(stream, None);
///     }
/// }
///
/// impl KeyProvider for KeyPerPatient {
///     fn current<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<(KeyId, Key)>, KeyError>> {
///         Box::pin(async move {
///             if stream.category != "Patient" {
///                 return Ok(None);
///             }
///             let drawn = Key::generate().map_err(|error| KeyError::Unavailable(error.into()))?;
///             let mut keys = self.0.lock().unwrap();
///             let key = keys.entry(stream.clone()).or_insert(Some(drawn));
///             let key = key.clone().ok_or(KeyError::Destroyed)?;
///             Ok(Some((KeyId::from(1), key)))
///         })
///     }
///
///     fn key<'a>(&'a self, stream: &'a StreamId, id: KeyId) -> BoxFuture<'a, Result<Key, KeyError>> {
///         Box::pin(async move {
///             match self.0.lock().unwrap().get(stream) {
///                 Some(Some(key)) => Ok(key.clone()),
///                 Some(None) => Err(KeyError::Destroyed),
///                 None => Err(KeyError::Unknown { id }),
///             }
///         })
///     }
/// }
/// # let keys = KeyPerPatient::default();
/// # keys.destroy(StreamId::new("Patient", uuid::Uuid::nil()));
/// ```
pub trait KeyProvider: Send + Sync + 'static {
    /// The key that new payloads of a stream are encrypted with, and the id under which it will be asked for; `None` where they are left in
    /// plain text, as those of streams that are about nobody. What is encrypted already stays so, and is read with its [`key`](Self::key); but a snapshot
    /// in plain text has in it what all events said, so a stream that had a key keeps it.
    ///
    /// # Errors
    /// [`KeyError`]; the events are not saved.
    fn current<'a>(
        &'a self,
        stream: &'a StreamId,
    ) -> BoxFuture<'a, Result<Option<(KeyId, Key)>, KeyError>>;

    /// The key that a payload of a stream was encrypted with.
    ///
    /// # Errors
    /// [`KeyError`]; the payload is not read.
    fn key<'a>(&'a self, stream: &'a StreamId, id: KeyId) -> BoxFuture<'a, Result<Key, KeyError>>;
}

impl<P: KeyProvider + ?Sized> KeyProvider for Arc<P> {
    fn current<'a>(
        &'a self,
        stream: &'a StreamId,
    ) -> BoxFuture<'a, Result<Option<(KeyId, Key)>, KeyError>> {
        (**self).current(stream)
    }

    fn key<'a>(&'a self, stream: &'a StreamId, id: KeyId) -> BoxFuture<'a, Result<Key, KeyError>> {
        (**self).key(stream, id)
    }
}

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key was destroyed on purpose.
    #[error(
        "the key was destroyed on purpose; what it encrypted cannot be read any more, and nothing can be added to it"
    )]
    Destroyed,
    /// There is no key of that id. Another program may have it, as while keys are rotated, so followers stop there and set nothing aside: of a key
    /// that nobody has any more, [`Destroyed`](Self::Destroyed) is the answer. Who keeps keys that others draw looks for new ones first.
    #[error(
        "there is no key {id}; give the program the key that had this id when the payload was written, or say that it is destroyed"
    )]
    Unknown {
        /// The id that the payload names.
        id: KeyId,
    },
    /// Whoever has the keys cannot be reached.
    #[error("cannot reach the keys")]
    Unavailable(#[source] BoxError),
}
