//! Versions of a datastore: `major.minor.patch`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A released version of a datastore. Researchers write the major part only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// Raised when a dataset changes or is removed.
    pub major: u32,
    /// Raised when a dataset is added.
    pub minor: u32,
    /// Raised when only texts change.
    pub patch: u32,
}

/// The text is not a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a version such as 1.0.0: three whole numbers joined by dots")]
pub struct NotAVersion;

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let mut parts = text.split('.').map(|part| {
            let plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| part.parse().ok()).flatten().ok_or(NotAVersion)
        });
        let mut next = || parts.next().ok_or(NotAVersion)?;
        let version = Self { major: next()?, minor: next()?, patch: next()? };
        if parts.next().is_some() { Err(NotAVersion) } else { Ok(version) }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl TryFrom<String> for Version {
    type Error = NotAVersion;
    fn try_from(text: String) -> Result<Self, NotAVersion> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_plain_numbers_are_a_version() {
        assert_eq!("54.0.10".parse(), Ok(Version { major: 54, minor: 0, patch: 10 }));
        for bad in ["", "1", "1.2", "1.2.3.4", "1..2", "+1.0.0", "1.0.99999999999"] {
            assert_eq!(bad.parse::<Version>(), Err(NotAVersion));
        }
    }
}
