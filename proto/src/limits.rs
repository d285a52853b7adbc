//! How large, how many and how long: every bound on what comes over the wire, with its reason.

use std::time::Duration;

/// Largest control message, in bytes: a catalogue of a few thousand variables with code lists fits.
pub const MAX_CONTROL_MESSAGE: usize = 4 * MIB;

/// Largest frame between two workers, in bytes. Blocks are about 1 MiB; the rest is room for headers and
/// for the fixed parts of a protocol.
pub const MAX_PEER_MESSAGE: usize = 4 * MIB;

/// Largest Flight message taken, in bytes: a batch of [`FLIGHT_BATCH_BYTES`] with its header, or the schema
/// of a table with its categories.
pub const MAX_FLIGHT_MESSAGE: usize = 4 * MIB;

/// Bytes of column data in one Flight message: large enough to make overhead vanish, small enough that a
/// slow reader holds up little memory.
pub const FLIGHT_BATCH_BYTES: usize = MIB;

/// Largest header of a Flight message with a single column, in bytes: it needs a few hundred, and a partial
/// aggregate carries a signature and two hashes beside.
pub const MAX_COLUMN_HEADER: usize = 16 * 1024;

/// Most tokens or rows of one alignment: twelve times the people of Norway, decoys and all. 1 GiB of tokens.
pub const MAX_TOKENS: usize = 64 * 1024 * 1024;

/// Most cells of a table, margins included; bounds what a client allocates for a broker's answer.
pub const MAX_TABLE_CELLS: usize = 1 << 20;

/// Most words of a partial aggregate: one for each cell of the largest table.
pub const MAX_PARTIAL_WORDS: usize = MAX_TABLE_CELLS;

/// Largest Flight ticket or descriptor, in bytes: two ids and a name.
pub const MAX_TICKET_BYTES: usize = 1024;

/// Largest request for a cosignature, and largest answer, in bytes: a proof of 63 hashes and a checkpoint.
pub const MAX_WITNESS_MESSAGE: usize = 16 * 1024;

/// Longest message of a problem that is taken over from another party, in characters.
pub const MAX_PROBLEM_CHARACTERS: usize = 600;

/// HTTP/2 frame, in bytes: fewer frames for the same column.
pub const FRAME_BYTES: u32 = 256 * 1024;

/// HTTP/2 window of a stream, in bytes. Throughput is at most window by round trip: 400 MB/s at 10 ms.
pub const STREAM_WINDOW_BYTES: u32 = 4 * MIB as u32;

/// HTTP/2 window of a connection, in bytes: four streams at full speed.
pub const CONNECTION_WINDOW_BYTES: u32 = 16 * MIB as u32;

/// How long a connection may be silent before it is asked whether it lives.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// How long the answer may take. A half-open connection ends after both times at most.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a TLS handshake may take: someone who connects and says nothing holds a socket no longer.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest sum of request headers, in bytes: ours are a few hundred, problems in trailers a few thousand.
pub const MAX_HEADER_LIST_BYTES: u32 = 16 * 1024;

/// Most calls at once on one connection. A job uses a handful; more are queued by the caller's HTTP/2.
pub const MAX_CONCURRENT_STREAMS: u32 = 128;

/// Most streams opened and reset again before the server has looked at them; beyond, the connection ends
/// (rapid resets, CVE-2023-44487).
pub const MAX_PENDING_RESETS: usize = 32;

/// Most streams that the server itself has reset for errors of the caller; beyond, the connection ends.
pub const MAX_ERROR_RESETS: usize = 64;

const MIB: usize = 1024 * 1024;
