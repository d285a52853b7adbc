//! Claims about the wire: what is refused, by whom, and in which words.

mod columns;
mod protobuf;
mod tables;
mod tls;
