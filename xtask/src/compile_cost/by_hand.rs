//! The crate that writes out what the macros would: one serde derive for each enum, the names, the codec, the fold, the methods.
use super::domain::{AGGREGATES, ALL, EVENTS, Field, each, fields, parameters};

pub(super) fn source() -> String {
    let imports = "
use std::collections::BTreeMap;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub struct Misplaced { pub event: &'static str }
";
    imports.to_owned() + &each(0..AGGREGATES, aggregate)
}

fn aggregate(number: usize) -> String {
    let state = each(ALL, |field| format!("pub {}: {}, ", field.name, field.ty));
    let event_type = event_type(number);
    let creation = creation(number);
    let changes = each(1..EVENTS, |event| change(number, event));
    let fold = fold(number);
    format!(
        "
pub struct Thing{number} {{ pub id: Uuid, pub version: u64, pub pending: Vec<Thing{number}Event>, {state} }}

{event_type}

impl Thing{number} {{
    {creation}
    {changes}
    {fold}
    fn record(&mut self, event: Thing{number}Event) {{
        if self.apply(event.clone()).is_ok() {{
            self.pending.push(event);
        }}
    }}
    pub fn replay(id: Uuid, events: Vec<Thing{number}Event>) -> Result<Option<Self>, Misplaced> {{
        let mut events = events.into_iter();
        let Some(first) = events.next() else {{ return Ok(None) }};
        let mut this = Self::create(id, first)?;
        for event in events {{
            this.apply(event)?;
        }}
        Ok(Some(this))
    }}
}}
"
    )
}

fn event_type(number: usize) -> String {
    let variants = each(0..EVENTS, |event| {
        let fields = each(fields(number, event), |field| {
            format!("{}: {}, ", field.name, field.ty)
        });
        format!("{} {{ {fields} }},\n", variant(event))
    });
    let names = each(0..EVENTS, |event| {
        let variant = variant(event);
        format!("Self::{variant} {{ .. }} => \"{variant}\",\n")
    });
    format!(
        "
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Thing{number}Event {{ {variants} }}

impl Thing{number}Event {{
    pub fn name(&self) -> &'static str {{ match self {{ {names} }} }}
    pub fn encode(&self) -> serde_json::Result<Vec<u8>> {{ serde_json::to_vec(self) }}
    pub fn decode(payload: &[u8]) -> serde_json::Result<Self> {{ serde_json::from_slice(payload) }}
}}
"
    )
}

fn creation(aggregate: usize) -> String {
    let set = fields(aggregate, 0);
    let (parameters, event) = (parameters(&set), event_of(aggregate, 0));
    let values = values(&set, |field| field.name.to_owned() + field.owned);
    format!(
        "
    pub fn make({parameters}) -> Self {{
        let event = {event};
        Self {{ id: Uuid::now_v7(), version: 1, pending: vec![event], {values} }}
    }}
"
    )
}

fn change(aggregate: usize, event: usize) -> String {
    format!(
        "
    pub fn change{event}(&mut self, {}) {{ self.record({}); }}
",
        parameters(&fields(aggregate, event)),
        event_of(aggregate, event).replace(".clone()", "")
    )
}

/// The event of these parameters, which are used once more after it.
fn event_of(aggregate: usize, event: usize) -> String {
    let values = each(fields(aggregate, event), |field| {
        let owned = if field.owned.is_empty() {
            ".clone()"
        } else {
            field.owned
        };
        format!("{}: {0}{owned}, ", field.name)
    });
    format!("Thing{aggregate}Event::{} {{ {values} }}", variant(event))
}

fn fold(number: usize) -> String {
    let event_type = format!("Thing{number}Event");
    let names = |event| each(fields(number, event), |field| format!("{}, ", field.name));
    let misplaced = |event| {
        let variant = variant(event);
        format!("{event_type}::{variant} {{ .. }} => Err(Misplaced {{ event: \"{variant}\" }}),\n")
    };
    let values = values(&fields(number, 0), |field| field.name.to_owned());
    let apply = each(1..EVENTS, |event| {
        let changes = each(fields(number, event), |field| {
            format!("self.{} = {0}; ", field.name)
        });
        format!(
            "{event_type}::{} {{ {} }} => {{ {changes} }}\n",
            variant(event),
            names(event)
        )
    });
    format!(
        "
    fn create(id: Uuid, event: {event_type}) -> Result<Self, Misplaced> {{
        match event {{
            {event_type}::Made {{ {} }} => Ok(Self {{ id, version: 1, pending: Vec::new(), {values} }}),
            {}
        }}
    }}
    fn apply(&mut self, event: {event_type}) -> Result<(), Misplaced> {{
        match event {{
            {event_type}::Made {{ .. }} => return Err(Misplaced {{ event: \"Made\" }}),
            {apply}
        }}
        self.version += 1;
        Ok(())
    }}
",
        names(0),
        each(1..EVENTS, misplaced)
    )
}

/// A value for every field of the aggregate: those that are set, and otherwise nothing.
fn values(set: &[Field], value: impl Fn(&Field) -> String) -> String {
    each(ALL, |field| {
        match set.iter().find(|other| other.name == field.name) {
            Some(field) => format!("{}: {}, ", field.name, value(field)),
            None => format!("{}: Default::default(), ", field.name),
        }
    })
}

fn variant(event: usize) -> String {
    match event {
        0 => "Made".to_owned(),
        _ => format!("Changed{event}"),
    }
}
