//! Attack 15: every well-formed identity number against what the broker has.
//!
//! The attacker has the broker's disk, its logs, and what it heard and said, with the tokens of a session. It tries each 16 and 32 bytes in a
//! row of all that as the session's salt. There are about 30 million well-formed numbers; it is enough to hash a few that are known to
//! be in a register, since a salt that fits one fits all. Then it looks for identity numbers themselves: a window of eleven digits with
//! right control digits is one of the 30 million, so all of them are looked for at once. Tries to break: that the broker never has a salt.
//!
//! Bound: not one. The salt itself, put among the strings, is found: the attack is a real one.
//!
//! The broker runs in the process of the attack, whose memory is everybody's; of its memory, what passed its boundary is searched.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use kobling_crypto::pseudonym::SessionSalt;
use kobling_model::UnitType;
use kobling_model::identity::with_control_digits;
use ring::{hkdf, hmac};

use super::Measure;
use super::lab::{Lab, Size};
use super::rate::{Bound, Rate};
use crate::tap::Said;
use crate::world::World;

/// 15.
pub(super) fn run(lab: &Lab) -> Vec<Measure> {
    let world = World::of(Lab::owners()).found();
    let session = world.new_session();
    world.check(&world.script("import ssb/KJOENN as k\nimport krg/STED as s\ntabulate k s"));
    let tokens = tokens(&world);
    assert!(tokens.len() > 2000, "the broker heard tokens");
    let known: Vec<String> =
        world.column_of_identities("ssb", "KJOENN").into_iter().take(lab.of(1, 1000)).collect();
    let salt = salt_of(&world, &session);
    assert!(opens(&salt, &known, &tokens), "the session's salt is found by the attack");
    let mut strings = files(&world.state_folder("broker"));
    strings.extend(heard(&world, lab.size == Size::Full));
    let bytes: usize = strings.iter().map(Vec::len).sum();
    let candidates =
        strings.iter().flat_map(|string| [16, 32].into_iter().flat_map(move |width| string.windows(width)));
    let (mut right, mut trials) = (0, 0);
    for candidate in candidates {
        if trials % 4096 == 0 && lab.is_stopped() {
            break;
        }
        trials += 1;
        right += u64::from(opens(candidate, &known, &tokens));
    }
    let numbers = strings.iter().map(|string| identity_numbers(string)).sum();
    vec![
        Measure::new("salts among 16 and 32 bytes in a row", Rate::Counted { right, trials }, Bound::Never)
            .noted(format!("{bytes} bytes of files, calls and answers; {} known people", known.len())),
        Measure::new(
            "identity numbers among all windows",
            Rate::Counted { right: numbers, trials: bytes as u64 },
            Bound::Never,
        ),
    ]
}

/// All tokens that the broker got.
fn tokens(world: &World) -> HashSet<[u8; 16]> {
    let heard = world.tap.calls().into_iter().filter_map(|call| match call.said {
        Said::Tokens(tokens) => Some(tokens),
        _ => None,
    });
    heard.flatten().collect()
}

/// What the broker heard and said: tokens and row numbers only where asked for, since they are most of it.
fn heard(world: &World, with_tokens: bool) -> Vec<Vec<u8>> {
    let calls = world.tap.calls().into_iter();
    let is_long = |said: &Said| matches!(said, Said::Tokens(_) | Said::Rows(..));
    calls.filter(|call| with_tokens || !is_long(&call.said)).map(|call| call.said.bytes()).collect()
}

/// Whether a string is the salt: whether the token of somebody known is then one that the broker got.
fn opens(salt: &[u8], known: &[String], tokens: &HashSet<[u8; 16]>) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, salt);
    known.iter().any(|identity| {
        let message = list(&[b"kobling token v1", UnitType::Person.as_str().as_bytes(), identity.as_bytes()]);
        tokens.contains(&hmac::sign(&key, &message).as_ref()[..16])
    })
}

/// Texts, each with its length before it.
fn list(parts: &[&[u8]]) -> Vec<u8> {
    let mut message = Vec::new();
    for part in parts {
        message.extend((part.len() as u32).to_le_bytes());
        message.extend(*part);
    }
    message
}

struct Bytes32;

impl hkdf::KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

/// The salt of a session, from every node's contribution: what only the nodes have.
fn salt_of(world: &World, session: &str) -> [u8; 32] {
    let mut contributions: BTreeMap<String, [u8; 32]> = BTreeMap::new();
    for message in world.tap.messages() {
        if message.step() == "session/salt" {
            let part = message.body().try_into().expect("32 bytes");
            contributions.insert(message.from.to_string(), part);
        }
    }
    assert_eq!(contributions.len(), world.federation.nodes.len(), "every node contributes");
    let parts: Vec<&[u8]> =
        contributions.iter().flat_map(|(owner, part)| [owner.as_bytes(), part.as_slice()]).collect();
    let session: [u8; 16] = hex::decode(session).expect("hex").try_into().expect("16 bytes");
    let key = hkdf::Salt::new(hkdf::HKDF_SHA256, b"kobling session salt v1").extract(&list(&parts));
    let mut salt = [0; 32];
    key.expand(&[&session], Bytes32).expect("a short key").fill(&mut salt).expect("as long");
    // That it is the system's: it makes the same tokens.
    let all: Vec<(String, [u8; 32])> = contributions.into_iter().collect();
    let theirs = SessionSalt::derive(&all, &session).expect("contributions");
    let message = list(&[b"kobling token v1", b"PERSON", b"x"]);
    let ours = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salt), &message);
    assert_eq!(theirs.token("PERSON", b"x").as_bytes(), &ours.as_ref()[..16]);
    salt
}

/// The contents of all files in a folder.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(fs::read(&path).expect("readable")),
        }
    }
    found
}

/// How many well-formed identity numbers of people a string has, as text or as a number of eight bytes.
fn identity_numbers(string: &[u8]) -> u64 {
    let texts =
        string.windows(11).filter(|window| window.iter().all(u8::is_ascii_digit) && is_well_formed(window));
    let numbers = string.windows(8).filter(|window| {
        let bytes: [u8; 8] = (*window).try_into().expect("eight bytes");
        [u64::from_le_bytes(bytes), u64::from_be_bytes(bytes)].iter().any(|number| {
            // Days above nine only, so that a small counter is not taken for somebody born on the first.
            (10_000_000_000..32_000_000_000).contains(number) && is_well_formed(number.to_string().as_bytes())
        })
    });
    (texts.count() + numbers.count()) as u64
}

/// Whether eleven digits have a day, a month (of test people too) and control digits.
fn is_well_formed(digits: &[u8]) -> bool {
    let digit = |at: usize| u32::from(digits[at] - b'0');
    let pair = |at: usize| 10 * digit(at) + digit(at + 1);
    let is_date = (1..=31).contains(&pair(0)) && matches!(pair(2), 1..=12 | 81..=92);
    is_date
        && with_control_digits(std::array::from_fn(digit)).is_some_and(|number| number.as_bytes() == digits)
}
