//! The code that says so.
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use super::model::EventSet;
use crate::diagnostics::Diagnostics;

pub(super) fn all(model: &EventSet, diagnostics: Diagnostics) -> TokenStream {
    let EventSet {
        ident,
        members,
        krate,
    } = model;
    if !diagnostics.is_empty() {
        let errors = diagnostics.into_compile_errors();
        return quote!(#errors);
    }
    let of: Vec<_> = members
        .iter()
        .map(|member| {
            let (conditions, events) = (&member.conditions, member.events);
            (conditions, quote!(<#events as #krate::__private::EventSet>))
        })
        .collect();
    let counts = of
        .iter()
        .map(|(conditions, set)| quote!(#(#conditions)* { count += #set::CATEGORIES.len(); }));
    let categories = of
        .iter()
        .map(|(conditions, set)| quote!(#(#conditions)* #set::CATEGORIES));
    let record = Ident::new("record", Span::mixed_site());
    let tries = members.iter().zip(&of).map(|(member, (conditions, set))| {
        let variant = member.variant;
        quote! {
            #(#conditions)*
            if #krate::__private::is_one_of(#set::CATEGORIES, #record) {
                return #krate::__private::Result::map(#set::decode(#record), Self::#variant);
            }
        }
    });
    quote! {
        impl #krate::__private::EventSet for #ident {
            const CATEGORIES: &'static [&'static str] = {
                const COUNT: usize = {
                    let mut count = 0;
                    #(#counts)*
                    count
                };
                &#krate::__private::all_categories::<COUNT>(&[#(#categories),*])
            };

            fn decode(
                #record: &#krate::__private::Record,
            ) -> #krate::__private::Result<Self, #krate::__private::DecodeError> {
                #(#tries)*
                #krate::__private::Result::Err(#krate::__private::not_in_the_set(#record))
            }
        }
    }
}
