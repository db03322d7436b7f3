//! One category, one type: two types under one stored name would read each other's streams.
use std::any::{TypeId, type_name};
use std::sync::{PoisonError, RwLock};

use crate::domain::Aggregate;

/// Two types of aggregates under one stored name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{second}` is stored as `{category}`, and so is `{first}`; give one of them another name in `#[aggregate(\"…\")]`"
)]
pub struct CategoryTaken {
    /// The stored name.
    pub category: &'static str,
    /// The type that was used under it first.
    pub first: &'static str,
    /// The type that was refused.
    pub second: &'static str,
}

/// The types that an application has seen.
#[derive(Debug, Default)]
pub struct Categories {
    claims: RwLock<Vec<Claim>>,
}

#[derive(Debug)]
struct Claim {
    category: &'static str,
    id: TypeId,
    name: &'static str,
}

impl Categories {
    /// Claims its category for a type, once and for all.
    pub(crate) fn claim<A: Aggregate>(&self) -> Result<(), CategoryTaken> {
        let claim = Claim {
            category: A::CATEGORY,
            id: TypeId::of::<A>(),
            name: type_name::<A>(),
        };
        let claims = self.claims.read().unwrap_or_else(PoisonError::into_inner);
        if claims.iter().any(|first| first.id == claim.id) {
            return Ok(());
        }
        drop(claims);
        let mut claims = self.claims.write().unwrap_or_else(PoisonError::into_inner);
        let taken = claims.iter().find(|first| first.category == claim.category);
        match taken {
            Some(first) if first.id != claim.id => Err(CategoryTaken {
                category: first.category,
                first: first.name,
                second: claim.name,
            }),
            Some(_) => Ok(()),
            None => {
                claims.push(claim);
                Ok(())
            }
        }
    }
}
