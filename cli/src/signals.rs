//! Signals that end a command in order.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for an interruption, a request to end, or the loss of the terminal, and returns the signal's number.
pub async fn received() -> u8 {
    let hears = |kind: SignalKind| async move {
        match signal(kind) {
            Ok(mut stream) => {
                stream.recv().await;
            }
            // Without a handler the signal does what it always does.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = hears(SignalKind::interrupt()) => 2,
        () = hears(SignalKind::terminate()) => 15,
        () = hears(SignalKind::hangup()) => 1,
    }
}
