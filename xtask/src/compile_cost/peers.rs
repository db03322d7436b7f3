//! What depending on a framework costs: one small aggregate with each, built from nothing, and how many crates that takes.
//!
//! The versions are those of `benches/peers/Cargo.lock`. Builds take turns; what is downloaded, is so before.
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::median;
use crate::{document, machine};

/// A crate with one aggregate.
struct Hello {
    name: &'static str,
    /// How tables call it.
    said: &'static str,
    source: &'static str,
    dependencies: &'static str,
}

const SERDE: &str = "serde = { version = \"1\", features = [\"derive\"] }\n";
const SQLX: &str = "sqlx = { version = \"0.8\", default-features = false, features = [\"postgres\", \"runtime-tokio\"] }\n";

const HELLOS: [Hello; 11] = [
    Hello {
        name: "by-hand",
        said: "serde, serde_json and uuid alone",
        source: include_str!("hello/by_hand.rs"),
        dependencies: "serde_json = \"1\"\n",
    },
    Hello {
        name: "ours",
        said: "ours: es-core",
        source: include_str!("hello/ours.rs"),
        dependencies: "es-core = { path = \"{repository}/es-core\" }\n",
    },
    Hello {
        name: "ours-sqlite",
        said: "ours, with SQLite (bundled)",
        source: include_str!("hello/ours_sqlite.rs"),
        dependencies: "es-core = { path = \"{repository}/es-core\" }\nes-store-sqlite = { path = \"{repository}/es-store-sqlite\" }\n",
    },
    Hello {
        name: "ours-postgres",
        said: "ours, with Postgres",
        source: include_str!("hello/ours_postgres.rs"),
        dependencies: "es-core = { path = \"{repository}/es-core\" }\nes-store-postgres = { path = \"{repository}/es-store-postgres\" }\n",
    },
    Hello {
        name: "cqrs-es-alone",
        said: "cqrs-es",
        source: include_str!("hello/cqrs_es.rs"),
        dependencies: "cqrs-es = \"0.5\"\n",
    },
    Hello {
        name: "cqrs-es-sqlite",
        said: "cqrs-es, with sqlite-es (bundled)",
        source: include_str!("hello/cqrs_es_sqlite.rs"),
        dependencies: "cqrs-es = \"0.5\"\nsqlite-es = \"0.5\"\n",
    },
    Hello {
        name: "cqrs-es-postgres",
        said: "cqrs-es, with postgres-es",
        source: include_str!("hello/cqrs_es_postgres.rs"),
        dependencies: "cqrs-es = \"0.5\"\npostgres-es = \"0.5\"\n",
    },
    Hello {
        name: "esrs-postgres",
        said: "esrs, with Postgres",
        source: include_str!("hello/esrs.rs"),
        dependencies: "esrs = { version = \"0.18\", features = [\"postgres\"] }\n",
    },
    Hello {
        name: "disintegrate-hello",
        said: "disintegrate, with Postgres",
        source: include_str!("hello/disintegrate.rs"),
        dependencies: "disintegrate = { version = \"4\", features = [\"macros\", \"serde-json\"] }\ndisintegrate-postgres = \"4\"\n",
    },
    Hello {
        name: "es-entity-hello",
        said: "es-entity, with Postgres",
        source: include_str!("hello/es_entity.rs"),
        dependencies: "errlanes = { version = \"0.20\", default-features = false }\nes-entity = \"0.20\"\n",
    },
    Hello {
        name: "sourcery-hello",
        said: "sourcery, with Postgres",
        source: include_str!("hello/sourcery.rs"),
        dependencies: "sourcery = { version = \"0.2\", features = [\"postgres\"] }\n",
    },
];

/// Measures, prints, and writes a table where that is asked for.
pub(crate) fn run(rounds: usize, only: &str, markdown: Option<&Path>) -> io::Result<()> {
    let folder = std::env::temp_dir().join(format!("compile-cost-of-peers-{}", std::process::id()));
    let measured = generate(&folder).and_then(|()| measure(&folder, rounds, only));
    fs::remove_dir_all(&folder)?;
    let rows = measured?;
    if let Some(path) = markdown {
        let table = format!(
            "{}  \nmedians of {rounds} clean debug builds, in turns\n\n| a small aggregate with | clean build | rounds | crates |\n|---|---:|---|---:|\n{rows}",
            machine::machine()
        );
        document::put(path, "compile time", &table)?;
    }
    Ok(())
}

fn generate(folder: &Path) -> io::Result<()> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()?;
    for hello in HELLOS {
        let home = folder.join(hello.name);
        fs::create_dir_all(home.join("src"))?;
        let own = hello
            .dependencies
            .replace("{repository}", &repository.display().to_string());
        let uuid = "uuid = { version = \"1\", features = [\"serde\", \"v7\"] }\n";
        let sqlx = if hello.source.contains("sqlx::") {
            SQLX
        } else {
            ""
        };
        let sqlx = if hello.name == "es-entity-hello" {
            sqlx.replace(
                "\"postgres\"",
                "\"chrono\", \"json\", \"macros\", \"postgres\", \"uuid\"",
            )
        } else {
            sqlx.to_owned()
        };
        fs::write(
            home.join("Cargo.toml"),
            format!(
                "[package]\nname = \"{}\"\nedition = \"2024\"\n\n[dependencies]\n{own}{SERDE}{sqlx}{uuid}",
                hello.name
            ),
        )?;
        fs::write(home.join("src/lib.rs"), hello.source)?;
    }
    let peers = repository.join("benches/peers");
    // What a server answered to the statements of es-entity.
    let answers = folder.join("es-entity-hello/.sqlx");
    fs::create_dir_all(&answers)?;
    for answer in fs::read_dir(peers.join(".sqlx"))? {
        let answer = answer?;
        fs::copy(answer.path(), answers.join(answer.file_name()))?;
    }
    let members = HELLOS.map(|hello| format!("{:?}", hello.name)).join(", ");
    fs::write(
        folder.join("Cargo.toml"),
        format!("[workspace]\nresolver = \"3\"\nmembers = [{members}]\n"),
    )?;
    fs::copy(peers.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    Ok(())
}

/// The rows of the table.
fn measure(folder: &Path, rounds: usize, only: &str) -> io::Result<String> {
    // Adds the crates of here to the lock file, and downloads what is in it.
    cargo(folder, &["fetch"])?;
    let hellos: Vec<&Hello> = HELLOS
        .iter()
        .filter(|hello| hello.said.contains(only))
        .collect();
    let mut times = vec![Vec::new(); hellos.len()];
    for _ in 0..rounds {
        for (hello, times) in hellos.iter().zip(&mut times) {
            times.push(build(folder, hello.name)?);
        }
    }
    let mut rows = String::new();
    for (hello, times) in hellos.iter().zip(times) {
        let (least, most) = (times.iter().min(), times.iter().max());
        let spread = format!(
            "{:.1} .. {:.1} s",
            least.map_or(0.0, Duration::as_secs_f64),
            most.map_or(0.0, Duration::as_secs_f64)
        );
        let crates = crates(folder, hello.name)?;
        let median = median(times).as_secs_f64();
        println!(
            "{:<36} {median:>6.1} s ({spread}) {crates:>4} crates",
            hello.said
        );
        rows += &format!("| {} | {median:.1} s | {spread} | {crates} |\n", hello.said);
    }
    Ok(rows)
}

fn target(folder: &Path) -> PathBuf {
    folder.join("target")
}

/// Builds one from nothing.
fn build(folder: &Path, name: &str) -> io::Result<Duration> {
    if target(folder).exists() {
        fs::remove_dir_all(target(folder))?;
    }
    let start = Instant::now();
    cargo(folder, &["build", "--quiet", "--package", name])?;
    Ok(start.elapsed())
}

/// How many crates are compiled, itself not counted.
fn crates(folder: &Path, name: &str) -> io::Result<usize> {
    let edges = "--edges=normal,build";
    let tree = cargo(folder, &["tree", "--prefix=none", edges, "--package", name])?;
    let named = tree.lines().map(|line| {
        line.trim_end_matches(" (*)")
            .trim_end_matches(" (proc-macro)")
    });
    let all: HashSet<_> = named.filter(|line| !line.is_empty()).collect();
    Ok(all.len() - 1)
}

fn cargo(folder: &Path, arguments: &[&str]) -> io::Result<String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target(folder))
        .env("CARGO_INCREMENTAL", "0")
        .output()?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!("cargo {arguments:?}: {said}")))
    }
}
