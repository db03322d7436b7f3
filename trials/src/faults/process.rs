//! The program as other processes.
use std::env;
use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

/// This program as a child, told these arguments.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().expect("the program is a file"));
    command.arg("child").args(arguments);
    command
}

/// Starts a child whose lines are read.
pub fn start(command: Command) -> (Child, Lines<BufReader<ChildStdout>>) {
    try_start(command).expect("a process can be started")
}

/// Starts one that the system may not let start.
///
/// # Errors
/// The system's.
pub fn try_start(mut command: Command) -> io::Result<(Child, Lines<BufReader<ChildStdout>>)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    Ok((child, lines))
}

/// Sends a process the signal of this name, such as `-KILL`.
pub fn signal(process: impl Display, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &process.to_string()])
        .status();
    assert!(sent.expect("there is a `kill`").success());
}

/// Says something to the parent, at once.
pub fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}
