//! A key, which no log and no error ever shows.
use std::fmt;
use std::sync::Arc;

use aes_gcm::{Aes256Gcm, KeyInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize, Zeroizing};

use super::random::{NoRandomness, random};

/// The size of a key in bytes.
const LENGTH: usize = 32;

/// Names a key among those of one [provider](super::KeyProvider); stored with each payload that the key encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u32);

impl KeyId {
    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl From<u32> for KeyId {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key of 256 bits for AES-GCM.
///
/// A copy is the same key, and costs nothing. The last one wipes the key from memory when it is dropped. `Debug` does not show it.
///
/// Nonces are random, so one key is good for 2³² payloads (NIST SP 800-38D, section 8.3); after that, encrypt with
/// [another](super::Keys).
///
/// ```
/// use es_core::persistence::Key;
///
/// let key = Key::generate()?;
/// let text = key.expose_base64(); // 44 characters, to be kept where secrets are kept
/// let again = Key::from_base64(&text)?;
/// assert_eq!(format!("{again:?}"), "Key(..)");
/// # Ok::<(), es_core::BoxError>(())
/// ```
#[derive(Clone)]
pub struct Key(Arc<Secret>);

struct Secret {
    bytes: Zeroizing<[u8; LENGTH]>,
    /// The key as AES needs it: to expand it takes longer than to encrypt an event. It wipes itself, too.
    cipher: Aes256Gcm,
}

impl Key {
    /// Draws a key from the randomness of the operating system.
    ///
    /// # Errors
    /// [`NoRandomness`] where the operating system has none.
    pub fn generate() -> Result<Self, NoRandomness> {
        random().map(Self::from_bytes)
    }

    /// Takes the key from elsewhere. Its bytes must be random: this is no place for a password.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; LENGTH]) -> Self {
        let key = Self(Arc::new(Secret {
            bytes: Zeroizing::new(bytes),
            cipher: Aes256Gcm::new((&bytes).into()),
        }));
        bytes.zeroize();
        key
    }

    /// Reads a key as [`expose_base64`](Self::expose_base64) and `openssl rand -base64 32` write it; space around it does not matter.
    ///
    /// # Errors
    /// [`ParseKeyError`], which does not repeat the text.
    pub fn from_base64(text: &str) -> Result<Self, ParseKeyError> {
        let mut decoded = Zeroizing::new(Vec::new());
        // The cause would show a character of the key.
        STANDARD
            .decode_vec(text.trim(), &mut decoded)
            .map_err(|_| ParseKeyError::NotBase64)?;
        let bytes = <&[u8; LENGTH]>::try_from(&decoded[..]).map_err(|_| ParseKeyError::Length {
            found: decoded.len(),
        })?;
        Ok(Self::from_bytes(*bytes))
    }

    /// Writes the key out, in base64, for the place where it will be kept. Who has the text can read what the key encrypted.
    #[must_use]
    pub fn expose_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(*self.0.bytes))
    }

    pub(super) fn cipher(&self) -> &Aes256Gcm {
        &self.0.cipher
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseKeyError {
    /// It is not written in base64.
    #[error(
        "this is no base64; a key is 32 random bytes in base64, 44 characters with the padding"
    )]
    NotBase64,
    /// It is too short or too long.
    #[error(
        "this is base64 of {found} bytes; a key is 32 random bytes in base64, 44 characters with the padding"
    )]
    Length {
        /// How many bytes it has.
        found: usize,
    },
}
