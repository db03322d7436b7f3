//! The types of aggregates that an application has, for those who manage it without knowing them.
use std::any::type_name;
use std::fmt;

use uuid::Uuid;

use crate::application::{Application, Result};
use crate::domain::{Aggregate, AggregateId, Declares, Event, EventShape, Version};
use crate::persistence::BoxFuture;

/// Types of aggregates.
#[derive(Debug, Clone, Default)]
pub struct Types {
    all: Vec<AggregateType>,
}

impl Types {
    /// Adds a type.
    #[must_use]
    pub fn aggregate<A: Aggregate>(mut self) -> Self {
        self.all.push(AggregateType {
            category: A::CATEGORY,
            name: type_name::<A>(),
            events: <A as Declares>::Event::SHAPES,
            snapshot: |app, id| {
                let taken = app.snapshot::<A>(A::Id::from_uuid(id));
                Box::pin(taken)
            },
            load: |app, id, version| {
                let app = app.clone();
                Box::pin(async move {
                    let id = A::Id::from_uuid(id);
                    match version {
                        Some(version) => Ok(app.get_at::<A>(id, version).await?.version()),
                        None => Ok(app.get::<A>(id).await?.version()),
                    }
                })
            },
        });
        self
    }

    pub(super) fn all(&self) -> &[AggregateType] {
        &self.all
    }
}

/// A type of aggregate.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct AggregateType {
    /// Under which name its streams are stored.
    pub category: &'static str,
    /// What it is called in the code.
    pub name: &'static str,
    /// What is declared of its events.
    pub events: &'static [EventShape],
    snapshot: fn(&Application, Uuid) -> BoxFuture<'static, Result<Version>>,
    load: fn(&Application, Uuid, Option<Version>) -> BoxFuture<'static, Result<Version>>,
}

impl AggregateType {
    /// Takes a snapshot of an aggregate as it is now, and says the version.
    ///
    /// # Errors
    /// As [`Application::snapshot`].
    pub async fn snapshot(&self, application: &Application, id: Uuid) -> Result<Version> {
        (self.snapshot)(application, id).await
    }

    /// Replays an aggregate, as it is now or at a version, and says the version that it has.
    ///
    /// # Errors
    /// As [`Application::get`] and [`Application::get_at`].
    pub async fn load(
        &self,
        application: &Application,
        id: Uuid,
        version: Option<Version>,
    ) -> Result<Version> {
        (self.load)(application, id, version).await
    }
}

impl fmt::Debug for AggregateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AggregateType")
            .field("category", &self.category)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
