//! Between the JSON of a payload and its stored bytes: compression, then encryption.
//!
//! What is stored says itself what it is, by how it begins, so that one log may hold all of it and reading takes no setting:
//!
//! | begins with | is | takes the feature |
//! |---|---|---|
//! | `{` | a JSON object, plain | |
//! | `28 b5 2f fd` | a [frame](frame) of zstd with a JSON object in it | `zstd` |
//! | `87` | an [encrypted](cipher) payload, with one of the other two in it | `aes` |

#[cfg(feature = "aes")]
mod cipher;
mod compression;
mod error;
#[cfg(feature = "zstd")]
mod frame;
#[cfg(feature = "aes")]
mod key;
#[cfg(feature = "aes")]
mod keys;
mod place;
#[cfg(feature = "aes")]
mod provider;
#[cfg(feature = "aes")]
mod random;
#[cfg(test)]
mod tests;

#[cfg(feature = "aes")]
use std::sync::Arc;

use bytes::Bytes;

pub use compression::Compression;
#[cfg(feature = "zstd")]
pub use compression::{ZstdLevel, ZstdLevelError};
pub use error::CodecError;
#[cfg(feature = "aes")]
pub use key::{Key, KeyId, ParseKeyError};
#[cfg(feature = "aes")]
pub use keys::{Keys, KeysError};
pub(crate) use place::Place;
#[cfg(feature = "aes")]
pub use provider::{KeyError, KeyProvider};
#[cfg(feature = "aes")]
pub use random::NoRandomness;

use super::{DecodeError, EncodeError, EncodedEvent, Record};
use crate::domain::{StreamId, Version};

/// How plain JSON begins: the mapper writes objects alone.
const PLAIN: u8 = b'{';
/// How a zstd frame begins (RFC 8878, section 3.1.1).
const COMPRESSED: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// How an encrypted payload begins: six bits away from both of the others, and no beginning of any text in UTF-8.
const ENCRYPTED: u8 = 0x87;

/// What is done to the payloads that are written, and who has the keys of those that are read.
#[derive(Clone, Default)]
pub(crate) struct Codecs {
    pub(crate) compression: Compression,
    #[cfg(feature = "aes")]
    pub(crate) keys: Option<Arc<dyn KeyProvider>>,
}

/// What encrypts the payloads of one stream.
#[cfg(feature = "aes")]
type CurrentKey = (KeyId, Key);
#[cfg(not(feature = "aes"))]
type CurrentKey = std::convert::Infallible;

impl Codecs {
    /// Whether payloads are written as they are.
    pub(crate) fn are_none(&self) -> bool {
        #[cfg(feature = "aes")]
        if self.keys.is_some() {
            return false;
        }
        self.compression == Compression::None
    }

    /// Whether the key of a stream was destroyed, or may have been, so that nobody is to see what the stream holds.
    #[cfg(feature = "aes")]
    pub(crate) async fn is_withheld(&self, stream: &StreamId) -> bool {
        match &self.keys {
            Some(keys) => matches!(
                keys.current(stream).await,
                Err(KeyError::Destroyed | KeyError::Unavailable(_))
            ),
            None => false,
        }
    }

    #[cfg(not(feature = "aes"))]
    pub(crate) async fn is_withheld(&self, _: &StreamId) -> bool {
        false
    }

    /// Whether what is stored is plain JSON and needs no opening.
    #[inline]
    pub(crate) fn is_plain(stored: &[u8]) -> bool {
        stored.first() == Some(&PLAIN)
    }

    /// Whether what is stored is encrypted.
    pub(crate) fn is_encrypted(stored: &[u8]) -> bool {
        stored.first() == Some(&ENCRYPTED)
    }

    /// Compresses and encrypts a payload for its place.
    pub(crate) async fn seal(&self, place: Place<'_>, json: Bytes) -> Result<Bytes, CodecError> {
        let key = self.current_key(place.stream).await?;
        self.seal_with(key.as_ref(), place, json)
    }

    /// Makes a stored payload JSON again.
    pub(crate) async fn open(&self, place: Place<'_>, stored: Bytes) -> Result<Bytes, CodecError> {
        let inside = match form(&stored)? {
            Form::Encrypted => self.decrypt(place, &stored).await?,
            Form::Plain | Form::Compressed => stored,
        };
        let json = match form(&inside)? {
            Form::Compressed => decompress(&inside)?,
            Form::Plain | Form::Encrypted => inside,
        };
        // Whatever is inside of what: JSON is what must come out.
        if Self::is_plain(&json) {
            Ok(json)
        } else {
            Err(unknown(&json))
        }
    }

    /// Seals the events that follow version `after` of a stream: all of them or, where that fails, none.
    pub(crate) async fn seal_events(
        &self,
        stream: &StreamId,
        after: Version,
        events: &mut [EncodedEvent],
    ) -> Result<(), EncodeError> {
        let Some(first) = events.first() else {
            return Ok(());
        };
        let failed = |version, name: &str, source| EncodeError::Codec {
            stream: stream.clone(),
            version,
            event: name.to_owned(),
            source,
        };
        let key = self
            .current_key(stream)
            .await
            .map_err(|source| failed(after.next(), &first.name, source))?;
        let mut version = after;
        let mut sealed = Vec::with_capacity(events.len());
        for event in events.iter() {
            version = version.next();
            let place = Place {
                stream,
                version,
                name: &event.name,
            };
            let payload = self
                .seal_with(key.as_ref(), place, event.payload.clone())
                .map_err(|source| failed(version, &event.name, source))?;
            sealed.push(payload);
        }
        for (event, payload) in events.iter_mut().zip(sealed) {
            event.payload = payload;
        }
        Ok(())
    }

    /// Makes the payload of a record JSON again; where that fails, the record is as it was.
    pub(crate) async fn open_record(&self, record: &mut Record) -> Result<(), DecodeError> {
        if Self::is_plain(&record.payload) {
            return Ok(());
        }
        let place = Place {
            stream: &record.stream,
            version: record.version,
            name: &record.event,
        };
        match self.open(place, record.payload.clone()).await {
            Ok(json) => record.payload = json,
            Err(source) => return Err(not_opened(record, source)),
        }
        Ok(())
    }

    fn seal_with(
        &self,
        key: Option<&CurrentKey>,
        place: Place<'_>,
        json: Bytes,
    ) -> Result<Bytes, CodecError> {
        // Anything else could not be told apart when it is read.
        if !Self::is_plain(&json) {
            return Err(unknown(&json));
        }
        let inside = match self.compression {
            Compression::None => json,
            #[cfg(feature = "zstd")]
            Compression::Zstd(level) => frame::compress(level, json)?,
        };
        match key {
            None => Ok(inside),
            Some(key) => encrypt(key, place, &inside),
        }
    }

    #[cfg(feature = "aes")]
    async fn current_key(&self, stream: &StreamId) -> Result<Option<CurrentKey>, CodecError> {
        match &self.keys {
            None => Ok(None),
            Some(keys) => {
                let key = keys.current(stream).await;
                key.map_err(|source| CodecError::Keys { source })
            }
        }
    }

    #[cfg(not(feature = "aes"))]
    async fn current_key(&self, _: &StreamId) -> Result<Option<CurrentKey>, CodecError> {
        Ok(None)
    }

    #[cfg(feature = "aes")]
    async fn decrypt(&self, place: Place<'_>, stored: &[u8]) -> Result<Bytes, CodecError> {
        let encrypted = cipher::Encrypted::parse(stored)?;
        let id = encrypted.key;
        let key = match &self.keys {
            Some(keys) => keys.key(place.stream, id).await,
            None => Err(KeyError::Unknown { id }),
        };
        let key = key.map_err(|source| CodecError::Keys { source })?;
        encrypted.decrypt(&key, place)
    }

    #[cfg(not(feature = "aes"))]
    async fn decrypt(&self, _: Place<'_>, _: &[u8]) -> Result<Bytes, CodecError> {
        Err(CodecError::NotBuiltIn { feature: "aes" })
    }
}

#[cfg(feature = "aes")]
use cipher::encrypt;

#[cfg(not(feature = "aes"))]
fn encrypt(key: &CurrentKey, _: Place<'_>, _: &[u8]) -> Result<Bytes, CodecError> {
    match *key {}
}

#[cfg(feature = "zstd")]
use frame::decompress;

#[cfg(not(feature = "zstd"))]
fn decompress(_: &[u8]) -> Result<Bytes, CodecError> {
    Err(CodecError::NotBuiltIn { feature: "zstd" })
}

/// What a payload is, by how it begins.
enum Form {
    Plain,
    Compressed,
    Encrypted,
}

fn form(payload: &[u8]) -> Result<Form, CodecError> {
    match payload {
        [PLAIN, ..] => Ok(Form::Plain),
        [ENCRYPTED, ..] => Ok(Form::Encrypted),
        _ if payload.starts_with(&COMPRESSED) => Ok(Form::Compressed),
        _ => Err(unknown(payload)),
    }
}

#[cold]
fn unknown(payload: &[u8]) -> CodecError {
    match payload.first() {
        Some(&first) if !COMPRESSED.starts_with(payload) => CodecError::UnknownForm { first },
        _ => CodecError::Cut {
            length: payload.len(),
        },
    }
}

#[cold]
fn not_opened(record: &Record, source: CodecError) -> DecodeError {
    let stream = record.stream.clone();
    let version = record.version;
    let event = record.event.clone().into_owned();
    if source.is_erased() {
        DecodeError::Erased {
            stream,
            version,
            event,
        }
    } else {
        DecodeError::Codec {
            stream,
            version,
            event,
            source,
        }
    }
}
