//! The rules of events. One that breaks a rule is marked: it is not recorded, and still a variant where its name and its fields are sound, so
//! that nobody who matches on it is told of more than the one mistake.
mod bounds;
mod calls;
mod refusals;
mod stored;
mod upcasters;

use std::collections::{HashMap, HashSet};

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{
    GenericParam, Generics, ImplItem, ImplItemFn, LitStr, ReceiverKind, ReturnType, Safety, Type,
};

use super::model::{Event, Events, Parameter, is_condition};
use crate::arguments::Name;
use crate::diagnostics::Diagnostics;
use crate::events::generics;
use crate::{source, types};

pub(super) fn all(model: &mut Events, diagnostics: &mut Diagnostics) {
    some_event_creates(model, diagnostics);
    nothing_is_borrowed(model, diagnostics);
    bounds::all(model, diagnostics);
    let aggregate = model.aggregate.clone();
    let methods: Vec<Ident> = model
        .events
        .iter()
        .map(|event| event.method.sig.ident.clone())
        .collect();
    one_method_for_each_name(model, diagnostics);
    let (mut names, mut variants) = (HashMap::new(), HashSet::new());
    for event in &mut model.events {
        let errors = diagnostics.count();
        event.unlisted |= !stored_name(event, diagnostics);
        old_names(event, diagnostics);
        schema(event, diagnostics);
        plain_function(event, diagnostics);
        receiver(event, &aggregate, diagnostics);
        named_for_itself(&event.method, diagnostics);
        if return_type(event, &aggregate, diagnostics) {
            event.gives_up = !its_body_cannot_fail(event, diagnostics);
        } else if event.creates() {
            // Of a `self` that is missing the compiler would tell once more.
            event.gives_up = mentions_self(event.method.block.to_token_stream());
        }
        event.unlisted |= !nothing_generic(event, diagnostics);
        no_conditions_of_its_own(event, &model.header.generics, diagnostics);
        event.unlisted |= !each_parameter_has_a_name(event, diagnostics);
        id_of_creation_only(event, diagnostics);
        stored::all(event, diagnostics);
        no_event_in_its_body(event, &aggregate, &methods, diagnostics);
        one_event_for_each_name(event, &mut names, diagnostics);
        event.unlisted |= is_another_variant(event, &mut variants);
        event.broken |= event.unlisted || diagnostics.count() > errors;
    }
    for (_, other) in &model.others {
        if let ImplItem::Fn(method) = other {
            named_for_itself(method, diagnostics);
        }
    }
    upcasters::all(model, diagnostics);
}

/// The compiler would tell of the hidden methods too, and at the attribute.
fn one_method_for_each_name(model: &mut Events, diagnostics: &mut Diagnostics) {
    let plain = model.others.iter().filter_map(|(place, item)| match item {
        ImplItem::Fn(method) => Some((*place, None, method)),
        _ => None,
    });
    let events = model.events.iter().enumerate();
    let events = events.map(|(index, event)| (event.place, Some(index), &event.method));
    let mut methods: Vec<_> = plain
        .chain(events)
        // Of two under a condition, one may be absent.
        .filter(|(_, _, method)| !method.attrs.iter().any(is_condition))
        .map(|(place, event, method)| (place, event, method.sig.ident.clone()))
        .collect();
    methods.sort_by_key(|(place, ..)| *place);
    let mut seen: HashMap<String, (Option<usize>, Ident)> = HashMap::new();
    for (_, event, ident) in methods {
        let name = ident.unraw().to_string();
        match seen.get(&name) {
            Some((first_event, first)) => {
                if let Some(event) = event.or(*first_event) {
                    diagnostics.twice(&ident, first, format!("two methods are named `{ident}`"));
                    model.events[event].repeated = true;
                    model.events[event].broken = true;
                }
            }
            None => {
                seen.insert(name, (event, ident));
            }
        }
    }
}

fn some_event_creates(model: &Events, diagnostics: &mut Diagnostics) {
    let aggregate = &model.aggregate;
    // A `cfg` may take any of them away, which cannot be seen here.
    if !model.events.iter().any(Event::creates) {
        diagnostics.error_with_help(
            aggregate,
            format!("no event creates a `{aggregate}`"),
            "`#[event(\"Created\")] pub fn create(..) -> Self { Self { root: Root::new(), .. } }` \
             in this `impl`: all events of an aggregate stand in one",
        );
    }
}

fn nothing_is_borrowed(model: &mut Events, diagnostics: &mut Diagnostics) {
    if let Some(lifetime) = model.lifetime() {
        diagnostics.error_with_help(
            lifetime,
            "an aggregate cannot borrow: it is rebuilt from stored events",
            "own the data: `String` instead of `&'a str`",
        );
        for event in &mut model.events {
            event.broken = true;
        }
    }
}

/// Whether the name can be that of a variant.
fn stored_name(event: &Event, diagnostics: &mut Diagnostics) -> bool {
    let fact = "`#[event]` takes the name the fact is stored under";
    let literal = match &event.name {
        Name::Given(literal) => literal,
        Name::Missing => {
            let first_mark = event.marks.first();
            diagnostics.error_with_help(first_mark, fact, "`#[event(\"TrickAdded\")]`");
            return false;
        }
        Name::Unreadable => return false,
    };
    let name = literal.value();
    if name != "Self" && is_upper_camel_case(&name) {
        return true;
    }
    let suggestion = upper_camel_case(&name).unwrap_or_else(|| "TrickAdded".to_owned());
    diagnostics.error_with_help(
        literal,
        format!("{fact}, an UpperCamelCase identifier"),
        format!("`#[event(\"{suggestion}\")]`"),
    );
    false
}

fn old_names(event: &Event, diagnostics: &mut Diagnostics) {
    let now = event.stored_name();
    for (place, old) in event.was.iter().enumerate() {
        let name = old.value();
        let first = event.was[..place]
            .iter()
            .find(|first| first.value() == name);
        if name.is_empty() {
            diagnostics.error(
                old,
                "an old name is one that events were stored under, and this one is empty",
            );
        } else if name == now {
            diagnostics.error_with_help(
                old,
                format!("`{name}` is the name it has now, and is read without `was`"),
                "`was` takes the names that it had before",
            );
        } else if let Some(first) = first {
            diagnostics.twice(old, first, format!("`{name}` is given twice"));
        }
    }
}

fn schema(event: &Event, diagnostics: &mut Diagnostics) {
    if let Some(schema) = &event.schema
        && schema.value == 0
    {
        diagnostics.error_with_help(
            &schema.literal,
            "schemas are counted from 1",
            "`schema = 1`, or leave it out",
        );
    }
}

fn is_upper_camel_case(name: &str) -> bool {
    name.starts_with(char::is_uppercase)
        && name.chars().all(char::is_alphanumeric)
        && syn::parse_str::<Ident>(name).is_ok()
}

fn upper_camel_case(name: &str) -> Option<String> {
    let words = name
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let joined: String = words
        .map(|word| {
            let mut letters = word.chars();
            let first = letters.next().into_iter().flat_map(char::to_uppercase);
            first.chain(letters).collect::<String>()
        })
        .collect();
    (joined != "Self" && is_upper_camel_case(&joined)).then_some(joined)
}

fn plain_function(event: &Event, diagnostics: &mut Diagnostics) {
    let signature = &event.method.sig;
    if let Some(keyword) = &signature.asyncness {
        diagnostics.error_with_help(
            keyword,
            "an event cannot be `async`: replay does no I/O",
            "do the I/O first, and pass its result",
        );
    }
    if let Safety::Unsafe(keyword) = &signature.safety {
        diagnostics.error(
            keyword,
            "an event cannot be `unsafe`: replay calls it for whatever is stored",
        );
    }
    if let Some(abi) = &signature.abi {
        diagnostics.error(
            abi.extern_token,
            "an event cannot be `extern`: nothing but this program calls it",
        );
    }
    if let Some(keyword) = &signature.constness {
        diagnostics.error(
            keyword,
            "an event cannot be `const`: it is recorded when the program runs",
        );
    }
    if let Some(variadic) = &signature.variadic {
        diagnostics.error(variadic, "an event owns its data");
    }
}

fn receiver(event: &Event, aggregate: &Ident, diagnostics: &mut Diagnostics) {
    let Some(receiver) = event.receiver() else {
        return;
    };
    let changes = match &receiver.kind {
        ReceiverKind::Reference(_, None, Some(_)) => true,
        ReceiverKind::Typed(_, ty) => {
            matches!(&**ty, Type::Reference(to) if to.mutability.is_some() && to.lifetime.is_none() && types::names(&to.elem, aggregate))
        }
        _ => false,
    };
    if changes {
        return;
    }
    let method = &event.method.sig.ident;
    let written = source::text(receiver.to_token_stream());
    diagnostics.error_with_help(
        receiver,
        format!("`{method}` takes `{written}`, but an event changes state"),
        "`&mut self`",
    );
}

/// What the trait `Aggregate` brings to every aggregate by `&self`.
const OF_ALL: [&str; 5] = ["id", "version", "pending", "created_at", "modified_at"];

/// A call on an aggregate that is no reference finds what takes `&self` before what takes `&mut self`: nothing would be recorded, and no word said.
fn named_for_itself(method: &ImplItemFn, diagnostics: &mut Diagnostics) {
    let name = method.sig.ident.unraw();
    let changes = method.sig.receiver().is_some_and(|receiver| {
        matches!(&receiver.kind, ReceiverKind::Reference(_, _, Some(_)))
            || matches!(&receiver.kind, ReceiverKind::Typed(_, ty) if matches!(&**ty, Type::Reference(to) if to.mutability.is_some()))
    });
    if changes && OF_ALL.iter().any(|of_all| name == of_all) {
        diagnostics.error_with_help(
            &method.sig.ident,
            format!("`{name}` is a method of every aggregate, which a call would find instead of this one"),
            format!("another name, such as `set_{name}`"),
        );
    }
}

/// Whether it returns what an event does.
fn return_type(event: &Event, aggregate: &Ident, diagnostics: &mut Diagnostics) -> bool {
    let signature = &event.method.sig;
    let method = &signature.ident;
    if event.creates() {
        match &signature.output {
            ReturnType::Type(_, ty) if types::names(ty, aggregate) => return true,
            ReturnType::Type(_, ty) => diagnostics.error_with_help(
                ty,
                format!("`{method}` creates a `{aggregate}`, so it returns `Self`"),
                "`-> Self`; a command that may refuse decides first, then calls it",
            ),
            // Which of the two was forgotten is not known.
            ReturnType::Default => diagnostics.error_with_help(
                method,
                format!("`{method}` has no `self`, so it would create a `{aggregate}`"),
                "`&mut self` where it changes one, `-> Self` where it creates one; \
                 a command that may refuse decides first, then calls it",
            ),
        }
        return false;
    }
    if let ReturnType::Type(_, ty) = &signature.output
        && !matches!(&**ty, Type::Tuple(tuple) if tuple.elems.is_empty())
    {
        diagnostics.error_with_help(
            ty,
            format!("`{method}` returns a value that replay would discard"),
            "decide in a method without `#[event]`, then call the event",
        );
        return false;
    }
    true
}

fn mentions_self(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => mentions_self(group.stream()),
        TokenTree::Ident(word) => word == "self",
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// The compiler would say of a `?` that the attribute returns no `Result`.
fn its_body_cannot_fail(event: &Event, diagnostics: &mut Diagnostics) -> bool {
    let method = &event.method.sig.ident;
    let refusals = refusals::in_body(&event.method.block);
    for refusal in &refusals {
        diagnostics.error_with_help(
            refusal,
            format!("`{method}` states what happened, so its body cannot fail"),
            "decide in a method without `#[event]`, then call the event with what it found out",
        );
    }
    refusals.is_empty()
}

fn nothing_generic(event: &Event, diagnostics: &mut Diagnostics) -> bool {
    for parameter in &event.method.sig.generics.params {
        let help = match parameter {
            GenericParam::Lifetime(_) => "leave the lifetime out, or take an owned type",
            GenericParam::Type(_) | GenericParam::Const(_) => "an owned type, or `impl Into<T>`",
        };
        diagnostics.error_with_help(parameter, "an event owns its data", help);
    }
    event.method.sig.generics.params.is_empty()
}

/// Replaying asks for what the `impl` asks for, and for nothing else.
fn no_conditions_of_its_own(event: &Event, generics: &Generics, diagnostics: &mut Diagnostics) {
    let conditions = event.method.sig.generics.where_clause.iter();
    for condition in conditions.flat_map(|conditions| &conditions.predicates) {
        if generics::names_any(condition.to_token_stream(), generics) {
            let method = &event.method.sig.ident;
            diagnostics.error_with_help(
                condition,
                format!(
                    "`{method}` is replayed wherever its `impl` holds, under no other condition"
                ),
                "write it in the `where` of the `impl`",
            );
        }
    }
}

/// To the compiler, `$name` of a macro and a name that the macro writes are two even where they read the same.
fn each_parameter_has_a_name(event: &Event, diagnostics: &mut Diagnostics) -> bool {
    let errors = diagnostics.count();
    let mut names: Vec<&Ident> = Vec::new();
    for Parameter { ident, .. } in &event.parameters {
        match names.iter().find(|name| **name == ident) {
            Some(first) => {
                diagnostics.twice(
                    ident,
                    first,
                    format!("`{ident}` is the name of two parameters"),
                );
            }
            None => names.push(ident),
        }
    }
    diagnostics.count() == errors
}

fn id_of_creation_only(event: &Event, diagnostics: &mut Diagnostics) {
    if let Some((key, _)) = &event.id
        && !event.creates()
    {
        diagnostics.error_with_help(
            key,
            format!(
                "`{}` does not create, so it has no `id`",
                event.method.sig.ident
            ),
            "only creation events choose an id",
        );
    }
}

/// No name, present or old, means two events.
fn one_event_for_each_name(
    event: &Event,
    names: &mut HashMap<String, LitStr>,
    diagnostics: &mut Diagnostics,
) {
    // Of two events under a condition, one may be absent.
    if event.method.attrs.iter().any(is_condition) {
        return;
    }
    let now = match &event.name {
        Name::Given(literal) => Some(literal),
        Name::Missing | Name::Unreadable => None,
    };
    let mut its_own = HashSet::new();
    for literal in now.into_iter().chain(&event.was) {
        let name = literal.value();
        // What stands twice at one event is told there.
        if !its_own.insert(name.clone()) {
            continue;
        }
        match names.get(&name) {
            Some(first) => {
                diagnostics.twice(literal, first, format!("two methods record `{name}`"))
            }
            None => {
                names.insert(name, literal.clone());
            }
        }
    }
}

/// Whether the enum has a variant of that name already.
fn is_another_variant(event: &Event, variants: &mut HashSet<String>) -> bool {
    let conditional = event.method.attrs.iter().any(is_condition);
    !event.unlisted && !conditional && !variants.insert(event.stored_name())
}

fn no_event_in_its_body(
    event: &Event,
    aggregate: &Ident,
    methods: &[Ident],
    diagnostics: &mut Diagnostics,
) {
    let help = match event.retired {
        true => "do here what the other does: this one is replayed alone",
        false => "call both from a method without `#[event]`",
    };
    for call in calls::of_events(&event.method.block, aggregate, methods) {
        diagnostics.error_with_help(
            call,
            "one fact cannot record another: replay would record it again",
            help,
        );
    }
}
