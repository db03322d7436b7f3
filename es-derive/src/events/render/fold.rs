//! How events become state again.
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::{conditions, listed, unused_arguments};
use crate::events::generics;
use crate::events::model::{Event, EventType, Events, Parameter, used};
use crate::types;

/// `impl AllEventsStandInOneImpl for Dog`, at its name: where there are two, the compiler says what this one is called.
pub(super) fn one_impl(model: &Events) -> TokenStream {
    let Events { krate, header, .. } = model;
    let (impl_generics, _, where_clause) = header.generics.split_for_impl();
    let self_type = &header.self_ty;
    let at = model.aggregate.span().resolved_at(Span::mixed_site());
    let head = quote_spanned!(at=> impl);
    quote! {
        #head #impl_generics #krate::__private::AllEventsStandInOneImpl for #self_type #where_clause {}
    }
}

/// `impl Declares for Dog`
pub(super) fn declares(model: &Events) -> TokenStream {
    let Events { krate, header, .. } = model;
    let (impl_generics, _, where_clause) = header.generics.split_for_impl();
    let (self_type, event_type) = (&header.self_ty, event_type(model));
    quote! {
        impl #impl_generics #krate::__private::Declares for #self_type #where_clause {
            type Event = #event_type;
        }
    }
}

/// `impl EventOf for DogEvent`, where the enum says all about the aggregate: parameters that no event names are the aggregate's alone.
pub(super) fn event_of(model: &Events) -> Option<TokenStream> {
    let Events { krate, header, .. } = model;
    let EventType {
        ident, generics, ..
    } = &model.event_type;
    if !generics::all_used(&header.generics, generics) {
        return None;
    }
    let (impl_generics, type_generics, _) = generics.split_for_impl();
    let self_type = &header.self_ty;
    let mut where_clause = header.generics.where_clause.clone();
    if let Some(conditions) = &mut where_clause {
        types::name_self_in_conditions(conditions, self_type);
    }
    // A generic type may need the conditions of the `impl` to be an aggregate, so there it is asked outright.
    let category = if generics.params.is_empty() {
        quote! {{
            #[allow(unused_imports)]
            use #krate::__private::Uncategorized as _;
            <#krate::__private::CategoryOf<#self_type>>::CATEGORY
        }}
    } else {
        quote!(<#self_type as #krate::__private::HasRoot>::CATEGORY)
    };
    Some(quote! {
        impl #impl_generics #krate::__private::EventOf for #ident #type_generics #where_clause {
            const CATEGORY: &'static str = #category;
        }
    })
}

/// `impl Events for Dog`
pub(super) fn events(model: &Events) -> TokenStream {
    let Events { krate, header, .. } = model;
    let (impl_generics, _, where_clause) = header.generics.split_for_impl();
    let (self_type, event_type) = (&header.self_ty, event_type(model));
    let result = quote!(#krate::__private::Result);
    let misplaced = quote!(#krate::__private::Misplaced);
    let create = listed(model).map(|event| {
        if event.creates() && !event.broken {
            arm(
                model,
                event,
                |body, arguments| quote!(#result::Ok(Self::#body(#(#arguments),*))),
            )
        } else {
            misplaced_arm(model, event)
        }
    });
    let apply = listed(model).map(|event| {
        if event.creates() || event.broken {
            misplaced_arm(model, event)
        } else {
            arm(
                model,
                event,
                |body, arguments| quote!(#result::Ok(Self::#body(self, #(#arguments),*))),
            )
        }
    });
    let bodies = model.events.iter().map(|event| {
        let (conditions, fingerprint) = (conditions(&event.method), event.fingerprint());
        quote!(#(#conditions)* #fingerprint)
    });
    let upcasters = model.upcasters.iter().map(|upcaster| {
        let (conditions, fingerprint) = (conditions(&upcaster.method), upcaster.fingerprint());
        quote!(#(#conditions)* #fingerprint)
    });
    let used = used(model)
        .into_iter()
        .map(|fingerprint| quote!(#fingerprint));
    let fingerprints = bodies.chain(upcasters).chain(used);
    let event = Ident::new("event", Span::mixed_site());
    let (difference, describe) = (difference(model), describe(model));
    quote! {
        impl #impl_generics #krate::__private::Events for #self_type #where_clause {
            const FINGERPRINT: u64 = #krate::__private::fingerprint(&[#(#fingerprints),*]);

            fn create(#event: #event_type) -> #result<Self, #misplaced> {
                match #event {
                    #(#create)*
                }
            }

            fn apply(&mut self, #event: #event_type) -> #result<(), #misplaced> {
                match #event {
                    #(#apply)*
                }
            }

            #difference
            #describe
        }
    }
}

/// Compares two states where the aggregate is `PartialEq + Debug`, and has nothing to say where it is not. Of a generic one the bounds of
/// this `impl` say it.
fn difference(model: &Events) -> TokenStream {
    let krate = &model.krate;
    quote! {
        fn difference(&self, other: &Self) -> #krate::__private::Option<#krate::__private::String> {
            #[allow(unused_imports)]
            use #krate::__private::{Comparable as _, Opaque as _};
            (&#krate::__private::States(self, other)).__difference()
        }
    }
}

/// Shows the fields of a generic aggregate: whether a parameter can be printed is known here, and what the fields are to the derive.
fn describe(model: &Events) -> Option<TokenStream> {
    if !types::has_arguments(&model.header.self_ty) {
        return None;
    }
    let krate = &model.krate;
    Some(quote! {
        fn describe(&self, visit: &mut #krate::__private::Show<'_>) {
            #[allow(unused_imports)]
            use #krate::__private::{Described as _, Listed as _};
            (&#krate::__private::State(self)).__describe(visit);
        }
    })
}

/// The enum with its generic arguments.
fn event_type(model: &Events) -> TokenStream {
    let ident = &model.event_type.ident;
    let (_, type_generics, _) = model.event_type.generics.split_for_impl();
    quote!(#ident #type_generics)
}

/// Takes the event apart and runs its body; the stored values move into it.
fn arm(
    model: &Events,
    event: &Event,
    run: impl Fn(Ident, Vec<TokenStream>) -> TokenStream,
) -> TokenStream {
    let (conditions, variant, enumeration) = (
        conditions(&event.method),
        event.variant(),
        &model.event_type.ident,
    );
    let fields = event.parameters.iter().map(|parameter| &parameter.ident);
    let arguments = event.parameters.iter().map(replayed).collect();
    let run = run(event.body(), arguments);
    let unused = unused_arguments(event);
    quote!(#(#conditions)* #unused #enumeration::#variant { #(#fields),* } => #run,)
}

fn misplaced_arm(model: &Events, event: &Event) -> TokenStream {
    let Events {
        krate, event_type, ..
    } = model;
    let (conditions, variant, name) = (
        conditions(&event.method),
        event.variant(),
        event.stored_name(),
    );
    let enumeration = &event_type.ident;
    quote! {
        #(#conditions)*
        #enumeration::#variant { .. } => #krate::__private::Result::Err(#krate::__private::Misplaced { event: #name }),
    }
}

/// A field as an argument of the body.
fn replayed(Parameter { ident, form, .. }: &Parameter) -> TokenStream {
    if form.by_value() {
        quote!(#ident)
    } else {
        quote!(&#ident)
    }
}
