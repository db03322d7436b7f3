//! What the library promises.
use std::time::Duration;

use es_core::{Aggregate, System};
use es_store::Settings;
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use crate::book::{Book, BookEvent, Refused};
use crate::library::{Library, LibraryError};
use crate::member::{Member, UserName, WrongCredentials};
use crate::open;
use crate::passwords::Passwords;
use crate::reads::{self, Listed, Viewed};

struct Building {
    library: Library,
    system: System,
    reader: Connection,
    app: es_core::Application,
    folder: TempDir,
}

async fn building() -> Building {
    building_in(tempfile::tempdir().unwrap()).await
}

async fn building_in(folder: TempDir) -> Building {
    building_with(folder, Settings::new("library").environment(|_| None)).await
}

async fn building_with(folder: TempDir, settings: Settings) -> Building {
    let path = folder.path().join("library.db");
    let (app, system) = open(&path, settings).await.unwrap();
    Building {
        library: Library::new(app.clone(), Passwords::quick()),
        system,
        reader: Connection::open(path).unwrap(),
        app,
        folder,
    }
}

#[tokio::test]
async fn a_name_is_taken_once_also_in_the_same_moment() {
    let building = building().await;
    let mut tasks = tokio::task::JoinSet::new();
    for name in ["Ann", "ann", " ANN ", "Ann", "ann"] {
        let library = building.library.clone();
        tasks.spawn(async move { library.register(name, "secret").await });
    }
    let results = tasks.join_all().await;
    let registered: Vec<_> = results.iter().flatten().collect();
    assert_eq!(registered.len(), 1, "{results:?}");
    for result in &results {
        assert!(
            matches!(result, Ok(_) | Err(LibraryError::NameTaken { .. })),
            "{result:?}"
        );
    }
    let taken: UserName = building.app.get(UserName::id_for("ANN")).await.unwrap();
    assert_eq!(taken.member(), *registered[0]);
    // Nobody was registered without a name.
    let mut members = building.app.ids::<Member>();
    let mut count = 0;
    while let Some(id) = members.next().await {
        assert_eq!(id.unwrap(), *registered[0]);
        count += 1;
    }
    assert_eq!(count, 1);
}

#[tokio::test]
async fn who_logs_in_knows_name_and_password() {
    let building = building().await;
    let library = &building.library;
    library.register("Ann", "secret").await.unwrap();
    library.log_in("ann", "secret").await.unwrap();
    for (name, password) in [("Ann", "Secret"), ("Ben", "secret"), ("", "")] {
        let refused = library.log_in(name, password).await;
        assert!(
            matches!(
                refused,
                Err(LibraryError::WrongCredentials(WrongCredentials))
            ),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn no_event_has_a_password() {
    let building = building().await;
    building.library.register("Ann", "my secret").await.unwrap();
    let records = building
        .app
        .log()
        .read(es_core::Position::START, 10)
        .await
        .unwrap();
    assert_eq!(records.len(), 2);
    for record in records {
        let payload = String::from_utf8_lossy(&record.payload).into_owned();
        assert!(!payload.contains("my secret"), "{payload}");
    }
    let mut history = building.app.history::<Member>(
        building
            .app
            .get::<UserName>(UserName::id_for("Ann"))
            .await
            .unwrap()
            .member(),
    );
    let told = format!("{:?}", history.next().await.unwrap().unwrap().event);
    assert!(told.contains("Credential(..)"), "{told}");
}

#[test]
fn a_book_is_lent_to_one_at_a_time() {
    let mut book = Book::add("Emma", "Jane Austen");
    book.borrow_to("Ann").unwrap();
    assert_eq!(
        book.borrow_to("Ben"),
        Err(Refused::OnLoan {
            to: "Ann".to_owned()
        })
    );
    assert_eq!(
        book.give_back("Ben"),
        Err(Refused::NotOnLoan {
            to: "Ben".to_owned()
        })
    );
    book.give_back("Ann").unwrap();
    let by = "Ann".to_owned();
    assert_eq!(
        book.pending()[1..],
        [
            BookEvent::Borrowed { by: by.clone() },
            BookEvent::Returned { by }
        ]
    );
}

#[tokio::test]
async fn the_list_counts_what_was_borrowed_and_is_never_behind() {
    let building = building().await;
    let library = &building.library;
    library.register("Ann", "secret").await.unwrap();
    let ann = library.log_in("Ann", "secret").await.unwrap();
    let emma = library.add("Emma", "Jane Austen").await.unwrap();
    for borrowed in 1..=3 {
        library.borrow(&ann, emma).await.unwrap();
        let expected = Listed {
            title: "Emma".to_owned(),
            id: emma,
            borrowed,
        };
        assert_eq!(reads::books(&building.reader).unwrap(), [expected]);
        let refused = library.borrow(&ann, emma).await;
        assert!(
            matches!(refused, Err(LibraryError::Refused(_))),
            "{refused:?}"
        );
        library.give_back(&ann, emma).await.unwrap();
    }
}

#[tokio::test]
async fn the_view_tells_a_books_history_once_it_was_waited_for() {
    let building = building().await;
    let library = &building.library;
    let running = building.system.start();
    library.register("Ann", "secret").await.unwrap();
    let ann = library.log_in("Ann", "secret").await.unwrap();
    let emma = library.add("Emma", "Jane Austen").await.unwrap();
    let saved = library.borrow(&ann, emma).await.unwrap();
    let view = building.system.follower("book_view");
    view.wait_for(saved.position, Duration::from_secs(10))
        .await
        .unwrap();
    let expected = Viewed {
        title: "Emma".to_owned(),
        author: "Jane Austen".to_owned(),
        on_loan_to: Some("Ann".to_owned()),
        history: vec![
            "`Emma` by Jane Austen was added".to_owned(),
            "Ann borrowed it".to_owned(),
        ],
    };
    assert_eq!(reads::book(&building.reader, emma).unwrap(), Some(expected));
    assert_eq!(reads::book(&building.reader, Uuid::nil()).unwrap(), None);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_library_that_opens_again_goes_on_where_it_was() {
    let building = building().await;
    building.library.register("Ann", "secret").await.unwrap();
    let emma = building.library.add("Emma", "Jane Austen").await.unwrap();
    let Building {
        folder,
        library,
        app,
        system,
        reader,
    } = building;
    drop((library, app, system, reader));

    let building = building_in(folder).await;
    let library = &building.library;
    let ann = library.log_in("Ann", "secret").await.unwrap();
    library.borrow(&ann, emma).await.unwrap();
    building.system.settle().await.unwrap();
    assert_eq!(reads::books(&building.reader).unwrap()[0].borrowed, 1);
    let view = reads::book(&building.reader, emma).unwrap().unwrap();
    assert_eq!(view.history.len(), 2);
    let actor = building
        .app
        .history::<Book>(emma)
        .after(1.into())
        .next()
        .await;
    assert_eq!(actor.unwrap().unwrap().metadata.get_actor(), Some("Ann"));
}

#[tokio::test]
async fn the_same_program_runs_as_in_production_with_snapshots_compression_and_keys() {
    let production = || {
        Settings::new("library").environment(|_| None).map([
            ("ES_SNAPSHOTS", "every:2"),
            ("ES_COMPRESSION", "zstd"),
            (
                "ES_CIPHER_KEYS",
                "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            ),
        ])
    };
    let mut folder = tempfile::tempdir().unwrap();
    let mut emma = None;
    for borrowed in 1..=3 {
        let building = building_with(folder, production()).await;
        let library = &building.library;
        let emma = match emma {
            Some(emma) => emma,
            None => {
                library.register("Ann", "secret").await.unwrap();
                *emma.insert(library.add("Emma", "Jane Austen").await.unwrap())
            }
        };
        let ann = library.log_in("Ann", "secret").await.unwrap();
        library.borrow(&ann, emma).await.unwrap();
        // Inside of the commit, and behind the log.
        let listed = reads::books(&building.reader).unwrap();
        assert_eq!((listed.len(), listed[0].borrowed), (1, borrowed));
        assert_eq!(listed[0].title, "Emma");
        library.give_back(&ann, emma).await.unwrap();
        building.system.settle().await.unwrap();
        let view = reads::book(&building.reader, emma).unwrap().unwrap();
        assert_eq!(view.history.len(), 1 + 2 * borrowed as usize);
        let plain: u32 = building
            .reader
            .query_row(
                "SELECT count(*) FROM es_events WHERE substr(payload, 1, 1) <> x'87'",
                (),
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(plain, 0, "everything is encrypted");
        folder = building.folder;
    }
}
