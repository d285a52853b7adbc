//! Standard primitives in the forms used here: canonical bytes, SHA-256, HMAC, HKDF, AES-CTR, randomness.
//!
//! Everything that is hashed or keyed by a list of parts goes through [`length_prefixed`], so two different
//! lists never have the same bytes. Nothing outside this module joins parts by hand.

use ::ring::rand::SecureRandom;
use ::ring::{digest, hkdf, hmac, rand};

/// AES-128 in counter mode, a 128-bit big-endian counter from 0, seekable by byte.
pub(crate) type Keystream = ctr::Ctr128BE<aes::Aes128>;

/// The canonical message of a list: each part preceded by its length as four bytes, little-endian.
///
/// Injective on lists of parts, so a part cannot borrow bytes from its neighbour.
pub(crate) fn length_prefixed(parts: &[&[u8]]) -> Vec<u8> {
    let mut message = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        message.extend_from_slice(&length_of(part));
        message.extend_from_slice(part);
    }
    message
}

/// The four bytes that precede a part in a canonical message.
pub(crate) fn length_of(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len()).expect("a part of a canonical message is shorter than 4 GiB").to_le_bytes()
}

/// SHA-256 (FIPS 180-4) of the parts, one after the other and without prefixes.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    to_array(context.finish().as_ref())
}

/// HMAC-SHA256 (FIPS 198-1) of the canonical message of the parts.
pub(crate) fn keyed_hash(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    to_array(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &length_prefixed(parts)).as_ref())
}

/// HKDF-Extract with SHA-256 (RFC 5869, section 2.2), followed by an expansion to 32 bytes.
pub(crate) fn extract(salt: &[u8], secret: &[u8], info: &[u8]) -> [u8; 32] {
    let key = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    fill(&key, info)
}

/// HKDF-Expand with SHA-256 (RFC 5869, section 2.3) of a key that is already uniform.
pub(crate) fn expand<const N: usize>(key: &[u8; 32], info: &[u8]) -> [u8; N] {
    fill(&hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, key), info)
}

/// Fresh bytes from the operating system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::SystemRandom::new().fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

fn fill<const N: usize>(key: &hkdf::Prk, info: &[u8]) -> [u8; N] {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut out = [0; N];
    key.expand(&[info], Length(N))
        .and_then(|material| material.fill(&mut out))
        .expect("a key is shorter than 255 digests");
    out
}

fn to_array(digest: &[u8]) -> [u8; 32] {
    digest.try_into().expect("a SHA-256 digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_lists_have_different_canonical_messages() {
        assert_ne!(length_prefixed(&[b"ab", b"c"]), length_prefixed(&[b"a", b"bc"]));
        assert_ne!(length_prefixed(&[b"ab"]), length_prefixed(&[b"ab", b""]));
        assert_eq!(length_prefixed(&[b"ab", b""]), [2, 0, 0, 0, b'a', b'b', 0, 0, 0, 0]);
    }

    #[test]
    fn expansion_is_that_of_rfc_5869() {
        // RFC 5869, appendix A.1: the pseudorandom key and the first 32 bytes of its output.
        let key = [
            0x07, 0x77, 0x09, 0x36, 0x2c, 0x2e, 0x32, 0xdf, 0x0d, 0xdc, 0x3f, 0x0d, 0xc4, 0x7b, 0xba, 0x63,
            0x90, 0xb6, 0xc7, 0x3b, 0xb5, 0x0f, 0x9c, 0x31, 0x22, 0xec, 0x84, 0x4a, 0xd7, 0xc2, 0xb3, 0xe5,
        ];
        let info = [0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9];
        let expected = [
            0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f, 0x64, 0xd0, 0x36, 0x2f, 0x2a,
            0x2d, 0x2d, 0x0a, 0x90, 0xcf, 0x1a, 0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56, 0xec, 0xc4, 0xc5, 0xbf,
        ];
        assert_eq!(expand::<32>(&key, &info), expected);
        let salt: Vec<u8> = (0..13).collect();
        assert_eq!(extract(&salt, &[0x0b; 22], &info), expected);
    }
}
