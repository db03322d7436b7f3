//! What finds the events of a stream, and the streams of a category.
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::ops::{Bound, Range};
use std::time::SystemTime;

use es_core::persistence::Slice;
use es_core::{StreamId, Version};
use rustc_hash::FxHashMap;
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct Streams {
    categories: FxHashMap<Cow<'static, str>, Category>,
}

#[derive(Default)]
struct Category {
    runs: FxHashMap<Uuid, Vec<Run>>,
    /// The ids of all streams, in order.
    ids: BTreeSet<Uuid>,
}

/// Events of a stream that came together and stand side by side in the log: with it, loading looks at nothing else but the events.
#[derive(Clone)]
pub(crate) struct Run {
    /// The version before them.
    pub(crate) before: Version,
    /// Where they are in the log.
    pub(crate) places: Range<usize>,
    /// When they were committed.
    pub(crate) time: SystemTime,
    /// Where what else they have in common is.
    pub(crate) append: usize,
}

impl Run {
    /// The version of the last of them.
    fn last(&self) -> u64 {
        self.before.get() + self.places.len() as u64
    }

    /// The places of those whose versions are in a range.
    fn places(&self, versions: &Range<u64>) -> Range<usize> {
        let place = |version: u64| {
            let within = version.clamp(self.before.get() + 1, self.last() + 1);
            self.places.start + index(within - self.before.get() - 1)
        };
        place(versions.start)..place(versions.end)
    }

    /// The version of the event at one of the places.
    pub(crate) fn version(&self, place: usize) -> Version {
        Version::from(self.before.get() + 1 + (place - self.places.start) as u64)
    }
}

impl Streams {
    pub(crate) fn version(&self, stream: &StreamId) -> Version {
        self.runs(stream)
            .last()
            .map_or(Version::NEW, |run| Version::from(run.last()))
    }

    pub(crate) fn push(&mut self, stream: &StreamId, run: Run) {
        // Where there is a category, its name is not copied.
        let category = match self.categories.get_mut(&stream.category) {
            Some(category) => category,
            None => self.categories.entry(stream.category.clone()).or_default(),
        };
        if run.before == Version::NEW {
            category.ids.insert(stream.id);
        }
        // Most streams are of few appends; a vector that grows begins with room for four.
        match category.runs.entry(stream.id) {
            Entry::Occupied(runs) => runs.into_mut().push(run),
            Entry::Vacant(runs) => {
                runs.insert(vec![run]);
            }
        }
    }

    /// The events of a part of a stream, oldest first: the run that each is in, and its place.
    pub(crate) fn chosen(
        &self,
        stream: &StreamId,
        slice: Slice,
    ) -> impl DoubleEndedIterator<Item = (&Run, usize)> {
        let runs = self.runs(stream);
        let head = runs.last().map_or(0, Run::last);
        let after = slice.after.get().min(head);
        let up_to = slice.up_to.get().clamp(after, head);
        let limit = (slice.limit as u64).min(up_to - after);
        let versions = if slice.descending {
            up_to - limit + 1..up_to + 1
        } else {
            after + 1..after + limit + 1
        };
        let first = runs.partition_point(|run| run.last() < versions.start);
        let end = runs.partition_point(|run| run.before.get() + 1 < versions.end);
        let touched = &runs[first..end];
        touched
            .iter()
            .flat_map(move |run| run.places(&versions).map(move |place| (run, place)))
    }

    pub(crate) fn ids(&self, category: &str, after: Option<Uuid>, limit: usize) -> Vec<Uuid> {
        let Some(category) = self.categories.get(category) else {
            return Vec::new();
        };
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let chosen = category.ids.range((begin, Bound::Unbounded));
        chosen.take(limit).copied().collect()
    }

    fn runs(&self, stream: &StreamId) -> &[Run] {
        let category = self.categories.get(&stream.category);
        let runs = category.and_then(|category| category.runs.get(&stream.id));
        runs.map_or(&[], Vec::as_slice)
    }
}

/// A counter as an index; one beyond what this machine can address is beyond every log.
pub(crate) fn index(counter: u64) -> usize {
    usize::try_from(counter).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_stream_is_found_whatever_came_together() {
        let stream = StreamId::new("Lamp", Uuid::nil());
        let mut streams = Streams::default();
        // Where each version is; between the runs others write.
        let mut places = Vec::new();
        for (append, (first, events)) in [(0, 1), (5, 3), (8, 2)].into_iter().enumerate() {
            let run = Run {
                before: streams.version(&stream),
                places: first..first + events,
                time: SystemTime::UNIX_EPOCH,
                append,
            };
            places.extend(run.places.clone());
            streams.push(&stream, run);
        }
        let numbers = || (0..=places.len() + 1).chain([usize::MAX]);
        for (after, up_to) in numbers().flat_map(|after| numbers().map(move |up_to| (after, up_to)))
        {
            for (limit, descending) in numbers().flat_map(|limit| [(limit, false), (limit, true)]) {
                let slice = Slice {
                    after: Version::from(after as u64),
                    up_to: Version::from(up_to as u64),
                    limit,
                    descending,
                };
                let chosen = streams.chosen(&stream, slice);
                let found: Vec<_> = chosen
                    .map(|(run, place)| (run.version(place), place))
                    .collect();

                let versions = (1..).map(Version::from).zip(places.iter().copied());
                let mut expected: Vec<_> = versions
                    .filter(|(version, _)| *version > slice.after && *version <= slice.up_to)
                    .collect();
                if descending {
                    expected.drain(..expected.len().saturating_sub(limit));
                } else {
                    expected.truncate(limit);
                }
                assert_eq!(found, expected, "{slice:?}");
            }
        }
    }
}
