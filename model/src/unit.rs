//! What a row of a register is about.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The kind of unit a dataset describes, by its name in the dataset format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)] // The names are the dataset format's own.
pub enum UnitType {
    Person,
    Familie,
    Husholdning,
    Soesken,
    Foretak,
    Virksomhet,
    Bedrift,
    Jobb,
    Kurs,
    Kjoretoy,
    Kommune,
    KrgKrefttilfelle,
    NprEpisode,
    NprSykehusopphold,
    NprProsedyre,
}

/// How the units of a type are named in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// By a fødselsnummer: 11 digits with control digits.
    Foedselsnummer,
    /// By an organisation number: 9 digits, the last a control digit.
    OrganisationNumber,
    /// By a text of the owner's choice.
    Free,
}

impl UnitType {
    /// All unit types, in the order of the dataset format.
    pub const ALL: [Self; 15] = [
        Self::Person,
        Self::Familie,
        Self::Husholdning,
        Self::Soesken,
        Self::Foretak,
        Self::Virksomhet,
        Self::Bedrift,
        Self::Jobb,
        Self::Kurs,
        Self::Kjoretoy,
        Self::Kommune,
        Self::KrgKrefttilfelle,
        Self::NprEpisode,
        Self::NprSykehusopphold,
        Self::NprProsedyre,
    ];

    /// The name in the dataset format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "PERSON",
            Self::Familie => "FAMILIE",
            Self::Husholdning => "HUSHOLDNING",
            Self::Soesken => "SOESKEN",
            Self::Foretak => "FORETAK",
            Self::Virksomhet => "VIRKSOMHET",
            Self::Bedrift => "BEDRIFT",
            Self::Jobb => "JOBB",
            Self::Kurs => "KURS",
            Self::Kjoretoy => "KJORETOY",
            Self::Kommune => "KOMMUNE",
            Self::KrgKrefttilfelle => "KRG_KREFTTILFELLE",
            Self::NprEpisode => "NPR_EPISODE",
            Self::NprSykehusopphold => "NPR_SYKEHUSOPPHOLD",
            Self::NprProsedyre => "NPR_PROSEDYRE",
        }
    }

    /// How units of this type are named.
    pub fn naming(self) -> Naming {
        match self {
            Self::Person | Self::Familie | Self::Husholdning | Self::Soesken => Naming::Foedselsnummer,
            Self::Foretak | Self::Virksomhet | Self::Bedrift => Naming::OrganisationNumber,
            _ => Naming::Free,
        }
    }
}

/// The text names no unit type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a unit type of the dataset format, such as PERSON")]
pub struct NotAUnitType;

impl FromStr for UnitType {
    type Err = NotAUnitType;

    fn from_str(text: &str) -> Result<Self, NotAUnitType> {
        Self::ALL.into_iter().find(|unit| unit.as_str() == text).ok_or(NotAUnitType)
    }
}

impl fmt::Display for UnitType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
