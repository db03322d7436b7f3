//! Names as Postgres takes them.
use std::borrow::Cow;

/// A name as it is stored: no text in Postgres has a NUL, so it is written as `\0`, and `\` as `\\`.
pub(crate) fn written(name: &str) -> Cow<'_, str> {
    if name.contains(['\0', '\\']) {
        return Cow::Owned(name.replace('\\', "\\\\").replace('\0', "\\0"));
    }
    Cow::Borrowed(name)
}

/// A name as it was before it was [`written`].
pub(crate) fn read(stored: &str) -> Cow<'_, str> {
    if !stored.contains('\\') {
        return Cow::Borrowed(stored);
    }
    let mut name = String::with_capacity(stored.len());
    let mut letters = stored.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('0') => name.push('\0'),
                other => name.extend(other),
            },
            letter => name.push(letter),
        }
    }
    Cow::Owned(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_has_no_nul_and_is_read_as_it_was(name in "[a\\\\0\0é]{0,12}") {
            let stored = written(&name).into_owned();
            prop_assert!(!stored.contains('\0'));
            prop_assert_eq!(read(&stored), name);
        }
    }
}
