//! A caller goes away while its commit is on the way.
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use es_core::persistence::EventStore;

use super::{Effort, Log};
use crate::{block_on, log};

pub(super) fn others_of_its_group_succeed_and_its_outcome_is_known<L: Log>(
    effort: Effort,
) -> String {
    const OTHERS: usize = 16;
    let place = L::fresh();
    let store = place.open();
    let rounds = effort.of(60, 1_000);
    let (stored, polls) = (AtomicUsize::new(0), AtomicUsize::new(0));
    for round in 0..rounds {
        let dropped = log::one(fastrand::u128(..), 0);
        let id = dropped.id;
        block_on(async {
            let others: Vec<_> = (0..OTHERS)
                .map(|_| {
                    let store = store.clone();
                    tokio::spawn(async move { store.commit(log::one(fastrand::u128(..), 0)).await })
                })
                .collect();
            {
                let mut future = pin!(store.commit(dropped.clone()));
                // After no poll, one, two and three.
                for _ in 0..round % 4 {
                    let polled = future
                        .as_mut()
                        .poll(&mut Context::from_waker(Waker::noop()));
                    polls.fetch_add(1, Ordering::Relaxed);
                    if polled.is_ready() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
            for other in others {
                other
                    .await
                    .expect("no panic")
                    .expect("the others are stored");
            }
        });
        // What was accepted before this one is written before it.
        block_on(store.commit(log::one(fastrand::u128(..), 0))).expect("it is stored");
        let outcome = block_on(store.outcome(id)).expect("it can be asked for");
        assert_eq!(outcome.is_some(), round % 4 > 0, "round {round}");
        stored.fetch_add(usize::from(outcome.is_some()), Ordering::Relaxed);
        let again = block_on(store.commit(dropped)).expect("it is sent again");
        assert!(outcome.is_none_or(|outcome| outcome == again));
    }
    let whole = log::whole(&store);
    assert_eq!(whole.commits.len(), rounds * (OTHERS + 2));
    format!(
        "dropped {rounds}, after up to 3 polls ({} in all), of these stored {}, others {}, failed = 0, twice = 0",
        polls.into_inner(),
        stored.into_inner(),
        rounds * OTHERS
    )
}
