//! Names: as Postgres takes them, and as records have them.
//!
//! Those that this program has in its code need not be owned by records: with an allocation for each name, loading took a few percent longer.
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

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

/// Names that were written, or asked for, as `'static`: those of the program's own types, so there are not many.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: RwLock<HashSet<&'static str>>,
}

impl Names {
    /// Takes note of a name that is in the code.
    #[expect(clippy::ptr_arg, reason = "only what is borrowed is in the code")]
    pub(crate) fn learn(&self, name: &Cow<'static, str>) {
        if let Cow::Borrowed(name) = name
            && self.known(name).is_none()
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.insert(name);
        }
    }

    fn known(&self, name: &str) -> Option<&'static str> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(name).copied()
    }
}

/// What one reader has seen of them: looking through a few is faster than finding one among all.
pub(crate) struct Seen<'a> {
    names: &'a Names,
    seen: Vec<&'static str>,
}

/// How many names are looked through.
const FEW: usize = 8;

impl<'a> Seen<'a> {
    pub(crate) fn new(names: &'a Names) -> Self {
        Self {
            names,
            seen: Vec::new(),
        }
    }

    /// The name as a record has it, from what is stored.
    pub(crate) fn name(&mut self, stored: &str) -> Cow<'static, str> {
        if let Some(seen) = self.seen.iter().find(|seen| **seen == stored)
            && !stored.contains('\\')
        {
            return Cow::Borrowed(seen);
        }
        let name = read(stored);
        match self.names.known(&name) {
            Some(known) => {
                self.seen.truncate(FEW - 1);
                self.seen.insert(0, known);
                Cow::Borrowed(known)
            }
            None => Cow::Owned(name.into_owned()),
        }
    }
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
