//! The rules of upcasters: a chain without gaps from schema 1 to the one that the code writes.
use std::collections::HashMap;

use quote::ToTokens;
use syn::{FnArg, ImplItemFn, LitInt, Safety, Type};

use crate::arguments::{Name, Number};
use crate::diagnostics::{Diagnostics, did_you_mean};
use crate::events::generics;
use crate::events::model::{Event, Events, Upcaster, is_condition};

pub(super) fn all(model: &mut Events, diagnostics: &mut Diagnostics) {
    let mut steps = HashMap::new();
    let mut is_one_astray = false;
    for upcaster in &mut model.upcasters {
        let errors = diagnostics.count();
        signature(&upcaster.method, diagnostics);
        if let Some((event, from)) = step(upcaster, &model.events, diagnostics) {
            // Of two under a condition, one may be absent.
            let conditional = upcaster.method.attrs.iter().any(is_condition);
            one_for_each_step(event, from, conditional, &mut steps, diagnostics);
        } else {
            is_one_astray = true;
        }
        upcaster.broken |= diagnostics.count() > errors;
    }
    for event in &mut model.events {
        let errors = diagnostics.count();
        // It may be the one that is missing: one mistake, one error.
        if !is_one_astray {
            no_gap(event, &steps, diagnostics);
        }
        event.broken |= diagnostics.count() > errors;
    }
    callable_from_the_enum(model, diagnostics);
}

const FORM: &str = "`fn name(payload: &mut es_core::JsonMap)`, with or without a `Result<(), E>`";

fn signature(method: &ImplItemFn, diagnostics: &mut Diagnostics) {
    let signature = &method.sig;
    let unusual = [
        signature.asyncness.map(|keyword| keyword.to_token_stream()),
        signature.constness.map(|keyword| keyword.to_token_stream()),
        signature.abi.as_ref().map(ToTokens::to_token_stream),
        match &signature.safety {
            Safety::Unsafe(keyword) => Some(keyword.to_token_stream()),
            _ => None,
        },
        signature
            .generics
            .params
            .first()
            .map(ToTokens::to_token_stream),
    ];
    let asks = unusual.iter().flatten().next();
    let inputs: Vec<_> = signature.inputs.iter().collect();
    let place: &dyn ToTokens = match (asks, &inputs[..]) {
        (Some(place), _) => place,
        (None, [FnArg::Typed(input)]) => match &*input.ty {
            Type::Reference(payload) if payload.mutability.is_some() => return,
            other => other,
        },
        (None, [FnArg::Receiver(receiver), ..]) => receiver,
        (None, [_, second, ..]) => second,
        (None, []) => &signature.ident,
    };
    let fact = format!(
        "`{}` is not an upcaster: one changes a payload in place",
        signature.ident
    );
    diagnostics.error_with_help(place, fact, FORM);
}

/// The event and the schema version that an upcaster is for.
fn step<'a>(
    upcaster: &'a Upcaster,
    events: &'a [Event],
    diagnostics: &mut Diagnostics,
) -> Option<(&'a Event, &'a Number)> {
    let example = "`#[upcast(\"TrickAdded\", from = 1)]`";
    let mark = upcaster.marks.first();
    let Name::Given(literal) = &upcaster.event else {
        if let Name::Missing = upcaster.event {
            diagnostics.error_with_help(mark, "`#[upcast]` takes the name of an event", example);
        }
        return None;
    };
    let name = literal.value();
    // Of two events of that name, under conditions, the one that has come further.
    let named = events.iter().filter(|event| event.stored_name() == name);
    let Some(event) = named.max_by_key(|event| event.schema()) else {
        let names: Vec<_> = events.iter().map(Event::stored_name).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let had_it = |event: &&Event| event.was.iter().any(|old| old.value() == name);
        let renamed = events.iter().find(had_it).map(Event::stored_name);
        let help = match renamed.as_deref().or(did_you_mean(&name, &names)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the events are `{}`", names.join("`, `")),
        };
        diagnostics.error_with_help(literal, format!("no method records `{name}`"), help);
        return None;
    };
    let Some(from) = &upcaster.from else {
        if !upcaster.broken {
            diagnostics.error_with_help(mark, "`#[upcast]` takes the schema it reads", example);
        }
        return None;
    };
    if from.value == 0 {
        diagnostics.error(&from.literal, "schemas are counted from 1");
        return None;
    }
    if from.value >= event.schema() {
        diagnostics.error_with_help(
            &from.literal,
            format!(
                "`{name}` has schema {}: an upcaster from {} leads nowhere",
                event.schema(),
                from.value
            ),
            format!(
                "`#[event(\"{name}\", schema = {})]`",
                u64::from(from.value) + 1
            ),
        );
        return None;
    }
    Some((event, from))
}

fn one_for_each_step(
    event: &Event,
    from: &Number,
    conditional: bool,
    steps: &mut HashMap<(String, u32), LitInt>,
    diagnostics: &mut Diagnostics,
) {
    let name = event.stored_name();
    match steps.get(&(name.clone(), from.value)) {
        Some(_) if conditional => {}
        Some(first) => {
            let fact = format!("two upcasters bring `{name}` from schema {}", from.value);
            diagnostics.twice(&from.literal, first, fact);
        }
        None => {
            steps.insert((name, from.value), from.literal.clone());
        }
    }
}

fn no_gap(event: &Event, steps: &HashMap<(String, u32), LitInt>, diagnostics: &mut Diagnostics) {
    let Some(schema) = &event.schema else { return };
    let name = event.stored_name();
    // That it has none is told already.
    if name.is_empty() {
        return;
    }
    // A typing error in the number must not print an error for each step.
    let missing = (1..schema.value).find(|from| !steps.contains_key(&(name.clone(), *from)));
    if let Some(from) = missing {
        diagnostics.error_with_help(
            &schema.literal,
            format!("`{name}` has no upcaster from schema {from}"),
            format!("`#[upcast(\"{name}\", from = {from})] fn upcast_from_{from}(payload: &mut es_core::JsonMap) {{ .. }}`"),
        );
    }
}

/// The enum calls them on the aggregate, so it must be able to name its type.
fn callable_from_the_enum(model: &mut Events, diagnostics: &mut Diagnostics) {
    if generics::all_used(&model.header.generics, &model.event_type.generics) {
        return;
    }
    for upcaster in &mut model.upcasters {
        upcaster.broken = true;
        diagnostics.error_with_help(
            &upcaster.method.sig.ident,
            format!("the events of `{}` do not name all its type parameters, so they cannot call its upcasters", model.aggregate),
            "use every type parameter in an event, or change the payload in `#[serde(deserialize_with = ..)]`",
        );
    }
}
