//! Who a party is within one protocol run.

/// A party's place in a run of two workers and a dealer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// First worker: the population's owner; public constants enter shares here.
    Left,
    /// Second worker: receives the dealer's corrections.
    Right,
    /// Deals correlated randomness; sees no input, no message between workers, no result.
    Dealer,
}
