//! Keys that are wrong, missing, rotated, destroyed, out of reach.
use std::error::Error;

use futures_core::future::BoxFuture;

use super::*;

/// What one provider answers to everything.
struct Answer(fn() -> Result<Key, KeyError>);

impl KeyProvider for Answer {
    fn current<'a>(
        &'a self,
        _: &'a StreamId,
    ) -> BoxFuture<'a, Result<Option<(KeyId, Key)>, KeyError>> {
        Box::pin(async { Ok(Some((KeyId::from(1), (self.0)()?))) })
    }

    fn key<'a>(&'a self, _: &'a StreamId, _: KeyId) -> BoxFuture<'a, Result<Key, KeyError>> {
        Box::pin(async { (self.0)() })
    }
}

fn written_with(id: u32, key: Key) -> Bytes {
    sealed(&encrypting(Keys::new(id, key)))
}

#[test]
fn another_key_under_the_same_id_does_not_read_it() {
    let error = opened(&encrypting(Keys::new(1, key(2))), written_with(1, key(1))).unwrap_err();
    match error {
        CodecError::NotAuthentic { key } => assert_eq!(key, KeyId::from(1)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_that_is_not_there_is_named() {
    for codecs in [encrypting(Keys::new(2, key(1))), plain()] {
        match opened(&codecs, written_with(77, key(1))) {
            Err(CodecError::Keys {
                source: KeyError::Unknown { id },
            }) => assert_eq!(id, KeyId::from(77)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_first_key_encrypts_and_all_decrypt() {
    let old = written_with(1, key(1));
    let rotated = encrypting(Keys::new(2, key(2)).and(1, key(1)).unwrap());
    assert_eq!(opened(&rotated, old.clone()).unwrap(), PAYLOAD);

    let new = sealed(&rotated);
    assert_eq!(new[1..5], [0, 0, 0, 2]);
    let only_new = encrypting(Keys::new(2, key(2)));
    assert_eq!(opened(&only_new, new).unwrap(), PAYLOAD);
    assert!(opened(&only_new, old).is_err());
}

#[test]
fn an_event_whose_key_was_destroyed_reads_as_erased() {
    let destroyed = encrypting(Answer(|| Err(KeyError::Destroyed)));
    let untouched = record(2, written_with(1, key(1)));
    let mut record = untouched.clone();
    let error = block_on(destroyed.open_record(&mut record)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`TrickAdded` of `{}` at version 2 is erased; the key of the stream was destroyed on purpose, and its events cannot be read any \
             more",
            stream()
        )
    );
    assert!(matches!(error, DecodeError::Erased { .. }));
    assert_eq!(record, untouched);
    assert!(
        opened(&destroyed, untouched.payload)
            .unwrap_err()
            .is_erased()
    );
}

#[test]
fn nothing_is_written_under_a_destroyed_key() {
    let destroyed = encrypting(Answer(|| Err(KeyError::Destroyed)));
    let mut events = [event(PAYLOAD)];
    match block_on(destroyed.seal_events(&stream(), Version::from(1), &mut events)).unwrap_err() {
        EncodeError::Codec {
            version, source, ..
        } => {
            assert_eq!(version, Version::from(2));
            assert!(source.is_erased());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(events, [event(PAYLOAD)]);
}

#[test]
fn keys_out_of_reach_are_no_erasure_and_say_why() {
    let away = encrypting(Answer(|| Err(KeyError::Unavailable("no route".into()))));
    let mut record = record(2, written_with(1, key(1)));
    let error = block_on(away.open_record(&mut record)).unwrap_err();
    assert!(matches!(error, DecodeError::Codec { .. }));
    let mut chain = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        chain.push(error.to_string());
        cause = error.source();
    }
    assert_eq!(
        chain[1..],
        ["its key cannot be had", "cannot reach the keys", "no route"]
    );
}

#[test]
fn plain_and_compressed_payloads_need_no_key() {
    let away = encrypting(Answer(|| Err(KeyError::Destroyed)));
    assert_eq!(opened(&away, PAYLOAD).unwrap(), PAYLOAD);
    #[cfg(feature = "zstd")]
    assert_eq!(opened(&away, sealed(&compressing())).unwrap(), PAYLOAD);
}
