//! The code that says so.
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{WhereClause, WherePredicate, parse_quote};

use super::model::Aggregate;
use crate::diagnostics::Diagnostics;

pub(super) fn all(model: &Aggregate, diagnostics: Diagnostics) -> TokenStream {
    if diagnostics.is_empty() {
        let (snapshots, cached) = (snapshots(model), cached(model));
        let (show, printable) = (show(model), printable(model));
        let has_root = has_root(model, &quote!(#snapshots #cached #show));
        let declares_events = declares_events(model);
        return quote!(#has_root #printable #declares_events);
    }
    // One mistake, one error: what else needs the struct to be an aggregate finds that it is.
    let errors = diagnostics.into_compile_errors();
    let has_root = (!model.borrows()).then(|| has_root(model, &TokenStream::new()));
    quote!(#errors #has_root)
}

fn has_root(model: &Aggregate, asked_for: &TokenStream) -> TokenStream {
    let Aggregate {
        ident,
        generics,
        category,
        id,
        roots,
        krate,
        ..
    } = model;
    let (impl_generics, type_generics, _) = generics.split_for_impl();
    let where_clause = where_clause(model);
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

            #asked_for
        }
    }
}

/// The conditions under which a generic struct is an aggregate, besides those that it states: nobody has to write them out.
fn where_clause(model: &Aggregate) -> Option<WhereClause> {
    let krate = &model.krate;
    let mut generics = model.generics.clone();
    let parameters: Vec<_> = generics
        .type_params()
        .map(|parameter| parameter.ident.clone())
        .collect();
    if parameters.is_empty() {
        return generics.where_clause;
    }
    let conditions = &mut generics.make_where_clause().predicates;
    for parameter in parameters {
        conditions.push(
            parse_quote!(#parameter: #krate::__private::Send + #krate::__private::Sync + 'static),
        );
    }
    if model.snapshot_every.is_some() {
        conditions.push(parse_quote!(Self: #krate::__private::Snapshotted));
    }
    if model.cached {
        conditions.push(parse_quote!(Self: #krate::__private::Cached));
    }
    generics.where_clause
}

/// `snapshot_every`, which asks for what it needs at the struct's name.
fn snapshots(model: &Aggregate) -> Option<TokenStream> {
    let Aggregate {
        krate, fingerprint, ..
    } = model;
    let every = u64::from(model.snapshot_every?);
    let aggregate = at_its_name(model);
    Some(quote! {
        const SNAPSHOTS: #krate::__private::Option<#krate::__private::Snapshots<Self>> =
            #krate::__private::Option::Some(#krate::__private::snapshots::<#aggregate>(#every, #fingerprint));
    })
}

/// `cached`, which asks for what it needs at the struct's name.
fn cached(model: &Aggregate) -> Option<TokenStream> {
    let krate = &model.krate;
    let aggregate = model.cached.then(|| at_its_name(model))?;
    Some(quote! {
        const CACHED: #krate::__private::Option<fn(&Self) -> Self> =
            #krate::__private::Option::Some(#krate::__private::copies::<#aggregate>());
    })
}

/// Shows each field that is `Debug`, and of the others that they are there.
fn show(model: &Aggregate) -> Option<TokenStream> {
    let krate = &model.krate;
    let fields = visits(model)?;
    Some(quote! {
        fn show(&self, visit: &mut #krate::__private::Show<'_>) {
            #fields
        }
    })
}

/// The same where the type parameters can be printed, of which the struct's own bounds say nothing.
fn printable(model: &Aggregate) -> Option<TokenStream> {
    let Aggregate {
        ident,
        generics,
        krate,
        ..
    } = model;
    let parameters: Vec<_> = generics.type_params().map(|ty| &ty.ident).collect();
    if parameters.is_empty() {
        return None;
    }
    let fields = visits(model)?;
    let mut conditions = (*generics).clone();
    conditions.make_where_clause().predicates.extend(
        parameters.iter().map(|parameter| -> WherePredicate {
            parse_quote!(#parameter: #krate::__private::Debug)
        }),
    );
    let (impl_generics, type_generics, where_clause) = conditions.split_for_impl();
    Some(quote! {
        impl #impl_generics #krate::__private::Printable for #ident #type_generics #where_clause {
            fn __print(&self, visit: &mut #krate::__private::Show<'_>) {
                #fields
            }
        }
    })
}

/// Shows the fields to `visit`. Nothing is compiled for a field but a call: its `Debug` is there already.
fn visits(model: &Aggregate) -> Option<TokenStream> {
    let krate = &model.krate;
    model.state.first()?;
    let fields = model.state.iter().filter_map(|field| {
        let ident = field.ident.as_ref()?;
        let name = ident.unraw().to_string();
        let conditions = field
            .attrs
            .iter()
            .filter(|attr| attr.path().is_ident("cfg"));
        Some(quote! {
            #(#conditions)*
            visit(#name, (&#krate::__private::Field(&self.#ident)).__shown());
        })
    });
    Some(quote! {
        use #krate::__private::{Hidden as _, Shown as _};
        #(#fields)*
    })
}

/// Asks for the events at the struct's name, which is where their absence is told. The `impl` of a generic struct may be for some of its
/// types only, or have more bounds, so there it is not asked.
fn declares_events(model: &Aggregate) -> Option<TokenStream> {
    if !model.generics.params.is_empty() {
        return None;
    }
    let krate = &model.krate;
    let aggregate = at_its_name(model);
    Some(quote! {
        const _: () = #krate::__private::declares_events::<#aggregate>();
    })
}

/// The type, so that what it lacks is told at the struct's name.
fn at_its_name(model: &Aggregate) -> TokenStream {
    let ident = model.ident;
    let (_, type_generics, _) = model.generics.split_for_impl();
    let span = ident.span().resolved_at(Span::mixed_site());
    quote_spanned!(span=> #ident #type_generics)
}
