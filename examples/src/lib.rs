//! What the examples share: the story of an aggregate as a table.

use comfy_table::{Table, presets};
use es_core::application::History;
use es_core::domain::Event;
use es_core::{Aggregate, Result};
use jiff::Timestamp;

/// The history of an aggregate, a row for each event: position, version, event, time and data.
///
/// # Errors
/// As [`History::next`].
pub async fn history_table<A: Aggregate>(mut history: History<A>) -> Result<Table> {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    table.set_header(["position", "version", "event", "time", "data"]);
    while let Some(recorded) = history.next().await {
        let recorded = recorded?;
        let time = Timestamp::try_from(recorded.time)
            .map_or_else(|_| "?".to_owned(), |time| format!("{time:.3}"));
        table.add_row([
            recorded.position.to_string(),
            recorded.version.to_string(),
            recorded.event.name().to_owned(),
            time,
            String::from_utf8_lossy(&recorded.payload).into_owned(),
        ]);
    }
    Ok(table)
}

/// The programs in `docs/` run with the other examples.
#[cfg(doctest)]
mod docs {
    #[doc = include_str!("../../docs/a_store_of_your_own.md")]
    mod a_store_of_your_own {}

    #[doc = include_str!("../../docs/changing_events.md")]
    mod changing_events {}

    #[doc = include_str!("../../docs/correcting_facts.md")]
    mod correcting_facts {}

    #[doc = include_str!("../../docs/deadlines.md")]
    mod deadlines {}

    #[doc = include_str!("../../docs/deployment.md")]
    mod deployment {}

    #[doc = include_str!("../../docs/elsewhere.md")]
    mod elsewhere {}

    #[doc = include_str!("../../docs/existing_data.md")]
    mod existing_data {}

    #[doc = include_str!("../../docs/tracing.md")]
    mod tracing {}
}
