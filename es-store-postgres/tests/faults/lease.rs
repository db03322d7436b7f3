//! Who holds the lease of a follower and is frozen past it: what it writes once it goes on is refused.
use es_core::persistence::{CheckpointStore, EventStore, FollowerId};
use es_core::{Application, BoxError, Position, Projection, Recorded, System};
use es_store_postgres::{PostgresProjection, PostgresStore, Tables};
use tokio_postgres::Transaction;
use trials::block_on;
use trials::faults::Log;
use trials::faults::lease::{Anything, PATIENCE, system};

use crate::place::Place;
use crate::{Effort, log, process};

/// Notes each event in a table, and says so if it is to.
struct Notes {
    aloud: bool,
}

impl Projection for Notes {
    const NAME: &'static str = "notes";
    type Events = Anything;
}

impl PostgresProjection for Notes {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let notes = tx.table("notes");
        let create = format!(
            "CREATE TABLE {notes} (id bigint GENERATED ALWAYS AS IDENTITY, position bigint)"
        );
        Ok(tx.batch_execute(&create).await?)
    }

    async fn handle(
        &mut self,
        event: Recorded<Anything>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        let insert = format!("INSERT INTO {} (position) VALUES ($1)", tx.table("notes"));
        let insert = tx.prepared(&insert).await?;
        let position = i64::try_from(event.position.get())?;
        tx.execute(&insert, &[&position]).await?;
        if self.aloud {
            process::say("noted");
        }
        Ok(())
    }
}

pub(crate) fn following(store: &PostgresStore, aloud: bool) -> System {
    system(store, store.project(Notes { aloud }))
}

/// Notes what there is.
pub(crate) async fn catch_up(store: &PostgresStore) {
    let settled = following(store, false).settle().await;
    settled.expect("nothing goes wrong");
}

pub(crate) async fn note_inside(store: &PostgresStore, app: &Application) {
    let inline = store.inline(app, Notes { aloud: false }).await;
    inline.expect("it goes on where it was");
}

pub(crate) async fn noted(place: &Place) -> Vec<u64> {
    let query = "SELECT position FROM notes ORDER BY id";
    let rows = place.session().await.query(query, &[]).await;
    let rows = rows.expect("it can be read");
    let positions = rows.iter().map(|row| row.get::<_, i64>(0).unsigned_abs());
    positions.collect()
}

/// A process is stopped in the middle of a batch, another takes over, and the first is woken.
pub(crate) fn a_frozen_holder_is_refused(effort: Effort) -> String {
    let rounds = effort.of(3, 30);
    let place = Place::fresh();
    let store = place.open();
    let id = FollowerId::new("notes", "");
    block_on(async {
        let command = process::command(&["follow-notes", &place.address()]);
        let (mut child, mut lines) = process::start(command);
        let mut written = 0;
        for _ in 0..rounds {
            let mut next = || lines.next().expect("it speaks").expect("it speaks");
            // It is in the middle of what it notes, unless it was done before anybody had read of it.
            while store.checkpoint(&id).await.expect("it can be read").get() == written {
                process::signal(child.id(), "-CONT");
                let many = [(log::stream(1), written.into(), 300)];
                let stored = store.commit(log::commit(&many, 0)).await;
                stored.expect("nobody else writes there");
                written += 300;
                for _ in 0..fastrand::u8(1..20) {
                    while next() != "noted" {}
                }
                process::signal(child.id(), "-STOP");
            }
            let system = following(&store, false);
            let running = system.start();
            let follower = system.follower("notes");
            let reached = follower.wait_for(Position::from(written), PATIENCE).await;
            reached.expect("another takes over, whatever the frozen one holds");
            running.stop().await.expect("it was told to");
            // There is no event that it has not seen, so a note of its own would be the second.
            process::signal(child.id(), "-CONT");
            let mut next = || lines.next().expect("it speaks").expect("it speaks");
            while next() != "fenced" {}
        }
        process::signal(child.id(), "-KILL");
        child.wait().expect("it was killed");
        let head = store.head().await.expect("it can be read").get();
        let expected: Vec<_> = (1..=head).collect();
        let noted = noted(&place).await;
        assert_eq!(noted, expected, "each event once, in order");
        format!("frozen and fenced {rounds} times, events {head}, twice = 0, missing = 0")
    })
}
