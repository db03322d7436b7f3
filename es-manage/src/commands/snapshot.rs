//! Snapshots of all aggregates that can have any: for a scheduled job.
use std::fmt::{self, Write as _};

use es_core::application::{AggregateType, LoadError, SnapshotError};
use es_core::persistence::ReadError;
use es_core::{Application, Error, ErrorKind, Result, StreamId};
use serde::Serialize;

use super::PAGE;
use super::events::in_short;
use crate::output::{BAD, Human, Text, clean, counted, grouped, styled};
use crate::{Progress, Status};

/// What [`snapshot`] or [`prune_snapshots`] did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SnapshotReport {
    /// The application.
    pub application: Option<String>,
    /// Whether all others of the aggregates were dropped.
    pub pruned: bool,
    /// How many snapshots were taken, type by type.
    pub taken: Vec<Taken>,
    /// Of which aggregates none could be taken.
    pub failed: Vec<NotTaken>,
}

/// How many snapshots of one type were taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Taken {
    /// The stored name of the type.
    pub category: String,
    /// How many.
    pub snapshots: u64,
    /// Of how many aggregates none was taken, because nobody can read their events any more: their key was destroyed on purpose. That is no failure.
    pub erased: u64,
}

/// An aggregate of which no snapshot could be taken. It is what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NotTaken {
    /// Which one.
    pub stream: String,
    /// Why.
    pub message: String,
}

impl SnapshotReport {
    /// The exit status.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.failed.is_empty() {
            Status::Well
        } else {
            Status::Failed
        }
    }
}

/// Takes a snapshot of each aggregate of these types as it is now. One of which none can be taken does not keep the others from theirs, and one that
/// was erased on purpose is passed over.
///
/// # Errors
/// [`Error`], where a type cannot have snapshots, the application does not use them, or the store cannot be reached. What was taken is kept.
pub async fn snapshot(
    app: &Application,
    types: &[AggregateType],
    progress: &dyn Progress,
) -> Result<SnapshotReport> {
    of_types(app, types, false, progress).await
}

/// As [`snapshot`], and drops all others that each of them has: one is kept every time that an aggregate has grown by as many events as it declares, and all but
/// the newest serve only those who ask for its past.
///
/// # Errors
/// As [`snapshot`].
pub async fn prune_snapshots(
    app: &Application,
    types: &[AggregateType],
    progress: &dyn Progress,
) -> Result<SnapshotReport> {
    of_types(app, types, true, progress).await
}

async fn of_types(
    app: &Application,
    types: &[AggregateType],
    pruned: bool,
    progress: &dyn Progress,
) -> Result<SnapshotReport> {
    let mut report = SnapshotReport {
        application: app.name().map(str::to_owned),
        pruned,
        taken: Vec::new(),
        failed: Vec::new(),
    };
    for ty in types {
        progress.begin(ty.category, None);
        let taken = of_type(app, ty, pruned, &mut report.failed, progress).await;
        progress.end();
        report.taken.push(taken?);
    }
    Ok(report)
}

async fn of_type(
    app: &Application,
    ty: &AggregateType,
    pruned: bool,
    failed: &mut Vec<NotTaken>,
    progress: &dyn Progress,
) -> Result<Taken> {
    let mut after = None;
    let mut taken = Taken {
        category: ty.category.to_owned(),
        snapshots: 0,
        erased: 0,
    };
    loop {
        let ids = ty.ids(app, after, PAGE).await?;
        for id in &ids {
            let snapshot = match pruned {
                true => ty.prune_snapshots(app, *id).await,
                false => ty.snapshot(app, *id).await,
            };
            match snapshot {
                Ok(_) => taken.snapshots += 1,
                Err(error) if error.kind() == ErrorKind::Erased => taken.erased += 1,
                Err(error) if concerns_all(&error) => return Err(error),
                Err(error) => failed.push(NotTaken {
                    stream: StreamId::new(ty.category, *id).to_string(),
                    message: in_short(&error),
                }),
            }
            progress.at(taken.snapshots);
        }
        after = ids.last().copied();
        if ids.len() < PAGE {
            return Ok(taken);
        }
    }
}

/// Whether the next aggregate would fare no better.
fn concerns_all(error: &Error) -> bool {
    let load = match error {
        Error::Snapshot(SnapshotError::Load(error)) | Error::Load(error) => error,
        Error::Snapshot(SnapshotError::NotFaithful { .. } | SnapshotError::Codec { .. }) => {
            return false;
        }
        _ => return true,
    };
    matches!(
        load,
        LoadError::Open(_)
            | LoadError::CategoryTaken(_)
            | LoadError::Store {
                source: ReadError::Unavailable(_),
                ..
            }
    )
}

impl Human for SnapshotReport {
    fn human(&self, text: &mut Text) -> fmt::Result {
        for Taken {
            category,
            snapshots,
            erased,
        } in &self.taken
        {
            write!(
                text,
                "{category}: {} taken{}",
                counted(*snapshots, "snapshot"),
                if self.pruned {
                    ", all others dropped"
                } else {
                    ""
                }
            )?;
            if *erased > 0 {
                write!(text, " ({} erased on purpose)", grouped(*erased))?;
            }
            writeln!(text)?;
        }
        if self.taken.is_empty() {
            let name = self.application.as_deref().unwrap_or("the application");
            writeln!(text, "{name}: no type of aggregate asks for snapshots")?;
        }
        for NotTaken { stream, message } in &self.failed {
            let failed = styled("failed", BAD);
            writeln!(text, "{failed}  {}: {}", clean(stream), clean(message))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use es_core::persistence::{Key, Keys, SnapshotStore};
    use es_core::{Aggregate, Root, Version, events};
    use es_store_memory::MemoryStore;
    use serde::{Deserialize, Serialize};

    use super::*;

    /// JSON has no word for a weight that is not a number.
    #[derive(Aggregate, Serialize, Deserialize)]
    #[aggregate("Parcel", snapshot_every = 100)]
    struct Parcel {
        root: Root<Self>,
        weight: f64,
    }

    #[events]
    impl Parcel {
        #[event("Sent")]
        fn send(known: bool) -> Self {
            Self {
                root: Root::new(),
                weight: if known { 1.5 } else { f64::NAN },
            }
        }

        #[event("Opened")]
        fn open(&mut self) {}
    }

    #[test]
    fn pruning_leaves_the_newest_alone() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let store = MemoryStore::new();
            let app = Application::new(store.clone());
            let mut parcel = Parcel::send(true);
            app.save(&mut parcel).await.unwrap();
            let types = [AggregateType::of::<Parcel>()];
            snapshot(&app, &types, &()).await.unwrap();
            parcel.open();
            app.save(&mut parcel).await.unwrap();
            let stream = StreamId::of::<Parcel>(&parcel.id());
            for (prune, first) in [(false, true), (true, false)] {
                let taken = match prune {
                    true => prune_snapshots(&app, &types, &()).await,
                    false => snapshot(&app, &types, &()).await,
                };
                assert_eq!(taken.unwrap().taken[0].snapshots, 1);
                for (version, is_there) in [(1, first), (2, true)] {
                    let version = Version::from(version);
                    let found = store.read_snapshot(&stream, version).await.unwrap();
                    let found = found.is_some_and(|found| found.version == version);
                    assert_eq!(found, is_there, "{version} after pruning: {prune}");
                }
            }
        });
    }

    #[test]
    fn one_of_which_none_can_be_taken_keeps_no_other_from_its_own() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let app = Application::new(MemoryStore::new());
            let mut unfit = Parcel::send(false);
            app.save(&mut unfit).await.unwrap();
            for _ in 0..3 {
                app.save(&mut Parcel::send(true)).await.unwrap();
            }
            let types = [AggregateType::of::<Parcel>()];
            let report = snapshot(&app, &types, &()).await.unwrap();
            assert_eq!(report.taken[0].snapshots, 3);
            let [failed] = &report.failed[..] else {
                panic!("{report:?}");
            };
            assert_eq!(failed.stream, format!("Parcel/{}", unfit.id()));
            assert_eq!(report.status(), Status::Failed);
        });
    }

    #[test]
    fn one_that_was_erased_on_purpose_is_no_failure() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let store = MemoryStore::new();
            let over = |keys: Keys| Application::builder(store.clone()).keys(keys).build();
            let drawn = || Key::generate().unwrap();
            let before = over(Keys::new(1, drawn()));
            before.save(&mut Parcel::send(true)).await.unwrap();
            let app = over(Keys::new(2, drawn()).destroyed(1).unwrap());
            app.save(&mut Parcel::send(true)).await.unwrap();
            let types = [AggregateType::of::<Parcel>()];
            let report = snapshot(&app, &types, &()).await.unwrap();
            assert_eq!(report.failed, []);
            assert_eq!(report.status(), Status::Well);
            assert_eq!(
                serde_json::to_value(&report).unwrap()["taken"],
                serde_json::json!([{"category": "Parcel", "snapshots": 1, "erased": 1}])
            );
            assert_eq!(
                crate::output::said(&report),
                "Parcel: 1 snapshot taken (1 erased on purpose)\n"
            );
        });
    }
}
