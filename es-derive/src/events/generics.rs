//! Which generic parameters the enum has: those that its fields name.
//!
//! An enum may not declare a parameter that it does not use, so the others stay with the aggregate.
use std::collections::HashSet;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericParam, Generics, Type};

/// The parameters that the types name, with the bounds and conditions that concern no other parameter.
pub(super) fn used<'a>(all: &Generics, types: impl Iterator<Item = &'a Type>) -> Generics {
    let mut names = HashSet::new();
    for ty in types {
        collect(ty.to_token_stream(), &mut names);
    }
    let mut used = all.clone();
    used.params = all
        .params
        .iter()
        .filter(|parameter| names.contains(&name(parameter)))
        .cloned()
        .collect();
    let dropped: HashSet<_> = all
        .params
        .iter()
        .map(name)
        .filter(|name| !names.contains(name))
        .collect();
    for parameter in &mut used.params {
        if let GenericParam::Type(ty) = parameter {
            let bounds = std::mem::take(&mut ty.bounds).into_iter();
            ty.bounds = bounds
                .filter(|bound| is_about_the_rest(bound.to_token_stream(), &dropped))
                .collect();
        }
    }
    if let Some(conditions) = &mut used.where_clause {
        conditions.predicates = conditions
            .predicates
            .iter()
            .filter(|condition| is_about_the_rest(condition.to_token_stream(), &dropped))
            .cloned()
            .collect();
    }
    used
}

/// Whether these tokens name one of the parameters.
pub(super) fn names_any(tokens: TokenStream, all: &Generics) -> bool {
    let mut mentioned = HashSet::new();
    collect(tokens, &mut mentioned);
    all.params
        .iter()
        .any(|parameter| mentioned.contains(&name(parameter)))
}

/// Whether these tokens name none of the parameters that are dropped, nor the aggregate.
fn is_about_the_rest(tokens: TokenStream, dropped: &HashSet<String>) -> bool {
    let mut mentioned = HashSet::new();
    collect(tokens, &mut mentioned);
    mentioned.is_disjoint(dropped) && !mentioned.contains("Self")
}

/// Whether every parameter of the aggregate is one of the enum's too.
pub(super) fn all_used(all: &Generics, used: &Generics) -> bool {
    all.params.len() == used.params.len()
}

fn name(parameter: &GenericParam) -> String {
    match parameter {
        GenericParam::Lifetime(lifetime) => lifetime.lifetime.ident.to_string(),
        GenericParam::Type(ty) => ty.ident.to_string(),
        GenericParam::Const(constant) => constant.ident.to_string(),
    }
}

fn collect(tokens: TokenStream, names: &mut HashSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                names.insert(ident.to_string());
            }
            TokenTree::Group(group) => collect(group.stream(), names),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}
