//! From the command line to the exit status.
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anstream::ColorChoice;
use clap::error::ErrorKind;
use clap::{ColorChoice as ClapColor, CommandFactory, FromArgMatches};
use es_core::application::AggregateType;
use es_core::system::System;
use es_core::{Application, BoxError};
use serde::Serialize;

use crate::arguments::{App, Cli, Color, Command, Common, Events, Parked, Show, SyncFollowers};
use crate::commands::migrate::migrate_made;
use crate::commands::sync_followers::AtLevel;
use crate::commands::{
    PrintError, events, export, import, line, new_key, parked, rebuild, show, snapshot, status,
    sync_followers, verify,
};
use crate::output::{BAD, HEAD, Human, Screen, clean, styled, told};
use crate::progress::Bar;
use crate::status::{is_unmigrated, of_opening};
use crate::systems::Known;
use crate::{IntoSystems, Meaning, Status, Systems};

/// Runs the command that the command line says, over the system that `system` makes, and says by its exit status how it ended.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use es_core::system::System;
/// use es_store::{OpenError, Stores};
///
/// async fn system(stores: Stores) -> Result<System, OpenError> {
///     let school = stores.settings("school").open().await?;
///     Ok(System::new("school").application(&school, |types| types))
/// }
///
/// fn main() -> ExitCode {
///     es_manage::main(system)
/// }
/// ```
pub fn main(system: impl IntoSystems) -> ExitCode {
    let systems = system.into_systems();
    let cli = match parsed() {
        Ok(cli) => cli,
        Err(error) => {
            drop(error.print());
            let is_asked = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            return if is_asked {
                Status::Well
            } else {
                Status::Usage
            }
            .into();
        }
    };
    let screen = cli.common.screen();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(run(&systems, cli)),
        Err(error) => Err(Failure {
            status: Status::Failed,
            help: None,
            error: error.into(),
        }),
    };
    match ended {
        Ok(status) => status.into(),
        Err(failure) if failure.is_broken_pipe() => Status::Well.into(),
        Err(failure) => {
            failure.tell(screen);
            failure.status.into()
        }
    }
}

/// The colours of clap's own messages are chosen before the arguments are understood.
fn parsed() -> Result<Cli, clap::Error> {
    let arguments: Vec<_> = std::env::args_os().collect();
    let says = |when: &str| {
        let pairs = arguments.windows(2);
        let apart = pairs.map(|pair| pair[0] == "--color" && pair[1] == when);
        let together = format!("--color={when}");
        apart
            .chain(arguments.iter().map(|one| *one == *together))
            .any(|is| is)
    };
    let color = match (says("always"), says("never")) {
        (true, _) => ClapColor::Always,
        (_, true) => ClapColor::Never,
        _ => ClapColor::Auto,
    };
    let matches = Cli::command()
        .color(color)
        .try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

impl Common {
    fn screen(&self) -> Screen {
        Screen {
            json: self.json,
            color: match self.color {
                Color::Auto => ColorChoice::Auto,
                Color::Always => ColorChoice::Always,
                Color::Never => ColorChoice::Never,
            },
        }
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
struct Failure {
    status: Status,
    error: BoxError,
    help: Option<String>,
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
    fn usage(message: impl Into<BoxError>) -> Self {
        Self {
            status: Status::Usage,
            error: message.into(),
            help: None,
        }
    }

    fn is_broken_pipe(&self) -> bool {
        let printing = self
            .error
            .downcast_ref()
            .is_some_and(PrintError::is_broken_pipe);
        let written = self.error.downcast_ref::<io::Error>();
        printing || written.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }

    fn tell(&self, screen: Screen) {
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
            let told = serde_json::to_string(&told).unwrap_or_default();
            screen.complain(&format!("{told}\n"));
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

/// What could not be written to the standard output.
fn unprinted(source: io::Error) -> Failure {
    PrintError::Output { written: 0, source }.into()
}

type Ended = Result<Status, Failure>;

async fn run(systems: &Systems, cli: Cli) -> Ended {
    let screen = cli.common.screen();
    let print = |report: &dyn Printed| report.print(screen).map_err(unprinted);
    let stores = cli.common.stores();
    // These need no store.
    match &cli.command {
        Command::NewKey => {
            print(&new_key::new_key()?)?;
            return Ok(Status::Well);
        }
        Command::Completions { shell } => {
            let mut command = Cli::command();
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut command, program(), &mut script);
            io::stdout().write_all(&script).map_err(unprinted)?;
            return Ok(Status::Well);
        }
        _ => {}
    }
    let make = systems
        .choose(cli.common.system.as_deref())
        .map_err(Failure::usage)?;
    if matches!(cli.command, Command::Migrate) {
        print(&migrate_made(make, stores).await.map_err(unopened)?)?;
        return Ok(Status::Well);
    }
    let system = make(stores.migrate(false)).await.map_err(unopened)?;
    let bar = Bar::on_terminal();
    match cli.command {
        Command::Status => {
            let report = status::status(&system).await?;
            print(&report)?;
            Ok(report.status())
        }
        Command::SyncFollowers(arguments) => sync(&system, arguments, screen).await,
        Command::Rebuild { followers } => {
            print(&rebuild::rebuild(&system, &followers, &bar).await?)?;
            Ok(Status::Well)
        }
        Command::Parked(arguments) => decide(&system, arguments, &print).await,
        Command::Snapshot { app, categories } => {
            let mut worst = Status::Well;
            for (app, types) in members(&system, &app)? {
                let types = of_categories(types, &categories)?;
                let report = snapshot::snapshot(app, &types, &bar).await?;
                print(&report)?;
                worst = worst.max(report.status());
            }
            Ok(worst)
        }
        Command::Verify { app } => {
            let mut worst = Status::Well;
            for (app, types) in members(&system, &app)? {
                let report = verify::verify(app, types, &bar).await?;
                print(&report)?;
                worst = worst.max(report.status());
            }
            Ok(worst)
        }
        Command::Events(arguments) => print_events(&system, arguments).await,
        Command::Show(arguments) => {
            print(&shown(&system, arguments).await?)?;
            Ok(Status::Well)
        }
        Command::Export { app, output, after } => {
            let app = one(&system, &app)?;
            exported(app, output.as_deref(), after, screen, &bar).await
        }
        Command::Import { app, input, append } => {
            let app = one(&system, &app)?;
            let report = imported(app, input.as_deref(), append, &bar).await?;
            print(&report)?;
            Ok(Status::Well)
        }
        Command::Migrate | Command::NewKey | Command::Completions { .. } => Ok(Status::Well),
    }
}

/// A report of any kind.
trait Printed {
    fn print(&self, screen: Screen) -> io::Result<()>;
}

impl<R: Human + Serialize> Printed for R {
    fn print(&self, screen: Screen) -> io::Result<()> {
        screen.print(self)
    }
}

fn unopened(error: BoxError) -> Failure {
    let help = is_unmigrated(&error).then(|| format!("`{} migrate` makes it", program()));
    Failure {
        status: of_opening(&error),
        error,
        help,
    }
}

/// How this program is called.
fn program() -> String {
    let path = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&path).file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

type Member<'a> = (&'a Application, &'a [AggregateType]);

/// The application that is named, or all of them.
fn members<'a>(system: &'a System, app: &App) -> Result<Vec<Member<'a>>, Failure> {
    let all: Vec<_> = system.applications().collect();
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
fn one<'a>(system: &'a System, app: &App) -> Result<&'a Application, Failure> {
    match members(system, app)?[..] {
        [(app, _)] => Ok(app),
        [] => Err(Failure::usage(
            "the system has no applications; name them by `System::application`",
        )),
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

fn of_categories(
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
    types
        .iter()
        .find(|ty| ty.category == category)
        .ok_or_else(|| {
            let known: Vec<_> = types.iter().map(|ty| ty.category).collect();
            let message = format!(
                "the system names no type of aggregate `{category}`; {}",
                Known(&known)
            );
            Failure::usage(message)
        })
}

async fn sync(system: &System, arguments: SyncFollowers, screen: Screen) -> Ended {
    let level = arguments.verbosity;
    let bar = if level == 0 {
        Bar::hidden()
    } else {
        Bar::on_terminal()
    };
    let options = sync_followers::SyncOptions {
        followers: arguments.followers,
        dry_run: arguments.dry_run,
        wait: arguments.wait,
    };
    let report = sync_followers::sync_followers(system, &options, &bar).await?;
    if level > 0 || screen.json {
        let report = AtLevel {
            report: &report,
            level,
        };
        screen.print(&report).map_err(unprinted)?;
    }
    if !screen.json {
        for synced in &report.followers {
            if let Some(complaint) = synced.complaint() {
                screen.complain(&complaint);
            }
        }
    }
    Ok(report.status())
}

async fn decide(
    system: &System,
    arguments: Parked,
    print: &dyn Fn(&dyn Printed) -> Result<(), Failure>,
) -> Ended {
    match arguments {
        Parked::List { followers } => {
            let report = parked::parked(system, &followers).await?;
            print(&report)?;
            Ok(report.status())
        }
        Parked::Retry { follower, stream } => {
            print(&parked::retry_parked(system, &follower, stream.as_ref()).await?)?;
            Ok(Status::Well)
        }
        Parked::Drop {
            follower,
            stream,
            position,
            reason,
            by,
        } => {
            let dropped = parked::drop_parked(system, &follower, &stream, position, &by, &reason);
            print(&dropped.await?)?;
            Ok(Status::Well)
        }
    }
}

async fn print_events(system: &System, arguments: Events) -> Ended {
    let app = one(system, &arguments.app)?;
    let query = events::EventsQuery {
        category: arguments.category,
        event: arguments.event,
        stream: arguments.stream,
        after: arguments.after,
        up_to: arguments.up_to,
        since: arguments.since,
        until: arguments.until,
        limit: arguments.limit,
        follow: arguments.follow,
    };
    let mut out = BufWriter::new(io::stdout());
    let follow = query.follow;
    events::events(app, &query, &mut |event| {
        out.write_all(events::json_line(event)?.as_bytes())?;
        // Who follows wants to see it now.
        if follow { out.flush() } else { Ok(()) }
    })
    .await?;
    out.flush().map_err(unprinted)?;
    Ok(Status::Well)
}

async fn shown(system: &System, arguments: Show) -> Result<show::ShowReport, Failure> {
    let members = members(system, &arguments.app)?;
    let has_type =
        |(_, types): &&Member<'_>| types.iter().any(|ty| ty.category == arguments.category);
    let mut having = members.iter().filter(has_type);
    let (app, ty) = match (having.next(), having.next()) {
        (Some((app, types)), None) => (*app, find_type(types, &arguments.category)?),
        (None, _) => {
            let types: Vec<_> = members
                .iter()
                .flat_map(|(_, types)| types.iter().copied())
                .collect();
            find_type(&types, &arguments.category)?;
            return Err(Failure::usage("the system has no applications"));
        }
        (Some(_), Some(_)) => {
            let names = names(&members);
            let message = format!(
                "which application is meant? say `--app NAME`; {}",
                Known(&names)
            );
            return Err(Failure::usage(message));
        }
    };
    let at = match (arguments.at_version, arguments.as_of) {
        (Some(version), _) => show::At::Version(version),
        (None, Some(time)) => show::At::Time(time),
        (None, None) => show::At::Now,
    };
    Ok(show::show(app, ty, arguments.id, at, arguments.last).await?)
}

async fn exported(
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
    let mut out = BufWriter::new(file);
    let report = match export::export(app, after, &mut out, bar).await {
        Ok(report) => report,
        Err(error) => {
            // A part of an export is of no use.
            drop(std::fs::remove_file(beside));
            return Err(error.into());
        }
    };
    let file = out
        .into_inner()
        .map_err(|error| unwritten(error.into_error()))?;
    file.sync_all().map_err(unwritten)?;
    std::fs::rename(beside, path).map_err(unwritten)?;
    screen.print(&report).map_err(unprinted)?;
    Ok(Status::Well)
}

/// An error that is told, also where the reader of the output has gone.
fn told_apart(error: PrintError) -> BoxError {
    if error.is_broken_pipe() {
        return events::in_short(&error).into();
    }
    error.into()
}

async fn imported(
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
    let events = line::count(&mut BufReader::new(File::open(path).map_err(unread)?));
    let events = events.map_err(unread)?;
    let mut file = BufReader::new(File::open(path).map_err(unread)?);
    Ok(import::import(app, &mut file, into, Some(events), bar).await?)
}
