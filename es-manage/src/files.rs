//! Exports and imports, to files and from them, or through the standard output and input.
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek};
use std::path::Path;

use es_core::{Application, BoxError};

use crate::commands::{PrintError, events, export, import, line};
use crate::failure::{Ended, Failure, unprinted};
use crate::output::Screen;
use crate::progress::Bar;
use crate::{Meaning, Status};

pub(crate) async fn exported(
    app: &Application,
    output: Option<&Path>,
    after: es_core::Position,
    screen: Screen,
    bar: &Bar,
) -> Ended {
    let Some(path) = output else {
        let mut out = BufWriter::new(io::stdout());
        let report = export::export(app, after, &mut out, bar).await;
        return match report {
            Ok(_) => Ok(Status::Well),
            // Half an export is none, so this is told.
            Err(error) => Err(Failure {
                status: error.status(),
                error: told_apart(error),
                help: None,
            }),
        };
    };
    // Whoever looks at the file sees the old one or the whole new one.
    let unwritten = |error: io::Error| Failure {
        status: Status::Failed,
        error: format!("cannot write `{}`: {error}", path.display()).into(),
        help: None,
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = Path::new(&beside);
    let file = File::create(beside).map_err(unwritten)?;
    let written = async {
        let mut out = BufWriter::new(file);
        let report = export::export(app, after, &mut out, bar).await?;
        let file = out
            .into_inner()
            .map_err(|error| unwritten(error.into_error()))?;
        file.sync_all().map_err(unwritten)?;
        std::fs::rename(beside, path).map_err(unwritten)?;
        Ok::<_, Failure>(report)
    };
    let written = written.await;
    if written.is_err() {
        // A part of an export is of no use.
        drop(std::fs::remove_file(beside));
    }
    screen.print(&written?).map_err(unprinted)?;
    Ok(Status::Well)
}

/// An error that is told, also where the reader of the output has gone.
fn told_apart(error: PrintError) -> BoxError {
    if error.is_broken_pipe() {
        return events::in_short(&error).into();
    }
    error.into()
}

pub(crate) async fn imported(
    app: &Application,
    input: Option<&Path>,
    append: bool,
    bar: &Bar,
) -> Result<import::ImportReport, Failure> {
    let into = if append {
        import::ImportInto::Append
    } else {
        import::ImportInto::Empty
    };
    let Some(path) = input else {
        let mut stdin = BufReader::new(io::stdin());
        return Ok(import::import(app, &mut stdin, into, None, bar).await?);
    };
    let unread =
        |error: io::Error| Failure::usage(format!("cannot read `{}`: {error}", path.display()));
    let mut file = BufReader::new(File::open(path).map_err(unread)?);
    // What is no file, as a named pipe, is read once.
    let mut events = None;
    if file.get_ref().metadata().map_err(unread)?.is_file() {
        events = Some(line::count(&mut file).map_err(unread)?);
        file.rewind().map_err(unread)?;
    }
    Ok(import::import(app, &mut file, into, events, bar).await?)
}
