//! Faults of reading.
use std::sync::atomic::Ordering;

use bytes::Bytes;
use es_core::persistence::{
    EventStore, Filter, FilterPart, LogPage, Metadata, ReadError, Record, Slice, SnapshotStore,
    Span, Visit,
};
use es_core::{Position, StreamId, Version};
use uuid::Uuid;

use crate::faults::Fault::*;
use crate::store::{Broken, Handle, locked};

impl Broken {
    pub(crate) async fn read_stream_wrongly(
        &self,
        stream: &StreamId,
        mut slice: Slice,
    ) -> Result<Vec<Record>, ReadError> {
        let mut asked = stream.clone();
        match self.fault {
            MixesCategories => asked.category = "Any".into(),
            ForgetsTheOrder => slice.descending = false,
            IgnoresTheLimit => slice.limit = usize::MAX,
            ReadsAThousandAtMost => slice.limit = slice.limit.min(1_000),
            StopsOneBefore if slice.up_to != Version::MAX => {
                slice.up_to = Version::from(slice.up_to.get().saturating_sub(1));
            }
            _ => {}
        }
        let mut records = self.store.read_stream(&asked, slice).await?;
        if self.fault == ForgetsWhatASnapshotCovers {
            let newest = self.store.read_snapshot(&asked, Version::MAX).await?;
            let covered = newest.map_or(Version::NEW, |snapshot| snapshot.version);
            records.retain(|record| record.version > covered);
        }
        self.spoil(&mut records);
        for record in &mut records {
            record.stream = stream.clone();
        }
        Ok(records)
    }

    pub(crate) async fn visit_stream_wrongly(
        &self,
        stream: &StreamId,
        mut slice: Slice,
        visit: &mut Visit<'_>,
    ) -> Result<(), ReadError> {
        match self.fault {
            VisitsForwardsAlone => slice.descending = false,
            VisitsPagesOfAThousand => slice.limit = slice.limit.min(1_000),
            _ => {}
        }
        for record in self.read_stream_wrongly(stream, slice).await? {
            if visit(record.stored()).is_break() && self.fault != GoesOnVisiting {
                break;
            }
        }
        Ok(())
    }

    /// Leaves out the last event of a commit when its page is read for the first time.
    fn hide_half(&self, page: &mut LogPage) {
        if let [.., first, last] = &page.records[..]
            && first.commit == last.commit
            && locked(&self.world.shown).insert(last.position)
        {
            page.read_to = first.position;
            page.records.pop();
        }
    }

    pub(crate) async fn read_log_wrongly(
        &self,
        mut span: Span,
        filter: &Filter,
    ) -> Result<LogPage, ReadError> {
        let mut filter = filter.clone();
        if self.world.log_cut.swap(false, Ordering::SeqCst) {
            let read_to = self.store.head().await?.max(span.after);
            match self.fault {
                SkipsWhatCameWhileDisconnected => {
                    return Ok(LogPage {
                        records: Vec::new(),
                        read_to,
                    });
                }
                RepeatsAPageOnceReconnected => span.after = Position::START,
                _ => return Err(ReadError::Unavailable("the connection was lost".into())),
            }
        }
        match self.fault {
            ReadsTheLogFromOnePlaceForAll if span.after > Position::START => {
                let read_to = self.world.read_to.load(Ordering::SeqCst);
                span.after = span.after.max(Position::from(read_to));
            }
            StartsPagesTwice if span.after > Position::START => {
                span.after = Position::from(span.after.get() - 1);
            }
            ReadsWhatWasThereWhenOpened if self.handle == Handle::Another => {
                span.up_to = span.up_to.min(self.seen_when_opened);
            }
            ReadsTheLogToItsEnd => span.up_to = Position::MAX,
            IgnoresTheFilter => filter = Filter::everything(),
            FiltersByCategoryAlone => filter = by_category_alone(&filter),
            KeepsOnePartOfACategory => filter = without_repeated_categories(&filter),
            LagsBehindNowAndThen if self.count().is_multiple_of(4) => {
                let head = self.store.head().await?;
                let lag = Position::from(head.get().saturating_sub(3));
                span.up_to = span.up_to.min(lag.max(span.after));
            }
            FiltersAfterTheLimit => return self.filtered_after_the_limit(span, &filter).await,
            _ => {}
        }
        let mut page = self.store.read_log(span, &filter).await?;
        if self.fault == ShowsHalfOfACommitFirst {
            self.hide_half(&mut page);
        }
        let read_to = page.read_to.get();
        self.world.read_to.fetch_max(read_to, Ordering::SeqCst);
        let head = self.store.head().await?;
        let last = page.records.last().map(|record| record.position);
        match self.fault {
            SaysItReadToTheLastRecord => page.read_to = last.unwrap_or(span.after),
            SaysItReadToTheEnd => page.read_to = head.max(span.after),
            SaysItReadToTheEndOfTheSpan if last.is_none() => page.read_to = span.up_to,
            CountsFilteredEventsAnew if filter.parts().is_some() => {
                for (place, record) in (1..).zip(&mut page.records) {
                    record.position = Position::from(place);
                }
            }
            ShowsEventsBeforeTheCommit if page.records.len() < span.limit => {
                let within = |record: &&Record| {
                    record.position > page.read_to && record.position <= span.up_to
                };
                let early = locked(&self.world.early);
                let early: Vec<_> = early.iter().filter(within).cloned().collect();
                page.records.extend(early);
            }
            _ => {}
        }
        let records = &mut page.records;
        self.spoil(records);
        if self.fault == ShowsEventsOutOfOrder
            && self.count().is_multiple_of(3)
            && records.len() > 1
        {
            // What one writer committed last is seen before what another did.
            records.remove(0);
        }
        Ok(page)
    }

    async fn filtered_after_the_limit(
        &self,
        span: Span,
        filter: &Filter,
    ) -> Result<LogPage, ReadError> {
        let mut page = self.store.read_log(span, &Filter::everything()).await?;
        page.records
            .retain(|record| filter.admits(&record.stream.category, &record.event));
        Ok(page)
    }

    fn spoil(&self, records: &mut Vec<Record>) {
        match self.fault {
            SwapsNeighbours if records.len() > 1 => records.swap(0, 1),
            DeliversTwice => {
                if let Some(first) = records.first().cloned() {
                    records.insert(0, first);
                }
            }
            ReadsStale => drop(records.pop()),
            CutsPages => records.truncate(500),
            _ => {}
        }
        for record in records {
            let text = String::from_utf8(record.payload.to_vec());
            match (self.fault, text) {
                (CutsAt64KiB, _) => record.payload.truncate(65_536),
                (LosesFloatPrecision, Ok(text)) => {
                    record.payload = Bytes::from(text.replace("0.1,", "0.100000001,"));
                }
                (ReadsLargeNumbersAsFloats, Ok(text)) => {
                    let rounded = text.replace("9007199254740993", "9007199254740992");
                    record.payload = Bytes::from(rounded);
                }
                (LeavesOutNul, Ok(text)) => {
                    record.payload = Bytes::from(text.replace("\\u0000", ""));
                }
                (CutsNamesOfEvents, _) => {
                    record.event = record.event.chars().take(12).collect::<String>().into();
                }
                (ReadsTextOnly, Err(_)) => record.payload = Bytes::from_static(b"?"),
                (ForgetsTheSchema, _) => record.schema = 1,
                (ForgetsMetadata, _) => record.metadata = Metadata::new(),
                (KeepsTheClockOfTheWriter, _) => {
                    let times = locked(&self.world.times);
                    let place = usize::try_from(record.position.get() - 1).unwrap_or(0);
                    record.time = times.get(place).copied().unwrap_or(record.time);
                }
                _ => {}
            }
        }
    }

    pub(crate) async fn read_ids_wrongly(
        &self,
        category: &str,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Uuid>, ReadError> {
        let mut ids = match self.fault {
            ReadsIdsOfEveryCategory => self.ids_of_events(&Filter::everything()).await?,
            ReadsIdsOfEveryEvent => {
                let filter = Filter::category(category.to_owned());
                self.ids_of_events(&filter).await?
            }
            _ => self.store.read_ids(category, None, usize::MAX).await?,
        };
        if self.fault == ReadsIdsOfEveryCategory {
            ids.dedup();
        }
        ids.retain(|id| match self.fault {
            StartsIdsTwice => after.is_none_or(|after| *id >= after),
            _ => after.is_none_or(|after| *id > after),
        });
        ids.truncate(limit);
        if self.fault == ReadsIdsBackwards {
            ids.reverse();
        }
        Ok(ids)
    }

    async fn ids_of_events(&self, filter: &Filter) -> Result<Vec<Uuid>, ReadError> {
        let page = self.store.read_log(Span::all(), filter).await?;
        let mut ids: Vec<_> = page.records.iter().map(|it| it.stream.id).collect();
        ids.sort();
        Ok(ids)
    }
}

/// What of a filter a store keeps that takes its parts one by one.
fn parts(filter: &Filter, keep: impl Fn(&FilterPart, &[FilterPart]) -> Option<Filter>) -> Filter {
    let Some(parts) = filter.parts() else {
        return Filter::everything();
    };
    let kept = (1..).zip(parts);
    let mut kept = kept.filter_map(|(next, part)| keep(part, &parts[next..]));
    let first = kept.next().unwrap_or_else(Filter::everything);
    kept.fold(first, Filter::or)
}

fn by_category_alone(filter: &Filter) -> Filter {
    parts(filter, |part, _| {
        Some(Filter::category(part.category.clone()))
    })
}

/// As a map by category would have it.
fn without_repeated_categories(filter: &Filter) -> Filter {
    parts(filter, |part, later| {
        let category = part.category.clone();
        let repeated = later.iter().any(|later| later.category == category);
        (!repeated).then(|| match part.events.clone() {
            Some(names) => Filter::events(category, names),
            None => Filter::category(category),
        })
    })
}
