//! Which events are known to be read again as they were written. What others are made of is the user's, and his serde's: they are read again before
//! they are stored, which takes as long as loading them.
use std::marker::PhantomData;

use crate::domain::{Event, EventShape};

/// Whether the events of a type have fields of these types alone.
pub(super) struct Plain<E>(PhantomData<E>);

impl<E: Event> Plain<E> {
    pub(super) const IS: bool = are_plain(E::SHAPES);
}

/// As they are written in the code.
const PLAIN: &[&str] = &[
    "String",
    "bool",
    "char",
    "f32",
    "f64",
    "i16",
    "i32",
    "i64",
    "i8",
    "isize",
    "u16",
    "u32",
    "u64",
    "u8",
    "usize",
    "Uuid",
    "uuid::Uuid",
];

/// Around one of them; one around another might lose something, as `Option<Option<..>>` does.
const AROUND: &[&str] = &["Option<", "Vec<"];

const fn are_plain(shapes: &[EventShape]) -> bool {
    let mut shape = 0;
    while shape < shapes.len() {
        let fields = shapes[shape].fields;
        let mut field = 0;
        while field < fields.len() {
            if !fields[field].serde.is_empty() || !is_plain(fields[field].ty.as_bytes()) {
                return false;
            }
            field += 1;
        }
        shape += 1;
    }
    true
}

const fn is_plain(ty: &[u8]) -> bool {
    if is_listed(ty) {
        return true;
    }
    let mut around = 0;
    while around < AROUND.len() {
        if let Some(within) = within(ty, AROUND[around].as_bytes()) {
            return is_listed(within);
        }
        around += 1;
    }
    false
}

const fn is_listed(ty: &[u8]) -> bool {
    let mut listed = 0;
    while listed < PLAIN.len() {
        if is_same(ty, PLAIN[listed].as_bytes()) {
            return true;
        }
        listed += 1;
    }
    false
}

/// What stands between `Option<` and `>`.
const fn within<'t>(ty: &'t [u8], around: &[u8]) -> Option<&'t [u8]> {
    if ty.len() <= around.len() {
        return None;
    }
    let (start, rest) = ty.split_at(around.len());
    match rest {
        [within @ .., b'>'] if is_same(start, around) => Some(within),
        _ => None,
    }
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut place = 0;
    while place < one.len() && place < other.len() && one[place] == other[place] {
        place += 1;
    }
    place == one.len() && place == other.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_as_one_of_ours_is_plain() {
        for ty in ["String", "u64", "Option<String>", "Vec<u8>", "uuid::Uuid"] {
            assert!(is_plain(ty.as_bytes()), "{ty}");
        }
        for ty in [
            "Money",
            "Strings",
            "Strin",
            "Option<Option<u8>>",
            "Option<()>",
            "Vec<Option<u8>>",
            "Option<",
            "HashMap<u32, u64>",
            "u128",
        ] {
            assert!(!is_plain(ty.as_bytes()), "{ty}");
        }
    }
}
