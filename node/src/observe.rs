//! Logs of a node: which session, step or party, never a row, a share, a token or a count.

use tracing_subscriber::EnvFilter;

/// Writes structured log lines to standard error. The environment variable `KOBLING_LOG` sets the level; `warn`
/// where it says nothing.
pub fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("KOBLING_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
