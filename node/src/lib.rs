//! What an owner runs: its registers, its rules, and its part in linking and computing.
//!
//! The node keeps identity maps and registers apart and sealed ([`identity_map`], [`register`]), computes its own
//! fragment of a plan in clear ([`extract`]), and computes with others on masked columns only ([`conduct`]). Nothing
//! computed with others is opened outside the gate ([`protect`]), and nothing leaves that is not in the log
//! first. Wire messages stop at [`service`], [`flight`] and [`peer`].

pub mod admit;
pub mod budget;
pub mod cells;
pub mod cli;
pub mod columns;
pub mod conduct;
pub mod config;
mod cosigning;
pub mod costs;
pub mod deal;
pub mod direct;
pub mod error;
pub mod extract;
pub mod flight;
pub mod founding;
pub mod gate;
pub mod identity_map;
pub mod keep;
pub mod linkage;
pub mod memory;
pub mod node;
pub mod observe;
pub mod once;
pub mod operate;
pub mod operator;
pub mod peer;
pub mod pooled;
pub mod processors;
pub mod protect;
pub mod random;
pub mod register;
pub mod rehearse;
pub mod replay;
pub mod secrets;
pub mod serve;
pub mod service;
pub mod session;
pub mod share;
pub mod side;
mod spend;
pub mod standing;
pub mod state;
pub mod status;
pub mod switch;
pub mod values;
pub mod watched;
pub mod work;

pub use serve::{RunningNode, StartError, StartOptions, start};
