//! The commands through a real binary, which is this one, started again as a child: everything that is printed, every exit status, terminals, edits
//! behind the store's back, and kills.
//!
//! `cargo test -p es-manage --test commands -- NAME` runs those whose name has NAME in it; `-- --long` tries more.
#![expect(clippy::unwrap_used, reason = "what panics here fails its test")]

/// Functions, each with its name.
macro_rules! tests {
    ($($test:ident),* $(,)?) => {
        &[$((stringify!($test), $test)),*]
    };
}

mod child;
mod copies;
mod edits;
mod files;
mod followers;
mod imports;
mod kills;
mod parked;
#[cfg(feature = "postgres")]
mod postgres;
mod printed;
mod rebuilds;
mod school;
#[cfg(feature = "postgres")]
mod served;
mod stores;
mod terminal;
mod told;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::{env, process};

use es_manage::Systems;

type Test = (&'static str, fn());

fn main() -> ExitCode {
    match env::var("MANAGED").as_deref() {
        Ok("school") => return es_manage::main(school::system),
        Ok("without applications") => return es_manage::main(school::without_applications),
        Ok("of its own") => return es_manage::main(school::of_its_own),
        #[cfg(feature = "postgres")]
        Ok("served") => return es_manage::main(served::system),
        Ok("below another command") => {
            let called = ["school manage".into()].into_iter();
            let arguments = called.chain(env::args_os().skip(1));
            return child::block_on(es_manage::run(arguments, school::system));
        }
        Ok("two") => {
            let systems = Systems::new().system("school", school::system);
            return es_manage::main(systems.system("kennel", school::kennel));
        }
        _ => {}
    }
    let arguments: Vec<_> = env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let names: Vec<_> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let all = [
        printed::TESTS,
        told::TESTS,
        followers::TESTS,
        rebuilds::TESTS,
        stores::TESTS,
        parked::TESTS,
        copies::TESTS,
        imports::TESTS,
        files::TESTS,
        edits::TESTS,
        kills::TESTS,
        terminal::TESTS,
        #[cfg(feature = "postgres")]
        postgres::TESTS,
        #[cfg(feature = "postgres")]
        served::TESTS,
    ];
    let chosen: Vec<&Test> = all
        .into_iter()
        .flatten()
        .filter(|(name, _)| {
            names.is_empty() || names.iter().any(|part| name.contains(part.as_str()))
        })
        .collect();
    let mut failed = 0;
    for (name, test) in &chosen {
        let ended = catch_unwind(test);
        println!(
            "test {name} ... {}",
            if ended.is_ok() { "ok" } else { "FAILED" }
        );
        failed += u32::from(ended.is_err());
    }
    println!("{} tests, {failed} failed", chosen.len());
    process::exit(i32::from(failed > 0))
}

/// How often something random is tried: in the short form, or in the long one.
fn effort(short: usize, long: usize) -> usize {
    if env::args().any(|argument| argument == "--long") {
        long
    } else {
        short
    }
}
