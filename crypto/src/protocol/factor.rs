//! A factor of a product whose columns no worker has by itself: where a worker's shares of them come from, block after block.
//!
//! The columns of a further owner are such a factor, and so are the classes of a difference of two owners' dates. What a worker holds of
//! them is uniform by itself.

use std::ops::Range;

use crate::channel::Channel;
use crate::protocol::ProtocolError;

/// A factor at a worker.
pub trait Factor {
    /// This worker's shares of the factor's columns in some rows, mod 2¹⁶, column after column, in place of what there was.
    ///
    /// Called once for each block, in order. `worker` is the link to the other worker.
    ///
    /// # Errors
    /// [`ProtocolError`].
    fn block(
        &mut self,
        worker: &mut dyn Channel,
        dealer: &mut dyn Channel,
        index: u64,
        rows: Range<usize>,
        share: &mut Vec<u16>,
    ) -> Result<(), ProtocolError>;
}

/// The same factor at the dealer.
pub trait DealtFactor {
    /// What the dealer sends for a block.
    ///
    /// # Errors
    /// [`ProtocolError`].
    fn block(
        &mut self,
        left: &mut dyn Channel,
        right: &mut dyn Channel,
        index: u64,
        rows: Range<usize>,
    ) -> Result<(), ProtocolError>;
}
