//! The command line.
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use es_core::system::Until;
use es_core::{Position, StreamId, Version};
use es_store::Stores;
use uuid::Uuid;

use crate::time;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_STATUS: &str = "\
Exit status:
  0  all is well
  1  what was asked for cannot be understood, or is not there
  2  a follower failed, or something was found or could not be done
  3  somebody else runs a follower
  4  a store cannot be reached, or is not migrated";

/// Manages the events and the followers of this program
#[derive(Debug, Parser)]
#[command(styles = STYLES, after_help = EXIT_STATUS, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Common {
    /// Where the events are kept, instead of where the environment says: a URL, or APPLICATION=URL
    #[arg(long, global = true, value_name = "URL")]
    store: Vec<String>,
    /// Which system is meant, where there are several
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) system: Option<String>,
    /// Print the report as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colours
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = false
    )]
    pub(crate) color: Color,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Common {
    pub(crate) fn stores(&self) -> Stores {
        self.store.iter().fold(Stores::new(), |stores, said| {
            // A URL may have a `=` too, but not before its colon.
            match said.split_once('=') {
                Some((name, url)) if !name.contains(':') => stores.store_of(name, url),
                _ => stores.store(said),
            }
        })
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show how each follower is: state, lag, lease, parked events
    Status,
    /// Let followers handle what they have not seen, leaders first
    ///
    /// Each goes to the end that its log had when it was its turn. Of those that answer each other in a circle, what the last one wrote is left to
    /// the next run.
    SyncFollowers(SyncFollowers),
    /// Make read models anew, beside those that readers see
    Rebuild {
        /// Which followers
        #[arg(required = true, value_name = "FOLLOWER")]
        followers: Vec<String>,
        /// As it was at a position or a time, beside what readers see
        #[arg(long, value_name = "POSITION|TIME", value_parser = until, requires = "into")]
        until: Option<Until>,
        /// What is put behind the names of its tables then, after two underscores
        #[arg(long, value_name = "NAME", requires = "until")]
        into: Option<String>,
    },
    /// List, retry or give up on what followers could not handle
    #[command(subcommand)]
    Parked(Parked),
    /// Say where a process manager stands, from where it goes on
    ///
    /// For one that is to begin today, or whose log was restored. What it passes over it never handles; what is before it again, it handles again,
    /// with all that it does outside. Who decided so, and why, stays on record.
    Place {
        /// Which follower
        follower: String,
        /// The last position that it counts as having handled; `end` for all that there is
        #[arg(value_name = "POSITION|end", value_parser = placed_at)]
        position: PlacedAt,
        /// Why, for those who ask later
        #[arg(long, value_parser = reason)]
        reason: String,
        /// Who decides
        #[arg(long, env = "USER", hide_env_values = true, value_parser = by)]
        by: String,
    },
    /// Forget a follower that is none of this program's any more, as `status` names it
    ///
    /// What it had set aside is given up on, and stays on record. Should it come back, it begins with the first event; tables that it made are there
    /// still.
    Forget {
        /// Which follower
        follower: String,
        /// The application whose log it followed, where there are several of that name
        #[arg(long, value_name = "NAME")]
        log: Option<String>,
        /// Why, for those who ask later
        #[arg(long, value_parser = reason)]
        reason: String,
        /// Who decides
        #[arg(long, env = "USER", hide_env_values = true, value_parser = by)]
        by: String,
    },
    /// Make the stores, or bring them up to date
    Migrate,
    /// Take snapshots of all aggregates that can have any
    Snapshot {
        #[command(flatten)]
        app: App,
        /// Drop all others of each aggregate: only its past is read by them
        #[arg(long)]
        prune: bool,
        /// Only of these types
        #[arg(value_name = "CATEGORY")]
        categories: Vec<String>,
    },
    /// Print events, one JSON object per line
    Events(Events),
    /// Show an aggregate, as it is or was, and what changed
    Show(Show),
    /// Check that the log is what was written, and that this program can read it
    Verify {
        #[command(flatten)]
        app: App,
    },
    /// Write all events as JSON Lines; what is encrypted stays encrypted
    ///
    /// Checkpoints are not in it, nor read models and snapshots: followers of a log that it is imported into begin with the first event.
    Export {
        #[command(flatten)]
        app: App,
        /// Where to; a file that is there is replaced once the export is whole [default: `-`, the standard output]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Only what comes after this position
        #[arg(long, value_name = "POSITION", value_parser = position, default_value = "0", hide_default_value = true)]
        after: Position,
    },
    /// Store the events of an export; broken off and run again, it goes on where it was
    ///
    /// Followers begin with the first event of what is imported: a process manager does again what it did, effects outside included, unless its
    /// handlers pass by what is old.
    Import {
        #[command(flatten)]
        app: App,
        /// The export [default: the standard input]
        #[arg(value_name = "FILE")]
        input: Option<PathBuf>,
        /// Store them behind the events that are there
        #[arg(long)]
        append: bool,
        /// Of which application the export is, where that is not the one of the log
        #[arg(long, value_name = "NAME")]
        from: Option<String>,
    },
    /// Print a new key for `ES_CIPHER_KEYS`
    ///
    /// It is written there behind a number and a colon: `1:KEY`; the first of several encrypts: `2:KEY,1:OLDER`.
    NewKey,
    /// Print what a shell needs to complete these commands
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// Where a follower is put.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PlacedAt {
    End,
    Position(Position),
}

fn placed_at(written: &str) -> Result<PlacedAt, String> {
    match written {
        "end" => Ok(PlacedAt::End),
        written => position(written).map(PlacedAt::Position),
    }
}

/// Which application of the system.
#[derive(Debug, Args)]
pub(crate) struct App {
    /// Which application of the system is meant
    #[arg(long, value_name = "NAME")]
    pub(crate) app: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SyncFollowers {
    /// Which followers [default: all]
    #[arg(value_name = "FOLLOWER")]
    pub(crate) followers: Vec<String>,
    /// Do it, and keep nothing of it
    #[arg(long, short = 'n')]
    pub(crate) dry_run: bool,
    /// How much to print: 0 errors alone, 1 outcomes, 2 positions too, 3 what is parked too
    #[arg(long, short, value_name = "LEVEL", default_value = "1", value_parser = clap::value_parser!(u8).range(0..=3))]
    pub(crate) verbosity: u8,
    /// How long to wait for a follower that somebody else runs
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pub(crate) wait: Duration,
    /// End the leases of others, who are known to have gone; one that is at work still is refused what it writes
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) take_over: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Parked {
    /// List what is set aside, what waits behind it, what was given up on, and where persons put followers
    List {
        /// Which followers [default: all]
        #[arg(value_name = "FOLLOWER")]
        followers: Vec<String>,
    },
    /// Have parked events tried again, in order, by whoever runs the follower next
    Retry {
        /// Which follower
        follower: String,
        /// Only those of this aggregate, as CATEGORY/ID
        #[arg(value_parser = stream)]
        stream: Option<StreamId>,
    },
    /// Give up on the first parked event of an aggregate; those behind it are tried again
    Drop {
        /// Which follower
        follower: String,
        /// Which aggregate, as CATEGORY/ID
        #[arg(value_parser = stream)]
        stream: StreamId,
        /// The event
        #[arg(value_parser = position)]
        position: Position,
        /// Why, for those who ask later
        #[arg(long, value_parser = reason)]
        reason: String,
        /// Who decides
        #[arg(long, env = "USER", hide_env_values = true, value_parser = by)]
        by: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(flatten)]
    pub(crate) app: App,
    /// Only those of aggregates of this type
    #[arg(long)]
    pub(crate) category: Option<String>,
    /// Only those of this name, also where they were stored under a name that it had before
    #[arg(long, value_name = "NAME")]
    pub(crate) event: Option<String>,
    /// Only those of this aggregate, as CATEGORY/ID
    #[arg(long, value_parser = stream)]
    pub(crate) stream: Option<StreamId>,
    /// Only what this person or program did, by the metadata
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    /// Only what belongs to this request or process, by the metadata
    #[arg(long, value_name = "ID", value_parser = id)]
    pub(crate) correlation: Option<Uuid>,
    /// Only what comes after this position
    #[arg(long, value_name = "POSITION", value_parser = position, default_value = "0", hide_default_value = true)]
    pub(crate) after: Position,
    /// Only up to this position, and with it
    #[arg(long, value_name = "POSITION", value_parser = position)]
    pub(crate) up_to: Option<Position>,
    /// Only from this time on: 2024-03-04T09:00:00Z, or a day, which is its first moment in UTC, 2024-03-04
    #[arg(long, value_name = "TIME", value_parser = point_in_time)]
    pub(crate) since: Option<SystemTime>,
    /// Only before this time; before a day is before its first moment in UTC
    #[arg(long, value_name = "TIME", value_parser = point_in_time)]
    pub(crate) until: Option<SystemTime>,
    /// No more than so many
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<u64>,
    /// Go on with those that are still to come
    #[arg(long, short)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) app: App,
    /// The type of the aggregate, by its stored name
    pub(crate) category: String,
    /// Its id
    #[arg(value_parser = id)]
    pub(crate) id: Uuid,
    /// As it was at this version
    #[arg(long, value_name = "VERSION", value_parser = version, conflicts_with = "as_of")]
    pub(crate) at_version: Option<Version>,
    /// As it was at this time, 2024-03-04T09:00:00Z, or at the end of a day in UTC, 2024-03-04
    #[arg(long, value_name = "TIME", value_parser = end_in_time)]
    pub(crate) as_of: Option<SystemTime>,
    /// How many of its newest events are told
    #[arg(long, value_name = "COUNT", default_value = "20")]
    pub(crate) last: usize,
}

fn position(written: &str) -> Result<Position, String> {
    let number: Result<u64, _> = written.parse();
    number
        .map(Position::from)
        .map_err(|_| "a position is a number: 1, 2, 3 …".to_owned())
}

fn until(written: &str) -> Result<Until, String> {
    if let Ok(position) = position(written) {
        return Ok(Until::Position(position));
    }
    point_in_time(written)
        .map(Until::Time)
        .map_err(|wrong| format!("{wrong}; or as a position: 1, 2, 3 …"))
}

fn version(written: &str) -> Result<Version, String> {
    let number: Result<u64, _> = written.parse();
    number
        .map(Version::from)
        .map_err(|_| "a version is a number: 1, 2, 3 …".to_owned())
}

fn id(written: &str) -> Result<Uuid, String> {
    Uuid::try_parse(written).map_err(|_| {
        "an id is a UUID, such as 018f3d2e-8c1a-7bbb-8000-0123456789ab; `events --category` shows those there are".to_owned()
    })
}

fn stream(written: &str) -> Result<StreamId, String> {
    let Some((category, number)) = written.split_once('/') else {
        return Err("an aggregate is written as CATEGORY/ID".to_owned());
    };
    Ok(StreamId::new(category.to_owned(), id(number)?))
}

fn reason(written: &str) -> Result<String, String> {
    said(written, "it is empty; say why, for those who ask later")
}

fn by(written: &str) -> Result<String, String> {
    said(written, "it is empty; say who decides, by `--by NAME`")
}

/// What says something; `else_say`, where that is blank.
fn said(written: &str, else_say: &str) -> Result<String, String> {
    if written.trim().is_empty() {
        return Err(else_say.to_owned());
    }
    Ok(written.to_owned())
}

const A_TIME: &str = "a time is written as 2024-03-04T09:00:00Z, or as a day, 2024-03-04";

fn point_in_time(written: &str) -> Result<SystemTime, String> {
    time::parse(written).ok_or_else(|| A_TIME.to_owned())
}

fn end_in_time(written: &str) -> Result<SystemTime, String> {
    time::parse_end(written).ok_or_else(|| A_TIME.to_owned())
}

fn seconds(written: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = written.parse().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "write seconds, such as 30 or 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_store_may_be_said_of_one_application() {
        let cli = Cli::try_parse_from([
            "school",
            "status",
            "--store",
            "sqlite:a=b.db",
            "--store",
            "office=sqlite:office.db",
        ])
        .unwrap();
        let stores = format!("{:?}", cli.common.stores());
        assert!(stores.contains("all: Some(\"sqlite:"), "{stores}");
        assert!(
            stores.contains("each: {\"office\": \"sqlite:office.db\"}"),
            "{stores}"
        );
    }
}
