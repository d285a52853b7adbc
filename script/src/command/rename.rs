//! `rename old new` gives a column another name.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! create-dataset d
//! import db/BEFOLKNING_KJOENN
//! rename BEFOLKNING_KJOENN kjønn
//! tabulate kjønn
//! ```

use crate::ast::{Command, Name};
use crate::check::Checker;
use crate::diagnostic::Reported;
use crate::parser::{Cursor, Parse};
use crate::problem::Expected;

pub(super) fn parse(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Command> {
    let old = cursor.name(Expected::Variable)?;
    let new = cursor.name(Expected::NewName)?;
    cursor.end()?;
    Ok(Command::Rename { old, new })
}

pub(crate) fn check(checker: &mut Checker<'_, '_, '_>, old: &Name, new: &Name) -> Result<(), Reported> {
    let active = checker.active(old.span)?;
    let known = checker.known_name(&active, old);
    let free = checker.new_name(&active, new);
    let (known, free) = match (known, free) {
        (Ok(known), Ok(free)) => (known, free),
        (Err(reported), _) | (_, Err(reported)) => {
            checker.fail_column(&new.text);
            return Err(reported);
        }
    };
    let columns = &mut checker.dataset(&active).columns;
    let column = columns.remove(&known).expect("the name is known");
    columns.insert(free, column);
    Ok(())
}
