//! What is written: the `impl`, and which of its methods are marked with which arguments.
use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{
    AttrStyle, Attribute, Expr, ImplItem, ImplItemFn, Item, ItemImpl, LitStr, Meta, Path, Token,
    Type, Visibility, bracketed,
};

use super::without_marks;
use crate::arguments::{
    Arguments, Key, Name, Number, flag, list, number, unread, value, wrong_value,
};
use crate::diagnostics::{Diagnostics, did_you_mean, error, place};
use crate::{grouping, types};

pub(super) struct Syntax {
    /// The `impl`, without its items.
    pub(super) header: ItemImpl,
    /// The last name in the type it is for.
    pub(super) aggregate: Ident,
    pub(super) arguments: EventsArguments,
    pub(super) events: Vec<Marked<EventArguments>>,
    pub(super) upcasters: Vec<Marked<UpcastArguments>>,
    /// What is not marked, with its place.
    pub(super) others: Vec<(usize, ImplItem)>,
}

/// `#[events(..)]`
#[derive(Default)]
pub(super) struct EventsArguments {
    /// What the enum derives besides.
    pub(super) derives: TokenStream,
    pub(super) type_name: Option<Ident>,
    pub(super) vis: Option<Visibility>,
    pub(super) krate: Option<Path>,
}

/// `#[event(..)]`
#[derive(Default)]
pub(super) struct EventArguments {
    /// With its key.
    pub(super) id: Option<(Ident, Expr)>,
    pub(super) was: Vec<LitStr>,
    pub(super) schema: Option<Number>,
    pub(super) retired: bool,
}

/// `#[upcast(..)]`
#[derive(Default)]
pub(super) struct UpcastArguments {
    pub(super) from: Option<Number>,
}

/// A method, and what its mark says about it.
pub(super) struct Marked<A> {
    /// Its place among the items of the `impl`.
    pub(super) place: usize,
    pub(super) method: ImplItemFn,
    /// The attributes themselves.
    pub(super) marks: Vec<Attribute>,
    pub(super) name: Name,
    pub(super) arguments: A,
    /// They could not all be read.
    pub(super) unreadable: bool,
}

const EVENTS_KEYS: &[Key] = &[
    Key {
        name: "derive",
        takes: "names of derives",
        example: "derive(Eq, Hash)",
    },
    Key {
        name: "type_name",
        takes: "a name",
        example: "type_name = DogFact",
    },
    Key {
        name: "vis",
        takes: "a visibility",
        example: "vis = pub(crate)",
    },
    Key {
        name: "crate",
        takes: "a path",
        example: "crate = my_crate::es_core",
    },
];

const EVENT_KEYS: &[Key] = &[
    Key {
        name: "id",
        takes: "an expression",
        example: "id = Self::id_for(name)",
    },
    Key {
        name: "was",
        takes: "the old name, or several in brackets",
        example: "was = \"TrickLearned\"",
    },
    Key {
        name: "schema",
        takes: "a number",
        example: "schema = 2",
    },
    Key {
        name: "retired",
        takes: "no value",
        example: "retired",
    },
];

const UPCAST_KEYS: &[Key] = &[Key {
    name: "from",
    takes: "a number",
    example: "from = 1",
}];

pub(super) fn read(
    arguments: TokenStream,
    item: TokenStream,
    diagnostics: &mut Diagnostics,
) -> syn::Result<Syntax> {
    let arguments = events_arguments(arguments, diagnostics);
    let mut header = inherent_impl(syn::parse2(item)?)?;
    grouping::keep_in_impl(&mut header);
    let aggregate = type_name(&header.self_ty).ok_or_else(|| goes_on_impl(&header.self_ty))?;
    outer(&mut header.attrs);
    let (mut events, mut upcasters, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (place, item) in std::mem::take(&mut header.items).into_iter().enumerate() {
        match item {
            ImplItem::Fn(method) if is_marked(&method, "event") => {
                events.push(event(place, method, diagnostics));
            }
            ImplItem::Fn(method) if is_marked(&method, "upcast") => {
                upcasters.push(upcaster(place, method, diagnostics));
            }
            ImplItem::Fn(mut method) => {
                misspelt(&mut method, diagnostics);
                conditional(&mut method, diagnostics);
                others.push((place, ImplItem::Fn(method)));
            }
            item => others.push((place, unmarked(item, diagnostics))),
        }
    }
    Ok(Syntax {
        header,
        aggregate,
        arguments,
        events,
        upcasters,
        others,
    })
}

fn events_arguments(written: TokenStream, diagnostics: &mut Diagnostics) -> EventsArguments {
    let mut read = EventsArguments::default();
    let mut arguments = Arguments::new("events", EVENTS_KEYS, diagnostics);
    arguments.read(written, &mut |key, written, input| {
        match key.name {
            "derive" => read.derives = list(key, written, input)?,
            "type_name" => read.type_name = Some(value(key, written, input)?),
            "vis" => match value(key, written, input)? {
                Visibility::Inherited => return Err(wrong_value(key, place(input.span()))),
                vis => read.vis = Some(vis),
            },
            "crate" => read.krate = Some(value(key, written, input)?),
            _ => return Err(unread(written)),
        }
        Ok(())
    });
    arguments.refuse_name();
    read
}

fn event(
    place: usize,
    method: ImplItemFn,
    diagnostics: &mut Diagnostics,
) -> Marked<EventArguments> {
    marked(
        place,
        method,
        "event",
        EVENT_KEYS,
        diagnostics,
        |read: &mut EventArguments, key, written, input| {
            match key.name {
                "id" => {
                    let mut id = value(key, written, input)?;
                    grouping::keep(&mut id);
                    read.id = Some((written.clone(), id));
                }
                "was" => read.was = value::<Names>(key, written, input)?.0,
                "schema" => read.schema = Some(number(key, written, input)?),
                "retired" => {
                    flag(key, input)?;
                    read.retired = true;
                }
                _ => return Err(unread(written)),
            }
            Ok(())
        },
    )
}

fn upcaster(
    place: usize,
    method: ImplItemFn,
    diagnostics: &mut Diagnostics,
) -> Marked<UpcastArguments> {
    marked(
        place,
        method,
        "upcast",
        UPCAST_KEYS,
        diagnostics,
        |read: &mut UpcastArguments, key, written, input| {
            match key.name {
                "from" => read.from = Some(number(key, written, input)?),
                _ => return Err(unread(written)),
            }
            Ok(())
        },
    )
}

/// Takes the marks off a method and reads them.
fn marked<A: Default>(
    place: usize,
    mut method: ImplItemFn,
    attribute: &'static str,
    keys: &'static [Key],
    diagnostics: &mut Diagnostics,
    store: impl Fn(&mut A, &Key, &Ident, ParseStream) -> syn::Result<()>,
) -> Marked<A> {
    let is_mark = |written: &Attribute| is_mark(written, attribute);
    let (marks, rest) = method.attrs.drain(..).partition::<Vec<_>, _>(is_mark);
    method.attrs = rest;
    outer(&mut method.attrs);
    let errors = diagnostics.count();
    let mut read = A::default();
    let mut arguments = Arguments::new(attribute, keys, diagnostics);
    for mark in &marks {
        arguments.read_attribute(mark, &mut |key, written, input| {
            store(&mut read, key, written, input)
        });
    }
    let name = arguments.into_name();
    Marked {
        place,
        method,
        marks,
        name,
        arguments: read,
        unreadable: diagnostics.count() > errors,
    }
}

fn is_marked(method: &ImplItemFn, attribute: &str) -> bool {
    method
        .attrs
        .iter()
        .any(|written| is_mark(written, attribute))
}

/// Whether an attribute is the one of that name, with or without a path before it.
fn is_mark(written: &Attribute, attribute: &str) -> bool {
    written
        .path()
        .segments
        .last()
        .is_some_and(|segment| segment.ident == attribute)
}

/// One name, or several in brackets.
struct Names(Vec<LitStr>);

impl Parse for Names {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        if input.peek(LitStr) {
            return Ok(Self(vec![input.parse()?]));
        }
        let names;
        bracketed!(names in input);
        // What is left over of a group that is parsed in part would be an error of its own.
        let names: TokenStream = names.parse()?;
        let names = Punctuated::<LitStr, Token![,]>::parse_terminated.parse2(names)?;
        Ok(Self(names.into_iter().collect()))
    }
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

/// Takes a misspelt mark off, which the compiler would only call unknown, and says what was meant.
fn misspelt(method: &mut ImplItemFn, diagnostics: &mut Diagnostics) {
    method.attrs.retain(|attribute| {
        // Another macro's attribute may have a like name; one with a name in quotes is meant to be ours.
        let with_a_name = matches!(&attribute.meta, Meta::List(list) if list.parse_args_with(starts_with_a_string).is_ok());
        let Some(written) = attribute.path().get_ident().filter(|_| with_a_name) else {
            return true;
        };
        let Some(meant) = did_you_mean(&written.to_string(), &["event", "upcast"]) else {
            return true;
        };
        diagnostics.error_with_help(
            written,
            format!("unknown attribute `{written}`"),
            format!("did you mean `{meant}`?"),
        );
        false
    });
}

/// Refuses a mark that stands behind a condition: it is read before anybody knows whether that holds.
fn conditional(method: &mut ImplItemFn, diagnostics: &mut Diagnostics) {
    method.attrs.retain(|attribute| {
        let Meta::List(list) = &attribute.meta else {
            return true;
        };
        if !list.path.is_ident("cfg_attr") {
            return true;
        }
        let is_comma =
            |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
        let behind = list
            .tokens
            .clone()
            .into_iter()
            .skip_while(|token| !is_comma(token));
        let mark = behind.into_iter().find_map(|token| match token {
            TokenTree::Ident(ident) if ident == "event" || ident == "upcast" => Some(ident),
            _ => None,
        });
        let Some(mark) = mark else { return true };
        diagnostics.error_with_help(
            &mark,
            format!("`#[{mark}]` cannot stand behind a condition of its own"),
            format!("`#[{mark}(..)]` as it is, and `#[cfg(..)]` for the whole method"),
        );
        false
    });
}

/// Takes a mark off what is no method. Of a method without a body, as it is being typed, the compiler says what is missing.
fn unmarked(mut item: ImplItem, diagnostics: &mut Diagnostics) -> ImplItem {
    let attributes = match &mut item {
        ImplItem::Const(item) => &mut item.attrs,
        ImplItem::Type(item) => &mut item.attrs,
        ImplItem::Macro(item) => &mut item.attrs,
        ImplItem::Verbatim(tokens) => return ImplItem::Verbatim(without_marks(tokens.clone())),
        _ => return item,
    };
    attributes.retain(|attribute| {
        let mark = ["event", "upcast"]
            .into_iter()
            .find(|mark| is_mark(attribute, mark));
        if let Some(mark) = mark {
            diagnostics.error(attribute, format!("`#[{mark}]` goes on a method"));
        }
        mark.is_none()
    });
    item
}

fn starts_with_a_string(input: ParseStream) -> syn::Result<()> {
    input.parse::<LitStr>()?;
    input.parse::<TokenStream>()?;
    Ok(())
}

/// An attribute that stood inside the braces goes before them.
fn outer(attributes: &mut [Attribute]) {
    for attribute in attributes {
        attribute.style = AttrStyle::Outer;
    }
}

fn goes_on_impl(place: impl ToTokens) -> syn::Error {
    error(
        place,
        "`#[events]` goes on `impl Dog { .. }`, the methods of an aggregate",
        Some("on a method in it: `#[event(\"TrickAdded\")]`"),
    )
}

fn type_name(ty: &Type) -> Option<Ident> {
    match types::ungrouped(ty) {
        Type::Path(path) if path.qself.is_none() => Some(path.path.segments.last()?.ident.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read_and_documented() {
        let documentation = include_str!("../lib.rs");
        for key in EVENTS_KEYS.iter().chain(EVENT_KEYS).chain(UPCAST_KEYS) {
            let documented = documentation.contains(&format!("| `{}", key.name))
                || documentation.contains(&format!(", {} = ", key.name));
            assert!(
                documented,
                "`{}` is not in the documentation of the macros",
                key.name
            );
        }
        let example = |keys: &[Key]| {
            let examples: Vec<_> = keys.iter().map(|key| key.example).collect();
            examples.join(", ")
        };
        let mut diagnostics = Diagnostics::default();
        let arguments = example(EVENTS_KEYS).parse().unwrap();
        let (event, upcast) = (example(EVENT_KEYS), example(UPCAST_KEYS));
        let item = format!(
            "impl Dog {{ #[event(\"A\", {event})] fn a() -> Self {{}} #[upcast(\"A\", {upcast})] fn b() {{}} }}"
        );
        read(arguments, item.parse().unwrap(), &mut diagnostics).unwrap();
        let errors = diagnostics.into_compile_errors();
        assert!(errors.is_empty(), "{errors}");
    }
}
