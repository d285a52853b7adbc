//! The broker: what the centre of a federation runs.
//!
//! It takes a researcher's script from the platform, has the nodes link their units and compute partial
//! aggregates, and adds those up into a protected table. It never holds a salt, an identity number, an attribute or an
//! unprotected cell: none of them is in any message that reaches it.
//!
//! | module | what |
//! | --- | --- |
//! | [`cli`], [`config`], [`server`] | starting and stopping; settings |
//! | [`api`], [`request`] | what the platform may ask; checks at the edge |
//! | [`broker`], [`session`], [`job`] | what is shared; sessions; jobs and their queue |
//! | [`conduct`](mod@conduct) | one question's way, step by step |
//! | [`roster`] | the nodes, behind a trait; gRPC and Flight |
//! | [`linkage`], [`combine`](mod@combine), [`deal`](mod@deal) | row numbers; adding partial aggregates; dealing where there are two nodes only |
//! | [`audit`] | record before answer |
//! | [`store`], [`observe`], [`problem`] | what is kept; watching; what people are told |

pub mod api;
pub mod audit;
pub mod broker;
pub mod cli;
pub mod combine;
pub mod conduct;
pub mod config;
mod cosigning;
pub mod deal;
pub mod job;
pub mod linkage;
pub mod observe;
pub mod problem;
pub mod request;
pub mod roster;
pub mod server;
pub mod session;
mod statistics;
pub mod store;
mod turns;

pub use config::Config;
pub use server::{RunningBroker, StartError, StartOptions, start};
