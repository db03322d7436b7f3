//! What is read: tables that the events are written into, in the file of the events.
use es_core::{BoxError, Projection, Recorded};
use es_store_sqlite::{SqliteProjection, Tables};
use rusqlite::{Connection, OptionalExtension, Transaction};
use uuid::Uuid;

use crate::book::BookEvent;

/// Every book with how often it was borrowed. It is written inside of each commit: whoever borrows a book finds it counted.
pub struct BookList;

impl Projection for BookList {
    const NAME: &'static str = "book_list";
    type Events = BookEvent;
}

impl SqliteProjection for BookList {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let list = tx.table("book_list");
        tx.execute(
            &format!("CREATE TABLE {list} (id BLOB PRIMARY KEY, title TEXT NOT NULL, borrowed INTEGER NOT NULL) STRICT"),
            (),
        )?;
        Ok(())
    }

    fn handle(&mut self, event: Recorded<BookEvent>, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let (list, id) = (tx.table("book_list"), event.stream.id);
        match event.event {
            BookEvent::Added { title, .. } => {
                tx.execute(
                    &format!("INSERT INTO {list} VALUES (?1, ?2, 0)"),
                    (id, title),
                )?;
            }
            BookEvent::Borrowed { .. } => {
                let count = format!("UPDATE {list} SET borrowed = borrowed + 1 WHERE id = ?1");
                tx.execute(&count, [id])?;
            }
            BookEvent::Returned { .. } => {}
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
pub struct Listed {
    pub title: String,
    pub id: Uuid,
    pub borrowed: u32,
}

pub fn books(reader: &Connection) -> rusqlite::Result<Vec<Listed>> {
    let mut books =
        reader.prepare_cached("SELECT title, id, borrowed FROM book_list ORDER BY title, id")?;
    let books = books.query_map((), |row| {
        Ok(Listed {
            title: row.get(0)?,
            id: row.get(1)?,
            borrowed: row.get(2)?,
        })
    })?;
    books.collect()
}

/// Each book with its history. It follows the log, so it may be a moment behind.
pub struct BookView;

impl Projection for BookView {
    const NAME: &'static str = "book_view";
    type Events = BookEvent;
}

impl SqliteProjection for BookView {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let (books, lines) = (tx.table("book_view"), tx.table("book_view_lines"));
        tx.execute_batch(&format!(
            "CREATE TABLE {books} (id BLOB PRIMARY KEY, title TEXT NOT NULL, author TEXT NOT NULL, on_loan_to TEXT) STRICT;
             CREATE TABLE {lines} (book BLOB NOT NULL, version INTEGER NOT NULL, line TEXT NOT NULL, PRIMARY KEY (book, version)) STRICT, WITHOUT ROWID"
        ))?;
        Ok(())
    }

    fn handle(&mut self, event: Recorded<BookEvent>, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let (books, lines) = (tx.table("book_view"), tx.table("book_view_lines"));
        let (id, version) = (event.stream.id, event.version.get());
        let line = match event.event {
            BookEvent::Added { title, author } => {
                let add = format!("INSERT INTO {books} VALUES (?1, ?2, ?3, NULL)");
                tx.execute(&add, (id, &title, &author))?;
                format!("`{title}` by {author} was added")
            }
            BookEvent::Borrowed { by } => {
                let lend = format!("UPDATE {books} SET on_loan_to = ?2 WHERE id = ?1");
                tx.execute(&lend, (id, &by))?;
                format!("{by} borrowed it")
            }
            BookEvent::Returned { by } => {
                let take = format!("UPDATE {books} SET on_loan_to = NULL WHERE id = ?1");
                tx.execute(&take, [id])?;
                format!("{by} returned it")
            }
        };
        let tell = format!("INSERT INTO {lines} VALUES (?1, ?2, ?3)");
        tx.execute(&tell, (id, i64::try_from(version)?, line))?;
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
pub struct Viewed {
    pub title: String,
    pub author: String,
    pub on_loan_to: Option<String>,
    pub history: Vec<String>,
}

pub fn book(reader: &Connection, id: Uuid) -> rusqlite::Result<Option<Viewed>> {
    let mut book =
        reader.prepare_cached("SELECT title, author, on_loan_to FROM book_view WHERE id = ?1")?;
    let book = book.query_row([id], |row| {
        Ok(Viewed {
            title: row.get(0)?,
            author: row.get(1)?,
            on_loan_to: row.get(2)?,
            history: Vec::new(),
        })
    });
    let Some(book) = book.optional()? else {
        return Ok(None);
    };
    let mut lines = reader
        .prepare_cached("SELECT line FROM book_view_lines WHERE book = ?1 ORDER BY version")?;
    let lines = lines.query_map([id], |row| row.get(0))?;
    Ok(Some(Viewed {
        history: lines.collect::<rusqlite::Result<_>>()?,
        ..book
    }))
}
