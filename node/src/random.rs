//! Fresh secrets from the operating system.

use ring::rand::{SecureRandom, SystemRandom};

/// Fresh random bytes.
///
/// # Panics
/// Where the operating system gives none: nothing that this node does would then be secret.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
