//! Pages, all of the log that the checkpoint was taken of, and what is in them.
use super::halt::Halt;
use crate::domain::Position;
use crate::persistence::{CommitId, DecodeError, Span};
use crate::system::ahead::Ahead;
use crate::system::followed::Followed;
use crate::system::follower::Batch;
use crate::system::{StopReason, traced};

/// Opens the payloads up to the first that cannot be; where that is the very first, leaves it alone in the batch and says why. Those that were erased
/// on purpose are passed over: nobody can read them any more, whatever is mended.
pub(super) async fn open(followed: &Followed, batch: &mut Batch) -> Option<DecodeError> {
    let records = &mut batch.records;
    let mut opened = 0;
    for place in 0..records.len() {
        match followed.app.open_record(&mut records[place]).await {
            Ok(()) => {
                records.swap(opened, place);
                opened += 1;
            }
            Err(DecodeError::Erased { .. }) => traced::erased(&followed.id, &records[place]),
            Err(error) if opened == 0 => {
                records.swap(0, place);
                records.truncate(1);
                return Some(error);
            }
            Err(_) => {
                let last = &records[opened - 1];
                batch.to = last.position;
                batch.stands_at = Some(last.commit);
                let to = batch.to;
                batch.parking.retain(|parking| parking.position() <= to);
                break;
            }
        }
    }
    records.truncate(opened);
    None
}

/// Reads what comes behind a position, and sees that the log is the one that the checkpoint there was taken of: by the event at the position, which
/// is on the same page where it is one of those that are followed. Not so yet where there are no records, and the page goes further all the same.
pub(super) async fn read(
    followed: &Followed,
    position: Position,
    stands_at: Option<CommitId>,
    up_to: Position,
    limit: usize,
) -> Result<Ahead, Halt> {
    let (log, read_at) = (&followed.log, followed.clock.now());
    let Some(before) = position.get().checked_sub(1).map(Position::from) else {
        let page = log.page(Span::after(position).up_to(up_to).limit(limit));
        return Ok(Ahead::new(position, page.await?, read_at));
    };
    let span = Span::after(before).up_to(up_to);
    let mut page = log.page(span.limit(limit.saturating_add(1))).await?;
    match page.records.first() {
        Some(first) if first.position == position => {
            let found = Some(page.records.remove(0).commit);
            same(position, stands_at, found)?;
        }
        _ => {
            page.records.truncate(limit);
            if page.records.len() == limit {
                let last = page.records.last();
                page.read_to = last.map_or(page.read_to, |last| last.position);
            }
            // Asked last: a log that is the same now was so when the page was read. Where only others' events come next, that is asked once it is
            // known which commit they end with.
            if !page.records.is_empty() || page.read_to <= position {
                is_the_log(followed, position, stands_at).await?;
            }
        }
    }
    Ok(Ahead::new(position, page, read_at))
}

/// Asks whether the log is the one that a commit at a position was of.
pub(super) async fn is_the_log(
    followed: &Followed,
    position: Position,
    commit: Option<CommitId>,
) -> Result<(), Halt> {
    if position == Position::START {
        return Ok(());
    }
    same(position, commit, commit_at(followed, position).await?)
}

/// Stops a follower that finds another commit at a position, or none.
fn same(position: Position, commit: Option<CommitId>, found: Option<CommitId>) -> Result<(), Halt> {
    if StopReason::is_the_log(position, commit, found) {
        return Ok(());
    }
    Err(Halt::Stop(StopReason::restored(position, commit, found)))
}

/// The commit of the event at a position.
pub(super) async fn commit_at(
    followed: &Followed,
    position: Position,
) -> Result<Option<CommitId>, Halt> {
    let before = Position::from(position.get().saturating_sub(1));
    let log = followed.app.log();
    let page = log.page(Span::after(before).up_to(position)).await?;
    Ok(page.records.first().map(|record| record.commit))
}
