//! The steps between schema versions.
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, ReturnType};

use super::conditions;
use crate::arguments::Name;
use crate::events::model::{Events, Upcaster};

/// `Event::upcast`, where there are any steps.
pub(super) fn method(model: &Events) -> Option<TokenStream> {
    let krate = &model.krate;
    let [event, from, payload] =
        ["event", "from", "payload"].map(|name| Ident::new(name, Span::mixed_site()));
    let whole = model.upcasters.iter().filter(|upcaster| !upcaster.broken);
    let steps: Vec<_> = whole
        .filter_map(|upcaster| step(model, upcaster, &event, &from, &payload))
        .collect();
    if steps.is_empty() {
        return None;
    }
    Some(quote! {
        fn upcast(
            #event: &'static str,
            #from: u32,
            #payload: &mut #krate::__private::JsonMap,
        ) -> #krate::__private::Result<(), #krate::__private::UpcastError> {
            match (#event, #from) {
                #(#steps)*
                (#event, #from) => #krate::__private::Result::Err(
                    #krate::__private::UpcastError::Missing { event: #event, from: #from },
                ),
            }
        }
    })
}

fn step(
    model: &Events,
    upcaster: &Upcaster,
    event: &Ident,
    from: &Ident,
    payload: &Ident,
) -> Option<TokenStream> {
    let (Name::Given(name), Some(number)) = (&upcaster.event, &upcaster.from) else {
        return None;
    };
    let krate = &model.krate;
    let (aggregate, method, number) = (
        &model.header.self_ty,
        &upcaster.method.sig.ident,
        number.value,
    );
    let conditions = conditions(&upcaster.method);
    // A wrong answer is told at the type of the answer.
    let answer = match &upcaster.method.sig.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => method.span(),
    };
    // And a payload of another type at the type of the parameter.
    let mut payload = payload.clone();
    if let Some(FnArg::Typed(input)) = upcaster.method.sig.inputs.first() {
        payload.set_span(input.ty.span().resolved_at(Span::mixed_site()));
    }
    let called =
        quote_spanned!(answer.resolved_at(Span::mixed_site())=> <#aggregate>::#method(#payload));
    Some(quote! {
        #(#conditions)*
        (#name, #number) => #krate::__private::upcast(#event, #from, #called),
    })
}
