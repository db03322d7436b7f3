//! How many instructions single things take, counted by callgrind: unlike times, the same on every run.
//!
//! Held against what was recorded for the same toolchain in `benches/instructions.tsv`: a change is printed, and one of more than a tenth fails.
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install::install;

/// What `benches` knows by these names.
const THINGS: [&str; 6] = [
    "record",
    "replay",
    "encode",
    "decode",
    "save in memory",
    "load from memory",
];

/// How often each is done, so that what happens once does not count.
const TIMES: u64 = 200;

/// A larger share more or less than what was recorded fails.
const LIMIT: f64 = 0.1;

/// A smaller one is what ids and hashes that are drawn at random make.
const NOTHING: f64 = 0.005;

const HEADER: &str = "toolchain\tthing\tinstructions\n";

#[derive(Debug, thiserror::Error)]
pub(crate) enum InstructionsError {
    #[error("valgrind is not installed; run `apt-get install valgrind`")]
    Missing,
    #[error("{program} failed: {said}")]
    Failed { program: &'static str, said: String },
    #[error("{} is not a table of instructions in its line `{line}`; run `cargo xtask instructions -- --record`", path.display())]
    Table { path: PathBuf, line: String },
    #[error(
        "nothing is recorded for {toolchain}; run `cargo xtask instructions -- --record` on a commit that is to be compared with"
    )]
    NotRecorded { toolchain: String },
    #[error("changed by more than {:.0} %: {}; mend it, or run `cargo xtask instructions -- --record` and say why", LIMIT * 100.0, things.join(", "))]
    Changed { things: Vec<String> },
    #[error("cannot run a program, or read or write a file")]
    Io(#[from] io::Error),
}

/// What was counted of each thing, for each toolchain.
type Recorded = BTreeMap<(String, String), u64>;

/// Counts and prints; then records, or compares.
pub(crate) fn run(record: bool) -> Result<(), InstructionsError> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()?;
    let path = repository.join("benches/instructions.tsv");
    let mut recorded = read(&path)?;
    let toolchain = toolchain()?;
    valgrind()?;
    let program = build(&repository)?;

    println!("instructions for one, of 100 events where it is of more than one; {toolchain}");
    let (mut changed, mut missing) = (Vec::new(), false);
    for thing in THINGS {
        let prepared = count(&program, thing, "prepared")?;
        let now = count(&program, thing, "done")?.saturating_sub(prepared) / TIMES;
        let key = (toolchain.clone(), thing.to_owned());
        let before = recorded.get(&key).copied();
        println!("  {thing:<18} {now:>9}  {}", compared(before, now));
        match before {
            Some(before) if difference(before, now).abs() > LIMIT => changed.push(thing.to_owned()),
            Some(_) => {}
            None => missing = true,
        }
        recorded.insert(key, now);
    }
    if record {
        fs::write(&path, write(&recorded))?;
        println!("recorded in {}", path.display());
        return Ok(());
    }
    if missing {
        return Err(InstructionsError::NotRecorded { toolchain });
    }
    if changed.is_empty() {
        Ok(())
    } else {
        Err(InstructionsError::Changed { things: changed })
    }
}

/// The share more, or less, than before.
fn difference(before: u64, now: u64) -> f64 {
    now as f64 / before.max(1) as f64 - 1.0
}

fn compared(before: Option<u64>, now: u64) -> String {
    let Some(before) = before else {
        return "not recorded".to_owned();
    };
    let difference = difference(before, now);
    if difference.abs() < NOTHING {
        format!("as recorded ({before})")
    } else {
        format!("{:+.1} % of {before}", difference * 100.0)
    }
}

fn valgrind() -> Result<(), InstructionsError> {
    let there = || {
        let said = Command::new("valgrind").arg("--version").output();
        said.is_ok_and(|output| output.status.success())
    };
    if there() || (install("valgrind") && there()) {
        Ok(())
    } else {
        Err(InstructionsError::Missing)
    }
}

/// Its version and what it compiles for.
fn toolchain() -> Result<String, InstructionsError> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let field = |name: &str| {
        let value = said.lines().find_map(|line| line.strip_prefix(name));
        value.map(str::trim).map(str::to_owned)
    };
    match (field("release:"), field("host:")) {
        (Some(release), Some(host)) => Ok(format!("{release} {host}")),
        _ => Err(InstructionsError::Failed {
            program: "rustc -vV",
            said,
        }),
    }
}

/// Builds `benches` as it is released, and says where it is.
fn build(repository: &Path) -> Result<PathBuf, InstructionsError> {
    let target = repository.join("target");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--locked", "--release", "--package", "benches"])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(repository)
        // What a developer sets for speed's sake would be counted.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()?;
    if status.success() {
        Ok(target.join("release/benches"))
    } else {
        Err(InstructionsError::Failed {
            program: "cargo build --package benches",
            said: status.to_string(),
        })
    }
}

/// All instructions of a run.
fn count(program: &Path, thing: &str, done: &str) -> Result<u64, InstructionsError> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["instructions", thing, done, &TIMES.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| {
        let (_, count) = line.split_once("Collected :")?;
        count.trim().parse().ok()
    });
    match collected {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(InstructionsError::Failed {
            program: "valgrind",
            said: said.into_owned(),
        }),
    }
}

fn read(path: &Path) -> Result<Recorded, InstructionsError> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Recorded::new()),
        text => text?,
    };
    parse(&text).map_err(|line| InstructionsError::Table {
        path: path.to_owned(),
        line,
    })
}

/// The error is the line that cannot be read.
fn parse(text: &str) -> Result<Recorded, String> {
    let rows = text.strip_prefix(HEADER).unwrap_or(text).lines();
    let row = |line: &str| {
        let mut columns = line.split('\t');
        let (toolchain, thing) = (columns.next()?, columns.next()?);
        let count = columns.next()?.parse().ok()?;
        Some(((toolchain.to_owned(), thing.to_owned()), count))
    };
    rows.map(|line| row(line).ok_or_else(|| line.to_owned()))
        .collect()
}

fn write(recorded: &Recorded) -> String {
    let rows = recorded.iter();
    let rows = rows.map(|((toolchain, thing), count)| format!("{toolchain}\t{thing}\t{count}\n"));
    HEADER.to_owned() + &rows.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_read_again() {
        let key = |thing: &str| ("1.95.0 x86_64".to_owned(), thing.to_owned());
        let recorded = Recorded::from([(key("decode"), 12), (key("save in memory"), 3_456)]);
        assert_eq!(parse(&write(&recorded)), Ok(recorded));
        assert_eq!(
            parse("1.95.0\tdecode\tmany\n"),
            Err("1.95.0\tdecode\tmany".to_owned())
        );
    }

    #[test]
    fn a_tenth_more_is_told_from_what_chance_makes() {
        assert_eq!(compared(Some(1_000), 1_001), "as recorded (1000)");
        assert_eq!(compared(Some(1_000), 1_020), "+2.0 % of 1000");
        assert_eq!(compared(None, 7), "not recorded");
        assert!(difference(1_000, 1_101) > LIMIT && difference(1_000, 899) < -LIMIT);
        assert!(difference(1_000, 1_099) < LIMIT);
    }
}
