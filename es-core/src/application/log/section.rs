//! The log in pieces that have a name.
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{LogError, NotificationLog};
use crate::domain::Position;
use crate::persistence::{Record, Span};

/// Names a piece of the log by its first and its last position: `"1,20"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SectionId {
    first: Position,
    last: Position,
}

impl SectionId {
    /// How many positions a section has at most.
    pub const LONGEST: u64 = 10_000;

    /// Names the piece from `first` to `last`, both included.
    ///
    /// # Errors
    /// [`SectionIdError`] where they are no such piece.
    pub fn new(first: Position, last: Position) -> Result<Self, SectionIdError> {
        let is_section =
            first != Position::START && last >= first && last.get() - first.get() < Self::LONGEST;
        if !is_section {
            return Err(SectionIdError {
                text: format!("{first},{last}"),
            });
        }
        Ok(Self { first, last })
    }

    /// Its first position.
    #[must_use]
    pub fn first(self) -> Position {
        self.first
    }

    /// Its last position.
    #[must_use]
    pub fn last(self) -> Position {
        self.last
    }

    /// The piece of the same length that comes after it; `None` at the end of what can be counted.
    fn next(self) -> Option<Self> {
        let length = self.last.get() - self.first.get();
        let first = self.last.get().checked_add(1)?;
        Some(Self {
            first: first.into(),
            last: first.saturating_add(length).into(),
        })
    }
}

impl fmt::Display for SectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.first, self.last)
    }
}

impl FromStr for SectionId {
    type Err = SectionIdError;

    fn from_str(text: &str) -> Result<Self, SectionIdError> {
        let numbers = text.split_once(',').and_then(|(first, last)| {
            let first: u64 = first.trim().parse().ok()?;
            let last: u64 = last.trim().parse().ok()?;
            Self::new(first.into(), last.into()).ok()
        });
        numbers.ok_or_else(|| SectionIdError {
            text: text.to_owned(),
        })
    }
}

impl From<SectionId> for String {
    fn from(id: SectionId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for SectionId {
    type Error = SectionIdError;

    fn try_from(text: String) -> Result<Self, SectionIdError> {
        text.parse()
    }
}

/// A text that names no piece of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` names no section of the log; write its first and its last position, at most 10000 of them, as in `1,20`"
)]
pub struct SectionIdError {
    /// The text.
    pub text: String,
}

/// A piece of the log. With the feature `json` it is handed on as JSON, and read again from it: `{"id":"1,20","records":[..],"next":"21,40"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(Serialize, Deserialize))]
#[non_exhaustive]
pub struct Section {
    /// Its name, as it was asked for.
    pub id: SectionId,
    /// Its records, oldest first: fewer than its length where the log ends before, or where the log is filtered.
    pub records: Vec<Record>,
    /// The section after it; `None` while this one is not full.
    pub next: Option<SectionId>,
}

pub(super) async fn read(log: &NotificationLog, id: SectionId) -> Result<Section, LogError> {
    let before = Position::from(id.first.get() - 1);
    let page = log.read_page(Span::after(before).up_to(id.last)).await?;
    let whole = page.read_to == id.last;
    Ok(Section {
        id,
        records: page.records,
        next: id.next().filter(|_| whole),
    })
}
