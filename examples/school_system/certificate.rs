//! What the office keeps of each dog, and who keeps it.
use es_core::{Aggregate, BoxError, ProcessManager, Recorded, Root, UnitOfWork, events};
use uuid::Uuid;

use crate::school::DogEvent;

#[derive(Aggregate, Debug)]
#[aggregate("Certificate")]
pub struct Certificate {
    root: Root<Self>,
    pub tricks: u32,
}

#[events]
impl Certificate {
    pub fn id_for(dog: Uuid) -> Uuid {
        Uuid::new_v5(&dog, b"certificate")
    }

    #[event("Opened", id = Self::id_for(*dog))]
    pub fn open(dog: Uuid) -> Self {
        // The id says which dog.
        Self {
            root: Root::new(),
            tricks: 0,
        }
    }

    #[event("Counted")]
    pub fn count(&mut self) {
        self.tricks += 1;
    }
}

/// Counts the tricks of each dog on its certificate. Its checkpoint is stored with what it counted, so each trick counts once.
pub struct Certificates;

impl ProcessManager for Certificates {
    const NAME: &'static str = "certificates";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        if let DogEvent::TrickAdded { .. } = event.event {
            let dog = event.stream.id;
            let found = work.find::<Certificate>(Certificate::id_for(dog)).await?;
            let mut certificate = found.unwrap_or_else(|| Certificate::open(dog));
            certificate.count();
            work.save(certificate);
        }
        Ok(())
    }
}
