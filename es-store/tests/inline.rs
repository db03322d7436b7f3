//! A projection inside of commits reads what is compressed and encrypted, on every store.
#![cfg(all(
    feature = "aes",
    feature = "memory",
    feature = "postgres",
    feature = "sqlite",
    feature = "zstd"
))]
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use es_core::application::SaveError;
use es_core::persistence::{
    AppendError, BoxFuture, DecodeError, Filter, Key, KeyError, KeyId, KeyProvider, Span, Store,
};
use es_core::system::{InlineError, NotAtOnce};
use es_core::{
    Aggregate, Application, BoxError, Error, Position, Projection, Recorded, Root, StreamId, events,
};
use es_store::Settings;
use es_store_memory::{MemoryProjection, MemoryStore};
use es_store_postgres::testing::TestLog;
use es_store_postgres::{PostgresProjection, PostgresStore, Tables as PostgresTables};
use es_store_sqlite::{SqliteProjection, SqliteStore, Tables as _};
use tempfile::TempDir;
use uuid::Uuid;

#[derive(Aggregate, Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[aggregate("Book", cached, snapshot_every = 100)]
struct Book {
    root: Root<Self>,
}

#[events]
impl Book {
    #[event("Added")]
    fn add(title: &str) -> Self {
        let _ = title;
        Self { root: Root::new() }
    }

    #[event("Renamed")]
    fn rename(&mut self, title: &str) {
        let _ = title;
    }
}

/// Every title that a book had.
#[derive(Clone, Default)]
struct Titles(Vec<String>);

impl Projection for Titles {
    const NAME: &'static str = "titles";
    type Events = BookEvent;
}

fn title(event: BookEvent) -> String {
    match event {
        BookEvent::Added { title } | BookEvent::Renamed { title } => title,
    }
}

impl MemoryProjection for Titles {
    fn handle(&mut self, event: Recorded<BookEvent>) -> Result<(), BoxError> {
        self.0.push(title(event.event));
        Ok(())
    }
}

impl SqliteProjection for Titles {
    fn create(&mut self, tx: &rusqlite::Transaction<'_>) -> Result<(), BoxError> {
        let create = format!("CREATE TABLE {} (title TEXT)", tx.table("titles"));
        Ok(tx.execute_batch(&create)?)
    }

    fn handle(
        &mut self,
        event: Recorded<BookEvent>,
        tx: &rusqlite::Transaction<'_>,
    ) -> Result<(), BoxError> {
        tx.execute("INSERT INTO titles VALUES (?1)", [title(event.event)])?;
        Ok(())
    }
}

impl PostgresProjection for Titles {
    async fn create(&mut self, tx: &tokio_postgres::Transaction<'_>) -> Result<(), BoxError> {
        let titles = PostgresTables::table(tx, "titles");
        let create = format!(
            "CREATE TABLE {titles} (place bigint GENERATED ALWAYS AS IDENTITY, title text)"
        );
        Ok(tx.batch_execute(&create).await?)
    }

    async fn handle(
        &mut self,
        event: Recorded<BookEvent>,
        tx: &tokio_postgres::Transaction<'_>,
    ) -> Result<(), BoxError> {
        let insert = "INSERT INTO titles (title) VALUES ($1)";
        tx.execute(insert, &[&title(event.event)]).await?;
        Ok(())
    }
}

/// A store of each kind.
enum Kind {
    Memory(MemoryStore),
    Sqlite(SqliteStore, TempDir),
    Postgres(PostgresStore, Box<TestLog>),
}

async fn kinds() -> [Kind; 3] {
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteStore::open(folder.path().join("books.db")).await;
    let log = TestLog::new().await.unwrap();
    [
        Kind::Memory(MemoryStore::new()),
        Kind::Sqlite(file.unwrap(), folder),
        Kind::Postgres(log.store().await.unwrap(), Box::new(log)),
    ]
}

impl Kind {
    async fn over(&self, settings: Settings) -> Application {
        let builder = match self {
            Self::Memory(store) => settings.builder_over(store.clone()).await,
            Self::Sqlite(store, _) => settings.builder_over(store.clone()).await,
            Self::Postgres(store, _) => settings.builder_over(store.clone()).await,
        };
        builder.unwrap().build()
    }

    fn builder(&self) -> es_core::application::ApplicationBuilder {
        match self {
            Self::Memory(store) => Application::builder(store.clone()),
            Self::Sqlite(store, _) => Application::builder(store.clone()),
            Self::Postgres(store, _) => Application::builder(store.clone()),
        }
    }

    fn store(&self) -> &dyn Store {
        match self {
            Self::Memory(store) => store,
            Self::Sqlite(store, _) => store,
            Self::Postgres(store, _) => store,
        }
    }

    async fn inline(&self, app: &Application) -> Result<(), InlineError> {
        match self {
            Self::Memory(store) => store.inline(app, Titles::default()).await,
            Self::Sqlite(store, _) => store.inline(app, Titles::default()).await,
            Self::Postgres(store, _) => store.inline(app, Titles::default()).await,
        }
    }

    /// As readers see them.
    async fn titles(&self) -> Vec<String> {
        match self {
            Self::Memory(store) => store.view::<Titles>().unwrap().0.clone(),
            Self::Sqlite(_, folder) => {
                let reader = rusqlite::Connection::open(folder.path().join("books.db")).unwrap();
                let query = "SELECT title FROM titles ORDER BY rowid";
                let mut titles = reader.prepare(query).unwrap();
                let titles = titles.query_map((), |row| row.get(0)).unwrap();
                titles.map(Result::unwrap).collect()
            }
            Self::Postgres(_, log) => {
                let (reader, connection) =
                    tokio_postgres::connect(log.url(), tokio_postgres::NoTls)
                        .await
                        .unwrap();
                tokio::spawn(connection);
                let query = format!("SELECT title FROM {}.titles ORDER BY place", log.schema());
                let rows = reader.query(&query, &[]).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }

    async fn stored_payloads(&self) -> Vec<bytes::Bytes> {
        let all = Filter::everything();
        let log = self.store().read_log(Span::all(), &all).await;
        let records = log.unwrap().records.into_iter();
        records.map(|record| record.payload).collect()
    }
}

/// As in production: snapshots, compression, encryption.
fn production() -> Settings {
    Settings::new("library").environment(|_| None).map([
        ("ES_SNAPSHOTS", "every:2"),
        ("ES_COMPRESSION", "zstd"),
        (
            "ES_CIPHER_KEYS",
            "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ),
    ])
}

#[tokio::test]
async fn what_is_compressed_and_encrypted_is_handled_inside_of_its_commit() {
    for kind in kinds().await {
        // What is there is plain, and what comes is not.
        let plain = kind
            .over(Settings::new("library").environment(|_| None))
            .await;
        let long = "Emma ".repeat(1_000);
        plain.save(&mut Book::add("Persuasion")).await.unwrap();
        let app = kind.over(production()).await;
        kind.inline(&app).await.unwrap();
        let mut book = Book::add(&long);
        book.rename("Emma");
        app.save(&mut book).await.unwrap();
        app.update(book.id(), |book: &mut Book| book.rename("Emma, a novel"))
            .await
            .unwrap();
        assert_eq!(
            kind.titles().await,
            ["Persuasion", &long, "Emma", "Emma, a novel"]
        );
        let payloads = kind.stored_payloads().await;
        assert_eq!(payloads.len(), 4);
        for sealed in &payloads[1..] {
            assert!(!sealed.windows(4).any(|part| part == b"Emma"));
            assert!(sealed.len() < 1_000, "it is compressed");
        }
        // A commit without the keys is refused by the projection, and says so.
        let Err(Error::Save(SaveError::Store(AppendError::Projection { source, .. }))) =
            tampered(&kind).await
        else {
            panic!("a payload that nobody can open was handled");
        };
        let cause = source.downcast_ref::<NotAtOnce>();
        assert!(
            matches!(cause, Some(NotAtOnce::Decode(DecodeError::Codec { .. }))),
            "{source:?}"
        );
        assert_eq!(kind.titles().await.len(), 4);
    }
}

/// Saves what no key of the projection's application opens.
async fn tampered(kind: &Kind) -> es_core::Result<()> {
    let others = es_core::persistence::Keys::new(7, Key::generate().unwrap());
    let other = kind.builder().name("library").keys(others).build();
    // The keys of the log are others, which the first save finds out; so it is the very commit that is written.
    let commit = es_core::persistence::Commit {
        id: es_core::persistence::CommitId::draw(),
        time: std::time::UNIX_EPOCH,
        metadata: es_core::Metadata::new(),
        appends: vec![es_core::persistence::Append {
            stream: StreamId::new("Book", Uuid::nil()),
            expected: es_core::Version::NEW,
            events: vec![es_core::persistence::EncodedEvent {
                name: "Added".into(),
                schema: 1,
                payload: vec![0x87; 64].into(),
            }],
        }],
        checkpoint: None,
    };
    other.append(commit).await.map(|_| ())
}

/// Keys that are fetched: the first look finds them on their way.
struct Fetched {
    key: Key,
    waits: Arc<AtomicBool>,
}

impl Fetched {
    async fn fetch(&self) {
        if self.waits.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }
}

impl KeyProvider for Fetched {
    fn current<'a>(
        &'a self,
        _: &'a StreamId,
    ) -> BoxFuture<'a, Result<Option<(KeyId, Key)>, KeyError>> {
        Box::pin(async {
            self.fetch().await;
            Ok(Some((KeyId::from(1), self.key.clone())))
        })
    }

    fn key<'a>(&'a self, _: &'a StreamId, _: KeyId) -> BoxFuture<'a, Result<Key, KeyError>> {
        Box::pin(async {
            self.fetch().await;
            Ok(self.key.clone())
        })
    }
}

#[tokio::test]
async fn keys_that_do_not_answer_at_once_are_an_error_that_says_so() {
    for kind in kinds().await {
        let waits = Arc::new(AtomicBool::new(true));
        let keys = Fetched {
            key: Key::generate().unwrap(),
            waits: Arc::clone(&waits),
        };
        let app = kind.builder().name("library").keys(keys).build();
        kind.inline(&app).await.unwrap();
        let mut book = Book::add("Emma");
        let refused = app.save(&mut book).await.unwrap_err();
        let Error::Save(SaveError::Store(refused @ AppendError::Projection { .. })) = refused
        else {
            panic!("{refused:?}");
        };
        assert_eq!(
            refused.to_string(),
            format!(
                "the projection `titles` cannot handle `Added` of `Book/{}` at version 1; nothing of the commit is stored",
                book.id()
            )
        );
        let cause = refused.source().unwrap().to_string();
        assert_eq!(
            cause,
            format!(
                "`Added` of `Book/{}` at version 1 would have to wait for its key, and a commit cannot; use keys that are answered from \
                 memory, or let the projection follow the log",
                book.id()
            )
        );
        assert_eq!(kind.store().head().await.unwrap(), Position::START);
        assert_eq!(book.pending().len(), 1, "it may be saved again");
        waits.store(false, Ordering::SeqCst);
        app.save(&mut book).await.unwrap();
        assert_eq!(kind.titles().await, ["Emma"]);
    }
}

/// One key for all streams but those whose own was destroyed.
struct Destroyed(Key, Vec<StreamId>);

impl KeyProvider for Destroyed {
    fn current<'a>(
        &'a self,
        stream: &'a StreamId,
    ) -> BoxFuture<'a, Result<Option<(KeyId, Key)>, KeyError>> {
        let id = KeyId::from(1);
        Box::pin(async move { Ok(Some((id, self.key(stream, id).await?))) })
    }

    fn key<'a>(&'a self, stream: &'a StreamId, _: KeyId) -> BoxFuture<'a, Result<Key, KeyError>> {
        Box::pin(async move {
            match self.1.contains(stream) {
                true => Err(KeyError::Destroyed),
                false => Ok(self.0.clone()),
            }
        })
    }
}

#[tokio::test]
async fn events_whose_key_was_destroyed_are_passed_over() {
    for kind in kinds().await {
        let key = Key::generate().unwrap();
        let app = |destroyed| {
            let keys = Destroyed(key.clone(), destroyed);
            kind.builder().name("library").keys(keys).build()
        };
        let writer = app(Vec::new());
        let mut erased = Book::add("Lady Susan");
        writer.save(&mut erased).await.unwrap();
        writer.save(&mut Book::add("Emma")).await.unwrap();
        let reader = app(vec![StreamId::new("Book", erased.id())]);
        // What is there already, and what comes.
        kind.inline(&reader).await.unwrap();
        erased.rename("Susan");
        let mut other = Book::add("Sanditon");
        writer.save((&mut erased, &mut other)).await.unwrap();
        assert_eq!(kind.titles().await, ["Emma", "Sanditon"]);
        assert_eq!(kind.store().head().await.unwrap(), Position::from(4));
    }
}

#[tokio::test]
async fn the_log_of_another_application_is_refused() {
    for kind in kinds().await {
        let app = kind.builder().name("library").build();
        app.save(&mut Book::add("Emma")).await.unwrap();
        let other = kind.builder().name("archive").build();
        let refused = kind.inline(&other).await.unwrap_err();
        assert!(matches!(refused, InlineError::Open(_)), "{refused:?}");
    }
}
