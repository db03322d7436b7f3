//! A library: members register and log in, books are lent and come back, and two read models tell of it.
//!
//! Everything is kept in `library.db`, or in the file that is named; run twice, it goes on where it was. Compression, keys and snapshots are as the
//! environment says: `ES_COMPRESSION=zstd cargo run -p examples --example library`.
mod book;
mod library;
mod member;
mod passwords;
mod reads;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use es_core::{Application, BoxError, System};
use es_store::Settings;
use es_store_sqlite::SqliteStore;
use rusqlite::Connection;

use crate::library::{Library, LibraryError};
use crate::passwords::Passwords;
use crate::reads::{BookList, BookView};

/// The application and who follows it. What it is set to, such as compression and encryption, the read models need not know.
async fn open(path: &Path, settings: Settings) -> Result<(Application, System), BoxError> {
    let store = SqliteStore::open(path).await?;
    let app = settings.builder_over(store.clone()).await?.build();
    store.inline(&app, BookList).await?;
    let system = System::new("library").follow(&app, store.project(BookView));
    Ok((app, system))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let path = std::env::args_os()
        .nth(1)
        .map_or("library.db".into(), PathBuf::from);
    let (app, system) = open(&path, Settings::new("library")).await?;
    let library = Library::new(app, Passwords::new());
    let running = system.start();

    match library
        .register("Ann", "correct horse battery staple")
        .await
    {
        Ok(_) => {}
        Err(LibraryError::NameTaken { name }) => println!("{name} is a member."),
        Err(error) => return Err(error.into()),
    }
    let ann = library
        .log_in("Ann", "correct horse battery staple")
        .await?;
    let emma = library.add("Emma", "Jane Austen").await?;
    library.borrow(&ann, emma).await?;
    let saved = library.give_back(&ann, emma).await?;

    let reader = Connection::open(&path)?;
    for book in reads::books(&reader)? {
        println!("{} was borrowed {} time(s)", book.title, book.borrowed);
    }
    // The view follows the log: whoever wants to see what was just written waits until it is there.
    let view = system.follower("book_view");
    view.wait_for(saved.position, Duration::from_secs(5))
        .await?;
    if let Some(book) = reads::book(&reader, emma)? {
        println!(
            "{} by {}:\n  {}",
            book.title,
            book.author,
            book.history.join("\n  ")
        );
    }
    running.stop().await?;
    Ok(())
}
