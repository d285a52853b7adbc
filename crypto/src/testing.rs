//! What this crate's own tests are made of: dice with a seed, and three parties in three threads.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use crate::channel::{FramedChannel, Header, StepName, Transport, TransportError};
use crate::memory::{MemoryTransport, pair};
use crate::primitive::{Keystream, sha256};
use crate::protocol::ProtocolError;
use crate::protocol::engine::Engine;
use crate::ring::{Ring, Word};
use crate::roles::Role;
use crate::seeds::{EphemeralKey, Ledger, PairSeed};
use crate::share::{BitShare, Share};

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice {
    keystream: Keystream,
    position: u128,
}

impl Dice {
    pub(crate) fn seeded(seed: u8) -> Self {
        Self { keystream: Keystream::new(&[seed; 16]), position: 0 }
    }

    pub(crate) fn next(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.keystream.read(self.position, &mut bytes);
        self.position += 8;
        u64::from_le_bytes(bytes)
    }

    pub(crate) fn wide(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

pub(crate) fn step(text: &str) -> StepName {
    StepName::new(text).expect("a step's name")
}

/// A message that a party received.
pub(crate) type Seen = (Header, Bytes);

/// A transport that keeps a copy of everything its party receives.
pub(crate) struct Tapped {
    inner: MemoryTransport,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Transport for Tapped {
    fn send(&mut self, header: Header, body: Vec<u8>) -> Result<(), TransportError> {
        self.inner.send(header, body)
    }

    fn receive(&mut self) -> Result<Seen, TransportError> {
        let message = self.inner.receive()?;
        self.seen.lock().expect("no panic").push(message.clone());
        Ok(message)
    }
}

pub(crate) type TestChannel = FramedChannel<Tapped>;

/// What the left worker has in hand.
pub(crate) struct LeftHand {
    pub(crate) right: TestChannel,
    pub(crate) dealer_seed: PairSeed,
    pub(crate) right_seed: PairSeed,
}

/// What the right worker has in hand.
pub(crate) struct RightHand {
    pub(crate) left: TestChannel,
    pub(crate) dealer: TestChannel,
    pub(crate) dealer_seed: PairSeed,
    pub(crate) left_seed: PairSeed,
}

/// What the dealer has in hand.
pub(crate) struct DealerHand {
    pub(crate) right: TestChannel,
    pub(crate) left_seed: PairSeed,
    pub(crate) right_seed: PairSeed,
}

/// Results of the three parties, with what each worker saw.
pub(crate) struct Ran<A, B, C> {
    pub(crate) left: A,
    pub(crate) right: B,
    pub(crate) dealer: C,
    pub(crate) seen_by_left: Vec<Seen>,
    pub(crate) seen_by_right: Vec<Seen>,
    pub(crate) seen_from_dealer: Vec<Seen>,
}

fn link(
    a: &str,
    b: &str,
    seen_by_a: &Arc<Mutex<Vec<Seen>>>,
    seen_by_b: &Arc<Mutex<Vec<Seen>>>,
) -> (TestChannel, TestChannel) {
    let (at_a, at_b) = pair(Duration::from_secs(20));
    let tap = |inner, seen: &Arc<Mutex<Vec<Seen>>>| Tapped { inner, seen: seen.clone() };
    (
        FramedChannel::new(tap(at_a, seen_by_a), [1; 16], [2; 16], a, b),
        FramedChannel::new(tap(at_b, seen_by_b), [1; 16], [2; 16], b, a),
    )
}

/// A link of its own: both ends, and what the second one sees.
pub(crate) fn linked(a: &str, b: &str) -> (TestChannel, TestChannel, Arc<Mutex<Vec<Seen>>>) {
    let seen = Arc::default();
    let (at_a, at_b) = link(a, b, &Arc::default(), &seen);
    (at_a, at_b, seen)
}

/// Where the seeds of an attempt's pairs come from. A ledger sees every use.
pub(crate) struct Pairs {
    ledger: Arc<Mutex<Ledger>>,
    number: Option<u64>,
}

impl Pairs {
    /// Fresh keys for each pair.
    pub(crate) fn fresh(ledger: &Arc<Mutex<Ledger>>) -> Self {
        Self { ledger: ledger.clone(), number: None }
    }

    /// Seeds that follow from a number, and are the same in every run of a test.
    pub(crate) fn numbered(number: u64) -> Self {
        Self { ledger: Ledger::shared(), number: Some(number) }
    }

    /// A pair's seed at both ends.
    pub(crate) fn seeds(&self, a: &str, b: &str) -> (PairSeed, PairSeed) {
        let (at_a, at_b) = match self.number {
            None => seed_pair(a, b),
            Some(number) => {
                let (first, second) = if a < b { (a, b) } else { (b, a) };
                let ends = [first.as_bytes(), b"/", second.as_bytes()];
                let seed = || sha256(&[b"pair of a test", &number.to_le_bytes(), &ends.concat()]);
                (PairSeed::new(seed()), PairSeed::new(seed()))
            }
        };
        (at_a.watched_by(self.ledger.clone()), at_b.watched_by(self.ledger.clone()))
    }
}

/// A pair's fresh seed at both ends, of which a ledger sees every use.
pub(crate) fn seeds(ledger: &Arc<Mutex<Ledger>>, a: &str, b: &str) -> (PairSeed, PairSeed) {
    Pairs::fresh(ledger).seeds(a, b)
}

/// Runs the three parties of one fresh attempt, each in its thread.
pub(crate) fn three<A: Send, B: Send, C: Send>(
    left: impl FnOnce(&mut LeftHand) -> A + Send,
    right: impl FnOnce(&mut RightHand) -> B + Send,
    dealer: impl FnOnce(&mut DealerHand) -> C + Send,
) -> Ran<A, B, C> {
    three_watched(&Ledger::shared(), left, right, dealer)
}

/// As [`three`], with a ledger that outlives the attempt.
pub(crate) fn three_watched<A: Send, B: Send, C: Send>(
    ledger: &Arc<Mutex<Ledger>>,
    left: impl FnOnce(&mut LeftHand) -> A + Send,
    right: impl FnOnce(&mut RightHand) -> B + Send,
    dealer: impl FnOnce(&mut DealerHand) -> C + Send,
) -> Ran<A, B, C> {
    three_among(&Pairs::fresh(ledger), left, right, dealer)
}

/// As [`three`], with these seeds.
pub(crate) fn three_among<A: Send, B: Send, C: Send>(
    pairs: &Pairs,
    left: impl FnOnce(&mut LeftHand) -> A + Send,
    right: impl FnOnce(&mut RightHand) -> B + Send,
    dealer: impl FnOnce(&mut DealerHand) -> C + Send,
) -> Ran<A, B, C> {
    let seen: [Arc<Mutex<Vec<Seen>>>; 3] = Default::default();
    let (left_to_right, right_to_left) = link("left", "right", &seen[0], &seen[1]);
    let (dealer_to_right, right_to_dealer) = link("dealer", "right", &Arc::default(), &seen[2]);
    let (left_dealer, dealer_left) = pairs.seeds("left", "dealer");
    let (right_dealer, dealer_right) = pairs.seeds("right", "dealer");
    let (left_right, right_left) = pairs.seeds("left", "right");
    let (left, right, dealer) = std::thread::scope(|scope| {
        let left = scope.spawn(move || {
            left(&mut LeftHand { right: left_to_right, dealer_seed: left_dealer, right_seed: left_right })
        });
        let right = scope.spawn(move || {
            right(&mut RightHand {
                left: right_to_left,
                dealer: right_to_dealer,
                dealer_seed: right_dealer,
                left_seed: right_left,
            })
        });
        let dealer = scope.spawn(move || {
            let mut hand =
                DealerHand { right: dealer_to_right, left_seed: dealer_left, right_seed: dealer_right };
            dealer(&mut hand)
        });
        let joined = (left.join(), right.join(), dealer.join());
        (joined.0.expect("left runs"), joined.1.expect("right runs"), joined.2.expect("dealer runs"))
    });
    let [seen_by_left, seen_by_right, seen_from_dealer] =
        seen.map(|seen| std::mem::take(&mut *seen.lock().expect("no panic")));
    Ran { left, right, dealer, seen_by_left, seen_by_right, seen_from_dealer }
}

/// Runs one circuit at all three parties.
pub(crate) fn circuit<T: Send>(
    program: impl Fn(&mut Engine<'_>) -> Result<T, ProtocolError> + Sync,
) -> Ran<T, T, T> {
    circuit_among(&Pairs::fresh(&Ledger::shared()), program)
}

/// As [`circuit`], with these seeds.
pub(crate) fn circuit_among<T: Send>(
    pairs: &Pairs,
    program: impl Fn(&mut Engine<'_>) -> Result<T, ProtocolError> + Sync,
) -> Ran<T, T, T> {
    let name = step("circuit");
    let program = &program;
    three_among(
        pairs,
        |hand| {
            let mut engine = Engine::left(&name, &mut hand.right, &hand.dealer_seed, &hand.right_seed);
            program(engine.as_mut().expect("a fresh name")).expect("left ends")
        },
        |hand| {
            let (left, dealer) = (&mut hand.left, &mut hand.dealer);
            let mut engine = Engine::right(&name, left, dealer, &hand.dealer_seed, &hand.left_seed);
            program(engine.as_mut().expect("a fresh name")).expect("right ends")
        },
        |hand| {
            let mut engine = Engine::dealer(&name, &mut hand.right, &hand.left_seed, &hand.right_seed);
            program(engine.as_mut().expect("a fresh name")).expect("the dealer ends")
        },
    )
}

/// The bits behind two shares, lane by lane.
pub(crate) fn bits(left: &BitShare, right: &BitShare) -> Vec<bool> {
    (0..left.lanes()).map(|lane| left.lane(lane) ^ right.lane(lane)).collect()
}

/// The numbers behind two lists of wires, least bit first, lane by lane.
pub(crate) fn numbers(left: &[BitShare], right: &[BitShare]) -> Vec<u64> {
    let lanes = left[0].lanes();
    let bits: Vec<_> = left.iter().zip(right).map(|(left, right)| bits(left, right)).collect();
    let number = |lane: usize| bits.iter().rev().fold(0, |sum, bit| sum << 1 | u64::from(bit[lane]));
    (0..lanes).map(number).collect()
}

/// The elements behind two additive shares.
pub(crate) fn elements<R: Ring>(left: &Share<R>, right: &Share<R>) -> Vec<R> {
    left.elements().iter().zip(right.elements()).map(|(left, right)| left.plus(*right)).collect()
}

/// A vector split into two random shares.
pub(crate) fn split<W: Word>(dice: &mut Dice, elements: &[W]) -> [Share<W>; 2] {
    let left: Vec<W> = elements.iter().map(|_| W::from_u128(dice.wide())).collect();
    let right = elements.iter().zip(&left).map(|(element, left)| element.minus(*left)).collect();
    [Share::from_elements(left), Share::from_elements(right)]
}

/// The share of a party: its own, or nothing for the dealer.
pub(crate) fn own<W: Word>(engine: &Engine<'_>, shares: &[Share<W>; 2]) -> Share<W> {
    match engine.role() {
        Role::Left => shares[0].select(0..shares[0].len()),
        Role::Right => shares[1].select(0..shares[1].len()),
        Role::Dealer => Share::zeros(shares[0].len()),
    }
}

/// All that was seen, one body after the other.
pub(crate) fn bodies(seen: &[Seen]) -> Vec<u8> {
    seen.iter().flat_map(|(_, body)| body.iter().copied()).collect()
}

fn seed_pair(a: &str, b: &str) -> (PairSeed, PairSeed) {
    let (key_a, key_b) = (EphemeralKey::generate(), EphemeralKey::generate());
    let (public_a, public_b) = (key_a.public(), key_b.public());
    (
        key_a.agree(&public_b, &[1; 16], &[2; 16], a, b).expect("agreed"),
        key_b.agree(&public_a, &[1; 16], &[2; 16], b, a).expect("agreed"),
    )
}
