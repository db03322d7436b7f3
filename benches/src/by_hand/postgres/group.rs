//! Writing for many: a task takes all entries that wait into one statement, which takes the log's lock first.
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, Statement};
use uuid::Uuid;

use super::Place;
use super::rows::{ARRAYS, COLUMNS, ROWS, Rows};
use crate::by_hand::{Dog, Entry, microseconds};

#[derive(Clone)]
pub(crate) struct Group {
    jobs: UnboundedSender<Job>,
}

struct Job {
    entry: Entry,
    reply: oneshot::Sender<bool>,
}

/// It was not written.
#[derive(Debug)]
pub(crate) struct NotSaved;

impl Group {
    /// Starts the task, in which the connection is too, on this runtime.
    pub(crate) async fn start(place: &Place) -> Result<Self, Error> {
        let (client, mut line) = place.dial().await?;
        // The lock is had before the first position is taken, whichever of the two is read first.
        let insert = format!(
            "WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock(7)) \
             INSERT INTO events ({COLUMNS}) {ROWS} locked, {ARRAYS}"
        );
        let insert = line.drive(client.prepare(&insert)).await?;
        let (jobs, waiting) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let worked = line.drive(work(&client, &insert, waiting)).await;
            worked.expect("the server is there, and its disk has room");
        });
        Ok(Self { jobs })
    }

    /// Saves what is pending in a dog.
    pub(crate) async fn save(&self, dog: &mut Dog) -> Result<(), NotSaved> {
        let entry = Entry::of(dog).map_err(|_| NotSaved)?;
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job { entry, reply }).map_err(|_| NotSaved)?;
        if answer.await != Ok(true) {
            return Err(NotSaved);
        }
        dog.saved();
        Ok(())
    }
}

async fn work(
    client: &Client,
    insert: &Statement,
    mut waiting: UnboundedReceiver<Job>,
) -> Result<(), Error> {
    let mut group = Vec::new();
    while let Some(first) = waiting.recv().await {
        group.push(first);
        while let Ok(next) = waiting.try_recv() {
            group.push(next);
        }
        let written = write(client, insert, &group).await?;
        if written || group.len() == 1 {
            for job in group.drain(..) {
                // Nobody may be waiting any more.
                drop(job.reply.send(written));
            }
            continue;
        }
        // One of them is in the way of the others.
        for job in group.drain(..) {
            let written = write(client, insert, std::slice::from_ref(&job)).await?;
            drop(job.reply.send(written));
        }
    }
    Ok(())
}

/// Writes entries in one transaction, and says whether they are written.
async fn write(client: &Client, insert: &Statement, group: &[Job]) -> Result<bool, Error> {
    let mut rows = Rows::default();
    let time = microseconds();
    for job in group {
        rows.push(&job.entry, time, Uuid::now_v7());
    }
    match client.execute(insert, &rows.columns()).await {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Ok(false),
        Err(error) => Err(error),
    }
}
