//! The code that says so: the enum, the fold, and the methods that record.

mod event_type;
mod fold;
mod methods;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, ImplItemFn};

use super::model::{Event, Events};
use crate::diagnostics::Diagnostics;

/// With errors, everything that holds is generated still, so that nothing else turns red.
pub(super) fn all(model: &Events, diagnostics: Diagnostics) -> TokenStream {
    let errors = diagnostics.into_compile_errors();
    let declaration = event_type::declaration(model);
    let event = event_type::event(model);
    let can_be_recorded = event_type::can_be_recorded(model);
    let (declares, fold) = (fold::declares(model), fold::events(model));
    let (retired, methods) = (methods::retired(model), methods::all(model));
    quote!(#errors #declaration #event #can_be_recorded #declares #fold #retired #methods)
}

/// The events that hold.
fn whole(model: &Events) -> impl Iterator<Item = &Event> {
    model.events.iter().filter(|event| !event.broken)
}

/// The conditions under which a method is there at all.
fn conditions(method: &ImplItemFn) -> Vec<&Attribute> {
    attributes(method, &["cfg"])
}

fn attributes<'a>(method: &'a ImplItemFn, names: &[&str]) -> Vec<&'a Attribute> {
    let named = |attribute: &&Attribute| names.iter().any(|name| attribute.path().is_ident(name));
    method.attrs.iter().filter(named).collect()
}
