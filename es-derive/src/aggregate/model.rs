//! What it means: an aggregate with a category, a type of ids and a root.
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{Data, Field, Fields, GenericArgument, GenericParam, Generics, PathArguments, Type};

use super::parse::Syntax;
use crate::{serde_attributes, source, types};

pub(super) struct Aggregate<'a> {
    pub(super) ident: &'a Ident,
    pub(super) generics: &'a Generics,
    /// The category, empty where none is given.
    pub(super) category: String,
    pub(super) id: Option<&'a Type>,
    /// The fields of type `Root<..>`; an aggregate has one.
    pub(super) roots: Vec<&'a Field>,
    /// The other fields.
    pub(super) state: Vec<&'a Field>,
    /// After how many events a snapshot is taken.
    pub(super) snapshot_every: Option<u32>,
    /// Changes with the fields, with what serde is told of the struct, and with `snapshot_revision`.
    pub(super) fingerprint: u64,
    pub(super) cached: bool,
    /// The path of `es_core`.
    pub(super) krate: TokenStream,
}

impl Aggregate<'_> {
    pub(super) fn borrows(&self) -> bool {
        self.generics
            .params
            .iter()
            .any(|parameter| matches!(parameter, GenericParam::Lifetime(_)))
    }
}

pub(super) fn of(syntax: &Syntax) -> Aggregate<'_> {
    let fields = match &syntax.item.data {
        Data::Struct(data) => named(&data.fields),
        Data::Enum(_) | Data::Union(_) => Vec::new(),
    };
    let (roots, state) = fields
        .into_iter()
        .partition(|field| is_root(&field.ty, &syntax.item.ident));
    Aggregate {
        ident: &syntax.item.ident,
        generics: &syntax.item.generics,
        category: syntax.category.value(),
        id: syntax.id.as_ref(),
        roots,
        state,
        snapshot_every: syntax.snapshot_every.as_ref().map(|number| number.value),
        fingerprint: fingerprint(syntax),
        cached: syntax.cached,
        krate: syntax
            .krate
            .as_ref()
            .map_or_else(|| quote!(::es_core), |krate| quote!(#krate)),
    }
}

fn named(fields: &Fields) -> Vec<&Field> {
    match fields {
        Fields::Named(fields) => fields.named.iter().collect(),
        Fields::Unnamed(_) | Fields::Unit => Vec::new(),
    }
}

fn fingerprint(syntax: &Syntax) -> u64 {
    let revision = syntax
        .snapshot_revision
        .as_ref()
        .map_or(0, |(_, number)| number.value);
    let fields = match &syntax.item.data {
        Data::Struct(data) => data.fields.to_token_stream(),
        Data::Enum(_) | Data::Union(_) => TokenStream::new(),
    };
    // `rename_all` and `default` say how a field is read as much as its own attributes do.
    let serde = syntax.item.attrs.iter();
    let serde = serde.filter(|attribute| serde_attributes::is_serde(attribute));
    source::fingerprint(quote!(#revision #(#serde)* #fields))
}

/// Whether a type is written as `Root<Self>`, or with the aggregate's name in it, and with a path before it or not.
fn is_root(ty: &Type, aggregate: &Ident) -> bool {
    let Some(PathArguments::AngleBracketed(of)) = root_of(ty) else {
        return false;
    };
    matches!(of.args.first(), Some(GenericArgument::Type(of)) if types::names(of, aggregate))
}

/// What stands behind `Root`, where a type is written so.
pub(super) fn root_of(ty: &Type) -> Option<&PathArguments> {
    let Type::Path(path) = types::ungrouped(ty) else {
        return None;
    };
    let last = path.path.segments.last()?;
    (last.ident == "Root").then_some(&last.arguments)
}
