//! What random histories are made of: few streams, few names, few ids, so that they meet.
use bytes::Bytes;
use fastrand::Rng;
use serde_json::Value;
use uuid::Uuid;

use super::at;
use super::model::Model;
use super::parcels::Contents;
use crate::domain::{Position, StreamId, Version};
use crate::persistence::{
    Advance, Append, Commit, CommitId, EncodedEvent, Filter, FollowerId, Metadata, Slice, Snapshot,
    Span,
};

/// Draws from a seed.
pub(super) struct Draw(pub(super) Rng);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    pub(super) fn one_of<T: Copy>(&mut self, few: &[T]) -> T {
        few[self.0.usize(0..few.len())]
    }

    pub(super) fn category(&mut self) -> &'static str {
        self.one_of(&["Dog", "Cat", "dog"])
    }

    pub(super) fn name(&mut self) -> &'static str {
        self.one_of(&["Born", "Barked", "It's \"\u{fc}\""])
    }

    pub(super) fn id(&mut self) -> CommitId {
        CommitId::from(Uuid::from_u128(self.0.u128(..)))
    }

    pub(super) fn stream(&mut self) -> StreamId {
        let id = self.one_of(&[1, 2, u128::MAX]);
        StreamId::new(self.category(), Uuid::from_u128(id))
    }

    pub(super) fn follower(&mut self) -> FollowerId {
        let name = self.one_of(&["books", "members"]);
        FollowerId::new(name, self.one_of(&["school", "library"]))
    }

    pub(super) fn payload(&mut self) -> Bytes {
        let size = self.0.usize(0..12);
        (0..size).map(|_| self.0.u8(..)).collect()
    }

    /// An end of what is read: most often within it.
    pub(super) fn bound(&mut self) -> u64 {
        match self.0.u8(0..10) {
            0 => u64::MAX,
            _ => self.0.u64(0..20),
        }
    }

    pub(super) fn limit(&mut self) -> usize {
        match self.0.bool() {
            true => usize::MAX,
            false => self.0.usize(0..6),
        }
    }

    pub(super) fn slice(&mut self) -> Slice {
        let slice = Slice::all().limit(self.limit());
        let slice = match self.0.bool() {
            true => slice,
            false => slice.after(Version::from(self.bound())),
        };
        let slice = match self.0.bool() {
            true => slice,
            false => slice.up_to(Version::from(self.bound())),
        };
        match self.0.bool() {
            true => slice,
            false => slice.descending(),
        }
    }

    pub(super) fn span(&mut self) -> Span {
        let after = self.one_of(&[0, 1, 5, 20]);
        let span = Span::after(Position::from(after)).limit(self.limit());
        match self.0.bool() {
            true => span,
            false => span.up_to(Position::from(self.bound())),
        }
    }

    pub(super) fn filter(&mut self) -> Filter {
        let mut filter = match self.0.u8(0..4) {
            0 => return Filter::everything(),
            1 => Filter::category(self.category()),
            _ => Filter::events(self.category(), [self.name(), self.name()]),
        };
        while self.0.u8(0..3) == 0 {
            filter = match self.0.bool() {
                true => filter.or_category(self.category()),
                false => filter.or_events(self.category(), [self.name()]),
            };
        }
        filter
    }

    pub(super) fn event(&mut self) -> EncodedEvent {
        EncodedEvent {
            name: self.name().into(),
            schema: self.0.u32(1..4),
            payload: self.payload(),
        }
    }

    pub(super) fn snapshot(&mut self) -> Snapshot {
        Snapshot {
            stream: self.stream(),
            version: Version::from(self.0.u64(1..6)),
            fingerprint: self.0.u64(..),
            state: self.payload(),
        }
    }

    /// Whatever JSON can carry.
    pub(super) fn contents(&mut self) -> Contents {
        let value = self.value(6);
        Contents {
            text: self.text(),
            letter: self.0.char(..),
            small: self.0.i64(..),
            large: self.0.u64(..),
            float: self.float(),
            single: Some(f32::from_bits(self.0.u32(..)))
                .filter(|single| single.is_finite())
                .unwrap_or_default(),
            bytes: self.payload().into(),
            numbered: [(self.0.u32(..), self.0.bool().then(|| self.text()))].into(),
            value,
        }
    }

    fn text(&mut self) -> String {
        let length = self.0.usize(0..12);
        let any = |_| match self.0.bool() {
            true => self.0.char(..),
            false => self.0.char(..='\u{7f}'),
        };
        (0..length).map(any).collect()
    }

    /// Any float that JSON has a form for, down to the bit.
    fn float(&mut self) -> f64 {
        let float = f64::from_bits(self.0.u64(..));
        if float.is_finite() { float } else { 0.1 }
    }

    fn value(&mut self, depth: usize) -> Value {
        let inside = if depth == 0 { 0 } else { self.0.usize(0..4) };
        match self.0.u8(0..7) {
            0 => Value::from(self.0.i64(..)),
            1 => Value::from(self.0.u64(..)),
            2 => Value::from(self.float()),
            3 => Value::from(self.text()),
            4 => Value::from(self.one_of(&[None, Some(true), Some(false)])),
            5 => (0..inside).map(|_| self.value(depth - 1)).collect(),
            _ => {
                let fields = (0..inside).map(|_| (self.text(), self.value(depth - 1)));
                Value::Object(fields.collect())
            }
        }
    }

    /// One that was sent before, or changed since, or a new one.
    pub(super) fn commit(&mut self, model: &Model, sent: &[Commit]) -> Commit {
        let old = self.0.usize(0..sent.len().max(1));
        let old = sent.get(old).cloned();
        match (self.0.u8(0..10), old) {
            (0..2, Some(commit)) => commit,
            // Without events an id is not kept, so who reuses it for nothing cannot be told from who repeats nothing.
            (2, Some(commit)) if !commit.appends.is_empty() => {
                let mut other = self.new_commit(model);
                other.id = commit.id;
                other.appends.push(Append {
                    stream: commit.appends[0].stream.clone(),
                    expected: Version::from(self.0.u64(0..5)),
                    events: vec![self.event()],
                });
                other
            }
            _ => self.new_commit(model),
        }
    }

    fn new_commit(&mut self, model: &Model) -> Commit {
        let mut appends: Vec<Append> = Vec::new();
        for _ in 0..self.one_of(&[0, 1, 1, 1, 2, 3]) {
            let stream = self.stream();
            let earlier: usize = appends
                .iter()
                .filter(|append| append.stream == stream)
                .map(|append| append.events.len())
                .sum();
            let right = model.version(&stream).get() + earlier as u64;
            let expected = self.nearly(right);
            let events = self.one_of(&[0, 1, 1, 2, 3]);
            appends.push(Append {
                stream,
                expected: Version::from(expected),
                events: (0..events).map(|_| self.event()).collect(),
            });
        }
        let checkpoint = (self.0.u8(0..3) == 0).then(|| {
            let follower = self.follower();
            let from = self.nearly(model.checkpoint(&follower).get());
            let further = from + self.0.u64(1..4);
            let to = self.nearly(further);
            Advance::new(follower, Position::from(from), Position::from(to))
        });
        Commit {
            id: self.id(),
            time: at(self.0.u64(0..30)),
            metadata: match self.0.bool() {
                true => Metadata::new(),
                false => Metadata::new().actor("Ann").with("n", self.0.u32(0..9)),
            },
            appends,
            checkpoint,
        }
    }

    /// A number, or more rarely one beside it.
    pub(super) fn nearly(&mut self, number: u64) -> u64 {
        match self.0.u8(0..12) {
            0 => number + 1,
            1 => number.saturating_sub(1),
            _ => number,
        }
    }
}
