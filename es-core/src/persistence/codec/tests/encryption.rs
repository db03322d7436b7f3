//! Encrypted payloads: nothing to be seen, nothing to be changed, nothing to be moved.
use std::collections::HashSet;

use futures_core::future::BoxFuture;
use proptest::prelude::*;

use super::*;

/// The same key whatever the id, so that only the tag can tell.
struct OneKey;

impl KeyProvider for OneKey {
    fn current<'a>(
        &'a self,
        stream: &'a StreamId,
    ) -> BoxFuture<'a, Result<Option<(KeyId, Key)>, KeyError>> {
        let id = KeyId::from(1);
        Box::pin(async move { Ok(Some((id, self.key(stream, id).await?))) })
    }

    fn key<'a>(&'a self, _: &'a StreamId, _: KeyId) -> BoxFuture<'a, Result<Key, KeyError>> {
        Box::pin(async { Ok(key(1)) })
    }
}

/// Plain JSON inside, and a frame inside.
fn both_insides() -> Vec<Codecs> {
    vec![
        encrypting(OneKey),
        #[cfg(feature = "zstd")]
        Codecs {
            compression: Compression::zstd(),
            ..encrypting(OneKey)
        },
    ]
}

#[test]
fn every_flipped_bit_is_an_error() {
    for codecs in both_insides() {
        let stored = sealed(&codecs);
        for (at, flipped) in one_bit_flipped(&stored) {
            match opened(&codecs, flipped) {
                Err(CodecError::UnknownForm { .. }) if at == 0 => {}
                Err(CodecError::NotAuthentic { .. }) if at > 0 => {}
                other => panic!("byte {at}: {other:?}"),
            }
        }
    }
}

#[test]
fn every_cut_and_every_longer_payload_is_an_error() {
    for codecs in both_insides() {
        let stored = sealed(&codecs);
        for length in 0..stored.len() {
            match opened(&codecs, stored.slice(..length)) {
                Err(CodecError::Cut { length: told }) if length < 33 => assert_eq!(told, length),
                Err(CodecError::NotAuthentic { .. }) if length >= 33 => {}
                other => panic!("cut to {length}: {other:?}"),
            }
        }
        let longer = [&stored[..], &[0]].concat();
        assert!(matches!(
            opened(&codecs, longer),
            Err(CodecError::NotAuthentic { .. })
        ));
    }
}

#[test]
fn a_payload_is_read_at_its_place_and_at_no_other() {
    let home = stream();
    let other_id = StreamId::new("Dog", Uuid::from_u128(8));
    let other_category = StreamId::new("Cat", home.id);
    // The same letters, divided otherwise.
    let shifted = StreamId::new("DogT", home.id);
    let at = |stream, version: u64, name| Place {
        stream,
        version: version.into(),
        name,
    };
    for codecs in both_insides() {
        let stored = sealed(&codecs);
        for elsewhere in [
            at(&other_id, 2, "TrickAdded"),
            at(&other_category, 2, "TrickAdded"),
            at(&shifted, 2, "rickAdded"),
            at(&home, 1, "TrickAdded"),
            at(&home, 3, "TrickAdded"),
            at(&home, 2, "TrickAddee"),
            at(&home, 2, ""),
            at(&home, 2, Place::SNAPSHOT),
        ] {
            let moved = block_on(codecs.open(elsewhere, stored.clone()));
            assert!(
                matches!(moved, Err(CodecError::NotAuthentic { .. })),
                "{elsewhere:?}"
            );
        }
        assert_eq!(opened(&codecs, stored).unwrap(), PAYLOAD);
    }
}

proptest! {
    #[test]
    fn no_two_places_are_written_alike(one in any_place(), other in any_place()) {
        let write = |(category, id, version, name): &(String, u8, u8, String)| {
            let stream = StreamId::new(category.clone(), Uuid::from_u128((*id).into()));
            let version = Version::from(u64::from(*version));
            let mut bytes = Vec::new();
            Place { stream: &stream, version, name }.write(&mut bytes);
            bytes
        };
        prop_assert_eq!(write(&one) == write(&other), one == other);
    }
}

/// So few letters and numbers that many places are nearly alike.
fn any_place() -> impl Strategy<Value = (String, u8, u8, String)> {
    ("[a\0]{0,2}", 0..2_u8, 0..2_u8, "[a\0]{0,2}")
}

#[test]
fn events_of_a_commit_cannot_change_places() {
    let codecs = encrypting(OneKey);
    let mut events = [event(PAYLOAD), event(PAYLOAD)];
    block_on(codecs.seal_events(&stream(), Version::from(7), &mut events)).unwrap();
    let [first, second] = events;
    for (version, payload, home) in [
        (8, &first.payload, true),
        (9, &second.payload, true),
        (9, &first.payload, false),
        (8, &second.payload, false),
    ] {
        let mut record = record(version, payload.clone());
        let read = block_on(codecs.open_record(&mut record));
        assert_eq!(read.is_ok(), home, "{version}");
        assert_eq!(record.payload == PAYLOAD, home);
    }
}

#[test]
fn nothing_of_the_plain_text_can_be_seen() {
    let shows = |stored: &[u8]| {
        let mut pieces = PAYLOAD.as_bytes().windows(4);
        pieces.any(|piece| stored.windows(4).any(|window| window == piece))
    };
    assert!(shows(PAYLOAD.as_bytes()));
    for codecs in both_insides() {
        assert!(!shows(&sealed(&codecs)));
    }
}

#[test]
fn no_two_encryptions_are_alike() {
    let codecs = encrypting(OneKey);
    let stored: Vec<Bytes> = (0..500).map(|_| sealed(&codecs)).collect();
    let nonces: HashSet<&[u8]> = stored.iter().map(|stored| &stored[5..17]).collect();
    let ciphertexts: HashSet<&[u8]> = stored.iter().map(|stored| &stored[17..]).collect();
    assert_eq!((nonces.len(), ciphertexts.len()), (500, 500));
}

#[test]
fn an_encrypted_payload_inside_another_is_refused() {
    let inside = sealed(&encrypting(OneKey));
    let twice = cipher::encrypt(&(KeyId::from(1), key(1)), place(&stream()), &inside).unwrap();
    let error = opened(&encrypting(OneKey), twice).unwrap_err();
    assert!(matches!(
        error,
        CodecError::UnknownForm { first: ENCRYPTED }
    ));
}
