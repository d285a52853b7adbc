//! The table `[telemetry]` of a configuration file. Without it nothing is served and nothing is sent.
//!
//! What goes out by these two ways is neither encrypted nor asked for a certificate, so both stay on the machine or on
//! the operator's own network: a loopback or private address, written as such. Further away it goes by way of the
//! operator's own Prometheus or collector, which can do TLS.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// What the file says.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<SocketAddr>,
}

/// Checked settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// Where metrics are served; nowhere if none. With port 0 the system chooses, and the address is in
    /// [`ADDRESS_FILE`](super::port::ADDRESS_FILE).
    pub metrics: Option<SocketAddr>,
}

/// A setting that cannot be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {reason}")]
pub struct TelemetryRefused {
    /// Its name.
    pub setting: &'static str,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl TelemetryFile {
    /// Checks what the file says.
    ///
    /// # Errors
    /// [`TelemetryRefused`] for the first setting that cannot be meant.
    pub fn check(self) -> Result<TelemetrySettings, TelemetryRefused> {
        if self.metrics.is_some_and(|metrics| !is_near(metrics.ip())) {
            return Err(TelemetryRefused {
                setting: "telemetry.metrics",
                reason: "can be read by whoever reaches it, so it must be a loopback or private address",
            });
        }
        Ok(TelemetrySettings { metrics: self.metrics })
    }
}

/// Whether an address is this machine's or of a private network. The unspecified address is neither: it is all of them.
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(metrics: &str) -> Result<TelemetrySettings, TelemetryRefused> {
        TelemetryFile { metrics: Some(metrics.parse().expect("an address")) }.check()
    }

    #[test]
    fn nothing_is_on_unless_it_is_said() {
        assert_eq!(TelemetryFile::default().check(), Ok(TelemetrySettings::default()));
    }

    #[test]
    fn metrics_stay_on_the_machine_or_its_own_network() {
        for near in ["127.0.0.1:9464", "10.1.2.3:9464", "192.168.1.2:0", "[::1]:9464", "[fd00::1]:9464"] {
            assert!(check(near).is_ok(), "{near}");
        }
        for far in ["0.0.0.0:9464", "[::]:9464", "8.8.8.8:9464", "[2001:4860::1]:1", "[::ffff:8.8.8.8]:1"] {
            let refused = check(far).expect_err(far).to_string();
            assert!(refused.starts_with("telemetry.metrics can be read by whoever reaches it"), "{refused}");
        }
    }
}
