//! Encryption: AES-256-GCM, bound to the place where the payload belongs.
//!
//! An encrypted payload is a mark (1 byte), the id of its key (4 bytes, big endian), a random nonce (12), the ciphertext, and the tag (16).
//! Mark, id and nonce are authenticated together with the place, so that none of them can be exchanged.
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Nonce, Tag};
use bytes::Bytes;

use super::random::random;
use super::{CodecError, ENCRYPTED, Key, KeyId, Place};

const NONCE: usize = 12;
const TAG: usize = 16;
const HEADER: usize = 1 + size_of::<u32>() + NONCE;

/// Encrypts what is inside, at its place.
pub(super) fn encrypt(
    (id, key): &(KeyId, Key),
    place: Place<'_>,
    inside: &[u8],
) -> Result<Bytes, CodecError> {
    let nonce: [u8; NONCE] = random().map_err(|source| CodecError::NoRandomness { source })?;
    let mut sealed = Vec::with_capacity(HEADER + inside.len() + TAG);
    sealed.push(ENCRYPTED);
    sealed.extend_from_slice(&id.get().to_be_bytes());
    sealed.extend_from_slice(&nonce);
    let bound = bound_to(&sealed, place);
    sealed.extend_from_slice(inside);
    let tag = key
        .cipher()
        .encrypt_inout_detached(&Nonce::from(nonce), &bound, (&mut sealed[HEADER..]).into())
        .map_err(|_| CodecError::TooLargeToEncrypt {
            length: inside.len(),
        })?;
    sealed.extend_from_slice(&tag);
    Ok(sealed.into())
}

/// An encrypted payload, not yet decrypted: it says which key it takes.
pub(super) struct Encrypted<'a> {
    pub(super) key: KeyId,
    header: &'a [u8; HEADER],
    nonce: [u8; NONCE],
    ciphertext: &'a [u8],
    tag: [u8; TAG],
}

impl<'a> Encrypted<'a> {
    /// Takes apart what begins with the mark.
    pub(super) fn parse(stored: &'a [u8]) -> Result<Self, CodecError> {
        let parts = || {
            let (header, rest) = stored.split_first_chunk::<HEADER>()?;
            let (ciphertext, tag) = rest.split_last_chunk()?;
            let [_, key @ ..] = header;
            let (key, nonce) = key.split_first_chunk()?;
            Some(Self {
                key: u32::from_be_bytes(*key).into(),
                header,
                nonce: nonce.try_into().ok()?,
                ciphertext,
                tag: *tag,
            })
        };
        parts().ok_or(CodecError::Cut {
            length: stored.len(),
        })
    }

    /// What is inside, if it was encrypted with this key at this place and is unchanged.
    pub(super) fn decrypt(&self, key: &Key, place: Place<'_>) -> Result<Bytes, CodecError> {
        let mut inside = self.ciphertext.to_vec();
        key.cipher()
            .decrypt_inout_detached(
                &Nonce::from(self.nonce),
                &bound_to(self.header, place),
                inside.as_mut_slice().into(),
                &Tag::from(self.tag),
            )
            .map_err(|_| CodecError::NotAuthentic { key: self.key })?;
        Ok(inside.into())
    }
}

/// What the tag covers beside the ciphertext.
fn bound_to(header: &[u8], place: Place<'_>) -> Vec<u8> {
    let mut bound = header.to_vec();
    place.write(&mut bound);
    bound
}
