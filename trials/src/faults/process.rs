//! The program as other processes.
use std::env;
use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::ops::{Deref, DerefMut};
use std::process::{Child, ChildStdout, Command, Stdio};

/// This program as a child, told these arguments.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().expect("the program is a file"));
    command.arg("child").args(arguments);
    command
}

/// A child, which is killed once nobody has it: what fails leaves none behind, not even one that is stopped.
pub struct Started(Child);

impl Deref for Started {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Started {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // One that has ended needs neither.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a child whose lines are read.
pub fn start(command: Command) -> (Started, Lines<BufReader<ChildStdout>>) {
    try_start(command).expect("a process can be started")
}

/// Starts one that the system may not let start.
///
/// # Errors
/// The system's.
pub fn try_start(mut command: Command) -> io::Result<(Started, Lines<BufReader<ChildStdout>>)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    Ok((Started(child), lines))
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
