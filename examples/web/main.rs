//! The school behind HTTP: the source of `dog_school`, on Postgres, for many clients and many processes.
//!
//! ```sh
//! cargo run -p examples --example web -- --store postgres://localhost/school --migrate   # once, and after each upgrade
//! cargo run -p examples --example web -- --store postgres://localhost/school
//! curl -i -d '{"name":"Fido"}' -H 'content-type: application/json' -H 'x-actor: ann' localhost:3000/dogs
//! ```
mod api;
mod arguments;
mod desk;
mod problem;
#[path = "../dog_school/school.rs"]
mod school;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use es_core::BoxError;
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
    if arguments.migrate {
        desk::migrate(&arguments.store).await?;
        println!("The database is up to date.");
        return Ok(());
    }
    let desk = Desk::open(&arguments.store).await?;
    let listener = TcpListener::bind(&arguments.listen).await?;
    println!("The school is at http://{}", listener.local_addr()?);
    // Requests that have begun are answered; then the application goes, and with it the store, which writes what it has accepted.
    axum::serve(listener, api::routes(desk))
        .with_graceful_shutdown(told_to_stop())
        .await?;
    println!("The school is closed.");
    Ok(())
}

/// Ends with Ctrl-C, and with the signal by which a service manager stops a program.
async fn told_to_stop() {
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
