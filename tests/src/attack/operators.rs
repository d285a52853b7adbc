//! Attack 20a: a node's operator, with every secret of its own node and a protected table.
//!
//! It knows its own rows and, of everybody but one person, the others'. Of the noise key k it has all parts but its own. Tries to break: that
//! no node has k. Bound: right about the person in at most 65 %, as without any secret.

use super::clear::{Protection, add, random_key, set};
use super::differences::{PERSON, one_count};
use super::lab::{Lab, fresh_keys};
use super::rate::Rate;
use super::{Measure, rate::Bound};
use crate::reference::Keys;

/// 20a.
pub(super) fn run(lab: &Lab) -> Vec<Measure> {
    let trials = lab.of(4000, 40_000);
    vec![
        Measure::new("a node that has its own part of k", own_parts(lab), Bound::Never),
        Measure::new("the person, by noise under the parts it has", with_key(lab, trials, false), PERSON),
        Measure::new(
            "the person, by the law of the noise",
            one_count(lab, &Protection::published(), trials),
            PERSON,
        ),
        Measure::shown("the person, were k known", with_key(lab, trials, true)),
    ]
}

/// How many nodes hold all parts of k.
fn own_parts(lab: &Lab) -> Rate {
    let world = lab.world();
    let nodes = &world.federation.nodes;
    let has_own = |name: &str| {
        let secrets = world.node(name).node.founding.secrets();
        nodes.iter().all(|node| secrets.part(&node.id).is_some())
    };
    let right = nodes.iter().filter(|node| has_own(node.id.as_str())).count() as u64;
    Rate::Counted { right, trials: nodes.len() as u64 }
}

/// Guesses by computing the noise of both sets under a key: the true one, or that which its parts make.
fn with_key(lab: &Lab, trials: u64, is_true: bool) -> Rate {
    let published = Protection::published();
    let mut dice = lab.dice("20a");
    lab.rate(trials, || {
        let (keys, is_in) = (fresh_keys(&mut dice), dice.percent(50));
        let own_part: [u8; 16] = fresh_keys(&mut dice).noise_key;
        let mut parts = Keys { noise_key: keys.noise_key, ..keys.clone() };
        if !is_true {
            parts.noise_key.iter_mut().zip(own_part).for_each(|(byte, own)| *byte ^= own);
        }
        let others = 200 + dice.below(1000) as u64;
        let without = set(&mut dice, others);
        let mut with = without.clone();
        add(&mut with, random_key(&mut dice));
        let shown = published.count(if is_in { &with } else { &without }, &keys);
        let fits = |cell| published.count(cell, &parts) == shown;
        let guess = match (fits(&with), fits(&without)) {
            (true, false) => true,
            (false, true) => false,
            _ => dice.percent(50),
        };
        guess == is_in
    })
}
