//! `require datastore:major as alias` connects a datastore.
//!
//! Researchers write the major version; the newest release of it in the catalogue is meant. The same datastore
//! may be connected under several names.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! require no.krg.kreft:2 as kreft
//! ```

use crate::ast::{Command, Require};
use crate::check::Checker;
use crate::diagnostic::Reported;
use crate::near::nearest;
use crate::parser::{Cursor, Parse};
use crate::problem::{Expected, Problem};

use kobling_model::DatastoreId;

pub(super) fn parse(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Command> {
    let span = cursor.run(Expected::Datastore)?;
    let text = cursor.text(span);
    let parts = text.split_once(':').and_then(|(id, major)| {
        let plain = major.bytes().all(|byte| byte.is_ascii_digit());
        Some((DatastoreId::new(id).ok()?, major.parse().ok().filter(|_| plain)?))
    });
    let Some((datastore, major)) = parts else {
        return Err(cursor.report(span, Problem::InvalidDatastore { text: text.to_owned() }));
    };
    cursor.need_word("as", Expected::As)?;
    let alias = cursor.name(Expected::NewName)?;
    cursor.end()?;
    Ok(Command::Require(Require { datastore, major, span, alias }))
}

pub(crate) fn check(checker: &mut Checker<'_, '_, '_>, require: &Require) -> Result<(), Reported> {
    let alias = require.alias.text.clone();
    if checker.connected.contains_key(&alias) {
        return Err(checker.report(require.alias.span, Problem::AliasTaken { name: alias }));
    }
    let release = checker.catalogue.release(&require.datastore, require.major);
    checker.connected.insert(alias, release);
    if release.is_some() {
        return Ok(());
    }
    let datastores = &checker.catalogue.datastores;
    let mut available: Vec<_> = (datastores.iter().filter(|datastore| datastore.id == require.datastore))
        .map(|datastore| datastore.version.major)
        .collect();
    available.sort_unstable();
    available.dedup();
    let text = require.datastore.to_string();
    let problem = if available.is_empty() {
        let near = nearest(&text, datastores.iter().map(|datastore| datastore.id.as_str()));
        Problem::UnknownDatastore { text, near }
    } else {
        Problem::UnknownVersion { datastore: text, major: require.major, available }
    };
    Err(checker.report(require.span, problem))
}
