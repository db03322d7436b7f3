//! Events beside the caller's own rows, in the caller's own transaction.
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

use std::path::PathBuf;

use es_core::application::SaveError;
use es_core::persistence::AppendError;
use es_core::{Aggregate, Application, Error, Position, Root, Version, events};
use es_store_sqlite::SqliteStore;
use rusqlite::{Connection, TransactionBehavior};
use tempfile::TempDir;

#[derive(Aggregate, Debug, PartialEq)]
#[aggregate("Order")]
struct Order {
    root: Root<Self>,
    lines: Vec<String>,
}

#[events]
impl Order {
    #[event("Placed")]
    fn place() -> Self {
        Self {
            root: Root::new(),
            lines: Vec::new(),
        }
    }

    #[event("LineAdded")]
    fn add(&mut self, line: &str) {
        self.lines.push(line.to_owned());
    }
}

struct Shop {
    _folder: TempDir,
    path: PathBuf,
    store: SqliteStore,
    app: Application,
    connection: Connection,
}

impl Shop {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        let store = SqliteStore::open(&path).await.unwrap();
        let connection = Connection::open(&path).unwrap();
        connection
            .execute("CREATE TABLE invoices (customer TEXT) STRICT", ())
            .unwrap();
        let app = Application::builder(store.clone()).name("shop").build();
        app.claim().await.unwrap();
        Self {
            _folder: folder,
            path,
            store,
            app,
            connection,
        }
    }

    fn invoices(&self) -> i64 {
        let elsewhere = Connection::open(&self.path).unwrap();
        elsewhere
            .query_row("SELECT count(*) FROM invoices", (), |row| row.get(0))
            .unwrap()
    }

    async fn head(&self) -> u64 {
        self.app.log().head().await.unwrap().get()
    }
}

const IMMEDIATE: TransactionBehavior = TransactionBehavior::Immediate;

#[tokio::test]
async fn rows_and_events_become_visible_together() {
    let mut shop = Shop::new().await;
    let mut order = Order::place();
    let tx = shop
        .connection
        .transaction_with_behavior(IMMEDIATE)
        .unwrap();
    tx.execute("INSERT INTO invoices VALUES ('Ann')", ())
        .unwrap();
    let committed = shop
        .store
        .commit_with(tx, shop.app.stage(&mut order).unwrap())
        .unwrap();
    assert_eq!(committed.position, Some(Position::FIRST));
    assert!(order.pending().is_empty());
    assert_eq!((shop.invoices(), shop.head().await), (1, 1));
    assert_eq!(shop.app.get::<Order>(order.id()).await.unwrap(), order);

    // The application's own commits go on from there.
    order.add("ink");
    assert_eq!(
        shop.app.save(&mut order).await.unwrap().position,
        Some(Position::from(2))
    );
}

#[tokio::test]
async fn a_conflict_rolls_back_the_rows_too_and_keeps_everything_pending() {
    let mut shop = Shop::new().await;
    let mut order = Order::place();
    shop.app.save(&mut order).await.unwrap();
    let mut stale = shop.app.get::<Order>(order.id()).await.unwrap();
    order.add("ink");
    shop.app.save(&mut order).await.unwrap();
    stale.add("paper");

    let tx = shop
        .connection
        .transaction_with_behavior(IMMEDIATE)
        .unwrap();
    tx.execute("INSERT INTO invoices VALUES ('Ann')", ())
        .unwrap();
    let refused = shop
        .store
        .commit_with(tx, shop.app.stage(&mut stale).unwrap())
        .unwrap_err();
    assert!(
        matches!(refused, AppendError::Conflict { .. }),
        "{refused:?}"
    );
    assert_eq!((shop.invoices(), shop.head().await), (0, 2));
    assert_eq!(stale.pending().len(), 1);
    let error = shop.app.save(&mut stale).await.unwrap_err();
    assert!(
        matches!(error, Error::Save(SaveError::Conflict { .. })),
        "nothing is in doubt: {error:?}"
    );
}

#[tokio::test]
async fn a_refused_append_leaves_the_transaction_to_its_owner() {
    let mut shop = Shop::new().await;
    let (mut first, mut second) = (Order::place(), Order::place());
    shop.app.save(&mut first).await.unwrap();
    let mut again = Order::replay(first.id(), [OrderEvent::Placed {}]).unwrap();
    again.add("too late");
    let mut stale = shop.app.get::<Order>(first.id()).await.unwrap();
    stale.add("ink");
    shop.app.save(&mut stale).await.unwrap();

    let tx = shop
        .connection
        .transaction_with_behavior(IMMEDIATE)
        .unwrap();
    tx.execute("INSERT INTO invoices VALUES ('Ann')", ())
        .unwrap();
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
        (shop.invoices(), shop.head().await),
        (1, 3),
        "nothing of the refused commit is there"
    );
}

#[tokio::test]
async fn the_fate_of_what_was_appended_is_found_out_by_the_next_save() {
    for committed in [true, false] {
        let mut shop = Shop::new().await;
        let mut order = Order::place();
        let tx = shop
            .connection
            .transaction_with_behavior(IMMEDIATE)
            .unwrap();
        let appended = shop
            .store
            .append_in(&tx, shop.app.stage(&mut order).unwrap())
            .unwrap();
        if committed {
            tx.commit().unwrap();
        } else {
            tx.rollback().unwrap();
        }
        drop(appended); // nobody said `committed`
        assert_eq!(order.pending().len(), 1);
        order.add("ink");
        shop.app.save(&mut order).await.unwrap();
        assert_eq!(
            (order.version(), shop.head().await),
            (Version::from(2), 2),
            "committed: {committed}"
        );
        assert_eq!(shop.app.get::<Order>(order.id()).await.unwrap(), order);
    }
}

#[tokio::test]
async fn what_is_staged_and_dropped_is_pending_and_not_in_doubt() {
    let mut shop = Shop::new().await;
    let mut order = Order::place();
    drop(shop.app.stage(&mut order).unwrap());
    order.add("ink");
    let tx = shop
        .connection
        .transaction_with_behavior(IMMEDIATE)
        .unwrap();
    shop.store
        .commit_with(tx, shop.app.stage(&mut order).unwrap())
        .unwrap();
    assert_eq!(shop.head().await, 2);
}

#[tokio::test]
async fn a_transaction_that_does_not_hold_the_lock_is_refused() {
    let mut shop = Shop::new().await;
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
async fn who_follows_the_log_is_woken() {
    let mut shop = Shop::new().await;
    let mut subscription = shop.app.log().subscribe(Position::START);
    let next = tokio::spawn(async move { subscription.next().await.unwrap().unwrap().position });
    tokio::task::yield_now().await;
    let mut order = Order::place();
    let tx = shop
        .connection
        .transaction_with_behavior(IMMEDIATE)
        .unwrap();
    shop.store
        .commit_with(tx, shop.app.stage(&mut order).unwrap())
        .unwrap();
    assert_eq!(next.await.unwrap(), Position::FIRST);
}

#[tokio::test]
async fn staging_says_where_it_would_have_to_wait() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("shop.db"))
        .await
        .unwrap();
    let app = Application::builder(store).name("shop").build();
    let mut order = Order::place();
    let error = app.stage(&mut order).unwrap_err();
    assert!(
        matches!(error, Error::Save(SaveError::MustWait { .. })),
        "{error:?}"
    );
    app.claim().await.unwrap();
    assert!(app.stage(&mut order).is_ok());
}
