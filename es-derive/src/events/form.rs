//! How an argument is given, and so how it is stored.
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{GenericArgument, Path, PathArguments, Token, Type, TypeParamBound, TypeReference};

use crate::{source, types};

/// The forms a parameter of an event method may have.
pub(super) enum Form {
    /// `T`, stored as it is.
    Owned(Type),
    /// `&T`, stored as `T`.
    Ref(Type),
    /// `&Path` and the like, stored as what it is borrowed from.
    Borrowed(Type),
    /// `&str`, stored as `String`.
    Str,
    /// `&[T]`, stored as `Vec<T>`.
    Slice(Type),
    /// `impl Into<T>`, stored as `T`, and a `T` in the body.
    Into(Type),
}

impl Form {
    /// The type that is written, where one is.
    pub(super) fn ty(&self) -> Option<&Type> {
        match self {
            Self::Owned(ty)
            | Self::Ref(ty)
            | Self::Borrowed(ty)
            | Self::Slice(ty)
            | Self::Into(ty) => Some(ty),
            Self::Str => None,
        }
    }

    pub(super) fn ty_mut(&mut self) -> Option<&mut Type> {
        match self {
            Self::Owned(ty)
            | Self::Ref(ty)
            | Self::Borrowed(ty)
            | Self::Slice(ty)
            | Self::Into(ty) => Some(ty),
            Self::Str => None,
        }
    }

    /// The type of the field as a person would write it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Owned(ty) | Self::Ref(ty) | Self::Into(ty) => source::text(quote!(#ty)),
            Self::Borrowed(ty) => format!("<{} as ToOwned>::Owned", source::text(quote!(#ty))),
            Self::Str => "String".to_owned(),
            Self::Slice(ty) => format!("Vec<{}>", source::text(quote!(#ty))),
        }
    }

    /// The type of the field.
    pub(super) fn stored(&self, krate: &TokenStream) -> TokenStream {
        match self {
            Self::Owned(ty) | Self::Ref(ty) | Self::Into(ty) => quote!(#ty),
            Self::Borrowed(ty) => quote!(<#ty as #krate::__private::ToOwned>::Owned),
            Self::Str => quote!(#krate::__private::String),
            Self::Slice(ty) => quote!(#krate::__private::Vec<#ty>),
        }
    }

    /// The field's value, from an argument that the body needs too. What it lacks is told at the argument.
    pub(super) fn recorded(&self, krate: &TokenStream, argument: &Ident) -> TokenStream {
        let at = argument.span().resolved_at(Span::mixed_site());
        let (method, reference) = match self {
            Self::Owned(_) | Self::Into(_) => (quote_spanned!(at=> Clone::clone), quote!(&)),
            Self::Ref(_) => (quote_spanned!(at=> Clone::clone), quote!()),
            Self::Borrowed(_) | Self::Str | Self::Slice(_) => {
                (quote_spanned!(at=> ToOwned::to_owned), quote!())
            }
        };
        quote!(#krate::__private::#method(#reference #argument))
    }

    /// Whether the field's type is written `Option<..>`.
    pub(super) fn is_option(&self) -> bool {
        match self {
            Self::Owned(Type::Path(ty))
            | Self::Ref(Type::Path(ty))
            | Self::Into(Type::Path(ty)) => {
                let last = ty.path.segments.last();
                last.is_some_and(|last| last.ident == "Option")
            }
            _ => false,
        }
    }

    /// Whether the body takes the argument by value.
    pub(super) fn by_value(&self) -> bool {
        matches!(self, Self::Owned(_) | Self::Into(_))
    }
}

/// How a parameter of this type is stored; otherwise what is wrong with it, and what to write instead.
pub(super) fn of(ty: &Type) -> Result<Form, (TokenStream, String)> {
    let ty = types::ungrouped(ty);
    match ty {
        Type::Reference(reference) if reference.mutability.is_some() => {
            Err((quote!(#ty), instead_of(reference)))
        }
        Type::Reference(reference) => {
            let form = match types::ungrouped(&reference.elem) {
                Type::Slice(slice) => Form::Slice(owned(&slice.elem)?),
                Type::Path(path) if path.path.is_ident("str") => Form::Str,
                Type::Path(path) if is_unsized(&path.path) => {
                    Form::Borrowed(owned(&reference.elem)?)
                }
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

/// What owns a `str` or a `[T]`, where the type is one.
fn instead_of_unsized(ty: &Type) -> Option<String> {
    match types::ungrouped(ty) {
        Type::Path(path) if path.path.is_ident("str") => Some("String".to_owned()),
        Type::Slice(slice) => Some(format!(
            "Vec<{}>",
            source::text(slice.elem.to_token_stream())
        )),
        _ => None,
    }
}

/// The `str` of `Cow<str>`, of which the compiler would say that a lifetime is missing before `impl`.
fn of_a_cow_without_lifetime(path: &Path) -> Option<&Type> {
    let last = path.segments.last().filter(|last| last.ident == "Cow")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(of)) if arguments.args.len() == 1 => Some(of),
        _ => None,
    }
}

/// What to write instead of a reference where it cannot stand.
fn instead_of(reference: &TypeReference) -> String {
    let text = |ty: &Type| source::text(ty.to_token_stream());
    if let Some(owned) = instead_of_unsized(&reference.elem) {
        return format!("`{owned}`");
    }
    match types::ungrouped(&reference.elem) {
        Type::Path(path) if is_unsized(&path.path) => {
            let owned = text(&reference.elem)
                .replace("Path", "PathBuf")
                .replace("OsStr", "OsString")
                .replace("CStr", "CString");
            format!("`{owned}`")
        }
        inner => format!("`{}`", text(inner)),
    }
}

/// Whether a type is one of those in std that are only ever borrowed, or has the name of one.
fn is_unsized(path: &Path) -> bool {
    let last = path.segments.last();
    last.is_some_and(|last| {
        ["Path", "OsStr", "CStr"]
            .iter()
            .any(|name| last.ident == name)
    })
}

/// The `T` of `impl Into<T>`.
fn into_target(bounds: &Punctuated<TypeParamBound, Token![+]>) -> Option<&Type> {
    // Further bounds concern the caller alone.
    let into = bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound
            .path
            .segments
            .last()
            .filter(|segment| segment.ident == "Into"),
        _ => None,
    });
    let segment = into?;
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
    let ty = types::ungrouped(ty);
    if let Some(owned) = instead_of_unsized(ty) {
        return Err((quote!(#ty), format!("`{owned}`")));
    }
    borrowed.visit_type(ty);
    match borrowed.0 {
        None => Ok(ty.clone()),
        Some(found) => Err(found),
    }
}

/// Finds the first part of a type that cannot be stored.
struct Borrowed(Option<(TokenStream, String)>);

impl Visit<'_> for Borrowed {
    fn visit_type(&mut self, ty: &Type) {
        let help = match ty {
            Type::Reference(reference) => {
                let found = || (quote!(#ty), instead_of(reference));
                self.0.get_or_insert_with(found);
                return;
            }
            Type::ImplTrait(_) => "a concrete type; `impl Into<T>` stands alone",
            Type::TraitObject(_) => "a concrete type, or an enum of those that may occur",
            Type::FnPtr(_) | Type::Ptr(_) | Type::Never(_) | Type::Infer(_) | Type::Macro(_) => {
                "a type that can be stored"
            }
            Type::Path(path) => {
                let of = of_a_cow_without_lifetime(&path.path);
                if let Some(owned) = of.and_then(instead_of_unsized) {
                    self.0
                        .get_or_insert_with(|| (quote!(#ty), format!("`{owned}`")));
                }
                return visit::visit_type(self, ty);
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
