//! An amount of money, in the one currency of this bank.
use std::fmt;
use std::str::FromStr;

use rust_decimal::{Decimal, dec};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An amount that is paid: more than zero, in whole cents.
///
/// It is stored as text, `"12.50"`: a JSON number would be a float on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Money(Decimal);

impl Money {
    /// So small that no balance can leave the range of `Decimal`.
    pub const MAX: Self = Self(dec!(999_999_999_999.99));

    pub fn new(amount: Decimal) -> Result<Self, NotMoney> {
        if amount <= Decimal::ZERO {
            return Err(NotMoney::NotPositive { amount });
        }
        if amount.scale() > 2 {
            return Err(NotMoney::TooFine { amount });
        }
        if amount > Self::MAX.0 {
            return Err(NotMoney::TooLarge { amount });
        }
        let mut cents = amount;
        cents.rescale(2);
        Ok(Self(cents))
    }
}

#[derive(Debug, Error, PartialEq)]
pub enum NotMoney {
    #[error("{amount} is not more than zero")]
    NotPositive { amount: Decimal },
    #[error("{amount} has more than two decimal places")]
    TooFine { amount: Decimal },
    #[error("{amount} is more than the {} that can be paid at once", Money::MAX)]
    TooLarge { amount: Decimal },
    #[error("`{text}` is not a decimal number")]
    NotADecimal {
        text: String,
        source: rust_decimal::Error,
    },
}

impl From<Money> for Decimal {
    fn from(money: Money) -> Self {
        money.0
    }
}

/// With two decimals.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Money {
    type Err = NotMoney;

    fn from_str(text: &str) -> Result<Self, NotMoney> {
        let amount = Decimal::from_str_exact(text).map_err(|source| NotMoney::NotADecimal {
            text: text.to_owned(),
            source,
        })?;
        Self::new(amount)
    }
}

impl TryFrom<String> for Money {
    type Error = NotMoney;

    fn try_from(text: String) -> Result<Self, NotMoney> {
        text.parse()
    }
}

impl From<Money> for String {
    fn from(money: Money) -> Self {
        money.to_string()
    }
}
