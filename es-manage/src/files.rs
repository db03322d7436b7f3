//! Exports and imports, to files and from them, or through the standard output and input.
use std::ffi::OsString;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use es_core::{Application, BoxError};
use tempfile::NamedTempFile;

use crate::commands::export::ExportReport;
use crate::commands::{PrintError, events, export, import, line};
use crate::failure::{Ended, Failure, unprinted};
use crate::interrupts::interrupted;
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
    let Some(path) = output.filter(|path| *path != Path::new("-")) else {
        written(app, after, io::stdout(), bar).await?;
        return Ok(Status::Well);
    };
    let unwritten = |error: io::Error| Failure {
        status: Status::Failed,
        error: format!("cannot write `{}`: {error}", path.display()).into(),
        help: None,
    };
    let report = match Target::at(path).map_err(unwritten)? {
        Target::Stream(stream) => written(app, after, stream, bar).await?.0,
        Target::File(target) => {
            let exported = async {
                let beside = target.beside().map_err(unwritten)?;
                let written = written(app, after, beside, bar).await;
                written.map_err(|failure| Failure {
                    error: Unexported {
                        path: path.to_owned(),
                        source: failure.error,
                    }
                    .into(),
                    ..failure
                })
            };
            let (report, beside) = tokio::select! {
                // Before there is a file beside, it is heard who would break it off.
                biased;
                () = interrupted() => {
                    return Err(Failure {
                        status: Status::Failed,
                        error: format!("interrupted; `{}` is what it was", path.display()).into(),
                        help: None,
                    });
                }
                exported = exported => exported?,
            };
            target.replace(beside).map_err(unwritten)?;
            report
        }
    };
    screen.print(&report).map_err(unprinted)?;
    Ok(Status::Well)
}

/// A file that an export was to take the place of.
#[derive(Debug, thiserror::Error)]
#[error("nothing is exported; `{path}` is what it was", path = .path.display())]
struct Unexported {
    path: PathBuf,
    source: BoxError,
}

/// Writes an export, and hands back where it was written to.
async fn written<W: Write + Send>(
    app: &Application,
    after: es_core::Position,
    to: W,
    bar: &Bar,
) -> Result<(ExportReport, W), Failure> {
    let mut out = BufWriter::new(to);
    match export::export(app, after, &mut out, bar).await {
        // The export has flushed it.
        Ok(report) => Ok((report, out.into_parts().0)),
        // Half an export is none, so this is told.
        Err(error) => Err(Failure {
            status: error.status(),
            error: told_apart(error),
            help: None,
        }),
    }
}

/// Where an export goes to.
enum Target {
    /// A file that is there, or will be. Whoever looks at it sees the old one or the whole new one.
    File(Replaced),
    /// A device or a named pipe, which is written to as it is.
    Stream(File),
}

/// A file that is replaced once there is a whole new one beside it.
struct Replaced {
    folder: PathBuf,
    name: OsString,
    old: Option<Permissions>,
}

impl Target {
    fn at(path: &Path) -> io::Result<Self> {
        let old = match path.metadata() {
            Ok(metadata) if metadata.is_file() => Some(metadata.permissions()),
            Ok(_) => {
                let stream = OpenOptions::new().write(true).open(path)?;
                return Ok(Self::Stream(stream));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_of_folder(path) => None,
            Err(error) => return Err(error),
        };
        // A link may lead to a file that is still to come.
        let mut path = path.to_owned();
        while let Ok(next) = path.read_link() {
            path = folder_of(&path).join(next);
        }
        let name = path.file_name().ok_or(io::ErrorKind::NotFound)?;
        Ok(Self::File(Replaced {
            folder: folder_of(&path).canonicalize()?,
            name: name.to_owned(),
            old,
        }))
    }
}

impl Replaced {
    /// A new file in the folder, which is gone once nobody has it.
    fn beside(&self) -> io::Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".export-").suffix(".part");
        #[cfg(unix)]
        if self.old.is_none() {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(Permissions::from_mode(0o666));
        }
        let beside = builder.tempfile_in(&self.folder)?;
        if let Some(old) = &self.old {
            beside.as_file().set_permissions(old.clone())?;
        }
        Ok(beside)
    }

    /// Puts the new file in place, so that it is there after a power failure too.
    fn replace(&self, beside: NamedTempFile) -> io::Result<()> {
        beside.as_file().sync_all()?;
        beside
            .persist(self.folder.join(&self.name))
            .map_err(|error| error.error)?;
        #[cfg(unix)]
        match File::open(&self.folder).and_then(|folder| folder.sync_all()) {
            // Not every folder may be read, and not every file system syncs them.
            Err(error) if !CANNOT_SYNC.contains(&error.kind()) => return Err(error),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(unix)]
const CANNOT_SYNC: [io::ErrorKind; 3] = [
    io::ErrorKind::InvalidInput,
    io::ErrorKind::PermissionDenied,
    io::ErrorKind::Unsupported,
];

/// Refuses to put an export in the place of a file of SQLite's: most likely it is the one that is to be exported. What may not be read is nobody's
/// log here.
///
/// To be asked before that is open: closing a file takes the locks away that SQLite has on it in this process.
pub(crate) fn no_database(path: &Path) -> Result<(), Failure> {
    const BEGINNING: &[u8] = b"SQLite format 3\0";
    if !path.is_file() {
        return Ok(());
    }
    let mut found = [0; BEGINNING.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut found));
    match read {
        Ok(()) if found == BEGINNING => Err(Failure {
            status: Status::Failed,
            error: format!(
                "cannot write `{}`: it is a database, which the export would take the place of; name another file",
                path.display()
            )
            .into(),
            help: None,
        }),
        _ => Ok(()),
    }
}

fn is_of_folder(path: &Path) -> bool {
    path.to_string_lossy().ends_with(std::path::is_separator)
}

/// The folder of a file; of a name alone, where the program runs.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
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
    from: Option<&str>,
    bar: &Bar,
) -> Result<import::ImportReport, Failure> {
    let into = if append {
        import::ImportInto::Append
    } else {
        import::ImportInto::Empty
    };
    let Some(path) = input else {
        let mut stdin = BufReader::new(io::stdin());
        return Ok(import::import(app, &mut stdin, into, from, None, bar).await?);
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
    Ok(import::import(app, &mut file, into, from, events, bar).await?)
}
