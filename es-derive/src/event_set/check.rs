//! The rules of a set of events.
use quote::ToTokens;
use syn::{Data, Fields, Variant};

use super::model::member;
use super::parse::Syntax;
use crate::diagnostics::Diagnostics;
use crate::source;

pub(super) fn all(syntax: &Syntax, diagnostics: &mut Diagnostics) {
    nothing_is_generic(syntax, diagnostics);
    let keyword: &dyn ToTokens = match &syntax.item.data {
        Data::Enum(data) => {
            if data.variants.is_empty() {
                is_empty(syntax, diagnostics);
            }
            for variant in &data.variants {
                holds_the_events_of_one_aggregate(variant, diagnostics);
            }
            each_aggregate_has_one_variant(syntax, diagnostics);
            return;
        }
        Data::Struct(data) => &data.struct_token,
        Data::Union(data) => &data.union_token,
    };
    diagnostics.error_with_help(
        keyword,
        "a set of events is an enum: an event is of one aggregate or of another",
        format!(
            "`enum {} {{ Book(BookEvent), Member(MemberEvent) }}`",
            syntax.item.ident
        ),
    );
}

fn is_empty(syntax: &Syntax, diagnostics: &mut Diagnostics) {
    let ident = &syntax.item.ident;
    diagnostics.error_with_help(
        ident,
        format!("`{ident}` holds no events"),
        format!("`enum {ident} {{ Book(BookEvent), Member(MemberEvent) }}`"),
    );
}

fn holds_the_events_of_one_aggregate(variant: &Variant, diagnostics: &mut Diagnostics) {
    if member(variant).is_some() {
        return;
    }
    let ident = &variant.ident;
    let place: &dyn ToTokens = match &variant.fields {
        Fields::Unit => ident,
        fields => fields,
    };
    let name = ident.to_string();
    let aggregate = name.strip_suffix("Event").filter(|name| !name.is_empty());
    let aggregate = aggregate.unwrap_or(&name);
    diagnostics.error_with_help(
        place,
        format!("`{ident}` holds the events of one aggregate, in brackets"),
        format!("`{aggregate}({aggregate}Event)`"),
    );
}

fn each_aggregate_has_one_variant(syntax: &Syntax, diagnostics: &mut Diagnostics) {
    let Data::Enum(data) = &syntax.item.data else {
        return;
    };
    let mut seen = Vec::new();
    for member in data.variants.iter().filter_map(member) {
        if !member.conditions.is_empty() {
            continue;
        }
        let written = source::text(member.events.to_token_stream());
        match seen.iter().find(|(other, _)| *other == written) {
            Some((_, first)) => {
                diagnostics.twice(
                    member.events,
                    *first,
                    format!("two variants hold `{written}`"),
                );
            }
            None => seen.push((written, member.events)),
        }
    }
}

fn nothing_is_generic(syntax: &Syntax, diagnostics: &mut Diagnostics) {
    let generics = &syntax.item.generics;
    if !generics.params.is_empty() {
        diagnostics.error_with_help(
            &generics.params,
            "a set of events has no generic parameters: its filter is known when the program is compiled",
            "name the types: `Basket(BasketEvent<Book>)`",
        );
    }
}
