//! Ids of a type of their own, and several ways to be created.
use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CatId(Uuid);

impl From<Uuid> for CatId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl From<CatId> for Uuid {
    fn from(id: CatId) -> Self {
        id.0
    }
}

#[derive(Aggregate, Debug, PartialEq)]
#[aggregate("Cat", id = CatId)]
struct Cat {
    root: Root<Self>,
    friends: Vec<CatId>,
}

#[events]
impl Cat {
    #[event("Born")]
    fn bear() -> Self {
        Self {
            root: Root::new(),
            friends: Vec::new(),
        }
    }

    #[event("Found", id = chosen.clone())]
    fn find(chosen: CatId, friend: impl Into<CatId>) -> Self {
        Self {
            root: Root::new(),
            friends: vec![chosen, friend],
        }
    }

    #[event("Befriended")]
    fn befriend(&mut self, other: &CatId) {
        self.friends.push(other.clone());
    }
}

#[test]
fn an_aggregate_has_ids_of_its_own_type() {
    let cat: CatId = Cat::bear().id();
    assert_eq!(Uuid::from(cat).get_version_num(), 7);
}

#[test]
fn there_may_be_several_creation_events_each_with_its_id() {
    let id = CatId(Uuid::from_u128(5));
    let mut cat = Cat::find(id.clone(), Uuid::from_u128(6));
    assert_eq!(cat.id(), id);
    cat.befriend(&CatId(Uuid::from_u128(7)));
    assert_eq!(cat.friends.len(), 3);
    es_core::testing::assert_replays(&cat);
    es_core::testing::assert_replays(&Cat::bear());
}
