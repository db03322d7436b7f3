//! The account, what can happen to it, and what it refuses.
use std::collections::BTreeMap;

use es_core::{Aggregate, Root, Version, events};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::money::Money;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccountId(Uuid);

impl AccountId {
    /// The id follows from the number, so that no number is given to two accounts.
    pub fn of(number: &str) -> Self {
        let name = format!("/accounts/{number}");
        Self(Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()))
    }
}

impl From<Uuid> for AccountId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl From<AccountId> for Uuid {
    fn from(id: AccountId) -> Self {
        id.0
    }
}

#[derive(Debug, Error, PartialEq, Eq)]
#[error("{asked} was asked for, but the balance is {balance:.2}")]
pub struct Overdrawn {
    pub balance: Decimal,
    pub asked: Money,
}

#[derive(Debug, Error, PartialEq, Eq)]
#[error("no. {number} is not a deposit that can be reversed; the statement has the numbers")]
pub struct NotADeposit {
    pub number: Version,
}

#[derive(Aggregate, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[aggregate("Account", id = AccountId, snapshot_every = 100, cached)]
pub struct Account {
    root: Root<Self>,
    number: String,
    owner: String,
    /// Below zero where a deposit was reversed after it had been spent.
    balance: Decimal,
    /// Those that were not reversed, by the versions of their events.
    deposits: BTreeMap<u64, Money>,
}

/// What is asked of an account: it may refuse.
impl Account {
    pub fn withdraw(&mut self, amount: Money) -> Result<(), Overdrawn> {
        self.must_cover(amount)?;
        self.withdrawn(amount);
        Ok(())
    }

    /// The reference is what both sides of a transfer have in common.
    pub fn send(&mut self, amount: Money, to: &str, reference: &str) -> Result<(), Overdrawn> {
        self.must_cover(amount)?;
        self.sent(amount, to, reference);
        Ok(())
    }

    /// Takes a wrong deposit back, also where its money is gone. That it was made remains a fact.
    pub fn reverse_deposit(&mut self, deposit: Version, reason: &str) -> Result<(), NotADeposit> {
        match self.deposits.get(&deposit.get()) {
            Some(&amount) => {
                self.deposit_reversed(deposit.get(), amount, reason);
                Ok(())
            }
            None => Err(NotADeposit { number: deposit }),
        }
    }

    pub fn number(&self) -> &str {
        &self.number
    }

    pub fn owner(&self) -> &str {
        &self.owner
    }

    pub fn balance(&self) -> Decimal {
        self.balance
    }

    fn must_cover(&self, asked: Money) -> Result<(), Overdrawn> {
        let balance = self.balance;
        if Decimal::from(asked) > balance {
            return Err(Overdrawn { balance, asked });
        }
        Ok(())
    }
}

/// What happened to an account: facts, which are never refused.
#[events]
impl Account {
    #[event("Opened", id = AccountId::of(number))]
    pub fn open(number: &str, owner: &str) -> Self {
        Self {
            root: Root::new(),
            number: number.to_owned(),
            owner: owner.to_owned(),
            balance: Decimal::ZERO,
            deposits: BTreeMap::new(),
        }
    }

    #[event("Deposited")]
    pub fn deposit(&mut self, amount: Money) {
        self.balance += Decimal::from(amount);
        // In the body of an event, the version is still that of the event before it.
        let this = self.version().next();
        self.deposits.insert(this.get(), amount);
    }

    #[event("Withdrawn")]
    fn withdrawn(&mut self, amount: Money) {
        self.balance -= Decimal::from(amount);
    }

    #[event("TransferSent")]
    fn sent(&mut self, amount: Money, to: &str, reference: &str) {
        self.balance -= Decimal::from(amount);
    }

    #[event("TransferReceived")]
    pub fn receive(&mut self, amount: Money, from: &str, reference: &str) {
        self.balance += Decimal::from(amount);
    }

    #[event("DepositReversed")]
    fn deposit_reversed(&mut self, deposit: u64, amount: Money, reason: &str) {
        self.balance -= Decimal::from(amount);
        self.deposits.remove(&deposit);
    }
}
