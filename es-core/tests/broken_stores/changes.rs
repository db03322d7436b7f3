//! Faults of waiting.
use std::future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use es_core::persistence::EventStore;
use futures_core::future::BoxFuture;

use crate::faults::Fault::*;
use crate::store::Broken;

impl Broken {
    pub(crate) fn changed_wrongly(&self) -> BoxFuture<'static, ()> {
        let store = self.store.clone();
        match self.fault {
            TellsOfNoChange => Box::pin(future::pending()),
            // Not for ever, since whoever waits would never let go of its thread.
            TellsOfAChangeEveryTime
                if self.world.waiting.fetch_add(1, Ordering::SeqCst) < 2_000 =>
            {
                Box::pin(future::ready(()))
            }
            WakesOneOfThree if !self.is_the_third() => Box::pin(future::pending()),
            ListensOnlyWhenPolled => Box::pin(async move { store.changed().await }),
            TellsOfNoDecision => {
                let world = Arc::clone(&self.world);
                let mut changed = store.changed();
                Box::pin(async move {
                    changed.await;
                    while world.quiet.swap(false, Ordering::SeqCst) {
                        changed = store.changed();
                        changed.await;
                    }
                })
            }
            TellsOfEventsAlone => {
                let head = pollster::block_on(store.head()).expect("memory can be read");
                let mut changed = store.changed();
                Box::pin(async move {
                    loop {
                        changed.await;
                        changed = store.changed();
                        if store.head().await.expect("memory can be read") > head {
                            return;
                        }
                    }
                })
            }
            BlocksItsThread => {
                let world = Arc::clone(&self.world);
                Box::pin(async move {
                    // Longer than anybody waits; once, since there are many laws.
                    if world.waiting.fetch_add(1, Ordering::SeqCst) == 0 {
                        thread::sleep(Duration::from_millis(1_500));
                    }
                    store.changed().await;
                })
            }
            _ => store.changed(),
        }
    }

    fn is_the_third(&self) -> bool {
        let before = self.world.waiting.fetch_add(1, Ordering::SeqCst);
        before.is_multiple_of(3)
    }
}
