//! The order, what can happen to it, and what it refuses.
use std::str::FromStr;

use es_core::{Aggregate, Root, events};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// Where an order is on its way. It takes one step at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    New,
    Confirmed,
    Paid,
    Shipped,
}

#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is no status of an order; there are new, confirmed, paid and shipped")]
pub struct UnknownStatus(String);

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(name: &str) -> Result<Self, UnknownStatus> {
        match name {
            "new" => Ok(Self::New),
            "confirmed" => Ok(Self::Confirmed),
            "paid" => Ok(Self::Paid),
            "shipped" => Ok(Self::Shipped),
            _ => Err(UnknownStatus(name.to_owned())),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub product: String,
    pub quantity: u32,
    pub price: Decimal,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum Refused {
    #[error("an order that is {from:?} cannot become {to:?}")]
    Transition { from: Status, to: Status },
    #[error("an order that is {0:?} takes no more lines")]
    Closed(Status),
    #[error(
        "{quantity} of `{product}` at {price} is no line of an order; order one at least, at no less than nothing"
    )]
    Line {
        product: String,
        quantity: u32,
        price: Decimal,
    },
    #[error("the total would be too large")]
    TooLarge,
}

#[derive(Aggregate, Debug, PartialEq)]
#[aggregate("Order")]
pub struct Order {
    root: Root<Self>,
    user_id: Uuid,
    status: Status,
    lines: Vec<Line>,
    total: Decimal,
}

/// What is asked of an order: it may refuse.
impl Order {
    pub fn add_line(
        &mut self,
        product: &str,
        quantity: u32,
        price: Decimal,
    ) -> Result<(), Refused> {
        if self.status != Status::New {
            return Err(Refused::Closed(self.status));
        }
        if quantity == 0 || price < Decimal::ZERO {
            let product = product.to_owned();
            return Err(Refused::Line {
                product,
                quantity,
                price,
            });
        }
        let total = price
            .checked_mul(quantity.into())
            .and_then(|amount| self.total.checked_add(amount))
            .ok_or(Refused::TooLarge)?;
        self.line_added(product, quantity, price, total);
        Ok(())
    }

    pub fn set_status(&mut self, status: Status) -> Result<(), Refused> {
        match (self.status, status) {
            (Status::New, Status::Confirmed)
            | (Status::Confirmed, Status::Paid)
            | (Status::Paid, Status::Shipped) => {
                self.status_changed(status);
                Ok(())
            }
            (from, to) => Err(Refused::Transition { from, to }),
        }
    }

    pub fn user_id(&self) -> Uuid {
        self.user_id
    }

    pub fn status(&self) -> Status {
        self.status
    }

    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub fn total(&self) -> Decimal {
        self.total
    }
}

/// What happened to an order: facts, which are never refused.
#[events]
impl Order {
    #[event("Created")]
    pub fn create(user_id: Uuid) -> Self {
        Self {
            root: Root::new(),
            user_id,
            status: Status::New,
            lines: Vec::new(),
            total: Decimal::ZERO,
        }
    }

    #[event("LineAdded")]
    fn line_added(&mut self, product: &str, quantity: u32, price: Decimal, total: Decimal) {
        self.lines.push(Line {
            product: product.to_owned(),
            quantity,
            price,
        });
        self.total = total;
    }

    #[event("StatusChanged")]
    fn status_changed(&mut self, new_status: Status) {
        self.status = new_status;
    }
}
