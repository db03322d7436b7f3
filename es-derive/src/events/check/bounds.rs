//! Bounds that a type parameter lacks for certain: the compiler would tell of each of them, and at each place where it is needed.
use proc_macro2::Ident;
use quote::{ToTokens, quote};
use syn::{Generics, Type, TypeParam, TypeParamBound, WherePredicate, parse_quote};

use crate::diagnostics::Diagnostics;
use crate::events::generics;
use crate::events::model::{Events, Parameter, has_serde_key};
use crate::source;

/// What an aggregate is, and what all that it is made of must be.
const OF_AGGREGATES: [&str; 3] = ["Send", "Sync", "'static"];

/// What an event is besides.
const OF_EVENTS: [&str; 5] = [
    "Debug",
    "Clone",
    "PartialEq",
    "Serialize",
    "DeserializeOwned",
];

/// Tells of each parameter what it lacks, and goes on as if it were there.
pub(super) fn all(model: &mut Events, diagnostics: &mut Diagnostics) {
    let parameters: Vec<TypeParam> = model.header.generics.type_params().cloned().collect();
    // Of one that no event carries, the struct may say what it has.
    let carried = |parameter: &TypeParam| is_among(&parameter.ident, &model.event_type.generics);
    let carried: Vec<_> = parameters.into_iter().filter(carried).collect();
    for parameter in carried {
        let ident = &parameter.ident;
        let Some(given) = given(&parameter, &model.header.generics) else {
            continue;
        };
        let has = |name: &&&str| given.iter().any(|bound| gives(bound, name));
        let needed = OF_EVENTS.iter().chain(&OF_AGGREGATES);
        let lacking: Vec<&&str> = needed.filter(|name| !has(name)).collect();
        // By functions of the user's it may be stored without being `Serialize`.
        let in_doubt = !is_a_field(ident, model);
        let is_serdes = |name: &&str| matches!(*name, "Serialize" | "DeserializeOwned");
        if lacking.iter().all(|name| in_doubt && is_serdes(name)) {
            continue;
        }
        let fact = format!("`{ident}` is carried by events, and lacks bounds that they need");
        let given = given.iter().map(|bound| source::text(quote!(#bound)));
        let all: Vec<_> = given
            .chain(lacking.iter().map(ToString::to_string))
            .collect();
        diagnostics.error_with_help(ident, fact, format!("`{ident}: {}`", all.join(" + ")));
        complete(ident, model);
    }
}

/// The bounds that are written for it. None where one of them may bring others along.
fn given(parameter: &TypeParam, generics: &Generics) -> Option<Vec<TypeParamBound>> {
    let mut given: Vec<TypeParamBound> = parameter.bounds.iter().cloned().collect();
    let conditions = generics.where_clause.iter();
    for condition in conditions.flat_map(|conditions| &conditions.predicates) {
        match condition {
            WherePredicate::Type(condition) if is(&condition.bounded_ty, &parameter.ident) => {
                given.extend(condition.bounds.iter().cloned());
            }
            condition => {
                let mut alone = Generics::default();
                alone.params.push(parse_quote!(#parameter));
                if generics::names_any(condition.to_token_stream(), &alone) {
                    return None;
                }
            }
        }
    }
    given.iter().all(is_known).then_some(given)
}

/// Whether nothing is behind a bound but what its name says.
fn is_known(bound: &TypeParamBound) -> bool {
    let others = ["Default", "Display", "Hash", "Unpin"];
    let mut known = OF_AGGREGATES.iter().chain(&OF_EVENTS).chain(&others);
    known.any(|name| gives(bound, name))
}

/// Whether who has the bound has what is asked for.
fn gives(bound: &TypeParamBound, asked: &str) -> bool {
    let name = match bound {
        TypeParamBound::Lifetime(lifetime) => lifetime.to_string(),
        TypeParamBound::Trait(bound) => match bound.path.segments.last() {
            Some(last) => last.ident.to_string(),
            None => return false,
        },
        _ => return false,
    };
    let brings: &[&str] = match name.as_str() {
        "Copy" => &["Clone"],
        "Eq" | "PartialOrd" | "Ord" => &["PartialEq"],
        "Deserialize" => &["DeserializeOwned"],
        _ => &[],
    };
    name == asked || brings.contains(&asked)
}

/// Whether it is the type of a field as it is, and stored by what it can itself.
fn is_a_field(ident: &Ident, model: &Events) -> bool {
    let by_functions = ["with", "serialize_with", "deserialize_with"];
    let mut parameters = model.events.iter().flat_map(|event| &event.parameters);
    parameters.any(|parameter: &Parameter| {
        parameter.form.ty().is_some_and(|ty| is(ty, ident))
            && !has_serde_key(parameter, &by_functions)
    })
}

fn is(ty: &Type, ident: &Ident) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident(ident))
}

fn is_among(ident: &Ident, generics: &Generics) -> bool {
    generics
        .type_params()
        .any(|parameter| parameter.ident == *ident)
}

/// Adds what is lacking: it was told once, and nothing else is to turn red.
fn complete(ident: &Ident, model: &mut Events) {
    let private = {
        let krate = &model.krate;
        quote!(#krate::__private)
    };
    let condition: WherePredicate = parse_quote!(
        #ident: #private::Send + #private::Sync + 'static + #private::Debug + #private::Clone + #private::PartialEq + #private::Serialize
            + #private::serde::de::DeserializeOwned
    );
    let generics = &mut model.event_type.generics;
    let conditions = generics.make_where_clause();
    conditions.predicates.push(condition.clone());
    let generics = &mut model.header.generics;
    generics.make_where_clause().predicates.push(condition);
}
