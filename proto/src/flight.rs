//! Columns and tables as Arrow Flight messages.

#[allow(missing_docs, clippy::all)]
pub mod v1 {
    tonic::include_proto!("kobling.flight.v1");
}
