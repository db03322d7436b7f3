//! Why a command did not do what was asked, and how that is told.
use std::io;

use es_core::BoxError;
use serde::Serialize;

use crate::commands::PrintError;
use crate::output::{BAD, HEAD, Screen, clean, styled, told};
use crate::status::{is_unmigrated, of_opening};
use crate::{Meaning, Status};

/// How a command ended.
pub(crate) type Ended = Result<Status, Failure>;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    pub(crate) error: BoxError,
    pub(crate) help: Option<String>,
}

impl<E: Meaning + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            status: error.status(),
            error: error.into(),
            help: None,
        }
    }
}

impl Failure {
    pub(crate) fn usage(message: impl Into<BoxError>) -> Self {
        Self {
            status: Status::Usage,
            error: message.into(),
            help: None,
        }
    }

    pub(crate) fn is_broken_pipe(&self) -> bool {
        let printing = self
            .error
            .downcast_ref()
            .is_some_and(PrintError::is_broken_pipe);
        let unprinted = self.error.downcast_ref().map(|Unprinted(error)| error);
        let written = unprinted.or_else(|| self.error.downcast_ref::<io::Error>());
        printing || written.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }

    pub(crate) fn tell(&self, screen: Screen) {
        if screen.json {
            #[derive(Serialize)]
            struct Told<'a> {
                error: String,
                causes: Vec<String>,
                help: &'a Option<String>,
                status: u8,
            }
            let mut causes = Vec::new();
            let mut cause = self.error.source();
            while let Some(error) = cause {
                causes.push(error.to_string());
                cause = error.source();
            }
            let told = Told {
                error: self.error.to_string(),
                causes,
                help: &self.help,
                status: self.status.code(),
            };
            screen.complain_in_json(&told);
            return;
        }
        let mut text = format!("{}: {}\n", styled("error", BAD), told(&*self.error));
        if let Some(help) = &self.help {
            let line = format!("{}: {}\n", styled("help", HEAD), clean(help));
            text.push_str(&line);
        }
        screen.complain(&text);
    }
}

/// The report of a command that has done what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the report; what it tells of is done")]
struct Unprinted(#[source] io::Error);

pub(crate) fn unprinted(source: io::Error) -> Failure {
    Failure {
        status: Status::Failed,
        error: Unprinted(source).into(),
        help: None,
    }
}

pub(crate) fn unopened(program: &str, error: BoxError) -> Failure {
    let help = is_unmigrated(&error).then(|| format!("`{program} migrate` makes it"));
    Failure {
        status: of_opening(&error),
        error,
        help,
    }
}
