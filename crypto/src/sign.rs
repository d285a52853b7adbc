//! Signatures of parties on what they hand out: Ed25519 (RFC 8032).

use std::fmt;

use ::ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

/// A party's private signing key.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    document: Zeroizing<Vec<u8>>,
}

/// Bytes that are not a key, or a signature that is not the key's on the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// Not a private key in PKCS#8 form, or not a public key of 32 bytes.
    #[error("these bytes are not an Ed25519 key")]
    NotAKey,
    /// The signature does not fit key and message.
    #[error("the signature is not valid")]
    Invalid,
}

impl SigningKey {
    /// Draws a new key.
    pub fn generate() -> Self {
        let random = ::ring::rand::SystemRandom::new();
        let document =
            Ed25519KeyPair::generate_pkcs8(&random).expect("the operating system gives random bytes");
        Self::from_pkcs8(document.as_ref()).expect("a fresh key is a key")
    }

    /// Reads a key in PKCS#8 form (version 2, with the public part).
    ///
    /// # Errors
    /// [`SignatureError::NotAKey`].
    pub fn from_pkcs8(document: &[u8]) -> Result<Self, SignatureError> {
        let pair = Ed25519KeyPair::from_pkcs8(document).map_err(|_| SignatureError::NotAKey)?;
        Ok(Self { pair, document: Zeroizing::new(document.to_vec()) })
    }

    /// The key in PKCS#8 form, to be kept.
    pub fn expose_pkcs8(&self) -> &[u8] {
        &self.document
    }

    /// The public part.
    pub fn verifying_key(&self) -> VerifyingKey {
        let bytes = self.pair.public_key().as_ref().try_into().expect("an Ed25519 key has 32 bytes");
        VerifyingKey(bytes)
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(hidden)")
    }
}

/// A party's public key, as pinned in the roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VerifyingKey([u8; 32]);

impl VerifyingKey {
    /// Reads the 32 bytes of a public key. Whether they are a point of the curve shows when verifying.
    ///
    /// # Errors
    /// [`SignatureError::NotAKey`] for another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SignatureError> {
        bytes.try_into().map(Self).map_err(|_| SignatureError::NotAKey)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks that the signature is this key's on the message.
    ///
    /// # Errors
    /// [`SignatureError::Invalid`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let key = UnparsedPublicKey::new(&ED25519, &self.0);
        key.verify(message, signature).map_err(|_| SignatureError::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_rfc_8032() {
        // RFC 8032, section 7.1, test 2: public key, message 0x72, signature.
        let key = [
            0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e, 0xbc,
            0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c,
        ];
        let signature = [
            0x92, 0xa0, 0x09, 0xa9, 0xf0, 0xd4, 0xca, 0xb8, 0x72, 0x0e, 0x82, 0x0b, 0x5f, 0x64, 0x25, 0x40,
            0xa2, 0xb2, 0x7b, 0x54, 0x16, 0x50, 0x3f, 0x8f, 0xb3, 0x76, 0x22, 0x23, 0xeb, 0xdb, 0x69, 0xda,
            0x08, 0x5a, 0xc1, 0xe4, 0x3e, 0x15, 0x99, 0x6e, 0x45, 0x8f, 0x36, 0x13, 0xd0, 0xf1, 0x1d, 0x8c,
            0x38, 0x7b, 0x2e, 0xae, 0xb4, 0x30, 0x2a, 0xee, 0xb0, 0x0d, 0x29, 0x16, 0x12, 0xbb, 0x0c, 0x00,
        ];
        let key = VerifyingKey::from_bytes(&key).expect("32 bytes");
        assert_eq!(key.verify(&[0x72], &signature), Ok(()));
        assert_eq!(key.verify(&[0x73], &signature), Err(SignatureError::Invalid));
    }

    #[test]
    fn a_signature_fits_one_key_and_one_message() {
        let key = SigningKey::generate();
        let kept = SigningKey::from_pkcs8(key.expose_pkcs8()).expect("own form");
        assert_eq!(kept.verifying_key(), key.verifying_key());
        let signature = kept.sign(b"partial aggregate");
        assert_eq!(key.verifying_key().verify(b"partial aggregate", &signature), Ok(()));
        let other = SigningKey::generate().verifying_key();
        assert_eq!(other.verify(b"partial aggregate", &signature), Err(SignatureError::Invalid));
        assert_eq!(key.verifying_key().verify(b"another", &signature), Err(SignatureError::Invalid));
        assert_eq!(
            key.verifying_key().verify(b"partial aggregate", &signature[1..]),
            Err(SignatureError::Invalid)
        );
    }

    #[test]
    fn bytes_that_are_no_key_are_refused() {
        assert_eq!(SigningKey::from_pkcs8(b"no key").err(), Some(SignatureError::NotAKey));
        assert_eq!(VerifyingKey::from_bytes(&[0; 31]), Err(SignatureError::NotAKey));
        assert_eq!(format!("{:?}", SigningKey::generate()), "SigningKey(hidden)");
    }
}
