//! The crate that uses the macros.
use super::domain::{AGGREGATES, ALL, EVENTS, each, fields, parameters};

pub(super) fn source() -> String {
    let imports = "
use std::collections::BTreeMap;
use es_core::__private::{decode, encode};
use es_core::domain::ReplayError;
use es_core::persistence::{DecodeError, EncodeError, EncodedEvent, Record};
use es_core::{Aggregate, Root, StreamId, Version, events};
use uuid::Uuid;
";
    imports.to_owned() + &each(0..AGGREGATES, aggregate)
}

fn aggregate(number: usize) -> String {
    let state = each(ALL, |field| format!("pub {}: {}, ", field.name, field.ty));
    let creation = creation(number);
    let changes = each(1..EVENTS, |event| change(number, event));
    // What is generic in the library is compiled where it is used, as an application does.
    format!(
        "
#[derive(Aggregate)]
#[aggregate(\"Thing{number}\")]
pub struct Thing{number} {{ root: Root<Self>, {state} }}

#[events]
impl Thing{number} {{ {creation} {changes} }}

pub fn replay{number}(id: Uuid, events: Vec<Thing{number}Event>) -> Result<Thing{number}, ReplayError> {{
    Thing{number}::replay(id, events)
}}
pub fn encode{number}(events: &[Thing{number}Event], stream: &StreamId) -> Result<Vec<EncodedEvent>, EncodeError> {{
    encode(events, stream, Version::NEW)
}}
pub fn decode{number}(record: &Record) -> Result<Thing{number}Event, DecodeError> {{
    decode(record)
}}
"
    )
}

fn creation(aggregate: usize) -> String {
    let set = fields(aggregate, 0);
    let values = each(ALL, |field| {
        if set.iter().any(|other| other.name == field.name) {
            format!("{}: {0}{}, ", field.name, field.owned)
        } else {
            format!("{}: Default::default(), ", field.name)
        }
    });
    format!(
        "
    #[event(\"Made\")]
    pub fn make({}) -> Self {{ Self {{ root: Root::new(), {values} }} }}
",
        parameters(&set)
    )
}

fn change(aggregate: usize, event: usize) -> String {
    let set = fields(aggregate, event);
    let changes = each(&set, |field| {
        format!("self.{} = {0}{}; ", field.name, field.owned)
    });
    format!(
        "
    #[event(\"Changed{event}\")]
    pub fn change{event}(&mut self, {}) {{ {changes} }}
",
        parameters(&set)
    )
}
