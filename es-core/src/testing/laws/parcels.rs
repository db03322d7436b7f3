//! What the laws of an application are tried with: an aggregate written by hand, since the macros may be missing.
//!
//! It has all that one can have: snapshots, a copy for the cache, an event with a past, and one that carries whatever JSON can carry.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::{
    Declares, Event, EventShape, Events, FieldShape, HasRoot, JsonMap, Misplaced, Root, Snapshots,
    StreamId, UpcastError, record, record_creation,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Parcel {
    root: Root<Self>,
    label: String,
    /// Every weight, in order.
    grams: Vec<u64>,
    pub(super) contents: Vec<Contents>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum ParcelEvent {
    Packed {
        label: String,
    },
    /// Its first schema had kilos, its second grams with the pallet below, under which everything was weighed.
    Weighed {
        grams: u64,
        by: String,
    },
    Filled {
        with: Contents,
    },
}

/// Whatever JSON can carry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Contents {
    pub(super) text: String,
    pub(super) letter: char,
    pub(super) small: i64,
    pub(super) large: u64,
    pub(super) float: f64,
    pub(super) single: f32,
    pub(super) bytes: Vec<u8>,
    pub(super) numbered: BTreeMap<u32, Option<String>>,
    pub(super) value: Value,
}

const PALLET: u64 = 50;

impl Parcel {
    pub(super) fn pack(id: Uuid, label: &str) -> Self {
        let event = ParcelEvent::Packed {
            label: label.to_owned(),
        };
        record_creation(id, event, Self::labelled(label.to_owned()))
    }

    pub(super) fn weigh(&mut self, grams: u64) {
        let by = "Ann".to_owned();
        let event = ParcelEvent::Weighed { grams, by };
        record(self, event, |parcel| parcel.grams.push(grams));
    }

    pub(super) fn fill(&mut self, with: Contents) {
        let event = ParcelEvent::Filled { with: with.clone() };
        record(self, event, |parcel| parcel.contents.push(with));
    }

    pub(super) fn stream(id: Uuid) -> StreamId {
        StreamId::new(Self::CATEGORY, id)
    }

    fn labelled(label: String) -> Self {
        Self {
            root: Root::new(),
            label,
            grams: Vec::new(),
            contents: Vec::new(),
        }
    }
}

impl HasRoot for Parcel {
    type Id = Uuid;
    const CATEGORY: &'static str = "Parcel";
    const CACHED: Option<fn(&Self) -> Self> = Some(Self::clone);
    const SNAPSHOTS: Option<Snapshots<Self>> = Some(Snapshots {
        every: 5,
        fingerprint: u64::MAX,
        write: serde_json::to_vec,
        read: |state| serde_json::from_slice(state),
    });

    fn root(&self) -> &Root<Self> {
        &self.root
    }

    fn root_mut(&mut self) -> &mut Root<Self> {
        &mut self.root
    }
}

impl Declares for Parcel {
    type Event = ParcelEvent;
}

impl Events for Parcel {
    fn create(event: ParcelEvent) -> Result<Self, Misplaced> {
        match event {
            ParcelEvent::Packed { label } => Ok(Self::labelled(label)),
            other @ (ParcelEvent::Weighed { .. } | ParcelEvent::Filled { .. }) => Err(Misplaced {
                event: other.name(),
            }),
        }
    }

    fn apply(&mut self, event: ParcelEvent) -> Result<(), Misplaced> {
        match event {
            ParcelEvent::Packed { .. } => return Err(Misplaced { event: "Packed" }),
            ParcelEvent::Weighed { grams, .. } => self.grams.push(grams),
            ParcelEvent::Filled { with } => self.contents.push(with),
        }
        Ok(())
    }

    fn difference(&self, other: &Self) -> Option<String> {
        (self != other).then(|| format!("{self:?}\n{other:?}"))
    }
}

impl Event for ParcelEvent {
    const SHAPES: &'static [EventShape] = &[
        EventShape {
            name: "Packed",
            creates: true,
            was: &[],
            schema: 1,
            fields: &[field("label", "String")],
        },
        EventShape {
            name: "Weighed",
            creates: false,
            was: &["WeightTakenByHand"],
            schema: 3,
            fields: &[field("grams", "u64"), field("by", "String")],
        },
        EventShape {
            name: "Filled",
            creates: false,
            was: &[],
            schema: 1,
            fields: &[field("with", "Contents")],
        },
    ];

    fn name(&self) -> &'static str {
        match self {
            Self::Packed { .. } => "Packed",
            Self::Weighed { .. } => "Weighed",
            Self::Filled { .. } => "Filled",
        }
    }

    fn schema(&self) -> u32 {
        match self {
            Self::Packed { .. } | Self::Filled { .. } => 1,
            Self::Weighed { .. } => 3,
        }
    }

    fn upcast(event: &'static str, from: u32, payload: &mut JsonMap) -> Result<(), UpcastError> {
        let number = |found: Option<&Value>| {
            let found = found.and_then(Value::as_u64);
            found.ok_or_else(|| UpcastError::Failed {
                event,
                from,
                source: "there is no weight".into(),
            })
        };
        match (event, from) {
            ("Weighed", 1) => {
                let kilos = number(payload.remove("kilos").as_ref())?;
                payload.insert("grams".to_owned(), (kilos * 1_000).into());
            }
            ("Weighed", 2) => {
                let grams = number(payload.get("grams"))?;
                payload.insert("grams".to_owned(), grams.saturating_sub(PALLET).into());
                payload.insert("by".to_owned(), "hand".into());
            }
            _ => return Err(UpcastError::Missing { event, from }),
        }
        Ok(())
    }
}

const fn field(name: &'static str, ty: &'static str) -> FieldShape {
    FieldShape {
        name,
        ty,
        serde: "",
    }
}
