//! What the bank does with accounts.
use std::time::SystemTime;

use es_core::application::{ApplicationBuilder, SnapshotPolicy};
use es_core::persistence::{Clock, Keys, Store};
use es_core::{Application, BoxError, Result, UpdateError, Version};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use crate::account::{Account, AccountId, NotADeposit, Overdrawn};
use crate::money::Money;
use crate::statement::{Line, statement};

/// The application that the bank runs on: the one place where it is set up.
///
/// Nobody waits at the counter for a snapshot: [`nightly_snapshots`] takes them.
pub fn bank(store: impl Store, clock: impl Clock) -> ApplicationBuilder {
    Application::builder(store)
        .name("bank")
        .clock(clock)
        .snapshots(SnapshotPolicy::ByHand)
}

/// The same where nobody who sees the disk may read whose money it is.
pub fn encrypted_bank(store: impl Store, clock: impl Clock, keys: Keys) -> ApplicationBuilder {
    bank(store, clock).keys(keys)
}

/// The use cases, on behalf of whom the application names: `Bank::new(app.with(who_and_why))`, for each request.
#[derive(Debug, Clone)]
pub struct Bank {
    app: Application,
}

impl Bank {
    pub fn new(app: Application) -> Self {
        Self { app }
    }

    pub async fn open(&self, number: &str, owner: &str) -> Result<AccountId> {
        self.app.save(&mut Account::open(number, owner)).await?;
        Ok(AccountId::of(number))
    }

    /// Answers with the deposit's number in the statement, by which it can be corrected.
    pub async fn deposit(&self, id: AccountId, amount: Money) -> Result<Version> {
        let updated = self
            .app
            .update(id, |account: &mut Account| account.deposit(amount))
            .await?;
        Ok(updated.version)
    }

    pub async fn withdraw(
        &self,
        id: AccountId,
        amount: Money,
    ) -> Result<(), UpdateError<Overdrawn>> {
        self.app
            .update(id, |account: &mut Account| account.withdraw(amount))
            .await?;
        Ok(())
    }

    /// Both accounts have it, or neither.
    pub async fn transfer(
        &self,
        (from, to): (AccountId, AccountId),
        amount: Money,
        reference: &str,
    ) -> Result<(), UpdateError<Overdrawn>> {
        self.app
            .update_all((from, to), |(from, to): (&mut Account, &mut Account)| {
                from.send(amount, to.number(), reference)?;
                to.receive(amount, from.number(), reference);
                Ok(())
            })
            .await?;
        Ok(())
    }

    /// Reverses a wrong deposit and makes the right one, in one step. Answers with the number of the right one.
    pub async fn correct_deposit(
        &self,
        id: AccountId,
        wrong: Version,
        right: Money,
        reason: &str,
    ) -> Result<Version, UpdateError<NotADeposit>> {
        let updated = self
            .app
            .update(id, |account: &mut Account| {
                account.reverse_deposit(wrong, reason)?;
                account.deposit(right);
                Ok(())
            })
            .await?;
        Ok(updated.version)
    }

    pub async fn account(&self, id: AccountId) -> Result<Account> {
        self.app.get(id).await
    }

    /// The balance at the end of a day, in UTC.
    pub async fn balance_on(&self, id: AccountId, day: Date) -> Result<Decimal, BoxError> {
        let evening = TimeZone::UTC.to_timestamp(day.to_datetime(Time::MAX))?;
        let account = self
            .app
            .get_as_of::<Account>(id, SystemTime::from(evening))
            .await?;
        Ok(account.balance())
    }

    /// Every transaction; of an account that nobody opened there are none.
    pub async fn statement(&self, id: AccountId) -> Result<Vec<Line>> {
        statement(self.app.history::<Account>(id)).await
    }
}

/// Takes a snapshot of every account, so that the day begins with short ways, and says of how many.
pub async fn nightly_snapshots(app: &Application) -> Result<usize> {
    let mut taken = 0;
    let mut ids = app.ids::<Account>();
    while let Some(id) = ids.next().await {
        app.snapshot::<Account>(id?).await?;
        taken += 1;
    }
    Ok(taken)
}
