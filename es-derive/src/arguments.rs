//! What stands in the brackets of an attribute: a name, and keys with values.
//!
//! `#[aggregate("Dog", id = DogId)]`: each macro says which keys it knows and how the value of each is read; here a key
//! that is unknown or given twice is refused, and reading goes on behind it, so that every error is found.
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::token::{Bracket, Paren};
use syn::{Attribute, Lit, LitInt, LitStr, Meta, Token, parenthesized};

use crate::diagnostics::{Diagnostics, did_you_mean, error, place};
use crate::source;

/// A key as the user is told of it.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What its value is, after "takes".
    pub(crate) takes: &'static str,
    /// The key with a value, to be copied.
    pub(crate) example: &'static str,
}

/// The arguments of one kind of attribute, which may be spread over several attributes.
pub(crate) struct Arguments<'a> {
    attribute: &'static str,
    keys: &'static [Key],
    diagnostics: &'a mut Diagnostics,
    name: Name,
    /// The place of every key seen so far; the name has the key `""`.
    seen: Vec<(String, Span)>,
}

/// The name that stands alone, as in `#[event("TrickAdded")]`.
pub(crate) enum Name {
    Given(LitStr),
    Missing,
    /// There is something in its place, and the error about it is told already.
    Unreadable,
}

/// Keys, and what they are called elsewhere.
const OTHER_WORDS: [(&str, &[&str]); 1] = [(
    "was",
    &[
        "alias",
        "aliases",
        "formerly",
        "from_name",
        "old",
        "old_name",
        "old_names",
        "previous",
        "previously",
        "rename",
        "renamed",
        "renamed_from",
    ],
)];

impl Name {
    /// The name, empty where none is given.
    pub(crate) fn value(&self) -> String {
        match self {
            Self::Given(literal) => literal.value(),
            Self::Missing | Self::Unreadable => String::new(),
        }
    }
}

/// Puts the value of a key where it belongs, reading it by [`value`].
pub(crate) type Put<'a> = &'a mut dyn FnMut(&Key, &Ident, ParseStream) -> syn::Result<()>;

impl<'a> Arguments<'a> {
    pub(crate) fn new(
        attribute: &'static str,
        keys: &'static [Key],
        diagnostics: &'a mut Diagnostics,
    ) -> Self {
        Self {
            attribute,
            keys,
            diagnostics,
            name: Name::Missing,
            seen: Vec::new(),
        }
    }

    /// Reads a whole attribute. `#[aggregate]` without brackets has no arguments.
    pub(crate) fn read_attribute(&mut self, attribute: &Attribute, put: Put) {
        match &attribute.meta {
            Meta::Path(_) => {}
            Meta::List(list) => self.read(list.tokens.clone(), put),
            Meta::NameValue(pair) => {
                self.name = Name::Unreadable;
                self.diagnostics.error_with_help(
                    pair.eq_token,
                    format!("`#[{}]` takes its arguments in brackets", self.attribute),
                    format!("`#[{}(..)]`", self.attribute),
                );
            }
        }
    }

    /// Reads what stands in the brackets.
    pub(crate) fn read(&mut self, arguments: TokenStream, put: Put) {
        let read_all = |input: ParseStream| -> syn::Result<()> {
            while !input.is_empty() {
                if let Err(error) = self.read_one(input, put) {
                    self.diagnostics.push(error);
                }
                skip_to_comma(input)?;
            }
            Ok(())
        };
        if let Err(error) = read_all.parse2(arguments) {
            self.diagnostics.push(error);
        }
    }

    /// Says that there is no name in this attribute.
    pub(crate) fn refuse_name(self) {
        if let Name::Given(name) = &self.name {
            let fact = format!("`#[{}]` takes keys and no name", self.attribute);
            self.diagnostics
                .error_with_help(name, fact, self.known_keys());
        }
    }

    /// The name that stands alone, as in `#[event("TrickAdded")]`.
    pub(crate) fn into_name(self) -> Name {
        self.name
    }

    fn read_one(&mut self, input: ParseStream, put: Put) -> syn::Result<()> {
        if input.peek(Lit) {
            let literal: Lit = input.parse()?;
            self.once("", literal.span());
            let Lit::Str(name) = literal else {
                self.name = Name::Unreadable;
                let fact = format!("the name in `#[{}]` is a string", self.attribute);
                return Err(error(literal, fact, None));
            };
            if let Name::Missing = self.name {
                self.name = Name::Given(name);
            }
            return end_of_argument(input);
        }
        if !input.peek(Ident::peek_any) {
            let fact = format!("`#[{}]` takes a name and keys", self.attribute);
            return Err(error(place(input.span()), fact, Some(&self.known_keys())));
        }
        let written = input.call(Ident::parse_any)?;
        let name = written.to_string();
        if input.peek(Token![!]) && !input.peek(Token![!=]) && self.takes_name() {
            self.name = Name::Unreadable;
            let fact =
                format!("the stored name is written out, and `{name}!` is not expanded here");
            let help = format!(
                "take it as `$name:literal`, and write `#[{}($name)]`",
                self.attribute
            );
            return Err(error(written, fact, Some(&help)));
        }
        let Some(key) = self.keys.iter().find(|key| key.name == name) else {
            if name == "name" && self.takes_name() {
                self.name = Name::Unreadable;
                let help = format!("`#[{}(\"…\")]`", self.attribute);
                return Err(error(written, "the stored name stands alone", Some(&help)));
            }
            let alone = input.is_empty() || input.peek(Token![,]);
            if alone && matches!(self.name, Name::Missing) && self.takes_name() {
                self.name = Name::Unreadable;
                let help = format!("`#[{}(\"{name}\")]`", self.attribute);
                return Err(error(written, "the stored name is a string", Some(&help)));
            }
            if let Some(help) = self.in_our_words(&name, input) {
                let fact = format!("unknown key `{name}`");
                return Err(error(&written, fact, Some(&help)));
            }
            let names: Vec<_> = self.keys.iter().map(|key| key.name).collect();
            let help = match did_you_mean(&name, &names) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => self.known_keys(),
            };
            return Err(error(
                &written,
                format!("unknown key `{name}`"),
                Some(&help),
            ));
        };
        self.once(&name, written.span());
        put(key, &written, input)?;
        end_of_argument(input)
    }

    /// What is written instead of a key by which others call one of ours, with the value that it was given.
    fn in_our_words(&self, name: &str, input: ParseStream) -> Option<String> {
        let (meant, _) = OTHER_WORDS
            .iter()
            .find(|(_, others)| others.contains(&name))?;
        let key = self.keys.iter().find(|key| key.name == *meant)?;
        let value = value_of(input).map(|value| format!("{meant} = {value}"));
        let written = value.unwrap_or_else(|| key.example.to_owned());
        Some(format!("`{written}`"))
    }

    /// Whether a stored name stands in it: the other attributes know keys alone.
    fn takes_name(&self) -> bool {
        !matches!(self.attribute, "events" | "event_set")
    }

    fn once(&mut self, key: &str, at: Span) {
        let Some((_, first)) = self.seen.iter().find(|(seen, _)| seen == key) else {
            self.seen.push((key.to_owned(), at));
            return;
        };
        let given = match key {
            "" => "the name is given twice".to_owned(),
            key => format!("`{key}` is given twice"),
        };
        self.diagnostics.twice(place(at), place(*first), given);
    }

    fn known_keys(&self) -> String {
        let keys: Vec<_> = self
            .keys
            .iter()
            .map(|key| format!("`{}`", key.example))
            .collect();
        format!("`#[{}(..)]` knows {}", self.attribute, keys.join(", "))
    }
}

/// Reads `= VALUE`.
pub(crate) fn value<T: Parse>(key: &Key, written: &Ident, input: ParseStream) -> syn::Result<T> {
    if !input.peek(Token![=]) || input.peek(Token![==]) {
        return Err(wrong_value(key, written));
    }
    let equals: Token![=] = input.parse()?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(wrong_value(key, equals));
    }
    let at = place(input.span());
    input.parse().map_err(|_| wrong_value(key, at))
}

/// A number as it is written.
pub(crate) struct Number {
    pub(crate) literal: LitInt,
    pub(crate) value: u32,
}

/// Reads `= NUMBER`.
pub(crate) fn number(key: &Key, written: &Ident, input: ParseStream) -> syn::Result<Number> {
    let literal: LitInt = value(key, written, input)?;
    match literal.base10_parse() {
        Ok(value) => Ok(Number { literal, value }),
        Err(_) if literal.suffix().is_empty() => {
            let fact = format!("`{}` takes a number up to {}", key.name, u32::MAX);
            Err(error(literal, fact, Some(&format!("`{}`", key.example))))
        }
        Err(_) => Err(wrong_value(key, literal)),
    }
}

/// Reads nothing: the key says it all.
pub(crate) fn flag(key: &Key, input: ParseStream) -> syn::Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(());
    }
    Err(wrong_value(key, place(input.span())))
}

/// Reads `(..)`.
pub(crate) fn list(key: &Key, written: &Ident, input: ParseStream) -> syn::Result<TokenStream> {
    if !input.peek(Paren) {
        return Err(wrong_value(key, written));
    }
    let content;
    parenthesized!(content in input);
    content.parse()
}

/// A key that the macro lists and does not read: a mistake of ours, told as one.
pub(crate) fn unread(written: &Ident) -> syn::Error {
    error(
        written,
        format!("`{written}` is not supported here, though listed; please report it"),
        None,
    )
}

/// Says what the key takes.
pub(crate) fn wrong_value(key: &Key, at: impl ToTokens) -> syn::Error {
    let fact = format!("`{}` takes {}", key.name, key.takes);
    error(at, fact, Some(&format!("`{}`", key.example)))
}

fn end_of_argument(input: ParseStream) -> syn::Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(());
    }
    Err(error(
        place(input.span()),
        "a comma is missing before this",
        None,
    ))
}

/// The text of what stands behind `=`, where that is a string or something in brackets; nothing is read.
fn value_of(input: ParseStream) -> Option<String> {
    let input = input.fork();
    input.parse::<Token![=]>().ok()?;
    if !input.peek(LitStr) && !input.peek(Bracket) {
        return None;
    }
    let value: TokenTree = input.parse().ok()?;
    Some(source::text(value.into()))
}

/// Goes behind the next comma, over whatever could not be read.
fn skip_to_comma(input: ParseStream) -> syn::Result<()> {
    while !input.is_empty() {
        if input.peek(Token![,]) {
            input.parse::<Token![,]>()?;
            return Ok(());
        }
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
