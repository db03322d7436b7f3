use std::convert::Infallible;

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
pub struct Dog {
    pub name: String,
    pub tricks: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum DogEvent {
    Registered { name: String },
    TrickAdded { trick: String },
}

impl DomainEvent for DogEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Registered { .. } => "Registered".to_owned(),
            Self::TrickAdded { .. } => "TrickAdded".to_owned(),
        }
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

pub enum DogCommand {
    Register(String),
    AddTrick(String),
}

impl Aggregate for Dog {
    const TYPE: &'static str = "Dog";
    type Command = DogCommand;
    type Event = DogEvent;
    type Error = Infallible;
    type Services = ();

    async fn handle(&mut self, command: DogCommand, (): &(), sink: &EventSink<Self>) -> Result<(), Infallible> {
        let event = match command {
            DogCommand::Register(name) => DogEvent::Registered { name },
            DogCommand::AddTrick(trick) => DogEvent::TrickAdded { trick },
        };
        sink.write(event, self).await;
        Ok(())
    }

    fn apply(&mut self, event: DogEvent) {
        match event {
            DogEvent::Registered { name } => self.name = name,
            DogEvent::TrickAdded { trick } => self.tricks.push(trick),
        }
    }
}

pub async fn add_trick(path: &str, id: &str, trick: &str) -> Result<(), cqrs_es::AggregateError<Infallible>> {
    let pool = sqlite_es::default_sqlite_pool(path).await;
    let school = sqlite_es::sqlite_cqrs::<Dog>(pool, Vec::new(), ());
    school.execute(id, DogCommand::AddTrick(trick.to_owned())).await
}
