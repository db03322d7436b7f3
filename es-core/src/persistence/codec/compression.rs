//! Compression: whether payloads are made smaller, and by how much effort.

/// Whether new payloads are compressed. What is stored is read whatever is chosen here.
///
/// A payload that would not become smaller stays as it is, which is so for most events of under a hundred bytes; it pays for large ones.
/// Where payloads are encrypted too they are compressed first, so that the size of what is stored tells how well its content could be
/// compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Payloads stay as they are.
    #[default]
    None,
    /// Payloads are compressed by zstd (feature `zstd`).
    #[cfg(feature = "zstd")]
    Zstd(ZstdLevel),
}

#[cfg(feature = "zstd")]
impl Compression {
    /// Compresses by zstd at level 3, its own default.
    #[must_use]
    pub const fn zstd() -> Self {
        Self::Zstd(ZstdLevel(3))
    }

    /// Compresses by zstd at a level from 1, the fastest, to 22, the smallest; from 20 on it takes much memory.
    ///
    /// ```
    /// use es_core::persistence::Compression;
    ///
    /// assert_eq!(Compression::zstd_level(3)?, Compression::zstd());
    /// assert!(Compression::zstd_level(23).is_err());
    /// # Ok::<(), es_core::persistence::ZstdLevelError>(())
    /// ```
    ///
    /// # Errors
    /// [`ZstdLevelError`] where there is no such level.
    pub const fn zstd_level(level: u8) -> Result<Self, ZstdLevelError> {
        match level {
            1..=22 => Ok(Self::Zstd(ZstdLevel(level))),
            _ => Err(ZstdLevelError { level }),
        }
    }
}

/// A level of zstd, from 1 to 22; made by [`Compression::zstd_level`].
#[cfg(feature = "zstd")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZstdLevel(u8);

#[cfg(feature = "zstd")]
impl ZstdLevel {
    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// A level that zstd does not have.
#[cfg(feature = "zstd")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("zstd has no level {level}; choose one from 1, the fastest, to 22, the smallest")]
pub struct ZstdLevelError {
    /// The level that was asked for.
    pub level: u8,
}
