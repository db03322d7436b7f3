//! The enum, and what is declared about its variants.
use std::collections::HashSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, Visibility};

use super::{conditions, lints, listed, upcast};
use crate::events::form::Form;
use crate::events::model::{Event, EventType, Events, Parameter, has_serde_key};
use crate::{serde_attributes, source};

/// `pub enum DogEvent { .. }`
pub(super) fn declaration(model: &Events) -> TokenStream {
    let Events {
        krate, aggregate, ..
    } = model;
    let EventType {
        ident,
        vis,
        derives,
        generics,
    } = &model.event_type;
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let doc = format!("What can happen to a [`{aggregate}`].");
    let impl_lints = lints(&model.header.attrs);
    let serde = quote!(#krate::__private::serde);
    let mut serde_path = source::text(serde.clone());
    // In a string, `$crate` means nothing.
    let import = serde_path.contains('$').then(|| {
        serde_path = format!("__serde_{}", ident.unraw());
        let name = Ident::new(&serde_path, Span::call_site());
        quote!(#[doc(hidden)] #[allow(non_snake_case)] use #serde as #name;)
    });
    // Serde would guess bounds of its own beside those that are written.
    let bound = (!generics.params.is_empty()).then(|| quote!(#[serde(bound = "")]));
    let derives = (!derives.is_empty()).then(|| quote!(#[derive(#derives)]));
    // Another item of that name is told at a name that the user wrote.
    let at = ident.span().resolved_at(Span::mixed_site());
    let vis = vis
        .as_ref()
        .map_or_else(|| quote_spanned!(at=> pub), Visibility::to_token_stream);
    let head = quote_spanned!(at=> #vis enum);
    let variants = listed(model).map(|event| {
        let (docs, conditions, variant) = (
            docs(event, aggregate),
            conditions(&event.method),
            event.variant(),
        );
        let (lints, rename) = (lints(&event.method.attrs), rename(event));
        let fields = event.parameters.iter().map(
            |Parameter {
                 ident,
                 field_attributes,
                 form,
                 ..
             }| {
                let ty = form.stored(krate);
                let doc = format!("The argument `{}`.", ident.unraw());
                quote!(#[doc = #doc] #(#field_attributes)* #ident: #ty)
            },
        );
        quote!(#docs #(#conditions)* #(#lints)* #rename #variant { #(#fields),* })
    });
    let body = quote_spanned!(at=> { #(#variants,)* });
    quote! {
        #import
        #[doc = #doc]
        #[derive(
            #krate::__private::Debug,
            #krate::__private::Clone,
            #krate::__private::PartialEq,
            #krate::__private::Serialize,
            #krate::__private::Deserialize,
        )]
        #derives
        #[serde(crate = #serde_path)]
        #bound
        #(#impl_lints)*
        #[allow(private_interfaces)]
        #head #ident #impl_generics #where_clause #body
    }
}

/// The method's documentation, in which `Self` is the aggregate.
fn docs(event: &Event, aggregate: &Ident) -> TokenStream {
    let docs = event
        .method
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"));
    let docs: TokenStream = docs.map(|attribute| about(attribute, aggregate)).collect();
    if docs.is_empty() {
        let doc = format!(
            "Recorded by `{aggregate}::{}`.",
            event.method.sig.ident.unraw()
        );
        return quote!(#[doc = #doc]);
    }
    docs
}

fn about(attribute: &Attribute, aggregate: &Ident) -> TokenStream {
    if let Meta::NameValue(doc) = &attribute.meta
        && let Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) = &doc.value
    {
        let text = text.value().replace("Self::", &format!("{aggregate}::"));
        return quote!(#[doc = #text]);
    }
    quote!(#attribute)
}

/// The stored name where the compiler may write the variant's name in other characters than the literal's.
fn rename(event: &Event) -> Option<TokenStream> {
    let name = event.stored_name();
    (!name.is_ascii()).then(|| quote!(#[serde(rename = #name)]))
}

/// `impl Event for DogEvent`
pub(super) fn event(model: &Events) -> TokenStream {
    let krate = &model.krate;
    let EventType {
        ident, generics, ..
    } = &model.event_type;
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let shapes = listed(model).map(|event| shape(event, krate));
    let names = arms(model, |event| event.stored_name().to_token_stream());
    let schemas = arms(model, |event| event.schema().to_token_stream());
    let upcast = upcast::method(model);
    quote! {
        impl #impl_generics #krate::__private::Event for #ident #type_generics #where_clause {
            const SHAPES: &'static [#krate::__private::EventShape] = &[#(#shapes,)*];

            fn name(&self) -> &'static str {
                match *self {
                    #(#names)*
                }
            }

            fn schema(&self) -> u32 {
                match *self {
                    #(#schemas)*
                }
            }

            #upcast
        }
    }
}

/// What is declared about one event.
fn shape(event: &Event, krate: &TokenStream) -> TokenStream {
    let (conditions, name, schema) = (
        conditions(&event.method),
        event.stored_name(),
        event.schema(),
    );
    let creates = event.creates();
    let was = event.was.iter().map(|old| old.value());
    let fields = event.parameters.iter().map(|parameter| {
        let name = serde_attributes::stored_name(&parameter.field_attributes)
            .unwrap_or_else(|| parameter.ident.unraw().to_string());
        let ty = parameter.form.text();
        let serde: Vec<_> = parameter
            .field_attributes
            .iter()
            .map(|attribute| source::text(attribute.to_token_stream()))
            .collect();
        let serde = serde.join(" ");
        quote!(#krate::__private::FieldShape { name: #name, ty: #ty, serde: #serde })
    });
    quote! {
        #(#conditions)*
        #krate::__private::EventShape {
            name: #name,
            creates: #creates,
            was: &[#(#was),*],
            schema: #schema,
            fields: &[#(#fields),*],
        }
    }
}

/// An arm for each variant, whatever its fields.
fn arms(
    model: &Events,
    answer: impl Fn(&Event) -> TokenStream,
) -> impl Iterator<Item = TokenStream> {
    listed(model).map(move |event| {
        let (conditions, variant, answer) =
            (conditions(&event.method), event.variant(), answer(event));
        quote!(#(#conditions)* Self::#variant { .. } => #answer,)
    })
}

/// Types of which everyone knows that they can be recorded.
const KNOWN: [&str; 16] = [
    "String", "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "isize", "u8", "u16", "u32",
    "u64", "usize", "Uuid",
];

/// Asks of each type that it can be recorded, at the place where it is written. This comes first, so that what is missing is told in our
/// words before the derives tell it in theirs.
pub(super) fn can_be_recorded(model: &Events) -> Option<TokenStream> {
    let krate = &model.krate;
    let EventType {
        ident, generics, ..
    } = &model.event_type;
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let mut seen = HashSet::from(KNOWN.map(str::to_owned));
    let asked: Vec<_> = listed(model)
        .filter(|event| conditions(&event.method).is_empty())
        .flat_map(|event| {
            event
                .parameters
                .iter()
                .map(move |parameter| (event, parameter))
        })
        .filter(|(_, parameter)| {
            !matches!(parameter.form, Form::Borrowed(_)) && seen.insert(parameter.form.text())
        })
        .filter_map(|(event, parameter)| {
            // What is allowed of a type is allowed wherever it is named.
            let lints = [lints(&model.header.attrs), lints(&event.method.attrs)].concat();
            Some(((lints, asks(parameter)), parameter.form.ty()?))
        })
        .collect();
    if asked.is_empty() {
        return None;
    }
    let asked = asked.into_iter().enumerate().map(|(place, ((lints, asks), ty))| {
        quote! {
            #(#lints)*
            impl #impl_generics #krate::__private::#asks<#place> for _Parameters #type_generics #where_clause {
                type Type = #ty;
            }
        }
    });
    Some(quote! {
        const _: () = {
            struct _Parameters #impl_generics (#krate::__private::PhantomData<#ident #type_generics>) #where_clause;
            #(#asked)*
        };
    })
}

/// What is asked of a parameter: one that is written by functions of the user's need not be written by its type.
fn asks(parameter: &Parameter) -> Ident {
    let by_functions = ["with", "serialize_with", "deserialize_with"];
    let name = if has_serde_key(parameter, &by_functions) {
        "ParameterStoredWith"
    } else {
        "Parameter"
    };
    Ident::new(name, Span::mixed_site())
}
