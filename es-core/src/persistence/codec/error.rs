//! Why a payload cannot be compressed, encrypted, or be had again.
#[cfg(feature = "aes")]
use super::{KeyError, KeyId, NoRandomness};

/// A payload that cannot be brought into its stored form, or out of it.
///
/// It says nothing about where the payload belongs: the error around it names stream, version and event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// It ends too early.
    #[error("{length} bytes are stored, and there must be more; restore it from a backup")]
    Cut {
        /// How many bytes there are.
        length: usize,
    },
    /// It begins like none of the stored forms: damaged, or made by a newer version of `es-core`.
    #[error(
        "it begins with byte {first:#04x} and is no JSON object, neither compressed nor encrypted; restore it from a backup, or upgrade the \
         program if a newer one wrote it"
    )]
    UnknownForm {
        /// Its first byte.
        first: u8,
    },
    /// This program was built without the part of `es-core` that reads it.
    #[error(
        "it takes the feature `{feature}` of es-core; switch it on and build the program again"
    )]
    NotBuiltIn {
        /// The missing feature.
        feature: &'static str,
    },
    /// The compressed payload was changed after it was written, or zstd has no memory.
    #[cfg(feature = "zstd")]
    #[error("zstd cannot do it; where its cause is damage, restore the payload from a backup")]
    Zstd {
        /// What zstd says.
        source: std::io::Error,
    },
    /// Decompressed it would be larger than any payload that was compressed here.
    #[cfg(feature = "zstd")]
    #[error(
        "decompressed it has {size} bytes, and no more than {limit} are ever compressed; restore it from a backup"
    )]
    TooLarge {
        /// The size it says it has, in bytes.
        size: u64,
        /// The largest size that is decompressed, in bytes.
        limit: u64,
    },
    /// The encrypted payload is not what was written under this key at this place.
    #[cfg(feature = "aes")]
    #[error(
        "it was changed, moved from another place, or encrypted with another key than the one now called {key}; look at the keys first, then \
         restore it from a backup"
    )]
    NotAuthentic {
        /// The key it names.
        key: KeyId,
    },
    /// It is too large for AES-GCM: over 64 GiB.
    #[cfg(feature = "aes")]
    #[error(
        "{length} bytes are more than can be encrypted; keep large things elsewhere and record where"
    )]
    TooLargeToEncrypt {
        /// How many bytes there are.
        length: usize,
    },
    /// The key cannot be had.
    #[cfg(feature = "aes")]
    #[error("its key cannot be had")]
    Keys {
        /// What the provider of the keys says.
        source: KeyError,
    },
    /// The operating system gives no random bytes for a nonce.
    #[cfg(feature = "aes")]
    #[error("it cannot be encrypted without random bytes")]
    NoRandomness {
        /// What the operating system says.
        source: NoRandomness,
    },
}

impl CodecError {
    /// Whether the key was destroyed on purpose: nothing is damaged, and nothing can be repaired.
    pub(crate) fn is_erased(&self) -> bool {
        #[cfg(feature = "aes")]
        if let Self::Keys {
            source: KeyError::Destroyed,
        } = self
        {
            return true;
        }
        false
    }

    /// Whether another program may open it, which was given the key, or built with the feature.
    pub(crate) fn is_lacking(&self) -> bool {
        match self {
            Self::NotBuiltIn { .. } => true,
            #[cfg(feature = "aes")]
            Self::Keys {
                source: KeyError::Unknown { .. },
            } => true,
            _ => false,
        }
    }

    /// Whether the keys cannot be reached, which says nothing about them.
    pub(crate) fn is_away(&self) -> bool {
        #[cfg(feature = "aes")]
        if let Self::Keys {
            source: KeyError::Unavailable(_),
        } = self
        {
            return true;
        }
        false
    }
}
