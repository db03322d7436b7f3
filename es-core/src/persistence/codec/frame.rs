//! A zstd frame around a payload, and back, in bounded memory.
//!
//! A frame carries the size and a checksum of its content, so that a changed one is an error or gives the very same content: zstd has a few
//! bits that say nothing.
use std::cell::RefCell;
use std::io;

use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{self, CParameter};

use super::{CodecError, ZstdLevel};

/// The largest payload that is compressed, and so the most memory that reading a damaged one can take: 256 MiB.
pub(super) const LARGEST: usize = 256 << 20;

/// Compresses a payload, if that makes it smaller.
pub(super) fn compress(level: ZstdLevel, payload: Bytes) -> Result<Bytes, CodecError> {
    if payload.len() > LARGEST {
        return Ok(payload);
    }
    let frame = write(level, &payload).map_err(|source| CodecError::Zstd { source })?;
    Ok(match frame {
        // Without the room that zstd wanted and did not need.
        Some(frame) => frame.into_boxed_slice().into(),
        None => payload,
    })
}

/// The frame of a payload, where it is smaller.
fn write(level: ZstdLevel, payload: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut compressor = Compressor::new(level.get().into())?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    let frame = compressor.compress(payload)?;
    Ok((frame.len() < payload.len()).then_some(frame))
}

thread_local! {
    /// Kept, because to make one takes six times as long as to decompress a small payload; its size is the same whatever it decompressed.
    static DECOMPRESSOR: RefCell<Decompressor<'static>> = RefCell::default();
}

/// What is in a frame.
pub(super) fn decompress(frame: &[u8]) -> Result<Bytes, CodecError> {
    let size = content_size(frame)?;
    let mut content = Vec::new();
    content
        .try_reserve_exact(size)
        .map_err(|error| CodecError::Zstd {
            source: io::Error::new(io::ErrorKind::OutOfMemory, error),
        })?;
    DECOMPRESSOR
        .with_borrow_mut(|zstd| zstd.decompress_to_buffer(frame, &mut content))
        .map_err(|source| CodecError::Zstd { source })?;
    Ok(content.into())
}

/// The size of what is in a frame: one frame, whole, as [`write`] makes it and not otherwise.
fn content_size(frame: &[u8]) -> Result<usize, CodecError> {
    // The lower bits of the descriptor: a checksum, no dictionary, and what is reserved. zstd would read a frame with another choice.
    const DESCRIPTOR: usize = 4;
    if frame.get(DESCRIPTOR).map(|bits| bits & 0b1_1111) != Some(0b0_0100) {
        return Err(damaged("this is no frame with a checksum".to_owned()));
    }
    let length = zstd_safe::find_frame_compressed_size(frame)
        .map_err(|code| damaged(zstd_safe::get_error_name(code).to_owned()))?;
    if length != frame.len() {
        return Err(damaged("something follows the frame".to_owned()));
    }
    let size = zstd_safe::get_frame_content_size(frame)
        .ok()
        .flatten()
        .ok_or_else(|| damaged("the frame does not say how large its content is".to_owned()))?;
    match usize::try_from(size) {
        Ok(size) if size <= LARGEST => Ok(size),
        _ => Err(CodecError::TooLarge {
            size,
            limit: LARGEST as u64,
        }),
    }
}

fn damaged(reason: String) -> CodecError {
    CodecError::Zstd {
        source: io::Error::new(io::ErrorKind::InvalidData, reason),
    }
}
