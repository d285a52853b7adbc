//! Cancer sites: how often, at which age, in whom.

use super::Code;

/// A group of sites in ICD-10.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// The group's code and titles.
    pub code: Code,
    /// New cases a year among 100 000 men and among 100 000 women, of all ages.
    pub rates: [f64; 2],
    /// Age at which the rate is highest, and how far from it the rate stays high.
    pub peak: (f64, f64),
    /// Factors on the rate with low, middle and high education.
    pub education: [f64; 3],
    /// Chances of local, regional and distant spread; the rest is unknown.
    pub stages: [f64; 3],
    /// Chance to die of it within a year of the diagnosis, at a middle stage.
    pub deadly: f64,
}

const EVEN: [f64; 3] = [1.0, 1.0, 1.0];
const SMOKING: [f64; 3] = [1.3, 1.05, 0.7];

#[allow(clippy::too_many_arguments)] // One line of a table.
const fn site(
    code: &'static str,
    nb: &'static str,
    en: &'static str,
    rates: [f64; 2],
    peak: (f64, f64),
    education: [f64; 3],
    stages: [f64; 3],
    deadly: f64,
) -> Site {
    Site { code: Code { code, nb, en }, rates, peak, education, stages, deadly }
}

const LOCAL: [f64; 3] = [0.6, 0.2, 0.1];
const MIDDLE: [f64; 3] = [0.4, 0.32, 0.2];
const LATE: [f64; 3] = [0.2, 0.26, 0.45];
const NO_STAGE: [f64; 3] = [0.05, 0.05, 0.1];

/// The sites, in order of code.
#[rustfmt::skip]
pub const SITES: [Site; 22] = [
    site("C00-C14", "Munnhule og svelg", "Oral cavity and pharynx", [12.0, 8.0], (68.0, 13.0), SMOKING, MIDDLE, 0.15),
    site("C15", "Spiserør", "Oesophagus", [9.0, 3.0], (73.0, 11.0), SMOKING, LATE, 0.45),
    site("C16", "Magesekk", "Stomach", [10.0, 6.0], (78.0, 13.0), SMOKING, LATE, 0.4),
    site("C18", "Tykktarm", "Colon", [57.0, 58.0], (79.0, 14.0), EVEN, MIDDLE, 0.15),
    site("C19-C20", "Endetarm", "Rectum", [30.0, 21.0], (75.0, 13.0), EVEN, MIDDLE, 0.12),
    site("C22", "Lever", "Liver", [8.0, 4.0], (73.0, 13.0), SMOKING, LATE, 0.55),
    site("C25", "Bukspyttkjertel", "Pancreas", [15.0, 15.0], (77.0, 12.0), SMOKING, LATE, 0.6),
    site("C33-C34", "Lunge", "Lung", [69.0, 64.0], (75.0, 10.0), [1.36, 1.06, 0.56], LATE, 0.42),
    site("C43", "Melanom i hud", "Melanoma of the skin", [46.0, 42.0], (72.0, 22.0), [0.7, 0.98, 1.4], [0.8, 0.08, 0.05], 0.05),
    site("C50", "Bryst", "Breast", [0.6, 131.0], (64.0, 16.0), [0.86, 0.99, 1.24], [0.58, 0.32, 0.05], 0.03),
    site("C53", "Livmorhals", "Cervix uteri", [0.0, 14.0], (42.0, 15.0), [1.3, 1.05, 0.8], MIDDLE, 0.08),
    site("C54", "Livmorkropp", "Corpus uteri", [0.0, 29.0], (70.0, 12.0), EVEN, LOCAL, 0.05),
    site("C56", "Eggstokk", "Ovary", [0.0, 19.0], (70.0, 15.0), EVEN, LATE, 0.2),
    site("C61", "Prostata", "Prostate", [190.0, 0.0], (72.0, 9.0), [0.9, 0.98, 1.15], [0.62, 0.2, 0.08], 0.03),
    site("C62", "Testikkel", "Testis", [12.0, 0.0], (33.0, 9.0), EVEN, [0.7, 0.2, 0.08], 0.01),
    site("C64", "Nyre", "Kidney", [22.0, 10.0], (72.0, 13.0), SMOKING, LOCAL, 0.12),
    site("C66-C68", "Blære og urinveier", "Bladder and urinary tract", [48.0, 17.0], (78.0, 12.0), SMOKING, LOCAL, 0.08),
    site("C70-C72", "Sentralnervesystemet", "Central nervous system", [20.0, 21.0], (65.0, 22.0), EVEN, NO_STAGE, 0.2),
    site("C73", "Skjoldbruskkjertel", "Thyroid", [5.0, 12.0], (54.0, 20.0), EVEN, LOCAL, 0.02),
    site("C82-C85", "Lymfom", "Lymphoma", [20.0, 15.0], (74.0, 16.0), EVEN, NO_STAGE, 0.12),
    site("C90", "Myelomatose", "Myeloma", [10.0, 7.0], (76.0, 12.0), EVEN, NO_STAGE, 0.15),
    site("C91-C95", "Leukemi", "Leukaemia", [23.0, 17.0], (76.0, 18.0), EVEN, NO_STAGE, 0.2),
];

/// Stages at diagnosis. The first is unknown.
pub const STAGES: [Code; 4] = [
    Code { code: "0", nb: "Ukjent", en: "Unknown" },
    Code { code: "1", nb: "Lokalisert", en: "Localised" },
    Code { code: "2", nb: "Regional spredning", en: "Regional spread" },
    Code { code: "3", nb: "Fjernspredning", en: "Distant spread" },
];

/// What a diagnosis rests on, with its share.
pub const BASES: [(Code, f64); 5] = [
    (Code { code: "1", nb: "Histologi", en: "Histology" }, 0.9),
    (Code { code: "2", nb: "Cytologi", en: "Cytology" }, 0.05),
    (Code { code: "3", nb: "Klinisk undersøkelse eller bilde", en: "Clinical examination or imaging" }, 0.04),
    (Code { code: "4", nb: "Obduksjon", en: "Autopsy" }, 0.004),
    (Code { code: "5", nb: "Dødsattest", en: "Death certificate" }, 0.006),
];
