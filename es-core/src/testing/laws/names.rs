//! What a store tells by name: the ids of a category, the owner of the log.
use uuid::Uuid;

use super::{Harness, append, reopened, stream, write};
use crate::domain::StreamId;
use crate::persistence::EventStore;

/// Without a number: scheduled jobs go through all aggregates by it.
pub async fn the_ids_of_a_category_are_read_page_by_page(mut harness: impl Harness) {
    let store = harness.open().await;
    let ids = [7, 3, u128::MAX, 1, 1 << 127, 255, 256].map(Uuid::from_u128);
    let dogs = ids.map(|id| StreamId::new("Dog", id));
    for dog in &dogs {
        write(&store, [append(dog, 0, 1)]).await;
    }
    // Others with these ids, more events of the same, and what is never stored.
    for id in [5, 7] {
        let cat = StreamId::new("Cat", Uuid::from_u128(id));
        write(&store, [append(&cat, 0, 1)]).await;
    }
    write(&store, [append(&dogs[0], 1, 2), append(&dogs[2], 1, 1)]).await;
    write(&store, [append(&stream(9), 0, 0)]).await;
    let stale = [append(&stream(10), 0, 1), append(&stream(11), 1, 1)];
    let refused = store.commit(super::commit(stale)).await;
    refused.expect_err("it is stale");

    let mut sorted = ids.to_vec();
    sorted.sort();
    let store = reopened("reading ids", &mut harness, store).await;
    let read = async |category, after: Option<Uuid>, limit| {
        let ids = store.read_ids(category, after, limit).await;
        ids.expect("ids can be read")
    };
    assert_eq!(read("Dog", None, usize::MAX).await, sorted);
    assert!(read("Dog", None, 0).await.is_empty());
    assert_eq!(read("Dog", None, 3).await, sorted[..3]);
    for (place, id) in sorted.iter().enumerate() {
        let next = &sorted[place + 1..];
        let two = &next[..next.len().min(2)];
        assert_eq!(read("Dog", Some(*id), 2).await, two);
        assert_eq!(read("Dog", Some(*id), usize::MAX).await, next);
    }
    // After an id that is no dog's.
    assert_eq!(read("Dog", Some(Uuid::from_u128(4)), 1).await, sorted[2..3]);
    assert_eq!(read("Dog", Some(Uuid::nil()), 1).await, sorted[..1]);
    let cats = [5, 7].map(Uuid::from_u128);
    assert_eq!(read("Cat", None, 10).await, cats);
    assert!(read("Bird", None, 10).await.is_empty());
}

/// Without a number: where a store says by a number which log it keeps, it is that of every handle, and of no other log.
pub async fn a_log_is_told_from_others<H: Harness>(harness: H) {
    let (one, again) = (harness.open().await, harness.open().await);
    let Some(identity) = one.identity() else {
        return;
    };
    assert_eq!(again.identity(), Some(identity), "it is the same log");
    let other = H::fresh().await;
    let other = other.open().await;
    assert_ne!(other.identity(), Some(identity), "it is another log");
}

/// Without a number: two applications in one log are found out by it.
pub async fn the_first_who_asks_owns_the_log(mut harness: impl Harness) {
    const FIRST: &str = "The \"first\"; Ünïcødé";
    let store = harness.open().await;
    for name in [FIRST, "second", FIRST] {
        let owner = store.owner(name).await.expect("it can be asked for");
        assert_eq!(owner, FIRST);
    }
    let another = harness.open().await;
    let owner = another.owner("third").await.expect("it can be asked for");
    assert_eq!(owner, FIRST);
    drop(another);
    let store = reopened("the owner", &mut harness, store).await;
    let owner = store.owner("fourth").await.expect("it can be asked for");
    assert_eq!(owner, FIRST);
}
