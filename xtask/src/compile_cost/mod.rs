//! What the macros cost in compile time: a crate that uses them beside one that writes the same out.
//!
//! Both are generated into a folder of their own and compiled in turns, their dependencies once and unmeasured.
mod by_hand;
mod domain;
pub(crate) mod peers;
mod with_macros;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
const TARGET: f64 = 1.5;

/// Measures and prints.
pub(crate) fn run() -> io::Result<()> {
    let folder = std::env::temp_dir().join(format!("compile-cost-{}", std::process::id()));
    let measured = generate(&folder).and_then(|()| measure(&folder));
    fs::remove_dir_all(&folder)?;
    measured
}

fn generate(folder: &Path) -> io::Result<()> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()?;
    let dependencies = "serde = { version = \"1\", features = [\"derive\"] }\nserde_json = \"1\"\n";
    let core = format!("es-core = {{ path = {:?} }}\n", repository.join("es-core"));
    write_crate(folder, "by-hand", dependencies, &by_hand::source())?;
    write_crate(folder, "with-macros", &core, &with_macros::source())?;
    fs::write(
        folder.join("Cargo.toml"),
        "[workspace]\nresolver = \"3\"\nmembers = [\"by-hand\", \"with-macros\"]\n",
    )?;
    // The versions of this repository, so that nothing new is fetched.
    fs::copy(repository.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    Ok(())
}

fn write_crate(folder: &Path, name: &str, dependencies: &str, source: &str) -> io::Result<()> {
    let manifest = format!(
        "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}uuid = {{ version = \"1\", features = [\"serde\", \"v7\"] }}\n"
    );
    fs::create_dir_all(folder.join(name).join("src"))?;
    fs::write(folder.join(name).join("Cargo.toml"), manifest)?;
    fs::write(library(folder, name), source)
}

fn library(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).join("src/lib.rs")
}

fn measure(folder: &Path) -> io::Result<()> {
    println!("                            with macros   by hand   ratio (at most {TARGET})");
    for incremental in ["0", "1"] {
        for command in ["check", "build"] {
            let compile = |name| compile(folder, name, command, incremental);
            compile("with-macros")?;
            compile("by-hand")?;
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                ours.push(compile("with-macros")?);
                theirs.push(compile("by-hand")?);
            }
            let (ours, theirs) = (median(ours), median(theirs));
            println!(
                "cargo {command}, incremental={incremental} {:>9.2} s {:>7.2} s {:>7.2}",
                ours.as_secs_f64(),
                theirs.as_secs_f64(),
                ours.as_secs_f64() / theirs.as_secs_f64()
            );
        }
    }
    Ok(())
}

/// Compiles one of the crates, which has changed as far as cargo sees.
fn compile(folder: &Path, name: &str, command: &str, incremental: &str) -> io::Result<Duration> {
    let library = library(folder, name);
    fs::write(&library, fs::read(&library)?)?;
    let start = Instant::now();
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([command, "--quiet", "--package", name])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env("CARGO_INCREMENTAL", incremental)
        .status()?;
    let taken = start.elapsed();
    if status.success() {
        Ok(taken)
    } else {
        Err(io::Error::other(format!("cargo {command} failed")))
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
