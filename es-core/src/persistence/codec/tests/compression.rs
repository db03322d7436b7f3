//! Compression is kept where it helps, bounded, and damage does not pass.
use std::io::{Read, Write};

use zstd::stream::Encoder;

use super::super::frame::LARGEST;
use super::*;

/// A frame of that many zeros.
fn bomb(size: u64, says_its_size: bool) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    if says_its_size {
        encoder.set_pledged_src_size(Some(size)).unwrap();
    }
    std::io::copy(&mut std::io::repeat(0).take(size), &mut encoder).unwrap();
    encoder.flush().unwrap();
    encoder.finish().unwrap()
}

fn small_frame(content: &[u8], edit: impl FnOnce(&mut zstd::bulk::Compressor<'_>)) -> Vec<u8> {
    let mut compressor = zstd::bulk::Compressor::new(3).unwrap();
    compressor.include_checksum(true).unwrap();
    edit(&mut compressor);
    compressor.compress(content).unwrap()
}

#[test]
fn a_payload_becomes_smaller_or_stays_as_it_is() {
    assert!(sealed(&compressing()).len() < PAYLOAD.len());
    for small in ["{}", r#"{"trick":"sit"}"#] {
        let stored = block_on(compressing().seal(place(&stream()), small.into())).unwrap();
        assert_eq!(stored, small);
    }
}

#[test]
fn every_level_there_is_works_and_no_other_is_accepted() {
    for level in 0..=u8::MAX {
        match Compression::zstd_level(level) {
            Ok(compression) => {
                assert!((1..=22).contains(&level));
                let codecs = compressing_by(compression);
                assert_eq!(opened(&plain(), sealed(&codecs)).unwrap(), PAYLOAD);
            }
            Err(error) => {
                assert!(!(1..=22).contains(&level));
                assert_eq!(error, ZstdLevelError { level });
            }
        }
    }
}

/// About so many bytes that are neither all alike nor all different.
fn text(length: usize) -> String {
    let mut text = String::from("{");
    let mut state = 1_u64;
    while text.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let words = ["sit ", "roll over ", "play dead ", "shake hands "];
        text.push_str(words[usize::try_from(state >> 62).unwrap()]);
        if state >> 20 & 7 == 0 {
            text.push_str(&(state >> 40).to_string());
        }
    }
    text
}

#[test]
fn a_frame_with_one_bit_flipped_is_an_error_or_the_same() {
    // The last is larger than its window, which its header says; there the header is enough.
    for (length, level, bytes) in [
        (100, 3, 100),
        (6_000, 3, 6_000),
        (6_000, 19, 6_000),
        (700_000, 1, 18),
    ] {
        let text = text(length);
        let codecs = compressing_by(Compression::zstd_level(level).unwrap());
        let stored = block_on(codecs.seal(place(&stream()), text.clone().into())).unwrap();
        assert!(stored.starts_with(&COMPRESSED));
        let mut errors = 0;
        let bits = 8 * bytes.min(stored.len());
        for (at, flipped) in one_bit_flipped(&stored).take(bits) {
            match opened(&plain(), flipped) {
                Ok(content) => assert_eq!(content, text, "byte {at} of {}", stored.len()),
                Err(_) => errors += 1,
            }
        }
        assert!(errors * 10 > bits * 9, "{errors} of {bits} were noticed");
    }
}

#[test]
fn a_frame_cut_anywhere_is_an_error() {
    let stored = sealed(&compressing());
    for length in 0..stored.len() {
        let read = opened(&plain(), stored.slice(..length));
        assert!(read.is_err(), "cut to {length}");
    }
}

#[test]
fn nothing_may_follow_a_frame() {
    let stored = sealed(&compressing());
    assert!(opened(&plain(), [&stored[..], &[0]].concat()).is_err());
    assert!(opened(&plain(), [&stored[..], &stored].concat()).is_err());
    // zstd skips such a frame by itself (RFC 8878, section 3.1.2).
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];
    assert!(opened(&plain(), [&stored[..], &skippable].concat()).is_err());
}

#[test]
fn a_decompression_bomb_is_refused() {
    let size = LARGEST as u64 + 1;
    let bomb = bomb(size, true);
    assert!(bomb.len() < 64 << 10);
    match opened(&plain(), bomb) {
        Err(CodecError::TooLarge { size: said, limit }) => {
            assert_eq!((said, limit), (size, LARGEST as u64));
        }
        other => panic!("{:?}", other.map(|content| content.len())),
    }
}

#[test]
fn a_frame_that_does_not_say_its_size_is_refused() {
    let error = opened(&plain(), bomb(1 << 20, false)).unwrap_err();
    assert!(matches!(error, CodecError::Zstd { .. }), "{error:?}");
}

#[test]
fn a_frame_with_no_json_in_it_is_refused() {
    let frame = small_frame(&[b'['; 100], |_| {});
    let error = opened(&plain(), frame.clone()).unwrap_err();
    assert!(matches!(error, CodecError::UnknownForm { first: b'[' }));
    let twice = small_frame(&frame, |_| {});
    assert!(opened(&plain(), twice).is_err());
    assert!(opened(&plain(), small_frame(&[], |_| {})).is_err());
}

#[test]
fn a_frame_without_a_checksum_is_refused() {
    let with = small_frame(PAYLOAD.as_bytes(), |_| {});
    assert_eq!(opened(&plain(), with).unwrap(), PAYLOAD);
    let without = small_frame(PAYLOAD.as_bytes(), |zstd| {
        zstd.include_checksum(false).unwrap();
    });
    assert!(opened(&plain(), without).is_err());
}

#[test]
fn a_payload_too_large_to_be_read_again_is_not_compressed() {
    let mut payload = vec![0; LARGEST + 1];
    payload[0] = b'{';
    let stored = block_on(compressing().seal(place(&stream()), payload.into())).unwrap();
    assert_eq!(stored.len(), LARGEST + 1);
}
