//! All laws at once: random histories, played on a store and on a model of one.
//!
//! A history that finds a difference is made shorter while it still does, and printed with the seed that it was drawn from.
use std::env;
use std::fmt::{Debug, Write as _};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::drawing::Draw;
use super::model::Model;
use super::{Harness, not_run};
use crate::domain::{StreamId, Version};
use crate::persistence::{
    Commit, CommitId, Committed, Filter, FollowerId, Slice, Snapshot, Span, Store,
};

const STEPS: usize = 60;

/// Every law that one client can see.
pub async fn random_histories_agree_with_the_model<H: Harness>(mut harness: H) {
    let reopens = harness.reopen().is_some();
    if !reopens {
        not_run::<H>(
            "the law of random histories",
            "over reopening",
            "cannot reopen",
        );
    }
    drop(harness);
    for seed in seeds(200) {
        let steps = draw(seed, reopens);
        if let Err(difference) = play::<H>(&steps).await {
            panic!("{}", report::<H>(seed, steps, difference).await);
        }
    }
}

/// The seeds of the histories that are played: as many as `ES_HISTORIES` says, or else some, and no more once a second has passed. A few are
/// played on slow machines too, and one at least on a store that takes its time for every call.
pub(super) fn seeds(some: u64) -> impl Iterator<Item = u64> {
    const FEW: u64 = 10;
    const SECOND: Duration = Duration::from_secs(1);
    const LONG: Duration = Duration::from_secs(30);
    let asked = env::var("ES_HISTORIES").ok();
    let asked: Option<u64> = asked.map(|number| number.parse().expect("ES_HISTORIES is a number"));
    let began = Instant::now();
    (0..asked.unwrap_or(some)).take_while(move |seed| {
        let patience = if *seed < FEW { LONG } else { SECOND };
        asked.is_some() || *seed == 0 || began.elapsed() < patience
    })
}

/// What is done to a store.
#[derive(Debug, Clone)]
enum Step {
    Commit(Commit),
    Outcome(CommitId),
    ReadStream(StreamId, Slice),
    ReadLog(Span, Filter),
    ReadIds(&'static str, Option<Uuid>, usize),
    Head,
    Checkpoint(FollowerId),
    Owner(&'static str),
    KeepSnapshot(Snapshot),
    ReadSnapshot(StreamId, Version),
    DropSnapshots(Option<StreamId>),
    /// Goes on with another handle, and keeps the first.
    OpenAnother,
    Reopen,
}

/// Where a store and the model gave different answers.
struct Difference {
    step: usize,
    allowed: String,
    found: String,
}

/// Plays a history on a fresh log and on the model, up to the first answer that differs.
async fn play<H: Harness>(steps: &[Step]) -> Result<(), Difference> {
    let mut harness = H::fresh().await;
    let mut handles = vec![harness.open().await];
    let mut model = Model::default();
    for (step, action) in steps.iter().enumerate() {
        match action {
            Step::OpenAnother => {
                let another = harness.open().await;
                handles.push(another);
                continue;
            }
            Step::Reopen => {
                handles.clear();
                if let Some(reopened) = harness.reopen() {
                    handles.push(reopened.await);
                    continue;
                }
                panic!("the harness could reopen another log");
            }
            _ => {}
        }
        let handle = &handles[step % handles.len()];
        let allowed = answers_of_the_model(&mut model, action);
        let found = answer_of_the_store(handle, action).await;
        if !allowed.contains(&found) {
            return Err(Difference {
                step,
                allowed: allowed.join("\nor       "),
                found,
            });
        }
    }
    Ok(())
}

/// An answer as text: errors cannot be compared otherwise.
fn said<E: Debug>(answer: Result<impl Debug, E>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => format!("refused: {error:?}"),
    }
}

/// A commit without events has no records whose time could be told.
fn timed<E>(result: Result<Committed, E>) -> Result<impl Debug, E> {
    result.map(|committed| {
        let time = committed.position.map(|_| committed.time);
        (committed.commit, committed.position, time)
    })
}

fn answers_of_the_model(model: &mut Model, step: &Step) -> Vec<String> {
    let ok = |answer: &dyn Debug| vec![format!("{answer:?}")];
    match step {
        Step::Commit(commit) => match model.commit(commit) {
            Err(refusals) => refusals
                .into_iter()
                .map(|it| said(Err::<(), _>(it)))
                .collect(),
            Ok(committed) => vec![said(timed(Ok::<_, ()>(committed)))],
        },
        Step::Outcome(commit) => ok(&model.outcome(*commit)),
        Step::ReadStream(stream, slice) => ok(&model.read_stream(stream, *slice)),
        Step::ReadLog(span, filter) => ok(&model.read_log(*span, filter)),
        Step::ReadIds(category, after, limit) => ok(&model.read_ids(category, *after, *limit)),
        Step::Head => ok(&model.head()),
        Step::Checkpoint(follower) => ok(&model.checkpoint(follower)),
        Step::Owner(name) => ok(&model.owner(name)),
        Step::ReadSnapshot(stream, up_to) => ok(&model.read_snapshot(stream, *up_to)),
        Step::KeepSnapshot(snapshot) => {
            model.keep_snapshot(snapshot);
            ok(&())
        }
        Step::DropSnapshots(stream) => {
            model.drop_snapshots(stream.as_ref());
            ok(&())
        }
        Step::OpenAnother | Step::Reopen => Vec::new(),
    }
}

async fn answer_of_the_store(store: &impl Store, step: &Step) -> String {
    match step {
        Step::Commit(commit) => said(timed(store.commit(commit.clone()).await)),
        Step::Outcome(commit) => said(store.outcome(*commit).await),
        Step::ReadStream(stream, slice) => said(store.read_stream(stream, *slice).await),
        Step::ReadLog(span, filter) => said(store.read_log(*span, filter).await),
        Step::ReadIds(category, after, limit) => {
            said(store.read_ids(category, *after, *limit).await)
        }
        Step::Head => said(store.head().await),
        Step::Checkpoint(follower) => said(store.checkpoint(follower).await),
        Step::Owner(name) => said(store.owner(name).await),
        Step::KeepSnapshot(snapshot) => said(store.keep_snapshot(snapshot.clone()).await),
        Step::ReadSnapshot(stream, up_to) => said(store.read_snapshot(stream, *up_to).await),
        Step::DropSnapshots(stream) => said(store.drop_snapshots(stream.as_ref()).await),
        Step::OpenAnother | Step::Reopen => String::new(),
    }
}

/// Drops what a failing history does not need, and says what is left.
async fn report<H: Harness>(seed: u64, mut steps: Vec<Step>, mut difference: Difference) -> String {
    steps.truncate(difference.step + 1);
    let mut place = steps.len();
    while place > 0 {
        place -= 1;
        let mut fewer = steps.clone();
        fewer.remove(place);
        if let Err(found) = play::<H>(&fewer).await {
            fewer.truncate(found.step + 1);
            place = place.min(fewer.len());
            (steps, difference) = (fewer, found);
        }
    }
    let mut report = format!("the history of seed {seed} shows a difference, as do these steps:\n");
    for (number, step) in (1..).zip(&steps) {
        // Writing to a string cannot fail.
        let _ = writeln!(report, "{number:3}. {step:?}");
    }
    let Difference { allowed, found, .. } = difference;
    report + &format!("after the last one\nthe store: {found}\nexpected: {allowed}\n")
}

/// Draws a history. The model goes along, so that most commits are made for the right versions.
fn draw(seed: u64, reopens: bool) -> Vec<Step> {
    let mut draw = Draw::new(seed);
    let mut model = Model::default();
    let mut sent: Vec<Commit> = Vec::new();
    let mut steps = Vec::new();
    for _ in 0..STEPS {
        let step = match draw.0.u8(0..100) {
            0..40 => {
                let commit = draw.commit(&model, &sent);
                sent.push(commit.clone());
                Step::Commit(commit)
            }
            40..45 => Step::Outcome(match draw.0.choice(&sent) {
                Some(commit) => commit.id,
                None => draw.id(),
            }),
            45..55 => Step::ReadStream(draw.stream(), draw.slice()),
            55..70 => Step::ReadLog(draw.span(), draw.filter()),
            70..75 => {
                let after = draw.0.bool().then(|| draw.stream().id);
                Step::ReadIds(draw.category(), after, draw.limit())
            }
            75..78 => Step::Head,
            78..82 => Step::Checkpoint(draw.follower()),
            82..84 => Step::Owner(draw.one_of(&["school", "library"])),
            84..89 => Step::KeepSnapshot(draw.snapshot()),
            89..94 => Step::ReadSnapshot(draw.stream(), Version::from(draw.bound())),
            94..96 => {
                let one = draw.0.u8(0..4) > 0;
                Step::DropSnapshots(one.then(|| draw.stream()))
            }
            96..98 if reopens => Step::Reopen,
            _ => Step::OpenAnother,
        };
        answers_of_the_model(&mut model, &step);
        steps.push(step);
    }
    steps
}
