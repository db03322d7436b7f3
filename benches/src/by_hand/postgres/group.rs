//! Writing for many: a task takes all entries that wait into one statement, which takes the log's lock first.
use std::slice;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::yield_now;
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
    ///
    /// A group waits so long for those whom the one before answered: with them it is twice as large, where they do nothing else than save.
    pub(crate) async fn start(place: &Place, moment: Duration) -> Result<Self, Error> {
        let (client, mut line) = place.dial().await?;
        // The lock is had before the first position is taken, whichever of the two is read first.
        let insert = format!(
            "WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock(7)) \
             INSERT INTO events ({COLUMNS}) {ROWS} locked, {ARRAYS}"
        );
        let insert = line.drive(client.prepare(&insert)).await?;
        let (jobs, waiting) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let worked = line.drive(work(&client, &insert, waiting, moment)).await;
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
    moment: Duration,
) -> Result<(), Error> {
    let mut group: Vec<Job> = Vec::new();
    let mut expected = 1;
    loop {
        if group.is_empty() {
            let Some(first) = waiting.recv().await else {
                return Ok(());
            };
            group.push(first);
        }
        let since = Instant::now();
        loop {
            take(&mut waiting, &mut group);
            if group.len() >= expected || since.elapsed() > moment {
                break;
            }
            yield_now().await;
        }
        let done = group.len();
        let written = write(client, insert, &group).await?;
        for job in group.drain(..) {
            let written = match written || done == 1 {
                true => written,
                // One of them is in the way of the others.
                false => write(client, insert, slice::from_ref(&job)).await?,
            };
            // Nobody may be waiting any more.
            drop(job.reply.send(written));
        }
        // Those who were answered come again, beside those who came meanwhile.
        take(&mut waiting, &mut group);
        expected = done + group.len();
    }
}

fn take(waiting: &mut UnboundedReceiver<Job>, group: &mut Vec<Job>) {
    while let Ok(next) = waiting.try_recv() {
        group.push(next);
    }
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
