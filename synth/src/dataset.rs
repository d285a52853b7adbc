//! What each register variable is: its name, its owner and its metadata in the dataset format.

mod metadata;

use crate::facts::cancer::{BASES, SITES, STAGES};
use crate::facts::country::COUNTRIES;
use crate::facts::death::CAUSES;
use crate::facts::education::EDUCATIONS;
use crate::facts::{CARE, CIVIL_STATUSES, CONDITIONS, DOSES, SECTORS, SEXES};

use metadata::municipalities;
pub(crate) use metadata::{Facts, Measure};
pub use metadata::{Metadata, Text, Texts};

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
    Mother,
    Father,
    Family,
    JobPerson,
    JobPercent,
    JobWage,
    JobSector,
    FirstDiagnosis,
    FirstSite,
    FirstStage,
    FirstBasis,
    CasePerson,
    CaseDiagnosis,
    CaseSite,
    CaseStage,
    CaseBasis,
    VaccineDose,
    DeathCause,
    EpisodePerson,
    EpisodeDate,
    EpisodeCondition,
    EpisodeCare,
    Stay,
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
            Dataset::Mother,
            Dataset::Father,
            Dataset::Family,
            Dataset::JobPerson,
            Dataset::JobPercent,
            Dataset::JobWage,
            Dataset::JobSector,
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
            Dataset::CaseStage,
            Dataset::CaseBasis,
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
            Dataset::Stay,
        ],
    },
];

impl Dataset {
    /// All of them, in the order of the owners.
    pub const ALL: [Self; 32] = [
        Self::Sex,
        Self::BirthMonth,
        Self::BirthCountry,
        Self::Municipality,
        Self::CivilStatus,
        Self::Education,
        Self::Wages,
        Self::TotalIncome,
        Self::DeathDate,
        Self::Mother,
        Self::Father,
        Self::Family,
        Self::JobPerson,
        Self::JobPercent,
        Self::JobWage,
        Self::JobSector,
        Self::FirstDiagnosis,
        Self::FirstSite,
        Self::FirstStage,
        Self::FirstBasis,
        Self::CasePerson,
        Self::CaseDiagnosis,
        Self::CaseSite,
        Self::CaseStage,
        Self::CaseBasis,
        Self::VaccineDose,
        Self::DeathCause,
        Self::EpisodePerson,
        Self::EpisodeDate,
        Self::EpisodeCondition,
        Self::EpisodeCare,
        Self::Stay,
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
            Self::Mother => "BEFOLKNING_MOR_FNR",
            Self::Father => "BEFOLKNING_FAR_FNR",
            Self::Family => "BEFOLKNING_REGSTAT_FAMNR",
            Self::JobPerson => "ARBEIDSFORHOLD_PERSON",
            Self::JobPercent => "ARBLONN_ARB_STILLINGSPST",
            Self::JobWage => "ARBLONN_LONN_KONTANT",
            Self::JobSector => "ARBLONN_FRTK_SEKTOR_2014",
            Self::FirstDiagnosis => "KRG_DIAGNOSEDATO",
            Self::FirstSite => "KRG_LOKALISASJON",
            Self::FirstStage => "KRG_STADIUM",
            Self::FirstBasis => "KRG_BASIS",
            Self::CasePerson => "KRG_KREFTTILFELLE_FNR",
            Self::CaseDiagnosis => "KRG_KREFTTILFELLE_DIAGNOSEDATO",
            Self::CaseSite => "KRG_KREFTTILFELLE_LOKALISASJON",
            Self::CaseStage => "KRG_KREFTTILFELLE_STADIUM",
            Self::CaseBasis => "KRG_KREFTTILFELLE_BASIS",
            Self::VaccineDose => "SYSVAK_COVID19_DOSE",
            Self::DeathCause => "DAAR_DOEDSAARSAK",
            Self::EpisodePerson => "NPR_EPISODE_FNR",
            Self::EpisodeDate => "NPR_EPISODE_INNDATO",
            Self::EpisodeCondition => "NPR_EPISODE_HOVEDTILSTAND",
            Self::EpisodeCare => "NPR_EPISODE_OMSORGSNIVAA",
            Self::Stay => "NPR_DOEGNOPPHOLD",
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
        let job = |nb, en, temporality, measure| Facts {
            unit: "JOBB",
            ..facts(nb, en, temporality, "PERSON_GENERAL", ("Arbeid", "Work"), measure)
        };
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
            Self::Mother => general("Mor", "Mother", "FIXED", Measure::Unit("PERSON")),
            Self::Father => general("Far", "Father", "FIXED", Measure::Unit("PERSON")),
            Self::Family => general("Familie", "Family", "STATUS", Measure::Unit("FAMILIE")),
            Self::JobPerson => job("Arbeidstaker", "Employee", "FIXED", Measure::Unit("PERSON")),
            Self::JobPercent => job("Stillingsprosent", "Position in percent", "STATUS", Measure::Percent),
            Self::JobWage => job("Kontantlønn per måned", "Cash wages a month", "STATUS", Measure::Kroner),
            Self::JobSector => job("Sektor", "Sector", "STATUS", codes(&SECTORS.map(|(sector, _)| sector))),
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
            Self::CasePerson => case("Pasient", "Patient", Measure::Unit("PERSON")),
            Self::CaseDiagnosis => case("Diagnosedato", "Date of diagnosis", Measure::Date),
            Self::CaseSite => case("Lokalisasjon", "Site", sites()),
            Self::CaseStage => case("Stadium", "Stage", codes(&STAGES)),
            Self::CaseBasis => {
                case("Diagnosegrunnlag", "Basis of diagnosis", codes(&BASES.map(|(code, _)| code)))
            }
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
            Self::EpisodePerson => episode("Pasient", "Patient", Measure::Unit("PERSON")),
            Self::EpisodeDate => episode("Inndato", "Day of admission", Measure::Date),
            Self::EpisodeCondition => {
                episode("Hovedtilstand", "Main condition", codes(&CONDITIONS.map(|(code, _)| code)))
            }
            Self::EpisodeCare => episode("Omsorgsnivå", "Level of care", codes(&CARE)),
            Self::Stay => facts(
                "Døgnopphold på sykehus, hovedtilstand",
                "Inpatient stay, main condition",
                "EVENT",
                "PERSON_SPECIAL",
                health,
                codes(&CONDITIONS.map(|(code, _)| code)),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use kobling_model::{DatastoreId, OwnerId, UnitType, VariableName};

    use super::metadata::Domain;
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
