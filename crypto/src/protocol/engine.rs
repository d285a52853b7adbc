//! Gates on shares: one program text, run by left, right and the dealer alike.
//!
//! A circuit over a table is evaluated on all cells at once: a wire is a [`BitShare`] with a lane for each cell, a
//! number is a [`Share`] with an element for each cell. The three parties call the same functions in the same
//! order with the same public shapes. The workers hold XOR or additive shares; the dealer's wires are dummies, and
//! all it does is to draw what each worker draws from its seed and to send right the correction that makes the
//! two parts fit. The dealer waits for nobody, so it may run ahead.
//!
//! Gates that take a round have a file each: [AND and product](super::multiply), [bits to numbers](super::bit_to_number).
//!
//! XOR, NOT and sums are local. A batch of any size is one round; bodies above one mebibyte are cut into
//! several messages. Messages are named `step/open` between workers and `step/deal` from the dealer, numbered from 0.

use crate::channel::{Channel, StepName};
use crate::protocol::ProtocolError;
use crate::protocol::wide_body::{Inbox, Outbox};
use crate::ring::{Ring, Word};
use crate::roles::Role;
use crate::seeds::{PairSeed, Tape};
use crate::share::{BitShare, OpeningPermit, Share};

/// A party's place in a run of a circuit, with its links and its streams.
pub struct Engine<'a> {
    pub(super) part: Part<'a>,
    open: (Outbox, Inbox),
    deal: (Outbox, Inbox),
}

/// What a party has of the others: links, and tapes of what it draws.
pub(super) enum Part<'a> {
    Left { right: &'a mut dyn Channel, dealer: Tape, zeros: Tape },
    Right { left: &'a mut dyn Channel, dealer_link: &'a mut dyn Channel, dealer: Tape, zeros: Tape },
    Dealer { right: &'a mut dyn Channel, left_tape: Tape, right_tape: Tape },
}

/// One bit on each side that makes up a decision. Opening it takes a permit.
#[derive(Debug)]
#[must_use]
pub struct Decision(BitShare);

impl Decision {
    /// The bit of a wire's first lane.
    pub fn new(bit: BitShare) -> Self {
        Self(bit)
    }
}

impl<'a> Engine<'a> {
    /// Left's engine.
    ///
    /// # Errors
    /// [`ProtocolError`] where the step's name is too long or was used before with these seeds.
    pub fn left(
        step: &StepName,
        right: &'a mut dyn Channel,
        dealer_seed: &PairSeed,
        right_seed: &PairSeed,
    ) -> Result<Self, ProtocolError> {
        let (dealer, zeros) = (dealer_seed.tape(step, "triples")?, right_seed.tape(step, "zeros")?);
        Self::new(step, Part::Left { right, dealer, zeros })
    }

    /// Right's engine.
    ///
    /// # Errors
    /// [`ProtocolError`] where the step's name is too long or was used before with these seeds.
    pub fn right(
        step: &StepName,
        left: &'a mut dyn Channel,
        dealer_link: &'a mut dyn Channel,
        dealer_seed: &PairSeed,
        left_seed: &PairSeed,
    ) -> Result<Self, ProtocolError> {
        let (dealer, zeros) = (dealer_seed.tape(step, "triples")?, left_seed.tape(step, "zeros")?);
        Self::new(step, Part::Right { left, dealer_link, dealer, zeros })
    }

    /// The dealer's engine.
    ///
    /// # Errors
    /// [`ProtocolError`] where the step's name is too long or was used before with these seeds.
    pub fn dealer(
        step: &StepName,
        right: &'a mut dyn Channel,
        left_seed: &PairSeed,
        right_seed: &PairSeed,
    ) -> Result<Self, ProtocolError> {
        let (left_tape, right_tape) = (left_seed.tape(step, "triples")?, right_seed.tape(step, "triples")?);
        Self::new(step, Part::Dealer { right, left_tape, right_tape })
    }

    fn new(step: &StepName, part: Part<'a>) -> Result<Self, ProtocolError> {
        let named = |name: &str| {
            let step = step.join(name)?;
            Ok::<_, ProtocolError>((Outbox::new(&step), Inbox::new(&step)))
        };
        Ok(Self { part, open: named("open")?, deal: named("deal")? })
    }

    /// Who this party is.
    pub fn role(&self) -> Role {
        match self.part {
            Part::Left { .. } => Role::Left,
            Part::Right { .. } => Role::Right,
            Part::Dealer { .. } => Role::Dealer,
        }
    }

    /// Messages exchanged between the workers so far, and received from the dealer.
    pub fn messages(&self) -> (u64, u64) {
        (self.open.0.sent(), self.deal.1.received())
    }

    // Local gates.

    /// The low `width` bits, least first, of private values of `owner`, one a lane. The other parties give no
    /// values; nothing is sent.
    ///
    /// # Panics
    /// Where the owner gives another number of values than lanes.
    pub fn private_bits(
        &self,
        owner: Role,
        values: impl ExactSizeIterator<Item = u64> + Clone,
        lanes: usize,
        width: usize,
    ) -> Vec<BitShare> {
        if self.role() != owner {
            return (0..width).map(|_| BitShare::zeros(lanes)).collect();
        }
        assert_eq!(values.len(), lanes, "one value a lane");
        (0..width).map(|bit| BitShare::of_bit(values.clone(), bit)).collect()
    }

    /// The low `width` bits, least first, of the XOR of what the two workers give, one value a lane; what the dealer gives
    /// is of no account. Nothing is sent.
    ///
    /// # Panics
    /// Where a worker gives another number of values than lanes.
    pub fn joined_bits(
        &self,
        values: impl ExactSizeIterator<Item = u64> + Clone,
        lanes: usize,
        width: usize,
    ) -> Vec<BitShare> {
        let role = if self.role() == Role::Right { Role::Right } else { Role::Left };
        self.private_bits(role, values, lanes, width)
    }

    /// A public bit, the same in every lane.
    pub fn constant(&self, lanes: usize, bit: bool) -> BitShare {
        let mut share = BitShare::zeros(lanes);
        if bit && self.role() == Role::Left {
            share.flip();
        }
        share
    }

    /// The negated bit.
    pub fn not(&self, wire: &BitShare) -> BitShare {
        let mut share = wire.copied();
        if self.role() == Role::Left {
            share.flip();
        }
        share
    }

    /// A public number, the same in every element.
    pub fn constant_number<R: Ring>(&self, length: usize, number: R) -> Share<R> {
        let own = if self.role() == Role::Left { number } else { R::ZERO };
        Share::from_elements(vec![own; length])
    }

    // What takes a round.

    /// Opens a decision to both workers and nobody else, using up the permit. Each worker's part is first
    /// masked with a fresh bit that only the two have. The dealer learns nothing and gets `None`.
    ///
    /// # Errors
    /// [`ProtocolError::Channel`].
    pub fn open_decision(
        &mut self,
        decision: Decision,
        permit: OpeningPermit,
    ) -> Result<Option<bool>, ProtocolError> {
        Ok(self.open_decisions([decision], permit)?.map(|[decision]| decision))
    }

    /// [`Self::open_decision`] for several at once, at most 64, in one message.
    ///
    /// # Errors
    /// [`ProtocolError::Channel`].
    pub fn open_decisions<const N: usize>(
        &mut self,
        decisions: [Decision; N],
        _permit: OpeningPermit,
    ) -> Result<Option<[bool; N]>, ProtocolError> {
        const { assert!(N <= 64, "a word holds the decisions") };
        let zero = match &mut self.part {
            Part::Left { zeros, .. } | Part::Right { zeros, .. } => zeros.draw::<u64>(1)[0],
            Part::Dealer { .. } => return Ok(None),
        };
        // Only each first lane's bit may leave; the others of the word are noise with a history.
        let mut mine = 0;
        for (place, decision) in decisions.iter().enumerate() {
            mine |= (u64::from(decision.0.lane(0)) ^ zero >> place & 1) << place;
        }
        let theirs = self.exchange(&[mine], 1)?[0];
        Ok(Some(std::array::from_fn(|place| (mine ^ theirs) >> place & 1 == 1)))
    }

    /// Adds a fresh sharing of zero, from the seed that only the workers have: the shares then say nothing
    /// beyond their sum, to nobody, the dealer included.
    pub fn refreshed<R: Ring>(&mut self, share: &Share<R>) -> Share<R> {
        match &mut self.part {
            Part::Left { zeros, .. } => share.plus(&Share::from_elements(zeros.draw(share.len()))),
            Part::Right { zeros, .. } => share.minus(&Share::from_elements(zeros.draw(share.len()))),
            Part::Dealer { .. } => Share::zeros(share.len()),
        }
    }

    // Messages.

    /// Sends right a correction that was masked by the last `mask_bytes` drawn from left's tape.
    pub(super) fn deal<T: Ring>(&mut self, correction: &[T], mask_bytes: usize) -> Result<(), ProtocolError> {
        let Part::Dealer { right, left_tape, .. } = &mut self.part else {
            unreachable!("only the dealer deals")
        };
        let mut content = Vec::new();
        T::encode(correction, &mut content);
        left_tape.used(mask_bytes, &content);
        self.deal.0.send::<T>(*right, &content)
    }

    /// Right's part of what the dealer deals.
    pub(super) fn correction<T: Ring>(&mut self, count: usize) -> Result<Vec<T>, ProtocolError> {
        let Part::Right { dealer_link, .. } = &mut self.part else { unreachable!("only right is corrected") };
        self.deal.1.receive::<T>(*dealer_link, count)
    }

    /// Sends own masked elements to the other worker and receives as many. The dealer has no part in it.
    pub(super) fn exchange<T: Ring>(&mut self, mine: &[T], count: usize) -> Result<Vec<T>, ProtocolError> {
        debug_assert_eq!(mine.len(), count);
        let peer = match &mut self.part {
            Part::Left { right, .. } => right,
            Part::Right { left, .. } => left,
            Part::Dealer { .. } => return Ok(vec![T::ZERO; count]),
        };
        let mut content = Vec::new();
        T::encode(mine, &mut content);
        let (outbox, inbox) = &mut self.open;
        outbox.exchange::<T>(inbox, *peer, &content)
    }
}

/// Low `width` bits, least first, of each element of a worker's own share.
pub(crate) fn summand_bits<W: Word>(share: &Share<W>, width: usize) -> Vec<BitShare> {
    let values = share.elements().iter().map(|element| element.to_u128());
    (0..width).map(|bit| BitShare::of_bit(values.clone(), bit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::wide_body::BODY_BYTES;
    use crate::ring::Prime64;
    use crate::testing::{Dice, bits, circuit, elements, own, split};

    /// Shares of random words: left knows some, right knows others.
    fn inputs(engine: &Engine<'_>, dice: &mut Dice, lanes: usize) -> [Vec<BitShare>; 2] {
        [Role::Left, Role::Right].map(|owner| {
            let values: Vec<u64> = (0..lanes).map(|_| dice.next()).collect();
            engine.private_bits(owner, values.into_iter(), lanes, 3)
        })
    }

    #[test]
    fn and_xor_and_not_work_on_wires_of_any_number_of_lanes() {
        for lanes in [1, 63, 64, 65, 231] {
            let ran = circuit(|engine| {
                let [x, y] = inputs(engine, &mut Dice::seeded(5), lanes);
                let not = engine.not(&x[0]);
                let one = engine.constant(1, true);
                let mut out = engine.and(&[(&x[0], &y[0]), (&not, &y[1]), (&one, &one), (&x[1], &x[2])])?;
                out.push(x[0].xor(&y[0]));
                out.push(one.broadcast(lanes));
                Ok(out)
            });
            let mut dice = Dice::seeded(5);
            let mut words = || (0..lanes).map(|_| dice.next()).collect::<Vec<_>>();
            let (x, y) = (words(), words());
            let bit = |word: u64, place: usize| word >> place & 1 == 1;
            let out: Vec<_> =
                ran.left.iter().zip(&ran.right).map(|(left, right)| bits(left, right)).collect();
            assert_eq!(out[2], [true]);
            for lane in 0..lanes {
                let (x, y) = (x[lane], y[lane]);
                assert_eq!(out[0][lane], bit(x, 0) && bit(y, 0));
                assert_eq!(out[1][lane], !bit(x, 0) && bit(y, 1));
                assert_eq!(out[3][lane], bit(x, 1) && bit(x, 2));
                assert_eq!(out[4][lane], bit(x, 0) != bit(y, 0));
                assert!(out[5][lane]);
            }
        }
    }

    fn multiplies<R: Ring>(draw: impl Fn(&mut Dice) -> R + Sync) {
        let vector = |seed, length| {
            let mut dice = Dice::seeded(seed);
            (0..length).map(|_| draw(&mut dice)).collect::<Vec<R>>()
        };
        let ran = circuit(|engine| {
            // Any two vectors are shares of their sum.
            let part = |shift: u8, length| match engine.role() {
                Role::Dealer => Share::zeros(length),
                role => Share::from_elements(vector(shift + u8::from(role == Role::Left), length)),
            };
            engine.multiply(&[(&part(10, 7), &part(20, 7)), (&part(30, 70), &part(40, 70))])
        });
        for (at, (x, y), length) in [(0, (10, 20), 7), (1, (30, 40), 70)] {
            let sum = |seed: u8| {
                elements(
                    &Share::from_elements(vector(seed, length)),
                    &Share::from_elements(vector(seed + 1, length)),
                )
            };
            let expected: Vec<R> = sum(x).into_iter().zip(sum(y)).map(|(x, y)| x.times(y)).collect();
            assert!(elements(&ran.left[at], &ran.right[at]) == expected, "{}", R::NAME);
        }
    }

    #[test]
    fn shared_numbers_multiply_in_every_ring() {
        multiplies::<u16>(|dice| dice.next() as u16);
        multiplies::<u32>(|dice| dice.next() as u32);
        multiplies::<u64>(Dice::next);
        multiplies::<Prime64>(|dice| Prime64::new(dice.next()));
    }

    fn counts_bits<R: Ring>() {
        let ran = circuit(|engine| {
            let [x, y] = inputs(engine, &mut Dice::seeded(6), 100);
            engine.to_numbers::<R>(&[&x[0].xor(&y[0]), &y[1]])
        });
        let mut dice = Dice::seeded(6);
        let mut words = || (0..100).map(|_| dice.next()).collect::<Vec<_>>();
        let (x, y) = (words(), words());
        for lane in 0..100 {
            let number = |bit: u64| if bit & 1 == 1 { R::ONE } else { R::ZERO };
            assert!(elements(&ran.left[0], &ran.right[0])[lane] == number(x[lane] ^ y[lane]));
            assert!(elements(&ran.left[1], &ran.right[1])[lane] == number(y[lane] >> 1));
        }
    }

    #[test]
    fn bits_become_numbers_in_every_ring() {
        counts_bits::<u16>();
        counts_bits::<u32>();
        counts_bits::<u64>();
        counts_bits::<Prime64>();
    }

    #[test]
    fn a_decision_opens_to_both_workers_and_not_to_the_dealer() {
        for (left, right) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let ran = circuit(|engine| {
                let x = engine.private_bits(Role::Left, [left].into_iter(), 1, 1).remove(0);
                let y = engine.private_bits(Role::Right, [right].into_iter(), 1, 1).remove(0);
                engine.open_decision(Decision::new(x.xor(&y)), OpeningPermit::for_a_test())
            });
            let expected = Some(left != right);
            assert_eq!((ran.left, ran.right, ran.dealer), (expected, expected, None));
        }
    }

    #[test]
    fn several_decisions_open_in_one_message_each_as_it_is() {
        for word in 0..8_u64 {
            let ran = circuit(|engine| {
                let bits = engine.private_bits(Role::Left, [word].into_iter(), 1, 3);
                let [a, b, c] = <[BitShare; 3]>::try_from(bits).expect("three bits").map(Decision::new);
                let opened = engine.open_decisions([a, b, c], OpeningPermit::for_a_test())?;
                Ok((opened, engine.messages().0))
            });
            let expected = Some([0, 1, 2].map(|place| word >> place & 1 == 1));
            assert_eq!((ran.left, ran.right, ran.dealer.0), ((expected, 1), (expected, 1), None));
            let [(_, body)] = &ran.seen_by_left[..] else { panic!("one message") };
            assert!(body[1..].iter().all(|byte| *byte == 0) && body[0] < 8, "three bits and no more");
        }
    }

    #[test]
    fn a_refreshed_share_has_the_same_sum_and_another_form() {
        let numbers: Vec<u32> = (0..100).collect();
        let shares = split(&mut Dice::seeded(7), &numbers);
        let ran = circuit(|engine| Ok(engine.refreshed(&own(engine, &shares))));
        assert_eq!(elements(&ran.left, &ran.right), numbers);
        let unchanged = ran.left.elements().iter().zip(shares[0].elements()).filter(|(a, b)| a == b).count();
        assert_eq!(unchanged, 0);
    }

    #[test]
    fn a_body_above_a_mebibyte_is_cut_into_messages() {
        let length = BODY_BYTES / 8 + 3;
        let ran = circuit(|engine| {
            let x = Share::from_elements(vec![u64::from(engine.role() == Role::Left); length]);
            let product = engine.multiply(&[(&x, &x)])?.remove(0);
            Ok((product, engine.messages()))
        });
        assert_eq!(elements(&ran.left.0, &ran.right.0), vec![1; length]);
        assert_eq!((ran.left.1, ran.right.1), ((3, 0), (3, 2)));
        assert!(ran.seen_by_right.iter().all(|(_, body)| body.len() <= BODY_BYTES));
    }
}
