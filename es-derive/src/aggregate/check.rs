//! The rules of an aggregate.
use quote::ToTokens;
use syn::{Data, Field, Fields, GenericParam, PathArguments};

use super::model::{Aggregate, root_of};
use super::parse::Syntax;
use crate::arguments::Name;
use crate::diagnostics::Diagnostics;
use crate::{serde_attributes, source};

pub(super) fn all(syntax: &Syntax, model: &Aggregate, diagnostics: &mut Diagnostics) {
    stored_name(syntax, model, diagnostics);
    nothing_is_borrowed(model, diagnostics);
    snapshots_are_taken(syntax, diagnostics);
    if is_a_struct_with_named_fields(syntax, diagnostics) {
        one_root(model, diagnostics);
        snapshots_have_the_root(model, diagnostics);
    }
}

fn is_a_struct_with_named_fields(syntax: &Syntax, diagnostics: &mut Diagnostics) -> bool {
    let ident = &syntax.item.ident;
    let keyword: &dyn ToTokens = match &syntax.item.data {
        Data::Struct(data) => {
            let place: &dyn ToTokens = match &data.fields {
                Fields::Named(_) => return true,
                Fields::Unnamed(fields) => fields,
                Fields::Unit => ident,
            };
            diagnostics.error_with_help(
                place,
                "an aggregate has named fields",
                format!("`struct {ident} {{ root: Root<Self> }}`"),
            );
            return false;
        }
        Data::Enum(data) => &data.enum_token,
        Data::Union(data) => &data.union_token,
    };
    diagnostics.error_with_help(
        keyword,
        "an aggregate is a struct: it has an identity and state",
        format!("keep the variants in a field: `state: {ident}State`"),
    );
    false
}

fn nothing_is_borrowed(model: &Aggregate, diagnostics: &mut Diagnostics) {
    for parameter in &model.generics.params {
        if let GenericParam::Lifetime(lifetime) = parameter {
            diagnostics.error_with_help(
                &lifetime.lifetime,
                "an aggregate cannot borrow: it is rebuilt from stored events",
                "own the data: `String` instead of `&'a str`",
            );
        }
    }
}

fn snapshots_are_taken(syntax: &Syntax, diagnostics: &mut Diagnostics) {
    match (&syntax.snapshot_every, &syntax.snapshot_revision) {
        (Some(every), _) if every.value == 0 => diagnostics.error_with_help(
            &every.literal,
            "`snapshot_every` counts events, from 1",
            "`snapshot_every = 100`; leave it out to take none",
        ),
        (None, Some((key, _))) => diagnostics.error_with_help(
            key,
            "`snapshot_revision` is that of snapshots, and none are taken",
            "`snapshot_every = 100`",
        ),
        _ => {}
    }
}

fn one_root(model: &Aggregate, diagnostics: &mut Diagnostics) {
    let ident = model.ident;
    match &model.roots[..] {
        [] => {
            let called_root =
                |field: &&&Field| field.ident.as_ref().is_some_and(|name| name == "root");
            let of_another = model
                .state
                .iter()
                .find(|field| root_of(&field.ty).is_some());
            match of_another.or(model.state.iter().find(called_root)) {
                None => diagnostics.error_with_help(
                    ident,
                    format!("`{ident}` has no root"),
                    "add a field `root: Root<Self>`",
                ),
                Some(field) => {
                    let name = field.ident.as_ref().map(ToString::to_string);
                    let fact = match root_of(&field.ty) {
                        Some(PathArguments::None) => "this `Root` is without `<Self>`".to_owned(),
                        Some(_) => format!(
                            "`{}` is that of another",
                            source::text(field.ty.to_token_stream())
                        ),
                        None => "its type is known by the name `Root`".to_owned(),
                    };
                    diagnostics.error_with_help(
                        &field.ty,
                        format!("`{ident}` has no root: {fact}"),
                        format!("`{}: Root<Self>`", name.unwrap_or_default()),
                    );
                }
            }
        }
        [_] => {}
        [first, more @ ..] => {
            for second in more {
                diagnostics.twice(second, first, format!("`{ident}` has two roots"));
            }
        }
    }
}

/// The root says of which aggregate a state is, and of which version: a snapshot without it can never be used.
fn snapshots_have_the_root(model: &Aggregate, diagnostics: &mut Diagnostics) {
    if model.snapshot_every.is_none() {
        return;
    }
    for root in &model.roots {
        let name = root.ident.as_ref().map(ToString::to_string);
        let name = name.unwrap_or_default();
        for key in serde_attributes::keys(&root.attrs) {
            if serde_attributes::skips(&key) {
                diagnostics.error_with_help(
                    &key,
                    format!("`{name}` is left out of snapshots, so none could ever be used"),
                    format!("remove `{}`", source::text(key.to_token_stream())),
                );
            }
        }
    }
}

fn stored_name(syntax: &Syntax, model: &Aggregate, diagnostics: &mut Diagnostics) {
    let ident = model.ident;
    let help = format!("`#[aggregate(\"{ident}\")]`");
    let literal = match &syntax.category {
        Name::Given(literal) => literal,
        Name::Missing => {
            diagnostics.error_with_help(ident, format!("`{ident}` has no stored name"), help);
            return;
        }
        Name::Unreadable => return,
    };
    let name = &model.category;
    let allowed = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.');
    if name.is_empty() {
        diagnostics.error_with_help(
            literal,
            format!("`{ident}` has no stored name: this one is empty"),
            help,
        );
    } else if let Some(letter) = name.chars().find(|letter| !allowed(*letter)) {
        diagnostics.error_with_help(
            literal,
            format!("`{ident}` has no stored name: one may have letters, digits, `_`, `-` and `.`, but not {letter:?}"),
            help,
        );
    }
}
