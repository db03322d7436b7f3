//! What people and programs see in the database: the view, the notifications, the connections.
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use deadpool_postgres::{ClientWrapper, Hook, HookError, Manager, Pool};
use es_core::persistence::{
    Advance, Append, AppendError, CheckpointStore, Commit, CommitId, EncodedEvent, Epoch,
    EventStore, FollowerId, LeaseRequest, Metadata,
};
use es_core::{Position, StreamId, Version};
use es_store_postgres::testing::TestLog;
use es_store_postgres::{Durability, OpenError, PostgresStore};
use futures_core::future::BoxFuture;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

async fn client(log: &TestLog) -> Client {
    let (client, connection) = tokio_postgres::connect(log.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let path = format!("SET search_path = {}", log.schema());
    client.batch_execute(&path).await.unwrap();
    client
}

fn commit(stream: u128, expected: u64, payloads: &[&[u8]]) -> Commit {
    Commit {
        id: CommitId::draw(),
        time: SystemTime::now(),
        metadata: Metadata::new().actor("alice"),
        appends: vec![Append {
            stream: StreamId::new("Lamp", Uuid::from_u128(stream)),
            expected: Version::from(expected),
            events: payloads
                .iter()
                .map(|payload| EncodedEvent {
                    name: "Switched".into(),
                    schema: 1,
                    payload: Bytes::copy_from_slice(payload),
                })
                .collect(),
        }],
        checkpoint: None,
    }
}

#[tokio::test]
async fn the_view_shows_payloads_as_json_and_says_why_where_it_cannot() {
    let log = TestLog::new().await.unwrap();
    let store = log.store().await.unwrap();
    let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    let payloads: [(&[u8], Option<&str>); 9] = [
        (br#"{"on": true}"#, None),
        (b"[1]", None),
        (b"\x28\xb5\x2f\xfd\x00", Some("compressed")),
        (b"\x87\x00\x00\x00\x01", Some("encrypted")),
        (
            br#"{"text": "\u0000"}"#,
            Some("unsupported Unicode escape sequence"),
        ),
        (b"{\"text\": \"\0\"}", Some("invalid byte sequence")),
        (b"\xff\xfe", Some("invalid byte sequence")),
        (b"", Some("invalid input syntax")),
        (deep.as_bytes(), Some("stack depth limit exceeded")),
    ];
    let bytes: Vec<_> = payloads.iter().map(|(payload, _)| *payload).collect();
    store.commit(commit(1, 0, &bytes)).await.unwrap();
    let mut ancient = commit(2, 0, &[b"{}"]);
    ancient.time = SystemTime::UNIX_EPOCH;
    store.commit(ancient).await.unwrap();

    let people = client(&log).await;
    let statement = "SELECT payload::text, unreadable, metadata->>'actor', time > now() - interval '1 hour', position \
                     FROM es_history ORDER BY position";
    let rows = people.query(statement, &[]).await.unwrap();
    assert_eq!(rows.len(), payloads.len() + 1);
    for (row, (payload, reason)) in rows.iter().zip(payloads) {
        let (shown, unreadable): (Option<&str>, Option<&str>) = (row.get(0), row.get(1));
        match reason {
            None => assert_eq!(
                (shown, unreadable),
                (Some(std::str::from_utf8(payload).unwrap()), None)
            ),
            Some(reason) => {
                assert_eq!(shown, None);
                assert!(unreadable.unwrap().starts_with(reason), "{unreadable:?}");
            }
        }
        assert_eq!(row.get::<_, &str>(2), "alice");
        assert!(row.get::<_, bool>(3));
    }
    // Far away times are no error either.
    let far = "ALTER TABLE es_events DISABLE TRIGGER USER; UPDATE es_events SET time = -9223372036854775808 WHERE position = 1; \
               UPDATE es_events SET time = 9223372036854775807 WHERE position = 2";
    people.batch_execute(far).await.unwrap();
    assert_eq!(people.query(statement, &[]).await.unwrap().len(), 10);
}

#[tokio::test]
async fn a_commit_of_another_handle_wakes_who_waits_also_after_the_line_was_lost() {
    let log = TestLog::new().await.unwrap();
    let (writing, waiting) = (log.store().await.unwrap(), log.store().await.unwrap());
    for version in 0..4 {
        // The first wait begins to listen; whoever waits is also woken once that has begun, as after a line was lost.
        let mut woken = 0;
        while waiting.head().await.unwrap() <= Position::from(version) {
            let changed = waiting.changed();
            if waiting.head().await.unwrap() == Position::from(version) && woken < 2 {
                let writing = writing.clone();
                let written =
                    tokio::spawn(async move { writing.commit(commit(1, version, &[b"{}"])).await });
                changed.await;
                drop(written.await.unwrap());
                woken += 1;
            }
        }
        if version == 1 {
            let people = client(&log).await;
            let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query LIKE 'LISTEN es_%'";
            assert!(!people.query(end, &[]).await.unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn commits_that_wait_together_are_one_transaction() {
    let log = TestLog::new().await.unwrap();
    let store = log.store().await.unwrap();
    store.commit(commit(1, 0, &[b"{}", b"{}"])).await.unwrap();
    let people = client(&log).await;
    let count = "SELECT count(DISTINCT xmin::text) FROM es_events";
    assert_eq!(
        people.query_one(count, &[]).await.unwrap().get::<_, i64>(0),
        1
    );
    let mut sent = Vec::new();
    for stream in 2..66 {
        let store = store.clone();
        sent.push(tokio::spawn(async move {
            store.commit(commit(stream, 0, &[b"{}"])).await
        }));
    }
    for sent in sent {
        sent.await.unwrap().unwrap();
    }
    let groups: i64 = people.query_one(count, &[]).await.unwrap().get(0);
    assert!(groups < 64, "{groups} transactions for 64 commits");
}

/// It has no id in the log by which its fate could be found out, and needs none: it is checked again.
#[tokio::test]
async fn what_only_looks_whether_something_changed_is_asked_again_after_the_line_was_lost() {
    let log = TestLog::new().await.unwrap();
    let store = log.store().await.unwrap();
    store.commit(commit(1, 0, &[b"{}"])).await.unwrap();
    for (expected, holds) in [(1, true), (0, false)] {
        let (people, other) = (client(&log).await, client(&log).await);
        let lock = "BEGIN; SELECT FROM es_log FOR UPDATE";
        people.batch_execute(lock).await.unwrap();
        let checking = store.commit(commit(1, expected, &[]));
        let ending = async {
            let waiting = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                           WHERE application_name = $1 AND pg_blocking_pids(pid) <> '{}'";
            while other
                .query(waiting, &[&log.schema()])
                .await
                .unwrap()
                .is_empty()
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            people.batch_execute("ROLLBACK").await.unwrap();
        };
        let (checked, ()) = tokio::join!(checking, ending);
        match checked {
            Ok(_) => assert!(holds),
            Err(AppendError::Conflict { .. }) => assert!(!holds),
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test]
async fn no_page_is_sorted_and_no_table_is_searched() {
    let log = TestLog::new().await.unwrap();
    let store = log.store().await.unwrap();
    store.commit(commit(1, 0, &[b"{}"])).await.unwrap();
    let people = client(&log).await;
    people
        .batch_execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan")
        .await
        .unwrap();
    for (statement, values) in [
        (
            "SELECT position FROM es_events WHERE position > $1 AND position <= $2 AND (category || '' = ANY ($4) \
             OR (category || '', event) IN (SELECT * FROM unnest($5::text[], $6::text[]))) ORDER BY position LIMIT $3",
            "1, 9, 9, '{Lamp}', '{}', '{}'",
        ),
        (
            "SELECT position FROM es_events WHERE category = $1 AND stream = $2 AND version > $3 ORDER BY version DESC LIMIT $4",
            "'Lamp', '00000000-0000-0000-0000-000000000001', 0, 9",
        ),
    ] {
        people
            .batch_execute(&format!("DEALLOCATE ALL; PREPARE page AS {statement}"))
            .await
            .unwrap();
        let plan = people
            .query(&format!("EXPLAIN EXECUTE page ({values})"), &[])
            .await;
        let plan: Vec<String> = plan.unwrap().iter().map(|row| row.get(0)).collect();
        let plan = plan.join("\n");
        assert!(
            !plan.contains("Sort") && !plan.contains("Seq Scan"),
            "{plan}"
        );
    }
}

#[tokio::test]
async fn connecting_touches_no_table_and_says_nothing_of_passwords() {
    let log = TestLog::new().await.unwrap();
    let people = client(&log).await;
    let wrong = log.url().replace("//es@", "//nobody:SECRET@");
    for url in [
        wrong.as_str(),
        "postgres://es:SECRET@127.0.0.1:1/postgres",
        "postgres://es:SECRET@",
        "postgres://es:SEC RET@host:port/x",
        "host=SECRET password",
        "SECRET",
    ] {
        let builder = PostgresStore::builder(url);
        let mut shown = format!("{builder:?}");
        // Whoever trusts everybody lets this one in.
        match builder.connect().await {
            Ok(store) => shown += &format!("{store:?}"),
            Err(error) => {
                let mut cause: Option<&dyn std::error::Error> = Some(&error);
                while let Some(error) = cause {
                    shown += &format!("{error} {error:?}");
                    cause = error.source();
                }
            }
        }
        assert!(!shown.contains("SECRET"), "{shown}");
    }
    let nowhere = PostgresStore::builder(log.url()).schema("nowhere");
    let store = nowhere.connect().await.unwrap();
    let tables = "SELECT count(*) FROM pg_namespace WHERE nspname = 'nowhere'";
    let count: i64 = people.query_one(tables, &[]).await.unwrap().get(0);
    assert_eq!(count, 0);
    let unmigrated = store.check().await.unwrap_err();
    assert!(
        matches!(
            unmigrated,
            OpenError::Unmigrated {
                found: 0,
                needed: 3,
                ..
            }
        ),
        "{unmigrated:?}"
    );
    assert_eq!(format!("{unmigrated:?}"), unmigrated.to_string());
    assert!(format!("{unmigrated:#?}").starts_with("Unmigrated {\n    log: "));
}

#[tokio::test]
async fn a_password_is_asked_for_at_each_connection() {
    let log = TestLog::new().await.unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let builder = log.builder().password(move || {
        let asked = count.fetch_add(1, Ordering::Relaxed);
        async move {
            match asked {
                2.. => Err("the vault is closed".into()),
                _ => Ok("SECRET".to_owned()),
            }
        }
    });
    let store = builder.clone().connect().await.unwrap();
    store.commit(commit(1, 0, &[b"{}"])).await.unwrap();
    store.head().await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2, "one writes and one reads");
    let refused = builder.connect().await.unwrap_err();
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert_eq!(cause, "the vault is closed");
}

#[tokio::test]
async fn a_session_that_is_careless_by_default_is_made_durable() {
    let log = TestLog::new().await.unwrap();
    // Each answers what it is at, inside the transaction of the writer.
    let people = client(&log).await;
    let spy = "CREATE TABLE seen (setting text); \
               CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                   INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$; \
               ALTER FUNCTION see SET search_path FROM CURRENT; \
               CREATE TRIGGER see AFTER INSERT ON es_events FOR EACH STATEMENT EXECUTE FUNCTION see()";
    people.batch_execute(spy).await.unwrap();
    let careless = format!("{}?options=-c%20synchronous_commit%3Doff", log.url());
    let stores = [
        PostgresStore::builder(&careless),
        PostgresStore::builder(log.url()).durability(Durability::LosesCommitsOnServerCrash),
        PostgresStore::builder(log.url()),
    ];
    for (number, builder) in stores.into_iter().enumerate() {
        let store = builder.schema(log.schema()).connect().await.unwrap();
        store
            .commit(commit(number as u128, 0, &[b"{}"]))
            .await
            .unwrap();
    }
    let seen = people.query("SELECT setting FROM seen", &[]).await.unwrap();
    let seen: Vec<&str> = seen.iter().map(|row| row.get(0)).collect();
    assert_eq!(seen, ["on", "off", "on"]);
}

#[tokio::test]
async fn a_database_that_cannot_keep_every_text_gets_no_tables() {
    let log = TestLog::new().await.unwrap();
    let people = client(&log).await;
    let name = format!("{}_latin", log.schema());
    let create = format!("CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    people.batch_execute(&create).await.unwrap();
    let mut config: tokio_postgres::Config = log.url().parse().unwrap();
    let manager = deadpool_postgres::Manager::new(config.dbname(&name).clone(), NoTls);
    let pool = deadpool_postgres::Pool::builder(manager).build().unwrap();
    let store = PostgresStore::from_pool(pool).connect().await.unwrap();
    let refused = store.migrate().await.unwrap_err();
    drop(store);
    people
        .batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .await
        .unwrap();
    assert!(
        matches!(&refused, OpenError::Encoding { encoding } if encoding == "LATIN1"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_role_whose_transactions_are_others_by_default_reads_and_writes() {
    let log = TestLog::new().await.unwrap();
    let schema = format!("{}_serializable", log.schema());
    let url = format!(
        "{}?options=-c%20default_transaction_read_only%3Don%20-c%20default_transaction_isolation%3Dserializable",
        log.url()
    );
    let builder = PostgresStore::builder(&url).schema(&schema);
    let store = builder.connect().await.unwrap();
    store.migrate().await.unwrap();
    for before in 0..3 {
        store.commit(commit(1, before, &[b"{}"])).await.unwrap();
    }
    assert_eq!(store.owner("lamps").await.unwrap(), "lamps");
    let follower = FollowerId::new("reader", "lamps");
    let request = |epoch| LeaseRequest {
        follower: follower.clone(),
        holder: "one".to_owned(),
        epoch,
        stopped: None,
        length: Duration::from_secs(10),
    };
    let lease = store.lease(request(None)).await.unwrap();
    store.lease(request(Some(lease.epoch))).await.unwrap();
    let people = client(&log).await;
    let drop_it = format!("DROP SCHEMA {schema} CASCADE");
    people.batch_execute(&drop_it).await.unwrap();
}

#[tokio::test]
async fn who_finds_statements_of_others_on_a_connection_is_told_of_the_proxy() {
    let log = TestLog::new().await.unwrap();
    let config = log.url().parse().unwrap();
    // As a proxy that pools transactions lends them: with the statements of whoever had it before.
    let used = Hook::async_fn(|client: &mut ClientWrapper, _| {
        Box::pin(async move {
            let prepare = |name| format!("PREPARE s{name} AS SELECT 1;");
            let prepared: String = (0..10_000).map(prepare).collect();
            let prepared = client.batch_execute(&prepared).await;
            prepared.map_err(HookError::Backend)
        })
    });
    let pool = Pool::builder(Manager::new(config, NoTls)).post_create(used);
    let builder = PostgresStore::from_pool(pool.build().unwrap()).schema(log.schema());
    let store = builder.connect().await.unwrap();
    let refused = store.head().await.unwrap_err();
    let told = std::error::Error::source(&refused).unwrap().to_string();
    assert!(told.contains("max_prepared_statements"), "{told}");
}

#[tokio::test]
async fn a_checkpoint_under_a_lease_is_refused_where_nobody_has_taken_one() {
    let log = TestLog::new().await.unwrap();
    let store = log.store().await.unwrap();
    let follower = FollowerId::new("reader", "lamps");
    let mut fenced = commit(1, 0, &[b"{}"]);
    let mut advance = Advance::new(follower.clone(), Position::START, Position::FIRST);
    advance.epoch = Some(Epoch::from(1));
    fenced.checkpoint = Some(advance);
    let refused = store.commit(fenced).await.unwrap_err();
    assert!(matches!(refused, AppendError::Fenced { .. }), "{refused:?}");
    assert_eq!(store.head().await.unwrap(), Position::START);
    assert_eq!(store.checkpoint(&follower).await.unwrap(), Position::START);
}

#[test]
fn any_executor_may_poll_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let log = runtime.block_on(TestLog::new()).unwrap();
    let store = runtime.block_on(log.store()).unwrap();
    let outside = |future: BoxFuture<'_, Position>| futures_lite::future::block_on(future);
    let head = outside(Box::pin(async {
        store.commit(commit(1, 0, &[b"{}"])).await.unwrap();
        store.verify().await.unwrap();
        store.head().await.unwrap()
    }));
    assert_eq!(head, Position::FIRST);
    let alone = futures_lite::future::block_on(log.builder().connect());
    assert!(matches!(alone, Err(OpenError::NoRuntime)), "{alone:?}");
}
