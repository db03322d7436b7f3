//! Events beside the caller's own rows, in the caller's own transaction.
//!
//! Such as a store has them, they all hold: [`transaction_trials!`](crate::transaction_trials) makes a test of each.
#![expect(
    async_fn_in_trait,
    clippy::unwrap_used,
    reason = "tests alone use it, which run a future where they make it and fail where it panics"
)]

use es_core::application::SaveError;
use es_core::persistence::{AppendError, Committed, EventStore};
use es_core::{Aggregate, Application, Error, ErrorKind, Position, Root, Version, events};
use uuid::Uuid;

/// An aggregate that rows are written beside.
#[derive(Aggregate, Debug, PartialEq)]
#[aggregate("Order")]
pub struct Order {
    root: Root<Self>,
    lines: Vec<String>,
}

#[events]
impl Order {
    /// Begins.
    #[event("Placed")]
    pub fn place() -> Self {
        Self {
            root: Root::new(),
            lines: Vec::new(),
        }
    }

    /// Begins too, with an id of one's own.
    #[event("Imported", id = *id)]
    pub fn import(id: Uuid) -> Self {
        let _ = id;
        Self {
            root: Root::new(),
            lines: Vec::new(),
        }
    }

    /// Goes on.
    #[event("LineAdded")]
    pub fn add(&mut self, line: &str) {
        self.lines.push(line.to_owned());
    }
}

/// A store with a table `invoices` beside its own, an application `shop` on it, and a connection of the caller's own.
pub trait Shop: Sized {
    /// An empty one, whose application has not claimed the log yet.
    async fn unclaimed() -> Self;

    /// The application.
    fn app(&self) -> &Application;

    /// The store.
    fn store(&self) -> &dyn EventStore;

    /// How many invoices there are, to somebody else.
    async fn invoices(&self) -> i64;

    /// Writes an invoice in a transaction, and commits it with what is pending of an order (`commit_with`).
    async fn commit_with(&mut self, order: &mut Order) -> Result<Committed, AppendError>;

    /// Appends what is pending of an order to a transaction (`append_in`), and ends that without saying what became of it.
    async fn append_in(&mut self, order: &mut Order, committed: bool);

    /// An empty one.
    async fn new() -> Self {
        let shop = Self::unclaimed().await;
        shop.app().claim().await.unwrap();
        shop
    }

    /// The number of events.
    async fn head(&self) -> u64 {
        self.app().log().head().await.unwrap().get()
    }
}

/// Makes a test of each trial, for a [`Shop`](crate::transactions::Shop).
#[macro_export]
macro_rules! transaction_trials {
    ($shop:ty) => {
        $crate::tests! { transactions for $shop:
            rows_and_events_become_visible_together
            a_conflict_rolls_back_the_rows_too_and_keeps_everything_pending
            what_exists_is_not_created_again_beside_rows
            the_fate_of_what_was_appended_is_found_out_by_the_next_save
            what_is_staged_and_dropped_is_pending_and_not_in_doubt
            who_follows_the_log_is_woken
            staging_says_where_it_would_have_to_wait
        }
    };
}

#[doc(hidden)]
pub async fn rows_and_events_become_visible_together<S: Shop>() {
    let mut shop = S::new().await;
    let mut order = Order::place();
    let committed = shop.commit_with(&mut order).await.unwrap();
    assert_eq!(committed.position, Some(Position::FIRST));
    assert!(order.pending().is_empty());
    assert_eq!((shop.invoices().await, shop.head().await), (1, 1));
    assert_eq!(shop.app().get::<Order>(order.id()).await.unwrap(), order);

    // The application's own commits go on from there.
    order.add("ink");
    let saved = shop.app().save(&mut order).await.unwrap();
    assert_eq!(saved.position, Some(Position::from(2)));
    let verified = shop.store().verify().await.unwrap();
    assert_eq!((verified.events, verified.findings), (2, Vec::new()));
}

#[doc(hidden)]
pub async fn a_conflict_rolls_back_the_rows_too_and_keeps_everything_pending<S: Shop>() {
    let mut shop = S::new().await;
    let mut order = Order::place();
    shop.app().save(&mut order).await.unwrap();
    let mut stale = shop.app().get::<Order>(order.id()).await.unwrap();
    order.add("ink");
    shop.app().save(&mut order).await.unwrap();
    stale.add("paper");

    let refused = shop.commit_with(&mut stale).await.unwrap_err();
    assert!(
        matches!(refused, AppendError::Conflict { .. }),
        "{refused:?}"
    );
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert_eq!((shop.invoices().await, shop.head().await), (0, 2));
    assert_eq!(stale.pending().len(), 1);
    let error = shop.app().save(&mut stale).await.unwrap_err();
    assert!(
        matches!(error, Error::Save(SaveError::Conflict { .. })),
        "nothing is in doubt: {error:?}"
    );
}

#[doc(hidden)]
pub async fn what_exists_is_not_created_again_beside_rows<S: Shop>() {
    let mut shop = S::new().await;
    let id = Uuid::from_u128(1);
    shop.app().save(&mut Order::import(id)).await.unwrap();
    let refused = shop.commit_with(&mut Order::import(id)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{refused:?}");
    let saved = shop.app().save(&mut Order::import(id)).await.unwrap_err();
    assert_eq!(refused.to_string(), saved.to_string());
    assert_eq!(Error::from(refused).kind(), saved.kind());
    assert_eq!((shop.invoices().await, shop.head().await), (0, 1));
}

#[doc(hidden)]
pub async fn the_fate_of_what_was_appended_is_found_out_by_the_next_save<S: Shop>() {
    for committed in [true, false] {
        let mut shop = S::new().await;
        let mut order = Order::place();
        shop.append_in(&mut order, committed).await;
        assert_eq!(order.pending().len(), 1);
        order.add("ink");
        shop.app().save(&mut order).await.unwrap();
        assert_eq!(
            (order.version(), shop.head().await),
            (Version::from(2), 2),
            "committed: {committed}"
        );
        assert_eq!(shop.app().get::<Order>(order.id()).await.unwrap(), order);
    }
}

#[doc(hidden)]
pub async fn what_is_staged_and_dropped_is_pending_and_not_in_doubt<S: Shop>() {
    let mut shop = S::new().await;
    let mut order = Order::place();
    drop(shop.app().stage(&mut order).unwrap());
    order.add("ink");
    shop.commit_with(&mut order).await.unwrap();
    assert_eq!(shop.head().await, 2);
}

#[doc(hidden)]
pub async fn who_follows_the_log_is_woken<S: Shop>() {
    let mut shop = S::new().await;
    let mut subscription = shop.app().log().subscribe(Position::START);
    let next = tokio::spawn(async move { subscription.next().await.unwrap().unwrap().position });
    tokio::task::yield_now().await;
    shop.commit_with(&mut Order::place()).await.unwrap();
    assert_eq!(next.await.unwrap(), Position::FIRST);
}

#[doc(hidden)]
pub async fn staging_says_where_it_would_have_to_wait<S: Shop>() {
    let shop = S::unclaimed().await;
    let mut order = Order::place();
    let error = shop.app().stage(&mut order).unwrap_err();
    assert!(
        matches!(error, Error::Save(SaveError::MustWait { .. })),
        "{error:?}"
    );
    shop.app().claim().await.unwrap();
    assert!(shop.app().stage(&mut order).is_ok());
}
