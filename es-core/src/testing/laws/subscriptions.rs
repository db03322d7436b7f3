//! Law 14: what follows the log.
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use uuid::Uuid;

use super::apps::{PATIENCE, app, assert_waits, handle, next, next_positions, save, within};
use super::parcels::Parcel;
use super::{Harness, not_cut, on_threads, positions};
use crate::application::{Application, Error, LogError, SaveError, Subscription};
use crate::domain::{HasRoot, Position};
use crate::persistence::{AppendError, Filter, Record};

fn parcel(number: u128) -> Parcel {
    Parcel::pack(Uuid::from_u128(number), "a book")
}

async fn weighed(app: &Application, parcel: &mut Parcel, times: u64) {
    for grams in 1..=times {
        parcel.weigh(grams);
    }
    save(app, parcel).await;
}

/// Law 14.
pub async fn a_subscription_yields_what_is_there_then_what_comes(harness: impl Harness) {
    const THERE: u64 = 2_500;
    let app = app(&harness).await;
    let mut parcel = parcel(1);
    weighed(&app, &mut parcel, THERE - 1).await;
    let mut subscription = app.log().subscribe(Position::START);
    let there = next_positions(&mut subscription, THERE).await;
    assert!(there.iter().copied().eq(1..=THERE), "{there:?}");
    for position in THERE + 1..=THERE + 4 {
        assert_waits(&mut subscription).await;
        weighed(&app, &mut parcel, 1).await;
        assert_eq!(next(&mut subscription).await.position.get(), position);
    }
    assert_waits(&mut subscription).await;

    // One that begins within the log gives the same, whole.
    let mut late = app.log().subscribe(Position::from(THERE + 2));
    let mut first = app.log().subscribe(Position::from(THERE + 1));
    next(&mut first).await;
    assert_eq!(next(&mut late).await, next(&mut first).await);
    assert_eq!(next_positions(&mut late, 1).await, [THERE + 4]);
    assert_waits(&mut late).await;
}

/// Law 14.
pub async fn a_filtered_subscription_yields_what_is_admitted_and_no_more(harness: impl Harness) {
    let app = app(&harness).await;
    let packed = Filter::events(Parcel::CATEGORY, ["Packed"]);
    let log = app.log().only(packed);
    let mut subscription = log.subscribe(Position::START);
    let mut expected = Vec::new();
    for number in 1..=4 {
        let position = (number - 1) * 1_200 + 1;
        let mut parcel = parcel(u128::from(number));
        // More than a page of what is not admitted.
        weighed(&app, &mut parcel, 1_199).await;
        assert_eq!(next(&mut subscription).await.position.get(), position);
        expected.push(position);
        weighed(&app, &mut parcel, 0).await;
        assert_waits(&mut subscription).await;
    }
    let mut again = log.subscribe(Position::START);
    assert_eq!(next_positions(&mut again, 4).await, expected);
    assert_waits(&mut again).await;
}

/// Law 14.
pub async fn a_subscription_ends_when_told<H: Harness>(harness: H) {
    let app = app(&harness).await;
    weighed(&app, &mut parcel(1), 4).await;
    let mut subscription = app.log().subscribe(Position::START);
    next(&mut subscription).await;
    subscription.stopper().stop();
    for _ in 0..2 {
        let ended = within(PATIENCE, subscription.next()).await;
        assert!(matches!(ended, Some(None)), "four are left: {ended:?}");
    }

    let mut waiting = app.log().subscribe(Position::from(5));
    let stopper = waiting.stopper();
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let ended = H::block_on(within(PATIENCE, waiting.next()));
            // Nobody listens any more where it took too long.
            let _ = tell.send(matches!(ended, Some(None)));
        });
        thread::sleep(Duration::from_millis(20));
        stopper.stop();
        let ended = told.recv_timeout(Duration::from_secs(1));
        assert_eq!(ended, Ok(true), "who waits is told too");
    });
}

/// Law 14.
pub async fn two_subscriptions_do_not_disturb_each_other(harness: impl Harness) {
    let (app, elsewhere) = (app(&harness).await, app(&harness).await);
    let subscribe = |app: &Application| app.log().subscribe(Position::START);
    let (mut one, mut two) = (subscribe(&app), subscribe(&app));
    let mut behind = subscribe(&elsewhere);
    let mut parcel = parcel(1);
    for round in 0..4 {
        weighed(&app, &mut parcel, if round == 0 { 2 } else { 3 }).await;
        let new: Vec<_> = (round * 3 + 1..=round * 3 + 3).collect();
        assert_eq!(next_positions(&mut one, 3).await, new);
        if round % 2 == 0 {
            assert_waits(&mut one).await;
        }
        assert_eq!(next_positions(&mut two, 1).await, new[..1]);
        // It gives up waiting, and misses nothing.
        assert_waits(&mut one).await;
        assert_eq!(next_positions(&mut two, 2).await, new[1..]);
    }
    one.stopper().stop();
    weighed(&app, &mut parcel, 1).await;
    assert_eq!(next_positions(&mut two, 1).await, [13]);
    let all = next_positions(&mut behind, 13).await;
    assert!(all.iter().copied().eq(1..=13), "{all:?}");
}

/// Law 14.
pub async fn a_subscription_misses_nothing_while_others_write<H: Harness>(harness: H) {
    const WRITERS: usize = 3;
    const COMMITS: u64 = 40;
    const EVENTS: u64 = WRITERS as u64 * COMMITS * 2;
    let apps = [app(&harness).await, app(&harness).await];
    let write = async |number: usize| {
        let mut parcel = parcel(number as u128);
        weighed(&apps[0], &mut parcel, 1).await;
        for _ in 1..COMMITS {
            weighed(&apps[0], &mut parcel, 2).await;
        }
    };
    let read = async |app: &Application| {
        let mut subscription = app.log().subscribe(Position::START);
        let mut seen = Vec::new();
        for _ in 0..EVENTS {
            seen.push(next(&mut subscription).await);
        }
        seen
    };
    // One reads on the handle of the writers, one on its own.
    let seen = on_threads(WRITERS + 2, |number| match number.checked_sub(WRITERS) {
        None => {
            H::block_on(write(number));
            Vec::new()
        }
        Some(reader) => H::block_on(read(&apps[reader])),
    });
    let [one, other]: &[Vec<Record>; 2] = seen.last_chunk().expect("there are two readers");
    assert!(positions(one).into_iter().eq(1..=EVENTS), "{one:?}");
    assert!(one == other, "the two have seen different events");
}

/// Law 14, its last clause.
pub async fn a_subscription_goes_on_after_its_connections_are_cut<H: Harness>(harness: H) {
    const CUTS: u64 = 4;
    let store = Arc::new(harness.open().await);
    let app = Application::new(handle(Arc::clone(&store)));
    let mut parcel = parcel(1);
    save(&app, &mut parcel).await;
    let mut subscription = app.log().subscribe(Position::START);
    assert_eq!(next_positions(&mut subscription, 1).await, [1]);
    for cut in 1..=CUTS {
        if cut % 2 == 0 {
            // It waits when it happens.
            assert_waits(&mut subscription).await;
        }
        let Some(disconnected) = harness.disconnect(&store) else {
            return not_cut::<H>("law 14");
        };
        disconnected.await;
        parcel.weigh(1);
        parcel.weigh(2);
        saved_in_the_end(&app, &mut parcel).await;
        for position in [cut * 2, cut * 2 + 1] {
            let next = next_in_the_end(&mut subscription).await;
            assert_eq!(next.position.get(), position);
        }
    }
    assert_waits(&mut subscription).await;
}

/// Saves again while it is not saved, or that is not known.
async fn saved_in_the_end(app: &Application, parcel: &mut Parcel) {
    let saving = async {
        while let Err(error) = app.save(&mut *parcel).await {
            let again = matches!(
                error,
                Error::Save(SaveError::Unknown { .. } | SaveError::Store(AppendError::Failed(_)))
            );
            assert!(again, "a save in doubt can be settled: {error:?}");
            futures_timer::Delay::new(Duration::from_millis(5)).await;
        }
    };
    let saved = within(PATIENCE * 2, saving).await;
    saved.expect("the store recovers");
}

/// The next record, after whatever errors.
async fn next_in_the_end(subscription: &mut Subscription) -> Record {
    let reading = async {
        loop {
            match subscription.next().await {
                Some(Ok(record)) => return record,
                Some(Err(Error::Log(LogError::Store(_)))) => {}
                other => panic!("it goes on after a broken line: {other:?}"),
            }
        }
    };
    // The store has two seconds for it, and the pauses grow meanwhile.
    let next = within(PATIENCE * 2, reading).await;
    next.expect("it is taken up again")
}
