//! What serde is told of a parameter must leave it in the event: stored, under a name of its own, and read again.
use std::collections::HashMap;

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{LitStr, Meta, Token, punctuated::Punctuated};

use crate::diagnostics::{Diagnostics, did_you_mean};
use crate::events::model::{Event, Parameter, has_serde_key};
use crate::serde_attributes::{keys, skips, text};

pub(super) fn all(event: &mut Event, diagnostics: &mut Diagnostics) {
    for parameter in &mut event.parameters {
        let errors = diagnostics.count();
        is_not_misspelt(parameter, diagnostics);
        is_stored(parameter, diagnostics);
        is_stored_without_underscore(parameter, diagnostics);
        can_be_read_again(parameter, diagnostics);
        if diagnostics.count() > errors {
            // One mistake, one error: the field is there still, and serde has nothing to add.
            parameter.field_attributes.clear();
        }
    }
    if !one_name_for_each(event, diagnostics) {
        for parameter in &mut event.parameters {
            parameter.field_attributes.clear();
        }
    }
}

/// What serde knows of a field.
const KEYS: [&str; 14] = [
    "alias",
    "borrow",
    "bound",
    "default",
    "deserialize_with",
    "flatten",
    "getter",
    "rename",
    "serialize_with",
    "skip",
    "skip_deserializing",
    "skip_serializing",
    "skip_serializing_if",
    "with",
];

/// Serde would say it too, and then the compiler of all that the enum lacks without serde.
fn is_not_misspelt(parameter: &Parameter, diagnostics: &mut Diagnostics) {
    for key in keys(&parameter.field_attributes) {
        let Some(written) = key.path().get_ident().map(ToString::to_string) else {
            continue;
        };
        if KEYS.contains(&written.as_str()) {
            continue;
        }
        // What is not like any of these, serde may have come to know.
        if let Some(meant) = did_you_mean(&written, &KEYS) {
            diagnostics.error_with_help(
                key.path(),
                format!("unknown key `{written}`"),
                format!("did you mean `{meant}`?"),
            );
        }
    }
}

fn is_stored(parameter: &Parameter, diagnostics: &mut Diagnostics) {
    if keys(&parameter.field_attributes).iter().any(skips) {
        diagnostics.error_with_help(
            &parameter.ident,
            format!(
                "`{}` would not be stored, so replay could not give it back",
                parameter.ident
            ),
            "do not take it as a parameter, or take `skip` away",
        );
    }
}

/// Who knows functions expects a warning where it is not used, and that the underscore is nobody else's business.
fn is_stored_without_underscore(parameter: &Parameter, diagnostics: &mut Diagnostics) {
    let ident = &parameter.ident;
    let written = ident.to_string();
    let name = written.trim_start_matches('_');
    let is_meant = keys(&parameter.field_attributes)
        .iter()
        .any(|key| key.path().is_ident("rename") || key.path().is_ident("flatten"));
    if name == written || !name.starts_with(char::is_alphabetic) || is_meant {
        return;
    }
    let name = match name {
        "self" | "Self" | "super" | "crate" => format!("the_{}", name.to_lowercase()),
        name if syn::parse_str::<Ident>(name).is_ok() => name.to_owned(),
        keyword => format!("r#{keyword}"),
    };
    diagnostics.error_with_help(
        ident,
        format!("`{written}` would be stored with its underscore"),
        format!(
            "`{name}`, which gives no warning where the body does not use it; where events are stored so, `#[serde(rename = \"{written}\")] {name}`"
        ),
    );
}

/// What is left out is read as its default, or as `None`; of anything else serde says that the field is missing. Whether the default is what was
/// left out is seen when it is saved.
fn can_be_read_again(parameter: &Parameter, diagnostics: &mut Diagnostics) {
    let keys = keys(&parameter.field_attributes);
    let key = |name: &str| keys.iter().find(|key| key.path().is_ident(name));
    let Some(left_out) = key("skip_serializing_if") else {
        return;
    };
    let is_read = key("default").is_some()
        || parameter.form.is_option() && !has_serde_key(parameter, &["with", "deserialize_with"]);
    if !is_read {
        diagnostics.error_with_help(
            left_out.path(),
            format!(
                "`{}` would not come back from an event that leaves it out",
                parameter.ident
            ),
            "add the `default` that is left out beside it, or take `skip_serializing_if` away",
        );
    }
}

/// Two fields of one name are written both, and cannot be read.
fn one_name_for_each(event: &Event, diagnostics: &mut Diagnostics) -> bool {
    let errors = diagnostics.count();
    let mut seen: HashMap<String, (&Ident, TokenStream)> = HashMap::new();
    for parameter in &event.parameters {
        for (name, at) in names(parameter) {
            match seen.get(&name) {
                // Of two parameters of one name it is told already.
                Some((other, first)) if **other != parameter.ident => {
                    let fact = format!("`{name}` is the stored name of two parameters");
                    diagnostics.twice(at, first, fact);
                }
                Some(_) => {}
                None => {
                    seen.insert(name, (&parameter.ident, at));
                }
            }
        }
    }
    diagnostics.count() == errors
}

/// The names under which a parameter is stored or read, each with the place where it is written.
fn names(parameter: &Parameter) -> Vec<(String, TokenStream)> {
    let ident = &parameter.ident;
    let (mut renames, mut aliases) = (Vec::new(), Vec::new());
    for key in keys(&parameter.field_attributes) {
        match &key {
            // Its own fields are stored, and it is not.
            Meta::Path(path) if path.is_ident("flatten") => return Vec::new(),
            Meta::NameValue(_) if key.path().is_ident("alias") => {
                aliases.extend(text(&key).cloned())
            }
            Meta::NameValue(_) if key.path().is_ident("rename") => {
                renames.extend(text(&key).cloned())
            }
            Meta::List(list) if list.path.is_ident("rename") => {
                let both = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
                renames.extend(
                    both.into_iter()
                        .flatten()
                        .filter_map(|key| text(&key).cloned()),
                );
            }
            _ => {}
        }
    }
    let given = |name: &LitStr| (name.value(), name.to_token_stream());
    let own = renames
        .is_empty()
        .then(|| (ident.unraw().to_string(), ident.to_token_stream()));
    let named = own.into_iter().chain(renames.iter().map(given));
    named.chain(aliases.iter().map(given)).collect()
}
