//! Seeds that two parties share for one attempt, and the mask streams named from them.
//!
//! ```text
//! shared   = X25519(own ephemeral, peer's ephemeral)
//! seed     = HKDF-SHA256(salt "kobling pair seed v1", shared,
//!                        info = canonical(session, attempt, id₁, public₁, id₂, public₂)),  id₁ < id₂
//! key      = HKDF-Expand(seed, canonical("kobling stream v1", step, columns, purpose, ring))
//! stream   = AES-128-CTR(key), counter from 0; element i of a ring has its bytes at i × width
//! ```
//!
//! Seeds die with their attempt and are never stored. A stream position must never mask two contents: read
//! at two widths, or for a retry with another filter, the difference of two messages gives the column away. So
//! a stream belongs to one ring by its type, a seed hands out each name once ([`SeedError::StreamReused`]), every
//! attempt has fresh keys, and tests attach a [`Ledger`] that sees every use.
//!
//! What a stream masked may be of use in later attempts of a session ([`kept`](crate::protocol::kept)). For that a party may
//! keep the key of that one stream, a [`StreamKey`], which is in memory only and wiped when dropped. The stream made
//! from it again is of another type, [`RemadeStream`], which can be read and has nothing that a masked message is made
//! with: it masks nothing but what its stream masked in its own attempt.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use ::ring::agreement;
use zeroize::{Zeroize, Zeroizing};

use crate::channel::StepName;
use crate::primitive::{Keystream, expand, extract, length_prefixed, sha256};
use crate::ring::Ring;

/// A private X25519 key for one link in one attempt. It is used once and cannot be stored.
pub struct EphemeralKey {
    private: agreement::EphemeralPrivateKey,
    public: [u8; 32],
}

impl EphemeralKey {
    /// Draws a key from the operating system's randomness.
    pub fn generate() -> Self {
        let random = ::ring::rand::SystemRandom::new();
        let private = agreement::EphemeralPrivateKey::generate(&agreement::X25519, &random)
            .expect("the operating system gives random bytes");
        let public = private.compute_public_key().expect("a fresh key has a public part");
        let public = public.as_ref().try_into().expect("an X25519 key has 32 bytes");
        Self { private, public }
    }

    /// What the peer needs.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// Agrees on the pair's seed. Both ends get the same one, whichever calls itself own.
    ///
    /// The peer's public key must have come over an authenticated link.
    ///
    /// # Errors
    /// [`SeedError::BadKey`] for a key that is none, or that would force a known result.
    pub fn agree(
        self,
        peer_public: &[u8],
        session: &[u8; 16],
        attempt: &[u8; 16],
        own_id: &str,
        peer_id: &str,
    ) -> Result<PairSeed, SeedError> {
        if own_id == peer_id || peer_public == self.public {
            return Err(SeedError::BadKey);
        }
        let mut ends = [(own_id, self.public.as_slice()), (peer_id, peer_public)];
        ends.sort_unstable();
        let [(id_1, public_1), (id_2, public_2)] = ends;
        let info = length_prefixed(&[session, attempt, id_1.as_bytes(), public_1, id_2.as_bytes(), public_2]);
        let peer = agreement::UnparsedPublicKey::new(&agreement::X25519, peer_public);
        agreement::agree_ephemeral(self.private, &peer, |shared| {
            PairSeed::new(extract(b"kobling pair seed v1", shared, &info))
        })
        .map_err(|_| SeedError::BadKey)
    }
}

impl fmt::Debug for EphemeralKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EphemeralKey(hidden)")
    }
}

/// Why there is no seed or no stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeedError {
    /// The peer's public key is not usable.
    #[error("the other end's ephemeral key is not usable")]
    BadKey,
    /// The stream of this name was handed out before.
    #[error("the mask stream of step {step} was asked for twice")]
    StreamReused {
        /// The step.
        step: StepName,
    },
}

/// What two parties share for one attempt, and nobody else knows.
pub struct PairSeed {
    seed: Zeroizing<[u8; 32]>,
    handed_out: Mutex<HashSet<Vec<u8>>>,
    ledger: Option<Arc<Mutex<Ledger>>>,
}

impl PairSeed {
    pub(crate) fn new(mut seed: [u8; 32]) -> Self {
        let kept = Zeroizing::new(seed);
        seed.zeroize();
        Self { seed: kept, handed_out: Mutex::default(), ledger: None }
    }

    /// Lets a test see every use of the seed's masks. The product never calls this.
    pub fn watched_by(mut self, ledger: Arc<Mutex<Ledger>>) -> Self {
        self.ledger = Some(ledger);
        self
    }

    /// The stream of masks of one ring for one column set and purpose within a step.
    ///
    /// # Errors
    /// [`SeedError::StreamReused`] where this name was handed out before.
    pub fn stream<R: Ring>(
        &self,
        step: &StepName,
        columns: &str,
        purpose: &str,
    ) -> Result<MaskStream<R>, SeedError> {
        let bytes = self.bytes(step, columns, purpose, R::NAME)?;
        Ok(MaskStream { bytes, ring: PhantomData })
    }

    /// A stream that is read once from front to back, for randomness of several widths in program order.
    ///
    /// # Errors
    /// [`SeedError::StreamReused`] where this name was handed out before.
    pub(crate) fn tape(&self, step: &StepName, purpose: &str) -> Result<Tape, SeedError> {
        let bytes = self.bytes(step, "tape", purpose, "bytes")?;
        Ok(Tape { bytes, position: 0 })
    }

    fn bytes(
        &self,
        step: &StepName,
        columns: &str,
        purpose: &str,
        ring: &str,
    ) -> Result<ByteStream, SeedError> {
        let name = length_prefixed(&[
            b"kobling stream v1",
            step.as_str().as_bytes(),
            columns.as_bytes(),
            purpose.as_bytes(),
            ring.as_bytes(),
        ]);
        let mut handed_out = self.handed_out.lock().unwrap_or_else(PoisonError::into_inner);
        if !handed_out.insert(name.clone()) {
            return Err(SeedError::StreamReused { step: step.clone() });
        }
        let key = Zeroizing::new(expand::<16>(&self.seed, &name));
        let watch = self.ledger.as_ref().map(|ledger| Watch {
            ledger: ledger.clone(),
            pair: sha256(&[b"kobling pair fingerprint", self.seed.as_slice()]),
            stream: name,
        });
        Ok(ByteStream::new(key, watch))
    }
}

impl fmt::Debug for PairSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairSeed(hidden)")
    }
}

/// Uniform elements of one ring, readable at any position.
pub struct MaskStream<R: Ring> {
    bytes: ByteStream,
    ring: PhantomData<R>,
}

impl<R: Ring> MaskStream<R> {
    /// Fills `out` with the elements from `position` on.
    pub fn fill(&mut self, position: u64, out: &mut [R]) {
        R::draw(out, |bytes| self.bytes.read(u128::from(position) * R::STREAM_BYTES as u128, bytes));
    }

    /// Tells the ledger, if there is one, that `content` was masked by `elements` elements from `position` on.
    pub(crate) fn used(&self, position: u64, elements: usize, content: &[u8]) {
        let width = R::STREAM_BYTES as u128;
        let start = u128::from(position) * width;
        self.bytes.used(start, start + elements as u128 * width, content);
    }

    /// What the stream can be made from again.
    pub(crate) fn key(&self) -> StreamKey<R> {
        StreamKey { key: self.bytes.key.clone(), watch: self.bytes.watch.clone(), ring: PhantomData }
    }
}

impl<R: Ring> fmt::Debug for MaskStream<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskStream(hidden)")
    }
}

/// The key of one mask stream, for later attempts of the session whose seed it came from. It goes with the session.
///
/// Whoever has it and what was sent under the stream has the columns in the clear, as with the seed in the stream's own attempt.
#[derive(Clone)]
pub struct StreamKey<R: Ring> {
    key: Zeroizing<[u8; 16]>,
    watch: Option<Watch>,
    ring: PhantomData<R>,
}

impl<R: Ring> StreamKey<R> {
    /// The stream once more, for reading.
    pub fn stream(&self) -> RemadeStream<R> {
        let bytes = ByteStream::new(self.key.clone(), self.watch.clone());
        RemadeStream { masks: MaskStream { bytes, ring: PhantomData } }
    }
}

impl<R: Ring> fmt::Debug for StreamKey<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(hidden)")
    }
}

/// A stream of an earlier attempt. It can be read; what is sent under masks needs a [`MaskStream`], of which each name exists once.
pub struct RemadeStream<R: Ring> {
    masks: MaskStream<R>,
}

impl<R: Ring> RemadeStream<R> {
    /// Fills `out` with the elements from `position` on.
    pub fn fill(&mut self, position: u64, out: &mut [R]) {
        self.masks.fill(position, out);
    }
}

impl<R: Ring> fmt::Debug for RemadeStream<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RemadeStream(hidden)")
    }
}

/// Randomness that both ends of a pair take in the same order. No position is ever visited twice.
pub(crate) struct Tape {
    bytes: ByteStream,
    position: u128,
}

impl Tape {
    /// The next `count` elements.
    pub(crate) fn draw<R: Ring>(&mut self, count: usize) -> Vec<R> {
        let mut elements = vec![R::ZERO; count];
        R::draw(&mut elements, |bytes| self.bytes.read(self.position, bytes));
        self.position += (count * R::STREAM_BYTES) as u128;
        elements
    }

    /// Tells the ledger, if there is one, that `content` was masked by the last `bytes` bytes drawn.
    pub(crate) fn used(&self, bytes: usize, content: &[u8]) {
        self.bytes.used(self.position - bytes as u128, self.position, content);
    }
}

struct ByteStream {
    key: Zeroizing<[u8; 16]>,
    keystream: Keystream,
    watch: Option<Watch>,
}

impl ByteStream {
    fn new(key: Zeroizing<[u8; 16]>, watch: Option<Watch>) -> Self {
        Self { keystream: Keystream::new(&key), key, watch }
    }

    fn read(&self, position: u128, out: &mut [u8]) {
        self.keystream.read(position, out);
    }

    fn used(&self, start: u128, end: u128, content: &[u8]) {
        if let Some(watch) = &self.watch {
            let entry = MaskUse {
                pair: watch.pair,
                stream: watch.stream.clone(),
                start,
                end,
                content: sha256(&[content]),
            };
            watch.ledger.lock().unwrap_or_else(PoisonError::into_inner).entries.push(entry);
        }
    }
}

#[derive(Clone)]
struct Watch {
    ledger: Arc<Mutex<Ledger>>,
    pair: [u8; 32],
    stream: Vec<u8>,
}

/// One stretch of a stream that masked something that was sent.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaskUse {
    /// Fingerprint of the pair's seed.
    pub pair: [u8; 32],
    /// Canonical name of the stream.
    pub stream: Vec<u8>,
    /// First byte of the stretch.
    pub start: u128,
    /// Byte after its last.
    pub end: u128,
    /// SHA-256 of what was sent.
    pub content: [u8; 32],
}

/// Every use of every mask, as tests see it.
#[derive(Default)]
pub struct Ledger {
    entries: Vec<MaskUse>,
}

impl Ledger {
    /// An empty ledger that several seeds can share.
    pub fn shared() -> Arc<Mutex<Self>> {
        Arc::default()
    }

    /// Number of stretches seen.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Number of times that a stream position masked another content than before. The same stretch with the same
    /// content (a block sent again byte for byte) is none.
    pub fn reuses(&self) -> usize {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort();
        entries.dedup();
        let mut reuses = 0;
        let mut reach: Option<(&MaskUse, u128)> = None;
        for entry in entries {
            let before = reach.filter(|(last, _)| last.pair == entry.pair && last.stream == entry.stream);
            let end = before.map_or(0, |(_, end)| end);
            reuses += usize::from(entry.start < end);
            reach = Some((entry, end.max(entry.end)));
        }
        reuses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(text: &str) -> StepName {
        StepName::new(text).expect("a step's name")
    }

    fn first<R: Ring>(stream: &mut MaskStream<R>, count: usize) -> Vec<R> {
        let mut out = vec![R::ZERO; count];
        stream.fill(0, &mut out);
        out
    }

    #[test]
    fn both_ends_agree_on_a_seed_and_a_third_does_not() {
        let (a, b, c) = (EphemeralKey::generate(), EphemeralKey::generate(), EphemeralKey::generate());
        let (a_public, b_public) = (a.public(), b.public());
        let at_a = a.agree(&b_public, &[1; 16], &[2; 16], "ssb", "krg").expect("agreed");
        let at_b = b.agree(&a_public, &[1; 16], &[2; 16], "krg", "ssb").expect("agreed");
        let at_c = c.agree(&a_public, &[1; 16], &[2; 16], "krg", "ssb").expect("agreed");
        let masks = |seed: &PairSeed| first(&mut seed.stream::<u64>(&step("a"), "x", "u").expect("new"), 4);
        let (at_a, at_b, at_c) = (masks(&at_a), masks(&at_b), masks(&at_c));
        assert_eq!(at_a, at_b);
        assert_ne!(at_a, at_c);
    }

    #[test]
    fn another_session_attempt_or_pair_of_names_gives_another_seed() {
        // The same key material cannot be had twice, so the derivation below the agreement is compared.
        let seed = |session: &[u8], attempt: &[u8], id: &[u8]| {
            extract(b"kobling pair seed v1", &[9; 32], &length_prefixed(&[session, attempt, id]))
        };
        let seeds =
            [seed(b"s", b"a", b"x"), seed(b"t", b"a", b"x"), seed(b"s", b"b", b"x"), seed(b"s", b"a", b"y")];
        assert_eq!(seeds.iter().collect::<HashSet<_>>().len(), 4);
    }

    #[test]
    fn a_low_order_or_misshapen_key_is_refused() {
        for bad in [vec![0; 32], vec![1; 31], Vec::new(), {
            let mut one = vec![0; 32];
            one[0] = 1;
            one
        }] {
            let agreed = EphemeralKey::generate().agree(&bad, &[1; 16], &[2; 16], "ssb", "krg");
            assert_eq!(agreed.err(), Some(SeedError::BadKey));
        }
        let own = EphemeralKey::generate();
        let public = own.public();
        assert_eq!(own.agree(&public, &[1; 16], &[2; 16], "ssb", "krg").err(), Some(SeedError::BadKey));
    }

    #[test]
    fn a_stream_is_handed_out_once() {
        let seed = PairSeed::new([3; 32]);
        let ask = |step_name: &str, columns: &str, purpose: &str| {
            seed.stream::<u32>(&step(step_name), columns, purpose).map(|_| ())
        };
        assert_eq!(ask("a", "x", "u"), Ok(()));
        assert_eq!(ask("a", "x", "u"), Err(SeedError::StreamReused { step: step("a") }));
        for (step, columns, purpose) in [("b", "x", "u"), ("a", "y", "u"), ("a", "x", "v")] {
            assert_eq!(ask(step, columns, purpose), Ok(()));
        }
    }

    #[test]
    fn streams_of_different_names_or_rings_are_unrelated() {
        let seed = PairSeed::new([3; 32]);
        let mut seen = HashSet::new();
        for (name, columns, purpose) in [("a", "x", "u"), ("b", "x", "u"), ("a", "y", "u"), ("a", "x", "v")] {
            seen.insert(first(&mut seed.stream::<u64>(&step(name), columns, purpose).expect("new"), 2));
        }
        let narrow = first(&mut seed.stream::<u32>(&step("a"), "x", "u").expect("new"), 4);
        seen.insert(narrow.chunks(2).map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32).collect());
        assert_eq!(seen.len(), 5);
    }

    #[test]
    fn a_stream_reads_the_same_at_any_position() {
        let mut stream = PairSeed::new([4; 32]).stream::<u16>(&step("a"), "x", "u").expect("new");
        let all = first(&mut stream, 1000);
        for (start, length) in [(0, 1), (7, 9), (8, 8), (13, 100), (999, 1)] {
            let mut out = vec![0; length];
            stream.fill(start as u64, &mut out);
            assert_eq!(out, all[start..start + length]);
        }
    }

    #[test]
    fn the_ledger_counts_a_position_that_masks_two_contents() {
        let ledger = Ledger::shared();
        let seed = PairSeed::new([5; 32]).watched_by(ledger.clone());
        let x = seed.stream::<u32>(&step("a"), "x", "u").expect("new");
        let y = seed.stream::<u32>(&step("a"), "y", "u").expect("new");
        x.used(0, 10, b"one");
        x.used(10, 10, b"two");
        x.used(0, 10, b"one");
        y.used(0, 10, b"three");
        assert_eq!(ledger.lock().expect("not poisoned").reuses(), 0);
        x.used(19, 1, b"four");
        assert_eq!(ledger.lock().expect("not poisoned").reuses(), 1);
    }

    #[test]
    fn a_stream_made_again_reads_the_same_and_the_ledger_sees_whoever_masks_with_it() {
        let ledger = Ledger::shared();
        let seed = PairSeed::new([6; 32]).watched_by(ledger.clone());
        let mut stream = seed.stream::<u16>(&step("a"), "x", "u").expect("new");
        let key = stream.key();
        stream.used(0, 8, b"sent in the first attempt");
        let (all, mut again) = (first(&mut stream, 100), key.clone().stream());
        drop((seed, stream));
        for (start, length) in [(0, 100), (7, 9), (99, 1)] {
            let mut out = vec![0; length];
            again.fill(start as u64, &mut out);
            assert_eq!(out, all[start..start + length]);
        }
        assert_eq!(ledger.lock().expect("not poisoned").reuses(), 0);
        // Only here, where its fields are seen, can it be used like a fresh one.
        again.masks.used(4, 8, b"another content");
        assert_eq!(ledger.lock().expect("not poisoned").reuses(), 1);
        assert_eq!(format!("{key:?} {again:?}"), "StreamKey(hidden) RemadeStream(hidden)");
    }

    #[test]
    fn nothing_secret_is_printed() {
        let seed = PairSeed::new([6; 32]);
        let stream = seed.stream::<u32>(&step("a"), "x", "u").expect("new");
        let printed = format!("{:?} {seed:?} {stream:?}", EphemeralKey::generate());
        assert_eq!(printed, "EphemeralKey(hidden) PairSeed(hidden) MaskStream(hidden)");
    }
}
