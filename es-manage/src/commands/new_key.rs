//! A key for `ES_CIPHER_KEYS`.
use std::fmt::{self, Write as _};

use es_core::persistence::{Key, NoRandomness};
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::output::{Human, Text};
use crate::{Meaning, Status};

/// A new key. Who has it can read what it encrypts.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct NewKey {
    /// 32 random bytes in base64.
    #[serde(serialize_with = "text")]
    pub key: Zeroizing<String>,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewKey(..)")
    }
}

fn text<S: Serializer>(key: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key)
}

/// Draws a key.
///
/// # Errors
/// [`NoRandomness`]: the system has no random numbers to give.
pub fn new_key() -> Result<NewKey, NoRandomness> {
    let key = Key::generate()?.expose_base64();
    Ok(NewKey { key })
}

impl Meaning for NoRandomness {
    fn status(&self) -> Status {
        Status::Failed
    }
}

impl Human for NewKey {
    fn human(&self, text: &mut Text) -> fmt::Result {
        writeln!(text, "{}", *self.key)
    }
}
