//! What it means: the events of an aggregate, each with its stored name, its fields and what it does.
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Expr, FnArg, GenericArgument, ImplItem, ImplItemFn, ItemImpl, Pat, PatType,
    PathArguments, Receiver, Token, Type, TypeParamBound,
};

use super::parse::{Marked, Syntax};
use crate::arguments::Name;
use crate::diagnostics::Diagnostics;
use crate::source;

pub(super) struct Events {
    /// The `impl`, without its items.
    pub(super) header: ItemImpl,
    pub(super) aggregate: Ident,
    /// The name of the generated enum.
    pub(super) event_type: Ident,
    /// The path of `es_core`.
    pub(super) krate: TokenStream,
    pub(super) events: Vec<Event>,
    /// What stays as it is written.
    pub(super) others: Vec<ImplItem>,
}

pub(super) struct Event {
    pub(super) method: ImplItemFn,
    /// The attributes `#[event(..)]`.
    pub(super) marks: Vec<Attribute>,
    /// The stored name as it is written.
    pub(super) name: Name,
    pub(super) id: Option<(Ident, Expr)>,
    pub(super) parameters: Vec<Parameter>,
    /// A rule does not hold, so nothing is generated for it.
    pub(super) broken: bool,
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
        format_ident!(
            "__{verb}_{}",
            self.method.sig.ident.unraw(),
            span = self.method.sig.ident.span()
        )
    }
}

/// A parameter of an event method, which becomes a field of the event.
pub(super) struct Parameter {
    pub(super) ident: Ident,
    pub(super) mutability: Option<Token![mut]>,
    /// `#[serde(..)]`, for the field.
    pub(super) field_attributes: Vec<Attribute>,
    pub(super) form: Form,
}

/// How an argument is given, and so how it is stored.
pub(super) enum Form {
    /// `T`, stored as it is.
    Owned(Type),
    /// `&T`, stored as `T`.
    Ref(Type),
    /// `&str`, stored as `String`.
    Str,
    /// `&[T]`, stored as `Vec<T>`.
    Slice(Type),
    /// `impl Into<T>`, stored as `T`, and a `T` in the body.
    Into(Type),
}

impl Form {
    /// The type of the field.
    pub(super) fn stored(&self, krate: &TokenStream) -> TokenStream {
        match self {
            Self::Owned(ty) | Self::Ref(ty) | Self::Into(ty) => quote!(#ty),
            Self::Str => quote!(#krate::__private::String),
            Self::Slice(ty) => quote!(#krate::__private::Vec<#ty>),
        }
    }

    /// The type of the parameter that the body sees.
    pub(super) fn in_body(&self) -> TokenStream {
        match self {
            Self::Owned(ty) | Self::Into(ty) => quote!(#ty),
            Self::Ref(ty) => quote!(&#ty),
            Self::Str => quote!(&str),
            Self::Slice(ty) => quote!(&[#ty]),
        }
    }

    /// The field's value, from an argument that the body needs too.
    pub(super) fn recorded(&self, krate: &TokenStream, argument: &Ident) -> TokenStream {
        match self {
            Self::Owned(_) | Self::Into(_) => quote!(#krate::__private::Clone::clone(&#argument)),
            Self::Ref(_) => quote!(#krate::__private::Clone::clone(#argument)),
            Self::Str | Self::Slice(_) => quote!(#krate::__private::ToOwned::to_owned(#argument)),
        }
    }

    /// Whether the body takes the argument by value.
    pub(super) fn by_value(&self) -> bool {
        matches!(self, Self::Owned(_) | Self::Into(_))
    }
}

pub(super) fn of(syntax: Syntax, diagnostics: &mut Diagnostics) -> Events {
    let self_type = &syntax.header.self_ty;
    let events = syntax
        .events
        .into_iter()
        .map(|marked| event(marked, self_type, diagnostics))
        .collect();
    Events {
        event_type: format_ident!("{}Event", syntax.aggregate, span = syntax.aggregate.span()),
        krate: syntax
            .krate
            .map_or_else(|| quote!(::es_core), |krate| quote!(#krate)),
        header: syntax.header,
        aggregate: syntax.aggregate,
        events,
        others: syntax.others,
    }
}

fn event(marked: Marked, self_type: &Type, diagnostics: &mut Diagnostics) -> Event {
    let errors = diagnostics.count();
    let mut method = marked.method;
    let parameters = method
        .sig
        .inputs
        .iter_mut()
        .filter_map(|input| match input {
            FnArg::Receiver(_) => None,
            FnArg::Typed(input) => parameter(input, self_type, diagnostics),
        })
        .collect();
    Event {
        method,
        marks: marked.marks,
        name: marked.name,
        id: marked.id,
        parameters,
        broken: marked.unreadable || diagnostics.count() > errors,
    }
}

fn parameter(
    input: &mut PatType,
    self_type: &Type,
    diagnostics: &mut Diagnostics,
) -> Option<Parameter> {
    let (field_attributes, rest) = input
        .attrs
        .drain(..)
        .partition(|attribute| attribute.path().is_ident("serde"));
    input.attrs = rest;
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
    let mut form = match form(&input.ty) {
        Ok(form) => form,
        Err((place, help)) => {
            diagnostics.error_with_help(place, "an event owns its data", help);
            return None;
        }
    };
    if let Form::Owned(ty) | Form::Ref(ty) | Form::Slice(ty) | Form::Into(ty) = &mut form {
        NameSelf(self_type).visit_type_mut(ty);
    }
    Some(Parameter {
        ident: name.ident.clone(),
        mutability: name.mutability.take(),
        field_attributes,
        form,
    })
}

/// How a parameter of this type is stored; otherwise what is wrong with it, and what to write instead.
fn form(ty: &Type) -> Result<Form, (TokenStream, String)> {
    match ty {
        Type::Group(group) => form(&group.elem),
        Type::Paren(paren) => form(&paren.elem),
        Type::Reference(reference) if reference.mutability.is_some() => {
            let owned = source::text(reference.elem.to_token_stream());
            Err((quote!(#ty), format!("`{owned}`")))
        }
        Type::Reference(reference) => {
            let form = match ungrouped(&reference.elem) {
                Type::Slice(slice) => Form::Slice(owned(&slice.elem)?),
                Type::Path(path) if path.path.is_ident("str") => Form::Str,
                inner => Form::Ref(owned(inner)?),
            };
            match &reference.lifetime {
                None => Ok(form),
                Some(lifetime) => Err((
                    quote!(#lifetime),
                    "leave the lifetime out, or take an owned type".to_owned(),
                )),
            }
        }
        Type::ImplTrait(implied) => match into_target(&implied.bounds) {
            Some(target) => Ok(Form::Into(owned(target)?)),
            None => Err((quote!(#ty), "an owned type, or `impl Into<T>`".to_owned())),
        },
        _ => Ok(Form::Owned(owned(ty)?)),
    }
}

/// The `T` of `impl Into<T>`.
fn into_target(bounds: &Punctuated<TypeParamBound, Token![+]>) -> Option<&Type> {
    let [TypeParamBound::Trait(bound)] = &*bounds.iter().collect::<Vec<_>>() else {
        return None;
    };
    let segment = bound
        .path
        .segments
        .last()
        .filter(|segment| segment.ident == "Into")?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(target)) if arguments.args.len() == 1 => Some(target),
        _ => None,
    }
}

/// The type itself, where nothing inside it is borrowed or left open.
fn owned(ty: &Type) -> Result<Type, (TokenStream, String)> {
    let mut borrowed = Borrowed(None);
    let ty = ungrouped(ty);
    borrowed.visit_type(ty);
    match borrowed.0 {
        None => Ok(ty.clone()),
        Some(found) => Err(found),
    }
}

fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        _ => ty,
    }
}

/// Finds the first part of a type that cannot be stored.
struct Borrowed(Option<(TokenStream, String)>);

impl Visit<'_> for Borrowed {
    fn visit_type(&mut self, ty: &Type) {
        let help = match ty {
            Type::Reference(_) => {
                "an owned type inside: `Option<String>` instead of `Option<&str>`"
            }
            Type::ImplTrait(_) => "a concrete type; `impl Into<T>` stands alone",
            Type::TraitObject(_) => "a concrete type, or an enum of those that may occur",
            Type::Slice(_) => "`Vec<T>`",
            Type::Path(path) if path.path.is_ident("str") => "`String`",
            Type::FnPtr(_) | Type::Ptr(_) | Type::Never(_) | Type::Infer(_) | Type::Macro(_) => {
                "a type that can be stored"
            }
            _ => return visit::visit_type(self, ty),
        };
        self.0.get_or_insert_with(|| (quote!(#ty), help.to_owned()));
    }

    fn visit_lifetime(&mut self, lifetime: &syn::Lifetime) {
        if lifetime.ident != "static" {
            let found = (quote!(#lifetime), "an owned type".to_owned());
            self.0.get_or_insert(found);
        }
    }
}

/// Writes out `Self`, which means something else in the enum.
struct NameSelf<'a>(&'a Type);

impl VisitMut for NameSelf<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Type::Path(path) = ty
            && path.path.is_ident("Self")
        {
            *ty = self.0.clone();
            return;
        }
        visit_mut::visit_type_mut(self, ty);
    }
}
