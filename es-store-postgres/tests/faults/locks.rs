//! Somebody holds the log, or does not answer at all.
use std::time::{Duration, Instant};

use es_core::Version;
use es_core::persistence::{AppendError, EventStore};
use es_store_postgres::PostgresStore;
use trials::block_on;
use trials::faults::Log;

use crate::place::Place;
use crate::terminations::Line;
use crate::{Effort, log, process, server};

pub(crate) fn a_held_log_fails_in_time_and_goes_on_once_it_is_free(_: Effort) -> String {
    const PATIENCE: Duration = Duration::from_millis(200);
    let place = Place::fresh();
    let took = block_on(async {
        let builder = place.builder().lock_timeout(PATIENCE);
        let store = builder.connect().await.expect("the server answers");
        store.commit(log::one(1, 0)).await.expect("it is free");
        let holder = place.session().await;
        let hold = "BEGIN; SELECT FROM es_log FOR UPDATE";
        holder.batch_execute(hold).await.expect("it is free");
        let started = Instant::now();
        let refused = store.commit(log::one(1, 1)).await.expect_err("it is held");
        let took = started.elapsed();
        let text = match &refused {
            AppendError::Failed(why) => why.to_string(),
            other => panic!("nothing of it is stored: {other:?}"),
        };
        assert!(text.contains("lock time-out"), "{text}");
        // Readers do not wait.
        store.head().await.expect("it can be read");
        holder.batch_execute("ROLLBACK").await.expect("it is open");
        store.commit(log::one(1, 1)).await.expect("it is free");
        took
    });
    assert!(took >= PATIENCE);
    format!(
        "refused after {} ms, of {} allowed",
        took.as_millis(),
        PATIENCE.as_millis()
    )
}

/// A host vanishes in the middle of a commit: the server has taken the lock for it, and what it says to that does not arrive.
pub(crate) fn who_vanishes_with_the_log_keeps_it_for_a_moment_alone(_: Effort) -> String {
    const LOCK: Duration = Duration::from_secs(4);
    let port = server::server().port();
    let place = Place::fresh();
    let took = block_on(async {
        let line = Line::new(port).await;
        let url = format!("postgres://es@127.0.0.1:{}/postgres", line.port);
        let through = PostgresStore::builder(&url).schema(place.schema());
        let through = through.lock_timeout(LOCK);
        let through = through.statement_timeout(Duration::from_secs(6));
        let vanishing = through.connect().await.expect("the server answers");
        let other = place.builder().connect().await.expect("it answers");
        vanishing.commit(log::one(1, 0)).await.expect("it is free");
        // Who has met another writer takes the lock first, and writes by a second statement.
        other.commit(log::one(2, 0)).await.expect("it is free");
        vanishing.commit(log::one(1, 1)).await.expect("it is free");
        let readers: Vec<_> = (0..3).map(|_| vanishing.head()).collect();
        futures_util::future::join_all(readers).await;

        let session = place.session().await;
        line.deafen();
        let lost = log::one(1, 2);
        let committing = tokio::spawn({
            let (vanishing, lost) = (vanishing.clone(), lost.clone());
            async move { vanishing.commit(lost).await }
        });
        let held = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction' AND query LIKE $1";
        let of_this_log = format!("%{}%", place.schema());
        let begun = Instant::now();
        while session
            .query(held, &[&of_this_log])
            .await
            .expect("it may")
            .is_empty()
        {
            assert!(begun.elapsed() < LOCK, "the server takes the lock");
        }
        line.forget();
        let started = Instant::now();
        let committed = other.commit(log::one(2, 1)).await;
        committed.expect("it is free before anybody gives up");
        let took = started.elapsed();
        assert!(took < LOCK + LOCK / 2, "{took:?}");

        // Whoever vanished finds out by itself, once it is back: what was not written is written, once.
        let committed = committing.await.expect("it does not panic");
        let committed = match committed {
            Err(AppendError::Unavailable(_)) => vanishing.commit(lost.clone()).await,
            answer => answer,
        };
        committed.expect("it is sent again as it was");
        let started = Instant::now();
        for _ in 0..4 {
            vanishing
                .head()
                .await
                .expect("dead connections are given up together");
        }
        let reading = started.elapsed();
        assert!(reading < Duration::from_secs(5), "{reading:?}");
        took
    });
    let whole = log::whole(&place.open());
    assert_eq!((whole.commits.len(), whole.partial), (5, 0));
    format!(
        "the log was free after {} ms; lost = 0, twice = 0",
        took.as_millis()
    )
}

/// To the server a transaction stands still until all of the next statement is there.
pub(crate) fn a_large_commit_over_a_slow_line_is_stored_under_the_lock(_: Effort) -> String {
    const SIZE: usize = 4 * 1024 * 1024;
    let port = server::server().port();
    let place = Place::fresh();
    let took = block_on(async {
        let line = Line::new(port).await;
        let url = format!("postgres://es@127.0.0.1:{}/postgres", line.port);
        let slow = PostgresStore::builder(&url).schema(place.schema());
        let slow = slow.lock_timeout(Duration::from_secs(2)).connect().await;
        let slow = slow.expect("the server answers");
        let other = place.builder().connect().await.expect("it answers");
        slow.commit(log::one(1, 0)).await.expect("it is free");
        // Who has met another writer takes the lock first, and writes by a second statement.
        other.commit(log::one(2, 0)).await.expect("it is free");
        slow.commit(log::one(1, 1)).await.expect("it is free");
        line.slow_down(3);
        let large = log::commit(&[(log::stream(1), Version::from(2), 1)], SIZE);
        let started = Instant::now();
        let committed = slow.commit(large).await;
        committed.expect("it is allowed the time that sending takes");
        started.elapsed()
    });
    let whole = log::whole(&place.open());
    assert_eq!((whole.commits.len(), whole.partial), (4, 0));
    format!("{SIZE} bytes were stored in {} ms", took.as_millis())
}

pub(crate) fn a_server_that_does_not_answer_is_given_up(_: Effort) -> String {
    let place = Place::fresh();
    block_on(async {
        // It takes connections, and says nothing.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let port = silent.local_addr().expect("it is bound").port();
        let url = format!("postgres://es@127.0.0.1:{port}/postgres?connect_timeout=1");
        let started = Instant::now();
        let refused = PostgresStore::connect(&url).await;
        assert!(refused.is_err(), "{refused:?}");
        assert!(started.elapsed() >= Duration::from_millis(900));

        // Nobody is there.
        drop(silent);
        let refused = PostgresStore::connect(&url).await;
        assert!(refused.is_err(), "{refused:?}");

        // A session that stands still: its process is stopped while it holds nothing.
        let builder = place
            .builder()
            .statement_timeout(Duration::from_millis(100));
        let store = builder.connect().await.expect("the server answers");
        store.commit(log::one(1, 0)).await.expect("it answers");
        let session = place.session().await;
        let pids = session
            .query(
                "SELECT pid FROM pg_stat_activity WHERE application_name = $1",
                &[&place.schema()],
            )
            .await
            .expect("it may");
        let signal = |signal: &str| {
            for row in &pids {
                let pid: i32 = row.get(0);
                process::signal(pid, signal);
            }
        };
        signal("-STOP");
        let commit = log::one(1, 1);
        let answer = store.commit(commit.clone()).await;
        signal("-CONT");
        // It was given up, and either settled on another connection or left in doubt.
        assert!(
            matches!(answer, Ok(_) | Err(AppendError::Unavailable(_))),
            "{answer:?}"
        );
        let committed = loop {
            match store.commit(commit.clone()).await {
                Ok(committed) => break committed,
                Err(AppendError::Unavailable(_)) => tokio::task::yield_now().await,
                Err(other) => panic!("sent again it is what it was: {other:?}"),
            }
        };
        assert_eq!(committed.position, Some(2.into()));
        assert_eq!(store.head().await.expect("it can be read"), 2.into());
    });
    "servers tried 3, hanging = 0, twice = 0".to_owned()
}
