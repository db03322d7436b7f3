//! Writing for many: a thread takes all entries that wait into one transaction.
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Result};

use super::{Pen, connection};
use crate::by_hand::{Dog, Entry};

pub(crate) struct Group {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    entry: Entry,
    reply: oneshot::Sender<bool>,
}

/// It was not written.
#[derive(Debug)]
pub(crate) struct NotSaved;

impl Group {
    /// A group waits so long for those whom the one before answered: with them it is twice as large, where they do nothing else than save.
    pub(crate) fn open(path: &Path, moment: Duration) -> Result<Self> {
        let connection = connection(path)?;
        let (jobs, waiting) = mpsc::channel();
        let thread = thread::spawn(move || {
            work(&connection, &waiting, moment).expect("the disk is there and has room");
        });
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Saves what is pending in a dog.
    pub(crate) async fn save(&self, dog: &mut Dog) -> std::result::Result<(), NotSaved> {
        let written = self.send(dog)?.await;
        settled(dog, written == Ok(true))
    }

    /// As [`save`](Self::save), for a thread that waits.
    pub(crate) fn save_and_wait(&self, dog: &mut Dog) -> std::result::Result<(), NotSaved> {
        let written = self.send(dog)?.recv();
        settled(dog, written == Ok(true))
    }

    fn send(&self, dog: &Dog) -> std::result::Result<oneshot::Receiver<bool>, NotSaved> {
        let entry = Entry::of(dog).map_err(|_| NotSaved)?;
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(NotSaved)?;
        jobs.send(Job { entry, reply }).map_err(|_| NotSaved)?;
        Ok(answer)
    }
}

fn settled(dog: &mut Dog, written: bool) -> std::result::Result<(), NotSaved> {
    if !written {
        return Err(NotSaved);
    }
    dog.saved();
    Ok(())
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it was told to those who waited.
            drop(thread.join());
        }
    }
}

fn work(connection: &Connection, waiting: &Receiver<Job>, moment: Duration) -> Result<()> {
    let mut pen = Pen::new(connection)?;
    let mut group: Vec<Job> = Vec::new();
    let mut expected = 1;
    loop {
        let since = Instant::now();
        while group.len() < expected && since.elapsed() < moment {
            let before = group.len();
            group.extend(waiting.try_iter());
            if group.len() == before {
                thread::yield_now();
            }
        }
        if group.is_empty() {
            let Ok(first) = waiting.recv() else {
                return Ok(());
            };
            group.push(first);
        }
        group.extend(waiting.try_iter());
        let done = group.len();
        let written = pen.group(group.iter().map(|job| &job.entry))?;
        for (job, written) in group.drain(..).zip(written) {
            // Nobody may be waiting any more.
            drop(job.reply.send(written));
        }
        // Those who were answered come again, beside those who came meanwhile.
        group.extend(waiting.try_iter());
        expected = done + group.len();
    }
}
