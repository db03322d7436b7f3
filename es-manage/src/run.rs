//! From the command line to the exit status.
use std::env;
use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::{self, ExitCode};
use std::time::Duration;

use anstream::ColorChoice;
use clap::error::ErrorKind;
use clap::{ColorChoice as ClapColor, CommandFactory, FromArgMatches};
use es_core::system::System;
use es_store::Stores;
use serde::Serialize;

use crate::arguments::{
    Cli, Color, Command, Common, Events, Parked, PlacedAt, Show, SyncFollowers,
};
use crate::choice::{having, members, of_categories, one};
use crate::commands::import::Imported;
use crate::commands::migrate::migrate_made;
use crate::commands::sync_followers::AtLevel;
use crate::commands::{
    events, forget, new_key, parked, place, rebuild, show, snapshot, status, sync_followers, verify,
};
use crate::failure::{Ended, Failure, unopened, unprinted};
use crate::files::{exported, imported, no_database};
use crate::interrupts::interrupted;
use crate::output::{Human, Screen, json_line};
use crate::progress::Bar;
use crate::{BrokenOff, IntoSystems, Status, Systems};

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
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let arguments: Vec<_> = env::args_os().collect();
            let first = arguments.first().map(Path::new).and_then(Path::file_stem);
            let program = first.unwrap_or_default().to_string_lossy().into_owned();
            runtime.block_on(told(
                Called {
                    program,
                    is_alone: true,
                },
                arguments,
                system.into_systems(),
            ))
        }
        Err(error) => {
            let failure = Failure {
                status: Status::Failed,
                help: None,
                error: error.into(),
            };
            failure.tell(Screen::default());
            failure.status.into()
        }
    }
}

/// As [`main`], in a program with commands of its own, and on its tokio runtime, whose I/O and time are enabled: runs the command that the arguments
/// say, of which the first is how these commands are called.
///
/// ```no_run
/// use std::env;
/// use std::process::ExitCode;
///
/// # use es_core::system::System;
/// # use es_store::{OpenError, Stores};
/// # async fn system(stores: Stores) -> Result<System, OpenError> {
/// #     let school = stores.settings("school").open().await?;
/// #     Ok(System::new("school").application(&school, |types| types))
/// # }
/// # async fn serve() -> ExitCode { ExitCode::SUCCESS }
/// #[tokio::main]
/// async fn main() -> ExitCode {
///     let mut arguments = env::args_os().skip(1).peekable();
///     match arguments.peek().and_then(|command| command.to_str()) {
///         Some("serve") => serve().await,
///         Some("manage") => es_manage::run(["school manage".into()].into_iter().chain(arguments.skip(1)), system).await,
///         _ => {
///             eprintln!("usage: school serve | school manage COMMAND");
///             ExitCode::FAILURE
///         }
///     }
/// }
/// ```
///
/// Everything is printed, and signals are listened to, as by a program that does nothing else: interrupted twice, it ends the process.
pub async fn run(
    arguments: impl IntoIterator<Item = OsString>,
    system: impl IntoSystems,
) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let program = arguments.first().map(|first| first.to_string_lossy());
    let called = Called {
        program: program.unwrap_or_default().into_owned(),
        is_alone: false,
    };
    told(called, arguments, system.into_systems()).await
}

/// How these commands are called.
struct Called {
    program: String,
    /// The program has no others.
    is_alone: bool,
}

async fn told(called: Called, arguments: Vec<OsString>, systems: Systems) -> ExitCode {
    let cli = match parsed(arguments) {
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
    match ended(&called, &systems, cli).await {
        Ok(status) => status.into(),
        Err(failure) if failure.is_broken_pipe() => Status::Well.into(),
        Err(failure) => {
            failure.tell(screen);
            failure.status.into()
        }
    }
}

/// The colours of clap's own messages are chosen before the arguments are understood.
fn parsed(arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
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

async fn ended(called: &Called, systems: &Systems, cli: Cli) -> Ended {
    let program = &*called.program;
    let screen = cli.common.screen();
    let print = |report: &dyn Printed| printed(report, screen);
    let stores = cli.common.stores();
    // These need no store.
    match &cli.command {
        Command::NewKey => {
            print(&new_key::new_key()?)?;
            return Ok(Status::Well);
        }
        Command::Completions { .. } if !called.is_alone => {
            let error = format!("shells complete programs, and `{program}` is a part of one");
            return Err(Failure::usage(error));
        }
        Command::Completions { shell } => {
            let mut command = Cli::command();
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut command, program, &mut script);
            let mut out = io::stdout();
            let printed = out.write_all(&script).and_then(|()| out.flush());
            printed.map_err(unprinted)?;
            return Ok(Status::Well);
        }
        Command::Export {
            output: Some(path), ..
        } => no_database(path)?,
        _ => {}
    }
    let make = systems
        .choose(cli.common.system.as_deref())
        .map_err(Failure::usage)?;
    if matches!(cli.command, Command::Migrate) {
        let report = migrate_made(make, stores.clone()).await;
        let report = report.map_err(|error| unopened(program, error))?;
        print(&report)?;
        all_heard(&stores, report.applications.iter().map(String::as_str))?;
        return Ok(Status::Well);
    }
    let made = make(stores.clone().migrate(false)).await;
    let system = made.map_err(|error| unopened(program, error))?;
    all_heard(
        &stores,
        system.applications().filter_map(|(app, _)| app.name()),
    )?;
    let bar = Bar::on_terminal();
    match cli.command {
        Command::Status => {
            let report = status::status(&system).await?;
            print(&report)?;
            Ok(report.status())
        }
        Command::SyncFollowers(arguments) => sync(&system, arguments, screen).await,
        Command::Rebuild {
            followers,
            until,
            into,
        } => {
            let beside = until.zip(into);
            let beside = beside.as_ref().map(|(until, into)| (*until, &**into));
            let rebuilt = rebuild::rebuild(&system, &followers, beside, &bar);
            let (report, broken_off) =
                parted(unless_interrupted(&system, rebuilt, AND_BEGINS_AGAIN).await?);
            if broken_off.is_none() || !report.rebuilt.is_empty() {
                print(&report)?;
            }
            broken_off.map_or(Ok(Status::Well), Err)
        }
        Command::Parked(arguments) => decide(&system, arguments, &print).await,
        Command::Place {
            follower,
            position,
            reason,
            by,
        } => {
            let position = match position {
                PlacedAt::End => None,
                PlacedAt::Position(position) => Some(position),
            };
            let placed = place::place(&system, &follower, position, &by, &reason);
            print(&placed.await?)?;
            Ok(Status::Well)
        }
        Command::Forget {
            follower,
            log,
            reason,
            by,
        } => {
            let forgotten = forget::forget(&system, &follower, log.as_deref(), &by, &reason);
            print(&forgotten.await?)?;
            Ok(Status::Well)
        }
        Command::Snapshot {
            app,
            prune,
            categories,
        } => {
            let mut worst = Status::Well;
            for (app, types) in members(&system, &app)? {
                let types = of_categories(types, &categories)?;
                let report = match prune {
                    true => snapshot::prune_snapshots(app, &types, &bar).await?,
                    false => snapshot::snapshot(app, &types, &bar).await?,
                };
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
            let (app, _) = one(&system, &app)?;
            exported(app, output.as_deref(), after, screen, &bar).await
        }
        Command::Import {
            app,
            input,
            append,
            from,
        } => {
            let (app, _) = one(&system, &app)?;
            let imported = imported(app, input.as_deref(), append, from.as_deref(), &bar);
            print(&Imported::into(&system, imported.await?).await)?;
            Ok(Status::Well)
        }
        Command::Migrate | Command::NewKey | Command::Completions { .. } => Ok(Status::Well),
    }
}

/// Refuses what was said of stores where nobody heard it: the command would be about others.
fn all_heard<'a>(stores: &Stores, known: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    let known: Vec<_> = known.collect();
    if let Some(name) = stores.named().find(|name| !known.contains(name)) {
        return Err(Failure::usage(format!(
            "`--store {name}=..` names no application of the system; it has {}",
            known.join(", ")
        )));
    }
    match known.iter().find(|name| stores.is_unheard(name)) {
        None => Ok(()),
        Some(name) => Err(Failure::usage(format!(
            "`{name}` has its store from elsewhere than `--store` says; have the system ask for that, by `Stores::settings` and there by `builder_and_store` \
             or `store_url`, or leave it out"
        ))),
    }
}

/// Prints a report. That nobody reads it any more changes nothing of what it says, nor of the exit status.
fn printed(report: &dyn Printed, screen: Screen) -> Result<(), Failure> {
    match report.print(screen) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed.map_err(unprinted),
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
        take_over: arguments.take_over,
    };
    let synced = sync_followers::sync_followers(system, &options, &bar);
    let (report, broken_off) = parted(match options.dry_run {
        // It has no lease, and keeps nothing.
        true => synced.await,
        false => unless_interrupted(system, synced, AND_GOES_ON).await?,
    });
    let mut shown = Ok(());
    // Where nothing was done, why is all there is to say.
    let is_told = broken_off.is_none() || !report.followers.is_empty();
    if is_told && (level > 0 || screen.json) {
        let report = AtLevel {
            report: &report,
            level,
        };
        shown = printed(&report, screen);
    }
    // Also where the report could not be written.
    if !screen.json {
        for synced in &report.followers {
            if let Some(complaint) = synced.complaint() {
                screen.complain(&complaint);
            }
        }
    }
    shown?;
    broken_off.map_or(Ok(report.status()), Err)
}

/// What was done, and why no more was.
fn parted<R>(ended: Result<R, BrokenOff<R>>) -> (R, Option<Failure>) {
    match ended {
        Ok(report) => (report, None),
        Err(BrokenOff { done, error }) => (done, Some(error.into())),
    }
}

/// How long giving leases back may take.
const GIVING_BACK: Duration = Duration::from_secs(2);

/// What becomes of followers that are interrupted.
const AND_GOES_ON: &str = "what was done is kept, and the same command goes on from there";

/// What becomes of read models whose making is interrupted: what was built beside is thrown away.
const AND_BEGINS_AGAIN: &str = "what readers see is whole, and the same command begins again";

/// Followers at work, unless somebody interrupts the program: then they give back their leases, so that nobody has to wait until those end.
async fn unless_interrupted<T>(
    system: &System,
    work: impl Future<Output = T>,
    outcome: &str,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        () = interrupted() => {
            // Who asks twice does not wait.
            tokio::spawn(async {
                interrupted().await;
                process::exit(Status::Failed.code().into());
            });
            let all_given_back = async {
                for follower in system.followers() {
                    drop(follower.give_back().await);
                }
            };
            // A lease that cannot be given back ends by itself.
            drop(tokio::time::timeout(GIVING_BACK, all_given_back).await);
            let error = format!("interrupted; {outcome}");
            Err(Failure { status: Status::Failed, help: None, error: error.into() })
        }
        ended = work => Ok(ended),
    }
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
    let (app, types) = one(system, &arguments.app)?;
    let query = events::EventsQuery {
        category: arguments.category,
        event: arguments.event,
        stream: arguments.stream,
        actor: arguments.actor,
        correlation: arguments.correlation,
        after: arguments.after,
        up_to: arguments.up_to,
        since: arguments.since,
        until: arguments.until,
        limit: arguments.limit,
        follow: arguments.follow,
    };
    let mut out = BufWriter::new(io::stdout());
    let follow = query.follow;
    events::events(app, types, &query, &mut |event| {
        out.write_all(json_line(event)?.as_bytes())?;
        // Who follows wants to see it now.
        if follow { out.flush() } else { Ok(()) }
    })
    .await?;
    out.flush().map_err(unprinted)?;
    Ok(Status::Well)
}

async fn shown(system: &System, arguments: Show) -> Result<show::ShowReport, Failure> {
    let (app, ty) = having(system, &arguments.app, &arguments.category)?;
    let at = match (arguments.at_version, arguments.as_of) {
        (Some(version), _) => show::At::Version(version),
        (None, Some(time)) => show::At::Time(time),
        (None, None) => show::At::Now,
    };
    Ok(show::show(app, ty, arguments.id, at, arguments.last).await?)
}
