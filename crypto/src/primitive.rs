//! Standard primitives in the forms used here: canonical bytes, SHA-256, HMAC, HKDF, AES-CTR, randomness.
//!
//! Everything that is hashed or keyed by a list of parts goes through [`length_prefixed`], so two different
//! lists never have the same bytes. Nothing outside this module joins parts by hand.

use ::ring::rand::SecureRandom;
use ::ring::{digest, hkdf, hmac, rand};
use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use sha2::block_api::compress256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// AES-128 in counter mode (NIST SP 800-38A, section 6.5), a 128-bit big-endian counter from 0, readable at any byte.
///
/// Counters are written straight into the output and encrypted there, many blocks at a time: three times as fast
/// as going through the `ctr` crate, with which a test compares it.
pub(crate) struct Keystream {
    cipher: Aes128,
}

impl Keystream {
    const BLOCK: usize = 16;
    /// Blocks written and encrypted while they are in the nearest cache.
    const RUN: usize = 512;

    pub(crate) fn new(key: &[u8; 16]) -> Self {
        Self { cipher: Aes128::new(key.into()) }
    }

    /// Fills `out` with the stream's bytes from `position` on.
    pub(crate) fn read(&self, position: u128, out: &mut [u8]) {
        let mut counter = position / Self::BLOCK as u128;
        let within = (position % Self::BLOCK as u128) as usize;
        let mut rest = out;
        if within != 0 {
            let (head, after) = rest.split_at_mut(rest.len().min(Self::BLOCK - within));
            head.copy_from_slice(&self.block(counter)[within..within + head.len()]);
            counter += 1;
            rest = after;
        }
        let (blocks, tail) = rest.as_chunks_mut();
        for run in blocks.chunks_mut(Self::RUN) {
            // Half the counter stays as it is, but for one run in 2⁵⁵.
            let (high, low) = ((counter >> 64) as u64, counter as u64);
            if low.checked_add(run.len() as u64).is_some() {
                for (block, low) in run.iter_mut().zip(low..) {
                    block[..8].copy_from_slice(&high.to_be_bytes());
                    block[8..].copy_from_slice(&low.to_be_bytes());
                }
            } else {
                for (block, at) in run.iter_mut().zip(0..) {
                    *block = counter.wrapping_add(at).to_be_bytes();
                }
            }
            counter = counter.wrapping_add(run.len() as u128);
            self.cipher.encrypt_blocks(Array::cast_slice_from_core_mut(run));
        }
        if !tail.is_empty() {
            tail.copy_from_slice(&self.block(counter)[..tail.len()]);
        }
    }

    fn block(&self, counter: u128) -> [u8; Self::BLOCK] {
        let mut block = counter.to_be_bytes().into();
        self.cipher.encrypt_block(&mut block);
        block.into()
    }
}

/// HMAC-SHA256 (FIPS 198-1) under one key of many messages with one beginning, which is hashed once.
///
/// Done on the compression function: for messages as short as an identity, what a general implementation does around
/// it takes four times as long as hashing. A test compares it with `ring`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct ManyHashes {
    /// State after the inner padded key and all whole blocks of the beginning.
    inner: [u32; 8],
    /// State after the outer padded key.
    outer: [u32; 8],
    /// What of the beginning fills no block.
    rest: Vec<u8>,
    /// Bytes hashed into the inner state.
    hashed: u64,
}

impl ManyHashes {
    const BLOCK: usize = 64;
    /// FIPS 180-4, section 5.3.3.
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];

    pub(crate) fn new(key: &[u8; 32], beginning: &[u8]) -> Self {
        let padded = |pad: u8| {
            let mut block = Zeroizing::new([pad; Self::BLOCK]);
            block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
            let mut state = Self::INITIAL;
            compress256(&mut state, &[*block]);
            state
        };
        let (mut inner, outer) = (padded(0x36), padded(0x5c));
        let (blocks, rest) = beginning.as_chunks();
        compress256(&mut inner, blocks);
        let hashed = (Self::BLOCK + beginning.len() - rest.len()) as u64;
        Self { inner, outer, rest: rest.to_vec(), hashed }
    }

    /// The hash of the beginning and then these parts, as one message.
    pub(crate) fn hash(&self, parts: [&[u8]; 2]) -> [u8; 32] {
        let mut state = self.inner;
        let mut block = [0; Self::BLOCK];
        let mut filled = 0;
        for part in [&self.rest, parts[0], parts[1]] {
            let mut part = part;
            while !part.is_empty() {
                let (now, later) = part.split_at(part.len().min(Self::BLOCK - filled));
                block[filled..filled + now.len()].copy_from_slice(now);
                filled += now.len();
                part = later;
                if filled == Self::BLOCK {
                    compress256(&mut state, &[block]);
                    filled = 0;
                }
            }
        }
        let length =
            self.hashed + [&self.rest, parts[0], parts[1]].map(|part| part.len() as u64).iter().sum::<u64>();
        finish(&mut state, &mut block, filled, length);
        let mut block = [0; Self::BLOCK];
        write_state(&state, &mut block);
        let mut state = self.outer;
        finish(&mut state, &mut block, 32, Self::BLOCK as u64 + 32);
        let mut digest = [0; 32];
        write_state(&state, &mut digest);
        digest
    }
}

/// Pads and compresses the last block, of which `filled` bytes are taken, of a message of `length` bytes.
fn finish(state: &mut [u32; 8], block: &mut [u8; 64], filled: usize, length: u64) {
    block[filled..].fill(0);
    block[filled] = 0x80;
    if filled >= 56 {
        compress256(state, &[*block]);
        block.fill(0);
    }
    block[56..].copy_from_slice(&(8 * length).to_be_bytes());
    compress256(state, &[*block]);
}

fn write_state(state: &[u32; 8], bytes: &mut [u8]) {
    for (place, word) in bytes.chunks_exact_mut(4).zip(state) {
        place.copy_from_slice(&word.to_be_bytes());
    }
}

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
    fn the_keystream_is_that_of_another_implementation_at_every_position_and_length() {
        use ctr::cipher::{KeyIvInit, StreamCipher};
        let mut whole = vec![0; 20_000];
        ctr::Ctr128BE::<Aes128>::new(&[7; 16].into(), &[0; 16].into()).write_keystream(&mut whole);
        let keystream = Keystream::new(&[7; 16]);
        let lengths = [0, 1, 5, 15, 16, 17, 31, 33, 8192, 8200, 19_000];
        for start in (0..40).chain([8190, 8192, 8193]) {
            for length in lengths.into_iter().filter(|length| start + length <= whole.len()) {
                let mut out = vec![0xaa; length];
                keystream.read(start as u128, &mut out);
                assert_eq!(out, whole[start..start + length], "{length} bytes at {start}");
            }
        }
    }

    #[test]
    fn the_counter_is_carried_from_its_low_half_into_its_high_one() {
        let keystream = Keystream::new(&[7; 16]);
        let first = (7 << 64) - 2;
        let mut out = [0; 4 * 16];
        keystream.read(16 * first, &mut out);
        assert_eq!(out, [0, 1, 2, 3].map(|at| keystream.block(first + at)).concat()[..]);
    }

    #[test]
    fn many_hashes_are_those_of_another_implementation_at_every_length() {
        let key: [u8; 32] = std::array::from_fn(|at| at as u8);
        let text: Vec<u8> = (0..=255).collect();
        for beginning in [0, 1, 31, 55, 56, 63, 64, 65, 130] {
            let many = ManyHashes::new(&key, &text[..beginning]);
            for (first, second) in [(0, 0), (4, 11), (4, 60), (9, 46), (64, 64), (1, 54), (1, 200)] {
                let parts = [&text[..first], &text[..second]];
                let message = [&text[..beginning], parts[0], parts[1]].concat();
                let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &message);
                assert_eq!(many.hash(parts), expected.as_ref(), "{beginning} + {first} + {second} bytes");
            }
        }
    }

    #[test]
    fn the_keystream_is_aes_128_in_counter_mode() {
        // NIST SP 800-38A, F.5.1: key, first counter and first output block of CTR-AES128.Encrypt.
        let key =
            [0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c];
        let counter = 0xf0f1_f2f3_f4f5_f6f7_f8f9_fafb_fcfd_feff;
        let expected =
            [0xec, 0x8c, 0xdf, 0x73, 0x98, 0x60, 0x7c, 0xb0, 0xf2, 0xd2, 0x16, 0x75, 0xea, 0x9e, 0xa1, 0xe4];
        assert_eq!(Keystream::new(&key).block(counter), expected);
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
