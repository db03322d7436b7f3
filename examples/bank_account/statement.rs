//! The statement of an account: every transaction, with the balance after it, and by whom it was made.
use std::time::SystemTime;

use comfy_table::{CellAlignment, Table, presets};
use es_core::application::History;
use es_core::{Recorded, Version};
use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::account::{Account, AccountEvent};

#[derive(Debug, PartialEq)]
pub struct Line {
    pub number: Version,
    pub time: SystemTime,
    pub kind: &'static str,
    /// Below zero where money left the account.
    pub amount: Decimal,
    /// After this transaction.
    pub balance: Decimal,
    pub by: Option<String>,
    pub details: String,
}

impl Line {
    fn new(recorded: Recorded<AccountEvent>, balance_before: Decimal) -> Self {
        let (kind, amount, details) = match recorded.event {
            AccountEvent::Opened { number, owner } => {
                let details = format!("{number} for {owner}");
                ("opening", Decimal::ZERO, details)
            }
            AccountEvent::Deposited { amount } => ("deposit", amount.into(), String::new()),
            AccountEvent::Withdrawn { amount } => {
                ("withdrawal", -Decimal::from(amount), String::new())
            }
            AccountEvent::TransferSent {
                amount,
                to,
                reference,
            } => {
                let details = format!("to {to}, {reference}");
                ("transfer", -Decimal::from(amount), details)
            }
            AccountEvent::TransferReceived {
                amount,
                from,
                reference,
            } => {
                let details = format!("from {from}, {reference}");
                ("transfer", amount.into(), details)
            }
            AccountEvent::DepositReversed {
                deposit,
                amount,
                reason,
            } => {
                let details = format!("of no. {deposit}: {reason}");
                ("reversal", -Decimal::from(amount), details)
            }
        };
        Self {
            number: recorded.version,
            time: recorded.time,
            kind,
            amount,
            balance: balance_before + amount,
            by: recorded.metadata.get_actor().map(str::to_owned),
            details,
        }
    }
}

pub async fn statement(mut history: History<Account>) -> es_core::Result<Vec<Line>> {
    let mut lines = Vec::new();
    let mut balance = Decimal::ZERO;
    while let Some(recorded) = history.next().await {
        let line = Line::new(recorded?, balance);
        balance = line.balance;
        lines.push(line);
    }
    Ok(lines)
}

pub fn table(lines: &[Line]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    table.set_header(["no.", "time", "kind", "amount", "balance", "by", "details"]);
    for line in lines {
        table.add_row([
            line.number.to_string(),
            minute(line.time),
            line.kind.to_owned(),
            format!("{:.2}", line.amount),
            format!("{:.2}", line.balance),
            line.by.clone().unwrap_or_default(),
            line.details.clone(),
        ]);
    }
    for column in [0, 3, 4] {
        if let Some(numbers) = table.column_mut(column) {
            numbers.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// In UTC.
fn minute(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(
        |_| "?".to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M").to_string(),
    )
}
