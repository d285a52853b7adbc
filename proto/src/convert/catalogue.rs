//! Datastores, variables, code lists and dates.

use kobling_model::catalogue::{
    AvailableDates, Code, DataType, Datastore, Sensitivity, Sentinel, Temporality, ValueDomain, Variable,
};
use kobling_model::value::Range;
use kobling_model::{Day, VariableName};

use super::{InvalidMessage, at, datastore, day, hash, hash_bytes, owner, version};
use crate::catalogue::v1 as wire;

impl From<&Datastore> for wire::Datastore {
    fn from(datastore: &Datastore) -> Self {
        Self {
            id: datastore.id.to_string(),
            owner: datastore.owner.to_string(),
            version: datastore.version.to_string(),
            variables: datastore.variables.iter().map(wire::Variable::from).collect(),
        }
    }
}

impl TryFrom<wire::Datastore> for Datastore {
    type Error = InvalidMessage;

    fn try_from(message: wire::Datastore) -> Result<Self, InvalidMessage> {
        Ok(Self {
            id: datastore(message.id, "datastore.id")?,
            owner: owner(&message.owner, "datastore.owner")?,
            version: version(&message.version, "datastore.version")?,
            variables: message.variables.into_iter().map(Variable::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Variable> for wire::Variable {
    fn from(variable: &Variable) -> Self {
        Self {
            name: variable.name.to_string(),
            title: variable.title.clone(),
            description: variable.description.clone(),
            unit_type: variable.unit_type.to_string(),
            temporality: wire::Temporality::from(variable.temporality).into(),
            sensitivity: wire::Sensitivity::from(variable.sensitivity).into(),
            domain: Some((&variable.domain).into()),
            dates: Some((&variable.dates).into()),
            data: hash_bytes(&variable.data),
            range: variable.range.as_ref().map(wire::Range::from),
        }
    }
}

impl TryFrom<wire::Variable> for Variable {
    type Error = InvalidMessage;

    fn try_from(message: wire::Variable) -> Result<Self, InvalidMessage> {
        let temporality = message.temporality().try_into()?;
        let sensitivity = message.sensitivity().try_into()?;
        Ok(Self {
            name: VariableName::new(message.name).map_err(at("variable.name"))?,
            title: message.title,
            description: message.description,
            unit_type: message
                .unit_type
                .parse()
                .map_err(|_| InvalidMessage { field: "variable.unit_type" })?,
            temporality,
            sensitivity,
            domain: message.domain.ok_or(InvalidMessage { field: "variable.domain" })?.try_into()?,
            dates: message.dates.ok_or(InvalidMessage { field: "variable.dates" })?.try_into()?,
            range: message.range.map(Range::try_from).transpose()?,
            data: hash(&message.data, "variable.data")?,
        })
    }
}

impl From<&Range> for wire::Range {
    fn from(range: &Range) -> Self {
        Self { low: range.low, high: range.high, centre: range.centre }
    }
}

impl TryFrom<wire::Range> for Range {
    type Error = InvalidMessage;

    fn try_from(wire::Range { low, high, centre }: wire::Range) -> Result<Self, InvalidMessage> {
        let finite = [low, high, centre].iter().all(|number| number.is_finite());
        if finite && low <= centre && centre <= high {
            Ok(Self { low, high, centre })
        } else {
            Err(InvalidMessage { field: "variable.range" })
        }
    }
}

impl From<Temporality> for wire::Temporality {
    fn from(temporality: Temporality) -> Self {
        match temporality {
            Temporality::Fixed => Self::Fixed,
            Temporality::Status => Self::Status,
            Temporality::Accumulated => Self::Accumulated,
            Temporality::Event => Self::Event,
        }
    }
}

impl TryFrom<wire::Temporality> for Temporality {
    type Error = InvalidMessage;

    fn try_from(temporality: wire::Temporality) -> Result<Self, InvalidMessage> {
        match temporality {
            wire::Temporality::Unspecified => Err(InvalidMessage { field: "variable.temporality" }),
            wire::Temporality::Fixed => Ok(Self::Fixed),
            wire::Temporality::Status => Ok(Self::Status),
            wire::Temporality::Accumulated => Ok(Self::Accumulated),
            wire::Temporality::Event => Ok(Self::Event),
        }
    }
}

impl From<Sensitivity> for wire::Sensitivity {
    fn from(sensitivity: Sensitivity) -> Self {
        match sensitivity {
            Sensitivity::PersonGeneral => Self::PersonGeneral,
            Sensitivity::PersonSpecial => Self::PersonSpecial,
            Sensitivity::Public => Self::Public,
            Sensitivity::Nonpublic => Self::Nonpublic,
        }
    }
}

impl TryFrom<wire::Sensitivity> for Sensitivity {
    type Error = InvalidMessage;

    fn try_from(sensitivity: wire::Sensitivity) -> Result<Self, InvalidMessage> {
        match sensitivity {
            wire::Sensitivity::Unspecified => Err(InvalidMessage { field: "variable.sensitivity" }),
            wire::Sensitivity::PersonGeneral => Ok(Self::PersonGeneral),
            wire::Sensitivity::PersonSpecial => Ok(Self::PersonSpecial),
            wire::Sensitivity::Public => Ok(Self::Public),
            wire::Sensitivity::Nonpublic => Ok(Self::Nonpublic),
        }
    }
}

impl From<DataType> for wire::DataType {
    fn from(data_type: DataType) -> Self {
        match data_type {
            DataType::String => Self::String,
            DataType::Long => Self::Long,
            DataType::Double => Self::Double,
            DataType::Date => Self::Date,
        }
    }
}

impl TryFrom<wire::DataType> for DataType {
    type Error = InvalidMessage;

    fn try_from(data_type: wire::DataType) -> Result<Self, InvalidMessage> {
        match data_type {
            wire::DataType::Unspecified => Err(InvalidMessage { field: "domain.data_type" }),
            wire::DataType::String => Ok(Self::String),
            wire::DataType::Long => Ok(Self::Long),
            wire::DataType::Double => Ok(Self::Double),
            wire::DataType::Date => Ok(Self::Date),
        }
    }
}

impl From<&ValueDomain> for wire::variable::Domain {
    fn from(domain: &ValueDomain) -> Self {
        match domain {
            ValueDomain::Codes { data_type, codes, sentinels } => Self::Codes(wire::CodeList {
                data_type: wire::DataType::from(*data_type).into(),
                codes: codes.iter().map(wire::Code::from).collect(),
                sentinels: sentinels.iter().map(wire::Sentinel::from).collect(),
            }),
            ValueDomain::Described { data_type, description, unit } => Self::Described(wire::Described {
                data_type: wire::DataType::from(*data_type).into(),
                description: description.clone(),
                unit: unit.clone(),
            }),
            ValueDomain::Pointer { unit_type } => {
                Self::Pointer(wire::Pointer { unit_type: unit_type.to_string() })
            }
        }
    }
}

impl TryFrom<wire::variable::Domain> for ValueDomain {
    type Error = InvalidMessage;

    fn try_from(domain: wire::variable::Domain) -> Result<Self, InvalidMessage> {
        Ok(match domain {
            wire::variable::Domain::Codes(list) => Self::Codes {
                data_type: list.data_type().try_into()?,
                codes: list.codes.into_iter().map(Code::try_from).collect::<Result<_, _>>()?,
                sentinels: list.sentinels.into_iter().map(Sentinel::from).collect(),
            },
            wire::variable::Domain::Described(described) => Self::Described {
                data_type: described.data_type().try_into()?,
                description: described.description,
                unit: described.unit,
            },
            wire::variable::Domain::Pointer(pointer) => Self::Pointer {
                unit_type: pointer
                    .unit_type
                    .parse()
                    .map_err(|_| InvalidMessage { field: "pointer.unit_type" })?,
            },
        })
    }
}

impl From<&Code> for wire::Code {
    fn from(code: &Code) -> Self {
        Self {
            code: code.code.clone(),
            title: code.title.clone(),
            valid_from: code.valid_from.days(),
            valid_until: code.valid_until.map(Day::days),
        }
    }
}

impl TryFrom<wire::Code> for Code {
    type Error = InvalidMessage;

    fn try_from(code: wire::Code) -> Result<Self, InvalidMessage> {
        Ok(Self {
            code: code.code,
            title: code.title,
            valid_from: day(code.valid_from, "code.valid_from")?,
            valid_until: code.valid_until.map(|days| day(days, "code.valid_until")).transpose()?,
        })
    }
}

impl From<&Sentinel> for wire::Sentinel {
    fn from(sentinel: &Sentinel) -> Self {
        Self { code: sentinel.code.clone(), title: sentinel.title.clone() }
    }
}

impl From<wire::Sentinel> for Sentinel {
    fn from(sentinel: wire::Sentinel) -> Self {
        Self { code: sentinel.code, title: sentinel.title }
    }
}

impl From<&AvailableDates> for wire::AvailableDates {
    fn from(dates: &AvailableDates) -> Self {
        use wire::available_dates::Kind;
        let period = |first: Day, last: Day| wire::Period { first: first.days(), last: last.days() };
        let kind = match dates {
            AvailableDates::None => Kind::None(wire::NoDates {}),
            AvailableDates::Days { days } => {
                Kind::Days(wire::DayList { days: days.iter().map(|day| day.days()).collect() })
            }
            AvailableDates::Periods { periods } => Kind::Periods(wire::PeriodList {
                periods: periods.iter().map(|(first, last)| period(*first, *last)).collect(),
            }),
            AvailableDates::Range { first, last } => Kind::Range(period(*first, *last)),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<wire::AvailableDates> for AvailableDates {
    type Error = InvalidMessage;

    fn try_from(dates: wire::AvailableDates) -> Result<Self, InvalidMessage> {
        use wire::available_dates::Kind;
        const FIELD: &str = "variable.dates";
        let invalid = InvalidMessage { field: FIELD };
        let period = |period: wire::Period| {
            let (first, last) = (day(period.first, FIELD)?, day(period.last, FIELD)?);
            if first <= last { Ok((first, last)) } else { Err(invalid) }
        };
        Ok(match dates.kind.ok_or(invalid)? {
            Kind::None(wire::NoDates {}) => Self::None,
            Kind::Days(list) => {
                let days: Vec<Day> =
                    list.days.into_iter().map(|days| day(days, FIELD)).collect::<Result<_, _>>()?;
                if !days.is_sorted() {
                    return Err(invalid);
                }
                Self::Days { days }
            }
            Kind::Periods(list) => {
                let periods: Vec<(Day, Day)> =
                    list.periods.into_iter().map(period).collect::<Result<_, _>>()?;
                if !periods.is_sorted_by_key(|(first, _)| *first) {
                    return Err(invalid);
                }
                Self::Periods { periods }
            }
            Kind::Range(range) => {
                let (first, last) = period(range)?;
                Self::Range { first, last }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use kobling_model::{DatastoreId, Hash, OwnerId, UnitType, Version};
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn any_day() -> impl Strategy<Value = Day> {
        (-719_162..=2_932_896).prop_map(|days| Day::from_days(days).expect("in range"))
    }

    fn any_period() -> impl Strategy<Value = (Day, Day)> {
        (any_day(), any_day()).prop_map(|(a, b)| (a.min(b), a.max(b)))
    }

    fn any_data_type() -> impl Strategy<Value = DataType> {
        prop::sample::select(vec![DataType::String, DataType::Long, DataType::Double, DataType::Date])
    }

    fn any_unit_type() -> impl Strategy<Value = UnitType> {
        prop::sample::select(UnitType::ALL.to_vec())
    }

    fn any_domain() -> impl Strategy<Value = ValueDomain> {
        let code = (any::<String>(), any::<String>(), any_day(), prop::option::of(any_day()))
            .prop_map(|(code, title, valid_from, valid_until)| Code { code, title, valid_from, valid_until });
        let sentinel = (any::<String>(), any::<String>()).prop_map(|(code, title)| Sentinel { code, title });
        let codes = prop::collection::vec(code, 0..4);
        let sentinels = prop::collection::vec(sentinel, 0..3);
        prop_oneof![
            (any_data_type(), codes, sentinels).prop_map(|(data_type, codes, sentinels)| {
                ValueDomain::Codes { data_type, codes, sentinels }
            }),
            (any_data_type(), any::<String>(), any::<String>()).prop_map(|(data_type, description, unit)| {
                ValueDomain::Described { data_type, description, unit }
            }),
            any_unit_type().prop_map(|unit_type| ValueDomain::Pointer { unit_type }),
        ]
    }

    fn any_range() -> impl Strategy<Value = Option<Range>> {
        let finite = prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL;
        let range = prop::collection::vec(finite, 3).prop_map(|mut numbers| {
            numbers.sort_by(f64::total_cmp);
            Range { low: numbers[0], centre: numbers[1], high: numbers[2] }
        });
        prop::option::of(range)
    }

    fn any_dates() -> impl Strategy<Value = AvailableDates> {
        prop_oneof![
            Just(AvailableDates::None),
            prop::collection::vec(any_day(), 0..5).prop_map(|mut days| {
                days.sort();
                AvailableDates::Days { days }
            }),
            prop::collection::vec(any_period(), 0..5).prop_map(|mut periods| {
                periods.sort();
                AvailableDates::Periods { periods }
            }),
            any_period().prop_map(|(first, last)| AvailableDates::Range { first, last }),
        ]
    }

    prop_compose! {
        fn any_variable()(
            name in "[A-Z][A-Z0-9_]{0,20}",
            title in any::<String>(),
            description in any::<String>(),
            unit_type in any_unit_type(),
            temporality in prop::sample::select(vec![
                Temporality::Fixed, Temporality::Status, Temporality::Accumulated, Temporality::Event,
            ]),
            sensitivity in prop::sample::select(vec![
                Sensitivity::PersonGeneral, Sensitivity::PersonSpecial, Sensitivity::Public,
                Sensitivity::Nonpublic,
            ]),
            domain in any_domain(),
            dates in any_dates(),
            range in any_range(),
            data in any::<[u8; 32]>(),
        ) -> Variable {
            let name = VariableName::new(name).expect("valid");
            Variable {
                name, title, description, unit_type, temporality, sensitivity, domain, dates, range,
                data: Hash(data),
            }
        }
    }

    prop_compose! {
        fn any_datastore()(
            id in "[a-z][a-z0-9_]{0,8}(\\.[a-z][a-z0-9_]{0,8}){0,3}",
            owner in "[a-z][a-z0-9-]{0,8}",
            (major, minor, patch) in any::<(u32, u32, u32)>(),
            variables in prop::collection::vec(any_variable(), 0..4),
        ) -> Datastore {
            Datastore {
                id: DatastoreId::new(id).expect("valid"),
                owner: OwnerId::new(owner).expect("valid"),
                version: Version { major, minor, patch },
                variables,
            }
        }
    }

    proptest! {
        #[test]
        fn a_datastore_survives_the_wire_exactly(datastore in any_datastore()) {
            let bytes = wire::Datastore::from(&datastore).encode_to_vec();
            let message = wire::Datastore::decode(&bytes[..]).expect("what we encoded");
            prop_assert_eq!(Datastore::try_from(message), Ok(datastore));
        }

        #[test]
        fn damaged_bytes_never_panic(datastore in any_datastore(), flips in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..8)) {
            let mut bytes = wire::Datastore::from(&datastore).encode_to_vec();
            for (index, bits) in flips {
                if !bytes.is_empty() {
                    let at = index.index(bytes.len());
                    bytes[at] ^= bits;
                }
            }
            if let Ok(message) = wire::Datastore::decode(&bytes[..]) {
                let _ = Datastore::try_from(message);
            }
        }
    }

    fn variable() -> wire::Variable {
        wire::Variable {
            name: "INNTEKT".into(),
            unit_type: "PERSON".into(),
            temporality: wire::Temporality::Status.into(),
            sensitivity: wire::Sensitivity::Public.into(),
            domain: Some(wire::variable::Domain::Pointer(wire::Pointer { unit_type: "FAMILIE".into() })),
            dates: Some((&AvailableDates::None).into()),
            data: vec![0; 32].into(),
            ..Default::default()
        }
    }

    #[test]
    fn what_is_not_set_or_out_of_order_is_refused_by_field() {
        use wire::available_dates::Kind;
        assert!(Variable::try_from(variable()).is_ok());
        let dates = |kind| Some(wire::AvailableDates { kind });
        let period = |first, last| wire::Period { first, last };
        let range = |low, high, centre| Some(wire::Range { low, high, centre });
        let cases = [
            (wire::Variable { name: "inntekt".into(), ..variable() }, "variable.name"),
            (wire::Variable { unit_type: "person".into(), ..variable() }, "variable.unit_type"),
            (wire::Variable { temporality: 0, ..variable() }, "variable.temporality"),
            (wire::Variable { temporality: 99, ..variable() }, "variable.temporality"),
            (wire::Variable { sensitivity: 0, ..variable() }, "variable.sensitivity"),
            (wire::Variable { domain: None, ..variable() }, "variable.domain"),
            (wire::Variable { dates: None, ..variable() }, "variable.dates"),
            (wire::Variable { dates: dates(None), ..variable() }, "variable.dates"),
            (
                wire::Variable {
                    dates: dates(Some(Kind::Days(wire::DayList { days: vec![2, 1] }))),
                    ..variable()
                },
                "variable.dates",
            ),
            (
                wire::Variable { dates: dates(Some(Kind::Range(period(2, 1)))), ..variable() },
                "variable.dates",
            ),
            (
                wire::Variable { dates: dates(Some(Kind::Range(period(i32::MIN, 1)))), ..variable() },
                "variable.dates",
            ),
            (wire::Variable { data: vec![0; 31].into(), ..variable() }, "variable.data"),
            (wire::Variable { range: range(2.0, 1.0, 1.5), ..variable() }, "variable.range"),
            (wire::Variable { range: range(0.0, 1.0, 1.5), ..variable() }, "variable.range"),
            (wire::Variable { range: range(0.0, 1.0, -0.5), ..variable() }, "variable.range"),
            (wire::Variable { range: range(f64::NEG_INFINITY, 1.0, 0.0), ..variable() }, "variable.range"),
            (wire::Variable { range: range(0.0, f64::INFINITY, 0.0), ..variable() }, "variable.range"),
            (wire::Variable { range: range(0.0, 1.0, f64::NAN), ..variable() }, "variable.range"),
            (
                wire::Variable {
                    domain: Some(wire::variable::Domain::Described(wire::Described::default())),
                    ..variable()
                },
                "domain.data_type",
            ),
        ];
        for (bad, field) in cases {
            assert_eq!(Variable::try_from(bad), Err(InvalidMessage { field }));
        }
    }
}
