//! Which generic parameters the enum has: those that its fields name.
//!
//! An enum may not declare a parameter that it does not use, so the others stay with the aggregate.
use std::collections::{HashMap, HashSet};

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{GenericParam, Generics, ItemImpl, Type, TypeParamBound, WherePredicate};

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

/// The aggregate with `()` or 0 in the place of each parameter that the enum does not have: what is the same whatever they are, as the category
/// is, can be asked of that. `None` where one has a bound of which it is not known that `()` keeps it.
pub(super) fn of_any(header: &ItemImpl, used: &Generics) -> Option<TokenStream> {
    let all = &header.generics;
    let kept: HashSet<_> = used.params.iter().map(name).collect();
    let dropped = all
        .params
        .iter()
        .filter(|parameter| !kept.contains(&name(parameter)));
    let stand_ins: HashMap<_, _> = dropped
        .map(|parameter| Some((name(parameter), stand_in(parameter)?)))
        .collect::<Option<_>>()?;
    let names: HashSet<_> = stand_ins.keys().cloned().collect();
    let bounds_of_the_rest = all
        .type_params()
        .filter(|ty| kept.contains(&ty.ident.to_string()));
    let mut bounds_of_the_rest = bounds_of_the_rest.flat_map(|ty| &ty.bounds);
    let mut conditions = all
        .where_clause
        .iter()
        .flat_map(|clause| &clause.predicates);
    let is_kept = bounds_of_the_rest.all(|bound| is_about_the_rest(bound.to_token_stream(), &names))
        && conditions.all(|condition| {
            is_about_the_rest(condition.to_token_stream(), &names)
                || matches!(condition, WherePredicate::Type(condition) if is_one_of(&condition.bounded_ty, &names) && condition.bounds.iter().all(unit_has))
        });
    is_kept.then(|| replaced(header.self_ty.to_token_stream(), &stand_ins))
}

fn stand_in(parameter: &GenericParam) -> Option<TokenStream> {
    match parameter {
        GenericParam::Lifetime(_) => None,
        GenericParam::Type(ty) => ty.bounds.iter().all(unit_has).then(|| quote!(())),
        GenericParam::Const(constant) => match &*constant.ty.to_token_stream().to_string() {
            "bool" => Some(quote!(false)),
            "char" => Some(quote!('a')),
            "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64"
            | "i128" | "isize" => Some(quote!(0)),
            _ => None,
        },
    }
}

fn is_one_of(ty: &Type, names: &HashSet<String>) -> bool {
    matches!(ty, Type::Path(path) if path.path.get_ident().is_some_and(|ident| names.contains(&ident.to_string())))
}

/// Whether a bound is one that `()` keeps, as far as its name says.
fn unit_has(bound: &TypeParamBound) -> bool {
    match bound {
        TypeParamBound::Lifetime(lifetime) => lifetime.ident == "static",
        TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| {
            let plain = last.arguments.is_none() && UNIT_HAS.iter().any(|name| last.ident == name);
            plain || last.ident == "Deserialize"
        }),
        _ => false,
    }
}

const UNIT_HAS: [&str; 15] = [
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "DeserializeOwned",
    "Eq",
    "Hash",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Send",
    "Serialize",
    "Sized",
    "Sync",
    "Unpin",
];

fn replaced(tokens: TokenStream, by: &HashMap<String, TokenStream>) -> TokenStream {
    let replace = |token| match token {
        TokenTree::Ident(ident) => match by.get(&ident.to_string()) {
            Some(stand_in) => stand_in.clone(),
            None => ident.into_token_stream(),
        },
        TokenTree::Group(group) => {
            let mut inside = Group::new(group.delimiter(), replaced(group.stream(), by));
            inside.set_span(group.span());
            inside.into_token_stream()
        }
        token => token.into(),
    };
    tokens.into_iter().map(replace).collect()
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
