//! What the values of the variables mean.
use std::num::NonZeroU64;

use es_core::application::SnapshotPolicy;
use es_core::persistence::Compression;
#[cfg(feature = "aes")]
use es_core::persistence::{KeyProvider, KeysError};

/// Who has the keys; nobody without the feature.
#[cfg(feature = "aes")]
pub(crate) type Keys = std::sync::Arc<dyn KeyProvider>;
#[cfg(not(feature = "aes"))]
pub(crate) type Keys = std::convert::Infallible;

/// Why a value cannot be used.
#[derive(Debug)]
pub(crate) enum Unusable {
    Wrong,
    #[cfg(not(all(feature = "aes", feature = "zstd")))]
    NotBuiltIn {
        feature: &'static str,
    },
    #[cfg(feature = "aes")]
    Keys(KeysError),
}

pub(crate) fn compression(text: &str) -> Result<Compression, Unusable> {
    let text = text.to_ascii_lowercase();
    let level = match text.split_once(':') {
        None if text == "none" => return Ok(Compression::None),
        None if text == "zstd" => None,
        Some(("zstd", level)) => Some(level.parse().map_err(|_| Unusable::Wrong)?),
        _ => return Err(Unusable::Wrong),
    };
    zstd(level)
}

#[cfg(feature = "zstd")]
fn zstd(level: Option<u8>) -> Result<Compression, Unusable> {
    match level {
        None => Ok(Compression::zstd()),
        Some(level) => Compression::zstd_level(level).map_err(|_| Unusable::Wrong),
    }
}

#[cfg(not(feature = "zstd"))]
fn zstd(_: Option<u8>) -> Result<Compression, Unusable> {
    Err(Unusable::NotBuiltIn { feature: "zstd" })
}

#[cfg(feature = "aes")]
pub(crate) fn keys(text: &str) -> Result<Keys, Unusable> {
    let keys: es_core::persistence::Keys = text.parse().map_err(Unusable::Keys)?;
    Ok(std::sync::Arc::new(keys))
}

#[cfg(not(feature = "aes"))]
pub(crate) fn keys(_: &str) -> Result<Keys, Unusable> {
    Err(Unusable::NotBuiltIn { feature: "aes" })
}

pub(crate) fn snapshots(text: &str) -> Result<SnapshotPolicy, Unusable> {
    let text = text.to_ascii_lowercase();
    match text.as_str() {
        "as-declared" => Ok(SnapshotPolicy::AsDeclared),
        "by-hand" => Ok(SnapshotPolicy::ByHand),
        "off" => Ok(SnapshotPolicy::Off),
        _ => every(&text)
            .map(SnapshotPolicy::Every)
            .ok_or(Unusable::Wrong),
    }
}

fn every(text: &str) -> Option<NonZeroU64> {
    text.strip_prefix("every:")?.parse().ok()
}

pub(crate) fn cache(text: &str) -> Result<usize, Unusable> {
    text.parse().map_err(|_| Unusable::Wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variable::{CACHE, COMPRESSION, SNAPSHOTS, Variable};

    /// What stands in backticks in the table: these are literal there.
    fn accepted(variable: &Variable) -> impl Iterator<Item = &'static str> {
        variable.accepted.split('`').skip(1).step_by(2)
    }

    #[test]
    fn what_the_table_accepts_is_accepted_in_capitals_too() {
        for text in accepted(&SNAPSHOTS) {
            assert!(snapshots(text).is_ok() && snapshots(&text.to_uppercase()).is_ok());
        }
        for text in accepted(&CACHE) {
            assert!(cache(text).is_ok());
        }
        for text in accepted(&COMPRESSION) {
            let read = compression(&text.to_uppercase());
            #[cfg(feature = "zstd")]
            assert!(read.is_ok());
            #[cfg(not(feature = "zstd"))]
            assert_eq!(read.is_ok(), text == "none");
        }
    }

    #[test]
    fn what_is_beyond_the_table_is_not_accepted() {
        assert!(cache("-1").is_err() && cache("many").is_err());
        assert!(snapshots("every:0").is_err() && snapshots("every").is_err());
        #[cfg(feature = "zstd")]
        assert!(compression("zstd:0").is_err() && compression("zstd:23").is_err());
        assert!(compression("zstd:256").is_err() && compression("none:1").is_err());
    }

    #[cfg(feature = "zstd")]
    #[test]
    fn zstd_has_the_level_that_is_written() {
        assert_eq!(compression("zstd").unwrap(), Compression::zstd());
        assert_eq!(
            compression("zstd:19").unwrap(),
            Compression::zstd_level(19).unwrap()
        );
    }
}
