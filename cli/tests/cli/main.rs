//! Drives the real program: the demo, faults of every process, bad input, logs.
//!
//! Parties are processes of the program that Cargo built. Tests wait for what they need and have no fixed pauses;
//! a wait that does not end says what it waited for.

mod bad_input;
mod bench;
mod bytes;
mod demo;
mod faults;
mod federation;
mod logs;
mod policy;
mod program;
mod shell;
mod synth;
