//! The systems of a program, by name, and how each is made.
use std::fmt;
use std::future::Future;

use es_core::BoxError;
use es_core::persistence::BoxFuture;
use es_core::system::System;
use es_store::Stores;

type Make = Box<dyn Fn(Stores) -> BoxFuture<'static, Result<System, BoxError>>>;

/// What is managed: a function that makes a system, or [`Systems`], several by name.
pub trait IntoSystems {
    /// The systems.
    fn into_systems(self) -> Systems;
}

impl<F, R, E> IntoSystems for F
where
    F: Fn(Stores) -> R + 'static,
    R: Future<Output = Result<System, E>> + Send + 'static,
    E: Into<BoxError>,
{
    fn into_systems(self) -> Systems {
        Systems::new().system("", self)
    }
}

impl IntoSystems for Systems {
    fn into_systems(self) -> Systems {
        self
    }
}

/// Several systems by name, one of which the command line chooses by `--system`.
///
/// ```no_run
/// # use es_core::system::System;
/// # use es_store::{OpenError, Stores};
/// # async fn school(_: Stores) -> Result<System, OpenError> { Ok(System::new("school")) }
/// # async fn library(_: Stores) -> Result<System, OpenError> { Ok(System::new("library")) }
/// use std::process::ExitCode;
///
/// use es_manage::Systems;
///
/// fn main() -> ExitCode {
///     es_manage::main(Systems::new().system("school", school).system("library", library))
/// }
/// ```
#[derive(Default)]
pub struct Systems {
    all: Vec<(String, Make)>,
}

impl Systems {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a system, by the function that makes it of its stores.
    #[must_use]
    pub fn system<F, R, E>(mut self, name: impl Into<String>, make: F) -> Self
    where
        F: Fn(Stores) -> R + 'static,
        R: Future<Output = Result<System, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let make: Make = Box::new(move |stores| {
            let system = make(stores);
            Box::pin(async move { system.await.map_err(Into::into) })
        });
        self.all.push((name.into(), make));
        self
    }

    /// The one that is meant: the only one, or that of this name.
    pub(crate) fn choose(&self, name: Option<&str>) -> Result<&Make, UnknownSystem> {
        let chosen = match (name, &self.all[..]) {
            (None, [(_, only)]) => Some(only),
            (None, _) => None,
            (Some(name), all) => {
                let found = all.iter().find(|(known, _)| known == name);
                found.map(|(_, make)| make)
            }
        };
        chosen.ok_or_else(|| UnknownSystem {
            asked: name.map(str::to_owned),
            known: self.all.iter().map(|(name, _)| name.clone()).collect(),
        })
    }
}

impl fmt::Debug for Systems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.all.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

/// Which system is meant cannot be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownSystem {
    asked: Option<String>,
    known: Vec<String>,
}

impl fmt::Display for UnknownSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<_> = self.known.iter().filter(|name| !name.is_empty()).collect();
        match (&self.asked, &known[..]) {
            (Some(asked), []) => write!(
                f,
                "there is no system `{asked}`; this program has one alone, so leave out `--system`"
            ),
            (Some(asked), _) => write!(f, "there is no system `{asked}`; {}", Known(&known)),
            (None, _) => write!(
                f,
                "which system is meant? say `--system NAME`; {}",
                Known(&known)
            ),
        }
    }
}

impl std::error::Error for UnknownSystem {}

/// "there are `a`, `b`", for people.
pub(crate) struct Known<'a, T>(pub(crate) &'a [T]);

impl<T: fmt::Display> fmt::Display for Known<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("there are none"),
            [only] => write!(f, "there is `{only}`"),
            [first, others @ ..] => {
                write!(f, "there are `{first}`")?;
                others.iter().try_for_each(|name| write!(f, ", `{name}`"))
            }
        }
    }
}
