//! A server that replays what another one writes: it is read, and who wants to write there is told where to go.

use std::error::Error;
use std::fs;
use std::time::Duration;

use es_core::persistence::{AppendError, CheckpointStore, EventStore, FollowerId, LeaseRequest};
use es_core::{Position, Version};
use es_store_postgres::PostgresStore;
use es_store_postgres::testing::{Disk, Server};
use trials::log::{commit, stream};

/// An error and its causes.
fn told(error: &dyn Error) -> String {
    let cause = error.source().map(told).unwrap_or_default();
    format!("{error}\n{cause}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_read_and_says_that_it_takes_no_writes() {
    let mut server = Server::start(Disk::NotWaitedFor).unwrap();
    let primary = PostgresStore::connect(&server.url()).await.unwrap();
    primary.migrate().await.unwrap();
    let written = commit(&[(stream(1), Version::NEW, 1)], 0);
    primary.commit(written).await.unwrap();
    drop(primary);
    // It waits for more to replay, and meanwhile for nobody.
    fs::write(server.folder().join("data/standby.signal"), "").unwrap();
    server.restart().unwrap();

    // Serializable transactions are refused there, so nobody may begin one by default.
    let url = format!(
        "{}?options=-c%20default_transaction_isolation%3Dserializable",
        server.url()
    );
    let standby = PostgresStore::connect(&url).await.unwrap();
    assert_eq!(standby.head().await.unwrap(), Position::FIRST);
    assert!(standby.verify().await.unwrap().findings.is_empty());

    let more = commit(&[(stream(1), Version::FIRST, 1)], 0);
    let not_written = standby.commit(more).await.unwrap_err();
    assert!(
        matches!(not_written, AppendError::Failed(_)),
        "{not_written:?}"
    );
    let request = LeaseRequest {
        follower: FollowerId::new("reader", "lamps"),
        holder: "one".to_owned(),
        length: Duration::from_secs(10),
        epoch: None,
        stopped: None,
    };
    let not_leased = standby.lease(request).await.unwrap_err();
    for refused in [told(&not_written), told(&not_leased)] {
        assert!(refused.contains("connect to the primary"), "{refused}");
    }
}
