//! Tables of facts that people are drawn from: rounded to what is published about Norway around 2020.
//!
//! They make believable tables, not statistics: nothing here or drawn from here says anything about Norway.

pub mod cancer;
pub mod country;
pub mod death;
pub mod education;
pub mod municipality;

/// A code of a code list with its titles.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// As it stands in the data.
    pub code: &'static str,
    /// Title in Norwegian.
    pub nb: &'static str,
    /// Title in English.
    pub en: &'static str,
}

/// Sexes.
pub const SEXES: [Code; 2] =
    [Code { code: "1", nb: "Mann", en: "Man" }, Code { code: "2", nb: "Kvinne", en: "Woman" }];

/// Civil statuses, in the order of [`crate::population::CivilStatus`].
pub const CIVIL_STATUSES: [Code; 5] = [
    Code { code: "1", nb: "Ugift", en: "Never married" },
    Code { code: "2", nb: "Gift", en: "Married" },
    Code { code: "3", nb: "Enke eller enkemann", en: "Widowed" },
    Code { code: "4", nb: "Skilt", en: "Divorced" },
    Code { code: "5", nb: "Separert", en: "Separated" },
];

/// Institutional sectors of employers, with weights: of people educated for health or teaching, of all others.
pub const SECTORS: [(Code, [f64; 2]); 6] = [
    (Code { code: "1120", nb: "Statlig eide aksjeselskaper", en: "State-owned companies" }, [2.0, 6.0]),
    (Code { code: "1520", nb: "Kommunalt eide aksjeselskaper", en: "Municipal companies" }, [2.0, 2.0]),
    (Code { code: "2100", nb: "Private aksjeselskaper", en: "Private companies" }, [22.0, 68.0]),
    (Code { code: "6100", nb: "Statsforvaltningen", en: "Central government" }, [26.0, 9.0]),
    (Code { code: "6500", nb: "Kommuneforvaltningen", en: "Local government" }, [43.0, 12.0]),
    (Code { code: "7000", nb: "Ideelle organisasjoner", en: "Non-profit organisations" }, [5.0, 3.0]),
];

/// Doses of a vaccine against COVID-19.
pub const DOSES: [Code; 4] = [
    Code { code: "1", nb: "Dose 1", en: "Dose 1" },
    Code { code: "2", nb: "Dose 2", en: "Dose 2" },
    Code { code: "3", nb: "Dose 3", en: "Dose 3" },
    Code { code: "4", nb: "Dose 4", en: "Dose 4" },
];

/// Levels of care of a hospital episode.
pub const CARE: [Code; 3] = [
    Code { code: "1", nb: "Døgnopphold", en: "Inpatient" },
    Code { code: "2", nb: "Dagbehandling", en: "Day treatment" },
    Code { code: "3", nb: "Poliklinisk konsultasjon", en: "Outpatient" },
];

/// Chapters of ICD-10 that a hospital episode's main condition lies in, with weights: general, under 15 years,
/// 70 years and over.
pub const CONDITIONS: [(Code, [f64; 3]); 12] = [
    (Code { code: "A", nb: "Infeksjonssykdommer", en: "Infectious diseases" }, [3.0, 9.0, 3.0]),
    (Code { code: "C", nb: "Svulster", en: "Neoplasms" }, [8.0, 2.0, 16.0]),
    (Code { code: "E", nb: "Stoffskiftesykdommer", en: "Metabolic diseases" }, [5.0, 4.0, 5.0]),
    (Code { code: "F", nb: "Psykiske lidelser", en: "Mental disorders" }, [6.0, 5.0, 3.0]),
    (
        Code { code: "G", nb: "Sykdommer i nervesystemet", en: "Diseases of the nervous system" },
        [5.0, 4.0, 5.0],
    ),
    (Code { code: "H", nb: "Sykdommer i øye og øre", en: "Diseases of eye and ear" }, [9.0, 10.0, 15.0]),
    (
        Code { code: "I", nb: "Sykdommer i sirkulasjonssystemet", en: "Circulatory diseases" },
        [7.0, 1.0, 18.0],
    ),
    (Code { code: "J", nb: "Sykdommer i åndedrettssystemet", en: "Respiratory diseases" }, [5.0, 18.0, 8.0]),
    (Code { code: "K", nb: "Sykdommer i fordøyelsessystemet", en: "Digestive diseases" }, [9.0, 7.0, 7.0]),
    (
        Code { code: "M", nb: "Sykdommer i muskler og skjelett", en: "Musculoskeletal diseases" },
        [13.0, 5.0, 9.0],
    ),
    (Code { code: "S", nb: "Skader og forgiftninger", en: "Injuries and poisoning" }, [10.0, 18.0, 8.0]),
    (Code { code: "Z", nb: "Kontakt av andre grunner", en: "Other contacts" }, [20.0, 17.0, 13.0]),
];

/// People by age at the start of 2018, in thousands, five years a group. The first group is those born from 2018
/// to 2021.
pub const AGES_THOUSANDS: [(i32, i32, f64); 22] = [
    (-4, -1, 220.0),
    (0, 4, 295.0),
    (5, 9, 320.0),
    (10, 14, 318.0),
    (15, 19, 322.0),
    (20, 24, 350.0),
    (25, 29, 372.0),
    (30, 34, 365.0),
    (35, 39, 352.0),
    (40, 44, 352.0),
    (45, 49, 378.0),
    (50, 54, 362.0),
    (55, 59, 330.0),
    (60, 64, 305.0),
    (65, 69, 278.0),
    (70, 74, 232.0),
    (75, 79, 158.0),
    (80, 84, 108.0),
    (85, 89, 69.0),
    (90, 94, 34.0),
    (95, 99, 8.0),
    (100, 104, 1.0),
];

/// Chance that someone of this age is a man.
pub fn share_of_men(age: i32) -> f64 {
    match age {
        ..60 => 0.513,
        60..75 => 0.497,
        75..85 => 0.455,
        85..95 => 0.36,
        _ => 0.22,
    }
}
