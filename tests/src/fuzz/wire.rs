//! Protobuf messages as the domain's words.

use kobling_model::catalogue::Datastore;
use kobling_model::plan::Release;
use kobling_model::record::Asker;
use kobling_model::rules::Rules;
use kobling_model::{Hash, OwnerId};
use kobling_proto::convert::InvalidMessage;
use kobling_proto::convert::problem::{problem, problem_of, status};
use kobling_proto::limits::MAX_PROBLEM_CHARACTERS;
use kobling_proto::{catalogue, common};
use prost::Message;
use tonic::{Code, Status};

use super::register;
use crate::reference::loosest_rules;

/// A message of the kind that the first byte says: a datastore, rules, a release, an asker, or the details of a status.
pub fn messages(input: &[u8]) -> bool {
    let Some((kind, bytes)) = input.split_first() else { return false };
    match kind % 5 {
        0 => survives::<Datastore, catalogue::v1::Datastore>(bytes),
        1 => survives::<Rules, common::v1::Rules>(bytes),
        2 => survives::<Release, common::v1::Release>(bytes),
        3 => survives::<Asker, common::v1::Asker>(bytes),
        _ => details(bytes),
    }
}

/// What is let through comes back the same when it is sent on.
fn survives<T, W>(bytes: &[u8]) -> bool
where
    W: Message + Default + for<'a> From<&'a T>,
    T: TryFrom<W, Error = InvalidMessage> + PartialEq + std::fmt::Debug,
{
    let Ok(message) = W::decode(bytes) else { return false };
    let Ok(value) = T::try_from(message) else { return false };
    let sent = W::from(&value).encode_to_vec();
    let again = W::decode(&sent[..]).expect("what was encoded");
    assert_eq!(T::try_from(again).as_ref(), Ok(&value), "the same message");
    true
}

/// A problem that another party tells of is shown to people, so it is short and steers no terminal.
fn details(bytes: &[u8]) -> bool {
    let sender = OwnerId::new("ssb").expect("a party's name");
    let status = Status::with_details(Code::Aborted, "", bytes.to_vec().into());
    let shown = problem_of(&status, &sender, "offer");
    assert!(shown.message.chars().count() <= MAX_PROBLEM_CHARACTERS);
    let texts = [&shown.code, &shown.party, &shown.step, &shown.message];
    assert!(!texts.iter().any(|text| text.chars().any(char::is_control)));
    common::v1::Problem::decode(bytes).is_ok_and(|problem| problem == shown)
}

pub(super) fn message_seeds() -> Vec<Vec<u8>> {
    let seed = |kind: u8, bytes: Vec<u8>| [vec![kind], bytes].concat();
    let datastores = register::catalogue().datastores.iter();
    let mut seeds: Vec<_> = datastores
        .clone()
        .map(|datastore| seed(0, catalogue::v1::Datastore::from(datastore).encode_to_vec()))
        .collect();
    let rules = loosest_rules();
    seeds.push(seed(1, common::v1::Rules::from(&rules).encode_to_vec()));
    for datastore in datastores {
        let Datastore { id, version, owner, .. } = datastore.clone();
        let release = Release { datastore: id, version, owner };
        seeds.push(seed(2, common::v1::Release::from(&release).encode_to_vec()));
    }
    let asker = Asker {
        platform_certificate: Hash::of(b"certificate"),
        researcher: "Åse".to_owned(),
        institution: "Universitetet i Oslo".to_owned(),
        purpose: "Kreft og utdanning".to_owned(),
        signed: false,
    };
    seeds.push(seed(3, common::v1::Asker::from(&asker).encode_to_vec()));
    let sender = OwnerId::new("krg").expect("a party's name");
    let problem = problem("unreachable", &sender, "product/left", "krg does not answer; try again later");
    seeds.push(seed(4, status(Code::Unavailable, &problem).details().to_vec()));
    seeds
}
