//! Same person, same row number: how the broker lines up what it cannot read.
//!
//! The broker is given tokens, keyed hashes under a salt that it never has. It finds equal ones, gives each
//! distinct token a random row, and forgets the tokens. Steps, and what becomes known to whom:
//!
//! 1. Each linking node sends its tokens, sorted, decoys and canaries among them. *The broker learns how many
//!    tokens owners have in common, blurred by the decoys; nothing else, and it writes none of it down.*
//! 2. The broker checks that each owner's tokens ascend strictly, and draws a random row for every distinct
//!    token. Rows that no token gets lie anywhere between.
//! 3. Each node gets the rows of its own tokens, and the number of rows. *A node learns nothing about which
//!    rows it shares: its rows are a uniform random injection, whoever else is there.*
//! 4. The nodes compare the rows of their canaries with each other, so that a wrong salt or canonical form is
//!    an error and never an empty join.

use std::fmt;
use std::sync::Arc;

use futures::future::try_join_all;
use kobling_model::{OwnerId, SessionId, UnitType};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;
use ring::rand::{SecureRandom, SystemRandom};

use crate::problem::RunError;
use crate::roster::NodeClient;

/// Rows come in multiples of this, so that their number says little about the number of units.
pub const ROWS_MULTIPLE: u64 = 65_536;

/// One owner's tokens of one unit type. Personal data while it lasts: shown by nothing.
pub struct Tokens {
    /// Whose.
    pub owner: OwnerId,
    /// Strictly ascending, if the owner is honest.
    pub tokens: Vec<[u8; 16]>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({}, hidden)", self.owner)
    }
}

/// Row numbers for every owner's tokens.
pub struct Alignment {
    /// Number of rows, a multiple of [`ROWS_MULTIPLE`].
    pub rows: u64,
    /// For each owner, in the order given, the row of each of its tokens in their order.
    pub numbers: Vec<Vec<u32>>,
}

/// Links all units of a type among `nodes`, and returns the number of rows.
///
/// # Errors
/// Any error means that this session cannot link: a node did not answer, sent a token twice, or the canaries
/// differ.
pub async fn link(
    nodes: &[Arc<dyn NodeClient>],
    session: SessionId,
    unit_type: UnitType,
) -> Result<u64, RunError> {
    // 1.
    let lists = try_join_all(nodes.iter().map(|node| async move {
        let tokens = node.tokens(session, unit_type).await?;
        Ok::<_, RunError>(Tokens { owner: node.owner().clone(), tokens })
    }))
    .await?;
    // 2. The lists move into the function that merges them and end with it.
    let seed = fresh_seed()?;
    let alignment = tokio::task::spawn_blocking(move || assign(&lists, seed))
        .await
        .map_err(|_| RunError::Internal { step: "link" })??;
    // 3.
    let rows = alignment.rows;
    let puts = nodes.iter().zip(alignment.numbers);
    try_join_all(puts.map(|(node, numbers)| node.put_rows(session, unit_type, numbers, rows))).await?;
    // 4.
    try_join_all(nodes.iter().map(|node| node.confirm_alignment(session, unit_type))).await?;
    Ok(rows)
}

fn fresh_seed() -> Result<[u8; 32], RunError> {
    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).map_err(|_| RunError::Internal { step: "link" })?;
    Ok(seed)
}

/// Gives every distinct token a row of its own, chosen by `seed`.
///
/// The lists are merged, since they are sorted: no table of tokens is ever built. Distinct tokens are
/// numbered as they come, and number i gets row i of a random permutation of all rows (Fisher–Yates,
/// with ChaCha20 as source).
///
/// # Errors
/// [`RunError::TokenTwice`], [`RunError::TokenOrder`], [`RunError::TooManyUnits`].
pub fn assign(lists: &[Tokens], seed: [u8; 32]) -> Result<Alignment, RunError> {
    for list in lists {
        check_order(list)?;
    }
    let mut numbers: Vec<Vec<u32>> = lists.iter().map(|list| Vec::with_capacity(list.tokens.len())).collect();
    let mut distinct: u32 = 0;
    // Lists grow as they are answered, so the next token of list i is at the length of `numbers[i]`.
    let next = |at: usize, numbers: &Vec<u32>| {
        lists[at].tokens.get(numbers.len()).map(|token| u128::from_be_bytes(*token))
    };
    let mut heads: Vec<_> = numbers.iter().enumerate().map(|(at, numbers)| next(at, numbers)).collect();
    while let Some(token) = heads.iter().copied().flatten().min() {
        for (at, (head, numbers)) in heads.iter_mut().zip(&mut numbers).enumerate() {
            if *head == Some(token) {
                numbers.push(distinct);
                *head = next(at, numbers);
            }
        }
        distinct = distinct.checked_add(1).ok_or(RunError::TooManyUnits)?;
    }
    let rows = u64::from(distinct).max(1).next_multiple_of(ROWS_MULTIPLE);
    let last = u32::try_from(rows).map_err(|_| RunError::TooManyUnits)?;
    let mut row_of: Vec<u32> = (0..last).collect();
    row_of.shuffle(&mut ChaCha20Rng::from_seed(seed));
    for number in numbers.iter_mut().flatten() {
        *number = row_of[*number as usize];
    }
    Ok(Alignment { rows, numbers })
}

fn check_order(list: &Tokens) -> Result<(), RunError> {
    let party = || list.owner.clone();
    for pair in list.tokens.windows(2) {
        let [one, next] = [pair[0], pair[1]].map(u128::from_be_bytes);
        match one.cmp(&next) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => return Err(RunError::TokenTwice { party: party() }),
            std::cmp::Ordering::Greater => return Err(RunError::TokenOrder { party: party() }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn list(owner: &str, tokens: impl IntoIterator<Item = u128>) -> Tokens {
        let sorted: BTreeSet<u128> = tokens.into_iter().collect();
        let tokens = sorted.into_iter().map(u128::to_be_bytes).collect();
        Tokens { owner: OwnerId::new(owner).expect("valid"), tokens }
    }

    proptest! {
        #[test]
        fn the_same_token_has_the_same_row_everywhere_and_different_ones_never_share(
            a in prop::collection::vec(0..200_u128, 0..150),
            b in prop::collection::vec(0..200_u128, 0..150),
            c in prop::collection::vec(any::<u128>(), 0..50),
            seed in any::<[u8; 32]>(),
        ) {
            let lists = [list("a", a), list("b", b), list("c", c)];
            let alignment = assign(&lists, seed).expect("honest lists");
            prop_assert_eq!(alignment.rows % ROWS_MULTIPLE, 0);
            let mut row_of = BTreeMap::new();
            for (list, numbers) in lists.iter().zip(&alignment.numbers) {
                prop_assert_eq!(list.tokens.len(), numbers.len());
                for (token, row) in list.tokens.iter().zip(numbers) {
                    prop_assert!(u64::from(*row) < alignment.rows);
                    prop_assert_eq!(row_of.entry(*token).or_insert(*row), row);
                }
            }
            let distinct: BTreeSet<_> = row_of.values().collect();
            prop_assert_eq!(distinct.len(), row_of.len());
        }
    }

    #[test]
    fn a_token_that_comes_twice_from_one_owner_is_refused_and_the_owner_named() {
        let mut twice = list("krg", [1, 2, 3]);
        twice.tokens[1] = twice.tokens[0];
        let error = assign(&[list("ssb", [1]), twice], [0; 32]).err().expect("refused");
        assert_eq!(error, RunError::TokenTwice { party: OwnerId::new("krg").expect("valid") });
        assert!(error.ends_session());
    }

    #[test]
    fn tokens_out_of_order_are_refused() {
        let mut unsorted = list("krg", [1, 2, 3]);
        unsorted.tokens.swap(0, 2);
        let error = assign(&[unsorted], [0; 32]).err().expect("refused");
        assert_eq!(error, RunError::TokenOrder { party: OwnerId::new("krg").expect("valid") });
    }

    #[test]
    fn rows_are_whole_blocks_with_empty_rows_dispersed() {
        assert_eq!(assign(&[list("a", [])], [1; 32]).expect("empty").rows, 65_536);
        assert_eq!(assign(&[list("a", 0..65_536)], [1; 32]).expect("one block").rows, 65_536);
        let alignment = assign(&[list("a", 0..65_537)], [1; 32]).expect("two blocks");
        assert_eq!(alignment.rows, 131_072);
        // A token on every 65 536th row would follow from rows dealt in order; random ones reach both halves.
        let upper = alignment.numbers[0].iter().filter(|row| **row >= 65_536).count();
        assert!((30_000..36_000).contains(&upper));
        assert_ne!(assign(&[list("a", 0..100)], [2; 32]).expect("fits").numbers, {
            assign(&[list("a", 0..100)], [3; 32]).expect("fits").numbers
        });
    }
}
