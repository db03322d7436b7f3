//! Events beside the caller's own rows, in the caller's own transaction.
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

use std::path::PathBuf;
use std::time::Duration;

use es_core::application::SaveError;
use es_core::persistence::{AppendError, Committed, EventStore};
use es_core::{Aggregate, Application, Error, Position, Version};
use es_store_sqlite::SqliteStore;
use pollster::block_on;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tempfile::TempDir;
use trials::transaction_trials;
use trials::transactions::{Order, OrderEvent, Shop};

struct File {
    _folder: TempDir,
    path: PathBuf,
    store: SqliteStore,
    app: Application,
    connection: Connection,
}

impl Shop for File {
    async fn unclaimed() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        let store = SqliteStore::open(&path).await.unwrap();
        let connection = Connection::open(&path).unwrap();
        connection
            .execute("CREATE TABLE invoices (customer TEXT) STRICT", ())
            .unwrap();
        let app = Application::builder(store.clone()).name("shop").build();
        Self {
            _folder: folder,
            path,
            store,
            app,
            connection,
        }
    }

    fn app(&self) -> &Application {
        &self.app
    }

    fn store(&self) -> &dyn EventStore {
        &self.store
    }

    async fn invoices(&self) -> i64 {
        let elsewhere = Connection::open(&self.path).unwrap();
        elsewhere
            .query_row("SELECT count(*) FROM invoices", (), |row| row.get(0))
            .unwrap()
    }

    async fn commit_with(&mut self, order: &mut Order) -> Result<Committed, AppendError> {
        let tx = begun(&mut self.connection);
        tx.execute(INVOICE, ()).unwrap();
        self.store.commit_with(tx, self.app.stage(order).unwrap())
    }

    async fn append_in(&mut self, order: &mut Order, committed: bool) {
        let tx = begun(&mut self.connection);
        let staged = self.app.stage(order).unwrap();
        let appended = self.store.append_in(&tx, staged).unwrap();
        if committed {
            tx.commit().unwrap();
        } else {
            tx.rollback().unwrap();
        }
        drop(appended); // nobody said `committed`
    }
}

transaction_trials!(File);

const INVOICE: &str = "INSERT INTO invoices VALUES ('Ann')";

/// A transaction that has the write lock.
fn begun(connection: &mut Connection) -> Transaction<'_> {
    connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap()
}

#[tokio::test]
async fn a_refused_append_leaves_the_transaction_to_its_owner() {
    let mut shop = File::new().await;
    let (mut first, mut second) = (Order::place(), Order::place());
    shop.app.save(&mut first).await.unwrap();
    let mut again = Order::replay(first.id(), [OrderEvent::Placed {}]).unwrap();
    again.add("too late");
    let mut stale = shop.app.get::<Order>(first.id()).await.unwrap();
    stale.add("ink");
    shop.app.save(&mut stale).await.unwrap();

    let tx = begun(&mut shop.connection);
    tx.execute(INVOICE, ()).unwrap();
    let both = shop.app.stage((&mut second, &mut again)).unwrap();
    assert!(
        shop.store.append_in(&tx, both).is_err(),
        "one of the two is stale"
    );
    let appended = shop
        .store
        .append_in(&tx, shop.app.stage(&mut second).unwrap())
        .unwrap();
    tx.commit().unwrap();
    assert_eq!(appended.committed().position, Some(Position::from(3)));
    assert!(second.pending().is_empty());
    assert_eq!(
        (shop.invoices().await, shop.head().await),
        (1, 3),
        "nothing of the refused commit is there"
    );
}

#[tokio::test]
async fn a_transaction_that_does_not_hold_the_lock_is_refused() {
    let mut shop = File::new().await;
    let mut order = Order::place();
    for behavior in [
        TransactionBehavior::Deferred,
        TransactionBehavior::Exclusive,
    ] {
        let tx = shop.connection.transaction_with_behavior(behavior).unwrap();
        let result = shop
            .store
            .commit_with(tx, shop.app.stage(&mut order).unwrap());
        match behavior {
            TransactionBehavior::Deferred => {
                assert!(
                    matches!(result, Err(AppendError::WrongTransaction { .. })),
                    "{result:?}"
                );
                assert_eq!(order.pending().len(), 1);
            }
            _ => assert!(result.is_ok(), "it holds more than it has to"),
        }
    }
}

#[tokio::test]
async fn a_commit_that_sqlite_refuses_at_its_end_leaves_everything_pending() {
    let mut shop = File::new().await;
    let tables = "CREATE TABLE customers (id INTEGER PRIMARY KEY);
                  CREATE TABLE bills (customer INTEGER REFERENCES customers DEFERRABLE INITIALLY DEFERRED);
                  PRAGMA foreign_keys = ON";
    shop.connection.execute_batch(tables).unwrap();
    let mut order = Order::place();
    let tx = begun(&mut shop.connection);
    tx.execute("INSERT INTO bills VALUES (1)", ()).unwrap();
    let staged = shop.app.stage(&mut order).unwrap();
    let refused = shop.store.commit_with(tx, staged).unwrap_err();
    let AppendError::Failed(why) = &refused else {
        panic!("{refused:?}");
    };
    assert!(why.to_string().contains("refers to a row"), "{why}");
    assert_eq!((order.pending().len(), shop.head().await), (1, 0));
    // It is not in doubt, so it can be staged again.
    let tx = begun(&mut shop.connection);
    let staged = shop.app.stage(&mut order).unwrap();
    shop.store.commit_with(tx, staged).unwrap();
    assert_eq!(shop.head().await, 1);
}

#[test]
fn what_was_appended_and_not_told_may_be_committed_after_a_save_that_failed() {
    block_on(async {
        let mut shop = File::new().await;
        let store = SqliteStore::builder(&shop.path).busy_timeout(Duration::from_millis(50));
        let store = store.open().await.unwrap();
        let app = Application::builder(store.clone()).name("shop").build();
        let mut order = Order::place();
        let tx = begun(&mut shop.connection);
        let staged = shop.app.stage(&mut order).unwrap();
        drop(store.append_in(&tx, staged).unwrap());
        let doubt = app.save(&mut order).await.unwrap_err();
        assert!(
            matches!(doubt, Error::Save(SaveError::Unknown { .. })),
            "{doubt:?}"
        );
        tx.commit().unwrap();
        let saved = app.save(&mut order).await.unwrap();
        assert_eq!(saved.version, Version::FIRST);
        assert_eq!(shop.head().await, 1);
    });
}
