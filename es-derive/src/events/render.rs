//! The code that says so: the enum, the fold, and the methods that record.
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Attribute, FnArg, ImplItemFn, Pat};

use super::model::{Event, Events, Form, Parameter};
use crate::diagnostics::Diagnostics;

/// With errors, everything that holds is generated still, so that nothing else turns red.
pub(super) fn all(model: &Events, diagnostics: Diagnostics) -> TokenStream {
    let errors = diagnostics.into_compile_errors();
    let render = Render { model };
    let (event_enum, event, declares, fold) = (
        render.event_enum(),
        render.event(),
        render.declares(),
        render.fold(),
    );
    let methods = render.methods();
    quote!(#errors #event_enum #event #declares #fold #methods)
}

struct Render<'a> {
    model: &'a Events,
}

impl<'a> Render<'a> {
    /// The events that hold.
    fn events(&self) -> impl Iterator<Item = &'a Event> {
        self.model.events.iter().filter(|event| !event.broken)
    }

    /// `pub enum DogEvent { .. }`
    fn event_enum(&self) -> TokenStream {
        let Events {
            event_type,
            krate,
            aggregate,
            ..
        } = self.model;
        let doc = format!("What can happen to a [`{aggregate}`].");
        let serde = format!("{krate}::__private::serde").replace(' ', "");
        let variants = self.events().map(|event| {
            let (docs, cfgs, variant) = (docs(event), cfgs(event), event.variant());
            let fields = event.parameters.iter().map(|parameter| {
                let Parameter {
                    ident,
                    field_attributes,
                    form,
                    ..
                } = parameter;
                let stored = form.stored(krate);
                quote!(#(#field_attributes)* #ident: #stored)
            });
            quote!(#(#docs)* #(#cfgs)* #variant { #(#fields),* })
        });
        quote! {
            #[doc = #doc]
            #[derive(
                #krate::__private::Debug,
                #krate::__private::Clone,
                #krate::__private::PartialEq,
                #krate::__private::Serialize,
                #krate::__private::Deserialize,
            )]
            #[serde(crate = #serde)]
            #[allow(missing_docs)]
            pub enum #event_type {
                #(#variants,)*
            }
        }
    }

    /// `impl Event for DogEvent`
    fn event(&self) -> TokenStream {
        let Events {
            event_type, krate, ..
        } = self.model;
        let shapes = self.events().map(|event| {
            let (cfgs, name) = (cfgs(event), event.stored_name());
            quote!(#(#cfgs)* #krate::__private::EventShape { name: #name, schema: 1 })
        });
        let names = self.arms(|event| {
            let name = event.stored_name();
            quote!(#name)
        });
        let schemas = self.arms(|_| quote!(1));
        quote! {
            impl #krate::__private::Event for #event_type {
                const SHAPES: &'static [#krate::__private::EventShape] = &[#(#shapes),*];

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
            }
        }
    }

    /// An arm for each variant, whatever its fields.
    fn arms(&self, answer: impl Fn(&Event) -> TokenStream) -> Vec<TokenStream> {
        let event_type = &self.model.event_type;
        self.events()
            .map(|event| {
                let (cfgs, variant, answer) = (cfgs(event), event.variant(), answer(event));
                quote!(#(#cfgs)* #event_type::#variant { .. } => #answer,)
            })
            .collect()
    }

    /// `impl Declares for Dog`
    fn declares(&self) -> TokenStream {
        let Events {
            event_type,
            krate,
            header,
            ..
        } = self.model;
        let (impl_generics, _, where_clause) = header.generics.split_for_impl();
        let self_type = &header.self_ty;
        quote! {
            impl #impl_generics #krate::__private::Declares for #self_type #where_clause {
                type Event = #event_type;
            }
        }
    }

    /// `impl Events for Dog`
    fn fold(&self) -> TokenStream {
        let Events {
            event_type,
            krate,
            header,
            ..
        } = self.model;
        let (impl_generics, _, where_clause) = header.generics.split_for_impl();
        let self_type = &header.self_ty;
        let result = quote!(#krate::__private::Result);
        let misplaced = quote!(#krate::__private::Misplaced);
        let arms = |create: bool| {
            let (result, misplaced) = (&result, &misplaced);
            self.events().map(move |event| {
                let (cfgs, variant, name) = (cfgs(event), event.variant(), event.stored_name());
                if event.creates() != create {
                    return quote! {
                        #(#cfgs)* #event_type::#variant { .. } => #result::Err(#misplaced { event: #name }),
                    };
                }
                let fields = event.parameters.iter().map(|parameter| &parameter.ident);
                let arguments = event.parameters.iter().map(replayed);
                let body = event.body();
                if create {
                    quote! {
                        #(#cfgs)* #event_type::#variant { #(#fields),* } => #result::Ok(Self::#body(#(#arguments),*)),
                    }
                } else {
                    quote! {
                        #(#cfgs)* #event_type::#variant { #(#fields),* } => #result::Ok(Self::#body(self, #(#arguments),*)),
                    }
                }
            })
        };
        let (create, apply) = (arms(true), arms(false));
        let event = Ident::new("event", Span::mixed_site());
        quote! {
            impl #impl_generics #krate::__private::Events for #self_type #where_clause {
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
            }
        }
    }

    /// The `impl` as it was written, its event methods recording.
    fn methods(&self) -> TokenStream {
        let Events {
            header,
            others,
            events,
            ..
        } = self.model;
        let (attrs, self_type) = (&header.attrs, &header.self_ty);
        let (impl_generics, _, where_clause) = header.generics.split_for_impl();
        let methods = events.iter().map(|event| {
            if event.broken {
                return as_written(event, &self.model.krate);
            }
            let (recording, body) = (self.recording(event), body(event));
            quote!(#recording #body)
        });
        quote! {
            #(#attrs)*
            impl #impl_generics #self_type #where_clause {
                #(#others)*
                #(#methods)*
            }
        }
    }

    /// The method under its own name and signature: it records the event, and runs the body.
    fn recording(&self, event: &Event) -> TokenStream {
        let Events {
            event_type, krate, ..
        } = self.model;
        let ImplItemFn { vis, sig, .. } = &event.method;
        let attributes = event
            .method
            .attrs
            .iter()
            .filter(|attribute| !attribute.path().is_ident("expect"));
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
                let chosen = self.id(event);
                quote! {
                    let #id: #krate::__private::Uuid = #chosen;
                    let #recorded = #event_type::#variant { #(#fields),* };
                    #krate::__private::open(#id, #recorded, Self::#body(#(#arguments),*))
                }
            }
            Some(receiver) => {
                let this = receiver.self_token;
                let state = Ident::new("state", Span::mixed_site());
                quote! {
                    let #recorded = #event_type::#variant { #(#fields),* };
                    #krate::__private::record(#this, #recorded, |#state| Self::#body(#state, #(#arguments),*));
                }
            }
        };
        quote! {
            #(#attributes)*
            #vis #sig {
                #(#conversions)*
                #record
            }
        }
    }

    /// The id of a new aggregate; its expression sees every parameter by reference.
    fn id(&self, event: &Event) -> TokenStream {
        let krate = &self.model.krate;
        let Some((_, expression)) = &event.id else {
            return quote!(#krate::__private::Uuid::now_v7());
        };
        let by_value = event
            .parameters
            .iter()
            .filter(|parameter| parameter.form.by_value());
        let references = by_value.map(|Parameter { ident, .. }| quote!(let #ident = &#ident;));
        let chosen = Ident::new("chosen", Span::mixed_site());
        quote! {{
            #[allow(unused_variables)]
            let #chosen: <Self as #krate::__private::HasRoot>::Id = {
                #(#references)*
                #expression
            };
            #krate::__private::Into::into(#chosen)
        }}
    }
}

/// The hidden method with the user's body: recording calls it, and replaying does.
fn body(event: &Event) -> TokenStream {
    let ident = event.body();
    let attributes = event
        .method
        .attrs
        .iter()
        .filter(|attribute| belongs_to_body(attribute));
    let receiver = event.receiver();
    let parameters = event.parameters.iter().map(|parameter| {
        let Parameter {
            ident,
            mutability,
            form,
            ..
        } = parameter;
        let ty = form.in_body();
        quote!(#mutability #ident: #ty)
    });
    let inputs = receiver
        .into_iter()
        .map(ToTokens::to_token_stream)
        .chain(parameters);
    let (output, block) = (&event.method.sig.output, &event.method.block);
    quote! {
        #(#attributes)*
        fn #ident(#(#inputs),*) #output #block
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
    for input in &mut sig.inputs {
        if let FnArg::Typed(input) = input
            && let Pat::Ident(name) = &mut *input.pat
            && let Some(parameter) = event
                .parameters
                .iter()
                .find(|parameter| parameter.ident == name.ident)
        {
            name.mutability = parameter.mutability;
        }
    }
    let conversions = conversions(event, krate);
    let statements = &block.stmts;
    quote! {
        #(#attrs)*
        #[allow(dead_code, unused_variables, unused_mut)]
        #vis #sig {
            #(#conversions)*
            #(#statements)*
        }
    }
}

/// Makes of every `impl Into<T>` the `T` that the body sees.
fn conversions(event: &Event, krate: &TokenStream) -> Vec<TokenStream> {
    event
        .parameters
        .iter()
        .filter_map(|Parameter { ident, form, .. }| match form {
            Form::Into(target) => Some(quote! {
                let #ident: #target = #krate::__private::Into::into(#ident);
            }),
            _ => None,
        })
        .collect()
}

/// A field as an argument of the body.
fn replayed(parameter: &Parameter) -> TokenStream {
    let ident = &parameter.ident;
    if parameter.form.by_value() {
        quote!(#ident)
    } else {
        quote!(&#ident)
    }
}

fn docs(event: &Event) -> impl Iterator<Item = &Attribute> {
    event
        .method
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
}

fn cfgs(event: &Event) -> Vec<&Attribute> {
    event
        .method
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .collect()
}

/// Whether an attribute is about the body: conditions, and the levels of lints.
fn belongs_to_body(attribute: &Attribute) -> bool {
    ["cfg", "allow", "expect", "warn", "deny", "forbid"]
        .iter()
        .any(|name| attribute.path().is_ident(name))
}
