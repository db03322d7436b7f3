//! The program as other processes.
use std::env;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::{disk, kills, lease, opening, polling, processes, sizes};

/// What the program does as a child: the first argument says which part it plays.
pub(crate) fn child(arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["append", path, seed] => kills::append(Path::new(path), seed.parse().expect("a seed")),
        ["append-one", path] => opening::append_one(Path::new(path)),
        ["append-many", path, count] => {
            processes::append_many(Path::new(path), count.parse().expect("a count"))
        }
        ["follow-notes", path] => lease::follow(Path::new(path)),
        ["commit-inside", path] => lease::commit_inside(Path::new(path)),
        ["commit-slowly", path, count] => {
            polling::commit_slowly(Path::new(path), count.parse().expect("a count"))
        }
        ["idle", path, seconds] => {
            polling::idle(Path::new(path), seconds.parse().expect("seconds"))
        }
        ["fill", path] => disk::fill(Path::new(path)),
        ["fill-disk", path] => disk::fill_disk(Path::new(path)),
        ["may-write", path] => disk::may_write(Path::new(path)),
        ["load", path] => sizes::load(Path::new(path)),
        ["follow", path] => sizes::follow(Path::new(path)),
        ["history", path] => sizes::history(Path::new(path)),
        _ => panic!("no child is told {arguments:?}"),
    }
}

/// This program as a child, told these arguments.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().expect("the program is a file"));
    command.arg("child").args(arguments);
    command
}

/// Starts a child whose lines are read.
pub(crate) fn start(command: Command) -> (Child, Lines<BufReader<ChildStdout>>) {
    try_start(command).expect("a process can be started")
}

pub(crate) fn try_start(
    mut command: Command,
) -> io::Result<(Child, Lines<BufReader<ChildStdout>>)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    Ok((child, lines))
}

/// Says something to the parent, at once.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}
