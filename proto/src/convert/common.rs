//! Rules, releases and who asks.

use bytes::Bytes;
use kobling_model::plan::Release;
use kobling_model::record::Asker;
use kobling_model::rules::Rules;
use kobling_model::script_request::SignedRequest;

use super::{InvalidMessage, datastore, hash, hash_bytes, owner, version};
use crate::common::v1 as wire;

impl From<&Rules> for wire::Rules {
    fn from(rules: &Rules) -> Self {
        Self {
            population_units_min: rules.population_units_min,
            perturbation_table: hash_bytes(&rules.perturbation_table),
            small_cell_units_max: rules.small_cell_units_max,
            small_cells_percent_max: rules.small_cells_percent_max,
            edit_units_min: rules.edit_units_min,
            statistic_units_min: rules.statistic_units_min,
            two_largest_percent_max: rules.two_largest_percent_max,
            others_percent_of_largest_min: rules.others_percent_of_largest_min,
        }
    }
}

impl TryFrom<wire::Rules> for Rules {
    type Error = InvalidMessage;

    fn try_from(rules: wire::Rules) -> Result<Self, InvalidMessage> {
        Ok(Self {
            population_units_min: rules.population_units_min,
            perturbation_table: hash(&rules.perturbation_table, "rules.perturbation_table")?,
            small_cell_units_max: rules.small_cell_units_max,
            small_cells_percent_max: rules.small_cells_percent_max,
            edit_units_min: rules.edit_units_min,
            statistic_units_min: rules.statistic_units_min,
            two_largest_percent_max: rules.two_largest_percent_max,
            others_percent_of_largest_min: rules.others_percent_of_largest_min,
        })
    }
}

impl From<&Release> for wire::Release {
    fn from(release: &Release) -> Self {
        Self {
            datastore: release.datastore.to_string(),
            version: release.version.to_string(),
            owner: release.owner.to_string(),
        }
    }
}

impl TryFrom<wire::Release> for Release {
    type Error = InvalidMessage;

    fn try_from(release: wire::Release) -> Result<Self, InvalidMessage> {
        Ok(Self {
            datastore: datastore(release.datastore, "release.datastore")?,
            version: version(&release.version, "release.version")?,
            owner: owner(&release.owner, "release.owner")?,
        })
    }
}

impl From<&Asker> for wire::Asker {
    fn from(asker: &Asker) -> Self {
        Self {
            platform_certificate: hash_bytes(&asker.platform_certificate),
            researcher: asker.researcher.clone(),
            institution: asker.institution.clone(),
            purpose: asker.purpose.clone(),
        }
    }
}

impl From<&SignedRequest> for wire::SignedRequest {
    fn from(signed: &SignedRequest) -> Self {
        Self {
            request: Bytes::copy_from_slice(&signed.bytes),
            signature: Bytes::copy_from_slice(&signed.signature),
        }
    }
}

/// As it came: what the bytes are worth is for whoever verifies them.
impl From<wire::SignedRequest> for SignedRequest {
    fn from(signed: wire::SignedRequest) -> Self {
        Self { bytes: signed.request.to_vec(), signature: signed.signature.to_vec() }
    }
}

/// What arrives is marked unsigned: a signature comes with each script.
impl TryFrom<wire::Asker> for Asker {
    type Error = InvalidMessage;

    fn try_from(asker: wire::Asker) -> Result<Self, InvalidMessage> {
        let said =
            |text: String, field| if Self::may_say(&text) { Ok(text) } else { Err(InvalidMessage { field }) };
        Ok(Self {
            platform_certificate: hash(&asker.platform_certificate, "asker.platform_certificate")?,
            researcher: said(asker.researcher, "asker.researcher")?,
            institution: said(asker.institution, "asker.institution")?,
            purpose: said(asker.purpose, "asker.purpose")?,
            signed: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use kobling_model::{DatastoreId, Hash, OwnerId, Version};

    use super::*;

    fn release() -> Release {
        Release {
            datastore: DatastoreId::new("no.ssb.fdb").expect("valid"),
            version: Version { major: 1, minor: 2, patch: 3 },
            owner: OwnerId::new("ssb").expect("valid"),
        }
    }

    fn asker() -> Asker {
        Asker {
            platform_certificate: Hash::of(b"certificate"),
            researcher: "Åse".into(),
            institution: "Universitetet i Oslo".into(),
            purpose: "Kreft og utdanning, prosjekt 12".into(),
            signed: false,
        }
    }

    #[test]
    fn rules_releases_and_askers_survive_the_wire() {
        let rules = Rules {
            population_units_min: 1000,
            perturbation_table: Hash::of(b"table"),
            small_cell_units_max: 4,
            small_cells_percent_max: 50,
            edit_units_min: 15,
            statistic_units_min: 15,
            two_largest_percent_max: 90,
            others_percent_of_largest_min: 10,
        };
        assert_eq!(Rules::try_from(wire::Rules::from(&rules)), Ok(rules));
        assert_eq!(Release::try_from(wire::Release::from(&release())), Ok(release()));
        assert_eq!(Asker::try_from(wire::Asker::from(&asker())), Ok(asker()));
    }

    #[test]
    fn a_malformed_field_is_named() {
        let bad = wire::Release { version: "1".into(), ..wire::Release::from(&release()) };
        assert_eq!(Release::try_from(bad), Err(InvalidMessage { field: "release.version" }));
        let bad = wire::Asker { researcher: "a\nb".into(), ..wire::Asker::from(&asker()) };
        assert_eq!(Asker::try_from(bad), Err(InvalidMessage { field: "asker.researcher" }));
        for purpose in [String::new(), " blanks around ".into(), "x".repeat(201)] {
            let bad = wire::Asker { purpose, ..wire::Asker::from(&asker()) };
            assert_eq!(Asker::try_from(bad), Err(InvalidMessage { field: "asker.purpose" }));
        }
        // 200 characters of two bytes each.
        let long = wire::Asker { purpose: "å".repeat(200), ..wire::Asker::from(&asker()) };
        assert!(Asker::try_from(long).is_ok());
        let bad = wire::Asker { platform_certificate: vec![0; 31].into(), ..wire::Asker::from(&asker()) };
        assert_eq!(Asker::try_from(bad), Err(InvalidMessage { field: "asker.platform_certificate" }));
        let empty = Rules::try_from(wire::Rules::default());
        assert_eq!(empty, Err(InvalidMessage { field: "rules.perturbation_table" }));
    }
}
