//! The code that says so: the enum, the fold, and the methods that record.

mod event_type;
mod fold;
mod methods;
mod upcast;

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Attribute, ImplItemFn, Meta};

use super::model::{Event, Events, Parameter};
use crate::diagnostics::Diagnostics;

/// With errors, everything that holds is generated still, so that nothing else turns red.
pub(super) fn all(model: &Events, diagnostics: Diagnostics) -> TokenStream {
    let errors = diagnostics.into_compile_errors();
    let methods = methods::all(model);
    if model.lifetime().is_some() {
        return quote!(#errors #methods);
    }
    let can_be_recorded = event_type::can_be_recorded(model);
    let declaration = event_type::declaration(model);
    let event = event_type::event(model);
    let (declares, fold) = (fold::declares(model), fold::events(model));
    let event_of = fold::event_of(model);
    let retired = methods::retired(model);
    let one_impl = fold::one_impl(model);
    quote!(#errors #one_impl #can_be_recorded #declaration #event #declares #event_of #fold #retired #methods)
}

/// The events that are variants.
fn listed(model: &Events) -> impl Iterator<Item = &Event> {
    model.events.iter().filter(|event| !event.unlisted)
}

/// The events that hold.
fn whole(model: &Events) -> impl Iterator<Item = &Event> {
    model.events.iter().filter(|event| !event.broken)
}

/// The conditions under which a method is there at all.
fn conditions(method: &ImplItemFn) -> Vec<&Attribute> {
    method
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .collect()
}

/// An argument that the body does not use, `_age`, is recorded all the same.
fn unused_arguments(event: &Event) -> Option<TokenStream> {
    let unused = |parameter: &Parameter| parameter.ident.to_string().starts_with('_');
    event
        .parameters
        .iter()
        .any(unused)
        .then(|| quote!(#[allow(clippy::used_underscore_binding)]))
}

/// The levels of lints, for each of the two methods that are made of one. What is expected of one of them is allowed in both.
fn lints(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes
        .iter()
        .filter(|attribute| is_lint(attribute))
        .cloned()
        .map(allowed)
        .collect()
}

fn without_lints(attributes: &[Attribute]) -> Vec<&Attribute> {
    attributes
        .iter()
        .filter(|attribute| !is_lint(attribute))
        .collect()
}

fn is_lint(attribute: &Attribute) -> bool {
    ["allow", "expect", "warn", "deny", "forbid"]
        .iter()
        .any(|level| attribute.path().is_ident(level))
}

fn allowed(mut attribute: Attribute) -> Attribute {
    if attribute.path().is_ident("expect")
        && let Meta::List(list) = &mut attribute.meta
        && let Some(level) = list.path.segments.first_mut()
    {
        level.ident = Ident::new("allow", level.ident.span());
    }
    attribute
}
