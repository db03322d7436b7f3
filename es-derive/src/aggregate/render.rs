//! The code that says so.
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

use super::model::Aggregate;
use crate::diagnostics::Diagnostics;

pub(super) fn all(model: &Aggregate, diagnostics: Diagnostics) -> TokenStream {
    if diagnostics.is_empty() {
        let has_root = has_root(model);
        let declares_events = declares_events(model);
        return quote!(#has_root #declares_events);
    }
    // One mistake, one error: what else needs the struct to be an aggregate finds that it is.
    let errors = diagnostics.into_compile_errors();
    let has_root = (!model.borrows()).then(|| has_root(model));
    quote!(#errors #has_root)
}

fn has_root(model: &Aggregate) -> TokenStream {
    let Aggregate {
        ident,
        generics,
        category,
        id,
        roots,
        krate,
    } = model;
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let id = id.map_or_else(|| quote!(#krate::__private::Uuid), |id| quote!(#id));
    let (root, root_mut) = match roots.first().and_then(|field| field.ident.as_ref()) {
        Some(field) => (quote!(&self.#field), quote!(&mut self.#field)),
        None => (quote!(loop {}), quote!(loop {})),
    };
    quote! {
        impl #impl_generics #krate::__private::HasRoot for #ident #type_generics #where_clause {
            type Id = #id;
            const CATEGORY: &'static str = #category;

            fn root(&self) -> &#krate::__private::Root<Self> {
                #root
            }

            fn root_mut(&mut self) -> &mut #krate::__private::Root<Self> {
                #root_mut
            }
        }
    }
}

/// Asks for the events at the struct's name, which is where their absence is told.
fn declares_events(model: &Aggregate) -> TokenStream {
    let Aggregate {
        ident,
        generics,
        krate,
        ..
    } = model;
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let span = ident.span().resolved_at(Span::mixed_site());
    let aggregate = quote_spanned!(span=> #ident #type_generics);
    quote! {
        const _: () = {
            #[allow(dead_code)]
            const fn it #impl_generics () #where_clause {
                #krate::__private::declares_events::<#aggregate>()
            }
        };
    }
}
