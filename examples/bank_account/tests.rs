//! What the bank promises: the money, the account without a store, then the use cases.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use es_core::application::{LoadError, SaveError, SnapshotPolicy};
use es_core::persistence::{Key, Keys, SnapshotStore, SystemClock};
use es_core::testing::{VirtualClock, given, schema_guard, when_created};
use es_core::{Aggregate, Application, Error, Metadata, Position, StreamId, UpdateError, Version};
use es_store_memory::MemoryStore;
use jiff::civil::date;
use proptest::prelude::{Strategy, prop_assert_eq, proptest};
use rust_decimal::{Decimal, dec};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::account::{Account, AccountEvent, AccountId, NotADeposit, Overdrawn};
use crate::bank::{Bank, bank, encrypted_bank, nightly_snapshots};
use crate::money::{Money, NotMoney};

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn opened() -> AccountEvent {
    AccountEvent::Opened {
        number: "1001".to_owned(),
        owner: "Ann".to_owned(),
    }
}

fn deposited(amount: &str) -> AccountEvent {
    AccountEvent::Deposited {
        amount: money(amount),
    }
}

fn withdrawn(amount: &str) -> AccountEvent {
    AccountEvent::Withdrawn {
        amount: money(amount),
    }
}

fn reversed(deposit: u64, amount: &str) -> AccountEvent {
    AccountEvent::DepositReversed {
        deposit,
        amount: money(amount),
        reason: "typed twice".to_owned(),
    }
}

#[test]
fn money_is_more_than_zero_and_in_whole_cents() {
    let refused = |amount| Money::new(amount).unwrap_err();
    for amount in [dec!(0), dec!(0.00), dec!(-0.01)] {
        assert_eq!(refused(amount), NotMoney::NotPositive { amount });
    }
    for amount in [dec!(0.001), dec!(1.005), dec!(1.000)] {
        assert_eq!(refused(amount), NotMoney::TooFine { amount });
    }
    let amount = Decimal::from(Money::MAX) + dec!(0.01);
    assert_eq!(refused(amount), NotMoney::TooLarge { amount });
    assert_eq!(
        refused(Decimal::MAX),
        NotMoney::TooLarge {
            amount: Decimal::MAX
        }
    );
    assert_eq!(Money::new(Money::MAX.into()), Ok(Money::MAX));
}

#[test]
fn money_is_printed_with_two_decimals() {
    for (amount, printed) in [(dec!(7), "7.00"), (dec!(7.5), "7.50"), (dec!(0.01), "0.01")] {
        assert_eq!(Money::new(amount).unwrap().to_string(), printed);
    }
    assert_eq!(format!("{:>8}", money("7")), "    7.00");
}

#[test]
fn what_is_stored_is_read_as_money_or_refused() {
    assert_eq!(
        serde_json::from_str::<Money>(r#""12.5""#).unwrap(),
        money("12.50")
    );
    for stored in [
        r#""0""#,
        r#""-1""#,
        r#""1.001""#,
        r#""""#,
        r#""1e3""#,
        r#""ten""#,
        "12.5",
        "12",
        "null",
    ] {
        assert!(serde_json::from_str::<Money>(stored).is_err(), "{stored}");
    }
}

fn any_money() -> impl Strategy<Value = Money> {
    (1..=99_999_999_999_999_i64).prop_map(|cents| Money::new(Decimal::new(cents, 2)).unwrap())
}

proptest! {
    #[test]
    fn money_comes_back_from_its_stored_form(amount in any_money()) {
        let stored = serde_json::to_string(&amount).unwrap();
        prop_assert_eq!(serde_json::from_str::<Money>(&stored).unwrap(), amount);
        prop_assert_eq!(amount.to_string().parse::<Money>(), Ok(amount));
    }
}

#[test]
fn an_account_begins_with_its_opening() {
    when_created(|| Account::open("1001", "Ann")).then([opened()]);
}

#[test]
fn a_withdrawal_is_recorded_up_to_the_last_cent() {
    given::<Account>([opened(), deposited("10.00")])
        .when(|account| account.withdraw(money("10.00")))
        .then([withdrawn("10.00")]);
}

#[test]
fn a_withdrawal_beyond_the_balance_is_refused() {
    given::<Account>([opened(), deposited("10.00"), withdrawn("4.00")])
        .when(|account| account.withdraw(money("6.01")))
        .refused_with(Overdrawn {
            balance: dec!(6),
            asked: money("6.01"),
        });
}

#[test]
fn nothing_is_sent_beyond_the_balance() {
    given::<Account>([opened()])
        .when(|account| account.send(money("0.01"), "1002", "rent"))
        .refused_with(Overdrawn {
            balance: dec!(0),
            asked: money("0.01"),
        });
}

#[test]
fn a_reversal_says_what_it_corrects_and_why() {
    given::<Account>([opened(), deposited("5.00"), deposited("7.00")])
        .when(|account| account.reverse_deposit(Version::from(3), "typed twice"))
        .then([reversed(3, "7.00")]);
}

#[test]
fn only_a_deposit_is_reversed_and_only_once() {
    let story = [
        opened(),
        deposited("9.00"),
        withdrawn("1.00"),
        reversed(2, "9.00"),
    ];
    for number in [1, 2, 3, 4, 5].map(Version::from) {
        given::<Account>(story.clone())
            .when(|account| account.reverse_deposit(number, "typed twice"))
            .refused_with(NotADeposit { number });
    }
}

#[test]
fn a_reversed_deposit_that_was_spent_leaves_a_debt() {
    given::<Account>([
        opened(),
        deposited("9.00"),
        withdrawn("8.00"),
        reversed(2, "9.00"),
    ])
    .when(|account| account.withdraw(money("0.01")))
    .refused_with(Overdrawn {
        balance: dec!(-8),
        asked: money("0.01"),
    });
}

/// After a change to an event, this says whether stored accounts can still be read, and what to do where they cannot.
#[test]
fn stored_accounts_stay_readable() {
    schema_guard("bank_account/events.json")
        .samples::<Account>([
            opened(),
            deposited("0.01"),
            AccountEvent::Deposited { amount: Money::MAX },
            withdrawn("12.50"),
            AccountEvent::TransferSent {
                amount: money("40"),
                to: "1002".to_owned(),
                reference: "rent".to_owned(),
            },
            AccountEvent::TransferReceived {
                amount: money("40"),
                from: "1001".to_owned(),
                reference: "rent".to_owned(),
            },
            reversed(2, "0.01"),
        ])
        .check();
}

fn application() -> Application {
    bank(MemoryStore::new(), SystemClock).build()
}

/// Two accounts, with 100.00 in the first.
async fn two_accounts(bank: &Bank) -> (AccountId, AccountId) {
    let ann = bank.open("1001", "Ann").await.unwrap();
    let ben = bank.open("1002", "Ben").await.unwrap();
    bank.deposit(ann, money("100")).await.unwrap();
    (ann, ben)
}

async fn balance(bank: &Bank, id: AccountId) -> Decimal {
    bank.account(id).await.unwrap().balance()
}

#[tokio::test]
async fn a_number_is_given_to_one_account() {
    let bank = Bank::new(application());
    let ann = bank.open("1001", "Ann").await.unwrap();
    let again = bank.open("1001", "Eve").await.unwrap_err();
    assert!(
        matches!(again, Error::Save(SaveError::AlreadyExists { .. })),
        "{again:?}"
    );
    assert_eq!(bank.account(ann).await.unwrap().owner(), "Ann");
}

#[tokio::test]
async fn both_sides_of_a_transfer_have_its_reference_and_one_commit() {
    let app = application();
    let bank = Bank::new(app.clone());
    let (ann, ben) = two_accounts(&bank).await;
    bank.transfer((ann, ben), money("30"), "rent")
        .await
        .unwrap();

    let (mut anns, mut bens) = (app.history::<Account>(ann), app.history::<Account>(ben));
    let (mut sent, mut received) = (None, None);
    while let Some(recorded) = anns.next().await {
        sent = Some(recorded.unwrap());
    }
    while let Some(recorded) = bens.next().await {
        received = Some(recorded.unwrap());
    }
    let (sent, received) = (sent.unwrap(), received.unwrap());
    assert_eq!(
        sent.event,
        AccountEvent::TransferSent {
            amount: money("30"),
            to: "1002".to_owned(),
            reference: "rent".to_owned(),
        }
    );
    assert_eq!(
        received.event,
        AccountEvent::TransferReceived {
            amount: money("30"),
            from: "1001".to_owned(),
            reference: "rent".to_owned(),
        }
    );
    assert_eq!(sent.commit, received.commit);
}

#[tokio::test]
async fn a_transfer_that_is_not_covered_changes_neither_account() {
    let bank = Bank::new(application());
    let (ann, ben) = two_accounts(&bank).await;
    let before = (bank.account(ann).await, bank.account(ben).await);
    let refused = bank.transfer((ann, ben), money("100.01"), "rent").await;
    assert!(
        matches!(
            refused,
            Err(UpdateError::Refused(Overdrawn { balance, .. })) if balance == dec!(100)
        ),
        "{refused:?}"
    );
    assert_eq!(bank.account(ann).await.unwrap(), before.0.unwrap());
    assert_eq!(bank.account(ben).await.unwrap(), before.1.unwrap());
}

#[tokio::test]
async fn a_transfer_to_nobody_takes_nothing() {
    let bank = Bank::new(application());
    let (ann, _) = two_accounts(&bank).await;
    let failed = bank
        .transfer((ann, AccountId::of("9999")), money("1"), "rent")
        .await;
    assert!(
        matches!(
            failed,
            Err(UpdateError::Failed(Error::Load(LoadError::NotFound { .. })))
        ),
        "{failed:?}"
    );
    assert_eq!(balance(&bank, ann).await, dec!(100));
}

#[tokio::test]
async fn a_transfer_to_oneself_is_refused() {
    let bank = Bank::new(application());
    let (ann, _) = two_accounts(&bank).await;
    let failed = bank.transfer((ann, ann), money("1"), "rent").await;
    assert!(
        matches!(
            failed,
            Err(UpdateError::Failed(Error::Save(SaveError::Twice { .. })))
        ),
        "{failed:?}"
    );
    assert_eq!(bank.account(ann).await.unwrap().version(), Version::from(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_transfers_at_once_neither_make_nor_lose_money() {
    let bank = Bank::new(application());
    let (ann, ben) = two_accounts(&bank).await;
    let mut transfers = JoinSet::new();
    for turn in 0..50 {
        let bank = bank.clone();
        transfers.spawn(async move {
            // Ann sends 35 times 4.00, which is more than she has, so that some depend on what comes back and may be refused.
            let (between, amount) = if turn % 10 < 7 {
                ((ann, ben), "4.00")
            } else {
                ((ben, ann), "1.50")
            };
            match bank.transfer(between, money(amount), "at once").await {
                Ok(()) => true,
                Err(UpdateError::Refused(Overdrawn { .. })) => false,
                Err(UpdateError::Failed(error)) => panic!("{error}"),
            }
        });
    }
    let all = transfers.join_all().await;
    let made: u64 = all.into_iter().map(u64::from).sum();

    let (ann, ben) = (
        bank.account(ann).await.unwrap(),
        bank.account(ben).await.unwrap(),
    );
    assert_eq!(ann.balance() + ben.balance(), dec!(100));
    assert!(ann.balance() >= dec!(0) && ben.balance() >= dec!(0));
    // The 100.00 are 25 times 4.00; what comes back, 15 times 1.50, is 5 times more.
    assert!((25..=45).contains(&made), "{made} of 50");
    assert_eq!(ann.version(), Version::from(2 + made));
    assert_eq!(ben.version(), Version::from(1 + made));
}

/// Ann's account, where everything happened that can happen.
async fn eventful_account(bank: &Bank) -> AccountId {
    let (ann, ben) = two_accounts(bank).await;
    bank.withdraw(ann, money("20.25")).await.unwrap();
    bank.transfer((ann, ben), money("30"), "rent")
        .await
        .unwrap();
    bank.transfer((ben, ann), money("10"), "too much")
        .await
        .unwrap();
    let wrong = bank.deposit(ann, money("70")).await.unwrap();
    bank.correct_deposit(ann, wrong, money("7"), "a zero too many")
        .await
        .unwrap();
    ann
}

#[tokio::test]
async fn the_statement_has_the_balance_of_the_account_at_every_version() {
    let app = application();
    let bank = Bank::new(app.clone());
    let ann = eventful_account(&bank).await;
    let lines = bank.statement(ann).await.unwrap();
    let newest = bank.account(ann).await.unwrap().version();
    assert_eq!((lines.len(), newest), (8, Version::from(8)));
    for line in lines {
        let account = app.get_at::<Account>(ann, line.number).await.unwrap();
        assert_eq!(line.balance, account.balance(), "{line:?}");
    }
}

#[tokio::test]
async fn a_corrected_deposit_is_in_the_statement_beside_its_reversal() {
    let bank = Bank::new(application());
    let ann = eventful_account(&bank).await;
    let lines = bank.statement(ann).await.unwrap();
    let said: Vec<_> = lines[5..]
        .iter()
        .map(|line| (line.kind, line.amount, line.details.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            ("deposit", dec!(70), ""),
            ("reversal", dec!(-70), "of no. 6: a zero too many"),
            ("deposit", dec!(7), ""),
        ]
    );
    assert_eq!(balance(&bank, ann).await, dec!(66.75));
}

#[tokio::test]
async fn what_is_no_deposit_is_not_corrected_not_even_in_part() {
    let bank = Bank::new(application());
    let ann = eventful_account(&bank).await;
    let number = Version::from(3);
    let refused = bank
        .correct_deposit(ann, number, money("7"), "a mistake")
        .await;
    assert!(
        matches!(&refused, Err(UpdateError::Refused(no)) if *no == NotADeposit { number }),
        "{refused:?}"
    );
    assert_eq!(bank.account(ann).await.unwrap().version(), Version::from(8));
}

#[tokio::test]
async fn the_statement_says_who_and_when_and_the_event_keeps_the_request() {
    let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let app = bank(MemoryStore::new(), VirtualClock::at(now)).build();
    let request = Uuid::from_u128(7);
    let for_tom = app.with(Metadata::new().actor("tom").correlation(request));
    let ann = Bank::new(for_tom).open("1001", "Ann").await.unwrap();

    let lines = Bank::new(app.clone()).statement(ann).await.unwrap();
    assert_eq!(lines[0].by.as_deref(), Some("tom"));
    assert_eq!(lines[0].time, now);
    let opening = app.history::<Account>(ann).next().await.unwrap().unwrap();
    assert_eq!(opening.metadata.get_correlation(), Some(request));
}

#[tokio::test]
async fn the_statement_is_printed_as_a_table() {
    let bank = Bank::new(application());
    let ann = eventful_account(&bank).await;
    let table = crate::statement::table(&bank.statement(ann).await.unwrap()).to_string();
    let row = table.lines().find(|row| row.contains("to 1002, rent"));
    let row = row.expect("the transfer has a row");
    assert!(row.contains("-30.00") && row.contains("49.75"), "{row}");
}

#[tokio::test]
async fn the_balance_of_a_past_day_is_that_of_its_last_moment() {
    let at = |text: &str| SystemTime::from(text.parse::<jiff::Timestamp>().unwrap());
    let clock = VirtualClock::at(at("2024-03-04T09:00:00Z"));
    let bank = Bank::new(bank(MemoryStore::new(), clock.clone()).build());
    let ann = bank.open("1001", "Ann").await.unwrap();
    for (time, amount) in [
        ("2024-03-04T10:00:00Z", "1"),
        ("2024-03-05T23:59:59.999999Z", "10"),
        ("2024-03-06T00:00:00Z", "100"),
    ] {
        clock.set(at(time));
        bank.deposit(ann, money(amount)).await.unwrap();
    }
    for (day, balance) in [(4, dec!(1)), (5, dec!(11)), (6, dec!(111)), (7, dec!(111))] {
        let on = bank.balance_on(ann, date(2024, 3, day)).await.unwrap();
        assert_eq!(on, balance, "March {day}");
    }

    let too_early = bank.balance_on(ann, date(2024, 3, 3)).await.unwrap_err();
    assert!(
        matches!(
            too_early.downcast_ref(),
            Some(Error::Load(LoadError::NotYet { .. }))
        ),
        "{too_early:?}"
    );
}

#[tokio::test]
async fn snapshots_are_taken_at_night_and_change_nothing() {
    let store = MemoryStore::new();
    let app = bank(store.clone(), SystemClock).build();
    let ann = eventful_account(&Bank::new(app.clone())).await;
    for _ in 0..100 {
        Bank::new(app.clone())
            .deposit(ann, money("1"))
            .await
            .unwrap();
    }
    let stream = StreamId::new("Account", ann.into());
    let newest = || store.read_snapshot(&stream, Version::MAX);
    assert_eq!(newest().await.unwrap(), None, "nobody asked for one yet");

    assert_eq!(nightly_snapshots(&app).await.unwrap(), 2);
    let taken = newest().await.unwrap().expect("it was asked for");
    assert_eq!(taken.version, Version::from(108));

    // The next morning, in another process: nothing is cached.
    let morning = bank(store.clone(), SystemClock).build();
    let without = Application::builder(store)
        .name("bank")
        .snapshots(SnapshotPolicy::Off)
        .build();
    Bank::new(morning.clone())
        .withdraw(ann, money("0.75"))
        .await
        .unwrap();
    let account = morning.get::<Account>(ann).await.unwrap();
    assert_eq!(account.balance(), dec!(166));
    assert_eq!(account, without.get::<Account>(ann).await.unwrap());
    for version in [1, 107, 108, 109].map(Version::from) {
        assert_eq!(
            morning.get_at::<Account>(ann, version).await.unwrap(),
            without.get_at::<Account>(ann, version).await.unwrap()
        );
    }
    let refused = Bank::new(morning)
        .correct_deposit(ann, Version::from(6), money("7"), "once more")
        .await;
    assert!(
        matches!(refused, Err(UpdateError::Refused(NotADeposit { .. }))),
        "what was reversed is so in a snapshot too: {refused:?}"
    );
}

#[tokio::test]
async fn what_an_encrypted_bank_stores_says_nothing_of_its_customers() {
    let (store, keys) = (MemoryStore::new(), Keys::new(1, Key::generate().unwrap()));
    let app = encrypted_bank(store.clone(), SystemClock, keys).build();
    let bank = Bank::new(app.clone());
    let ann = bank.open("1001", "Ann Example").await.unwrap();
    bank.deposit(ann, money("12.34")).await.unwrap();
    nightly_snapshots(&app).await.unwrap();
    let stream = StreamId::of::<Account>(&ann);
    let records = app.log().read(Position::START, 10).await.unwrap();
    let snapshot = store
        .read_snapshot(&stream, Version::MAX)
        .await
        .unwrap()
        .unwrap();
    let stored = records
        .iter()
        .map(|record| &record.payload)
        .chain([&snapshot.state]);
    for payload in stored {
        for secret in ["1001", "Ann", "12.34"] {
            let shown = payload
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!shown, "{secret} can be read");
        }
    }
    assert_eq!(bank.account(ann).await.unwrap().balance(), dec!(12.34));
    assert_eq!(bank.statement(ann).await.unwrap().len(), 2);
}
