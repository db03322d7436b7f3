//! Law 21: what an aggregate is does not depend on how it is got.
use std::fmt::Debug;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::apps::handle;
use super::drawing::Draw;
use super::histories::seeds;
use super::parcels::{Parcel, ParcelEvent};
use super::{Harness, at};
use crate::application::{Application, Error, LoadError, SnapshotPolicy};
use crate::domain::{Aggregate, Version};
use crate::testing::VirtualClock;

/// Law 21.
pub async fn with_and_without_snapshots_and_cache_aggregates_are_equal<H: Harness>(harness: H) {
    const STEPS: usize = 16;
    drop(harness);
    for seed in seeds(10) {
        let harness = H::fresh().await;
        let mut play = Play::begin(&harness, seed).await;
        for _ in 0..STEPS {
            play.step().await;
        }
        play.assert_equal("at the end").await;
        let dropped = play.apps[0].drop_snapshots().await;
        dropped.expect("snapshots can be dropped");
        play.assert_equal("without the snapshots").await;
    }
}

/// A random history of few aggregates, written and read by applications that differ in what they keep.
struct Play {
    seed: u64,
    draw: Draw,
    clock: VirtualClock,
    apps: Vec<Application>,
    parcels: Vec<Known>,
}

/// What is known of an aggregate without any store: its events, and when each was saved.
struct Known {
    id: Uuid,
    events: Vec<(ParcelEvent, SystemTime)>,
}

impl Play {
    async fn begin(harness: &impl Harness, seed: u64) -> Self {
        // Pauses between attempts pass at once.
        let clock = VirtualClock::at(at(0)).hurried();
        let every = |events| SnapshotPolicy::Every(NonZeroU64::new(events).expect("not 0"));
        let mut apps = Vec::new();
        for (snapshots, cache) in [
            (every(2), 0),
            (every(3), 2),
            (SnapshotPolicy::ByHand, 100),
            (SnapshotPolicy::Off, 1),
            (SnapshotPolicy::Off, 0),
        ] {
            let app = Application::builder(handle(Arc::new(harness.open().await)));
            let app = app.snapshots(snapshots).cache(cache);
            apps.push(app.clock(clock.clone()).build());
        }
        Self {
            seed,
            draw: Draw::new(seed),
            clock,
            apps,
            parcels: Vec::new(),
        }
    }

    async fn step(&mut self) {
        self.clock
            .advance(Duration::from_micros(self.draw.0.u64(0..3)));
        let app = self.draw.0.choice(&self.apps).expect("there are some");
        let grams: Vec<_> = (0..self.draw.0.usize(1..4))
            .map(|_| self.draw.0.u64(..))
            .collect();
        let weigh = |parcel: &mut Parcel| grams.iter().for_each(|grams| parcel.weigh(*grams));
        let place = self.draw.0.usize(0..4);
        let Some(known) = self.parcels.get_mut(place) else {
            let id = Uuid::from_u128(self.parcels.len() as u128);
            let mut parcel = Parcel::pack(id, "a book");
            weigh(&mut parcel);
            let events = parcel.pending().to_vec();
            let saved = app.save(&mut parcel).await;
            saved.expect("it is saved");
            let mut known = Known {
                id,
                events: Vec::new(),
            };
            known.saved(events, &self.clock);
            return self.parcels.push(known);
        };
        match self.draw.0.u8(0..10) {
            0..6 => {
                let mut events = Vec::new();
                let updated = app.update(known.id, |parcel: &mut Parcel| {
                    weigh(parcel);
                    events = parcel.pending().to_vec();
                });
                let version = updated.await.expect("it is updated").version;
                known.saved(events, &self.clock);
                assert_eq!(version, known.newest(), "seed {}", self.seed);
            }
            6..8 => {
                let found = app.get::<Parcel>(known.id).await;
                let found = found.expect("it is found");
                known.assert_is(&found, known.newest(), &format!("seed {}", self.seed));
            }
            // Where snapshots are off none is taken, which is told.
            _ => drop(app.snapshot::<Parcel>(known.id).await),
        }
    }

    async fn assert_equal(&self, when: &str) {
        for (number, app) in (1..).zip(&self.apps) {
            for known in &self.parcels {
                let case = format!("seed {}, application {number}, {when}", self.seed);
                known.assert_told_by(app, &case).await;
            }
        }
    }
}

impl Known {
    fn saved(&mut self, events: Vec<ParcelEvent>, clock: &VirtualClock) {
        let now = crate::persistence::Clock::now(clock);
        self.events
            .extend(events.into_iter().map(|event| (event, now)));
    }

    fn newest(&self) -> Version {
        Version::from(self.events.len() as u64)
    }

    fn assert_is(&self, found: &Parcel, version: Version, case: &str) {
        let until: Vec<_> = (1..=version.get()).zip(&self.events).collect();
        let events = until.iter().map(|(_, (event, _))| event.clone());
        let expected = Parcel::replay(self.id, events).expect("they can be replayed");
        assert_eq!(*found, expected, "{case}, version {version}");
        let times = (found.created_at(), found.modified_at());
        let time = |saved: Option<&(u64, &(ParcelEvent, SystemTime))>| Some(saved?.1.1);
        let expected = (time(until.first()), time(until.last()));
        assert_eq!(times, expected, "{case}, version {version}");
    }

    async fn assert_told_by(&self, app: &Application, case: &str) {
        for version in (1..=self.newest().get()).map(Version::from) {
            let past = told(app.get_at::<Parcel>(self.id, version).await, case);
            self.assert_is(&past, version, case);
        }
        let beyond = self.newest().next();
        match app.get_at::<Parcel>(self.id, beyond).await {
            Err(Error::Load(LoadError::NoSuchVersion { newest, .. })) => {
                assert_eq!(newest, self.newest(), "{case}");
            }
            other => panic!("{case}: there is no version {beyond}, and not {other:?}"),
        }
        for (_, time) in &self.events {
            for time in [*time - Duration::from_micros(1), *time] {
                self.assert_told_as_of(app, time, case).await;
            }
        }
        let newest = told(app.get::<Parcel>(self.id).await, case);
        self.assert_is(&newest, self.newest(), case);
        let found = told(app.find::<Parcel>(self.id).await, case);
        self.assert_is(&found.expect("it exists"), self.newest(), case);
    }

    async fn assert_told_as_of(&self, app: &Application, time: SystemTime, case: &str) {
        let before = self.events.iter().filter(|(_, saved)| *saved <= time);
        let version = Version::from(before.count() as u64);
        match app.get_as_of::<Parcel>(self.id, time).await {
            Ok(past) if version > Version::NEW => self.assert_is(&past, version, case),
            Err(Error::Load(LoadError::NotYet { .. })) if version == Version::NEW => {}
            other => panic!("{case}: as of {time:?} it had version {version}, not {other:?}"),
        }
    }
}

fn told<T>(answer: Result<T, impl Debug>, case: &str) -> T {
    answer.unwrap_or_else(|error| panic!("{case}: {error:?}"))
}
