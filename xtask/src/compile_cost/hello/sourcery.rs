use serde::{Deserialize, Serialize};
use sourcery::store::postgres;
use sourcery::{Apply, DomainEvent, Handle, Repository};
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    pub name: String,
}

impl DomainEvent for Registered {
    const KIND: &'static str = "dog.registered";
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrickAdded {
    pub trick: String,
}

impl DomainEvent for TrickAdded {
    const KIND: &'static str = "dog.trick-added";
}

#[derive(Default, Serialize, Deserialize, sourcery::Aggregate)]
#[aggregate(id = Uuid, error = String, events(Registered, TrickAdded))]
pub struct Dog {
    pub name: String,
    pub tricks: Vec<String>,
}

impl Apply<Registered> for Dog {
    fn apply(&mut self, event: &Registered) {
        self.name.clone_from(&event.name);
    }
}

impl Apply<TrickAdded> for Dog {
    fn apply(&mut self, event: &TrickAdded) {
        self.tricks.push(event.trick.clone());
    }
}

pub struct AddTrick(pub String);

impl Handle<AddTrick> for Dog {
    fn handle(&self, AddTrick(trick): &AddTrick) -> Result<Vec<Self::Event>, Self::Error> {
        Ok(vec![TrickAdded { trick: trick.clone() }.into()])
    }
}

pub async fn add_trick(school: &Repository<postgres::Store<()>>, id: Uuid, trick: &str) -> Option<usize> {
    let command = AddTrick(trick.to_owned());
    school.execute_command::<Dog, AddTrick>(&id, &command, &()).await.ok()?;
    Some(school.load::<Dog>(&id).await.ok()?.tricks.len())
}
