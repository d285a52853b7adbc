//! The metadata file of a dataset, and what it is made from.

use serde::Serialize;

use crate::facts::Code;
use crate::facts::municipality::MUNICIPALITIES;

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
        Metadata {
            temporality_type: temporality,
            sensitivity_level: sensitivity,
            population_description: match unit {
                "PERSON" => both("Oppdiktede personer", "Invented people"),
                "JOBB" => both("Oppdiktede arbeidsforhold", "Invented jobs"),
                _ => both("Oppdiktede hendelser", "Invented events"),
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
    /// Percent of a full-time position.
    Percent,
    Date,
    /// Points to units of this type.
    Unit(&'static str),
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
        let mut points_to = None;
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
            Self::Percent => {
                let text = both("Prosent av full stilling", "Percent of a full-time position");
                described("LONG", text, None)
            }
            Self::Unit(unit_type) => {
                points_to = Some(unit_type);
                (None, None)
            }
        };
        let format = (data_type == Some("DATE")).then_some("YYYY-MM-DD");
        MeasureVariable {
            unit_type: points_to,
            name: both(nb, en),
            description: both(nb, en),
            data_type,
            format,
            value_domain,
        }
    }
}

/// Codes of municipalities with the years they were used in; those that the reform kept stand once.
pub(super) fn municipalities() -> Vec<Item> {
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
    pub(super) identifier_variables: [Identifier; 1],
    pub(super) measure_variables: [MeasureVariable; 1],
}

#[derive(Clone, Debug, Serialize)]
struct DataRevision {
    description: Texts,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identifier {
    pub(super) unit_type: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MeasureVariable {
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_type: Option<&'static str>,
    name: Texts,
    description: Texts,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value_domain: Option<Domain>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(super) enum Domain {
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
    pub(super) code: &'static str,
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
