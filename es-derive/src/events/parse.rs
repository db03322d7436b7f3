//! What is written: the `impl`, and which of its methods are marked with which arguments.
use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{Attribute, Expr, ImplItem, ImplItemFn, Item, ItemImpl, Path, Type};

use crate::arguments::{Arguments, Key, Name, value};
use crate::diagnostics::{Diagnostics, error};

pub(super) struct Syntax {
    /// The `impl`, without its items.
    pub(super) header: ItemImpl,
    /// The last name in the type it is for.
    pub(super) aggregate: Ident,
    /// `#[events(crate = ..)]`
    pub(super) krate: Option<Path>,
    pub(super) events: Vec<Marked>,
    /// What is not marked.
    pub(super) others: Vec<ImplItem>,
}

/// A method and what `#[event(..)]` says about it.
pub(super) struct Marked {
    pub(super) method: ImplItemFn,
    /// The attributes themselves.
    pub(super) marks: Vec<Attribute>,
    pub(super) name: Name,
    /// Its arguments could not all be read.
    pub(super) unreadable: bool,
    pub(super) id: Option<(Ident, Expr)>,
}

const EVENTS_KEYS: &[Key] = &[Key {
    name: "crate",
    takes: "a path",
    example: "crate = my_crate::es_core",
}];

const EVENT_KEYS: &[Key] = &[Key {
    name: "id",
    takes: "an expression",
    example: "id = Self::id_for(name)",
}];

pub(super) fn read(
    arguments: TokenStream,
    item: TokenStream,
    diagnostics: &mut Diagnostics,
) -> syn::Result<Syntax> {
    let mut krate = None;
    Arguments::new("events", EVENTS_KEYS, diagnostics).read(
        arguments,
        &mut |key, written, input| {
            krate = Some(value(key, written, input)?);
            Ok(())
        },
    );
    let mut header = inherent_impl(syn::parse2(item)?)?;
    let aggregate = type_name(&header.self_ty).ok_or_else(|| goes_on_impl(&header.self_ty))?;
    let (mut events, mut others) = (Vec::new(), Vec::new());
    for item in std::mem::take(&mut header.items) {
        match item {
            ImplItem::Fn(method) if method.attrs.iter().any(is_event) => {
                events.push(marked(method, diagnostics))
            }
            item => others.push(item),
        }
    }
    Ok(Syntax {
        header,
        aggregate,
        krate,
        events,
        others,
    })
}

fn marked(mut method: ImplItemFn, diagnostics: &mut Diagnostics) -> Marked {
    let (marks, rest) = method.attrs.drain(..).partition::<Vec<_>, _>(is_event);
    method.attrs = rest;
    let errors = diagnostics.count();
    let mut id = None;
    let mut arguments = Arguments::new("event", EVENT_KEYS, diagnostics);
    for mark in &marks {
        arguments.read_attribute(mark, &mut |key, written, input| {
            id = Some((written.clone(), value(key, written, input)?));
            Ok(())
        });
    }
    let name = arguments.into_name();
    Marked {
        method,
        marks,
        name,
        unreadable: diagnostics.count() > errors,
        id,
    }
}

/// Whether an attribute is `#[event]`, with or without a path before it.
fn is_event(attribute: &Attribute) -> bool {
    attribute
        .path()
        .segments
        .last()
        .is_some_and(|segment| segment.ident == "event")
}

fn inherent_impl(item: Item) -> syn::Result<ItemImpl> {
    let item = match item {
        Item::Impl(item) if item.trait_.is_none() => return Ok(item),
        item => item,
    };
    let place: &dyn ToTokens = match &item {
        Item::Impl(ItemImpl {
            trait_: Some((path, _)),
            ..
        }) => path,
        Item::Struct(item) => &item.struct_token,
        Item::Enum(item) => &item.enum_token,
        Item::Union(item) => &item.union_token,
        Item::Trait(item) => &item.trait_token,
        Item::Fn(item) => &item.sig.fn_token,
        Item::Mod(item) => &item.mod_token,
        other => other,
    };
    Err(goes_on_impl(place))
}

fn goes_on_impl(place: impl ToTokens) -> syn::Error {
    error(
        place,
        "`#[events]` goes on `impl Dog { .. }`, the methods of an aggregate",
        None,
    )
}

fn type_name(ty: &Type) -> Option<Ident> {
    match ty {
        Type::Path(path) if path.qself.is_none() => Some(path.path.segments.last()?.ident.clone()),
        Type::Group(group) => type_name(&group.elem),
        Type::Paren(paren) => type_name(&paren.elem),
        _ => None,
    }
}
