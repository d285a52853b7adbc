//! A partial aggregate: one worker's share of a protected table, bound to what it is a share of.

use crate::federation::Worker;
use crate::{AttemptId, Hash, OwnerId, SessionId};

/// One worker's share of a protected table.
///
/// Alone it is uniform. The two workers' shares add up, modulo 2³² and 2¹²⁸, to the protected table; whoever adds
/// them checks first that both name the same request, session, attempt, plan and question, and that the two
/// workers saw the same messages on the link between them.
#[derive(Clone, PartialEq, Eq)]
pub struct PartialAggregate {
    /// The session.
    pub session: SessionId,
    /// The attempt.
    pub attempt: AttemptId,
    /// Hash of the request that the platform signed.
    pub request: Hash,
    /// Hash of the plan, which names the exact versions of the data.
    pub plan: Hash,
    /// Index of the question in the plan.
    pub question: u32,
    /// Whose share.
    pub party: OwnerId,
    /// Which of the two workers it was.
    pub worker: Worker,
    /// Running hash of what it sent to the other worker.
    pub sent: Hash,
    /// Running hash of what it received from the other worker.
    pub received: Hash,
    /// One share for each cell, margins included.
    pub shares: Vec<u32>,
    /// One share of the sum for each cell, where the table has a value column, else empty.
    pub sums: Vec<u128>,
    /// One share of the sum of squares for each cell, where they are asked for, else empty.
    pub squares: Vec<u128>,
}

impl PartialAggregate {
    /// The bytes that the worker signs: a fixed prefix, then each field with its length as u32
    /// little-endian before it; numbers little-endian.
    pub fn message(&self) -> Vec<u8> {
        let worker: &[u8] = match self.worker {
            Worker::Left => b"left",
            Worker::Right => b"right",
        };
        let shares: Vec<u8> = self.shares.iter().flat_map(|share| share.to_le_bytes()).collect();
        let [sums, squares] = [&self.sums, &self.squares]
            .map(|wide| wide.iter().flat_map(|share| share.to_le_bytes()).collect::<Vec<u8>>());
        let fields: [&[u8]; 12] = [
            &self.session.0,
            &self.attempt.0,
            &self.request.0,
            &self.plan.0,
            &self.question.to_le_bytes(),
            self.party.as_str().as_bytes(),
            worker,
            &self.sent.0,
            &self.received.0,
            &shares,
            &sums,
            &squares,
        ];
        let mut message = b"kobling partial aggregate v3".to_vec();
        for field in fields {
            let length = u32::try_from(field.len()).expect("a table has fewer than 2^28 cells");
            message.extend(length.to_le_bytes());
            message.extend(field);
        }
        message
    }

    /// What the audit record names before the share leaves: the digest of [`Self::message`].
    pub fn content(&self) -> Hash {
        Hash::of(&self.message())
    }
}

impl std::fmt::Debug for PartialAggregate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartialAggregate({} cells of {:?})", self.shares.len(), self.party)
    }
}
