//! Causes of death.

use super::Code;

/// A group of causes, by its place in the European shortlist.
#[derive(Clone, Copy, Debug)]
pub struct Cause {
    /// Its ICD-10 codes and titles.
    pub code: Code,
    /// Weights under 50, from 50 to 74, and from 75 years.
    pub weights: [f64; 3],
}

const fn cause(code: &'static str, nb: &'static str, en: &'static str, weights: [f64; 3]) -> Cause {
    Cause { code: Code { code, nb, en }, weights }
}

/// Index of cancer among [`CAUSES`].
pub const CANCER: usize = 1;
/// Index of COVID-19 among [`CAUSES`]: from March 2020 only.
pub const COVID_19: usize = 14;

/// The causes, in order of code. The weights are those of people who did not have cancer.
#[rustfmt::skip]
pub const CAUSES: [Cause; 15] = [
    cause("A00-B99", "Infeksjonssykdommer", "Infectious diseases", [2.0, 2.0, 2.5]),
    cause("C00-D48", "Svulster", "Neoplasms", [6.0, 14.0, 6.0]),
    cause("E10-E14", "Diabetes", "Diabetes", [1.0, 3.0, 2.0]),
    cause("F00-F03", "Demens", "Dementia", [0.0, 2.0, 12.0]),
    cause("G00-H95", "Sykdommer i nervesystemet", "Diseases of the nervous system", [4.0, 6.0, 6.0]),
    cause("I20-I25", "Iskemisk hjertesykdom", "Ischaemic heart disease", [5.0, 18.0, 14.0]),
    cause("I60-I69", "Hjerneslag", "Cerebrovascular diseases", [2.0, 6.0, 8.0]),
    cause("I30-I52", "Annen hjertesykdom", "Other heart diseases", [3.0, 8.0, 12.0]),
    cause("J12-J18", "Lungebetennelse", "Pneumonia", [1.0, 3.0, 5.0]),
    cause("J40-J47", "Kronisk lungesykdom", "Chronic lower respiratory diseases", [1.0, 9.0, 7.0]),
    cause("K00-K93", "Sykdommer i fordøyelsessystemet", "Digestive diseases", [3.0, 6.0, 4.0]),
    cause("R00-R99", "Ukjent eller ubestemt årsak", "Ill-defined causes", [8.0, 6.0, 8.0]),
    cause("V01-X59", "Ulykker", "Accidents", [28.0, 8.0, 6.0]),
    cause("X60-X84", "Selvmord", "Suicide", [22.0, 4.0, 0.5]),
    cause("U071-U109", "Covid-19", "COVID-19", [1.0, 2.0, 4.0]),
];

/// Chance to die within a year at this age, without cancer.
pub fn hazard(age: f64, man: bool) -> f64 {
    let infancy = if age < 1.0 { 0.0015 } else { 0.0 };
    let ageing = 1.15e-5 * (0.1 * age).exp() + 1e-4;
    (infancy + ageing * if man { 1.2 } else { 0.85 }).min(0.8)
}
