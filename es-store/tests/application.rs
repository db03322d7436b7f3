//! The settings reach the application, and its log is its own.
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use es_core::application::{OpenError as OwnerError, SnapshotError};
use es_core::persistence::{EventStore, ReadError, Record, Slice, Store};
use es_core::testing::{Intercept, Intercepted};
use es_core::{Aggregate, Application, Error, Root, StreamId, events};
use es_store::{OpenError, Settings};
use es_store_memory::MemoryStore;
use futures_core::future::BoxFuture;
use uuid::Uuid;

#[derive(Aggregate, Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[aggregate("Diary", cached, snapshot_every = 100)]
struct Diary {
    root: Root<Self>,
    text: String,
}

#[events]
impl Diary {
    #[event("Begun")]
    fn begin() -> Self {
        Self {
            root: Root::new(),
            text: String::new(),
        }
    }

    #[event("Written")]
    fn write(&mut self, text: &str) {
        self.text.push_str(text);
    }
}
/// The settings of an application in this environment.
fn settings<const N: usize>(
    name: &str,
    environment: [(&'static str, &'static str); N],
) -> Settings {
    let environment = HashMap::from(environment);
    Settings::new(name).environment(move |name| environment.get(name).map(Into::into))
}

async fn over<const N: usize>(
    store: &(impl Store + Clone),
    environment: [(&'static str, &'static str); N],
) -> Application {
    let builder = settings("school", environment).builder_over(store.clone());
    builder.await.unwrap().build()
}

async fn saved(app: &Application, text: &str) -> Diary {
    let mut diary = Diary::begin();
    diary.write(text);
    app.save(&mut diary).await.unwrap();
    diary
}

/// How the second event of a diary is stored.
async fn stored(store: &MemoryStore, id: Uuid) -> Vec<u8> {
    let stream = StreamId::new("Diary", id);
    let records = store.read_stream(&stream, Slice::all()).await.unwrap();
    records[1].payload.to_vec()
}

#[tokio::test]
async fn a_log_is_claimed_when_it_is_opened() {
    let store = MemoryStore::new();
    let school = over(&store, []).await;
    assert_eq!(school.name(), Some("school"));
    let office = settings("office", []).builder_over(store.clone()).await;
    let Err(OpenError::Owner(error @ OwnerError::Foreign { .. })) = office.map(|_| ()) else {
        panic!("the log is the school's");
    };
    assert_eq!(
        error.to_string(),
        "the log belongs to the application `school`, not to `office`; \
         give `office` a store of its own, for instance by a table prefix, or the name that the log has"
    );
    over(&store, []).await; // again, by its owner
}

#[cfg(feature = "memory")]
#[tokio::test]
async fn each_opening_of_memory_is_an_empty_store() {
    let opened = || settings("school", [("ES_STORE", "MEMORY://")]).open();
    let first = opened().await.unwrap();
    let diary = saved(&first, "dear").await;
    assert_eq!(first.get::<Diary>(diary.id()).await.unwrap(), diary);
    let second = opened().await.unwrap();
    assert_eq!(second.find::<Diary>(diary.id()).await.unwrap(), None);
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn each_opening_of_sqlite_in_memory_is_an_empty_store() {
    let opened = || settings("school", [("ES_STORE", "sqlite::memory:")]).open();
    let first = opened().await.unwrap();
    let diary = saved(&first, "dear").await;
    assert_eq!(first.get::<Diary>(diary.id()).await.unwrap(), diary);
    let second = opened().await.unwrap();
    assert_eq!(second.find::<Diary>(diary.id()).await.unwrap(), None);
    let read = settings("school", [("ES_STORE", "sqlite::memory:?mode=ro")]).open();
    let error = read.await.unwrap_err();
    assert_eq!(
        es_store::Reason::of(&error),
        Some(es_store::Reason::Settings),
        "{error:?}"
    );
}

#[tokio::test]
async fn payloads_are_plain_unless_something_else_is_set() {
    let store = MemoryStore::new();
    for environment in [("ES_COMPRESSION", ""), ("ES_COMPRESSION", "none")] {
        let plain = saved(&over(&store, [environment]).await, "dear").await;
        assert_eq!(stored(&store, plain.id()).await, br#"{"text":"dear"}"#);
    }
}

#[cfg(feature = "zstd")]
#[tokio::test]
async fn payloads_are_compressed_as_is_set() {
    let store = MemoryStore::new();
    let text = "dear diary ".repeat(100);
    let app = over(&store, [("ES_COMPRESSION", "zstd:19")]).await;
    let compressed = saved(&app, &text).await;
    assert!(
        stored(&store, compressed.id())
            .await
            .starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
    );
}

#[cfg(feature = "aes")]
#[tokio::test]
async fn payloads_are_encrypted_with_the_first_key_and_decrypted_with_all() {
    const FIRST: &str = "1:MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE=";
    const ROTATED: &str = "2:MjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjI=,1:MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE=";
    let store = MemoryStore::new();
    let old = saved(&over(&store, [("ES_CIPHER_KEYS", FIRST)]).await, "old").await;
    let rotated = over(&store, [("ES_CIPHER_KEYS", ROTATED), ("ES_CACHE", "0")]).await;
    let new = saved(&rotated, "new").await;
    assert_eq!(rotated.get::<Diary>(old.id()).await.unwrap().text, "old");
    assert!(
        stored(&store, old.id())
            .await
            .starts_with(&[0x87, 0, 0, 0, 1])
    );
    assert!(
        stored(&store, new.id())
            .await
            .starts_with(&[0x87, 0, 0, 0, 2])
    );
    // Those in code beat those of the environment.
    let keys: es_core::persistence::Keys = FIRST.parse().unwrap();
    let code = settings("school", [("ES_CIPHER_KEYS", "nonsense")]).keys(keys);
    let code = code.builder_over(store.clone()).await.unwrap().build();
    assert_eq!(code.get::<Diary>(old.id()).await.unwrap().text, "old");
}

#[tokio::test]
async fn snapshots_are_taken_as_is_set() {
    let store = MemoryStore::new();
    let app = over(&store, [("ES_SNAPSHOTS", "by-hand")]).await;
    let diary = saved(&app, "dear").await;
    assert_eq!(app.snapshot::<Diary>(diary.id()).await.unwrap().get(), 2);
    let off = over(&store, [("ES_SNAPSHOTS", "off")]).await;
    let refused = off.snapshot::<Diary>(diary.id()).await.unwrap_err();
    assert!(matches!(refused, Error::Snapshot(SnapshotError::Off)));
}

/// Counts how often a stream is read.
#[derive(Clone)]
struct Counted(MemoryStore, Arc<AtomicU64>);

impl Intercept for Counted {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.0
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
    ) -> BoxFuture<'a, Result<Vec<Record>, ReadError>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.read_stream(stream, slice)
    }
}

#[tokio::test]
async fn the_cache_is_used_as_is_set() {
    for (setting, expected) in [
        ("ES_CACHE", 0),
        ("NO_SUCH_CACHE", 0),
        ("SCHOOL_ES_CACHE", 1),
    ] {
        let reads = Arc::new(AtomicU64::new(0));
        let store = Counted(MemoryStore::new(), Arc::clone(&reads));
        let size = if expected == 0 { "10" } else { "0" };
        let app = over(&Intercepted(store), [(setting, size)]).await;
        let diary = saved(&app, "dear").await;
        let updated = app.update(diary.id(), |diary: &mut Diary| diary.write("!"));
        updated.await.unwrap();
        assert_eq!(reads.load(Ordering::SeqCst), expected, "{setting}={size}");
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn what_is_in_a_file_is_there_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("diary.db").display());
    let open = || {
        Settings::new("school")
            .environment(|_| None)
            .store(&url)
            .open()
    };
    let diary = saved(&open().await.unwrap(), "dear").await;
    assert_eq!(
        open()
            .await
            .unwrap()
            .get::<Diary>(diary.id())
            .await
            .unwrap(),
        diary
    );

    let office = Settings::new("office")
        .environment(|_| None)
        .store(&url)
        .open();
    assert!(matches!(
        office.await,
        Err(OpenError::Owner(OwnerError::Foreign { .. }))
    ));
    let nowhere = Settings::new("school")
        .environment(|_| None)
        .store("sqlite:/no/such/folder/x.db");
    assert!(matches!(nowhere.open().await, Err(OpenError::Sqlite(_))));
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn settings_that_cannot_be_used_open_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("school.db");
    let url = format!("sqlite:{}", path.display());
    let settings = settings("school", [("ES_CACHE", "many")]).store(url);
    let error = settings.clone().open().await.unwrap_err();
    assert!(matches!(error, OpenError::Settings(_)), "{error:?}");
    assert!(!path.exists());
    // What is said in code counts.
    settings.cache(1).open().await.unwrap();
    assert!(path.exists());
}

#[cfg(feature = "memory")]
#[tokio::test]
async fn the_builder_is_of_the_store_beside_it() {
    let settings = settings("school", []).store("memory:");
    let (builder, store) = settings.builder_and_store().await.unwrap();
    let diary = saved(&builder.build(), "today").await;
    let es_store::AnyStore::Memory(store) = store else {
        panic!("{store:?}");
    };
    assert!(!stored(&store, diary.id()).await.is_empty());
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn what_is_staged_first_need_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("school.db");
    let url = format!("sqlite:{}", path.display());
    let app = settings("school", []).store(url).open().await.unwrap();
    assert!(app.stage(&mut Diary::begin()).is_ok());
}

#[test]
fn opening_can_be_awaited_on_any_thread() {
    fn is_send(_: impl Send) {}
    is_send(es_store::open("school"));
    is_send(Settings::new("school").builder_over(MemoryStore::new()));
}
