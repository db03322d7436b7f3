//! Those of a process who decide about one aggregate again take turns: at once, they would only be in each other's way.
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::domain::StreamId;

/// Who stands in line for which stream, the first of whom has the turn.
#[derive(Default)]
pub(in crate::application) struct Turns {
    lines: Mutex<HashMap<StreamId, Line>>,
    /// How many lines there are, so that who is in nobody's way looks no further.
    count: AtomicUsize,
    /// Nobody has the number of another.
    numbers: AtomicU64,
}

/// Never empty; the numbers go up.
#[derive(Default)]
struct Line {
    people: VecDeque<(u64, Option<Waker>)>,
}

impl Turns {
    /// Whether somebody stands in any line.
    pub(super) fn are_taken(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Whether somebody stands in line for the stream.
    pub(super) fn is_taken(&self, stream: &StreamId) -> bool {
        self.lines().contains_key(stream)
    }

    /// Goes to the end of the line. Whoever is dropped leaves it.
    pub(super) fn join(&self, stream: StreamId) -> Turn<'_> {
        let mut lines = self.lines();
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let line = lines.entry(stream.clone()).or_default();
        line.people.push_back((number, None));
        self.count.store(lines.len(), Ordering::Relaxed);
        Turn {
            turns: self,
            stream,
            number,
        }
    }

    /// Somebody leaves the line, or is sent away from it.
    fn leave(&self, stream: &StreamId, number: u64) {
        let mut lines = self.lines();
        let Some(line) = lines.get_mut(stream) else {
            return;
        };
        let Ok(place) = line.place_of(number) else {
            return;
        };
        line.people.remove(place);
        if line.people.is_empty() {
            lines.remove(stream);
            self.count.store(lines.len(), Ordering::Relaxed);
        } else if place == 0
            && let Some((_, waker)) = line.people.front_mut()
        {
            let waker = waker.take();
            drop(lines);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<StreamId, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn place_of(&self, number: u64) -> Result<usize, usize> {
        self.people
            .binary_search_by_key(&number, |(number, _)| *number)
    }
}

/// A place in a line.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    pub(super) stream: StreamId,
    number: u64,
}

impl Turn<'_> {
    /// Waits until it has come; it has, too, for whom was sent away.
    pub(super) async fn comes(&self) {
        poll_fn(|context| {
            let mut lines = self.turns.lines();
            let Some(line) = lines.get_mut(&self.stream) else {
                return Poll::Ready(());
            };
            match line.place_of(self.number) {
                Ok(0) | Err(_) => Poll::Ready(()),
                Ok(place) => {
                    line.people[place].1 = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await;
    }

    /// Who has the turn.
    pub(super) fn first(&self) -> Option<u64> {
        let lines = self.turns.lines();
        let first = lines.get(&self.stream)?.people.front();
        first.map(|(number, _)| *number)
    }

    /// Sends somebody away who still has the turn.
    pub(super) fn pass_over(&self, who: u64) {
        if self.first() == Some(who) {
            self.turns.leave(&self.stream, who);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.leave(&self.stream, self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::poll_once;
    use pollster::block_on;

    use super::*;

    fn stream() -> StreamId {
        StreamId::new("Dog", uuid::Uuid::nil())
    }

    fn has_come(turn: &Turn<'_>) -> bool {
        block_on(poll_once(turn.comes())).is_some()
    }

    #[test]
    fn whoever_comes_back_stands_behind_those_who_wait() {
        let turns = Turns::default();
        let [one, other, third] = [(); 3].map(|()| turns.join(stream()));
        assert_eq!([&one, &other, &third].map(has_come), [true, false, false]);
        drop(one);
        let again = turns.join(stream());
        assert_eq!([&other, &third, &again].map(has_come), [true, false, false]);
        drop(third);
        drop(other);
        assert!(has_come(&again));
    }

    #[test]
    fn who_waits_is_woken_and_a_line_that_nobody_stands_in_is_gone() {
        let turns = Turns::default();
        let one = turns.join(stream());
        std::thread::scope(|threads| {
            let waits = threads.spawn(|| {
                let other = turns.join(stream());
                block_on(other.comes());
            });
            while turns.lines().get(&stream()).is_none_or(|line| {
                let second = line.people.get(1);
                second.is_none_or(|(_, waker)| waker.is_none())
            }) {
                std::thread::yield_now();
            }
            assert!(turns.are_taken());
            drop(one);
            assert!(waits.join().is_ok());
        });
        assert!(!turns.are_taken() && !turns.is_taken(&stream()));
    }

    #[test]
    fn who_was_sent_away_takes_nobodys_place() {
        let turns = Turns::default();
        let (slow, next) = (turns.join(stream()), turns.join(stream()));
        let first = slow.first();
        assert_eq!(first, Some(slow.number));
        next.pass_over(slow.number);
        next.pass_over(slow.number);
        assert!(has_come(&next) && has_come(&slow));
        drop(next);
        let (later, last) = (turns.join(stream()), turns.join(stream()));
        drop(slow);
        assert_eq!([&later, &last].map(has_come), [true, false]);
    }
}
