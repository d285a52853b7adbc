//! Statistics over columns that no party may see together: shares, a dealer, protocols, pseudonyms, seals.
//!
//! This crate knows nothing of people, registers, scripts or networks. It blocks, and it talks through a
//! [`channel::Channel`]; who is allowed to ask for what is decided elsewhere.
//!
//! # The adversary, in words
//!
//! Three parties run a protocol: two **workers**, left and right, who own the data, and a **dealer**, who owns
//! nothing and hands out correlated randomness. Any **one** of them may look at everything it handles, keep it
//! for ever and compute on it without limit short of breaking AES, SHA-256 or X25519. Each follows the protocol.
//! Against one such party:
//!
//! - a worker learns its own input, public shapes, and what is opened to it with an [`share::OpeningPermit`].
//!   Everything else that it receives is uniform, independent of the other's input.
//! - the dealer learns public shapes only. It receives nothing at all from either worker within a protocol.
//! - whoever adds up the [`ReleasedShares`](protocol::protect::ReleasedShares) learns their sum only, also where it is the dealer:
//!   every released share carries a fresh sharing of zero from a seed that only the workers have.
//!
//! **Two parties that pool what they saw** learn more, and nothing here prevents it: the dealer and a worker
//! know the other worker's masks, hence its input. **A party that deviates** can spoil results; what it
//! says is bound to session, attempt, step, sender, shape and a running transcript, which lets two honest ends
//! notice that they saw different messages, but no result is proven right. Traffic volumes and message
//! counts are functions of public shapes. Time is not defended beyond that no branch of a protocol depends on
//! a secret value.
//!
//! # Map
//!
//! | module | what |
//! | --- | --- |
//! | [`ring`] | ℤ/2¹⁶, ℤ/2³², ℤ/2⁶⁴ and a prime field, behind one trait |
//! | [`share`] | additive shares, bit shares, the permit to open, partial aggregates |
//! | [`roles`] | left, right, dealer |
//! | [`channel`], [`memory`] | named messages, headers, transcripts; a link in memory |
//! | [`seeds`] | pair seeds of one attempt, mask streams, keys of those that are read again, the ledger of their use |
//! | [`protocol`] | products over all rows, columns that travel once for several, and classes of numbers that nobody knows; circuits over a table; the protection of a table |
//! | `dcf` | keys of comparisons with a secret number |
//! | [`attempt`] | one attempt from fresh keys to farewell, and the dealer's whole part |
//! | [`pseudonym`], [`decoys`] | salted tokens, record keys, decoys and how many of them |
//! | [`seal`], [`sign`] | files at rest; signatures |

pub mod attempt;
pub mod channel;
mod dcf;
pub mod decoys;
mod kernel;
pub mod memory;
mod primitive;
pub mod protocol;
pub mod pseudonym;
pub mod rates;
pub mod ring;
pub mod roles;
pub mod seal;
pub mod seeds;
pub mod share;
pub mod sign;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod uniformity;
