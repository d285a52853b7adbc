//! What two parties say to each other, each message under a name, in an order both know.
//!
//! Protocols speak through [`Channel`]; the bytes are carried by a [`Transport`] (in memory here, between
//! processes in the node). Between them stands [`FramedChannel`], which puts a [`Header`] on every message and
//! checks every header that arrives. Both ends run the same program over public shapes, so the receiver
//! always knows the next message's name and size. Anything else (another session, attempt, sender, step,
//! number, shape or length, a message missing, repeated, or changed on the way) is a typed error that names
//! the step, and the channel is dead from then on.
//!
//! The transcript of one direction is a running hash:
//!
//! ```text
//! h₀     = SHA-256(canonical("kobling transcript v2", session, attempt, sender, receiver))
//! hᵢ₊₁   = SHA-256(hᵢ ‖ canonical header ‖ BLAKE3(body))
//! ```
//!
//! and a message carries the hash that it leads to, so a change anywhere earlier shows here. Bodies are most of what is
//! hashed, and BLAKE3 takes a third of the time that SHA-256 does. The canonical header
//! is the length-prefixed list (each part preceded by its length, four bytes little-endian) of: the ASCII text
//! `kobling header v1`, session, attempt, step, index (eight bytes little-endian), sender, shape (eight bytes
//! little-endian for each dimension). The transcript field itself is not in it.

use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;

use crate::primitive::{length_prefixed, sha256};

/// The name of a step of a protocol: 1 to 64 bytes of `a-z 0-9 . / -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepName(String);

impl StepName {
    /// Longest name in bytes.
    pub const MAX_LEN: usize = 64;

    /// Checks the form and takes the name.
    ///
    /// # Errors
    /// [`InvalidStepName`] for any other form.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidStepName> {
        let text = text.into();
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'/' | b'-');
        let valid = !text.is_empty() && text.len() <= Self::MAX_LEN && text.bytes().all(allowed);
        if valid { Ok(Self(text)) } else { Err(InvalidStepName) }
    }

    /// The name of a part of this step: `self/part`.
    ///
    /// # Errors
    /// [`InvalidStepName`] where that is too long or the part has another form.
    pub fn join(&self, part: &str) -> Result<Self, InvalidStepName> {
        Self::new(format!("{}/{part}", self.0))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A text that is not the name of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of a step: 1 to 64 of a-z 0-9 . / -")]
pub struct InvalidStepName;

/// What stands before every message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The researcher's session.
    pub session: [u8; 16],
    /// The try at computing one question.
    pub attempt: [u8; 16],
    /// The step that the message belongs to.
    pub step: StepName,
    /// Number of the message within its step.
    pub index: u64,
    /// Owner id of the sender.
    pub sender: String,
    /// Public shape of the body; the last dimension is an element's width in bytes.
    pub shape: Vec<u64>,
    /// The sender's transcript of this direction, this message included.
    pub transcript: [u8; 32],
}

impl Header {
    /// The bytes that enter the transcript: every field but the transcript itself.
    pub fn canonical(&self) -> Vec<u8> {
        let shape: Vec<u8> = self.shape.iter().flat_map(|dimension| dimension.to_le_bytes()).collect();
        length_prefixed(&[
            b"kobling header v1",
            &self.session,
            &self.attempt,
            self.step.0.as_bytes(),
            &self.index.to_le_bytes(),
            self.sender.as_bytes(),
            &shape,
        ])
    }
}

/// The running hash of one direction of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript([u8; 32]);

impl Transcript {
    /// The transcript before the first message from `sender` to `receiver`.
    pub fn start(session: &[u8; 16], attempt: &[u8; 16], sender: &str, receiver: &str) -> Self {
        let parts: [&[u8]; 5] =
            [b"kobling transcript v2", session, attempt, sender.as_bytes(), receiver.as_bytes()];
        Self(sha256(&[&length_prefixed(&parts)]))
    }

    /// The transcript once this message has been added.
    pub fn after(&self, header: &Header, body: &[u8]) -> Self {
        Self(sha256(&[&self.0, &header.canonical(), blake3::hash(body).as_bytes()]))
    }

    /// The hash.
    pub fn hash(&self) -> [u8; 32] {
        self.0
    }
}

/// Why a message could not be sent or was not the one expected. Never carries a byte of a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The other end is gone, or an earlier error has closed the channel.
    #[error("the link was closed in step {step}")]
    Closed {
        /// The step at this end.
        step: StepName,
    },
    /// The other end did not send, or take, a message in time.
    #[error("the other end did not answer in time in step {step}")]
    TimedOut {
        /// The step at this end.
        step: StepName,
    },
    /// A message with another name, shape, length or sender than the one due, or outside its ring.
    #[error("an unexpected message arrived in step {step}")]
    Unexpected {
        /// The step at this end.
        step: StepName,
    },
    /// The two ends have not seen the same messages.
    #[error("the transcripts of the two ends differ in step {step}")]
    Transcript {
        /// The step at this end.
        step: StepName,
    },
}

/// One end of a link to one other party, as protocols see it. Blocking; each message has a name.
pub trait Channel: Send {
    /// Sends one message. The shape's last dimension is the width of an element; its product is the length.
    ///
    /// # Errors
    /// [`ChannelError`]; `Unexpected` where the name was used before or the shape is not the body's.
    fn send(&mut self, step: &StepName, index: u64, shape: &[u64], body: Vec<u8>)
    -> Result<(), ChannelError>;

    /// Receives the next message, which must have exactly this name and shape.
    ///
    /// # Errors
    /// [`ChannelError`]; `Unexpected` where another message came.
    fn receive(&mut self, step: &StepName, index: u64, shape: &[u64]) -> Result<Bytes, ChannelError>;
}

/// Shows both ends that everything before has arrived, so that either may close: both send an empty message, then
/// both receive one.
///
/// # Errors
/// [`ChannelError`] of the link.
pub fn farewell(channel: &mut dyn Channel, step: &StepName) -> Result<(), ChannelError> {
    channel.send(step, 0, &[0], Vec::new())?;
    channel.receive(step, 0, &[0]).map(|_| ())
}

/// Carries framed messages, in order, to one other party and back.
pub trait Transport: Send {
    /// Hands a message to the other end, waiting while its buffer is full.
    ///
    /// # Errors
    /// [`TransportError`].
    fn send(&mut self, header: Header, body: Vec<u8>) -> Result<(), TransportError>;

    /// Waits for the next message.
    ///
    /// # Errors
    /// [`TransportError`].
    fn receive(&mut self) -> Result<(Header, Bytes), TransportError>;
}

/// Why a transport carried nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The other end is gone.
    #[error("the link is closed")]
    Closed,
    /// Nothing happened in time.
    #[error("the link did not move in time")]
    TimedOut,
    /// What arrived is not a message of this protocol.
    #[error("what arrived is not a message")]
    Malformed,
}

/// A [`Channel`] over a [`Transport`]: fills and checks headers, keeps the transcripts of both directions.
pub struct FramedChannel<T: Transport> {
    transport: T,
    session: [u8; 16],
    attempt: [u8; 16],
    own_id: String,
    peer_id: String,
    sent: Transcript,
    received: Transcript,
    /// For each step sent in: the next free index. A name is used once.
    next_index: HashMap<StepName, u64>,
    dead: bool,
}

impl<T: Transport> FramedChannel<T> {
    /// One end of the link from `own_id` to `peer_id` for one attempt.
    pub fn new(transport: T, session: [u8; 16], attempt: [u8; 16], own_id: &str, peer_id: &str) -> Self {
        Self {
            transport,
            session,
            attempt,
            own_id: own_id.to_owned(),
            peer_id: peer_id.to_owned(),
            sent: Transcript::start(&session, &attempt, own_id, peer_id),
            received: Transcript::start(&session, &attempt, peer_id, own_id),
            next_index: HashMap::new(),
            dead: false,
        }
    }

    /// Hashes of everything sent and everything received so far. The other end has them the other way round.
    pub fn transcripts(&self) -> ([u8; 32], [u8; 32]) {
        (self.sent.hash(), self.received.hash())
    }

    fn try_send(
        &mut self,
        step: &StepName,
        index: u64,
        shape: &[u64],
        body: Vec<u8>,
    ) -> Result<(), ChannelError> {
        let unexpected = || ChannelError::Unexpected { step: step.clone() };
        // A second message under one name would put other content under the same masks.
        let next = self.next_index.get(step).copied().unwrap_or(0);
        if index < next || byte_length(shape) != Some(body.len()) {
            return Err(unexpected());
        }
        self.next_index.insert(step.clone(), index.checked_add(1).ok_or_else(unexpected)?);
        let mut header = Header {
            session: self.session,
            attempt: self.attempt,
            step: step.clone(),
            index,
            sender: self.own_id.clone(),
            shape: shape.to_vec(),
            transcript: [0; 32],
        };
        self.sent = self.sent.after(&header, &body);
        header.transcript = self.sent.hash();
        self.transport.send(header, body).map_err(|error| at(step, error))
    }

    fn try_receive(&mut self, step: &StepName, index: u64, shape: &[u64]) -> Result<Bytes, ChannelError> {
        let (header, body) = self.transport.receive().map_err(|error| at(step, error))?;
        let due = header.session == self.session
            && header.attempt == self.attempt
            && header.sender == self.peer_id
            && header.step == *step
            && header.index == index
            && header.shape == shape
            && byte_length(shape) == Some(body.len());
        if !due {
            return Err(ChannelError::Unexpected { step: step.clone() });
        }
        self.received = self.received.after(&header, &body);
        if header.transcript != self.received.hash() {
            return Err(ChannelError::Transcript { step: step.clone() });
        }
        Ok(body)
    }

    /// Runs one operation on a living channel; an error of any kind kills it.
    fn alive<R>(
        &mut self,
        step: &StepName,
        run: impl FnOnce(&mut Self) -> Result<R, ChannelError>,
    ) -> Result<R, ChannelError> {
        if self.dead {
            return Err(ChannelError::Closed { step: step.clone() });
        }
        let result = run(self);
        self.dead = result.is_err();
        result
    }
}

impl<T: Transport> Channel for FramedChannel<T> {
    fn send(
        &mut self,
        step: &StepName,
        index: u64,
        shape: &[u64],
        body: Vec<u8>,
    ) -> Result<(), ChannelError> {
        self.alive(step, |channel| channel.try_send(step, index, shape, body))
    }

    fn receive(&mut self, step: &StepName, index: u64, shape: &[u64]) -> Result<Bytes, ChannelError> {
        self.alive(step, |channel| channel.try_receive(step, index, shape))
    }
}

fn byte_length(shape: &[u64]) -> Option<usize> {
    let product = shape.iter().try_fold(1u64, |product, dimension| product.checked_mul(*dimension))?;
    usize::try_from(product).ok()
}

fn at(step: &StepName, error: TransportError) -> ChannelError {
    let step = step.clone();
    match error {
        TransportError::Closed => ChannelError::Closed { step },
        TransportError::TimedOut => ChannelError::TimedOut { step },
        TransportError::Malformed => ChannelError::Unexpected { step },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::memory::{MemoryTransport, pair};

    const SESSION: [u8; 16] = [1; 16];
    const ATTEMPT: [u8; 16] = [2; 16];

    fn step(text: &str) -> StepName {
        StepName::new(text).expect("a step's name")
    }

    fn ends() -> (FramedChannel<MemoryTransport>, FramedChannel<MemoryTransport>) {
        let (a, b) = pair(Duration::from_millis(50));
        (
            FramedChannel::new(a, SESSION, ATTEMPT, "ssb", "krg"),
            FramedChannel::new(b, SESSION, ATTEMPT, "krg", "ssb"),
        )
    }

    /// A message as ssb would send it first, before a test spoils it.
    fn first_message(body: &[u8]) -> Header {
        let mut header = Header {
            session: SESSION,
            attempt: ATTEMPT,
            step: step("a"),
            index: 0,
            sender: "ssb".to_owned(),
            shape: vec![3, 1],
            transcript: [0; 32],
        };
        header.transcript = Transcript::start(&SESSION, &ATTEMPT, "ssb", "krg").after(&header, body).hash();
        header
    }

    fn receive_spoilt(spoil: impl FnOnce(&mut Header, &mut Vec<u8>)) -> Result<Bytes, ChannelError> {
        let (mut a, b) = pair(Duration::from_millis(50));
        let mut b = FramedChannel::new(b, SESSION, ATTEMPT, "krg", "ssb");
        let mut body = vec![1, 2, 3];
        let mut header = first_message(&body);
        spoil(&mut header, &mut body);
        a.send(header, body).expect("both ends live");
        b.receive(&step("a"), 0, &[3, 1])
    }

    #[test]
    fn messages_arrive_and_the_transcripts_agree() {
        let (mut a, mut b) = ends();
        a.send(&step("a"), 0, &[3, 1], vec![1, 2, 3]).expect("sent");
        b.send(&step("b"), 7, &[1, 2], vec![4, 5]).expect("sent");
        assert_eq!(b.receive(&step("a"), 0, &[3, 1]), Ok(vec![1, 2, 3].into()));
        assert_eq!(a.receive(&step("b"), 7, &[1, 2]), Ok(vec![4, 5].into()));
        let (a_sent, a_received) = a.transcripts();
        assert_eq!((a_received, a_sent), b.transcripts());
        assert_ne!(a_sent, a_received);
    }

    #[test]
    fn a_message_under_another_name_shape_or_sender_is_refused() {
        type Spoil = fn(&mut Header, &mut Vec<u8>);
        let unexpected = Err(ChannelError::Unexpected { step: step("a") });
        let spoils: [Spoil; 7] = [
            |header, _| header.session[0] ^= 1,
            |header, _| header.attempt[0] ^= 1,
            |header, _| header.sender = "fhi".to_owned(),
            |header, _| header.step = StepName("b".to_owned()),
            |header, _| header.index = 1,
            |header, _| header.shape = vec![1, 3],
            |_, body| body.push(0),
        ];
        assert_eq!(receive_spoilt(|_, _| ()), Ok(vec![1, 2, 3].into()));
        for spoil in spoils {
            assert_eq!(receive_spoilt(spoil), unexpected);
        }
    }

    #[test]
    fn a_body_changed_on_the_way_shows_in_the_transcript() {
        let differ = Err(ChannelError::Transcript { step: step("a") });
        assert_eq!(receive_spoilt(|_, body| body[1] ^= 4), differ);
        assert_eq!(receive_spoilt(|header, _| header.transcript[31] ^= 1), differ);
    }

    #[test]
    fn a_second_message_under_one_name_is_refused_at_both_ends() {
        let (mut a, _b) = ends();
        a.send(&step("a"), 0, &[1], vec![1]).expect("the first");
        assert_eq!(a.send(&step("a"), 0, &[1], vec![2]), Err(ChannelError::Unexpected { step: step("a") }));

        let (mut a, b) = pair(Duration::from_millis(50));
        let mut b = FramedChannel::new(b, SESSION, ATTEMPT, "krg", "ssb");
        let (body, header) = (vec![1, 2, 3], first_message(&[1, 2, 3]));
        let mut again = header.clone();
        again.transcript = Transcript(header.transcript).after(&again, &body).hash();
        a.send(header, body.clone()).expect("sent");
        a.send(again, body).expect("sent");
        b.receive(&step("a"), 0, &[3, 1]).expect("the first");
        let refused = b.receive(&step("a"), 1, &[3, 1]);
        assert_eq!(refused, Err(ChannelError::Unexpected { step: step("a") }));
    }

    #[test]
    fn a_lost_message_is_noticed_and_the_channel_stays_dead() {
        let (mut a, mut b) = ends();
        a.send(&step("a"), 1, &[1], vec![1]).expect("sent");
        let lost = b.receive(&step("a"), 0, &[1]);
        assert_eq!(lost, Err(ChannelError::Unexpected { step: step("a") }));
        assert_eq!(b.receive(&step("a"), 1, &[1]), Err(ChannelError::Closed { step: step("a") }));
    }

    #[test]
    fn silence_and_absence_are_different_errors() {
        let (a, mut b) = ends();
        assert_eq!(b.receive(&step("a"), 0, &[1]), Err(ChannelError::TimedOut { step: step("a") }));
        drop(a);
        let (a, mut b) = ends();
        drop(a);
        assert_eq!(b.receive(&step("a"), 0, &[1]), Err(ChannelError::Closed { step: step("a") }));
    }

    #[test]
    fn farewell_passes_where_both_ends_have_read_everything() {
        let (mut a, mut b) = ends();
        std::thread::scope(|scope| {
            let other = scope.spawn(move || farewell(&mut b, &step("end")));
            assert_eq!(farewell(&mut a, &step("end")), Ok(()));
            assert_eq!(other.join().expect("no panic"), Ok(()));
        });
    }

    #[test]
    fn step_names_have_one_form() {
        for bad in ["", "A", "a b", "a_b", "å", &"a".repeat(65)] {
            assert_eq!(StepName::new(bad), Err(InvalidStepName));
        }
        assert!(step("q1").join("product").is_ok());
        assert_eq!(step(&"a".repeat(64)).join("b"), Err(InvalidStepName));
    }
}
