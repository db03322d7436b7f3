//! Writing for many: a thread takes all entries that wait into one transaction.
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

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
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let connection = connection(path)?;
        let (jobs, waiting) = mpsc::channel();
        let thread = thread::spawn(move || {
            work(&connection, &waiting).expect("the disk is there and has room");
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

fn work(connection: &Connection, waiting: &Receiver<Job>) -> Result<()> {
    let mut pen = Pen::new(connection)?;
    let mut group = Vec::new();
    while let Ok(first) = waiting.recv() {
        group.push(first);
        group.extend(waiting.try_iter());
        let written = pen.group(group.iter().map(|job| &job.entry))?;
        for (job, written) in group.drain(..).zip(written) {
            // Nobody may be waiting any more.
            drop(job.reply.send(written));
        }
    }
    Ok(())
}
