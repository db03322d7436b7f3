//! Random bytes, from the operating system alone.
use aes_gcm::aead::Generate;

use crate::persistence::BoxError;

/// The operating system gives no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoRandomness(#[source] BoxError);

pub(super) fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    Generate::try_generate().map_err(|error| NoRandomness(Box::new(error)))
}
