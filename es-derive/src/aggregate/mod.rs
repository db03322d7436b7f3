//! `#[derive(Aggregate)]`: the struct is an aggregate, and this is its root.

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
    check::all(&syntax, &model, &mut diagnostics);
    render::all(&model, diagnostics)
}
