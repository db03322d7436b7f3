//! How much is measured: what the command line asks for.
use std::path::PathBuf;
use std::time::Duration;

use super::Report;

pub(crate) struct Effort {
    /// Runs everything once, compares the results and looks at no clock.
    pub(crate) tiny: bool,
    /// How often each contestant has its turn.
    pub(crate) rounds: usize,
    /// How often each has its turn in a race.
    pub(crate) race_rounds: usize,
    /// How long a turn takes, which in a race is decided by what is to be done.
    pub(crate) turn: Duration,
    /// Events of an everyday stream.
    pub(crate) short: usize,
    /// Events of a stream that has grown for years.
    pub(crate) long: usize,
    /// Only scenarios whose name has this in it.
    pub(crate) only: String,
    /// Where files are kept while they are measured; `None`: beside this program.
    pub(crate) folder: Option<PathBuf>,
    /// Also makes logs of ten million events, where that is not all too long.
    pub(crate) huge: bool,
    /// A folder for pictures of what grows.
    pub(crate) pictures: Option<PathBuf>,
    /// A file of Markdown that the tables are written to.
    pub(crate) markdown: Option<PathBuf>,
    /// What was measured until now.
    pub(crate) report: Report,
}

impl Effort {
    pub(crate) const USAGE: &str = "usage: benches [--tiny] [--rounds 31, in races 9] [--turn-ms 5] [--short 100] [--long 10000] [--only TEXT] [--folder PATH] [--markdown FILE] [--pictures FOLDER] [--huge]";

    pub(crate) fn from_arguments(
        mut arguments: impl Iterator<Item = String>,
    ) -> Result<Self, String> {
        let mut effort = Self {
            tiny: false,
            rounds: 31,
            race_rounds: 9,
            turn: Duration::from_millis(5),
            short: 100,
            long: 10_000,
            only: String::new(),
            folder: None,
            huge: false,
            pictures: None,
            markdown: None,
            report: Report::default(),
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--tiny" => {
                    effort.tiny = true;
                    effort.short = 3;
                    effort.long = 5;
                }
                "--rounds" => {
                    effort.rounds = number(&argument, arguments.next())?;
                    effort.race_rounds = effort.rounds;
                }
                "--turn-ms" => {
                    let millis = number(&argument, arguments.next())?;
                    effort.turn = Duration::from_millis(millis as u64);
                }
                "--short" => effort.short = number(&argument, arguments.next())?,
                "--long" => effort.long = number(&argument, arguments.next())?,
                "--only" => effort.only = arguments.next().ok_or("--only what?")?,
                "--folder" => {
                    effort.folder = Some(arguments.next().ok_or("--folder where?")?.into())
                }
                "--huge" => effort.huge = true,
                "--pictures" => {
                    effort.pictures = Some(arguments.next().ok_or("--pictures where?")?.into())
                }
                "--markdown" => {
                    effort.markdown = Some(arguments.next().ok_or("--markdown where?")?.into())
                }
                _ => return Err(format!("`{argument}` is unknown")),
            }
        }
        Ok(effort)
    }

    /// Writes the tables, where they are asked for.
    ///
    /// # Errors
    /// As [`Report::write`].
    pub(crate) fn write(&self) -> Result<(), String> {
        match &self.markdown {
            Some(path) => self.report.write(path).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    /// Whether a scenario is asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        name.contains(&self.only)
    }
}

fn number(argument: &str, value: Option<String>) -> Result<usize, String> {
    match value.as_deref().map(str::parse) {
        Some(Ok(number)) if number > 0 => Ok(number),
        _ => Err(format!("{argument} takes a number from 1 up")),
    }
}
