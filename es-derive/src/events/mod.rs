//! `#[events]`: the methods of this `impl` are the events of an aggregate.

mod check;
mod form;
mod generics;
mod model;
mod parse;
mod render;

use proc_macro2::TokenStream;
use quote::quote;

use crate::diagnostics::Diagnostics;

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    match parse::read(arguments, item.clone(), &mut diagnostics) {
        Ok(syntax) => {
            let mut model = model::of(syntax, &mut diagnostics);
            check::all(&mut model, &mut diagnostics);
            render::all(&model, diagnostics)
        }
        Err(error) => {
            diagnostics.push(error);
            let errors = diagnostics.into_compile_errors();
            quote!(#errors #item)
        }
    }
}
