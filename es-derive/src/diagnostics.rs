//! Errors in the user's words: collected, so that all of one expansion are told together.
use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;

/// An error over all tokens of `at` that states a fact, and at most one line that says what to write instead.
pub(crate) fn error(at: impl ToTokens, fact: impl AsRef<str>, help: Option<&str>) -> syn::Error {
    let fact = fact.as_ref();
    match help {
        Some(help) => syn::Error::new_spanned(at, format!("{fact}\n\nhelp: {help}")),
        None => syn::Error::new_spanned(at, fact),
    }
}

/// A place where there is no token to point at.
pub(crate) fn place(span: Span) -> impl ToTokens {
    Ident::new("_place", span)
}

/// The errors of one expansion.
#[derive(Default)]
pub(crate) struct Diagnostics {
    errors: Vec<syn::Error>,
}

impl Diagnostics {
    pub(crate) fn error(&mut self, at: impl ToTokens, fact: impl AsRef<str>) {
        self.push(error(at, fact, None));
    }

    pub(crate) fn error_with_help(
        &mut self,
        at: impl ToTokens,
        fact: impl AsRef<str>,
        help: impl AsRef<str>,
    ) {
        self.push(error(at, fact, Some(help.as_ref())));
    }

    /// An error about the second of two places, which also shows the first.
    pub(crate) fn twice(
        &mut self,
        second: impl ToTokens,
        first: impl ToTokens,
        fact: impl AsRef<str>,
    ) {
        self.error(second, fact);
        self.error(first, "the first is here");
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        self.errors.push(error);
    }

    pub(crate) fn count(&self) -> usize {
        self.errors.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// The errors as items that make the compiler print them.
    pub(crate) fn into_compile_errors(self) -> TokenStream {
        self.errors
            .into_iter()
            .map(syn::Error::into_compile_error)
            .collect()
    }
}

/// The one of `known` that was probably meant.
pub(crate) fn did_you_mean<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowed = written.chars().count().div_ceil(3);
    known
        .iter()
        .map(|candidate| (distance(written, candidate), *candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be added, dropped or changed to make one word the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (place, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = place + 1;
        for (column, other) in to.iter().enumerate() {
            let substituted = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::{did_you_mean, distance};

    #[test]
    fn a_misspelt_word_is_recognised_and_a_foreign_one_is_not() {
        let known = ["id", "crate", "snapshot_every"];
        assert_eq!(
            did_you_mean("snapshot_evry", &known),
            Some("snapshot_every")
        );
        assert_eq!(did_you_mean("ids", &known), Some("id"));
        assert_eq!(did_you_mean("colour", &known), None);
    }

    #[test]
    fn the_distance_counts_letters_added_dropped_and_changed() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
