//! The school behind HTTP: the source of `dog_school`, on Postgres, for many clients and many processes; and its office, which follows it, by the
//! function that makes the system for the management binary `school_system`. Of several such servers one runs the office.
//!
//! ```sh
//! cargo run -p examples --example web -- --store postgres://localhost/school --migrate   # once, and after each upgrade
//! cargo run -p examples --example web -- --store postgres://localhost/school
//! curl -i -d '{"name":"Fido"}' -H 'content-type: application/json' -H 'x-actor: ann' localhost:3000/dogs
//! export SCHOOL_ES_STORE='postgres://localhost/school?schema=school' OFFICE_ES_STORE='postgres://localhost/school?schema=office'
//! cargo run -p examples --example school_system -- status
//! ```
mod api;
mod arguments;
#[path = "../school_system/certificate.rs"]
mod certificate;
mod desk;
mod problem;
#[path = "../dog_school/school.rs"]
mod school;
mod serve;
#[path = "../school_system/system.rs"]
mod system;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use es_core::BoxError;
use es_store::Reason;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::arguments::Arguments;
use crate::desk::Desk;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::FAILURE;
        }
    };
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            if Reason::of(&*error) == Some(Reason::Unmigrated) {
                eprintln!("  help: run it once with `--migrate`");
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), BoxError> {
    // What goes wrong is told, and by `RUST_LOG=es_core=debug` each save and load.
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::WARN.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter.from_env()?)
        .with_writer(std::io::stderr)
        .init();
    let (stores, pool) = (
        desk::stores(&arguments.store),
        desk::pool(&arguments.store)?,
    );
    if arguments.migrate {
        desk::migrate(stores, &pool).await?;
        println!("The database is up to date.");
        return Ok(());
    }
    let (desk, system) = Desk::open(stores, pool).await?;
    let office = system.start();
    let listener = TcpListener::bind(&arguments.listen).await;
    let listener = listener.map_err(|error| format!("`--listen {}`: {error}", arguments.listen))?;
    let mut told = serve::told_to_stop()?;
    println!("The school is at http://{}", listener.local_addr()?);
    // Requests that have begun are answered; then the application goes, and with it the store, which writes what it has accepted.
    serve::serve(listener, api::routes(desk), &mut told, serve::GRACE).await?;
    // What the office has in hand it finishes; another process takes over at once.
    tokio::select! {
        stopped = office.stop() => stopped?,
        _ = told.recv() => return Err(serve::TOLD_TWICE.into()),
    }
    println!("The school is closed.");
    Ok(())
}
