//! What is sealed comes back, whatever was chosen when it was written.
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let any_bytes = vec(any::<u8>(), 0..300);
    let text = any::<String>().prop_map(String::into_bytes);
    let regular =
        (any::<String>(), 1..200_usize).prop_map(|(text, times)| text.repeat(times).into());
    prop_oneof![any_bytes, text, regular].prop_map(|mut bytes: Vec<u8>| {
        bytes.insert(0, b'{');
        bytes
    })
}

fn any_stream() -> impl Strategy<Value = StreamId> {
    (any::<String>(), any::<u128>())
        .prop_map(|(category, id)| StreamId::new(category, Uuid::from_u128(id)))
}

proptest! {
    #[test]
    fn what_is_sealed_comes_back(
        payload in payload(),
        stream in any_stream(),
        version in any::<u64>(),
        name in any::<String>(),
    ) {
        let place = Place { stream: &stream, version: version.into(), name: &name };
        for (choice, codecs) in every_choice() {
            let stored = block_on(codecs.seal(place, payload.clone().into())).unwrap();
            let back = block_on(reader().open(place, stored)).unwrap();
            prop_assert_eq!(&back[..], &payload[..], "{}", choice);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(mut bytes in vec(any::<u8>(), 0..200), form in 0..4) {
        match form {
            0 => bytes.splice(0..0, COMPRESSED).for_each(drop),
            1 => bytes.insert(0, ENCRYPTED),
            2 => bytes.splice(0..0, [COMPRESSED[0], COMPRESSED[1], COMPRESSED[2], COMPRESSED[3], 0x24]).for_each(drop),
            _ => {}
        }
        let plain = Codecs::is_plain(&bytes);
        prop_assert_eq!(opened(&reader(), bytes).is_ok(), plain);
    }
}

#[test]
fn a_choice_stores_what_it_says() {
    for (choice, codecs) in every_choice() {
        let begins = match choice {
            "plain" => &[PLAIN][..],
            "compressed" => &COMPRESSED,
            _ => &[ENCRYPTED],
        };
        let stored = sealed(&codecs);
        assert!(stored.starts_with(begins), "{choice}");
        assert_eq!(Codecs::is_plain(&stored), choice == "plain");
        assert_eq!(codecs.are_none(), choice == "plain");
    }
}

#[test]
fn a_log_may_mix_all_of_them() {
    let mut records = Vec::new();
    for ((_, codecs), version) in every_choice().into_iter().zip(1..) {
        let mut events = [event(PAYLOAD)];
        let after = Version::from(version - 1);
        block_on(codecs.seal_events(&stream(), after, &mut events)).unwrap();
        let [event] = events;
        records.push(record(version, event.payload));
    }
    for mut record in records {
        block_on(reader().open_record(&mut record)).unwrap();
        assert_eq!(record.payload, PAYLOAD);
    }
}

#[test]
fn what_was_stored_by_the_first_version_is_read_for_ever() {
    for (feature, stored) in [
        (None, hex(include_str!("stored/plain.hex"))),
        (Some("zstd"), hex(include_str!("stored/compressed.hex"))),
        (Some("aes"), hex(include_str!("stored/encrypted.hex"))),
    ] {
        let built_in = match feature {
            Some("zstd") => cfg!(feature = "zstd"),
            Some(_) => cfg!(feature = "aes"),
            None => true,
        };
        match opened(&reader(), stored) {
            Ok(json) => assert!(built_in && json == PAYLOAD),
            Err(CodecError::NotBuiltIn { feature: named }) => {
                assert!(!built_in && Some(named) == feature);
            }
            Err(other) => panic!("{feature:?}: {other:?}"),
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .map(|digit| u8::try_from(digit).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

#[test]
fn what_is_no_object_is_refused_before_it_is_written() {
    for (choice, codecs) in every_choice() {
        for payload in ["", "[1]", "null", " {}", "(\u{0}"] {
            let error = block_on(codecs.seal(place(&stream()), payload.into())).unwrap_err();
            let told = matches!(
                error,
                CodecError::UnknownForm { .. } | CodecError::Cut { length: 0 }
            );
            assert!(told, "{choice}: {error:?}");
        }
    }
}

#[test]
fn an_unknown_form_is_told_from_a_cut_one() {
    let first = |stored: &'static [u8]| match opened(&reader(), stored) {
        Err(CodecError::UnknownForm { first }) => Some(first),
        Err(CodecError::Cut { length }) => {
            assert_eq!(length, stored.len());
            None
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(first(b"[1]"), Some(b'['));
    assert_eq!(first(b"(\xb5\x2f\xfe"), Some(b'('));
    assert_eq!(first(b""), None);
    assert_eq!(first(b"(\xb5\x2f"), None);
}

#[test]
fn all_events_of_a_commit_are_sealed_or_none() {
    for (choice, codecs) in every_choice() {
        let untouched = [event(PAYLOAD), event("[]")];
        let mut events = untouched.clone();
        let error = block_on(codecs.seal_events(&stream(), Version::from(4), &mut events));
        match error.unwrap_err() {
            EncodeError::Codec {
                stream: named,
                version,
                event,
                source: CodecError::UnknownForm { first: b'[' },
            } => {
                assert_eq!((named, version), (stream(), Version::from(6)));
                assert_eq!(event, "TrickAdded");
            }
            other => panic!("{choice}: {other:?}"),
        }
        assert_eq!(events, untouched, "{choice}");
    }
}

#[test]
fn a_record_that_cannot_be_opened_is_named_and_stays_as_it_was() {
    let untouched = record(3, &b"\x00"[..]);
    let mut record = untouched.clone();
    match block_on(reader().open_record(&mut record)).unwrap_err() {
        DecodeError::Codec {
            stream: named,
            version,
            event,
            source: CodecError::UnknownForm { first: 0 },
        } => {
            assert_eq!((named, version), (stream(), Version::from(3)));
            assert_eq!(event, "TrickAdded");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(record, untouched);
}

#[test]
fn the_futures_cross_threads() {
    fn crosses(_: impl Send) {}
    let (codecs, stream) = (reader(), stream());
    crosses(codecs.seal(place(&stream), Bytes::new()));
    crosses(codecs.open(place(&stream), Bytes::new()));
    crosses(codecs.seal_events(&stream, Version::NEW, &mut []));
    crosses(codecs.open_record(&mut record(1, PAYLOAD)));
}
