//! Names of parties, sessions, jobs, attempts, datastores and variables.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is not a valid name. Carries what was expected, never the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct InvalidName {
    /// The form that would be valid.
    pub expected: &'static str,
}

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the form and takes the name.
            ///
            /// # Errors
            /// [`InvalidName`] with the form expected.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidName> {
                let text = text.into();
                let valid: fn(&str) -> bool = $check;
                if valid(&text) { Ok(Self(text)) } else { Err(InvalidName { expected: $expected }) }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

text_name!(
    /// A party's short name in the federation's roster: `ssb`, `krg`, `fhi`, `broker`.
    OwnerId,
    "a party's name: a small letter, then up to 31 of a-z 0-9 -",
    |text| {
        text.len() <= 32
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    }
);

text_name!(
    /// A datastore's name, such as `no.ssb.fdb`.
    DatastoreId,
    "a datastore's name: parts of a-z 0-9 _ joined by dots, at most 64 bytes",
    |text| {
        text.len() <= 64
            && text.split('.').all(|part| {
                part.starts_with(|c: char| c.is_ascii_lowercase())
                    && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            })
    }
);

text_name!(
    /// A register variable's name, such as `BEFOLKNING_KJOENN`.
    VariableName,
    "a variable's name: A-Z 0-9 _, not starting with a digit or _, at most 64 bytes",
    |text| {
        text.len() <= 64
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    }
);

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// Reads the 16 raw bytes.
            ///
            /// # Errors
            /// [`InvalidName`] for another length.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidName> {
                bytes.try_into().map(Self).map_err(|_| InvalidName { expected: "16 bytes" })
            }

            /// Reads 32 hexadecimal digits.
            ///
            /// # Errors
            /// [`InvalidName`] for anything else.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                let mut bytes = [0; 16];
                hex::decode_to_slice(text, &mut bytes)
                    .map_err(|_| InvalidName { expected: "32 hexadecimal digits" })?;
                Ok(Self(bytes))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                hex::encode(id.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}

random_id!(
    /// One researcher's session: pinned versions, one salt and one alignment for each unit type.
    SessionId
);
random_id!(
    /// One script in a session.
    JobId
);
random_id!(
    /// One try at computing one question; each has fresh keys.
    AttemptId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_their_form_are_refused() {
        for bad in ["", "SSB", "9a", "a b", "å", "a/../b", &"a".repeat(33)] {
            assert!(OwnerId::new(bad).is_err());
        }
        for bad in ["", "no..x", "no.SSB", ".no", "no/ssb"] {
            assert!(DatastoreId::new(bad).is_err());
        }
        for bad in ["", "_A", "1A", "a", "A-B", "A\n"] {
            assert!(VariableName::new(bad).is_err());
        }
        assert!(SessionId::parse("00").is_err());
    }
}
