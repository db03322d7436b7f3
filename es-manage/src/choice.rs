//! Which applications and which types of aggregate are meant.
use es_core::Application;
use es_core::application::AggregateType;
use es_core::system::System;

use crate::arguments::App;
use crate::failure::Failure;
use crate::systems::Known;

pub(crate) type Member<'a> = (&'a Application, &'a [AggregateType]);

/// The application that is named, or all of them: one at least, so that nothing is said to be well that was not looked at.
pub(crate) fn members<'a>(system: &'a System, app: &App) -> Result<Vec<Member<'a>>, Failure> {
    let all: Vec<_> = system.applications().collect();
    if all.is_empty() {
        return Err(Failure::usage(
            "the system has no applications; name them, with the types of their aggregates, by `System::application`",
        ));
    }
    let Some(name) = &app.app else {
        return Ok(all);
    };
    let is_named = |(app, _): &&Member<'_>| app.name() == Some(name);
    match all.iter().find(is_named) {
        Some(found) => Ok(vec![*found]),
        None => {
            let names = names(&all);
            let message = format!("there is no application `{name}`; {}", Known(&names));
            Err(Failure::usage(message))
        }
    }
}

fn names<'a>(all: &[Member<'a>]) -> Vec<&'a str> {
    all.iter().filter_map(|(app, _)| app.name()).collect()
}

/// The application that is meant: the only one, or the one that is named.
pub(crate) fn one<'a>(system: &'a System, app: &App) -> Result<Member<'a>, Failure> {
    match members(system, app)?[..] {
        [found] => Ok(found),
        ref all => {
            let names = names(all);
            let message = format!(
                "which application is meant? say `--app NAME`; {}",
                Known(&names)
            );
            Err(Failure::usage(message))
        }
    }
}

pub(crate) fn of_categories(
    types: &[AggregateType],
    categories: &[String],
) -> Result<Vec<AggregateType>, Failure> {
    if categories.is_empty() {
        let mut types = types.to_vec();
        types.retain(|ty| ty.snapshot_every.is_some());
        return Ok(types);
    }
    let find = |category: &String| find_type(types, category).copied();
    categories.iter().map(find).collect()
}

fn find_type<'a>(types: &'a [AggregateType], category: &str) -> Result<&'a AggregateType, Failure> {
    let found = types.iter().find(|ty| ty.category == category);
    found.ok_or_else(|| no_such_type(types, category))
}

fn no_such_type<'a>(types: impl IntoIterator<Item = &'a AggregateType>, category: &str) -> Failure {
    let known: Vec<_> = types.into_iter().map(|ty| ty.category).collect();
    Failure::usage(format!(
        "the system names no type of aggregate `{category}`; {}",
        Known(&known)
    ))
}

/// The application that has a type of aggregate, and the type.
pub(crate) fn having<'a>(
    system: &'a System,
    app: &App,
    category: &str,
) -> Result<(&'a Application, &'a AggregateType), Failure> {
    let members = members(system, app)?;
    let has_type = |(_, types): &&Member<'_>| types.iter().any(|ty| ty.category == category);
    let mut having = members.iter().filter(has_type);
    match (having.next(), having.next()) {
        (Some((app, types)), None) => Ok((*app, find_type(types, category)?)),
        (None, _) => {
            let types = members.iter().flat_map(|(_, types)| types.iter());
            Err(no_such_type(types, category))
        }
        (Some(_), Some(_)) => {
            let names = names(&members);
            let message = format!(
                "which application is meant? say `--app NAME`; {}",
                Known(&names)
            );
            Err(Failure::usage(message))
        }
    }
}
