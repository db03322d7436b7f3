//! Which events are known to be read again as they were written. What others are made of is the user's, and his serde's: they are read again before
//! they are stored, which takes as long as loading them.
use std::marker::PhantomData;

use crate::domain::{Event, EventShape};

/// Whether the events of a type have fields of types alone that are spelled as those are which come back. One of the user's own that is spelled so
/// is not read again.
pub(super) struct Plain<E>(PhantomData<E>);

impl<E: Event> Plain<E> {
    pub(super) const IS: bool = are_plain(E::SHAPES);
}

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

/// One in another may lose something, as `Option<Option<..>>` does.
const fn is_plain(ty: &[u8]) -> bool {
    match ty {
        [b'O', b'p', b't', b'i', b'o', b'n', b'<', within @ .., b'>'] => is_single(within),
        [b'V', b'e', b'c', b'<', within @ .., b'>'] => is_single(within),
        single => is_single(single),
    }
}

const fn is_single(ty: &[u8]) -> bool {
    matches!(
        ty,
        b"String"
            | b"bool"
            | b"char"
            | b"f32"
            | b"f64"
            | b"i8"
            | b"i16"
            | b"i32"
            | b"i64"
            | b"isize"
            | b"u8"
            | b"u16"
            | b"u32"
            | b"u64"
            | b"usize"
            | b"Uuid"
            | b"uuid::Uuid"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spelled_as_what_comes_back_is_plain() {
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
