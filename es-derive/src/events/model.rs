//! What it means: the events of an aggregate, each with its stored name, its fields and what it does.
use std::collections::HashSet;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{
    Attribute, Expr, FnArg, GenericArgument, Generics, ImplItem, ImplItemFn, ItemImpl, Lifetime,
    LitStr, Pat, PatType, PathArguments, Receiver, Token, Type, Visibility,
};

use super::form::{self, Form};
use super::generics;
use super::parse::{EventArguments, Marked, Syntax, UpcastArguments};
use crate::arguments::{Name, Number};
use crate::diagnostics::Diagnostics;
use crate::{serde_attributes, source, types};

pub(super) struct Events {
    /// The `impl`, without its items.
    pub(super) header: ItemImpl,
    pub(super) aggregate: Ident,
    /// The generated enum.
    pub(super) event_type: EventType,
    /// The path of `es_core`.
    pub(super) krate: TokenStream,
    pub(super) events: Vec<Event>,
    pub(super) upcasters: Vec<Upcaster>,
    /// What stays as it is written, with its place.
    pub(super) others: Vec<(usize, ImplItem)>,
}

impl Events {
    /// The first lifetime of the `impl`, or of the type that it is for, as in `impl Dog<'_>`; an aggregate has none.
    pub(super) fn lifetime(&self) -> Option<&Lifetime> {
        let declared = self.header.generics.lifetimes().next();
        declared.map(|declared| &declared.lifetime).or_else(|| {
            let Type::Path(aggregate) = &*self.header.self_ty else {
                return None;
            };
            let PathArguments::AngleBracketed(given) = &aggregate.path.segments.last()?.arguments
            else {
                return None;
            };
            given.args.iter().find_map(|argument| match argument {
                GenericArgument::Lifetime(lifetime) => Some(lifetime),
                _ => None,
            })
        })
    }
}

pub(super) struct EventType {
    pub(super) ident: Ident,
    pub(super) vis: Option<Visibility>,
    /// What it derives besides.
    pub(super) derives: TokenStream,
    /// Those of the `impl` that its fields need.
    pub(super) generics: Generics,
}

pub(super) struct Event {
    /// Its place among the items of the `impl`.
    pub(super) place: usize,
    pub(super) method: ImplItemFn,
    /// The attributes `#[event(..)]`.
    pub(super) marks: Vec<Attribute>,
    /// The stored name as it is written.
    pub(super) name: Name,
    /// With its key.
    pub(super) id: Option<(Ident, Expr)>,
    /// The names it was stored under before.
    pub(super) was: Vec<LitStr>,
    /// The schema version as it is written.
    pub(super) schema: Option<Number>,
    /// It is replayed and never recorded again.
    pub(super) retired: bool,
    pub(super) parameters: Vec<Parameter>,
    /// A rule does not hold, so it is not recorded, and its method stays as it is written.
    pub(super) broken: bool,
    /// Its name is no variant or its parameters are no fields, so the enum does not have it either.
    pub(super) unlisted: bool,
    /// Another method has its name, so that its own is left out.
    pub(super) repeated: bool,
    /// Its body gives up with an error, which is told once, so it is not compiled.
    pub(super) gives_up: bool,
}

impl Event {
    /// An event method without `self` creates; with it, it changes.
    pub(super) fn receiver(&self) -> Option<&Receiver> {
        self.method.sig.receiver()
    }

    pub(super) fn creates(&self) -> bool {
        self.receiver().is_none()
    }

    /// The stored name.
    pub(super) fn stored_name(&self) -> String {
        self.name.value()
    }

    pub(super) fn schema(&self) -> u32 {
        self.schema.as_ref().map_or(1, |schema| schema.value)
    }

    /// The name of its variant, which is the stored name.
    pub(super) fn variant(&self) -> Ident {
        let span = match &self.name {
            Name::Given(literal) => literal.span(),
            Name::Missing | Name::Unreadable => Span::call_site(),
        };
        Ident::new(&self.stored_name(), span)
    }

    /// The hidden method that holds the body.
    pub(super) fn body(&self) -> Ident {
        let verb = if self.creates() { "create" } else { "apply" };
        let method = &self.method.sig.ident;
        // Of how the method is named, the compiler has something to say once.
        let span = method.span().resolved_at(Span::mixed_site());
        format_ident!("__{verb}_{}", method.unraw(), span = span)
    }
}

/// A parameter of an event method, which becomes a field of the event.
pub(super) struct Parameter {
    pub(super) ident: Ident,
    pub(super) mutability: Option<Token![mut]>,
    /// What is not for the field: levels of lints.
    pub(super) attributes: Vec<Attribute>,
    /// The type that the body sees.
    pub(super) in_body: Type,
    /// `#[serde(..)]`, for the field.
    pub(super) field_attributes: Vec<Attribute>,
    pub(super) form: Form,
}

pub(super) struct Upcaster {
    /// Its place among the items of the `impl`.
    pub(super) place: usize,
    pub(super) method: ImplItemFn,
    /// The attributes `#[upcast(..)]`.
    pub(super) marks: Vec<Attribute>,
    /// The event whose payloads it changes.
    pub(super) event: Name,
    /// The schema version it reads.
    pub(super) from: Option<Number>,
    /// A rule does not hold, so it is not called.
    pub(super) broken: bool,
}

pub(super) fn of(syntax: Syntax, diagnostics: &mut Diagnostics) -> Events {
    let self_type = &syntax.header.self_ty;
    let events: Vec<_> = syntax
        .events
        .into_iter()
        .map(|marked| event(marked, self_type, diagnostics))
        .collect();
    let arguments = syntax.arguments;
    let fields = events
        .iter()
        .flat_map(|event| &event.parameters)
        .filter_map(|parameter| parameter.form.ty());
    let event_type = EventType {
        generics: generics::used(&syntax.header.generics, fields),
        ident: arguments.type_name.unwrap_or_else(|| {
            format_ident!("{}Event", syntax.aggregate, span = syntax.aggregate.span())
        }),
        vis: arguments.vis,
        derives: arguments.derives,
    };
    Events {
        event_type,
        krate: arguments
            .krate
            .map_or_else(|| quote!(::es_core), |krate| quote!(#krate)),
        header: syntax.header,
        aggregate: syntax.aggregate,
        events,
        upcasters: syntax.upcasters.into_iter().map(upcaster).collect(),
        others: syntax.others,
    }
}

fn event(marked: Marked<EventArguments>, self_type: &Type, diagnostics: &mut Diagnostics) -> Event {
    let errors = diagnostics.count();
    let EventArguments {
        id,
        was,
        schema,
        retired,
    } = marked.arguments;
    let mut method = marked.method;
    let inputs = method.sig.inputs.iter_mut();
    let parameters = inputs
        .filter_map(|input| match input {
            FnArg::Receiver(_) => None,
            FnArg::Typed(input) => parameter(input, self_type, diagnostics),
        })
        .collect();
    let unlisted = diagnostics.count() > errors;
    Event {
        place: marked.place,
        method,
        marks: marked.marks,
        name: marked.name,
        id,
        was,
        schema,
        retired,
        parameters,
        broken: marked.unreadable || unlisted,
        unlisted,
        repeated: false,
        gives_up: false,
    }
}

fn upcaster(marked: Marked<UpcastArguments>) -> Upcaster {
    let UpcastArguments { from } = marked.arguments;
    Upcaster {
        place: marked.place,
        method: marked.method,
        marks: marked.marks,
        event: marked.name,
        from,
        broken: marked.unreadable,
    }
}

fn parameter(
    input: &mut PatType,
    self_type: &Type,
    diagnostics: &mut Diagnostics,
) -> Option<Parameter> {
    let (mut field_attributes, rest): (Vec<_>, _) =
        input.attrs.drain(..).partition(serde_attributes::is_serde);
    input.attrs = rest;
    for attribute in &mut field_attributes {
        serde_attributes::name_self(attribute, self_type);
    }
    if let Some(condition) = input.attrs.iter().find(|attribute| is_condition(attribute)) {
        diagnostics.error_with_help(
            condition,
            "what an event carries cannot depend on how the program is built",
            "put the condition on the method, and make it two events",
        );
        return None;
    }
    let Pat::Ident(name) = &mut *input.pat else {
        diagnostics.error_with_help(
            &input.pat,
            "an event argument is stored under its name",
            "name it, and take it apart in the body",
        );
        return None;
    };
    if name.by_ref.is_some() || name.subpat.is_some() {
        diagnostics.error_with_help(
            &*name,
            "an event argument is stored under its name",
            format!("`{}: ..` and nothing more", name.ident),
        );
        return None;
    }
    let mut form = match form::of(&input.ty) {
        Ok(form) => form,
        Err((place, help)) => {
            diagnostics.error_with_help(place, "an event owns its data", help);
            return None;
        }
    };
    if let Some(ty) = form.ty_mut() {
        types::name_self(ty, self_type);
    }
    Some(Parameter {
        ident: name.ident.clone(),
        mutability: name.mutability.take(),
        attributes: input.attrs.clone(),
        in_body: match &form {
            Form::Into(target) => target.clone(),
            _ => (*input.ty).clone(),
        },
        field_attributes,
        form,
    })
}

/// Whether a parameter has `#[serde(KEY)]` or `#[serde(KEY = ..)]` for one of these.
pub(super) fn has_serde_key(parameter: &Parameter, keys: &[&str]) -> bool {
    let tokens = parameter
        .field_attributes
        .iter()
        .filter_map(|attribute| attribute.meta.require_list().ok());
    let mut words = tokens.flat_map(|list| list.tokens.clone());
    words.any(|word| matches!(word, TokenTree::Ident(word) if keys.iter().any(|key| word == key)))
}

pub(super) fn is_condition(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr")
}

impl Event {
    /// Changes when its parameters or its body do.
    pub(super) fn fingerprint(&self) -> u64 {
        let (name, schema) = (self.stored_name(), self.schema());
        let (inputs, block) = (&self.method.sig.inputs, &self.method.block);
        let fields = self
            .parameters
            .iter()
            .flat_map(|parameter| &parameter.field_attributes);
        source::fingerprint(quote!(#name #schema (#inputs) #(#fields)* #block))
    }
}

impl Upcaster {
    /// Changes when what it does to a payload does.
    pub(super) fn fingerprint(&self) -> u64 {
        source::fingerprint(self.method.block.to_token_stream())
    }
}

/// What bodies and upcasters use of the rest of the `impl`: its constants, and the methods that they name, directly or through others. A fingerprint
/// for each.
pub(super) fn used(model: &Events) -> Vec<u64> {
    let mut used = Vec::new();
    let mut words = HashSet::new();
    let bodies = model.events.iter().map(|event| &event.method.block);
    for block in bodies.chain(
        model
            .upcasters
            .iter()
            .map(|upcaster| &upcaster.method.block),
    ) {
        read(block.to_token_stream(), &mut words);
    }
    let mut methods = Vec::new();
    for (_, item) in &model.others {
        match item {
            ImplItem::Const(constant) => {
                used.push(source::fingerprint(constant.to_token_stream()));
                read(constant.expr.to_token_stream(), &mut words);
            }
            ImplItem::Fn(method) => methods.push(method),
            _ => {}
        }
    }
    // What a method names may be another one that was passed over.
    while let Some(place) = methods
        .iter()
        .position(|method| words.contains(&method.sig.ident))
    {
        let ImplItemFn { sig, block, .. } = methods.remove(place);
        used.push(source::fingerprint(quote!(#sig #block)));
        read(block.to_token_stream(), &mut words);
    }
    used
}

/// Adds the words of some code.
fn read(code: TokenStream, words: &mut HashSet<Ident>) {
    for token in code {
        match token {
            TokenTree::Ident(word) => {
                words.insert(word);
            }
            TokenTree::Group(group) => read(group.stream(), words),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}
