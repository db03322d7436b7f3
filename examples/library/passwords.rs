//! Passwords: an event keeps what they are checked by, and never what they are.
use std::fmt;

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{self, PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};

/// What a password is checked by: a salted hash with its parameters. It is not shown.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credential(String);

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// Makes and checks credentials.
#[derive(Clone)]
pub struct Passwords(Argon2<'static>);

impl Passwords {
    /// As slow as is recommended.
    pub fn new() -> Self {
        Self::with(Params::default())
    }

    /// For tests: nobody guesses there.
    #[cfg(test)]
    pub fn quick() -> Self {
        Self::with(Params::new(8, 1, 1, None).expect("the smallest there are"))
    }

    fn with(params: Params) -> Self {
        Self(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }

    pub fn credential(&self, password: &str) -> Result<Credential, password_hash::Error> {
        let salt = SaltString::generate(&mut OsRng);
        let hash = self.0.hash_password(password.as_bytes(), &salt)?;
        Ok(Credential(hash.to_string()))
    }

    pub fn fits(&self, credential: &Credential, password: &str) -> bool {
        PasswordHash::new(&credential.0)
            .is_ok_and(|hash| self.0.verify_password(password.as_bytes(), &hash).is_ok())
    }
}
