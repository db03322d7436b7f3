//! Events beside the caller's own rows, in the caller's own transaction.
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

use std::time::Duration;

use es_core::persistence::{AppendError, Committed, EventStore};
use es_core::{Aggregate, Application, Position};
use es_store_postgres::PostgresStore;
use es_store_postgres::testing::TestLog;
use tokio_postgres::{Client, IsolationLevel, NoTls};
use trials::transaction_trials;
use trials::transactions::{Order, Shop};

struct Schema {
    store: PostgresStore,
    app: Application,
    client: Client,
    log: TestLog,
}

async fn client(log: &TestLog) -> Client {
    let (client, connection) = tokio_postgres::connect(log.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let path = format!("SET search_path = {}", log.schema());
    client.batch_execute(&path).await.unwrap();
    client
}

impl Shop for Schema {
    async fn unclaimed() -> Self {
        let log = TestLog::new().await.unwrap();
        let store = log.store().await.unwrap();
        let client = client(&log).await;
        client
            .batch_execute("CREATE TABLE invoices (customer text)")
            .await
            .unwrap();
        let app = Application::builder(store.clone()).name("shop").build();
        Self {
            store,
            app,
            client,
            log,
        }
    }

    fn app(&self) -> &Application {
        &self.app
    }

    fn store(&self) -> &dyn EventStore {
        &self.store
    }

    async fn invoices(&self) -> i64 {
        let elsewhere = client(&self.log).await;
        let count = elsewhere.query_one("SELECT count(*) FROM invoices", &[]);
        count.await.unwrap().get(0)
    }

    async fn commit_with(&mut self, order: &mut Order) -> Result<Committed, AppendError> {
        let tx = self.client.transaction().await.unwrap();
        tx.batch_execute(INVOICE).await.unwrap();
        let staged = self.app.stage(order).unwrap();
        self.store.commit_with(tx, staged).await
    }

    async fn append_in(&mut self, order: &mut Order, committed: bool) {
        let tx = self.client.transaction().await.unwrap();
        let staged = self.app.stage(order).unwrap();
        let appended = self.store.append_in(&tx, staged).await.unwrap();
        if committed {
            tx.commit().await.unwrap();
        } else {
            tx.rollback().await.unwrap();
        }
        drop(appended); // nobody said `committed`
    }
}

transaction_trials!(Schema);

const INVOICE: &str = "INSERT INTO invoices VALUES ('Ann')";

#[tokio::test]
async fn a_transaction_of_deadpool_is_one_too() {
    let shop = Schema::new().await;
    let config = shop.log.url().parse::<tokio_postgres::Config>().unwrap();
    let manager = deadpool_postgres::Manager::new(config, NoTls);
    let pool = deadpool_postgres::Pool::builder(manager).build().unwrap();
    let mut client = pool.get().await.unwrap();
    let (mut first, mut second) = (Order::place(), Order::place());
    let tx = client.transaction().await.unwrap();
    let staged = shop.app.stage(&mut first).unwrap();
    shop.store.commit_with(tx, staged).await.unwrap();
    let tx = client.transaction().await.unwrap();
    let staged = shop.app.stage(&mut second).unwrap();
    let appended = shop.store.append_in(&tx, staged).await.unwrap();
    tx.commit().await.unwrap();
    appended.committed();
    assert_eq!(shop.head().await, 2);

    // And a pool of one's own may carry the whole store.
    let builder = PostgresStore::from_pool(pool).schema(shop.log.schema());
    let store = builder.connect().await.unwrap();
    assert_eq!(store.head().await.unwrap(), Position::from(2));
    let mut third = Order::place();
    Application::new(store).save(&mut third).await.unwrap();
    assert_eq!(shop.head().await, 3);
}

#[tokio::test]
async fn a_refused_append_leaves_the_transaction_to_its_owner() {
    let mut shop = Schema::new().await;
    let (mut first, mut second) = (Order::place(), Order::place());
    shop.app.save(&mut first).await.unwrap();
    let mut stale = shop.app.get::<Order>(first.id()).await.unwrap();
    first.add("ink");
    shop.app.save(&mut first).await.unwrap();
    stale.add("too late");

    let tx = shop.client.transaction().await.unwrap();
    tx.batch_execute(INVOICE).await.unwrap();
    let both = shop.app.stage((&mut second, &mut stale)).unwrap();
    let refused = shop.store.append_in(&tx, both).await.is_err();
    assert!(refused, "one of the two is stale");
    // Nor does it hold the log: others write.
    let mut other = Order::place();
    shop.app.save(&mut other).await.unwrap();
    let staged = shop.app.stage(&mut second).unwrap();
    let appended = shop.store.append_in(&tx, staged).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(appended.committed().position, Some(Position::from(4)));
    assert!(second.pending().is_empty());
    assert_eq!(
        (shop.invoices().await, shop.head().await),
        (1, 4),
        "nothing of the refused commit is there"
    );
}

#[tokio::test]
async fn a_commit_that_postgres_refuses_at_its_end_leaves_everything_pending() {
    let mut shop = Schema::new().await;
    let unique = "ALTER TABLE invoices ADD UNIQUE (customer) DEFERRABLE INITIALLY DEFERRED";
    shop.client.batch_execute(unique).await.unwrap();
    let mut order = Order::place();
    let tx = shop.client.transaction().await.unwrap();
    tx.batch_execute(INVOICE).await.unwrap();
    tx.batch_execute(INVOICE).await.unwrap();
    let staged = shop.app.stage(&mut order).unwrap();
    let refused = shop.store.commit_with(tx, staged).await.unwrap_err();
    let AppendError::Failed(why) = &refused else {
        panic!("{refused:?}");
    };
    assert!(why.to_string().contains("looked at last"), "{why}");
    assert_eq!((order.pending().len(), shop.head().await), (1, 0));
    // It is not in doubt, so it can be staged again.
    drop(shop.app.stage(&mut order).unwrap());
}

#[tokio::test]
async fn a_lost_acknowledgement_is_found_out_by_the_next_save() {
    let mut shop = Schema::new().await;
    let pid: i32 = shop
        .client
        .query_one("SELECT pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);
    let mut order = Order::place();
    let tx = shop.client.transaction().await.unwrap();
    let staged = shop.app.stage(&mut order).unwrap();
    let appended = shop.store.append_in(&tx, staged).await.unwrap();
    let other = client(&shop.log).await;
    let terminate = "SELECT pg_terminate_backend($1, 5000)";
    other.query(terminate, &[&pid]).await.unwrap();
    tx.commit().await.unwrap_err();
    drop(appended);
    order.add("ink");
    shop.app.save(&mut order).await.unwrap();
    assert_eq!((order.version().get(), shop.head().await), (2, 2));
}

#[tokio::test]
async fn a_transaction_with_one_snapshot_is_refused() {
    let mut shop = Schema::new().await;
    let mut order = Order::place();
    for level in [
        IsolationLevel::RepeatableRead,
        IsolationLevel::Serializable,
        IsolationLevel::ReadCommitted,
    ] {
        let begin = shop.client.build_transaction().isolation_level(level);
        let tx = begin.start().await.unwrap();
        let staged = shop.app.stage(&mut order).unwrap();
        let result = shop.store.commit_with(tx, staged).await;
        match level {
            IsolationLevel::ReadCommitted => assert!(result.is_ok(), "{result:?}"),
            _ => {
                assert!(
                    matches!(result, Err(AppendError::WrongTransaction { needed }) if needed.contains("READ COMMITTED")),
                    "{result:?}"
                );
                assert_eq!(order.pending().len(), 1);
            }
        }
    }
}

#[tokio::test]
async fn an_old_snapshot_is_refused_for_what_it_is_whatever_was_committed_since() {
    let mut shop = Schema::new().await;
    for level in [IsolationLevel::RepeatableRead, IsolationLevel::Serializable] {
        for appends in [false, true] {
            let (mut mine, mut theirs) = (Order::place(), Order::place());
            let begin = shop.client.build_transaction().isolation_level(level);
            let tx = begin.start().await.unwrap();
            tx.batch_execute("SELECT 1").await.unwrap();
            shop.app.save(&mut theirs).await.unwrap();
            let staged = shop.app.stage(&mut mine).unwrap();
            let refused = if appends {
                let refused = shop.store.append_in(&tx, staged).await.map(drop);
                tx.batch_execute(INVOICE).await.unwrap();
                tx.rollback().await.unwrap();
                refused
            } else {
                shop.store.commit_with(tx, staged).await.map(drop)
            };
            assert!(
                matches!(refused, Err(AppendError::WrongTransaction { .. })),
                "{refused:?}"
            );
            assert_eq!(mine.pending().len(), 1);
        }
    }
}

#[tokio::test]
async fn other_writers_wait_from_the_append_to_the_commit_and_not_before() {
    let mut shop = Schema::new().await;
    let (mut mine, mut theirs) = (Order::place(), Order::place());
    let tx = shop.client.transaction().await.unwrap();
    tx.batch_execute(INVOICE).await.unwrap();
    shop.app.save(&mut theirs).await.unwrap();

    let staged = shop.app.stage(&mut mine).unwrap();
    let appended = shop.store.append_in(&tx, staged).await.unwrap();
    theirs.add("ink");
    let mut saving = std::pin::pin!(shop.app.save(&mut theirs));
    let waited = tokio::time::timeout(Duration::from_millis(100), saving.as_mut()).await;
    assert!(waited.is_err(), "the log is held");
    tx.commit().await.unwrap();
    assert_eq!(appended.committed().position, Some(Position::from(2)));
    let saved = saving.await.unwrap();
    assert_eq!(saved.position, Some(Position::from(3)));
}

#[tokio::test]
async fn who_follows_the_log_elsewhere_is_woken() {
    let mut shop = Schema::new().await;
    let elsewhere = Application::new(shop.log.store().await.unwrap());
    let mut subscription = elsewhere.log().subscribe(Position::START);
    let next = tokio::spawn(async move { subscription.next().await.unwrap().unwrap().position });
    tokio::task::yield_now().await;
    let mut order = Order::place();
    let tx = shop.client.transaction().await.unwrap();
    let staged = shop.app.stage(&mut order).unwrap();
    shop.store.commit_with(tx, staged).await.unwrap();
    assert_eq!(next.await.unwrap(), Position::FIRST);
}
