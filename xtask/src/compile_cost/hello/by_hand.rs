use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub enum DogEvent {
    Registered { name: String },
    TrickAdded { trick: String },
}

#[derive(Default)]
pub struct Dog {
    pub name: String,
    pub tricks: Vec<String>,
}

impl Dog {
    pub fn apply(&mut self, event: DogEvent) {
        match event {
            DogEvent::Registered { name } => self.name = name,
            DogEvent::TrickAdded { trick } => self.tricks.push(trick),
        }
    }

    pub fn of(payloads: &[Vec<u8>]) -> serde_json::Result<Self> {
        let mut dog = Self::default();
        for payload in payloads {
            dog.apply(serde_json::from_slice(payload)?);
        }
        Ok(dog)
    }
}
