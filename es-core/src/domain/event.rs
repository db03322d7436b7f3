//! A fact, and what is declared about it.
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The JSON object of an event's fields, as an upcaster changes it.
pub type JsonMap = serde_json::Map<String, serde_json::Value>;

/// What can happen to one type of aggregate: the enum that `#[events]` generates.
///
/// Its serde form is serde's own for an enum of struct variants, one variant per event, each serialised under its
/// stored name. Implement it by hand for an enum of your own, with `#[serde(rename)]` where variant and stored name differ.
pub trait Event:
    Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// One entry for each variant, in the order of declaration.
    const SHAPES: &'static [EventShape];

    /// The stored name of this event.
    fn name(&self) -> &'static str;

    /// The schema version that this event is stored with.
    fn schema(&self) -> u32;

    /// Makes the payload of schema version `from` one of `from + 1`. Called for each step that a stored payload lags behind.
    ///
    /// # Errors
    /// [`UpcastError::Missing`] where the event has no such step; otherwise what the upcaster answered.
    fn upcast(event: &'static str, from: u32, payload: &mut JsonMap) -> Result<(), UpcastError> {
        let _ = payload;
        Err(UpcastError::Missing { event, from })
    }
}

/// The events of one type of aggregate, from the events' side: what `#[events]` implements for the enum that it generates.
#[diagnostic::on_unimplemented(
    message = "`{Self}` are not the events of one aggregate",
    label = "whose events these are is not known",
    note = "take the enum that `#[events]` generates, or an enum of such enums with `#[derive(EventSet)]`"
)]
pub trait EventOf {
    /// The name under which the streams of that aggregate are stored.
    const CATEGORY: &'static str;
}

/// What the code declares about one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventShape {
    /// The stored name, as in `#[event("TrickAdded")]`.
    pub name: &'static str,
    /// Whether it creates an aggregate; otherwise it changes one.
    pub creates: bool,
    /// Names under which it was stored before.
    pub was: &'static [&'static str],
    /// The schema version that the code writes, and the highest it can read.
    pub schema: u32,
    /// What it carries.
    pub fields: &'static [FieldShape],
}

/// What the code declares about one field of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldShape {
    /// The name under which it is stored: that of the parameter, unless `#[serde(rename = "..")]` gives another.
    pub name: &'static str,
    /// Its type as it is written in the code, in its owned form.
    pub ty: &'static str,
    /// Its serde attributes as they are written, or nothing.
    pub serde: &'static str,
}

/// Why a payload did not become one of the next schema version.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpcastError {
    /// Nobody wrote that step.
    #[error("`{event}` has no upcaster from schema {from}; write one")]
    Missing {
        /// The event's stored name.
        event: &'static str,
        /// The schema version of the payload.
        from: u32,
    },
    /// The upcaster could not make sense of the payload, or panicked.
    #[error("the upcaster of `{event}` from schema {from} failed")]
    Failed {
        /// The event's stored name.
        event: &'static str,
        /// The schema version of the payload.
        from: u32,
        /// What it answered, or said when it panicked.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// An event in a place where it cannot be applied: one that creates, after creation, or one that changes, before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misplaced {
    /// The stored name of the event.
    pub event: &'static str,
}
