//! `cargo xtask test` runs everything that must hold before a change lands: formatting, lints, documentation, and all tests.
//! It starts a private Postgres server for them, or uses the one that `ES_TEST_POSTGRES_URL` names.
//! `cargo xtask faults` kills, damages and starves the stores for some minutes, and prints a figure for each fault.
//! `cargo xtask compile-cost` measures what the macros cost in compile time; `-- --peers` what depending on each framework does.
//! `cargo xtask instructions` counts what single things cost the processor, beside what was recorded; `-- --record` records.

mod compile_cost;
// What the benches have of it.
#[path = "../../benches/src/harness/document.rs"]
mod document;
mod install;
mod instructions;
#[path = "../../benches/src/harness/machine.rs"]
mod machine;
mod postgres;

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

type Step = (
    &'static str,
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
);

/// Each is cargo with these arguments, in this environment.
const TEST: &[Step] = &[
    ("formatting", &["fmt", "--all", "--check"], &[]),
    (
        "lints",
        &[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "--deny",
            "warnings",
        ],
        &[],
    ),
    (
        "documentation",
        &[
            "doc",
            "--locked",
            "--workspace",
            "--all-features",
            "--no-deps",
        ],
        &[("RUSTDOCFLAGS", "--deny warnings")],
    ),
    (
        "tests",
        &["test", "--locked", "--workspace", "--all-features"],
        &[],
    ),
    (
        "the core without its optional parts",
        &[
            "check",
            "--locked",
            "--package",
            "es-core",
            "--no-default-features",
        ],
        &[("RUSTFLAGS", "--deny warnings")],
    ),
    (
        "the core with `zstd` alone",
        &[
            "check",
            "--locked",
            "--package",
            "es-core",
            "--no-default-features",
            "--features",
            "zstd",
        ],
        &[("RUSTFLAGS", "--deny warnings")],
    ),
    (
        "the core with `aes` alone",
        &[
            "check",
            "--locked",
            "--package",
            "es-core",
            "--no-default-features",
            "--features",
            "aes",
        ],
        &[("RUSTFLAGS", "--deny warnings")],
    ),
    (
        "the core with `json` alone",
        &[
            "check",
            "--locked",
            "--package",
            "es-core",
            "--no-default-features",
            "--features",
            "json",
        ],
        &[("RUSTFLAGS", "--deny warnings")],
    ),
    (
        "the settings without any store",
        &[
            "check",
            "--locked",
            "--package",
            "es-store",
            "--no-default-features",
        ],
        &[("RUSTFLAGS", "--deny warnings")],
    ),
    (
        "the settings with Postgres alone",
        &[
            "check",
            "--locked",
            "--package",
            "es-store",
            "--no-default-features",
            "--features",
            "postgres",
        ],
        &[("RUSTFLAGS", "--deny warnings")],
    ),
    (
        "the settings with `zstd` alone",
        &[
            "check",
            "--locked",
            "--package",
            "es-store",
            "--no-default-features",
            "--features",
            "zstd",
        ],
        &[("RUSTFLAGS", "--deny warnings")],
    ),
    (
        "the settings with `aes` alone",
        &[
            "check",
            "--locked",
            "--package",
            "es-store",
            "--no-default-features",
            "--features",
            "aes",
        ],
        &[("RUSTFLAGS", "--deny warnings")],
    ),
    (
        "what the settings say of features that are missing",
        &[
            "test",
            "--locked",
            "--package",
            "es-store",
            "--no-default-features",
        ],
        &[],
    ),
    (
        "the SQLite store on the oldest rusqlite, which is what sqlx 0.8 can be linked with",
        &[
            "check",
            "--locked",
            "--manifest-path",
            "benches/peers/Cargo.toml",
            "--package",
            "es-store-sqlite",
            "--target-dir",
            "target/peers",
        ],
        &[],
    ),
    (
        "the example `dog_school`",
        &[
            "run",
            "--locked",
            "--package",
            "examples",
            "--example",
            "dog_school",
            "--",
            "--store",
            "memory:",
        ],
        &[],
    ),
    (
        "the example `order`",
        &[
            "run",
            "--locked",
            "--package",
            "examples",
            "--example",
            "order",
        ],
        &[],
    ),
    (
        "the example `bank_account`",
        &[
            "run",
            "--locked",
            "--package",
            "examples",
            "--example",
            "bank_account",
        ],
        &[],
    ),
    (
        "the example `school_system`",
        &[
            "run",
            "--locked",
            "--package",
            "examples",
            "--example",
            "school_system",
            "--",
            "status",
            "--store",
            "memory:",
        ],
        &[],
    ),
    (
        "the benches, for their results alone",
        &["run", "--locked", "--package", "benches", "--", "--tiny"],
        &[],
    ),
];

/// The tests run the same with smaller numbers.
const FAULTS: &[Step] = &[
    (
        "faults of the SQLite store",
        &[
            "test",
            "--locked",
            "--release",
            "--package",
            "es-store-sqlite",
            "--test",
            "faults",
            "--",
            "--long",
        ],
        &[],
    ),
    (
        "faults of the Postgres store",
        &[
            "test",
            "--locked",
            "--release",
            "--package",
            "es-store-postgres",
            "--test",
            "faults",
            "--",
            "--long",
        ],
        &[],
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|given| given != "--").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["test"] => run(TEST),
        ["faults"] => run(FAULTS),
        ["compile-cost"] => told(compile_cost::run()),
        ["compile-cost", "--peers", ref options @ ..] => match of_peers(options) {
            Ok((rounds, only, markdown)) => {
                told(compile_cost::peers::run(rounds, only, markdown.as_deref()))
            }
            Err(message) => {
                eprintln!("{message}");
                ExitCode::FAILURE
            }
        },
        ["instructions"] => told(instructions::run(false)),
        ["instructions", "--record"] => told(instructions::run(true)),
        _ => {
            eprintln!(
                "usage: cargo xtask test | faults | compile-cost [-- --peers [--rounds 3] [--only TEXT] [--markdown FILE]] | instructions [-- --record]"
            );
            ExitCode::FAILURE
        }
    }
}

/// How often each is built, which of them, and where a table is written.
fn of_peers<'a>(options: &[&'a str]) -> Result<(usize, &'a str, Option<PathBuf>), String> {
    let (mut rounds, mut only, mut markdown) = (3, "", None);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let value = options.next().ok_or(format!("{option} what?"))?;
        match *option {
            "--rounds" => {
                rounds = match value.parse() {
                    Ok(rounds) if rounds > 0 => rounds,
                    _ => return Err("--rounds takes a number from 1 up".to_owned()),
                }
            }
            "--only" => only = value,
            "--markdown" => markdown = Some(PathBuf::from(value)),
            _ => return Err(format!("`{option}` is unknown")),
        }
    }
    Ok((rounds, only, markdown))
}

fn told(done: Result<(), impl std::error::Error>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = error.source().map(|cause| format!(": {cause}"));
            eprintln!("{error}{}", cause.unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}

fn run(steps: &[Step]) -> ExitCode {
    // Stopped with this process, however it ends.
    let server = match postgres::server() {
        Ok(server) => server,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    // What is built once and thrown away needs nothing kept for the next build, which is half of the disk it takes.
    let built_once = env::var_os("CI").map(|_| ("CARGO_INCREMENTAL", "0"));
    for (name, arguments, environment) in steps {
        eprintln!("\n== {name}: cargo {}", arguments.join(" "));
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(*arguments)
            .envs(environment.iter().copied())
            .envs(built_once)
            .envs(
                server
                    .as_ref()
                    .map(|server| (postgres::VARIABLE, server.url())),
            )
            .status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("\n== failed: {name}");
            return ExitCode::FAILURE;
        }
    }
    eprintln!("\n== all well");
    ExitCode::SUCCESS
}
