//! `#[events]`: the methods of this `impl` are the events of an aggregate.

mod check;
mod form;
mod generics;
mod model;
mod parse;
mod render;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::quote;

use crate::diagnostics::Diagnostics;

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    match parse::read(arguments.clone(), item.clone(), &mut diagnostics) {
        Ok(syntax) => {
            let mut model = model::of(syntax, &mut diagnostics);
            check::all(&mut model, &mut diagnostics);
            render::all(&model, diagnostics)
        }
        Err(error) => {
            diagnostics.push(error);
            let errors = diagnostics.into_compile_errors();
            let inert = arguments.is_empty().then(|| inert(item.clone()));
            let item = without_marks(item);
            quote!(#errors #inert #item)
        }
    }
}

/// While an `impl` cannot be read, as it is being typed, its type is an aggregate without events all the same: one mistake, one error.
fn inert(item: TokenStream) -> Option<TokenStream> {
    let mut tokens = item
        .into_iter()
        .skip_while(|token| !matches!(token, TokenTree::Ident(word) if word == "impl"));
    tokens.next()?;
    let (aggregate, rest) = (tokens.next()?, tokens.next()?);
    let is_whole =
        matches!(&rest, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    if !is_whole || !matches!(aggregate, TokenTree::Ident(_)) {
        return None;
    }
    Some(quote! {
        impl ::es_core::__private::Declares for #aggregate {
            type Event = ::es_core::__private::Unread;
        }

        impl ::es_core::__private::Events for #aggregate {
            fn create(event: ::es_core::__private::Unread) -> ::es_core::__private::Result<Self, ::es_core::__private::Misplaced> {
                match event {}
            }

            fn apply(&mut self, event: ::es_core::__private::Unread) -> ::es_core::__private::Result<(), ::es_core::__private::Misplaced> {
                match event {}
            }
        }
    })
}

/// Takes `#[event(..)]` and `#[upcast(..)]` off what could not be read, about which there would only be more errors.
fn without_marks(tokens: TokenStream) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut rest = TokenStream::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct)
                if punct.as_char() == '#' && tokens.peek().is_some_and(is_mark) =>
            {
                tokens.next();
            }
            TokenTree::Group(group) => {
                let mut inside = Group::new(group.delimiter(), without_marks(group.stream()));
                inside.set_span(group.span());
                rest.extend([TokenTree::Group(inside)]);
            }
            token => rest.extend([token]),
        }
    }
    rest
}

fn is_mark(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else {
        return false;
    };
    let first = group.stream().into_iter().next();
    group.delimiter() == Delimiter::Bracket
        && matches!(first, Some(TokenTree::Ident(name)) if name == "event" || name == "upcast")
}
