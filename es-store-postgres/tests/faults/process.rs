//! The program as other processes.
use std::env;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::{kills, lease, migrations, processes, sizes};

/// What the program does as a child: the first argument says which part it plays.
pub(crate) fn child(arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["append", url, schema, seed] => {
            kills::append(url, schema, seed.parse().expect("a seed"));
        }
        ["append-many", url, schema, commits, seed] => {
            let (commits, seed) = (commits.parse().expect("a count"), seed.parse());
            processes::append_many(url, schema, commits, seed.expect("a seed"));
        }
        ["migrate", url, schema] => migrations::migrate_one(url, schema),
        ["commit-inside", url, schema] => lease::commit_inside(url, schema),
        ["follow-notes", url, schema] => lease::follow(url, schema),
        ["load", url, schema] => sizes::load(url, schema),
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
pub(crate) fn start(mut command: Command) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process can be started");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    (child, lines)
}

/// Says something to the parent, at once.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}
