//! `#[derive(EventSet)]`: the variants of this enum hold the events of one aggregate each.

mod check;
mod model;
mod parse;
mod render;

use proc_macro2::TokenStream;

use crate::diagnostics::Diagnostics;

pub(crate) fn expand(item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let syntax = match parse::read(item, &mut diagnostics) {
        Ok(syntax) => syntax,
        Err(error) => return error.into_compile_error(),
    };
    let model = model::of(&syntax);
    check::all(&syntax, &mut diagnostics);
    render::all(&model, diagnostics)
}
