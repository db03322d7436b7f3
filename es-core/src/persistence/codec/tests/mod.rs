//! Laws 22 and 23 for the codecs.
#[cfg(feature = "zstd")]
mod compression;
#[cfg(feature = "aes")]
mod encryption;
mod forms;
#[cfg(feature = "aes")]
mod keys;
#[cfg(feature = "aes")]
mod providers;

use std::borrow::Cow;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use pollster::block_on;
use uuid::Uuid;

use super::*;
use crate::domain::Position;
use crate::persistence::{CommitId, Metadata};

/// Large and regular enough to become smaller.
const PAYLOAD: &str = r#"{"card":"4111 1111 1111 1111","owner":"Ada Lovelace","note":"sit, sit, sit, sit, sit, sit, sit, sit, sit, sit"}"#;

fn stream() -> StreamId {
    StreamId::new("Dog", Uuid::from_u128(7))
}

/// The second event of a stream.
fn place(stream: &StreamId) -> Place<'_> {
    Place {
        stream,
        version: Version::from(2),
        name: "TrickAdded",
    }
}

/// Seals the payload at its place.
fn sealed(codecs: &Codecs) -> Bytes {
    block_on(codecs.seal(place(&stream()), PAYLOAD.into())).unwrap()
}

/// Opens a payload at its place.
fn opened(codecs: &Codecs, stored: impl Into<Bytes>) -> Result<Bytes, CodecError> {
    block_on(codecs.open(place(&stream()), stored.into()))
}

/// Each payload that differs from this one in one bit, with the place of the byte.
#[cfg(any(feature = "aes", feature = "zstd"))]
fn one_bit_flipped(stored: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..stored.len() * 8).map(|bit| {
        let mut flipped = stored.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit / 8, flipped)
    })
}

fn event(payload: impl Into<Bytes>) -> EncodedEvent {
    EncodedEvent {
        name: Cow::Borrowed("TrickAdded"),
        schema: 1,
        payload: payload.into(),
    }
}

fn record(version: u64, payload: impl Into<Bytes>) -> Record {
    Record {
        stream: stream(),
        version: Version::from(version),
        position: Position::from(version),
        event: Cow::Borrowed("TrickAdded"),
        schema: 1,
        payload: payload.into(),
        time: UNIX_EPOCH,
        commit: CommitId::from(Uuid::nil()),
        metadata: Metadata::default(),
    }
}

fn plain() -> Codecs {
    Codecs::default()
}

#[cfg(feature = "zstd")]
fn compressing() -> Codecs {
    compressing_by(Compression::zstd())
}

#[cfg(feature = "zstd")]
fn compressing_by(compression: Compression) -> Codecs {
    Codecs {
        compression,
        #[cfg(feature = "aes")]
        keys: None,
    }
}

#[cfg(feature = "aes")]
fn key(fill: u8) -> Key {
    Key::from_bytes([fill; 32])
}

#[cfg(feature = "aes")]
fn encrypting(keys: impl KeyProvider) -> Codecs {
    Codecs {
        keys: Some(Arc::new(keys)),
        ..Codecs::default()
    }
}

/// All that can be chosen, by name.
fn every_choice() -> Vec<(&'static str, Codecs)> {
    vec![
        ("plain", plain()),
        #[cfg(feature = "zstd")]
        ("compressed", compressing()),
        #[cfg(feature = "aes")]
        ("encrypted", encrypting(Keys::new(1, key(1)))),
        #[cfg(all(feature = "zstd", feature = "aes"))]
        (
            "both",
            Codecs {
                compression: Compression::zstd(),
                ..encrypting(Keys::new(1, key(1)))
            },
        ),
    ]
}

/// What can read all of them.
fn reader() -> Codecs {
    #[cfg(feature = "aes")]
    return encrypting(Keys::new(2, key(2)).and(1, key(1)).unwrap());
    #[cfg(not(feature = "aes"))]
    plain()
}
