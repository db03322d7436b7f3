//! A bank account: what is refused, what two accounts share, and how a mistake is corrected where no fact is ever changed.
//!
//! `account.rs` is the aggregate, `bank.rs` the use cases, `statement.rs` what the customer reads, `money.rs` what is counted.

mod account;
mod bank;
mod money;
mod statement;
#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

use es_core::persistence::{Key, Keys};
use es_core::testing::VirtualClock;
use es_core::{Application, BoxError, Metadata, Position, UpdateError};
use es_store_memory::MemoryStore;
use jiff::Timestamp;
use jiff::civil::date;
use rust_decimal::dec;
use uuid::Uuid;

use crate::bank::{Bank, bank, encrypted_bank, nightly_snapshots};
use crate::money::Money;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // The days pass when the story says so; a bank in earnest is given `es_core::persistence::SystemClock`.
    let monday: Timestamp = "2024-03-04T09:00:00Z".parse()?;
    let clock = VirtualClock::at(SystemTime::from(monday));
    let app = bank(MemoryStore::new(), clock.clone()).build();

    println!("On Monday, Tom opens two accounts at the counter.");
    let counter = on_behalf_of("tom", &app);
    let ann = counter.open("1001", "Ann").await?;
    let ben = counter.open("1002", "Ben").await?;
    counter.deposit(ann, Money::new(dec!(250))?).await?;

    clock.advance(DAY);
    println!("On Tuesday, Ann withdraws what is there, and no more.");
    let web = on_behalf_of("ann", &app);
    web.withdraw(ann, Money::new(dec!(80.50))?).await?;
    match web.withdraw(ann, Money::new(dec!(1000))?).await {
        Err(UpdateError::Refused(overdrawn)) => println!("  Refused: {overdrawn}."),
        other => other?,
    }
    web.transfer((ann, ben), Money::new(dec!(40))?, "concert tickets")
        .await?;

    clock.advance(DAY);
    println!("On Wednesday, Tom types 600.00 where Ann pays in 60.00.");
    let wrong = on_behalf_of("tom", &app)
        .deposit(ann, Money::new(dec!(600))?)
        .await?;

    clock.advance(DAY);
    println!("On Thursday, Eve corrects it.");
    on_behalf_of("eve", &app)
        .correct_deposit(ann, wrong, Money::new(dec!(60))?, "a zero too many")
        .await?;

    for id in [ann, ben] {
        let account = counter.account(id).await?;
        println!(
            "\nThe statement of {}, {}:",
            account.number(),
            account.owner()
        );
        println!("{}", statement::table(&counter.statement(id).await?));
    }

    let wednesday = date(2024, 3, 6);
    println!(
        "\nOn Wednesday evening the bank believed that Ann had {:.2}; now she has {:.2}.",
        counter.balance_on(ann, wednesday).await?,
        counter.account(ann).await?.balance()
    );

    let taken = nightly_snapshots(&app).await?;
    println!("At night, snapshots of {taken} accounts are taken.");

    let keys = Keys::new(1, Key::generate()?);
    let app = encrypted_bank(MemoryStore::new(), clock, keys).build();
    on_behalf_of("tom", &app).open("1003", "Cleo").await?;
    let stored = app.log().read(Position::START, 1).await?;
    println!(
        "In the encrypted branch, nobody sees on the disk that Cleo opens 1003: {:02x?} ..",
        &stored[0].payload[..12]
    );
    Ok(())
}

/// The bank, for one request: every event says who made it, and which events belong together.
fn on_behalf_of(actor: &str, app: &Application) -> Bank {
    let request = Uuid::now_v7();
    Bank::new(app.with(Metadata::new().actor(actor).correlation(request)))
}
