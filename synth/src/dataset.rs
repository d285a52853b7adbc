//! What each register variable is: its name, its owner and its metadata in the dataset format.

use serde::Serialize;

use crate::facts::cancer::{BASES, SITES, STAGES};
use crate::facts::country::COUNTRIES;
use crate::facts::death::CAUSES;
use crate::facts::education::EDUCATIONS;
use crate::facts::municipality::MUNICIPALITIES;
use crate::facts::{CARE, CIVIL_STATUSES, CONDITIONS, Code, DOSES, SEXES};

/// A register variable, one dataset of the dataset format. Discriminants are indices into [`Dataset::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // What each is stands in its metadata.
pub enum Dataset {
    Sex,
    BirthMonth,
    BirthCountry,
    Municipality,
    CivilStatus,
    Education,
    Wages,
    TotalIncome,
    DeathDate,
    FirstDiagnosis,
    FirstSite,
    FirstStage,
    FirstBasis,
    CasePerson,
    CaseDiagnosis,
    CaseSite,
    VaccineDose,
    DeathCause,
    EpisodePerson,
    EpisodeDate,
    EpisodeCondition,
    EpisodeCare,
}

/// What one owner's registers are.
#[derive(Clone, Copy, Debug)]
pub struct OwnerRegisters {
    /// The owner's name in a federation, and its folder.
    pub owner: &'static str,
    /// The owner's datastore.
    pub datastore: &'static str,
    /// What the owner is called.
    pub title: &'static str,
    /// Its variables.
    pub datasets: &'static [Dataset],
}

/// The three owners.
pub const OWNERS: [OwnerRegisters; 3] = [
    OwnerRegisters {
        owner: "ssb",
        datastore: "no.ssb.fdb",
        title: "Statistisk sentralbyrå",
        datasets: &[
            Dataset::Sex,
            Dataset::BirthMonth,
            Dataset::BirthCountry,
            Dataset::Municipality,
            Dataset::CivilStatus,
            Dataset::Education,
            Dataset::Wages,
            Dataset::TotalIncome,
            Dataset::DeathDate,
        ],
    },
    OwnerRegisters {
        owner: "krg",
        datastore: "no.krg.kreft",
        title: "Kreftregisteret",
        datasets: &[
            Dataset::FirstDiagnosis,
            Dataset::FirstSite,
            Dataset::FirstStage,
            Dataset::FirstBasis,
            Dataset::CasePerson,
            Dataset::CaseDiagnosis,
            Dataset::CaseSite,
        ],
    },
    OwnerRegisters {
        owner: "fhi",
        datastore: "no.fhi.helse",
        title: "Folkehelseinstituttet",
        datasets: &[
            Dataset::VaccineDose,
            Dataset::DeathCause,
            Dataset::EpisodePerson,
            Dataset::EpisodeDate,
            Dataset::EpisodeCondition,
            Dataset::EpisodeCare,
        ],
    },
];

impl Dataset {
    /// All of them, in the order of the owners.
    pub const ALL: [Self; 22] = [
        Self::Sex,
        Self::BirthMonth,
        Self::BirthCountry,
        Self::Municipality,
        Self::CivilStatus,
        Self::Education,
        Self::Wages,
        Self::TotalIncome,
        Self::DeathDate,
        Self::FirstDiagnosis,
        Self::FirstSite,
        Self::FirstStage,
        Self::FirstBasis,
        Self::CasePerson,
        Self::CaseDiagnosis,
        Self::CaseSite,
        Self::VaccineDose,
        Self::DeathCause,
        Self::EpisodePerson,
        Self::EpisodeDate,
        Self::EpisodeCondition,
        Self::EpisodeCare,
    ];

    /// The dataset's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sex => "BEFOLKNING_KJOENN",
            Self::BirthMonth => "BEFOLKNING_FOEDSELS_AAR_MND",
            Self::BirthCountry => "BEFOLKNING_FODELAND",
            Self::Municipality => "BEFOLKNING_KOMMNR_FORMELL",
            Self::CivilStatus => "SIVSTANDFDT_SIVSTAND",
            Self::Education => "NUDB_BU",
            Self::Wages => "INNTEKT_WLONN",
            Self::TotalIncome => "INNTEKT_WSAMINNT",
            Self::DeathDate => "BEFOLKNING_DOEDS_DATO",
            Self::FirstDiagnosis => "KRG_DIAGNOSEDATO",
            Self::FirstSite => "KRG_LOKALISASJON",
            Self::FirstStage => "KRG_STADIUM",
            Self::FirstBasis => "KRG_BASIS",
            Self::CasePerson => "KRG_KREFTTILFELLE_FNR",
            Self::CaseDiagnosis => "KRG_KREFTTILFELLE_DIAGNOSEDATO",
            Self::CaseSite => "KRG_KREFTTILFELLE_LOKALISASJON",
            Self::VaccineDose => "SYSVAK_COVID19_DOSE",
            Self::DeathCause => "DAAR_DOEDSAARSAK",
            Self::EpisodePerson => "NPR_EPISODE_FNR",
            Self::EpisodeDate => "NPR_EPISODE_INNDATO",
            Self::EpisodeCondition => "NPR_EPISODE_HOVEDTILSTAND",
            Self::EpisodeCare => "NPR_EPISODE_OMSORGSNIVAA",
        }
    }

    /// The metadata file, ready to be written as JSON.
    pub fn metadata(self) -> Metadata {
        self.facts().metadata()
    }

    fn facts(self) -> Facts {
        let population = ("Befolkning", "Population");
        let income = ("Inntekt", "Income");
        let cancer = ("Kreft", "Cancer");
        let health = ("Helse", "Health");
        let facts = |nb, en, temporality, sensitivity, subject, measure| Facts {
            nb,
            en,
            unit: "PERSON",
            temporality,
            sensitivity,
            subject,
            measure,
        };
        let general =
            |nb, en, temporality, measure| facts(nb, en, temporality, "PERSON_GENERAL", population, measure);
        let kroner = |nb, en| facts(nb, en, "ACCUMULATED", "PERSON_GENERAL", income, Measure::Kroner);
        let special = |nb, en, subject, measure| facts(nb, en, "FIXED", "PERSON_SPECIAL", subject, measure);
        let case = |nb, en, measure| Facts { unit: "KRG_KREFTTILFELLE", ..special(nb, en, cancer, measure) };
        let episode = |nb, en, measure| Facts { unit: "NPR_EPISODE", ..special(nb, en, health, measure) };
        let codes = Measure::codes;
        let sites = || codes(&SITES.map(|site| site.code));
        match self {
            Self::Sex => general("Kjønn", "Sex", "FIXED", codes(&SEXES)),
            Self::BirthMonth => {
                general("Fødselsår og -måned", "Year and month of birth", "FIXED", Measure::YearAndMonth)
            }
            Self::BirthCountry => general(
                "Fødeland",
                "Country of birth",
                "FIXED",
                codes(&COUNTRIES.map(|country| country.code)),
            ),
            Self::Municipality => general(
                "Bostedskommune",
                "Municipality of residence",
                "STATUS",
                Measure::Codes(municipalities()),
            ),
            Self::CivilStatus => general("Sivilstand", "Civil status", "EVENT", codes(&CIVIL_STATUSES)),
            Self::Education => facts(
                "Høyeste fullførte utdanning",
                "Highest completed education",
                "EVENT",
                "PERSON_GENERAL",
                ("Utdanning", "Education"),
                codes(&EDUCATIONS.map(|education| education.code)),
            ),
            Self::Wages => kroner("Lønnsinntekter", "Wages"),
            Self::TotalIncome => kroner("Samlet inntekt", "Total income"),
            Self::DeathDate => general("Dødsdato", "Date of death", "FIXED", Measure::Date),
            Self::FirstDiagnosis => special(
                "Dato for første kreftdiagnose",
                "Date of first cancer diagnosis",
                cancer,
                Measure::Date,
            ),
            Self::FirstSite => {
                special("Lokalisasjon av første kreft", "Site of first cancer", cancer, sites())
            }
            Self::FirstStage => {
                special("Stadium ved første diagnose", "Stage at first diagnosis", cancer, codes(&STAGES))
            }
            Self::FirstBasis => special(
                "Grunnlag for første diagnose",
                "Basis of first diagnosis",
                cancer,
                codes(&BASES.map(|(code, _)| code)),
            ),
            Self::CasePerson => case("Pasient", "Patient", Measure::Person),
            Self::CaseDiagnosis => case("Diagnosedato", "Date of diagnosis", Measure::Date),
            Self::CaseSite => case("Lokalisasjon", "Site", sites()),
            Self::VaccineDose => facts(
                "Dose av vaksine mot covid-19",
                "Dose of vaccine against COVID-19",
                "EVENT",
                "PERSON_SPECIAL",
                health,
                codes(&DOSES),
            ),
            Self::DeathCause => {
                special("Dødsårsak", "Cause of death", health, codes(&CAUSES.map(|cause| cause.code)))
            }
            Self::EpisodePerson => episode("Pasient", "Patient", Measure::Person),
            Self::EpisodeDate => episode("Inndato", "Day of admission", Measure::Date),
            Self::EpisodeCondition => {
                episode("Hovedtilstand", "Main condition", codes(&CONDITIONS.map(|(code, _)| code)))
            }
            Self::EpisodeCare => episode("Omsorgsnivå", "Level of care", codes(&CARE)),
        }
    }
}

/// What a dataset's metadata is made from.
pub(crate) struct Facts {
    pub(crate) nb: &'static str,
    pub(crate) en: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) temporality: &'static str,
    pub(crate) sensitivity: &'static str,
    pub(crate) subject: (&'static str, &'static str),
    pub(crate) measure: Measure,
}

impl Facts {
    /// The metadata file, ready to be written as JSON.
    pub(crate) fn metadata(self) -> Metadata {
        let Self { nb, en, unit, temporality, sensitivity, subject, measure } = self;
        let person = unit == "PERSON";
        Metadata {
            temporality_type: temporality,
            sensitivity_level: sensitivity,
            population_description: if person {
                both("Oppdiktede personer", "Invented people")
            } else {
                both("Oppdiktede hendelser", "Invented events")
            },
            spatial_coverage_description: both("Norge", "Norway"),
            subject_fields: vec![both(subject.0, subject.1)],
            data_revision: DataRevision { description: both("Første utgave", "First edition") },
            identifier_variables: [Identifier { unit_type: unit }],
            measure_variables: [measure.variable(nb, en)],
        }
    }
}

/// What a dataset's values are.
pub(crate) enum Measure {
    Codes(Vec<Item>),
    Kroner,
    YearAndMonth,
    Date,
    Person,
}

impl Measure {
    /// Codes that always have been and are valid.
    pub(crate) fn codes(codes: &[Code]) -> Self {
        Self::Codes(codes.iter().map(|code| Item::new(*code, "1900-01-01")).collect())
    }

    fn variable(self, nb: &'static str, en: &'static str) -> MeasureVariable {
        let described = |data_type, description, measurement| {
            let (measurement_type, measurement_unit_description) = match measurement {
                Some(unit) => (Some("CURRENCY"), Some(unit)),
                None => (None, None),
            };
            let domain = Domain::Described { description, measurement_type, measurement_unit_description };
            (Some(data_type), Some(domain))
        };
        let (data_type, value_domain) = match self {
            Self::Codes(code_list) => (Some("STRING"), Some(Domain::Codes { code_list })),
            Self::Kroner => described(
                "LONG",
                both("Beløp i hele kroner", "Amount in whole kroner"),
                Some(both("Norske kroner", "Norwegian kroner")),
            ),
            Self::YearAndMonth => {
                described("LONG", both("År og måned, ÅÅÅÅMM", "Year and month, YYYYMM"), None)
            }
            Self::Date => described("DATE", both("En dato", "A date"), None),
            Self::Person => (None, None),
        };
        let unit_type = value_domain.is_none().then_some("PERSON");
        let format = (data_type == Some("DATE")).then_some("YYYY-MM-DD");
        MeasureVariable {
            unit_type,
            name: both(nb, en),
            description: both(nb, en),
            data_type,
            format,
            value_domain,
        }
    }
}

/// Codes of municipalities with the years they were used in; those that the reform kept stand once.
fn municipalities() -> Vec<Item> {
    let mut items = Vec::new();
    for municipality in &MUNICIPALITIES {
        let before =
            Code { code: municipality.code_2018, nb: municipality.name_2018, en: municipality.name_2018 };
        let after =
            Code { code: municipality.code_2020, nb: municipality.name_2020, en: municipality.name_2020 };
        if before.code == after.code {
            items.push(Item::new(after, "2018-01-01"));
        } else {
            items.push(Item { valid_until: Some("2019-12-31"), ..Item::new(before, "2018-01-01") });
            items.push(Item::new(after, "2020-01-01"));
        }
    }
    items.sort_by_key(|item| (item.valid_from, item.code));
    items
}

/// A text in two languages.
pub type Texts = [Text; 2];

fn both(nb: &'static str, en: &'static str) -> Texts {
    [Text { language_code: "nb", value: nb }, Text { language_code: "en", value: en }]
}

/// A text in a language.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Text {
    language_code: &'static str,
    value: &'static str,
}

/// The metadata file of a dataset.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    temporality_type: &'static str,
    sensitivity_level: &'static str,
    population_description: Texts,
    spatial_coverage_description: Texts,
    subject_fields: Vec<Texts>,
    data_revision: DataRevision,
    identifier_variables: [Identifier; 1],
    measure_variables: [MeasureVariable; 1],
}

#[derive(Clone, Debug, Serialize)]
struct DataRevision {
    description: Texts,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Identifier {
    unit_type: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MeasureVariable {
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_type: Option<&'static str>,
    name: Texts,
    description: Texts,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_domain: Option<Domain>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Domain {
    Codes {
        code_list: Vec<Item>,
    },
    Described {
        description: Texts,
        #[serde(skip_serializing_if = "Option::is_none")]
        measurement_type: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        measurement_unit_description: Option<Texts>,
    },
}

/// A code of a list, with the days it is valid.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    code: &'static str,
    category_title: Texts,
    valid_from: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<&'static str>,
}

impl Item {
    fn new(code: Code, valid_from: &'static str) -> Self {
        Self { code: code.code, category_title: both(code.nb, code.en), valid_from, valid_until: None }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use kobling_model::{DatastoreId, OwnerId, UnitType, VariableName};

    use super::*;

    #[test]
    fn every_dataset_has_one_owner_and_valid_names() {
        let owned: Vec<Dataset> = OWNERS.iter().flat_map(|owner| owner.datasets).copied().collect();
        assert_eq!(owned, Dataset::ALL);
        let names: HashSet<_> = Dataset::ALL.iter().map(|dataset| dataset.name()).collect();
        assert_eq!(names.len(), Dataset::ALL.len());
        for (at, dataset) in Dataset::ALL.into_iter().enumerate() {
            assert_eq!(dataset as usize, at);
            assert!(VariableName::new(dataset.name()).is_ok());
            let metadata = dataset.metadata();
            assert!(metadata.identifier_variables[0].unit_type.parse::<UnitType>().is_ok());
        }
        for owner in &OWNERS {
            assert!(OwnerId::new(owner.owner).is_ok() && DatastoreId::new(owner.datastore).is_ok());
        }
    }

    #[test]
    fn no_code_stands_twice_in_a_code_list() {
        for dataset in Dataset::ALL {
            if let Some(Domain::Codes { code_list }) = &dataset.metadata().measure_variables[0].value_domain {
                let codes: HashSet<_> = code_list.iter().map(|item| item.code).collect();
                assert_eq!(codes.len(), code_list.len(), "{}", dataset.name());
                assert!(!code_list.is_empty());
            }
        }
    }
}
