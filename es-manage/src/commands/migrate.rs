//! The stores of a system, made or brought up to date.
use std::fmt::{self, Write as _};

use es_core::BoxError;
use es_core::persistence::BoxFuture;
use es_core::system::System;
use es_store::Stores;
use serde::Serialize;

use crate::output::{Human, Text};
use crate::status::is_unmigrated;

/// What [`migrate`] did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MigrateReport {
    /// The system.
    pub system: String,
    /// Its applications.
    pub applications: Vec<String>,
    /// Whether there was something to do.
    pub changed: bool,
}

/// Makes the stores of a system, or brings them up to date; where they are, nothing is changed.
///
/// ```
/// # use es_core::system::System;
/// # use es_store::{OpenError, Stores};
/// # async fn run() -> Result<(), es_core::BoxError> {
/// async fn school(stores: Stores) -> Result<System, OpenError> {
///     let school = stores.settings("school").open().await?;
///     Ok(System::new("school").application(&school, |types| types))
/// }
///
/// let report = es_manage::migrate(school, Stores::new()).await?;
/// println!("{}", if report.changed { "migrated" } else { "up to date" });
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// What making the system answers; stores that were opened before are migrated.
pub async fn migrate<R, E>(
    system: impl Fn(Stores) -> R,
    stores: Stores,
) -> Result<MigrateReport, BoxError>
where
    R: Future<Output = Result<System, E>> + Send + 'static,
    E: Into<BoxError>,
{
    migrate_made(
        &|stores| {
            let system = system(stores);
            Box::pin(async move { system.await.map_err(Into::into) })
        },
        stores,
    )
    .await
}

pub(crate) async fn migrate_made(
    make: &dyn Fn(Stores) -> BoxFuture<'static, Result<System, BoxError>>,
    stores: Stores,
) -> Result<MigrateReport, BoxError> {
    let (system, changed) = match make(stores.clone().migrate(false)).await {
        Ok(system) => (system, false),
        Err(error) if is_unmigrated(&error) => (make(stores.migrate(true)).await?, true),
        Err(error) => return Err(error),
    };
    let names = system.applications().filter_map(|(app, _)| app.name());
    Ok(MigrateReport {
        system: system.name().to_owned(),
        applications: names.map(str::to_owned).collect(),
        changed,
    })
}

impl Human for MigrateReport {
    fn human(&self, text: &mut Text) -> fmt::Result {
        let what = if self.changed {
            "migrated"
        } else {
            "up to date"
        };
        writeln!(text, "{}: {what}", self.system)
    }
}
