//! The `impl` as it was written, its event methods recording.
use std::collections::HashSet;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{FnArg, ImplItemFn, Pat, parse_quote};

use super::{conditions, lints, unused_arguments, whole, without_lints};
use crate::events::form::Form;
use crate::events::model::{Event, Events, Parameter};

pub(super) fn all(model: &Events) -> TokenStream {
    let header = &model.header;
    let (attributes, self_type) = (&header.attrs, &header.self_ty);
    let (impl_generics, _, where_clause) = header.generics.split_for_impl();
    let items = in_their_places(model);
    quote! {
        #(#attributes)*
        impl #impl_generics #self_type #where_clause {
            #(#items)*
        }
    }
}

/// The items in the order in which they were written.
fn in_their_places(model: &Events) -> impl Iterator<Item = TokenStream> {
    let others = model
        .others
        .iter()
        .map(|(place, item)| (*place, item.to_token_stream()));
    let events = model
        .events
        .iter()
        .map(|event| (event.place, method(model, event)));
    let upcasters = model.upcasters.iter().map(|upcaster| {
        // The code that calls it is left out with an error only.
        let unused = upcaster.broken.then(|| quote!(#[allow(dead_code)]));
        let method = &upcaster.method;
        (upcaster.place, quote!(#unused #method))
    });
    let mut items: Vec<_> = others.chain(events).chain(upcasters).collect();
    items.sort_by_key(|(place, _)| *place);
    items.into_iter().map(|(_, item)| item)
}

fn method(model: &Events, event: &Event) -> TokenStream {
    if event.repeated {
        return TokenStream::new();
    }
    if event.broken {
        return as_written(event, &model.krate);
    }
    let outside = if event.retired {
        uncallable(model, event)
    } else {
        recording(model, event)
    };
    let body = body(event);
    quote!(#outside #body)
}

/// The method under its own name and signature: it records the event, and runs the body.
fn recording(model: &Events, event: &Event) -> TokenStream {
    let krate = &model.krate;
    let enumeration = &model.event_type.ident;
    let ImplItemFn {
        attrs, vis, sig, ..
    } = &event.method;
    let (attributes, lints) = (without_lints(attrs), lints(attrs));
    let conversions = conversions(event, krate);
    let fields = event
        .parameters
        .iter()
        .map(|Parameter { ident, form, .. }| {
            let value = form.recorded(krate, ident);
            quote!(#ident: #value)
        });
    let arguments = event.parameters.iter().map(|parameter| &parameter.ident);
    let (variant, body) = (event.variant(), event.body());
    let recorded = Ident::new("event", Span::mixed_site());
    let record = match event.receiver() {
        None => {
            let id = Ident::new("id", Span::mixed_site());
            let chosen = chosen_id(event, krate);
            quote! {
                let #id: #krate::__private::Uuid = #chosen;
                let #recorded = #enumeration::#variant { #(#fields),* };
                #krate::__private::record_creation(#id, #recorded, Self::#body(#(#arguments),*))
            }
        }
        Some(receiver) => {
            let this = receiver.self_token;
            let state = Ident::new("state", Span::mixed_site());
            quote! {
                let #recorded = #enumeration::#variant { #(#fields),* };
                #krate::__private::record(#this, #recorded, |#state| Self::#body(#state, #(#arguments),*));
            }
        }
    };
    let unused = unused_arguments(event);
    quote! {
        #(#attributes)*
        #unused
        #(#lints)*
        #vis #sig {
            #(#conversions)*
            #record
        }
    }
}

/// The id of a new aggregate; its expression sees every parameter by reference.
fn chosen_id(event: &Event, krate: &TokenStream) -> TokenStream {
    let Some((_, expression)) = &event.id else {
        return quote!(#krate::__private::Uuid::now_v7());
    };
    let by_value = event
        .parameters
        .iter()
        .filter(|parameter| parameter.form.by_value());
    let references = by_value.map(|Parameter { ident, .. }| {
        quote! {
            let #ident = &#ident;
            let _ = #ident;
        }
    });
    let chosen = Ident::new("chosen", Span::mixed_site());
    quote! {{
        let #chosen: <Self as #krate::__private::HasRoot>::Id = {
            #(#references)*
            #expression
        };
        #krate::__private::AggregateId::to_uuid(&#chosen)
    }}
}

/// The hidden method with the user's body: recording calls it, and replaying does.
fn body(event: &Event) -> TokenStream {
    let ident = event.body();
    let (conditions, lints) = (conditions(&event.method), lints(&event.method.attrs));
    let parameters = event.parameters.iter().map(|parameter| {
        let Parameter {
            ident,
            mutability,
            attributes,
            in_body,
            ..
        } = parameter;
        let lints = self::lints(attributes);
        quote!(#(#lints)* #mutability #ident: #in_body)
    });
    let receiver = event.receiver().map(ToTokens::to_token_stream);
    let inputs = receiver.into_iter().chain(parameters);
    let signature = &event.method.sig;
    let (output, where_clause) = (&signature.output, &signature.generics.where_clause);
    let block = with_every_parameter(event);
    let many = (event.parameters.len() > 6).then(|| quote!(#[allow(clippy::too_many_arguments)]));
    quote! {
        #(#conditions)*
        #many
        #(#lints)*
        fn #ident(#(#inputs),*) #output #where_clause #block
    }
}

/// The user's body, in which no parameter is unused: much of what a fact says is for its readers, and nothing that the state needs.
fn with_every_parameter(event: &Event) -> TokenStream {
    let block = &event.method.block;
    let body = block.to_token_stream();
    let unmentioned: Vec<_> = event
        .parameters
        .iter()
        .map(|parameter| &parameter.ident)
        .filter(|ident| !ident.to_string().starts_with('_') && !mentions(body.clone(), ident))
        .collect();
    if unmentioned.is_empty() {
        return body;
    }
    let statements = &block.stmts;
    quote!({
        #(let _ = &#unmentioned;)*
        #(#statements)*
    })
}

/// Whether the variable of that name is mentioned: not a field, a method or a part of a path. To find too few is harmless.
fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let is_one_of = |token: Option<&TokenTree>, signs: &[char]| matches!(token, Some(TokenTree::Punct(punct)) if signs.contains(&punct.as_char()));
    tokens.iter().enumerate().any(|(place, token)| match token {
        TokenTree::Group(group) => mentions(group.stream(), name),
        TokenTree::Ident(ident) => {
            let before = place.checked_sub(1).and_then(|place| tokens.get(place));
            ident == name
                && !is_one_of(before, &['.', ':'])
                && !is_one_of(tokens.get(place + 1), &[':'])
        }
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// For each retired event a type of its method's name, which is what a caller is told of.
pub(super) fn retired(model: &Events) -> Option<TokenStream> {
    let retired: Vec<_> = whole(model)
        .filter(|event| event.retired)
        .map(|event| {
            let (conditions, method) = (conditions(&event.method), &event.method.sig.ident);
            quote!(#(#conditions)* pub struct #method;)
        })
        .collect();
    if retired.is_empty() {
        return None;
    }
    let module = retired_module(model);
    Some(quote! {
        #[doc(hidden)]
        #[allow(non_snake_case, non_camel_case_types, dead_code, missing_docs, unreachable_pub)]
        mod #module {
            #(#retired)*
        }
    })
}

fn retired_module(model: &Events) -> Ident {
    format_ident!("__{}_retired", model.event_type.ident.unraw())
}

/// The method of a retired event: there, documented, and an error to call.
///
/// Because of its lifetime, the condition is looked at where the method is called, and not where it is declared.
fn uncallable(model: &Events, event: &Event) -> TokenStream {
    let krate = &model.krate;
    let ImplItemFn {
        attrs, vis, sig, ..
    } = &event.method;
    let (attributes, module) = (without_lints(attrs), retired_module(model));
    let (ident, inputs, output) = (&sig.ident, &sig.inputs, &sig.output);
    quote! {
        #(#attributes)*
        #[allow(dead_code, unused_variables, clippy::all, clippy::pedantic)]
        #vis fn #ident<'never>(#inputs) #output
        where
            #module::#ident: #krate::__private::NotRetired<'never>,
        {
            loop {}
        }
    }
}

/// A method that cannot be an event, as the user wrote it, so that its body raises no further error.
fn as_written(event: &Event, krate: &TokenStream) -> TokenStream {
    let ImplItemFn {
        attrs,
        vis,
        sig,
        block,
        ..
    } = &event.method;
    let mut sig = sig.clone();
    let mut names = HashSet::new();
    for input in &mut sig.inputs {
        let FnArg::Typed(input) = input else { continue };
        // That two have one name is told already.
        if let Pat::Ident(name) = &*input.pat
            && !names.insert(name.ident.clone())
        {
            *input.pat = parse_quote!(_);
        }
        if let Pat::Ident(name) = &mut *input.pat
            && let Some(parameter) = event
                .parameters
                .iter()
                .find(|parameter| parameter.ident == name.ident)
            && !matches!(parameter.form, Form::Into(_))
        {
            name.mutability = parameter.mutability;
        }
    }
    let conversions = conversions(event, krate);
    let statements = match event.gives_up {
        true => quote!(loop {}),
        false => block.stmts.iter().map(ToTokens::to_token_stream).collect(),
    };
    quote! {
        #(#attrs)*
        #[allow(dead_code, unused_variables, unused_mut)]
        #vis #sig {
            #(#conversions)*
            #statements
        }
    }
}

/// Makes of every `impl Into<T>` the `T` that the body sees.
fn conversions(event: &Event, krate: &TokenStream) -> Vec<TokenStream> {
    let convert = |Parameter {
                       ident,
                       mutability,
                       form,
                       ..
                   }: &Parameter| {
        let mutability = mutability.filter(|_| event.broken);
        match form {
            Form::Into(target) => Some(quote! {
                let #mutability #ident: #target = #krate::__private::Into::into(#ident);
            }),
            _ => None,
        }
    };
    event.parameters.iter().filter_map(convert).collect()
}
