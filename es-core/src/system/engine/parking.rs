//! Events that fail, and what waits behind them: tried again, set aside, and taken up again once nothing is in the way.
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::halt::{Halt, is_away, is_lacking, is_not_known, stored};
use super::leasing::renewing;
use super::reading::is_the_log;
use super::{Engine, Run, Turn};
use crate::domain::{Position, StreamId};
use crate::persistence::{Advance, BoxError, DecodeError, Parked, Parking, Record, Span, Verdict};
use crate::system::failure::Then;
use crate::system::followed::Followed;
use crate::system::follower::{Batch, HandleError};
use crate::system::state::{State, told};
use crate::system::{StopReason, traced};

/// How many parked events are tried again before events are read whose streams have nothing to do with them.
pub(super) const IN_A_ROW: usize = 100;

impl Engine<'_> {
    /// Reads what is set aside, where there is something and it was read so long ago or longer; says whether it is now what the store has. Nobody
    /// else sets anything aside under this lease, and whoever does not know what a person decided meanwhile is refused by the store.
    pub(super) async fn look(&mut self, again_after: Duration) -> Result<bool, Halt> {
        let Some(run) = &mut self.run else {
            return Ok(true);
        };
        if run.parked.is_empty() {
            return Ok(true);
        }
        let now = self.followed.clock.now();
        let age = now.duration_since(run.looked);
        if age.is_ok_and(|age| age < again_after) {
            return Ok(false);
        }
        run.parked = self.followed.store.parked(&run.output.follower).await?;
        run.looked = now;
        Ok(true)
    }

    /// Events of streams that are parked wait, beside the others.
    pub(super) fn set_apart(&self, batch: &mut Batch) {
        let Some(run) = &self.run else { return };
        let streams: HashSet<&StreamId> = run.parked.iter().map(|parked| &parked.stream).collect();
        if streams.is_empty() {
            return;
        }
        for record in std::mem::take(&mut batch.records) {
            if streams.contains(&record.stream) {
                batch.parking.push(Parking::Behind {
                    stream: record.stream,
                    position: record.position,
                });
            } else {
                batch.records.push(record);
            }
        }
    }

    /// An event failed once more.
    pub(super) async fn failed(
        &mut self,
        record: &Record,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> Result<Turn, Halt> {
        let failure = told(error);
        if is_not_known(error) {
            self.followed.forget_failure();
            let position = record.position;
            return Err(Halt::Stop(StopReason::NotKnown { position, failure }));
        }
        self.followed.narrow_to(1);
        let attempts = self.followed.count_failure(record.position);
        let policy = self.followed.settings.on_failure;
        if attempts <= policy.retries {
            self.followed.set(State::Retrying {
                position: record.position,
                attempts,
                failure,
            });
            return Ok(Turn::Retry(policy.pauses.draw(attempts)));
        }
        self.followed.forget_failure();
        if is_away(error) {
            return Err(Halt::Away(failure));
        }
        if is_lacking(error) {
            let position = record.position;
            return Err(Halt::Stop(StopReason::NotKnown { position, failure }));
        }
        match policy.then {
            Then::Stop => Err(Halt::Stop(StopReason::Failed {
                position: record.position,
                stream: record.stream.clone(),
                event: record.event.clone().into_owned(),
                attempts,
                failure,
            })),
            Then::Park => {
                let Some(run) = &self.run else {
                    return Ok(Turn::Moved(0));
                };
                traced::parked(&self.followed.id, record, attempts, &failure);
                // What waits behind another event, and stands before this one, is read again: nothing is lost by its waiting for that.
                let streams: HashSet<_> = run.parked.iter().map(|parked| &parked.stream).collect();
                let between = Span::after(run.position).up_to(record.position);
                let mut parking = Vec::new();
                if !streams.is_empty() {
                    let page = self.followed.log.page(between).await?;
                    let waits = |other: &Record| streams.contains(&other.stream);
                    parking.extend(page.records.into_iter().filter(waits).map(|other| {
                        Parking::Behind {
                            stream: other.stream,
                            position: other.position,
                        }
                    }));
                }
                parking.push(Parking::Aside {
                    stream: record.stream.clone(),
                    position: record.position,
                    failure,
                    attempts,
                });
                let advance = Advance {
                    stands_at: Some(record.commit),
                    epoch: run.output.epoch,
                    parking,
                    ..Advance::new(run.output.follower.clone(), run.position, record.position)
                };
                self.advance(advance).await?;
                Ok(Turn::Moved(0))
            }
        }
    }

    /// Tries a parked event again whose turn has come.
    pub(super) async fn try_again(&mut self, due: &Parked) -> Result<Turn, Halt> {
        let Some(run) = &self.run else {
            return Ok(Turn::Moved(0));
        };
        let (output, position, stands_at) = (run.output.clone(), run.position, run.stands_at);
        let at = |parking| Advance {
            stands_at,
            epoch: output.epoch,
            parking: vec![parking],
            ..Advance::new(output.follower.clone(), position, position)
        };
        let before = Position::from(due.position.get().saturating_sub(1));
        let page = self
            .followed
            .app
            .log()
            .page(Span::after(before).up_to(due.position))
            .await?;
        is_the_log(self.followed, position, stands_at).await?;
        let handled = match page.records.into_iter().next() {
            None => Err("the log has no such event any more".into()),
            Some(mut record) => match self.followed.app.open_record(&mut record).await {
                Err(DecodeError::Erased { .. }) => {
                    traced::erased(&self.followed.id, &record);
                    let position = due.position;
                    let passed = at(Parking::Handled { position });
                    self.advance(passed).await?;
                    return Ok(Turn::Moved(0));
                }
                Err(error) => Err(BoxError::from(error)),
                Ok(()) => {
                    let batch = Batch {
                        output: output.clone(),
                        from: position,
                        to: position,
                        stands_at,
                        records: vec![record],
                        parking: vec![Parking::Handled {
                            position: due.position,
                        }],
                        dry: None,
                    };
                    let handling = self.follower.handle(Arc::new(batch));
                    let Some(run) = &mut self.run else {
                        return Ok(Turn::Moved(0));
                    };
                    match renewing(self.followed, self.holder, run, handling).await {
                        Ok(_) => Ok(()),
                        Err(HandleError::Event { source, .. }) => Err(source),
                        Err(error) => return Err(stored(error)),
                    }
                }
            },
        };
        match handled {
            Ok(()) => {
                if let Some(run) = &mut self.run {
                    let position = due.position;
                    note(&mut run.parked, &Parking::Handled { position });
                }
                Ok(Turn::Moved(1))
            }
            Err(error) if is_away(&*error) => Err(Halt::Away(told(&*error))),
            // One that only waited has not failed, and does not now.
            Err(error)
                if due.failure.is_none() && (is_not_known(&*error) || is_lacking(&*error)) =>
            {
                Err(Halt::Stop(StopReason::NotKnown {
                    position: due.position,
                    failure: told(&*error),
                }))
            }
            Err(error) => {
                let failed = at(Parking::Failed {
                    position: due.position,
                    failure: told(&*error),
                    attempts: due.attempts.saturating_add(1),
                });
                self.advance(failed).await?;
                Ok(Turn::Moved(0))
            }
        }
    }
}

/// Does to what is known to be parked what a commit did to what is.
pub(super) fn note(parked: &mut Vec<Parked>, parking: &Parking) {
    let new = |stream: &StreamId, position, failure, attempts| Parked {
        stream: stream.clone(),
        position,
        failure,
        attempts,
        since: SystemTime::UNIX_EPOCH,
        retry: false,
    };
    let at = |parked: &[Parked]| {
        let position = parking.position();
        parked.iter().position(|known| known.position == position)
    };
    match parking {
        Parking::Aside {
            stream,
            position,
            failure,
            attempts,
        } => parked.push(new(stream, *position, Some(failure.clone()), *attempts)),
        Parking::Behind { stream, position } => parked.push(new(stream, *position, None, 0)),
        Parking::Handled { .. } => {
            if let Some(place) = at(parked) {
                parked.remove(place);
            }
        }
        Parking::Failed {
            failure, attempts, ..
        } => {
            if let Some(place) = at(parked) {
                let known = &mut parked[place];
                known.failure = Some(failure.clone());
                known.attempts = *attempts;
                known.retry = false;
            }
        }
    }
}

/// The first parked event that is to be tried again: one that somebody asked for, or one that nothing is in the way of any more.
pub(in crate::system) fn due(parked: &[Parked]) -> Option<Parked> {
    let mut seen = HashSet::new();
    let mut first = parked.iter().filter(|parked| seen.insert(&parked.stream));
    first
        .find(|first| first.retry || first.failure.is_none())
        .cloned()
}

/// Looks at what is set aside in what was built, before it takes the place of what readers see, which is as far as `seen` or of a log that is gone.
/// What somebody gave up on there is given up on here, too, and then there is more to handle. Stops where readers would lose what they have: an
/// aggregate that is set aside there not at all, or later.
pub(super) async fn must_go_on(
    followed: &Followed,
    run: &Run,
    seen: Position,
    is_gone: bool,
) -> Result<bool, Halt> {
    let failed = || run.parked.iter().filter(|parked| parked.failure.is_some());
    if failed().next().is_none() {
        return Ok(false);
    }
    // What is known of events of another log says nothing of these.
    let (waiting, dropped) = match is_gone {
        true => (Vec::new(), Vec::new()),
        false => (
            followed.store.parked(&followed.id).await?,
            followed.store.dropped(&followed.id).await?,
        ),
    };
    for failed in failed() {
        let given_up = dropped
            .iter()
            .find(|dropped| dropped.position == failed.position);
        if let Some(given_up) = given_up {
            let verdict = Verdict::Drop {
                position: failed.position,
                by: given_up.by.clone(),
                reason: given_up.reason.clone(),
            };
            let store = &followed.store;
            let decided = store.decide(&run.output.follower, &failed.stream, verdict);
            decided.await.map_err(|error| {
                Halt::Stop(StopReason::Unable {
                    failure: told(&error),
                })
            })?;
            return Ok(true);
        }
    }
    let is_lost = |failed: &&Parked| {
        let mut waiting = waiting
            .iter()
            .filter(|waiting| waiting.stream == failed.stream);
        failed.position <= seen && waiting.all(|waiting| failed.position < waiting.position)
    };
    let mut lost = failed().filter(is_lost);
    match lost.next() {
        None => Ok(false),
        Some(first) => Err(Halt::Stop(StopReason::Incomplete {
            streams: 1 + lost.count(),
            first: first.stream.clone(),
            failure: first.failure.clone().unwrap_or_default(),
        })),
    }
}
