//! Files that are unreadable, and unchangeable, without a key.
//!
//! ```text
//! header  = "KOBSEAL1" ‖ salt (32 random bytes)
//! key     = HKDF-SHA256(salt, sealing key, info = canonical("kobling seal v1", context))
//! chunk i = AES-256-GCM(key, nonce = i (8 bytes LE) ‖ last (1 byte) ‖ 000, AAD = header, 1 MiB of content)
//! sealed  = header ‖ chunk 0 ‖ chunk 1 ‖ …; the last chunk, and only it, is sealed with last = 1
//! ```
//!
//! Every content has a key of its own, so chunk numbers can be the nonces. The context says what the content is (a
//! file's role and name): a sealed file put in another's place does not open. Chunks cannot be reordered,
//! dropped or cut off, since number and last-flag are in the nonce.
//!
//! Source: V. T. Hoang, R. Reyhanitabar, P. Rogaway, D. Vizár, "Online Authenticated-Encryption and its
//! Nonce-Reuse Misuse-Resistance", CRYPTO 2015 (the STREAM construction).

use std::fmt;

use ::ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::primitive::{extract, length_prefixed, random};

const MAGIC: &[u8; 8] = b"KOBSEAL1";
const SALT_LEN: usize = 32;
const HEADER_LEN: usize = MAGIC.len() + SALT_LEN;
const CHUNK_LEN: usize = 1 << 20;
const TAG_LEN: usize = 16;

/// The key that a party's files at rest are sealed with.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SealKey([u8; 32]);

impl SealKey {
    /// Draws a new key.
    pub fn generate() -> Self {
        Self(random())
    }

    /// Takes a key from where it was kept.
    pub fn from_bytes(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The key itself, to be kept.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(hidden)")
    }
}

/// Why sealed bytes do not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The beginning is not that of a sealed file of a version known here.
    #[error("these bytes are not a sealed file of a known version")]
    NotSealed,
    /// Sealed under another key or context, or changed or cut off since.
    #[error("the sealed file was changed, or belongs to another key or place")]
    WrongKeyOrChanged,
}

/// Seals content under a key for one context.
pub fn seal(key: &SealKey, context: &str, plaintext: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(sealed_len(plaintext.len()));
    sealed.extend_from_slice(MAGIC);
    sealed.extend_from_slice(&random::<SALT_LEN>());
    let header: [u8; HEADER_LEN] = sealed[..].try_into().expect("magic and salt");
    let key = content_key(key, &header, context);
    let chunks = chunk_count(plaintext.len());
    for index in 0..chunks {
        let chunk = &plaintext[index * CHUNK_LEN..plaintext.len().min((index + 1) * CHUNK_LEN)];
        let start = sealed.len();
        sealed.extend_from_slice(chunk);
        let tag = key
            .seal_in_place_separate_tag(
                nonce(index, index + 1 == chunks),
                Aad::from(header),
                &mut sealed[start..],
            )
            .expect("a chunk is far below the cipher's limit");
        sealed.extend_from_slice(tag.as_ref());
    }
    sealed
}

/// Opens what [`seal`] made under the same key and context.
///
/// # Errors
/// [`SealError`]; nothing of the content is given unless all of it is genuine.
pub fn open(key: &SealKey, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (header, body) = sealed.split_first_chunk::<HEADER_LEN>().ok_or(SealError::NotSealed)?;
    if !header.starts_with(MAGIC) {
        return Err(SealError::NotSealed);
    }
    if body.len() < TAG_LEN {
        return Err(SealError::WrongKeyOrChanged);
    }
    let key = content_key(key, header, context);
    let mut plaintext = Zeroizing::new(Vec::with_capacity(body.len()));
    let mut chunks = body.chunks(CHUNK_LEN + TAG_LEN).enumerate().peekable();
    while let Some((index, chunk)) = chunks.next() {
        let last = chunks.peek().is_none();
        let mut chunk = Zeroizing::new(chunk.to_vec());
        let opened = key
            .open_in_place(nonce(index, last), Aad::from(*header), &mut chunk)
            .map_err(|_| SealError::WrongKeyOrChanged)?;
        plaintext.extend_from_slice(opened);
    }
    Ok(plaintext)
}

fn content_key(key: &SealKey, header: &[u8; HEADER_LEN], context: &str) -> LessSafeKey {
    let info = length_prefixed(&[b"kobling seal v1", context.as_bytes()]);
    let content_key = Zeroizing::new(extract(&header[MAGIC.len()..], &key.0, &info));
    let unbound = UnboundKey::new(&AES_256_GCM, content_key.as_slice()).expect("the key has 32 bytes");
    LessSafeKey::new(unbound)
}

fn nonce(index: usize, last: bool) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&(index as u64).to_le_bytes());
    bytes[8] = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}

/// At least one chunk, so that an empty content has a tag too.
fn chunk_count(length: usize) -> usize {
    length.div_ceil(CHUNK_LEN).max(1)
}

/// How long sealed content of a length is.
pub fn sealed_len(length: usize) -> usize {
    HEADER_LEN + length + chunk_count(length) * TAG_LEN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SealKey {
        SealKey::from_bytes([1; 32])
    }

    #[test]
    fn content_of_any_length_comes_back() {
        for length in [0, 1, 100, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 2 * CHUNK_LEN, 2 * CHUNK_LEN + 5] {
            let content: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let sealed = seal(&key(), "identity map", &content);
            assert_eq!(sealed.len(), sealed_len(length));
            assert_eq!(open(&key(), "identity map", &sealed).expect("genuine").as_slice(), content);
        }
    }

    #[test]
    fn another_key_or_context_does_not_open() {
        let sealed = seal(&key(), "a", b"content");
        assert_eq!(open(&SealKey::generate(), "a", &sealed), Err(SealError::WrongKeyOrChanged));
        assert_eq!(open(&key(), "b", &sealed), Err(SealError::WrongKeyOrChanged));
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let sealed = seal(&key(), "a", b"content");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            let expected = if at < MAGIC.len() { SealError::NotSealed } else { SealError::WrongKeyOrChanged };
            assert_eq!(open(&key(), "a", &changed), Err(expected));
        }
    }

    #[test]
    fn chunks_cannot_be_cut_off_swapped_or_repeated() {
        let content = vec![9; 2 * CHUNK_LEN + 10];
        let sealed = seal(&key(), "a", &content);
        let whole = CHUNK_LEN + TAG_LEN;
        let (head, body) = sealed.split_at(HEADER_LEN);
        let chunks: Vec<_> = body.chunks(whole).collect();
        let orders: [&[usize]; 6] = [&[0, 1], &[0], &[0, 2], &[1, 0, 2], &[0, 1, 1, 2], &[0, 1, 2, 2]];
        for order in orders {
            let mut changed = head.to_vec();
            order.iter().for_each(|chunk| changed.extend_from_slice(chunks[*chunk]));
            assert_eq!(open(&key(), "a", &changed), Err(SealError::WrongKeyOrChanged));
        }
        for length in [0, 7, HEADER_LEN - 1] {
            assert_eq!(open(&key(), "a", &sealed[..length]), Err(SealError::NotSealed));
        }
        for length in [HEADER_LEN, HEADER_LEN + TAG_LEN - 1, sealed.len() - 1] {
            assert_eq!(open(&key(), "a", &sealed[..length]), Err(SealError::WrongKeyOrChanged));
        }
    }

    #[test]
    fn the_same_content_is_never_sealed_to_the_same_bytes() {
        assert_ne!(seal(&key(), "a", b"content"), seal(&key(), "a", b"content"));
        assert_eq!(format!("{:?}", key()), "SealKey(hidden)");
    }
}
