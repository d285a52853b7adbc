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
    #[serde(skip_serializing_if = "Option::is_none")]
    otlp: Option<String>,
}

/// Checked settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// Where metrics are served; nowhere if none. With port 0 the system chooses, and the address is in
    /// [`ADDRESS_FILE`](super::port::ADDRESS_FILE).
    pub metrics: Option<SocketAddr>,
    /// Where spans are sent; nowhere if none.
    pub otlp: Option<Collector>,
}

/// The operator's collector of spans, which speaks OTLP over gRPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector(String);

impl Collector {
    /// Reads `http://address:port`, where the address is near.
    fn parse(text: &str) -> Option<Self> {
        let authority = text.strip_prefix("http://")?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let near = match authority.strip_prefix("localhost:") {
            Some(port) => port.parse::<u16>().is_ok_and(|port| port != 0),
            None => authority.parse::<SocketAddr>().is_ok_and(|at| at.port() != 0 && is_near(at.ip())),
        };
        near.then(|| Self(format!("http://{authority}")))
    }

    /// Its URI.
    pub fn uri(&self) -> &str {
        &self.0
    }
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
        let otlp = match &self.otlp {
            None => None,
            Some(text) => Some(Collector::parse(text).ok_or(TelemetryRefused {
                setting: "telemetry.otlp",
                reason: "is not http://address:port of a collector at a loopback or private address; spans are sent \
                         in plain text, so a collector further away is reached through one that is near",
            })?),
        };
        Ok(TelemetrySettings { metrics: self.metrics, otlp })
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
        TelemetryFile { metrics: Some(metrics.parse().expect("an address")), otlp: None }.check()
    }

    #[test]
    fn nothing_is_on_unless_it_is_said() {
        assert_eq!(TelemetryFile::default().check(), Ok(TelemetrySettings::default()));
    }

    #[test]
    fn spans_go_to_a_collector_that_is_near_and_named_in_full() {
        let check = |otlp: &str| TelemetryFile { metrics: None, otlp: Some(otlp.into()) }.check();
        for near in
            ["http://127.0.0.1:4317", "http://localhost:4317/", "http://[::1]:4317", "http://10.0.0.9:1"]
        {
            let settings = check(near).expect(near);
            assert_eq!(settings.otlp.expect("set").uri(), near.trim_end_matches('/'));
        }
        for bad in [
            "",
            "127.0.0.1:4317",
            "https://127.0.0.1:4317",
            "http://127.0.0.1",
            "http://127.0.0.1:0",
            "http://127.0.0.1:4317/v1/traces",
            "http://user@127.0.0.1:4317",
            "http://collector:4317",
            "http://8.8.8.8:4317",
            "http://0.0.0.0:4317",
            "http://localhost:4317:1",
        ] {
            let refused = check(bad).expect_err(bad).to_string();
            assert!(
                refused.starts_with("telemetry.otlp is not http://address:port of a collector"),
                "{refused}"
            );
        }
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
