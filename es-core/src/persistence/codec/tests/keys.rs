//! Keys as text, and as nothing else.
use std::fmt::{Debug, Write};

use super::*;

/// Bytes of which no four in a row are anything else.
fn secret() -> [u8; 32] {
    std::array::from_fn(|at| u8::try_from(at * 37 % 251).unwrap() ^ 0xa5)
}

/// Whether a text has a part of the secret in it: as base64, hexadecimal, a list of numbers, or as it is.
fn shows(text: &str) -> bool {
    let base64 = Key::from_bytes(secret()).expose_base64();
    let hex = secret().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    let list = format!("{:?}", secret());
    let parts = |whole: &str, length: usize| {
        let whole: Vec<char> = whole.chars().filter(|letter| *letter != ' ').collect();
        let windows = whole.windows(length).map(|window| window.iter().collect());
        windows.collect::<Vec<String>>()
    };
    let text: String = text.split_whitespace().collect();
    let lower = text.to_lowercase();
    parts(&base64, 5).iter().any(|part| text.contains(part))
        || parts(&hex, 6).iter().any(|part| lower.contains(part))
        || parts(&list, 12).iter().any(|part| text.contains(part))
}

#[test]
fn a_shown_secret_would_be_found() {
    let key = Key::from_bytes(secret());
    assert!(shows(&key.expose_base64()));
    assert!(shows(&format!("{:?}", secret())));
    assert!(shows(&format!("{:#?}", secret())));
    assert!(shows(&format!("{:02X?}", secret()).replace(", ", "")));
    assert!(!shows("Key(..)"));
}

#[test]
fn no_key_is_ever_shown() {
    fn all(value: &(impl Debug + ?Sized)) -> [String; 3] {
        [
            format!("{value:?}"),
            format!("{value:#?}"),
            format!("{value:x?}"),
        ]
    }
    let key = || Key::from_bytes(secret());
    let text = key().expose_base64();
    let longer = format!("{}AA", *text);
    let broken = text.replace('=', "*");
    let cut = &text[..40];
    let mut said = Vec::new();
    said.extend(all(&key()));
    said.extend(all(&Keys::new(1, key()).and(2, key()).unwrap()));
    said.extend(all(&Keys::new(1, key()).and(1, key()).unwrap_err()));
    for text in [&*longer, &broken, cut] {
        let error = Key::from_base64(text).unwrap_err();
        said.extend(all(&error));
        said.push(error.to_string());
    }
    for setting in [
        longer.clone(),
        format!("{}:1", *text),
        format!("1:{broken}"),
        format!("1:{cut}"),
        format!("1:{0},1:{0}", *text),
        format!("1:{0},{0}", *text),
    ] {
        let error = setting.parse::<Keys>().unwrap_err();
        said.extend(all(&error));
        said.push(error.to_string());
    }
    let other = encrypting(Keys::new(1, super::key(9)));
    let unreadable = opened(&other, sealed(&encrypting(Keys::new(1, key())))).unwrap_err();
    said.extend(all(&unreadable));
    said.push(unreadable.to_string());
    for text in said {
        assert!(!shows(&text), "{text}");
    }
}

#[test]
fn a_key_comes_back_from_its_text() {
    let key = Key::generate().unwrap();
    let text = key.expose_base64();
    assert_eq!(text.len(), 44);
    let again = Key::from_base64(&format!(" {}\n", *text)).unwrap();
    let stored = sealed(&encrypting(Keys::new(1, key)));
    assert_eq!(
        opened(&encrypting(Keys::new(1, again)), stored).unwrap(),
        PAYLOAD
    );
}

#[test]
fn no_two_keys_drawn_are_alike() {
    let [one, other] = [(); 2].map(|()| Key::generate().unwrap().expose_base64());
    assert_ne!(one, other);
}

#[test]
fn a_text_that_is_no_key_is_told() {
    let parse = |text: &str| Key::from_base64(text).unwrap_err();
    assert_eq!(parse(""), ParseKeyError::Length { found: 0 });
    assert_eq!(parse("AAAA"), ParseKeyError::Length { found: 3 });
    assert_eq!(parse(&"A".repeat(44)), ParseKeyError::Length { found: 33 });
    assert_eq!(parse("no base64!"), ParseKeyError::NotBase64);
}

#[test]
fn keys_are_read_from_a_setting() {
    let text = |fill| key(fill).expose_base64();
    let setting = format!(" 2:{} , 1: {}\n", *text(2), *text(1));
    let keys: Keys = setting.parse().unwrap();
    assert_eq!(format!("{keys:?}"), "Keys([2, 1])");
    assert_eq!(sealed(&encrypting(keys.clone()))[1..5], [0, 0, 0, 2]);
    let old = sealed(&encrypting(Keys::new(1, key(1))));
    assert_eq!(opened(&encrypting(keys), old.clone()).unwrap(), PAYLOAD);

    let gone: Keys = format!("2:{},1: destroyed", *text(2)).parse().unwrap();
    assert_eq!(format!("{gone:?}"), "Keys([2, 1])");
    let error = opened(&encrypting(gone), old).unwrap_err();
    assert!(error.is_erased(), "{error:?}");
}

#[test]
fn what_is_wrong_with_a_setting_is_told() {
    let good = key(1).expose_base64();
    let parse = |setting: &str| {
        let setting = setting.replace("KEY", &good);
        setting.parse::<Keys>().unwrap_err()
    };
    let (one, two) = (KeyId::from(1), KeyId::from(2));
    assert_eq!(parse(""), KeysError::Empty);
    assert_eq!(parse("  \n"), KeysError::Empty);
    assert_eq!(parse("KEY"), KeysError::NoId { place: 1 });
    assert_eq!(parse("1:KEY,"), KeysError::NoId { place: 2 });
    assert_eq!(parse("1:KEY,KEY"), KeysError::NoId { place: 2 });
    assert_eq!(parse("one:KEY"), KeysError::IdNotANumber { place: 1 });
    assert_eq!(parse("1:KEY,-1:KEY"), KeysError::IdNotANumber { place: 2 });
    assert_eq!(
        parse("4294967296:KEY"),
        KeysError::IdNotANumber { place: 1 }
    );
    assert_eq!(parse("1:KEY,1:KEY"), KeysError::Twice { id: one });
    assert_eq!(parse("1:KEY,2:KEY,2:KEY"), KeysError::Twice { id: two });
    assert_eq!(
        parse("1:KEY,2:destroyed,2:KEY"),
        KeysError::Twice { id: two }
    );
    assert_eq!(
        parse("1:destroyed,2:KEY"),
        KeysError::FirstDestroyed { id: one }
    );
    let source = ParseKeyError::Length { found: 3 };
    assert_eq!(parse("1:KEY,2:AAAA"), KeysError::Key { id: two, source });
    let source = ParseKeyError::NotBase64;
    assert_eq!(parse("1:KEY:KEY"), KeysError::Key { id: one, source });
}
